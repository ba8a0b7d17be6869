"""Files of Keras 2 open with the numbers of their time.

Golden files are of tf_keras (`tests/files/write_golden_old.py`); for what it does not write any more, a model
of today is written in the words and the layout of that time, and has to come back.
"""

from __future__ import annotations

import collections
import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from old_models import RNG, assert_predicts, golden, keras_2_gru, old_input, old_layer, old_model, randomized, written
from paths import FILES

from fastgru.layers import GRU, BatchNormalization, Bidirectional, Conv1D, Dense, Dropout, Input
from fastgru.models import Model, Sequential, load_model, model_from_json


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("name", ["old_graph", "old_words", "old_row", "old_turned", "old_time_first", "old_frozen"])
@pytest.mark.filterwarnings("ignore:.*the state of the optimizer")  # of the file with a frozen layer, also in Keras
def test_a_golden_model_predicts_as_in_keras_2(name: str, ending: str) -> None:
    assert_predicts(load_model(FILES / f"{name}{ending}"), *golden(name))


@pytest.mark.parametrize("name", ["old_graph", "old_words", "old_row"])
def test_golden_weights_fit_by_order(name: str) -> None:
    model = load_model(FILES / f"{name}.keras", compile=False)
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    model.load_weights(FILES / f"{name}_weights.h5")
    assert_predicts(model, *golden(name))


@pytest.mark.parametrize(
    ("name", "decision"),
    [
        ("old_turned", "The copy of a layer that goes backwards goes forwards, as up to Keras 2: layers both, last."),
        ("old_time_first", "time_major=True is computed between two permutes: layers first, both, last."),
        ("old_frozen", "The directions are read by the names of the arrays, which Keras takes in order: layer both."),
    ],
)
def test_what_only_keras_2_did_stands_in_the_report(name: str, decision: str) -> None:
    assert decision in load_model(FILES / f"{name}.h5", compile=False).load_report


def test_steps_along_the_first_axis_are_cut_into_the_batches_that_were_asked_for() -> None:
    whole = load_model(FILES / "old_time_first.h5", compile=False)
    model = Model(whole.inputs, whole.outputs[0])
    x = RNG.normal(size=(40, 2, 3)).astype("float32")
    expected = np.concatenate([model(x[:20]), model(x[20:])])
    np.testing.assert_array_equal(model.predict(x, batch_size=20, verbose=0), expected)


