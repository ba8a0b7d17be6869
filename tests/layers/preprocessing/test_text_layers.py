"""Layers of texts: forms of input, options, vocabularies, models, files. Hashes are those of Keras on TensorFlow."""

from __future__ import annotations

import copy
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import layers, models
from fastgru.saving import ModelFileError

TEXTS = ["The cat sat.", "A mat, a CAT!", ""]
WORDS = ["", "a", "word", "eight888", "a longer word than sixteen", "a text of more than thirty-two bytes", "x" * 200]
FARMHASHES, SIPHASHES = [263, 939, 880, 757, 389, 837, 527], [900, 354, 134, 63, 299, 513, 806]


def vectorization(**options: Any) -> layers.TextVectorization:
    layer = layers.TextVectorization(**options)
    layer.adapt(["the cat sat", "the cat", "a cat"])
    return layer


# --- TextVectorization ----------------------------------------------------------------------------------


def test_words_are_numbered_by_how_often_they_are_there() -> None:
    layer = vectorization()
    assert layer.get_vocabulary() == ["", "[UNK]", "cat", "the", "sat", "a"]
    assert layer(TEXTS).tolist() == [[3, 2, 4, 0], [5, 1, 5, 2], [0, 0, 0, 0]]
    assert layer(TEXTS).dtype == "int64"


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS, [[text] for text in TEXTS], np.array(TEXTS), np.array(TEXTS)[:, None], np.array(TEXTS, dtype=object),
        np.array(TEXTS, dtype="S"), [text.encode() for text in TEXTS], np.array(TEXTS, np.dtypes.StringDType()),
    ],
)  # fmt: skip
def test_texts_come_in_every_form(texts: Any) -> None:
    assert vectorization(output_sequence_length=3)(texts).tolist() == [[3, 2, 4], [5, 1, 5], [0, 0, 0]]


def test_one_text_gives_one_row() -> None:
    assert vectorization()("the cat").tolist() == [3, 2]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"output_mode": "multi_hot"}, [[0, 1, 1, 1, 0], [1, 1, 0, 0, 1], [0, 0, 0, 0, 0]]),
        ({"output_mode": "count"}, [[0, 1, 1, 1, 0], [1, 1, 0, 0, 2], [0, 0, 0, 0, 0]]),
        ({"output_mode": "count", "max_tokens": 3}, [[1, 1, 1], [3, 1, 0], [0, 0, 0]]),
        (
            {"output_mode": "binary", "max_tokens": 7, "pad_to_max_tokens": True},
            [[0, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0], [0] * 7],
        ),
    ],
)
def test_words_are_counted(options: dict[str, Any], expected: Any) -> None:
    layer = vectorization(**options)
    assert layer(TEXTS).tolist() == expected
    assert layer.compute_output_shape((3,)) == (3, len(expected[0]))


def test_only_ascii_is_lowered_and_split_as_in_tensorflow() -> None:
    layer = layers.TextVectorization(vocabulary=["Übung", "übung", "a\u00a0b"])
    assert layer(["ÜBUNG Übung übung A\u00a0B"]).tolist() == [[2, 2, 3, 4]]
    assert layer(["zero\0byte übung"]).tolist() == [[1, 3]]


def test_ngrams_are_tokens_too() -> None:
    layer = layers.TextVectorization(ngrams=(2, 1), vocabulary=["a b", "b", "b c"])
    assert layer(["A b c", "x"]).tolist() == [[2, 4, 1, 3, 1], [1, 0, 0, 0, 0]]


def test_functions_standardize_and_split() -> None:
    def without_dashes(texts: Any) -> Any:
        assert texts.dtype.kind == "U"
        return np.char.replace(texts, "-", " ")

    layer = layers.TextVectorization(standardize=without_dashes, vocabulary=["foo", "bar"])
    assert layer([["foo-bar"]]).tolist() == [[2, 3]]
    layer = layers.TextVectorization(
        standardize=None, split=lambda texts: [text.split("|") for text in texts], vocabulary=["foo bar", "x"]
    )
    assert layer(["foo bar|x", "x"]).tolist() == [[2, 3], [3, 0]]


def test_unsplit_texts_keep_their_shape() -> None:
    layer = layers.TextVectorization(split=None, standardize=None, vocabulary=["a b", "c"])
    assert layer([["a b", "c"], ["d", ""]]).tolist() == [[2, 3], [1, 0]]
    assert layer(["a b", "c"]).tolist() == [2, 3]


