"""GRURegressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import Tags, check_array, check_consistent_length

from fastgru import layers
from fastgru.sklearn.estimator import PARAMETERS, GRUEstimator
from fastgru.sklearn.sequences import read_sequences
from fastgru.types import Array

__all__ = ["GRURegressor"]


class GRURegressor(RegressorMixin, GRUEstimator):  # type: ignore[misc]  # scikit-learn has no types
    __doc__ = f"""A GRU network that answers sequences with one number or several, as an estimator of scikit-learn.

    It is at its best where the targets are near 1; `sklearn.compose.TransformedTargetRegressor` brings them there.
{PARAMETERS}
    n_outputs_ : int
        Numbers that answer a sample.
    """

    _default_loss = "mse"

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _head(self) -> layers.Dense:
        return layers.Dense(self.n_outputs_)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GRURegressor:
        """Train a new network on sequences and the number or numbers that answer each: y (samples,) or (samples, k)."""
        return self._continue(X, y, sample_weight, self.epochs, anew=True)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> GRURegressor:
        """Train for one epoch on more samples."""
        return self._continue(X, y, sample_weight, 1, anew=not hasattr(self, "model_"))

    def _continue(self, X: Any, y: Any, sample_weight: Any, epochs: int, anew: bool) -> GRURegressor:
        x = read_sequences(self, X, reset=anew)
        numbers = self._numbers(y)
        check_consistent_length(x, numbers)
        if anew:
            self._is_flat, self.n_outputs_ = numbers.ndim == 1, numbers[0].size
            self._start(x)
        elif numbers[0].size != self.n_outputs_:
            raise ValueError(
                f"{type(self).__name__}: expected y of {self.n_outputs_} numbers a sample, as the first call had, got "
                f"{numbers[0].size}; fit begins anew."
            )
        self._train(x, numbers.reshape(len(numbers), -1), sample_weight, epochs)
        return self

    def predict(self, X: Any) -> Array:
        """The answer to each sample, (samples,) or (samples, k) as y was, float32."""
        answers = self._answers(X)
        return answers[:, 0] if self._is_flat else answers

    def _numbers(self, y: Any) -> Array:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        numbers: Array = check_array(y, dtype=np.float32, ensure_2d=False, input_name="y")
        return numbers