def test_weights_of_a_hard_sigmoid_of_keras_2_say_so_in_a_model_of_keras_3() -> None:
    stored = load_model(FILES / "old_words.h5", compile=False)
    config = json.dumps(stored.to_json()).replace("hard_sigmoid_old", "hard_sigmoid")
    model = model_from_json(json.loads(config))
    with pytest.warns(UserWarning, match=r"the layers dense.* have Keras 3's, .*; build them with 'hard_sigmoid_old'"):
        model.load_weights(FILES / "old_words_weights.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model_from_json(stored.to_json()).load_weights(FILES / "old_words_weights.h5")


@pytest.mark.parametrize(("name", "slope"), [("old_graph", "new optimizer"), ("old_row", "legacy optimizer")])
def test_the_state_of_an_optimizer_of_keras_2_is_read(name: str, slope: str) -> None:
    model = load_model(FILES / f"{name}.h5")
    assert model.optimizer.iterations == 1
    with h5py.File(FILES / f"{name}.h5") as file:
        stored = {key: value[()] for key, value in datasets(file["optimizer_weights"])}
    for variable in model.optimizer.variables[2:]:
        assert any(np.array_equal(array, variable) for array in stored.values()), variable.name
    momenta = [variable.value for variable in model.optimizer.variables if variable.name.endswith("momentum")]
    velocities = [variable.value for variable in model.optimizer.variables if variable.name.endswith("velocity")]
    for m, v in zip(momenta, velocities, strict=True):
        np.testing.assert_allclose(v, m**2 / 10, rtol=1e-3, atol=1e-12)  # after one step: (1-b2)/(1-b1)**2 m**2


def datasets(group: h5py.Group) -> list[tuple[str, h5py.Dataset]]:
    datasets: list[tuple[str, h5py.Dataset]] = []
    group.visititems(lambda name, item: datasets.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    return datasets


def cudnn_arrays(layer: GRU) -> list[np.ndarray]:
    """Today's weights in cuDNN's layout: what tf_keras's hdf5_format.py makes of them."""
    kernel, recurrent, bias = layer.get_weights()
    blocks = [block.reshape(block.shape[::-1], order="F").reshape(-1) for block in np.hsplit(kernel, 3)]
    blocks = [block.T.reshape(block.shape, order="C") for block in np.hsplit(kernel, 3)]
    return [np.hstack(blocks), np.hstack([block.T for block in np.hsplit(recurrent, 3)]), bias.reshape(-1)]


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
    expected = model.predict(x, verbose=0)
    assert_predicts(load_model(path), [x], [expected])
    plain = randomized(Sequential([Input((6, 3)), GRU(4, name="p"), Dense(1, name="dense")]))
    plain.load_weights(path)
    assert_predicts(plain, [x], [expected])


def test_layers_that_pruning_gave_a_counter_alone_open(tmp_path: Path) -> None:
    model = randomized(Sequential([Input((6, 3)), GRU(4, name="p"), Dropout(0.5, name="d"), Dense(1, name="dense")]))
    inner = {"p": keras_2_gru("gru", 4, recurrent_activation="sigmoid", reset_after=True, activation="tanh"),
             "d": {"name": "dropout", "rate": 0.5}, "dense": {"name": "inner", "units": 1}}  # fmt: skip
    layers = [
        {"class_name": "PruneLowMagnitude", "config": {
            "name": layer.name, "layer": {"class_name": type(layer).__name__, "config": inner[layer.name]}}}
        for layer in model.layers
    ]  # fmt: skip
    layers[0]["config"]["batch_input_shape"] = [None, 6, 3]
    groups = {
        layer.name: [
            *((f"{layer.name}/{index}:0", value) for index, value in enumerate(layer.get_weights())),
            (f"{layer.name}/pruning_step:0", np.zeros((), "int64")),
        ]
        for layer in model.layers
    }
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    path = written(tmp_path / "m.h5", config, groups, keras_version="2.9.0", backend="tensorflow")
    x = RNG.normal(size=(3, 6, 3)).astype("float32")
    expected = model.predict(x, verbose=0)
    assert_predicts(load_model(path), [x], [expected])
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    model.load_weights(path)
    assert_predicts(model, [x], [expected])


@pytest.mark.parametrize("is_pruned", [(True, True, True), (True, True, False)], ids=str)
def test_weights_of_a_pruned_keras_file_go_into_a_plain_model(is_pruned: tuple[bool, ...], tmp_path: Path) -> None:
    def made() -> Sequential:
        return randomized(Sequential([Input((6, 3)), GRU(4), Dropout(0.5), Dense(1)]))

    model, counts = made(), collections.Counter[str]()
    path = tmp_path / "pruned.weights.h5"
    with h5py.File(path, "w") as file:  # as tf_keras writes it: by class and number, the wrapper's arrays beside
        for layer, pruned in zip(model.layers, is_pruned, strict=True):
            name = "prune_low_magnitude" if pruned else type(layer).__name__.lower()
            group = file.create_group(
                f"_layer_checkpoint_dependencies/{name}" + f"_{counts[name]}" * bool(counts[name])
            )
            counts[name] += 1
            inside = ("layer/" if pruned else "") + ("cell/vars" if isinstance(layer, GRU) else "vars")
            for index, value in enumerate(layer.get_weights()):
                group[f"{inside}/{index}"] = value
            if pruned:
                group["vars/0"] = np.int64(3)
                group["vars/1"], group["vars/2"] = np.ones((3, 12)), np.float32(0)
    x, plain = RNG.normal(size=(3, 6, 3)).astype("float32"), made()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain.load_weights(path)
    assert_predicts(plain, [x], [model.predict(x, verbose=0)])


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


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_half_precision_is_computed_in_single(policy: str) -> None:
    dtype = {"class_name": "Policy", "config": {"name": policy}}
    layers = [old_input("x", [None, 3]), old_layer("d", "Dense", [[["x", 0, 0, {}]]], units=2, dtype=dtype)]
    model = old_model(layers, ["d"])
    assert model.get_layer("d").dtype == "float32"
    assert f"{policy} is computed in float32: layer d." in model.load_report
