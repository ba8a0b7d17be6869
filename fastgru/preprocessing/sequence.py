"""Sequences of numbers: padded, cut into windows, or paired word by word."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru.data.py_dataset import PyDataset
from fastgru.types import Array
from fastgru.utils.sequences import pad_sequences

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]

EULER_GAMMA = 0.577  # as exact as in Keras


class TimeseriesGenerator(PyDataset):
    """Batches of windows over a series, each with the target of the step behind it.

    New programs take `fastgru.utils.timeseries_dataset_from_array`.

    Parameters
    ----------
    data, targets : sequence
        Equally long.
    length : int
        Steps of the series to a window.
    sampling_rate : int
        Steps of the series for one step of a window.
    stride : int
        Steps from one window to the next.
    start_index, end_index : int
        The first step of the first window, and the last step that may be a target.
    shuffle : bool
        Draw windows at random, so that some come several times and others not at all.
    reverse : bool
        The last step of a window comes first.
    batch_size : int
    **kwargs
        For `fastgru.utils.PyDataset`.

    Raises
    ------
    ValueError
        Data and targets are of unequal lengths, or there is no window.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if len(data) != len(targets):
            raise ValueError(
                f"TimeseriesGenerator: data and targets have to be of same length, got {len(data)} and {len(targets)}."
            )
        self.data, self.targets = data, targets
        self.length, self.sampling_rate, self.stride = length, sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"TimeseriesGenerator: `start_index+length={self.start_index} > end_index={self.end_index}` is "
                "disallowed, as no step is left to be a target."
            )

    def __len__(self) -> int:
        steps = self.end_index - self.start_index + 1
        return math.ceil(steps / (self.batch_size * self.stride))

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        if not 0 <= index < len(self):
            raise IndexError(f"TimeseriesGenerator: expected an index below {len(self)}, got {index}.")
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)  # noqa: NPY002
        else:
            first = self.start_index + self.batch_size * self.stride * index
            rows = np.arange(first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride)
        samples = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1] if self.reverse else samples), targets

    def get_config(self) -> dict[str, Any]:
        """Arguments and data, the latter as JSON."""
        names = ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse", "batch_size")
        series = {
            name: json.dumps(values.tolist() if isinstance(values, np.ndarray) else values)
            for name, values in (("data", self.data), ("targets", self.targets))
        }
        return {**series, **{name: getattr(self, name) for name in names}}

    def to_json(self, **kwargs: Any) -> str:
        """`get_config` as JSON; `**kwargs` are for `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> Array:
    """With which probability `skipgrams` takes the word of each rank (Mikolov et al., 2013).

    By Zipf's law the word of rank r is one of about ``r (log r + gamma) + 1/2 - 1/(12 r)`` words.

    Parameters
    ----------
    size : int
        Number of words.
    sampling_factor : float
        The larger, the more of the frequent words.

    Returns
    -------
    (size,) ndarray
    """
    rank = np.arange(size, dtype=float)
    rank[:1] = 1
    inverse_frequency = rank * (np.log(rank) + EULER_GAMMA) + 0.5 - 1 / (12 * rank)
    return np.minimum(1, np.sqrt(sampling_factor * inverse_frequency))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of a word and one near it, with label 1, and of a word and any, with label 0.

    Parameters
    ----------
    sequence : list of int
        Numbers of words; those that are 0 are no words.
    vocabulary_size : int
        One more than the largest number.
    window_size : int
        How near.
    negative_samples : float
        Pairs with label 0, as a multiple of the others.
    shuffle : bool
        Mix them.
    categorical : bool
        Labels [0, 1] and [1, 0] in the place of 1 and 0.
    sampling_table : array_like, optional
        With which probability a word is taken; see `make_sampling_table`.
    seed : int, optional
        For the mixing.

    Returns
    -------
    couples, labels : list
    """
    couples = []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        near = range(max(0, place - window_size), min(len(sequence), place + window_size + 1))
        couples += [[word, sequence[other]] for other in near if other != place and sequence[other]]
    count = int(len(couples) * negative_samples)
    labels: list[Any] = [[0, 1] if categorical else 1] * len(couples) + [[1, 0] if categorical else 0] * count
    if negative_samples > 0:
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        couples += [[words[one % len(words)], random.randint(1, vocabulary_size - 1)] for one in range(count)]
    if shuffle:
        seed = random.randint(0, 10_000_000) if seed is None else seed
        for pairs in (couples, labels):
            random.seed(seed)
            random.shuffle(pairs)
    return couples, labels


def __dir__() -> list[str]:
    return __all__
