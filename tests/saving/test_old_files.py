"""Files of old versions open with the numbers of their time: golden ones, and ones dressed up as the layout is told.

Golden files are of tf_keras (`tests/files/write_golden_old.py`); for older versions, which cannot be installed any
more, a model of today is written in the words and the layout of that time, and has to come back.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import FILES

from fastgru import registry, saving
from fastgru.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNormalization,
    Bidirectional,
    Conv1D,
    Dense,
    GRUCell,
    Input,
    Layer,
    SimpleRNN,
    TimeDistributed,
)  # fmt: skip
from fastgru.models import Functional, Sequential, load_model, model_from_json
from fastgru.saving import ModelFileError
from fastgru.saving.legacy.weights import leaves

RNG = np.random.default_rng(20261123)


def golden(name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    with np.load(FILES / f"{name}.npz") as stored:
        return tuple([stored[key] for key in sorted(stored) if key.startswith(letter)] for letter in "xy")  # type: ignore


def assert_predicts(model: Any, x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> None:
    outputs = model.predict(list(x) if len(x) > 1 else x[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert len(outputs) == len(y)
    for one, other in zip(outputs, y, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6 * max(1, np.abs(other).max()))


def randomized(model: Any) -> Any:
    model.set_weights([RNG.uniform(0.1, 1, weight.shape) * RNG.choice([-1, 1]) for weight in model.weights])
    return model


def written(path: Path, config: Any, groups: dict[str, list[tuple[str, np.ndarray]]], **attributes: Any) -> Path:
    """A legacy file of one's own making."""
    with h5py.File(path, "w") as file:
        weights = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
            weights = file.create_group("model_weights")
        for name, value in attributes.items():
            file.attrs[name] = np.bytes_(value)
        weights.attrs["layer_names"] = [name.encode() for name in groups]
        for name, arrays in groups.items():
            group = weights.create_group(name)
            group.attrs["weight_names"] = [np.bytes_(key) for key, _ in arrays]
            for key, value in arrays:
                group[key] = value
    return path


# --- golden files of Keras 2 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("name", ["old_graph", "old_words", "old_row"])
def test_a_golden_model_predicts_as_in_keras_2(name: str, ending: str) -> None:
    assert_predicts(load_model(FILES / f"{name}{ending}"), *golden(name))


@pytest.mark.parametrize("name", ["old_graph", "old_words", "old_row"])
def test_golden_weights_fit_by_order(name: str) -> None:
    model = load_model(FILES / f"{name}.keras", compile=False)
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    model.load_weights(FILES / f"{name}_weights.h5")
    assert_predicts(model, *golden(name))


@pytest.mark.parametrize(("name", "slope"), [("old_graph", "new optimizer"), ("old_row", "legacy optimizer")])
def test_the_state_of_an_optimizer_of_keras_2_is_read(name: str, slope: str) -> None:
    model = load_model(FILES / f"{name}.h5")
    assert model.optimizer.iterations == 1
    with h5py.File(FILES / f"{name}.h5") as file:
        stored = {key: value[()] for key, value in datasets(file["optimizer_weights"])}
    for saved, value in model.optimizer.variables()[2:]:
        alike = [array for array in stored.values() if array.shape == value.shape and np.array_equal(array, value)]
        assert alike, saved
    momenta = [value for saved, value in model.optimizer.variables() if saved.endswith("momentum")]
    velocities = [value for saved, value in model.optimizer.variables() if saved.endswith("velocity")]
    for m, v in zip(momenta, velocities, strict=True):
        np.testing.assert_allclose(v, m**2 / 10, rtol=1e-3, atol=1e-12)  # after one step: (1-b2)/(1-b1)**2 m**2


