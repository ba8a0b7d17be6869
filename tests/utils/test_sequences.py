"""pad_sequences gives Keras's answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru.utils import pad_sequences

SEQUENCES: list[Any] = [[1, 2, 3, 4], [], [5], [6, 7]]


@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 2, 6])
@pytest.mark.keras
def test_it_pads_and_cuts_as_keras_does(keras, maxlen: int | None, padding: str, truncating: str) -> None:
    options: dict[str, Any] = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": 9}
    ours, theirs = pad_sequences(SEQUENCES, **options), keras.utils.pad_sequences(SEQUENCES, **options)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == theirs.dtype


def test_sequences_of_vectors_and_of_texts_are_padded() -> None:
    vectors = [np.ones((2, 3)), np.ones((1, 3))]
    assert pad_sequences(vectors, dtype="float64").tolist()[1] == [[0, 0, 0], [1, 1, 1]]
    texts = pad_sequences([["a", "longer"], ["b"]], dtype=object, padding="post", value="-")
    assert texts.tolist() == [["a", "longer"], ["b", "-"]]


def test_nothing_is_padded_to_nothing() -> None:
    assert pad_sequences([]).shape == (0, 0)
    assert pad_sequences([[1, 2]], maxlen=0).shape == (1, 0)


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        (3, {}, "must be iterable"),
        ([1, 2], {}, "list of iterables. Found non-iterable: 1"),
        ([[1]], {"maxlen": -1}, "maxlen must be a whole number of at least 0, got -1"),
        ([[1]], {"padding": "middle"}, 'Padding type "middle" not understood'),
        ([[1]], {"truncating": "middle"}, 'Truncating type "middle" not understood'),
        ([["a"]], {"value": "-"}, "set `dtype=object` for variable length strings"),
        ([[[1, 2]], [[1]]], {}, "of sequence at position 1 is different from expected shape"),
    ],
)
def test_what_is_no_list_of_sequences_is_refused(sequences: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pad_sequences(sequences, **options)
