"""The Tokenizer of Keras 1 and 2 gives that one's answers; Keras 3 still ships it under `keras._legacy`."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from fastgru.preprocessing import text
from fastgru.preprocessing.text import Tokenizer, tokenizer_from_json

TEXTS = ["The cat sat on the mat.", "A dog; a cat!\tTHE end", "", "dog dog ünder"]
NEW = ["the dog flew", "mat, mat: [UNK] 5"]
CASES: list[dict[str, Any]] = [
    {},
    {"num_words": 4},
    {"oov_token": "[UNK]"},
    {"num_words": 3, "oov_token": "<oov>"},
    {"char_level": True, "num_words": 9},
    {"lower": False, "filters": "", "split": "a"},
    {"analyzer": lambda text: text.split("t")},
    {"oov_token": "cat"},
]


@pytest.fixture
def legacy(keras: Any) -> Any:
    return importlib.import_module("keras.src.legacy.preprocessing.text")


@pytest.mark.parametrize("options", CASES)
@pytest.mark.keras
def test_it_numbers_words_as_keras_does(legacy, options: dict[str, Any]) -> None:
    ours, theirs = Tokenizer(**options), legacy.Tokenizer(**options)
    for texts in (TEXTS, [["list", "of", "The"], "cat"]):
        ours.fit_on_texts(texts)
        theirs.fit_on_texts(texts)
    names = ("word_index", "index_word", "word_counts", "word_docs", "index_docs", "document_count")
    for name in names:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert list(ours.word_index) == list(theirs.word_index)
    sequences = ours.texts_to_sequences([*TEXTS, *NEW])
    assert sequences == theirs.texts_to_sequences([*TEXTS, *NEW])
    assert ours.sequences_to_texts([*sequences, [1, 99]]) == theirs.sequences_to_texts([*sequences, [1, 99]])
    for mode in ("binary", "count", "freq", "tfidf"):
        np.testing.assert_allclose(ours.texts_to_matrix(NEW, mode), theirs.texts_to_matrix(NEW, mode))
    if "analyzer" not in options:
        assert ours.to_json() == theirs.to_json()
        again = tokenizer_from_json(theirs.to_json())
        assert all(getattr(again, name) == getattr(ours, name) for name in names)
        assert again.texts_to_sequences(NEW) == ours.texts_to_sequences(NEW)


@pytest.mark.keras
def test_numbers_alone_are_counted_as_in_keras(legacy) -> None:
    ours, theirs = Tokenizer(num_words=5), legacy.Tokenizer(num_words=5)
    for tokenizer in (ours, theirs):
        tokenizer.fit_on_sequences([[1, 2, 2], [2, 7]])
    np.testing.assert_allclose(
        ours.sequences_to_matrix([[2, 2, 1, 9]], "tfidf"), theirs.sequences_to_matrix([[2, 2, 1, 9]], "tfidf")
    )


@pytest.mark.parametrize("line", [*TEXTS, *NEW])
@pytest.mark.keras
def test_words_and_hashes_are_keras_own(legacy, line: str) -> None:
    assert text.text_to_word_sequence(line) == legacy.text_to_word_sequence(line)
    assert text.hashing_trick(line, 50, "md5") == legacy.hashing_trick(line, 50, "md5")
    assert text.one_hot(line, 50) == legacy.one_hot(line, 50)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Tokenizer().texts_to_matrix(["a"]), "fit on some text data first"),
        (lambda: Tokenizer(5).texts_to_matrix(["a"], "tfidf"), "before using tfidf mode"),
        (lambda: Tokenizer(5).texts_to_matrix(["a"], "often"), "mode must be one of binary"),
        (lambda: text.hashing_trick("a", 5, "sha1"), "a function or 'md5'"),
        (lambda: tokenizer_from_json("{}"), "is not that of a Tokenizer"),
        (lambda: tokenizer_from_json("["), "is not that of a Tokenizer"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