def datasets(group: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    datasets: list[tuple[str, h5py.Dataset]] = []
    group.visititems(lambda name, item: datasets.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    return datasets


# --- part of a model ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_a_model_can_stop_early_and_what_leads_elsewhere_is_left_out(ending: str) -> None:
    whole = load_model(FILES / f"old_words{ending}")
    part = load_model(FILES / f"old_words{ending}", outputs=["time_distributed", "gru_1"])
    names = [layer.name for layer in part.layers]
    assert "simple_rnn" not in names and "add" not in names
    x, _ = golden("old_words")
    a, b = part.predict(x[0], verbose=0)
    add = Functional(whole.inputs, whole.get_layer("add").output)
    np.testing.assert_allclose(a + b, add.predict(x[0], verbose=0), rtol=0, atol=1e-6)
    assert any("Left out" in decision and "simple_rnn" in decision for decision in part.load_report)


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_a_model_can_start_late(ending: str) -> None:
    whole = load_model(FILES / f"old_row{ending}")
    tail = load_model(FILES / f"old_row{ending}", inputs=["conv1d"])
    x, _ = golden("old_row")
    between = load_model(FILES / f"old_row{ending}", outputs=["zero_padding1d"]).predict(x[0], verbose=0)
    masked = x[0][2:]  # rows without a masked step: masks do not go in with the numbers
    assert (masked != 0).all()
    np.testing.assert_allclose(tail.predict(between[2:], verbose=0), whole.predict(masked, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"outputs": ["gru_9"]}, "there is no layer 'gru_9' to stop at"),
        ({"inputs": ["nothing"]}, "there is no layer 'nothing' to start from"),
        ({"inputs": ["add"]}, "has 2 inputs, not one"),
        ({"outputs": "add"}, "expected outputs to be a list of names"),
    ],
)
def test_a_part_that_is_not_there_is_told(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelFileError, match=rf"old_words\.h5.*{reason}"):
        load_model(FILES / "old_words.h5", **options)


def with_code(source: Path, path: Path) -> Path:
    """A file whose last layer became a Lambda."""
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        form = next(form for form in config["config"]["layers"] if form["class_name"] == "Add")
        form["class_name"], form["config"] = "Lambda", {"name": "add", "function": ["4wEAAAA=", None, None]}
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_where_the_outputs_need_code_the_error_says_where_to_stop(tmp_path: Path) -> None:
    path = with_code(FILES / "old_words.h5", tmp_path / "m.h5")
    with pytest.raises(ModelFileError, match=r"layer 'add' \(Lambda\) holds Python code.*stop before it") as caught:
        load_model(path, safe_mode=False)
    assert "'time_distributed'" in str(caught.value) and "'spatial_dropout1d'" in str(caught.value)
    assert load_model(path, outputs=["time_distributed"]).built


class Halved(Layer):
    def forward(self, call: Any, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0] / 2


def test_a_custom_layer_can_be_registered_for_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sequential([Input((4, 3)), GRU(2), Halved()])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"\(Halved\) is not known to fastgru.*outputs=\['gru'\]"):
        load_model(tmp_path / "m.keras")
    monkeypatch.setattr(registry, "registrations", {})
    saving.register("Halved", Halved)
    x = RNG.normal(size=(2, 4, 3)).astype("float32")
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras").predict(x, verbose=0), model.predict(x, verbose=0))


# --- Keras 1 --------------------------------------------------------------------------------------------------------

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


# --- Keras 2 --------------------------------------------------------------------------------------------------------


def cudnn_arrays(layer: GRU) -> list[np.ndarray]:
    """Today's weights in cuDNN's layout: what tf_keras's hdf5_format.py makes of them."""
    kernel, recurrent, bias = layer.get_weights()
    blocks = [block.reshape(block.shape[::-1], order="F").reshape(-1) for block in np.hsplit(kernel, 3)]
    blocks = [block.T.reshape(block.shape, order="C") for block in np.hsplit(kernel, 3)]
    return [np.hstack(blocks), np.hstack([block.T for block in np.hsplit(recurrent, 3)]), bias.reshape(-1)]


def keras_2_gru(name: str, units: int, **options: Any) -> dict[str, Any]:
    return {"name": name, "trainable": True, "units": units, "return_sequences": False, "return_state": False,
            "go_backwards": False, "stateful": False, **options}  # fmt: skip