def test_generators_and_data_sets_are_adapted_to_batch_by_batch() -> None:
    layer = layers.TextVectorization()
    layer.adapt((batch for batch in [["x y"], ["x z"], ["never"]]), steps=2)
    assert layer.get_vocabulary(include_special_tokens=False) == ["x", "z", "y"]
    dataset = fastgru.utils.split_dataset(np.array(["x", "y", "y", "z"], dtype=object), 2)[0].batch(2)
    layer.adapt(dataset.map(lambda text: np.char.add(text.astype(str), "!")))
    assert layer.get_vocabulary(include_special_tokens=False) == ["y", "x"]
    assert dataset.map(layer)[0].tolist() == [[3], [2]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"standardize": "upper"}, "standardize must be one of"),
        ({"split": "lines"}, "split must be one of"),
        ({"ngrams": "2"}, "`ngrams` must be None, an integer, or a tuple"),
        ({"ngrams": 0}, "`ngrams` must be"),
        ({"output_mode": "float"}, "output_mode must be one of"),
        ({"output_sequence_length": 0}, "positive integer"),
        ({"output_mode": "count", "output_sequence_length": 3}, "must not be set if `output_mode` is not"),
        ({"output_mode": "one_hot"}, "is for split=None"),
        ({"ragged": True}, "ragged is not supported"),
        ({"sparse": True}, "sparse is not supported"),
        ({"max_tokens": 1}, "must be greater than 1"),
        ({"vocabulary": ["a", "a"]}, "repeated term"),
        ({"vocabulary": []}, "empty vocabulary"),
        ({"vocabulary": ["a", "b"], "max_tokens": 3}, "larger than the maximum vocab size"),
        ({"vocabulary": "no/such/file"}, "does not exist"),
        ({"vocabulary": ["a"], "output_mode": "tf_idf"}, "`idf_weights`"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.TextVectorization(**options)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([["a", "b"]], "last shape dimension must be 1"),
        ([1, 2], "expected strings"),
        (np.ones(3), "expected strings"),
        (["a", None], "expected strings, got None"),
        (["\ud800"], "expected strings"),
    ],
)
def test_what_is_no_text_is_refused(texts: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vectorization()(texts)


def test_another_size_is_refused_where_it_would_change_the_outputs() -> None:
    layer = vectorization(output_mode="count")
    with pytest.raises(RuntimeError, match="cannot be changed"):
        layer.set_vocabulary(["a"])
    assert layer.vocabulary_size() == 5
    with pytest.raises(RuntimeError, match="before calling it"):
        layers.TextVectorization(output_mode="count")(["a"])


# --- lookups ----------------------------------------------------------------------------------------------


def test_strings_have_indices_and_indices_strings() -> None:
    layer = layers.StringLookup(vocabulary=["a", "b"], mask_token="")
    assert layer.get_vocabulary() == ["", "[UNK]", "a", "b"]
    indices = layer([["a", "b"], ["", "c"]])
    assert indices.tolist() == [[2, 3], [0, 1]]
    back = layers.StringLookup(vocabulary=layer.get_vocabulary(), mask_token="", invert=True)
    assert back(indices).tolist() == [["a", "b"], ["", "[UNK]"]]
    assert layers.IntegerLookup(vocabulary=[7, 9], invert=True)([0, 1, 2, 99]).tolist() == [-1, 7, 9, -1]


def test_unknown_tokens_are_shared_out_by_tensorflows_hashes() -> None:
    words = ["x", "a longer word than sixteen letters", "日本"]
    assert layers.StringLookup(vocabulary=["a"], num_oov_indices=100)(words).tolist() == [70, 21, 83]
    assert layers.StringLookup(vocabulary=["a"], num_oov_indices=100, salt=[3, 5])(words).tolist() == [95, 33, 98]
    assert layers.IntegerLookup(vocabulary=[7], num_oov_indices=4)([7, 8, -1]).tolist() == [4, 0, 3]
    with pytest.raises(ValueError, match=r"found OOV values \['x'\]"):
        layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["a", "x"])


