"""IMDB: 50,000 movie reviews, half of them good and half bad, as lists of word numbers (Maas et al., 2011)."""

from __future__ import annotations

import numpy as np

from fastgru.datasets import cache, object_arrays, word_numbers
from fastgru.types import Array

__all__ = ["get_word_index", "load_data"]

HASHES = {
    "imdb.npz": "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    "imdb_word_index.json": "bfafd718b763782e994055a2d397834f",
}


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The reviews from Keras's cache, else from $FASTGRU_DATA/imdb.npz, else downloaded into the cache.

    Parameters
    ----------
    path : str
        File name in Keras's cache.
    num_words : int, optional
        Words with this number and higher ones, which are rarer, become `oov_char`.
    skip_top : int
        Words with smaller numbers, the most frequent ones, become `oov_char`, too.
    maxlen : int, optional
        Reviews of that many words and more are left out.
    seed : int
        Of the order.
    start_char : int, optional
        Stands in front of each review.
    oov_char : int, optional
        Stands for words that are left out; None: nothing does.
    index_from : int
        What is added to the numbers of `get_word_index`.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: (25000,) arrays of lists; y: (25000,) arrays of 0 and 1.

    Raises
    ------
    UnavailableError
        The file is not there and cannot be downloaded; says where to put it. An OSError.
    ValueError
        The file is damaged or not IMDB, or `maxlen` leaves nothing.
    """
    file = cache.file_of(path, "imdb.npz", "IMDB", HASHES["imdb.npz"])
    x_train, y_train, x_test, y_test = object_arrays.arrays(file, "x_train", "y_train", "x_test", "y_test")
    random = np.random.RandomState(seed)
    texts, labels = [], []
    for x, y in ((x_train, y_train), (x_test, y_test)):
        x, y = word_numbers.shuffled(x, y, random)
        part, y = word_numbers.shorter(word_numbers.numbered(x, start_char, index_from), y, maxlen)
        if not part:
            raise ValueError(f"imdb.load_data: no sequence is shorter than maxlen={maxlen}; increase maxlen.")
        texts.append(part)
        labels.append(y)
    whole = word_numbers.object_array(word_numbers.limited(texts[0] + texts[1], num_words, skip_top, oov_char))
    at = len(texts[0])
    return (whole[:at], labels[0]), (whole[at:], labels[1])


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The number of each word, 1 for the most frequent; `load_data` adds its `index_from`.

    Parameters
    ----------
    path : str
        File name in Keras's cache.
    """
    name = "imdb_word_index.json"
    return word_numbers.word_index(cache.file_of(path, name, "IMDB's word index", HASHES[name]))


def __dir__() -> list[str]:
    return __all__