@pytest.mark.parametrize("features", [3, 4], ids=["features != units", "features == units"])
def test_cudnn_layers_are_read_as_gru(features: int, tmp_path: Path) -> None:
    model = randomized(Sequential([Input((6, features)), Bidirectional(GRU(4), name="both"), Dense(1, name="dense")]))
    inner = {"class_name": "CuDNNGRU", "config": keras_2_gru("cu", 4)}
    config = {"class_name": "Sequential", "config": [
        {"class_name": "Bidirectional", "config": {"name": "both", "trainable": True, "layer": inner,
                                                   "merge_mode": "concat", "batch_input_shape": [None, 6, features]}},
        {"class_name": "Dense", "config": {"name": "dense", "trainable": True, "units": 1, "activation": "linear"}},
    ]}  # fmt: skip
    forward, backward = model.layers[0].sublayers
    arrays = cudnn_arrays(forward) + cudnn_arrays(backward)
    groups = {
        "both": [(f"both/{number}:0", value) for number, value in enumerate(arrays)],
        "dense": [(f"dense/{name}:0", value) for name, value in zip("kb", model.layers[1].get_weights(), strict=True)],
    }
    path = written(tmp_path / "m.h5", config, groups, keras_version="2.2.4", backend="tensorflow")
    x = RNG.normal(size=(3, 6, features)).astype("float32")
    loaded = load_model(path)
    assert_predicts(loaded, [x], [model.predict(x, verbose=0)])
    assert any("CuDNNGRU is read as GRU" in decision for decision in loaded.load_report)


@pytest.mark.parametrize("stated", [True, False, None])
@pytest.mark.parametrize("true", [True, False])
def test_the_shape_of_the_bias_decides_about_reset_after(stated: bool | None, true: bool, tmp_path: Path) -> None:
    model = randomized(Sequential([Input((6, 3)), GRU(4, reset_after=true, name="gru")]))
    options = keras_2_gru("gru", 4, recurrent_activation="sigmoid", batch_input_shape=[None, 6, 3])
    if stated is not None:
        options["reset_after"] = stated
    groups = {"gru": [(f"gru/{i}:0", value) for i, value in enumerate(model.get_weights())]}
    config = {"class_name": "Sequential", "config": [{"class_name": "GRU", "config": options}]}
    path = written(tmp_path / "m.h5", config, groups, keras_version="2.2.4", backend="tensorflow")
    x = RNG.normal(size=(3, 6, 3)).astype("float32")
    loaded = load_model(path)
    assert_predicts(loaded, [x], [model.predict(x, verbose=0)])
    assert loaded.layers[0].reset_after == true
    assert any("as the shape of the bias says" in decision for decision in loaded.load_report) == (bool(stated) != true)


def test_pruning_is_taken_off(tmp_path: Path) -> None:
    model = randomized(Sequential([Input((6, 3)), GRU(4, name="p"), Dense(1, name="dense")]))
    inner = keras_2_gru("gru", 4, recurrent_activation="sigmoid", reset_after=True, activation="tanh")
    pruned = {"name": "p", "trainable": True, "batch_input_shape": [None, 6, 3], "pruning_schedule": {},
              "layer": {"class_name": "GRU", "config": inner}}  # fmt: skip
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [
        {"class_name": "PruneLowMagnitude", "config": pruned},
        {"class_name": "Dense", "config": {"name": "dense", "units": 1, "activation": "linear"}},
    ]}}  # fmt: skip
    names = ("p/gru_cell/kernel:0", "p/gru_cell/recurrent_kernel:0", "p/gru_cell/bias:0")
    of_pruning = [
        ("p/mask:0", np.ones((3, 12))),
        ("p/threshold:0", np.zeros(())),
        ("p/pruning_step:0", np.zeros((), "int64")),
    ]
    groups = {
        "p": [*zip(names, model.layers[0].get_weights(), strict=True), *of_pruning],
        "dense": [(f"dense/{i}:0", value) for i, value in enumerate(model.layers[1].get_weights())],
    }
    path = written(tmp_path / "m.h5", config, groups, keras_version="2.9.0", backend="tensorflow")
    x = RNG.normal(size=(3, 6, 3)).astype("float32")
    assert_predicts(load_model(path), [x], [model.predict(x, verbose=0)])


