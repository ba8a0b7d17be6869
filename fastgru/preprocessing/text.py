"""Texts to numbers of words, in plain Python, as Keras 1 and 2 did it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fastgru.checks import choice
from fastgru.types import Array

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
MODES = ("binary", "count", "freq", "tfidf")

Text = str | list[str]
Hash = Callable[[str], int]


def text_to_word_sequence(input_text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text.

    Parameters
    ----------
    input_text : str
    filters : str
        Characters that stand for a `split`.
    lower : bool
    split : str
        What stands between words.
    """
    if lower:
        input_text = input_text.lower()
    table = {ord(one): split for one in filters}
    words = input_text.translate(table).split(split)
    return [word for word in words if word]


def one_hot(
    input_text: str,
    n: int,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list[str]] | None = None,
) -> list[int]:
    """`hashing_trick` with Python's `hash`, which is another in each process."""
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Hash | str | None = None,
    filters: str = FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list[str]] | None = None,
) -> list[int]:
    """A number from 1 to n - 1 for each word of a text; several words may share one.

    Parameters
    ----------
    text : str
    n : int
        One more than the largest number.
    hash_function : callable or "md5", optional
        Python's `hash` where absent, which is another in each process.
    filters, lower, split
        See `text_to_word_sequence`.
    analyzer : callable, optional
        Text to words, in the place of the three.
    """
    hashed = _md5 if hash_function == "md5" else hash if hash_function is None else hash_function
    if not callable(hashed):
        raise ValueError(f"hashing_trick: expected hash_function to be a function or 'md5', got {hash_function!r}.")
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [hashed(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode()).hexdigest(), 16)


class Tokenizer:
    """Texts to lists of the numbers of their words, or to rows of how often each word is there.

    Words are numbered from 1 on, the most frequent first, of equally frequent ones that which came first; 0 is no
    word. New programs take `fastgru.layers.TextVectorization`.

    Parameters
    ----------
    num_words : int, optional
        Words with this number and higher ones are left out, or become `oov_token`.
    filters, lower, split
        See `text_to_word_sequence`.
    char_level : bool
        Every character is a word.
    oov_token : str, optional
        Has number 1, and stands for words that are not known.
    analyzer : callable, optional
        Text to words, in the place of `filters`, `lower` and `split`.

    Attributes
    ----------
    word_index, index_word : dict
        Numbers by words, of all of them whatever `num_words` says, and words by numbers.
    word_counts : OrderedDict
        How often each word was there.
    word_docs, index_docs : dict
        In how many texts each word was, by word and by number.
    document_count : int
        How many texts there were.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], list[str]] | None = None,
        document_count: int = 0,
    ) -> None:
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.analyzer = analyzer
        self.document_count = document_count
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: dict[str, int] = defaultdict(int)
        self.index_docs: dict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Text) -> Sequence[str]:
        if self.char_level or isinstance(text, list):
            if not self.lower:
                return text
            return [word.lower() for word in text] if isinstance(text, list) else text.lower()
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Text]) -> None:
        """Count the words of texts, and number all words anew.

        Parameters
        ----------
        texts : iterable of str or list of str
            A list is one text, whose words it holds.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        frequent_first = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        words = frequent_first if self.oov_token is None else [self.oov_token, *frequent_first]
        # a word that is the oov_token has the number of its count, as in Keras
        self.word_index = {word: number for number, word in enumerate(words, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Iterable[int]]) -> None:
        """Count in how many lists of numbers each number is, for `sequences_to_matrix` without texts."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    # --- to numbers and back ----------------------------------------------------------------------------

    def texts_to_sequences(self, texts: Iterable[Text]) -> list[list[int]]:
        """The numbers of the words of each text; unknown words are left out where there is no `oov_token`."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Text]) -> Iterator[list[int]]:
        """`texts_to_sequences` one by one."""
        known = self.word_index
        if self.num_words:
            known = {word: number for word, number in known.items() if number < self.num_words}
        unknown = None if self.oov_token is None else self.word_index.get(self.oov_token)
        for text in texts:
            numbers = [known.get(word, unknown) for word in self._words(text)]
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """The words of each list of numbers, with spaces between."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """`sequences_to_texts` one by one."""
        known = self.index_word
        if self.num_words:
            known = {number: word for number, word in known.items() if number < self.num_words}
        for sequence in sequences:
            words = [known.get(number, self.oov_token) for number in sequence]
            yield " ".join([word for word in words if word is not None])

    def texts_to_matrix(self, texts: Iterable[Text], mode: str = "binary") -> Array:
        """A row for each text; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> Array:
        """A row for each list of numbers.

        Parameters
        ----------
        sequences : list of list of int
        mode : {"binary", "count", "freq", "tfidf"}
            Whether a word is there, how often, which part of the words it is, or
            ``(1 + log(count)) log(1 + N / (1 + n))`` with n of N texts that have it.

        Returns
        -------
        (len(sequences), num_words) float64 ndarray
            One column more than words where `num_words` is not set.
        """
        choice(mode, MODES, "Tokenizer", "mode")
        columns = self.num_words or (len(self.word_index) + 1 if self.word_index else 0)
        if not columns:
            raise ValueError("Tokenizer: Specify a dimension (`num_words` argument), or fit on some text data first.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Tokenizer: Fit the Tokenizer on some data before using tfidf mode.")
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in enumerate(sequences):
            counted = Counter(number for number in sequence if number < columns)
            for number, count in counted.items():
                matrix[row, number] = self._entry(number, count, len(sequence), mode)
        return matrix

    def _entry(self, number: int, count: int, length: int, mode: str) -> float:
        if mode == "tfidf":
            texts = self.document_count / (1 + self.index_docs.get(number, 0))
            return float((1 + np.log(count)) * np.log(1 + texts))
        return {"binary": 1.0, "count": float(count), "freq": count / length}[mode]

    # --- as JSON ----------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Options and counts, the latter as JSON."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            "word_counts": json.dumps(self.word_counts),
            "word_docs": json.dumps(self.word_docs),
            "index_docs": json.dumps(self.index_docs),
            "index_word": json.dumps(self.index_word),
            "word_index": json.dumps(self.word_index),
        }

    def to_json(self, **kwargs: Any) -> str:
        """What `tokenizer_from_json` reads; `**kwargs` are for `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The tokenizer that `Tokenizer.to_json`, here or in Keras, wrote.

    Raises
    ------
    ValueError
        The text is no JSON, or describes no tokenizer.
    """
    try:
        config = dict(json.loads(json_string)["config"])
        by_word = {name: json.loads(config.pop(name)) for name in ("word_counts", "word_docs", "word_index")}
        # numbers have become texts
        by_number = {
            name: {int(number): value for number, value in json.loads(config.pop(name)).items()}
            for name in ("index_docs", "index_word")
        }
        tokenizer = Tokenizer(**config)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"tokenizer_from_json: the text is not that of a Tokenizer ({error}).") from None
    tokenizer.word_counts = OrderedDict(by_word["word_counts"])
    tokenizer.word_docs.update(by_word["word_docs"])
    tokenizer.word_index = by_word["word_index"]
    tokenizer.index_docs.update(by_number["index_docs"])
    tokenizer.index_word = by_number["index_word"]
    return tokenizer


def __dir__() -> list[str]:
    return __all__
