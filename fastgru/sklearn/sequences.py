"""What scikit-learn's users hand over, as sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from fastgru import checks
from fastgru.types import Array

__all__ = ["read_sequences"]


def read_sequences(estimator: Any, x: Any, reset: bool) -> Array | list[Array]:
    """X as the network reads it, float32; what `fit` saw decides what `predict` takes.

    Parameters
    ----------
    estimator
        Whose `n_features_in_` is set (`reset`) or compared.
    x : (n, T, F) array, list of (T_i, F) arrays, or (n, columns) table
        The columns of a table are T steps of `features_per_step` columns each. A frame's column names are compared.

    Returns
    -------
    (n, T, F) ndarray, or list of (T_i, F) ndarray where the lengths differ

    Raises
    ------
    ValueError
        X has other features than `fit` saw, holds NaN or infinity, or its columns do not divide into steps.
    """
    if isinstance(x, (list, tuple)) and x and all(np.ndim(sequence) == 2 for sequence in x):
        arrays = [check_array(sequence, dtype=np.float32) for sequence in x]
        _compare_features(estimator, {array.shape[1] for array in arrays}, reset)
        return _stacked(arrays)
    if len(getattr(x, "shape", ())) == 3:
        array = check_array(x, dtype=np.float32, allow_nd=True)
        _compare_features(estimator, {array.shape[2]}, reset)
        return array
    table: Array = validate_data(estimator, x, reset=reset, dtype=np.float32)
    width = checks.positive_integer(estimator.features_per_step, type(estimator).__name__, "features_per_step")
    if table.shape[1] % width:
        raise ValueError(
            f"{type(estimator).__name__}: X has {table.shape[1]} columns, which do not divide into steps of "
            f"features_per_step={width}; pass (samples, steps, features), or another features_per_step."
        )
    return table.reshape(len(table), -1, width)


def _stacked(arrays: Sequence[Array]) -> Array | list[Array]:
    return np.stack(arrays) if len({len(array) for array in arrays}) == 1 else list(arrays)


def _compare_features(estimator: Any, counts: set[int], reset: bool) -> None:
    """The features of each step of all sequences; scikit-learn's own words where they are not those of `fit`."""
    name = type(estimator).__name__
    if len(counts) > 1:
        raise ValueError(f"{name}: the sequences in X have {sorted(counts)} features a step, expected as many in each.")
    (count,) = counts
    if reset:
        estimator.n_features_in_ = count
    elif count != estimator.n_features_in_:
        raise ValueError(
            f"X has {count} features, but {name} is expecting {estimator.n_features_in_} features as input."
        )
