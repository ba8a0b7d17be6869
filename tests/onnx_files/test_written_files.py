"""`Model.export`: what onnx's checker passes, ONNX Runtime computes alike, and fastgru opens again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import assert_same, by_model, by_runtime

import fastgru
from fastgru import Input, Model, Sequential, layers
from fastgru.onnx.sized import Sized

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 7, 4)).astype("float32")


def filled(model: Any) -> Any:
    """The model with random weights, different in each gate, variances positive."""
    model.set_weights(
        [
            (RNG.uniform(0.5, 2, weight.shape) if "variance" in weight.name else RNG.normal(size=weight.shape) * 0.4)
            for weight in model.weights
        ]
    )
    return model


def assert_exports(model: Any, folder: Path, *inputs: Any) -> None:
    path = folder / "m.onnx"
    filled(model).export(path)
    onnx = pytest.importorskip("onnx", reason="checks the file")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    ours = by_model(model, *inputs)
    assert_same(ours, by_runtime(path.read_bytes(), *inputs))
    assert_same(ours, by_model(fastgru.models.load_model(path), *inputs))


def padded(where: str) -> Any:
    x = X.copy()
    steps = {"end": [(0, slice(5, 7)), (1, slice(2, 7))], "begin": [(0, slice(0, 3)), (1, slice(0, 6))]}
    steps["between"] = [(0, [0, 3, 6]), (1, slice(0, 7)), (2, [2])]  # one row has no step that counts
    for row, places in steps[where]:
        x[row, places] = 0
    return x


RECURRENT = [(layers.GRU, {}), (layers.GRU, {"reset_after": False}), (layers.LSTM, {}), (layers.SimpleRNN, {})]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(("layer", "options"), RECURRENT)
def test_recurrent_layers(layer: Any, options: Any, sequences: bool, backwards: bool, tmp_path: Path) -> None:
    both = {"return_sequences": sequences, "go_backwards": backwards}
    model = Sequential([Input((None, 4)), layer(5, **options, **both), layers.Dense(3, activation="softmax")])
    assert_exports(model, tmp_path, X)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("where", ["end", "begin", "between"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(("layer", "options"), RECURRENT)
def test_masks_wherever_the_padding_stands(
    layer: Any, options: Any, sequences: bool, backwards: bool, where: str, zeros: bool, tmp_path: Path
) -> None:
    both = {"return_sequences": sequences, "go_backwards": backwards, "zero_output_for_mask": zeros}
    model = Sequential([Input((None, 4)), layers.Masking(), layer(5, **options, **both), layers.Dense(3)])
    assert_exports(model, tmp_path, padded(where))


def test_what_is_opened_again_is_saved_as_keras_with_its_layers_of_sizes(tmp_path: Path) -> None:
    stack = [layers.Masking(), layers.GRU(5, return_sequences=True), layers.Dense(2)]
    filled(Sequential([Input((None, 4)), *stack])).export(tmp_path / "m.onnx")
    model = fastgru.models.load_model(tmp_path / "m.onnx")
    assert any(isinstance(layer, Sized) for layer in model.layers)
    model.save(tmp_path / "m.keras")
    x = padded("between")
    assert_same(by_model(fastgru.models.load_model(tmp_path / "m.keras"), x), by_model(model, x), 0)


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("layer", [layers.GRU, layers.LSTM, layers.SimpleRNN])
def test_both_directions(layer: Any, merge_mode: str, tmp_path: Path) -> None:
    first = layers.Bidirectional(layer(5, return_sequences=True), merge_mode=merge_mode)
    model = Sequential([Input((None, 4)), layers.Masking(), first, layers.Bidirectional(layer(3))])
    assert_exports(model, tmp_path, padded("between"))


@pytest.mark.parametrize("name", ["relu", "hard_sigmoid", "softsign", "softplus", "linear", "elu"])
def test_activations_of_a_recurrent_layer(name: str, tmp_path: Path) -> None:
    layer = layers.GRU(5, activation=name, recurrent_activation="hard_sigmoid", use_bias=False)
    assert_exports(Sequential([Input((None, 4)), layer]), tmp_path, X)


@pytest.mark.parametrize(
    "name",
    ["celu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "log_sigmoid",
     "log_softmax", "mish", "relu6", "selu", "silu", "softmax"],
)  # fmt: skip
def test_activations(name: str, tmp_path: Path) -> None:
    model = Sequential([Input((None, 4)), layers.Dense(5, activation=name), layers.Activation(name)])
    assert_exports(model, tmp_path, X)


def test_words_that_are_padded(tmp_path: Path) -> None:
    words = np.array([[1, 2, 3, 0, 0], [4, 0, 5, 6, 7], [0, 0, 1, 8, 2]], "int32")
    table = layers.Embedding(9, 4, mask_zero=True)
    rest = [layers.GRU(5, return_sequences=True), layers.Dropout(0.3), layers.LSTM(4)]
    assert_exports(Sequential([Input((None,), dtype="int32"), table, *rest]), tmp_path, words)


def test_convolutions_norms_and_pooling(tmp_path: Path) -> None:
    stack = [
        layers.Conv1D(6, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Conv1D(4, 3, padding="causal", dilation_rate=2),
        layers.MaxPooling1D(2),
        layers.LayerNormalization(),
        layers.GRU(5, return_sequences=True),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2),
    ]
    assert_exports(Sequential([Input((None, 4)), *stack]), tmp_path, X)


def test_everything_that_only_moves_numbers(tmp_path: Path) -> None:
    stack = [
        layers.Conv1D(6, 4, strides=2, padding="same", groups=2),
        layers.AveragePooling1D(2, padding="same"),
        layers.ZeroPadding1D((1, 2)),
        layers.Cropping1D((1, 1)),
        layers.UpSampling1D(2),
        layers.Permute((2, 1)),
        layers.Flatten(),
        layers.Dense(3),
        layers.RepeatVector(4),
        layers.TimeDistributed(layers.Dense(2, activation="tanh")),
        layers.Reshape((2, -1)),
        layers.UnitNormalization(),
        layers.RMSNormalization(),
        layers.ReLU(max_value=0.5, negative_slope=0.1),
        layers.LeakyReLU(),
        layers.ELU(0.5),
        layers.PReLU(),
        layers.Softmax(),
    ]
    assert_exports(Sequential([Input((8, 4)), *stack]), tmp_path, RNG.normal(size=(3, 8, 4)).astype("float32"))


def graph() -> Any:
    x, state = Input((None, 4), name="seq"), Input((5,), name="state")
    y, last = layers.GRU(5, return_sequences=True, return_state=True)(x, initial_state=state)
    added = layers.Add()([y, layers.Dense(5)(y)])
    joined = layers.Concatenate()([added, y])
    inner = Sequential([Input((None, 10)), layers.Dense(3)], name="inner")
    steps = layers.TimeDistributed(layers.Dense(2))(inner(joined) * 2.0)
    return Model([x, state], [steps, last, layers.Multiply()([y, added])[:, -1]])


def test_a_graph_of_several_inputs_and_outputs(tmp_path: Path) -> None:
    assert_exports(graph(), tmp_path, X, RNG.normal(size=(3, 5)).astype("float32"))


def test_names_are_those_of_the_model_and_sizes_stay_free(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="reads the file")
    model = graph()
    model.export(tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    assert [one.name for one in proto.graph.input] == ["seq", "state"]
    assert [one.name for one in proto.graph.output] == model.output_names
    sizes = proto.graph.input[0].type.tensor_type.shape.dim
    assert [one.dim_param or one.dim_value for one in sizes] == ["batch", "seq_1", 4]
    assert [one.version for one in proto.opset_import] == [fastgru.onnx.OPSET] == [17]


class Own(layers.Layer):
    def call(self, x: Any) -> Any:
        return x + 1


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: layers.GRU(3, activation="gelu", name="odd"), "odd"),
        (lambda: layers.GRU(3, stateful=True, name="state"), "state"),
        (lambda: layers.RNN(layers.GRUCell(3), name="cells"), "cells"),
        (lambda: layers.Dense(3, activation="sparsemax", name="sparse"), "sparse"),
        (lambda: Own(name="own"), "own"),
    ],
)
def test_what_cannot_be_written_is_refused_by_the_layers_name(layer: Any, name: str, tmp_path: Path) -> None:
    model = Sequential([Input((5, 4), batch_size=2), layer()])
    with pytest.raises(ValueError, match=rf"export: layer '{name}'.*\.$"):
        model.export(tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    Sequential([Input((5, 4)), layers.GRU(3)]).export(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="cannot be written"):
        Sequential([Input((5, 4)), layers.RNN(layers.GRUCell(3))]).export(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("m.onnx", {"format": "tf_saved_model"}, "format 'tf_saved_model' is not written by fastgru; save as .keras"),
        ("m", {"format": "openvino"}, "openvino.convert_model reads"),
        ("m", {"format": "litert"}, "onnx2tf"),
        ("m.keras", {}, "'onnx' or 'safetensors', or the name to end so, got 'm.keras'"),
        ("m.onnx", {"input_signature": []}, "input_signature is not supported"),
        ("m.onnx", {"opset_version": 9}, "opset_version=9 is not supported, fastgru writes 17"),
        ("m.onnx", {"dynamo": True}, r"unrecognized keyword arguments \['dynamo'\]"),
    ],
)
def test_what_export_does_not_do_it_says(name: str, options: Any, reason: str, tmp_path: Path) -> None:
    model = Sequential([Input((5, 4)), layers.GRU(3)])
    with pytest.raises(ValueError, match=f"export: .*{reason}"):
        model.export(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


def test_the_format_stands_for_the_ending(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = filled(Sequential([Input((5, 4)), layers.GRU(3)]))
    model.export(tmp_path / "m", format="onnx", verbose=True, opset_version=17)
    assert "Saved" in capsys.readouterr().out
    model.export(tmp_path / "m.safetensors")
    again = Sequential([Input((5, 4)), layers.GRU(3)])
    again.load_weights(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    assert_same(by_model(model, X[:, :5]), by_model(fastgru.models.load_model(tmp_path / "m"), X[:, :5]))


def test_a_model_that_is_not_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not built yet"):
        Sequential([layers.GRU(3)]).export(tmp_path / "m.onnx")
