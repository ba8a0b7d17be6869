"""A data set cut in two."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from fastgru.utils.dataset import Dataset, from_arrays

__all__ = ["split_dataset"]


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Dataset, Dataset]:
    """Cut a data set into its first samples and its last ones.

    Parameters
    ----------
    dataset : ndarray, list or tuple of ndarray, Dataset, or sequence of samples
        Arrays are of equally many samples. A `Dataset` of batches is taken apart, and its parts are batched again.
    left_size, right_size : int or float, optional
        A number of samples, or a part of all of them; the rest where one of the two is absent.
    shuffle : bool
        Draw an order of the samples first.
    seed : int, optional
        For the order.
    preferred_backend
        In Keras's signature; the parts are fastgru's own.

    Returns
    -------
    (Dataset, Dataset)

    Raises
    ------
    ValueError
        Neither size is there, one is out of range, or both together are more than there is.
    TypeError
        What is to be cut is no data set.
    """
    if left_size is None and right_size is None:
        raise ValueError("split_dataset: At least one of the `left_size` or `right_size` must be specified, got none.")
    samples, count = _samples(dataset)
    left, right = _sizes(left_size, right_size, count)
    order = list(range(count))
    if shuffle:
        random.Random(seed).shuffle(order)
    parts = [order[:left], order[count - right :]]
    first, second = (samples(np.array(rows, int)) for rows in parts)
    size = getattr(dataset, "batch_size", None)
    return (first, second) if size is None else (first.batch(size), second.batch(size))


def _samples(dataset: Any) -> tuple[Any, int]:
    """What makes a data set of some rows, and how many rows there are."""
    if isinstance(dataset, Dataset):
        whole = dataset if dataset.batch_size is None else dataset.unbatch()
        elements = list(whole)
        return lambda rows: Dataset(len(rows), lambda place: elements[rows[place]]), len(elements)
    if isinstance(dataset, np.ndarray):
        return lambda rows: from_arrays(dataset, rows), len(dataset)
    if isinstance(dataset, (list, tuple)):
        arrays = tuple(map(np.asarray, dataset))
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1:
            raise ValueError(f"split_dataset: expected arrays of equally many samples, got {sorted(lengths)}.")
        return lambda rows: from_arrays(arrays, rows), lengths.pop()
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            "split_dataset: `dataset` must be a data set with a length, or a list/tuple of arrays, "
            f"got {type(dataset).__name__}."
        )
    return lambda rows: Dataset(len(rows), lambda place: dataset[int(rows[place])]), len(dataset)


def _sizes(left: float | int | None, right: float | int | None, count: int) -> tuple[int, int]:
    """The numbers of samples on both sides."""
    numbers = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and (isinstance(size, bool) or not isinstance(size, (int, float, np.integer, np.floating))):
            raise TypeError(f"split_dataset: Invalid `{name}`, expected an integer or a float, got {size!r}.")
        whole = isinstance(size, (int, np.integer))
        if size is not None and not (0 < size < count if whole else 0 < size < 1):
            limits = f"0 and {count}" if whole else "0 and 1"
            raise ValueError(f"split_dataset: `{name}` must lie between {limits}, both excluded, got {size}.")
        numbers.append(None if size is None else int(size) if whole else size * count)
    first, last = numbers
    if (first or 0) + (last or 0) > count:
        raise ValueError(
            f"split_dataset: the sum of `left_size` and `right_size` must not be more than the {count} samples, "
            f"got {left} and {right}."
        )
    at = count - round(last or 0) if first is None else round(first)
    sizes = at, count - at if last is None else min(round(last), count - at)
    if not all(sizes):
        raise ValueError(f"split_dataset: {left} and {right} of {count} samples leave a part empty; change a size.")
    return sizes
