"""GRU, LSTM and RNN nodes with every option that they have, against ONNX Runtime, and as layers of fastgru."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_models import assert_same, by_model, by_runtime, gated, onnx_file, opened

from fastgru import layers
from fastgru.saving import ModelFileError

RNG = np.random.default_rng(1)
X = RNG.normal(size=(6, 3, 3)).astype("float32")  # time, batch, features
CLASSES = {"GRU": layers.GRU, "LSTM": layers.LSTM, "RNN": layers.SimpleRNN}


def node(kind: str, direction: str = "forward", outputs: str = "Y", extra: str = "", **attributes: Any) -> bytes:
    directions = 2 if direction == "bidirectional" else 1
    constants = gated(kind, directions=directions)
    if "lengths" in extra:
        constants["lengths"] = np.array([6, 2, 4], "int32")
    inputs: dict[str, Any] = {"X": ("t", "b", 3)}
    names = ["X", "W", "R", "B", "lengths" if "lengths" in extra else ""]
    if "state" in extra:
        inputs |= {"h": (directions, "b", 4), "c": (directions, "b", 4)}
        names += ["h", "c"] if kind == "LSTM" else ["h"]
        if kind != "LSTM":
            del inputs["c"]
    ends = [name if name in outputs.split() else "" for name in ("Y", "Yh", "Yc")]
    options = {"hidden_size": 4, "direction": direction, **attributes}
    return onnx_file([(kind, names, ends[: 3 if kind == "LSTM" else 2], options)], inputs, outputs.split(), constants)


@pytest.mark.parametrize("extra", ["", "lengths", "state", "lengths state"])
@pytest.mark.parametrize("outputs", ["Y", "Yh", "Y Yh"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_a_node_gives_what_the_runtime_gives(kind: str, direction: str, outputs: str, extra: str) -> None:
    data = node(kind, direction, outputs, extra)
    directions = 2 if direction == "bidirectional" else 1
    count = 0 if "state" not in extra else 2 if kind == "LSTM" else 1
    states = [RNG.normal(size=(directions, 3, 4)).astype("float32") for _ in range(count)]
    assert_same(by_model(opened(data), X, *states), by_runtime(data, X, *states))


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_a_node_is_the_layer_of_its_name(kind: str) -> None:
    recurrent = [layer for layer in opened(node(kind, "reverse")).layers if isinstance(layer, CLASSES[kind])]
    assert [layer.go_backwards for layer in recurrent] == [True]
    both = [layer for layer in opened(node(kind, "bidirectional")).layers if isinstance(layer, layers.Bidirectional)]
    assert [type(one.forward_layer) for one in both] == [CLASSES[kind]]


@pytest.mark.parametrize("linear_before_reset", [0, 1])
def test_both_reset_gates_are_read(linear_before_reset: int) -> None:
    data = node("GRU", linear_before_reset=linear_before_reset)
    model = opened(data)
    assert_same(by_model(model, X), by_runtime(data, X))
    assert [layer.reset_after for layer in model.layers if isinstance(layer, layers.GRU)] == [bool(linear_before_reset)]


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("GRU", {"activations": ["HardSigmoid", "Relu"], "activation_alpha": [0.2], "activation_beta": [0.5]}),
        ("GRU", {"activations": ["HardSigmoid", "Softsign"], "activation_alpha": [1 / 6], "activation_beta": [0.5]}),
        ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}),  # another at the output: Keras has no such layer
        ("LSTM", {"input_forget": 1}),
        ("RNN", {"activations": ["Elu"], "activation_alpha": [1.0]}),
        ("RNN", {"activations": ["Affine"], "activation_alpha": [1.0]}),
    ],
)
def test_activations_of_a_node_are_read(kind: str, attributes: dict[str, Any]) -> None:
    data = node(kind, **attributes)
    assert_same(by_model(opened(data), X * 0.3), by_runtime(data, X * 0.3))


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"clip": 3.0}, r"node 'Y' \(GRU\): clips"),
        ({"activations": ["Sigmoid", "Cubic"]}, r"node 'Y' \(GRU\): its activation 'Cubic' is not known"),
        ({"activations": ["Sigmoid", "LeakyRelu"]}, r"LeakyRelu has alpha and beta \[0.01\]"),
        ({"direction": "sideways"}, "its direction is 'sideways'"),
        ({"hidden_size": 7}, "its hidden_size is 7, its weights are for 4"),
    ],
)
def test_what_a_layer_has_not_is_refused_by_the_name_of_the_node(attributes: dict[str, Any], reason: str) -> None:
    options = {"hidden_size": 4, **attributes}
    data = onnx_file([("GRU", ["X", "W", "R", "B"], ["Y"], options)], {"X": ("t", "b", 3)}, ["Y"], gated("GRU"))
    with pytest.raises(ModelFileError, match=reason):
        opened(data)


def test_weights_that_come_from_outside_are_refused() -> None:
    inputs = {"X": ("t", "b", 3), "W": (1, 12, 3), "R": (1, 12, 4)}
    with pytest.raises(ModelFileError, match="expected its weights W to be a constant of the file"):
        opened(onnx_file([("GRU", ["X", "W", "R"], ["Y"], {"hidden_size": 4})], inputs, ["Y"]))


def test_zero_states_of_a_free_batch_vanish() -> None:
    nodes = [
        ("Shape", ["X"], ["s"], {"start": 1, "end": 2}),
        ("Concat", ["one", "s", "four"], ["shape"], {"axis": 0}),
        ("ConstantOfShape", ["shape"], ["h"]),
        ("GRU", ["X", "W", "R", "B", "", "h"], ["Y"], {"hidden_size": 4}),
    ]
    constants = {**gated("GRU"), "one": np.array([1]), "four": np.array([4])}
    data = onnx_file(nodes, {"X": ("t", "b", 3)}, ["Y"], constants)
    model = opened(data)
    assert_same(by_model(model, X), by_runtime(data, X))
    assert [len(layer.nodes[0].inputs) for layer in model.layers if isinstance(layer, layers.GRU)] == [1]
