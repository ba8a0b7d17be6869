"""Graphs of Keras 2: references, functions of TensorFlow between the layers, and its rule of masking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from old_models import RNG, keras_2_gru, old_input, old_layer, old_model

from fastgru.layers import GRU, LSTM, RNN, Bidirectional, Dense, GRUCell, Input, SimpleRNN, TimeDistributed
from fastgru.models import Sequential, load_model
from fastgru.saving import ModelFileError
from fastgru.saving.legacy.weights import leaves


def test_states_beside_the_sequence_count_though_the_option_of_that_name_is_empty() -> None:
    gru = keras_2_gru("inner", 2, reset_after=True, recurrent_activation="sigmoid", activation="tanh")
    empty = {"initial_state": None, "constants": None}
    layers = [
        old_input("x", [None, 4, 3]), old_input("forward", [None, 2]), old_input("backward", [None, 2]),
        old_layer("both", "Bidirectional", [[[name, 0, 0, empty] for name in ("x", "forward", "backward")]],
                  layer={"class_name": "GRU", "config": gru}, merge_mode="concat"),
    ]  # fmt: skip
    model = old_model(layers, ["both"])
    x, *states = (RNG.normal(size=size).astype("float32") for size in ((5, 4, 3), (5, 2), (5, 2)))
    expected = model.get_layer("both")(x, states)
    np.testing.assert_allclose(model.predict([x, *states], verbose=0), expected, atol=1e-6)


def test_what_no_output_needs_does_not_stop_a_model() -> None:
    layers = [
        old_input("x", [None, 3]), old_input("label", [None, 1]),
        old_layer("dense", "Dense", [[["x", 0, 0, {}]]], units=2, activation="linear"),
        old_layer("add_metric", "AddMetric", [[["dense", 0, 0, {}]]], aggregation="mean", metric_name="m"),
    ]  # fmt: skip
    model = old_model(layers, ["dense"])
    x = RNG.normal(size=(5, 3)).astype("float32")
    expected = model.get_layer("dense")(x)
    np.testing.assert_allclose(model.predict([x, np.zeros((5, 1))], verbose=0), expected, atol=1e-6)
    assert "Left out, as no output needs them: layer add_metric." in model.load_report


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


A, B = ["a", 0, 0], ["b", 0, 0]
NONE = {"start": None, "stop": None, "step": None}


@pytest.mark.parametrize(
    ("function", "node", "expected"),
    [
        ("math.multiply", ["_CONSTANT_VALUE", -1, 2.0, {"y": A, "name": None}], lambda a, b: 2 * a),
        ("math.multiply", ["_CONSTANT_VALUE", -1, [1.0, 2.0, 3.0, 4.0], {"y": A}], lambda a, b: a * [1, 2, 3, 4]),
        ("__operators__.add", [*A, {"y": [0.0, 1.0, 2.0, 3.0], "name": None}], lambda a, b: a + np.arange(4)),
        ("math.subtract", ["_CONSTANT_VALUE", -1, 1, {"y": A, "name": None}], lambda a, b: 1 - a),
        ("linalg.matmul", [*A, {"b": B, "transpose_b": True}], lambda a, b: a @ b.transpose(0, 2, 1)),
        ("linalg.matmul", [*A, {"b": B, "transpose_a": True}], lambda a, b: a.transpose(0, 2, 1) @ b),
        ("nn.softmax", [*A, {"axis": 1}], lambda a, b: softmax(a, 1)),
        ("compat.v1.nn.softmax", [*A, {"axis": -1}], lambda a, b: softmax(a, -1)),
        ("math.l2_normalize", [*A, {"axis": -1}], lambda a, b: a / np.sqrt((a**2).sum(-1, keepdims=True))),
        ("nn.leaky_relu", [*A, {"alpha": 0.1}], lambda a, b: np.where(a > 0, a, 0.1 * a)),
        ("stack", [[*A, {"axis": 1}], [*B, {"axis": 1}]], lambda a, b: np.stack([a, b], 1)),
        ("tile", [*A, {"multiples": [1, 2, 1]}], lambda a, b: np.tile(a, (1, 2, 1))),
        ("math.sin", [*A, {}], lambda a, b: np.sin(a)),
        ("math.cos", [*A, {}], lambda a, b: np.cos(a)),
        ("clip_by_value", [*A, {"clip_value_min": -0.5, "clip_value_max": 0.5}], lambda a, b: np.clip(a, -0.5, 0.5)),
        ("cast", [*A, {"dtype": "float32"}], lambda a, b: a),
        ("zeros_like", [*A, {}], lambda a, b: 0 * a),
        ("math.add_n", [[*A, {}], [*B, {}]], lambda a, b: a + b),
        ("stop_gradient", [*A, {}], lambda a, b: a),
        ("__operators__.getitem", [*A, {"slice_spec": [NONE, -1]}], lambda a, b: a[:, -1]),
    ],
)  # fmt: skip
def test_functions_of_tensorflow_between_the_layers_are_read(
    function: str, node: list[Any], expected: Callable[..., Any]
) -> None:
    layers = [
        old_input("a", [None, 3, 4]), old_input("b", [None, 3, 4]),
        old_layer("f", "TFOpLambda", [node], function=function, trainable=True),
        old_layer("end", "Activation", [[["f", 0, 0, {}]]], activation="linear"),
    ]  # fmt: skip
    model = old_model(layers, ["end"])
    a, b = (RNG.normal(size=(5, 3, 4)).astype("float32") for _ in "ab")
    inputs = [value for name, value in (("a", a), ("b", b)) if name in [layer.name for layer in model.layers]]
    outputs = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    np.testing.assert_allclose(outputs, expected(a, b), atol=1e-6)


def test_where_reads_its_two_sides() -> None:
    layers = [
        old_input("a", [None, 4]), old_input("b", [None, 4]),
        old_layer("more", "TFOpLambda", [["a", 0, 0, {"y": 0.0, "name": None}]], function="math.greater"),
        old_layer("f", "TFOpLambda", [["more", 0, 0, {"x": A, "y": B}]], function="where"),
    ]  # fmt: skip
    a, b = (RNG.normal(size=(5, 4)).astype("float32") for _ in "ab")
    np.testing.assert_array_equal(old_model(layers, ["f"]).predict([a, b], verbose=0), np.where(a > 0, a, b))


@pytest.mark.parametrize(
    "activation",
    ["softmax_v2", {"class_name": "Activation", "config": {"name": "a", "activation": "softmax"}}],
)
def test_an_activation_is_known_under_its_older_names(activation: Any) -> None:
    layers = [
        old_input("x", [None, 3]),
        old_layer("dense", "Dense", [[["x", 0, 0, {}]]], units=2, activation=activation),
    ]
    model = old_model(layers, ["dense"])
    assert model.get_layer("dense").activation.name == "softmax"


def test_where_an_activation_is_unknown_the_error_says_where_to_stop() -> None:
    layers = [
        old_input("x", [None, 3]),
        old_layer("dense", "Dense", [[["x", 0, 0, {}]]], units=2, activation="relu"),
        old_layer("end", "Dense", [[["dense", 0, 0, {}]]], units=2, activation="own"),
    ]
    with pytest.raises(ModelFileError, match=r"'end' \(Dense with own\) is not known.*'own': \.\.\..*\['dense'\]"):
        old_model(layers, ["end"])


def test_a_separable_convolution_of_keras_2_is_read() -> None:
    options = {"filters": 5, "kernel_size": [3], "strides": [1], "padding": "same", "dilation_rate": [1], "groups": 1}
    ignored = {"kernel_initializer": {"class_name": "GlorotUniform", "config": {}}, "kernel_constraint": None}
    layers = [
        old_input("x", [None, 6, 3]),
        old_layer("c", "SeparableConv1D", [[["x", 0, 0, {}]]], **options, **ignored, depth_multiplier=2),
    ]
    assert old_model(layers, ["c"]).output_shape == (None, 6, 5)


def test_a_row_puts_out_zeros_until_its_first_used_step_where_tensorflow_wrote_the_file() -> None:
    options = {"units": 2, "reset_after": True, "recurrent_activation": "sigmoid", "activation": "tanh"}
    layers = [
        old_input("x", [None, 4, 3]), old_input("state", [None, 2]),
        old_layer("masking", "Masking", [[["x", 0, 0, {}]]], mask_value=0.0),
        old_layer("gru", "GRU", [[["masking", 0, 0, {}], ["state", 0, 0, {}]]],
                  **options, return_sequences=True),
    ]  # fmt: skip
    model = old_model(layers, ["gru"])
    x, state = RNG.normal(size=(2, 4, 3)).astype("float32"), np.ones((2, 2), "float32")
    x[1, :2] = 0
    y = model.predict([x, state], verbose=0)
    assert (y[1, :2] == 0).all() and (y[1, 2:] != 0).all() and (y[0] != 0).all()
    assert "Steps masked before the first used one put out 0, as in TensorFlow: layer gru." in model.load_report


class OfAUser(GRU):
    """A recurrent layer whose class the file does not tell to be one, and that takes of a config what it likes."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(config["units"], return_sequences=True, name=config["name"])


@pytest.mark.parametrize("backend", ["tensorflow", "theano", "jax"])
def test_the_rule_of_tensorflow_is_an_option_that_no_config_has(backend: str, tmp_path: Path) -> None:
    layers = [
        Input((4, 3)), GRU(2, return_sequences=True), OfAUser(2, return_sequences=True),
        Bidirectional(LSTM(2, return_sequences=True)),
        RNN([GRUCell(2), GRUCell(3)], return_sequences=True), TimeDistributed(Dense(2)), Sequential([SimpleRNN(2)]),
    ]  # fmt: skip
    path = tmp_path / "m.h5"
    Sequential(layers).save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["backend"] = file["model_weights"].attrs["backend"] = backend
    model = load_model(path, custom_objects={"OfAUser": OfAUser})
    rules = {layer.name: layer.zero_until_used for layer in leaves(model) if hasattr(layer, "zero_until_used")}
    assert len(rules) == 6
    assert set(rules.values()) == {backend == "tensorflow"}
    assert "zero_until_used" not in model.to_json()