def test_theano_flips_kernels_in_keras_2_too(tmp_path: Path) -> None:
    model = randomized(Sequential([Input((6, 3)), Conv1D(2, 3, name="c"), BatchNormalization(name="b")]))
    layers = [
        {"class_name": "Conv1D", "config": {"name": "c", "filters": 2, "kernel_size": [3], "padding": "valid",
                                            "batch_input_shape": [None, 6, 3], "activation": "linear"}},
        {"class_name": "BatchNormalization", "config": {"name": "b", "axis": -1, "epsilon": 0.001}},
    ]  # fmt: skip
    kernel, bias = model.layers[0].get_weights()
    groups = {
        "c": [("c/kernel", kernel[::-1]), ("c/bias", bias)],
        "b": [(f"b/{i}", np.abs(value)) for i, value in enumerate(model.layers[1].get_weights())],
    }
    model.layers[1].set_weights([np.abs(value) for value in model.layers[1].get_weights()])
    config = {"class_name": "Sequential", "config": layers}
    path = written(tmp_path / "m.h5", config, groups, keras_version="2.0.4", backend="theano")
    x = RNG.normal(size=(3, 6, 3)).astype("float32")
    assert_predicts(load_model(path), [x], [model.predict(x, verbose=0)])


def test_options_that_do_not_matter_never_stop_a_file(tmp_path: Path) -> None:
    model = randomized(Sequential([Input((6, 3)), GRU(4, name="gru")]))
    options = keras_2_gru(
        "gru", 4, recurrent_activation="sigmoid", activation="tanh", reset_after=True, time_major=False,
        implementation=2, unheard_of=None, enable_caching_device=True, batch_input_shape=[None, 6, 3],
        dtype={"class_name": "Policy", "config": {"name": "float32"}},
        kernel_constraint={"class_name": "WeightClip", "config": {"c": 1}}, bias_initializer={"class_name": "Own"},
        kernel_regularizer="own_regularizer",
    )  # fmt: skip
    config = {"class_name": "Sequential", "config": [{"class_name": "GRU", "config": options}]}
    groups = {"gru": [(f"gru/{i}:0", value) for i, value in enumerate(model.get_weights())]}
    path = written(tmp_path / "m.h5", config, groups, keras_version="2.9.0", backend="tensorflow")
    x = RNG.normal(size=(3, 6, 3)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_model(path)
    assert_predicts(loaded, [x], [model.predict(x, verbose=0)])
    assert any("kernel_constraint is not known" in decision for decision in loaded.load_report)


# --- graphs of Keras 2 ----------------------------------------------------------------------------------------------


def old_layer(name: str, kind: str, before: list[Any], **options: Any) -> dict[str, Any]:
    return {"class_name": kind, "name": name, "inbound_nodes": before, "config": {"name": name, **options}}


def old_input(name: str, shape: list[int | None]) -> dict[str, Any]:
    return old_layer(name, "InputLayer", [], batch_input_shape=shape, dtype="float32")


def old_model(layers: list[dict[str, Any]], outputs: list[str]) -> Any:
    """A functional model of Keras 2 that was given as JSON, with weights."""
    inputs = [[form["name"], 0, 0] for form in layers if form["class_name"] == "InputLayer"]
    ends = {"input_layers": inputs, "output_layers": [[name, 0, 0] for name in outputs]}
    config = {"name": "model", "layers": layers, **ends}
    text = json.dumps({"class_name": "Functional", "config": config, "keras_version": "2.9.0"})
    return randomized(model_from_json(text))


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


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.pkl", b"(lp0\nI1\na.", "Python pickle"),
        ("m.joblib", b"x\x9c123", "Python pickle"),
        ("m.h5", b"\x80\x04K\x01.", "Python pickle"),
        ("m.pb", b"\x08\x01\x12", "graph of TensorFlow; open it with the TensorFlow"),
        ("m.h5", b"\x1c\0\0\0TFL3", "TensorFlow Lite model"),
        ("m.onnx", b"\x08\x07\x12", "ONNX model"),
        ("m.ckpt.index", b"\0\0\1", "part of a TensorFlow checkpoint"),
        ("m.ckpt.data-00000-of-00001", b"\1\2", "TensorFlow checkpoint"),
        ("checkpoint", b'model_checkpoint_path: "m"', "index of TensorFlow checkpoints"),
        ("m.npy", b"\x93NUMPY\1", "array of numpy"),
        ("m.h5", b"Rar!\x1a", "compressed with RAR"),
    ],
)
def test_a_file_that_is_no_model_is_told_for_what_it_seems_to_be(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=reason):
        load_model(tmp_path / name)


