"""Reuters: 11,228 newswires on 46 topics, as lists of word numbers."""

from __future__ import annotations

import numpy as np

from fastgru.datasets import cache, object_arrays, word_numbers
from fastgru.types import Array

__all__ = ["get_label_names", "get_word_index", "load_data"]

HASHES = {
    "reuters.npz": "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    "reuters_word_index.json": "4d44cc38712099c9e383dc6e5f11a921",
}
TOPICS = (
    "cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply", "coffee", "sugar",
    "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi", "money-fx", "interest", "gnp",
    "meal-feed", "alum", "oilseed", "gold", "tin", "strategic-metal", "livestock", "retail", "ipi", "iron-steel",
    "rubber", "heat", "jobs", "lei", "bop", "zinc", "orange", "pet-chem", "dlr", "gas", "silver", "wpi", "hog", "lead",
)  # fmt: skip


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The newswires from Keras's cache, else from $FASTGRU_DATA/reuters.npz, else downloaded into the cache.

    Parameters
    ----------
    path, num_words, skip_top, maxlen, seed, start_char, oov_char, index_from
        As for `fastgru.datasets.imdb.load_data`.
    test_split : float
        Part of the newswires, the last ones, that is the test data.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: arrays of lists; y: arrays of 0 to 45, see `get_label_names`.

    Raises
    ------
    UnavailableError
        The file is not there and cannot be downloaded; says where to put it. An OSError.
    ValueError
        The file is damaged or not Reuters, or `test_split` is out of range.
    """
    if not 0 <= test_split <= 1:
        raise ValueError(f"reuters.load_data: test_split must lie in [0, 1], got {test_split!r}.")
    file = cache.file_of(path, "reuters.npz", "Reuters", HASHES["reuters.npz"])
    random = np.random.RandomState(seed)
    x, y = object_arrays.arrays(file, "x", "y")
    x, y = word_numbers.shuffled(x, y, random)
    texts, y = word_numbers.shorter(word_numbers.numbered(x, start_char, index_from), y, maxlen)
    if not texts:
        raise ValueError(f"reuters.load_data: no sequence is shorter than maxlen={maxlen}; increase maxlen.")
    whole = word_numbers.object_array(word_numbers.limited(texts, num_words, skip_top, oov_char))
    at = int(len(whole) * (1 - test_split))
    return (whole[:at], y[:at]), (whole[at:], y[at:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The number of each word, 1 for the most frequent; `load_data` adds its `index_from`.

    Parameters
    ----------
    path : str
        File name in Keras's cache.
    """
    name = "reuters_word_index.json"
    return word_numbers.word_index(cache.file_of(path, name, "Reuters' word index", HASHES[name]))


def get_label_names() -> tuple[str, ...]:
    """The topics in the order of their labels."""
    return TOPICS


def __dir__() -> list[str]:
    return __all__
