"""Files of Keras 0 and 1: a model of today, written in the words and the layout of that time, comes back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from old_models import RNG, assert_predicts, randomized, written

from fastgru.layers import GRU, Conv1D, Dense, Input
from fastgru.models import Sequential, load_model, model_from_json

OLD_GRU = {
    "inner_activation": "hard_sigmoid", "activation": "tanh", "init": "glorot_uniform", "inner_init": "orthogonal",
    "go_backwards": False, "stateful": False, "unroll": False, "consume_less": "cpu", "W_regularizer": None,
    "U_regularizer": None, "b_regularizer": None, "dropout_W": 0.1, "dropout_U": 0.2, "input_dim": 3,
    "input_length": None,
}  # fmt: skip


def keras_1_gru(name: str, layer: GRU) -> list[tuple[str, np.ndarray]]:
    kernel, recurrent, bias = layer.get_weights()
    units = layer.units
    arrays = []
    for number, gate in enumerate("zrh"):
        block = slice(number * units, (number + 1) * units)
        for letter, value in (("W", kernel[:, block]), ("U", recurrent[:, block]), ("b", bias[block])):
            arrays.append((f"{name}_{letter}_{gate}", value))
    return arrays


def keras_1_model() -> Any:
    return randomized(
        Sequential(
            [
                Input((9, 3)),
                Conv1D(4, 3, activation="relu"),
                GRU(5, reset_after=False, recurrent_activation="hard_sigmoid_old", return_sequences=True),
                GRU(2, reset_after=False, recurrent_activation="hard_sigmoid_old", go_backwards=True),
                Dense(3, activation="softmax"),
            ]
        )
    )


def keras_1_layers() -> list[dict[str, Any]]:
    convolution = {
        "name": "convolution1d_1", "nb_filter": 4, "filter_length": 3, "subsample_length": 1, "border_mode": "valid",
        "activation": "relu", "init": "uniform", "bias": True, "W_regularizer": None, "b_constraint": None,
        "input_dim": 3, "input_length": 9, "batch_input_shape": [None, 9, 3],
    }  # fmt: skip
    return [
        {"class_name": "Convolution1D", "config": convolution},
        {"class_name": "GRU", "config": {**OLD_GRU, "name": "gru_1", "output_dim": 5, "return_sequences": True}},
        {"class_name": "Dropout", "config": {"name": "dropout_1", "p": 0.3}},
        {"class_name": "GRU", "config": {**OLD_GRU, "name": "gru_2", "output_dim": 2, "return_sequences": False,
                                         "go_backwards": True, "consume_less": "gpu"}},
        {"class_name": "Dense", "config": {"name": "dense_1", "output_dim": 3, "init": "uniform", "bias": True,
                                           "activation": "softmax", "W_regularizer": None, "input_dim": None}},
    ]  # fmt: skip


def keras_1_arrays(model: Any, theano: bool, legacy_shape: bool) -> dict[str, list[tuple[str, np.ndarray]]]:
    end = "" if theano else ":0"
    convolution, first, second, dense = model.layers
    kernel, bias = convolution.get_weights()
    kernel = kernel[::-1] if theano else kernel
    kernel = kernel[:, None].transpose(3, 2, 0, 1) if legacy_shape else kernel[:, None]
    return {
        "convolution1d_1": [(f"convolution1d_1_W{end}", kernel), (f"convolution1d_1_b{end}", bias)],
        "gru_1": [(f"{name}{end}", value) for name, value in keras_1_gru("gru_1", first)],
        "dropout_1": [],
        "gru_2": [(f"gru_2_{name}{end}", value) for name, value in zip("WUb", second.get_weights(), strict=True)],
        "dense_1": [(f"dense_1_{name}{end}", value) for name, value in zip("Wb", dense.get_weights(), strict=True)],
    }


@pytest.mark.parametrize("theano", [True, False])
@pytest.mark.parametrize("legacy_shape", [True, False], ids=["1.0", "1.2"])
def test_a_model_of_keras_1_comes_back(theano: bool, legacy_shape: bool, tmp_path: Path) -> None:
    model = keras_1_model()
    config = {"class_name": "Sequential", "config": keras_1_layers()}
    path = written(tmp_path / "m.h5", config, keras_1_arrays(model, theano, legacy_shape))
    x = RNG.normal(size=(4, 9, 3)).astype("float32")
    loaded = load_model(path)
    assert_predicts(loaded, [x], [model.predict(x, verbose=0)])
    report = " ".join(loaded.load_report)
    for decision in ("left no version", "clip(0.2 x + 0.5, 0, 1)", "Keras 1 kept 9 arrays", "layout of Keras 1"):
        assert decision in report
    assert ("Theano's convolutions flip" in report) == theano
    assert loaded.layers[1].dropout == 0.1 and loaded.layers[1].recurrent_dropout == 0.2


def test_config_and_weights_of_keras_1_can_stand_apart(tmp_path: Path) -> None:
    model = keras_1_model()
    loaded = model_from_json(json.dumps({"class_name": "Sequential", "config": keras_1_layers()}))
    loaded.load_weights(written(tmp_path / "w.h5", None, keras_1_arrays(model, True, True)))
    x = RNG.normal(size=(4, 9, 3)).astype("float32")
    assert_predicts(loaded, [x], [model.predict(x, verbose=0)])


def test_a_model_of_keras_0_comes_back(tmp_path: Path) -> None:
    model = randomized(
        Sequential([Input((None, 3)), GRU(4, reset_after=False, recurrent_activation="hard_sigmoid_old"), Dense(2)])
    )
    layers = [
        {"name": "GRU", "output_dim": 4, "inner_activation": "hard_sigmoid", "activation": "tanh",
         "return_sequences": False, "input_dim": 3, "truncate_gradient": -1},
        {"name": "Dense", "output_dim": 2, "activation": "linear", "W_regularizer": None},
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = model_from_json(json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["nb_layers"] = 2
        for number, arrays in enumerate(
            [keras_1_gru("g", model.layers[0]), list(enumerate(model.layers[1].get_weights()))]
        ):
            group = file.create_group(f"layer_{number}")
            group.attrs["nb_params"] = len(arrays)
            for place, (_, value) in enumerate(arrays):
                group[f"param_{place}"] = value
    loaded.load_weights(tmp_path / "w.h5")
    x = RNG.normal(size=(4, 7, 3)).astype("float32")
    assert_predicts(loaded, [x], [model.predict(x, verbose=0)])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("sum", lambda a, b: a + b),
        ("concat", lambda a, b: np.concatenate([a, b], -1)),
        ("mul", lambda a, b: a * b),
        ("ave", lambda a, b: (a + b) / 2),
        ("max", np.maximum),
    ],
)
def test_a_sequential_of_keras_1_can_begin_with_a_merge(
    mode: str, expected: Callable[..., Any], tmp_path: Path
) -> None:
    def branch(name: str) -> dict[str, Any]:
        dense = {"name": name, "output_dim": 2, "batch_input_shape": [None, 3], "input_dim": 3, "activation": "linear"}
        return {"class_name": "Sequential", "config": [{"class_name": "Dense", "config": dense}]}

    merge = {"name": "merge_1", "mode": mode, "mode_type": "raw", "concat_axis": -1, "dot_axes": -1,
             "layers": [branch("left"), branch("right")]}  # fmt: skip
    config = {"class_name": "Sequential", "config": [
        {"class_name": "Merge", "config": merge},
        {"class_name": "Dense", "config": {"name": "end", "output_dim": 2, "activation": "linear"}},
    ]}  # fmt: skip
    values = {name: [RNG.normal(size=(3, 2)), RNG.normal(size=2)] for name in ("left", "right")}
    values["end"] = [RNG.normal(size=(4 if mode == "concat" else 2, 2)), RNG.normal(size=2)]
    groups = {name: [(f"{name}_W", w), (f"{name}_b", b)] for name, (w, b) in values.items()}
    model = load_model(written(tmp_path / "m.h5", config, groups))
    x = [RNG.normal(size=(5, 3)).astype("float32") for _ in "ab"]
    sides = [one @ values[name][0] + values[name][1] for one, name in zip(x, ("left", "right"), strict=True)]
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected(*sides) @ values["end"][0] + values["end"][1], atol=1e-5
    )