def test_a_folder_of_tensorflow_is_told(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    with pytest.raises(ModelFileError, match="SavedModel of TensorFlow, which holds code; open it with"):
        load_model(tmp_path)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_half_precision_is_computed_in_single(policy: str) -> None:
    dtype = {"class_name": "Policy", "config": {"name": policy}}
    layers = [old_input("x", [None, 3]), old_layer("d", "Dense", [[["x", 0, 0, {}]]], units=2, dtype=dtype)]
    model = old_model(layers, ["d"])
    assert model.get_layer("d").dtype == "float32"
    assert f"{policy} is computed in float32: layer d." in model.load_report


# --- into Keras 3 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("name", ["keras2", "old_row", "old_words", "old_graph"])
@pytest.mark.keras
def test_a_converted_file_opens_in_keras_3_with_the_same_numbers(
    keras: Any, name: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fastgru import cli

    new = tmp_path / f"new{ending}"
    stops = ["--outputs", "time_distributed"] if name == "old_words" else []
    stops = ["--outputs", "concatenate", "row"] if name == "old_graph" else stops
    assert cli.main(["convert", str(FILES / f"{name}.h5"), str(new), *stops]) in (0, 1)
    captured = capsys.readouterr()
    assert "multiplied by 1.2" in captured.out or "--force" in captured.err
    if not new.exists():
        assert name == "old_graph"  # an LSTM's own activation
        return
    part = load_model(FILES / f"{name}.h5", outputs=stops[1:] or None)
    if ending == ".weights.h5":
        theirs = keras.models.model_from_json(part.to_json().replace("hard_sigmoid_old", "hard_sigmoid"))
        theirs.load_weights(new)
    else:
        theirs = keras.models.load_model(new)
    if name == "keras2":
        with np.load(FILES / "keras2.npz") as stored:
            x = [stored["x"]]
    else:
        x, _ = golden(name)
    expected = part.predict(x if len(x) > 1 else x[0], verbose=0)
    outputs = theirs.predict(x if len(x) > 1 else x[0], verbose=0)
    for one, other in zip(
        *(value if isinstance(value, list) else [value] for value in (outputs, expected)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-6 * max(1, np.abs(other).max()))


def test_an_activation_alone_keeps_its_slope_through_the_layer_before_it(tmp_path: Path) -> None:
    from fastgru.saving.convert import without_old_hard_sigmoid

    model = randomized(Sequential([Input((6, 3)), Dense(2), Activation("hard_sigmoid_old")]))
    x = RNG.normal(size=(3, 6, 3)).astype("float32")
    before = model.predict(x, verbose=0)
    assert without_old_hard_sigmoid(model) == ([model.layers[1].name], [])
    assert "hard_sigmoid_old" not in model.to_json()
    np.testing.assert_allclose(model.predict(x, verbose=0), before, atol=1e-6)
    stuck = Sequential([Input((6, 3)), BatchNormalization(), Activation("hard_sigmoid_old")])
    assert without_old_hard_sigmoid(stuck) == ([], [stuck.layers[1].name])
