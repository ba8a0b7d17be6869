"""Layers of tokens against real Keras, which runs them on TensorFlow; skipped where that is not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import layers

WORDS = ["the", "The.", "cat", "sat", "on", "mat", "über", "ÜBER", "naïve", "a-b", "x", "", "日本", "cat", "the"]


def sentences(rng: np.random.Generator, count: int) -> list[str]:
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(0, 9))) for _ in range(count)]
    return [*texts, "  two\tspaces\n and, punctuation!! (all) of_it ", "nbsp\u00a0here \x1c end", ""]


TEXT_CASES: list[dict[str, Any]] = [
    {},
    {"output_sequence_length": 4},
    {"max_tokens": 6},
    {"standardize": None},
    {"standardize": "lower"},
    {"standardize": "strip_punctuation", "split": "character"},
    {"ngrams": 2},
    {"ngrams": (3, 1), "output_sequence_length": 5},
    {"output_mode": "multi_hot"},
    {"output_mode": "count", "ngrams": (2,)},
    {"output_mode": "tf_idf"},
    {"output_mode": "tf_idf", "max_tokens": 50, "pad_to_max_tokens": True},
    {"split": None},
]

STRINGS = [["a", "b", "zz"], ["c", "q", "a"], ["longer than sixteen bytes", "b", ""]]
LOOKUP_CASES: list[dict[str, Any]] = [
    {},
    {"mask_token": ""},
    {"mask_token": "b", "num_oov_indices": 3},
    {"num_oov_indices": 4, "salt": 7},
    {"num_oov_indices": 2, "salt": [3, 2**40]},
    {"output_mode": "one_hot"},
    {"output_mode": "multi_hot", "mask_token": "b"},
    {"output_mode": "count", "num_oov_indices": 2},
    {"output_mode": "count", "max_tokens": 9, "pad_to_max_tokens": True},
    {"output_mode": "tf_idf", "idf_weights": [0.5, 0.25, 2.0]},
    {"vocabulary": ["[UNK]", "a", "b", "c"]},
]
NUMBERS = [[10, 11, 99], [12, -5, 10], [0, 11, 1 << 40]]
INTEGER_CASES: list[dict[str, Any]] = [
    {},
    {"mask_token": 0, "num_oov_indices": 3},
    {"num_oov_indices": 5, "oov_method": "farmhash"},
    {"num_oov_indices": 5, "oov_method": "farmhash", "salt": 11},
    {"output_mode": "count", "mask_token": 0},
    {"output_mode": "tf_idf", "idf_weights": [0.5, 0.25, 2.0]},
]
HASHING_CASES: list[dict[str, Any]] = [
    {"num_bins": 7},
    {"num_bins": 7, "mask_value": ""},
    {"num_bins": 7, "salt": 133},
    {"num_bins": 1000, "salt": [133, 137]},
    {"num_bins": 5, "output_mode": "one_hot"},
    {"num_bins": 5, "output_mode": "multi_hot"},
    {"num_bins": 5, "output_mode": "count", "mask_value": "a"},
]


@pytest.fixture(scope="module")
def tensorflow_keras(keras: Any) -> Any:
    """Real Keras, whose layers of tokens compute in TensorFlow whatever the backend is."""
    pytest.importorskip("tensorflow")
    return keras


def both(keras: Any, name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    return getattr(layers, name)(**options), getattr(keras.layers, name)(**options)


def agree(ours: Any, theirs: Any, x: Any) -> None:
    received, expected = ours(x), np.asarray(theirs(x))
    np.testing.assert_allclose(received, expected, rtol=1e-6)
    assert received.shape == expected.shape


def same_config(ours: Any, theirs: Any) -> None:
    config, expected = ours.get_config(), theirs.get_config()
    expected["dtype"] = getattr(expected["dtype"], "get_config", lambda: expected["dtype"])()
    for key, value in expected.items():
        if key not in ("name", "dtype"):
            assert config[key] == value, key
    assert config.keys() == expected.keys()


@pytest.mark.parametrize("options", TEXT_CASES)
@pytest.mark.keras
def test_text_vectorization_is_keras_own(tensorflow_keras, rng, options: dict[str, Any]) -> None:
    ours, theirs = both(tensorflow_keras, "TextVectorization", options)
    seen, texts = sentences(rng, 40), sentences(rng, 20)
    ours.adapt(seen)
    theirs.adapt(seen)
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    assert ours.get_vocabulary(include_special_tokens=False) == theirs.get_vocabulary(include_special_tokens=False)
    assert ours.vocabulary_size() == theirs.vocabulary_size()
    agree(ours, theirs, texts)
    agree(ours, theirs, np.array(texts)[:, np.newaxis])
    same_config(ours, theirs)


@pytest.mark.parametrize("options", LOOKUP_CASES)
@pytest.mark.keras
def test_string_lookup_is_keras_own(tensorflow_keras, options: dict[str, Any]) -> None:
    ours, theirs = both(tensorflow_keras, "StringLookup", {"vocabulary": ["a", "c", "d"], **options})
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    agree(ours, theirs, STRINGS)
    agree(ours, theirs, np.array(STRINGS)[:, :1])
    same_config(ours, theirs)


@pytest.mark.parametrize("options", INTEGER_CASES)
@pytest.mark.keras
def test_integer_lookup_is_keras_own(tensorflow_keras, options: dict[str, Any]) -> None:
    ours, theirs = both(tensorflow_keras, "IntegerLookup", {"vocabulary": [10, 12, 14], **options})
    agree(ours, theirs, np.array(NUMBERS))
    same_config(ours, theirs)


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
@pytest.mark.parametrize(("name", "data"), [("StringLookup", STRINGS), ("IntegerLookup", NUMBERS)])
@pytest.mark.keras
def test_adapted_lookups_are_keras_own(tensorflow_keras, name: str, data: Any, mode: str) -> None:
    for seen in (np.array(data), iter([np.array(data)[:1], np.array(data)[1]])):
        ours, theirs = both(tensorflow_keras, name, {"output_mode": mode, "max_tokens": 6})
        batches = list(seen) if not isinstance(seen, np.ndarray) else seen
        ours.adapt(iter(batches) if isinstance(batches, list) else batches)
        theirs.adapt(iter(batches) if isinstance(batches, list) else batches)
        assert ours.get_vocabulary() == theirs.get_vocabulary()
        agree(ours, theirs, np.array(data))


@pytest.mark.parametrize("options", HASHING_CASES)
@pytest.mark.keras
def test_hashing_is_keras_own(tensorflow_keras, options: dict[str, Any]) -> None:
    ours, theirs = both(tensorflow_keras, "Hashing", options)
    agree(ours, theirs, np.array(STRINGS))
    if not isinstance(options.get("mask_value"), str):
        agree(ours, theirs, np.array(NUMBERS))
        agree(ours, theirs, np.array([[1.9, -3.2]], "float32"))
    same_config(ours, theirs)


@pytest.mark.keras
def test_hashes_are_tensorflows_for_texts_of_every_length(tensorflow_keras, rng) -> None:
    texts = ["x" * 0, *("".join(rng.choice(list("abcdefgh é"), size)) for size in range(1, 200))]
    for options in ({}, {"salt": [1 << 60, 5]}):
        ours, theirs = both(tensorflow_keras, "Hashing", {"num_bins": (1 << 31) - 1, **options})
        np.testing.assert_array_equal(ours(texts), np.asarray(theirs(texts)))


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
@pytest.mark.parametrize("functional", [False, True])
@pytest.mark.keras
def test_models_go_both_ways_in_files(tensorflow_keras, tmp_path: Path, mode: str, functional: bool) -> None:
    """Our file in a Keras on TensorFlow, that one's file here: equal outputs."""

    def model(library: Any) -> Any:
        text = library.layers.TextVectorization(
            output_mode=mode, output_sequence_length=5 if mode == "int" else None, name="words"
        )
        text.adapt(["the cat sat", "the mat, the cat"])
        rest = [library.layers.Embedding(9, 2), library.layers.GRU(3)] if mode == "int" else [library.layers.Dense(3)]
        if not functional:
            return library.Sequential([library.layers.Input((1,), dtype="string"), text, *rest])
        x = library.layers.Input((1,), dtype="string")
        y = text(x)
        for layer in rest:
            y = layer(y)
        return library.Model(x, y)

    texts = ["the cat", "a mat sat", ""]
    ours = model(fastgru)
    expected = ours.predict(texts, verbose=0)
    ours.save(tmp_path / "ours.keras")
    program = (
        "import sys, keras, numpy as np, tensorflow as tf\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "x = tf.constant([[text] for text in sys.argv[4:]])\n"
        "np.save(sys.argv[2], model.predict(x, verbose=0))\n"
        "model.save(sys.argv[3])\n"
    )
    answers, theirs = tmp_path / "answers.npy", tmp_path / "theirs.keras"
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "ours.keras", answers, theirs, *texts],
        check=True,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"},
    )
    np.testing.assert_allclose(np.load(answers), expected, atol=1e-5)
    again = fastgru.models.load_model(theirs)
    assert again.get_layer("words").get_vocabulary() == ours.get_layer("words").get_vocabulary()
    np.testing.assert_allclose(again.predict(texts, verbose=0), expected, atol=1e-5)