def test_a_vocabulary_stands_in_a_file_with_a_token_to_a_line(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(b"a\r\nb c\r\n")
    assert layers.StringLookup(vocabulary=tmp_path / "words.txt").get_vocabulary() == ["[UNK]", "a", "b c"]
    (tmp_path / "numbers.txt").write_text("5\n-7\n")
    layer = layers.IntegerLookup(vocabulary=str(tmp_path / "numbers.txt"))
    assert layer(np.array([[-7, 5, 1]])).tolist() == [[2, 1, 0]]
    config = {**layer.get_config(), "vocabulary": str(tmp_path / "numbers.txt")}
    with pytest.raises(ValueError, match="no file is opened that a config names"):
        layers.IntegerLookup.from_config(config)


def test_weights_of_tokens_are_those_of_documents() -> None:
    layer = layers.IntegerLookup(output_mode="tf_idf")
    layer.adapt([[1, 1, 2], [1, 3, 3]])
    assert layer.get_vocabulary() == [-1, 1, 3, 2]
    idf = np.log([1 + 2 / 3, 1 + 2 / 2, 1 + 2 / 2])
    np.testing.assert_allclose(layer([[1, 1, 4]]), [[idf.mean(), 2 * idf[0], 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "uint8", "bool"])
def test_whole_numbers_of_every_dtype_are_looked_up(dtype: str) -> None:
    assert layers.IntegerLookup(vocabulary=[0, 1])(np.array([1, 0], dtype)).tolist() == [2, 1]


def test_a_layer_with_a_vocabulary_of_its_own_is_not_adapted() -> None:
    for layer in (layers.StringLookup(vocabulary=["a"]), layers.TextVectorization(vocabulary=["a"])):
        with pytest.raises(ValueError, match="Cannot adapt layer"):
            layer.adapt(["b"])
        assert layer.get_vocabulary(include_special_tokens=False) == ["a"]


# --- Hashing ----------------------------------------------------------------------------------------------


def test_hashes_are_tensorflows() -> None:
    assert layers.Hashing(1000)(WORDS).tolist() == FARMHASHES
    assert layers.Hashing(1000, salt=[133, 137])(WORDS).tolist() == SIPHASHES
    assert layers.Hashing(1000)([[12, -3]]).tolist() == [[888, 699]]


# --- models -----------------------------------------------------------------------------------------------


def classifier(kind: str, **options: Any) -> Any:
    text = vectorization(name="words", **options)
    rest = [layers.Embedding(6, 3, mask_zero=True), layers.GRU(4), layers.Dense(2, "softmax")]
    if options.get("output_mode", "int") != "int":
        rest = rest[2:]
    if kind == "Sequential":
        return models.Sequential([layers.Input((1,), dtype="string"), text, *rest])
    if kind == "Sequential without Input":
        return models.Sequential([text, *rest])
    x = layers.Input((), dtype="string")
    y = text(x)
    for layer in rest:
        y = layer(y)
    return models.Model(x, y)


KINDS = ["Sequential", "Sequential without Input", "Functional"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["int", "count"])
def test_a_model_takes_texts(kind: str, mode: str) -> None:
    model = classifier(kind, output_mode=mode)
    expected = model.predict(np.array(TEXTS), verbose=0)
    for texts in (TEXTS, np.array(TEXTS, dtype=object), np.array(TEXTS)[:, None]):
        np.testing.assert_allclose(model.predict(texts, verbose=0), expected)
        np.testing.assert_allclose(model(texts), expected)
    np.testing.assert_allclose(model.predict(TEXTS * 30, verbose=0), np.tile(expected, (30, 1)), rtol=1e-5)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(np.array(TEXTS * 8), np.array([0, 1, 1] * 8), epochs=30, batch_size=6, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert len(model.evaluate(TEXTS, [0, 1, 1], verbose=0)) == 2


def test_a_batch_is_as_wide_as_its_longest_text() -> None:
    """So that without a mask predict gives what it gives in batches of the size asked for."""
    model = models.Sequential([vectorization(), layers.Embedding(6, 3), layers.GRU(4)])
    texts = ["cat"] * 32 + ["cat sat the cat"] * 32
    np.testing.assert_allclose(model.predict(texts, verbose=0)[:32], model(texts[:32]), rtol=1e-5)


def test_texts_and_numbers_go_into_one_model() -> None:
    text, number = layers.Input((1,), dtype="string", name="text"), layers.Input((2,), name="number")
    y = layers.Dense(1)(layers.concatenate([vectorization(output_mode="multi_hot")(text), number]))
    model = models.Model([text, number], y)
    assert model.predict({"text": TEXTS, "number": np.ones((3, 2))}, verbose=0).shape == (3, 1)
    with pytest.raises(ValueError, match="got strings"):
        model.predict([TEXTS, np.full((3, 2), "1")], verbose=0)


def test_indices_go_into_layers_of_floats() -> None:
    model = models.Sequential(
        [layers.Input((2,), dtype="int64"), layers.IntegerLookup(vocabulary=[5]), layers.Dense(1)]
    )
    assert model.predict(np.array([[5, 4]]), verbose=0).dtype == "float32"


@pytest.mark.parametrize("make", [lambda: layers.Dense(2), lambda: layers.Embedding(3, 2)])
def test_a_model_of_numbers_refuses_texts(make: Any) -> None:
    model = models.Sequential([layers.Input((1,)), make()])
    with pytest.raises(ValueError, match="expected real numbers, got list"):
        model.predict(["1", "2"], verbose=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_a_file_keeps_the_vocabulary(kind: str, mode: str, tmp_path: Path) -> None:
    model = classifier(kind, output_mode=mode)
    expected = model.predict(TEXTS, verbose=0)
    model.save(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    assert again.get_layer("words").get_vocabulary() == model.get_layer("words").get_vocabulary()
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), expected)
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extractall(tmp_path / "folder")
    np.testing.assert_array_equal(models.load_model(tmp_path / "folder").predict(TEXTS, verbose=0), expected)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copied.predict(TEXTS, verbose=0), expected)
    with pytest.raises(ValueError, match=r"vocabulary of layer 'words' has no place in a legacy HDF5 file"):
        model.save(tmp_path / "model.h5")


def test_a_file_of_keras_2_keeps_it_under_another_path(tmp_path: Path) -> None:
    model = classifier("Sequential")
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            old.writestr(name.replace("assets/layers/", "assets/_layer_checkpoint_dependencies/"), new.read(name))
    again = models.load_model(tmp_path / "old.keras")
    assert again.get_layer("words").get_vocabulary() == model.get_layer("words").get_vocabulary()


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    classifier("Sequential").save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extractall(tmp_path / "folder")
    (tmp_path / "folder" / "assets").rename(tmp_path / "elsewhere")
    (tmp_path / "folder" / "assets").symlink_to(tmp_path / "elsewhere")
    again = models.load_model(tmp_path / "folder")
    assert again.get_layer("words").get_vocabulary() == ["", "[UNK]"]


def test_files_of_weights_hold_how_much_tokens_weigh(tmp_path: Path) -> None:
    def model(weights: list[float]) -> Any:
        text = layers.TextVectorization(output_mode="tf_idf", vocabulary=["cat", "the"], idf_weights=weights)
        return models.Sequential([layers.Input((1,), dtype="string"), text, layers.Dense(2)])

    ours, other = model([1.0, 2.0]), model([3.0, 5.0])
    ours.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.predict(TEXTS, verbose=0), ours.predict(TEXTS, verbose=0))


def test_a_vocabulary_in_the_config_goes_into_every_file(tmp_path: Path) -> None:
    text = layers.TextVectorization(vocabulary=["cat", "the"], output_sequence_length=3)
    model = models.Sequential([layers.Input((1,), dtype="string"), text, layers.Embedding(4, 2)])
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        np.testing.assert_array_equal(models.load_model(tmp_path / name)(TEXTS), model(TEXTS))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (b"", r"does not begin with \['', '\[UNK\]'\]"),
        (b"\n[UNK]\na\na", "repeated term"),
        (b"\xff", "can't decode byte"),
    ],
)
def test_a_damaged_vocabulary_is_named(changed: bytes, message: str, tmp_path: Path) -> None:
    classifier("Sequential").save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as whole, zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad:
        for name in whole.namelist():
            bad.writestr(name, changed if name.endswith("vocabulary.txt") else whole.read(name))
    with pytest.raises(ModelFileError, match=message):
        models.load_model(tmp_path / "bad.keras")


def test_a_function_in_a_file_comes_by_its_name(tmp_path: Path) -> None:
    def plain(texts: Any) -> Any:
        return np.char.replace(texts, "!", "")

    text = layers.TextVectorization(standardize=plain, vocabulary=["a"])
    models.Sequential([layers.Input((1,), dtype="string"), text]).save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match="standardize"):
        models.load_model(tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras", custom_objects={"plain": plain})
    assert again(["a! b"]).tolist() == [[2, 1]]
