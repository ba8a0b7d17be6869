"""Keras's model files: golden ones are read, everything written is read again, and nothing bad passes."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import FILES

import fastgru
from fastgru import cli, random, saving
from fastgru.layers import GRU, Activation, Dense, Dropout, Input, Layer
from fastgru.models import Sequential, load_model
from fastgru.saving import ModelFileError
from fastgru.saving.formats import zip_archive

WHOLE = sorted(
    path.name
    for path in FILES.iterdir()
    if path.name.endswith((".keras", ".h5")) and "weights" not in path.name and not path.name.startswith("old_")
)
WEIGHTS = sorted(path.name for path in FILES.glob("*.weights.h5"))
ENDINGS = [".keras", ".h5"]


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(FILES / f"{name.split('.')[0]}.npz") as arrays:
        return dict(arrays)


def assert_close(got: np.ndarray, expected: np.ndarray) -> None:
    # not closer for float64: inside a GRU of that dtype Keras on JAX rounds to float32
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-7 if got.dtype == np.float64 else 1e-5)


def small_model(**options: object) -> Sequential:
    model = Sequential([Input((4, 3)), GRU(5, **options), Dropout(0.2), Dense(2), Activation("softmax")])
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def trained_model(optimizer: object = "adam") -> Sequential:
    model = Sequential([Input((4, 3)), GRU(5, return_sequences=True), GRU(4, reset_after=False), Dense(2)])
    model.compile(optimizer, "mse", metrics=["mae"])
    for _ in range(2):
        model.train_on_batch(*batch())
    return model


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return rng.normal(size=(6, 4, 3)).astype("float32"), rng.normal(size=(6, 2)).astype("float32")


def state(model: Sequential) -> list[np.ndarray]:
    optimizer = [] if model.optimizer is None else [np.array(value) for _, value in model.optimizer.variables()]
    return [*model.get_weights(), *optimizer]


def assert_same(got: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def edit_archive(source: Path, target: Path, member: str, change: Callable[[dict], object]) -> Path:
    """A copy of a `.keras` file with one JSON member changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == member:
                content = json.loads(data)
                change(content)
                data = json.dumps(content).encode()
            new.writestr(name, data)
    return target


# --- golden files of real Keras -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_a_golden_model_predicts_as_in_keras(name: str) -> None:
    expected = golden(name)
    assert_close(load_model(FILES / name).predict(expected["x"], verbose=0), expected["y"])


@pytest.mark.parametrize("name", [name for name in WHOLE if "y_after" in golden(name)])
def test_training_of_a_golden_model_goes_on_where_keras_stopped(name: str) -> None:
    expected = golden(name)
    model = load_model(FILES / name)
    assert model.optimizer.iterations == 3
    for _ in range(2):
        model.train_on_batch(expected["x_batch"], expected["y_batch"])
    assert_close(model.predict(expected["x"], verbose=0), expected["y_after"])


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_golden_weights_fit_the_model_of_the_same_config(name: str, ending: str) -> None:
    expected = golden(name)
    model = Sequential.from_config(load_model(FILES / name.replace(".weights.h5", ".keras")).get_config())
    assert np.abs(model.predict(expected["x"], verbose=0) - expected["y"]).max() > 1e-3
    model.load_weights(FILES / name.replace(".weights.h5", ending))
    assert_close(model.predict(expected["x"], verbose=0), expected["y"])


def test_golden_legacy_weights_of_keras_2_fit_the_model() -> None:
    expected = golden("keras2")
    model = load_model(FILES / "keras2.keras", compile=False)
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    model.load_weights(FILES / "keras2_weights.h5")
    assert_close(model.predict(expected["x"], verbose=0), expected["y"])


def windows(path: str) -> str:
    return path.replace("/", "\\")


def keras_2_13(path: str) -> str:
    return path.replace("layers", "_layer_checkpoint_dependencies")


class Interleaved(Layer):
    """Weights that are trained stand between those that are not; all are of one shape."""

    def build(self, input_shape: Any) -> None:
        for index, name in enumerate("abcd"):
            self.add_weight(name, (3,), trainable=index % 2 == 1)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def test_within_a_layer_trained_weights_come_first_in_a_weight_file(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), Interleaved()])
    model.set_weights([np.full(3, number) for number in range(4)])
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert [file[f"layers/interleaved/vars/{index}"][0] for index in range(4)] == [1, 3, 0, 2]
    again = Sequential([Input((3,)), Interleaved()])
    again.load_weights(tmp_path / "m.weights.h5")
    assert_same(again.get_weights(), model.get_weights())


def skipping_numbers(path: str) -> str:
    return (
        path.replace("layers/gru_1", "layers/gru_7").replace("layers/gru/", "layers/gru_2/").replace("dense", "dense_3")
    )


@pytest.mark.parametrize("rename", [windows, keras_2_13, skipping_numbers, lambda path: windows(keras_2_13(path))])
def test_group_names_of_other_versions_are_understood(rename: Callable[[str], str], tmp_path: Path) -> None:
    expected = golden("stacked")
    model = Sequential.from_config(load_model(FILES / "stacked.keras").get_config())
    path = tmp_path / "renamed.weights.h5"
    with h5py.File(FILES / "stacked.weights.h5") as old, h5py.File(path, "w") as new:

        def copy(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                owner, _, variable = name.partition("/vars/")
                new.require_group(rename(owner))[f"vars/{variable}"] = item[()]

        old.visititems(copy)
    model.load_weights(path)
    assert_close(model.predict(expected["x"], verbose=0), expected["y"])


# --- who wrote a file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
def test_a_file_says_that_fastgru_wrote_it(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, path = small_model(), tmp_path / f"model{ending}"
    writer = f"ritten by fastgru {fastgru.__version__} in the form of Keras 3"
    if ending == ".weights.h5":
        model.save_weights(path)
    else:
        model.save(path)
        assert load_model(path).load_report[0] == f"W{writer}.15.0."
    assert cli.main(["inspect", str(path)]) == 0
    assert f"w{writer}" in capsys.readouterr().out


@pytest.mark.parametrize("version", [3, ["0.1.0"], None, {"a": 1}])
def test_a_writer_that_is_no_text_is_none(version: object, tmp_path: Path) -> None:
    def change(metadata: dict) -> None:
        metadata["fastgru_version"] = version

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "metadata.json", change)
    assert load_model(path).load_report[0].startswith("Written by Keras 3.")


# --- what fastgru writes, it reads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reset_after": False, "return_sequences": True},
        {"use_bias": False, "go_backwards": True, "recurrent_activation": "hard_sigmoid"},
        {"kernel_regularizer": "l2", "recurrent_constraint": "max_norm", "activation": "relu", "trainable": False},
    ],
)
def test_a_saved_model_comes_back_the_same(options: dict, ending: str, tmp_path: Path) -> None:
    model = small_model(**options)
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert loaded.get_config() == model.get_config()
    assert_same(loaded.get_weights(), model.get_weights())
    x, _ = batch()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert not loaded.compiled


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_training_goes_on_where_it_stopped(optimizer: str, ending: str, tmp_path: Path) -> None:
    model = trained_model(optimizer)
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert_same(state(loaded), state(model))
    assert loaded.train_on_batch(*batch()) == model.train_on_batch(*batch())
    assert_same(state(loaded), state(model))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_model_that_is_compiled_without_an_optimizer_can_be_saved(ending: str, tmp_path: Path) -> None:
    model = small_model()
    model.compile(optimizer=None, loss="mse")
    model.save(tmp_path / f"m{ending}")
    loaded = load_model(tmp_path / f"m{ending}")
    assert loaded.compiled and loaded.optimizer is None


def test_weights_alone_come_back_with_the_optimizer(tmp_path: Path) -> None:
    model, other = trained_model(), trained_model()
    other.set_weights([np.ones(weight.shape) for weight in other.weights])
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same(state(other), state(model))


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_optimizer_can_be_left_out(ending: str, tmp_path: Path) -> None:
    model = trained_model()
    model.save(tmp_path / f"with{ending}")
    model.save(tmp_path / f"without{ending}", include_optimizer=False)
    for loaded in (load_model(tmp_path / f"with{ending}", compile=False), load_model(tmp_path / f"without{ending}")):
        assert loaded.optimizer is None
        assert_same(loaded.get_weights(), model.get_weights())


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_content_decides_the_format(ending: str, tmp_path: Path) -> None:
    model = small_model()
    model.save(tmp_path / f"model{ending}")
    renamed = (tmp_path / f"model{ending}").rename(tmp_path / ("model.keras" if ending == ".h5" else "model.h5"))
    assert_same(load_model(renamed).get_weights(), model.get_weights())
    small_model().load_weights(renamed)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_model_that_is_not_built_comes_back_so(ending: str, tmp_path: Path) -> None:
    model = Sequential([GRU(3), Dense(1)])
    with pytest.warns(UserWarning, match="before it is built"):
        model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}")
    assert not loaded.built
    assert loaded.get_config() == model.get_config()


def test_a_model_built_on_data_comes_back_built(tmp_path: Path) -> None:
    model = Sequential([GRU(3), Dense(1)])
    x, _ = batch()
    y = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(load_model(tmp_path / "model.keras").predict(x, verbose=0), y)


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    small_model().save(tmp_path / "model.keras")
    random.seed_stream(3)
    expected = random.stream().random()
    random.seed_stream(3)
    load_model(tmp_path / "model.keras")
    assert random.stream().random() == expected


def test_names_too_long_for_one_attribute_are_cut_and_joined(tmp_path: Path) -> None:
    names = [f"{'layer' * 60}_{number}" for number in range(250)]
    model = Sequential([Input((2,)), *(Dense(1, name=name) for name in names)])
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert "layer_names1" in file["model_weights"].attrs
    assert_same(load_model(tmp_path / "model.h5").get_weights(), model.get_weights())


def test_bfloat16_weights_are_read(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), Dense(2)])
    kernel = np.array([[1.5, -2.0], [0.25, 3.0], [-0.5, 8.0]], "float32")
    with h5py.File(tmp_path / "half.weights.h5", "w") as file:
        for name, value in (("0", kernel), ("1", np.zeros(2, "float32"))):
            halves = (value.view("uint32") >> 16).astype("uint16").view("V2")
            file.create_dataset(f"layers/dense/vars/{name}", data=halves).attrs["dtype"] = "bfloat16"
    model.load_weights(tmp_path / "half.weights.h5")
    np.testing.assert_array_equal(model.get_weights()[0], kernel)


# --- the user's own, and what fastgru does not know -----------------------------------------------------------------


class Doubled(Layer):
    """A user's layer without weights."""

    def forward(self, call, *inputs):
        return 2 * inputs[0]


def own_loss(y_true, y_pred):
    return np.abs(y_true - y_pred)


@pytest.mark.parametrize("ending", ENDINGS)
def test_custom_objects_stand_for_the_names_in_the_file(ending: str, tmp_path: Path) -> None:
    model = Sequential([Input((4, 3)), GRU(2), Doubled(name="Doubled")])
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}", custom_objects={"Doubled": Doubled})
    x, _ = batch()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ModelFileError, match=r"layer 'Doubled' \(Doubled\) is not known"):
        load_model(tmp_path / f"model{ending}")


@pytest.mark.parametrize(
    ("part", "value", "named"),
    [
        ("optimizer", {"module": "keras.optimizers", "class_name": "Lion", "config": {"name": "lion"}}, "Lion"),
        ("loss", "own_loss", "own_loss"),
        ("loss", {"module": "m", "class_name": "function", "config": "own_loss", "registered_name": "own"}, "own_loss"),
        ("metrics", ["accuracy", "mean_io_u"], "mean_io_u"),
        ("loss", {"class_name": "__lambda__", "config": {"value": "code"}}, "lambda"),
    ],
)
def test_an_unknown_part_of_the_training_setup_is_named_and_the_model_loads(
    part: str, value: object, named: str, tmp_path: Path
) -> None:
    expected = golden("reset_after")

    def change(config: dict) -> None:
        config["compile_config"][part] = value

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "config.json", change)
    with pytest.warns(UserWarning, match=rf"model\.keras: the model is loaded but not compiled: .*{named}"):
        model = load_model(path)
    assert not model.compiled
    assert_close(model.predict(expected["x"], verbose=0), expected["y"])


def test_an_unknown_constraint_is_named_and_an_unknown_initializer_is_of_no_account(tmp_path: Path) -> None:
    def change(config: dict) -> None:
        layer = config["config"]["layers"][1]["config"]
        layer["kernel_constraint"] = {"module": "my", "class_name": "WeightClip", "config": {}, "registered_name": None}
        layer["kernel_initializer"] = {"module": "my", "class_name": "Fancy", "config": {}, "registered_name": None}

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "config.json", change)
    with pytest.warns(UserWarning, match="keras.constraints: 'WeightClip' is not known"):
        load_model(path)
    assert load_model(path, custom_objects={"WeightClip": "max_norm"}, compile=False).built


def as_keras_2(source: str, target: Path, change: Callable[[dict], None]) -> Path:
    """A legacy golden file, dressed as one of Keras 2."""
    target.write_bytes((FILES / source).read_bytes())
    with h5py.File(target, "r+") as file:
        file.attrs["keras_version"] = b"2.2.4"
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"][1]["config"])
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["training_config"] = json.dumps(
            {
                "optimizer_config": {"class_name": "Custom>Adam", "config": {"lr": 0.5, "decay": 0.0, "epsilon": None}},
                "loss": {
                    "class_name": "MeanSquaredError",
                    "config": {"reduction": "auto", "name": "mean_squared_error"},
                },
                "metrics": [
                    [{"class_name": "MeanMetricWrapper", "config": {"name": "accuracy", "fn": "binary_accuracy"}}]
                ],
                "sample_weight_mode": None,
                "loss_weights": None,
            }
        )
    return target


def test_what_keras_2_meant_is_kept(tmp_path: Path) -> None:
    def change(config: dict) -> None:
        del config["reset_after"]
        shape = {"class_name": "__tuple__", "items": [None, None, 3]}
        config.update(time_major=False, implementation=1, recurrent_activation="hard_sigmoid", batch_input_shape=shape)

    path = as_keras_2("reset_before.h5", tmp_path / "old.h5", change)
    model = load_model(path)
    gru = model.layers[0]
    assert not gru.reset_after
    np.testing.assert_allclose(gru.recurrent_activation(np.array([1.0])), 0.7)  # 0.2 x + 0.5
    assert model.optimizer.learning_rate == 0.5
    with pytest.warns(UserWarning, match="has no name in Keras 3"):
        model.save(tmp_path / "new.keras")
    again = load_model(tmp_path / "new.keras")
    x = golden("reset_before")["x"]
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_time_major_files_are_refused(tmp_path: Path) -> None:
    path = as_keras_2("reset_before.h5", tmp_path / "old.h5", lambda config: config.update(time_major=True))
    with pytest.raises(ModelFileError, match=r"time_major=True is not supported"):
        load_model(path)


# --- legacy weights -------------------------------------------------------------------------------------------------


def legacy_weights(model: Sequential, path: Path) -> Path:
    """A legacy file of weights alone: the content of `model_weights` at the root."""
    model.save(path)
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        for name in list(group):
            file.move(f"model_weights/{name}", name)
        for name in list(file.attrs):
            del file.attrs[name]
        for name, value in group.attrs.items():
            file.attrs[name] = value
        del file["model_weights"]
    return path


def test_legacy_weights_are_matched_by_order(tmp_path: Path) -> None:
    model, other = small_model(), small_model()
    other.set_weights([np.zeros(weight.shape) for weight in other.weights])
    other.load_weights(legacy_weights(model, tmp_path / "weights.h5"))
    assert_same(other.get_weights(), model.get_weights())


def test_legacy_weights_can_be_matched_by_name(tmp_path: Path) -> None:
    source = Sequential([Input((4, 3)), GRU(5, name="memory"), Dense(3, name="old_head")])
    target = Sequential([Input((4, 3)), GRU(5, name="memory"), Dense(2, name="new_head")])
    head = target.layers[1].get_weights()
    target.load_weights(legacy_weights(source, tmp_path / "weights.h5"), by_name=True)
    assert_same(target.layers[0].get_weights(), source.layers[0].get_weights())
    assert_same(target.layers[1].get_weights(), head)


@pytest.mark.parametrize("name", ["reset_after.keras", "reset_after.weights.h5"])
def test_only_legacy_files_have_names(name: str) -> None:
    model = load_model(FILES / "reset_after.keras")
    with pytest.raises(ValueError, match="by_name=True is for legacy HDF5 files only"):
        model.load_weights(FILES / name, by_name=True)


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    for path in (FILES / "stacked.weights.h5", legacy_weights(small_model(), tmp_path / "weights.h5")):
        with pytest.raises(ModelFileError, match="holds weights without a model"):
            load_model(path)


# --- what does not fit ----------------------------------------------------------------------------------------------


def other_units() -> Sequential:
    model = Sequential([Input((4, 3)), GRU(5, return_sequences=True), GRU(6, reset_after=False), Dense(2)])
    model.compile("adam", "mse")
    model.train_on_batch(*batch())
    return model


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
def test_weights_that_do_not_fit_change_nothing(ending: str, tmp_path: Path) -> None:
    model, path = trained_model(), tmp_path / f"model{ending}"
    other = other_units()
    before = state(other)
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    with pytest.raises(ModelFileError) as caught:
        other.load_weights(path)
    message = str(caught.value)
    assert str(path) in message
    assert (
        f"layer {other.layers[1].name!r} expects shape (5, 18) for its weight 'kernel', the file holds (5, 12)"
        in message
    )
    assert_same(state(other), before)


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_what_does_not_fit_can_be_skipped(ending: str, tmp_path: Path) -> None:
    model, other, path = trained_model(), other_units(), tmp_path / f"model{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    with warnings.catch_warnings(record=True) as caught:
        other.load_weights(path, skip_mismatch=True)
    assert any("(5, 12); it is skipped" in str(warning.message) for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)  # on behalf of the user's line
    assert_same(other.layers[0].get_weights(), model.layers[0].get_weights())


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_a_missing_layer_or_array_is_named(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{ending}"
    model = Sequential([Input((4, 3)), GRU(5, use_bias=False)])
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    with pytest.raises(ModelFileError, match=r"expects 3 arrays \(kernel, recurrent_kernel, bias\), the file holds 2"):
        Sequential([Input((4, 3)), GRU(5)]).load_weights(path)
    with pytest.raises(ModelFileError, match=r"expects 2 arrays .* holds 0|2 layers with weights .* the file holds 1"):
        Sequential([Input((4, 3)), GRU(5, use_bias=False), Dense(1)]).load_weights(path)


def test_weights_without_a_place_are_named(tmp_path: Path) -> None:
    trained_model().save_weights(tmp_path / "model.weights.h5")
    model = Sequential([Input((4, 3)), GRU(5, return_sequences=True), GRU(4, reset_after=False)])
    with pytest.warns(UserWarning, match="no place for the weights at layers/dense"):
        model.load_weights(tmp_path / "model.weights.h5")


def test_the_state_of_another_optimizer_is_left_out(tmp_path: Path) -> None:
    trained_model("adam").save_weights(tmp_path / "model.weights.h5")
    model = trained_model("sgd")
    with pytest.warns(UserWarning, match="state of the optimizer 'sgd' does not fit"):
        model.load_weights(tmp_path / "model.weights.h5")
    assert model.optimizer.iterations == 2


def test_a_learning_rate_that_is_no_number_changes_nothing_in_the_optimizer(tmp_path: Path) -> None:
    model, path = trained_model(), tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file["optimizer/vars/1"][()] = np.nan
    before = state(model)
    with pytest.warns(UserWarning, match="learning rate nan and starts afresh"):
        model.load_weights(path)
    assert_same(state(model), before)


def test_a_heap_that_never_ends_is_refused(tmp_path: Path) -> None:
    content = bytearray((FILES / "reset_after.h5").read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)  # free space of no bytes: the HDF5 library would loop for ever
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"the global heap at byte .* is broken"):
        load_model(tmp_path / "model.h5")


def test_an_unbuilt_model_has_no_weights_to_save_or_load(tmp_path: Path) -> None:
    model = Sequential([GRU(3)])
    with pytest.raises(ValueError, match="not built yet"):
        model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="not built yet"):
        model.load_weights(FILES / "stacked.weights.h5")
    assert list(tmp_path.iterdir()) == []


# --- files that are not what they seem ------------------------------------------------------------------------------


def foreign_hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["measurements/temperature"] = np.arange(5)
    return buffer.getvalue()


def foreign_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return buffer.getvalue()


FOREIGN = {
    "empty": (b"", "is empty"),
    "html": (b"<!DOCTYPE html>\n<html>not found</html>", "HTML"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "pointer of Git LFS"),
    "pickle": (pickle.dumps({"model": 1}), "Python pickle"),
    "json": (b'{"class_name": "Sequential"}', "JSON"),
    "gzip": (b"\x1f\x8b\x08\0\0\0", "gzip"),
    "text": (b"hello", "neither an HDF5 file nor a .keras archive"),
    "hdf5": (foreign_hdf5(), "holds weights without a model|no place|expects"),
    "zip": (foreign_zip(), "config.json: is missing from the archive, which holds word/document.xml"),
    "truncated hdf5": ((FILES / "reset_after.h5").read_bytes()[:9000], "damaged or cut short"),
    "truncated zip": ((FILES / "reset_after.keras").read_bytes()[:9000], "not a zip file"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("file_name", ["model.h5", "model.keras", "model.weights.h5"])
def test_a_file_that_is_no_model_is_told_in_one_sentence(name: str, file_name: str, tmp_path: Path) -> None:
    content, reason = FOREIGN[name]
    path = tmp_path / file_name
    path.write_bytes(content)
    model = small_model()
    before = state(model)
    for load in (load_model, model.load_weights):
        with pytest.raises(ModelFileError, match=reason) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    assert_same(state(model), before)


def test_a_missing_file_is_also_a_file_not_found_error(tmp_path: Path) -> None:
    for load in (load_model, small_model().load_weights):
        with pytest.raises(FileNotFoundError, match=r"nothing\.keras: there is no such file") as caught:
            load(tmp_path / "nothing.keras")
        assert isinstance(caught.value, ModelFileError)
    with pytest.raises(ModelFileError, match="is a folder"):
        load_model(tmp_path)


def soft_link(file: h5py.File, name: str, tmp_path: Path) -> None:
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink("/elsewhere")


def external_link(file: h5py.File, name: str, tmp_path: Path) -> None:
    del file[name]
    file[name] = h5py.ExternalLink(str(FILES / "reset_after.h5"), f"/{name}")


def external_storage(file: h5py.File, name: str, tmp_path: Path) -> None:
    shape = file[name].shape
    del file[name]
    (tmp_path / "raw").write_bytes(bytes(4096))
    file.create_dataset(name, shape, "float32", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.File, name: str, tmp_path: Path) -> None:
    shape = file[name].shape
    del file[name]
    layout = h5py.VirtualLayout(shape, "float32")
    layout[...] = h5py.VirtualSource(str(FILES / "reset_after.h5"), name, shape)
    file.create_virtual_dataset(name, layout)


def text(file: h5py.File, name: str, tmp_path: Path) -> None:
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, data=np.full(shape, b"text"))


def enormous(file: h5py.File, name: str, tmp_path: Path) -> None:
    del file[name]
    file.create_dataset(name, (1 << 40, 1 << 20), "float32", chunks=(1024, 1024))


def loop(file: h5py.File, name: str, tmp_path: Path) -> None:
    file.move(name, "elsewhere")
    file[name] = file["/"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (soft_link, "soft or external link"),
        (external_link, "soft or external link"),
        (external_storage, "in another file"),
        (virtual, "virtual dataset|longer than its place"),
        (text, "expected an array of numbers"),
        (enormous, r"declares \d+ bytes, "),
        (loop, "expected an array, found another kind|nested deeper"),
    ],
)
@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
def test_a_dangerous_dataset_is_refused(
    damage: Callable[[h5py.File, str, Path], None], reason: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes((FILES / f"reset_after{ending}").read_bytes())
    with h5py.File(path, "r+") as file:
        name = "model_weights/dense/sequential/dense/kernel" if ending == ".h5" else "layers/dense/vars/0"
        damage(file, name, tmp_path)
    model = load_model(FILES / "reset_after.keras")
    before = state(model)
    with pytest.raises(ModelFileError, match=reason):
        model.load_weights(path)
    assert_same(state(model), before)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_archive, "MAX_UNPACKED", 1 << 16)
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (1 << 20))
    with pytest.raises(ModelFileError, match=r"bomb\.keras, config\.json: would unpack"):
        load_model(tmp_path / "bomb.keras")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "expected a JSON object"),
        ("{", "config.json"),
        ("[" * 100_000, "config.json"),
        ("{}", "class_name"),
        ('{"class_name": "Sequential", "config": {"layers": 3}}', "model config"),
        ('{"class_name": "Sequential", "config": {"layers": [{"class_name": "GRU", "config": {}}]}}', "GRU"),
        ('{"class_name": "Functional", "config": {}}', "expected the layers"),
    ],
)
def test_a_broken_config_is_told(content: str, reason: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", content)
        archive.writestr("metadata.json", '{"keras_version": "3.15.0"}')
        with zipfile.ZipFile(FILES / "reset_after.keras") as good:
            archive.writestr("model.weights.h5", good.read("model.weights.h5"))
    with pytest.raises(ModelFileError, match=reason) as caught:
        load_model(tmp_path / "model.keras")
    assert str(tmp_path / "model.keras") in str(caught.value)


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    def change(config: dict) -> None:
        code = {"class_name": "__lambda__", "config": {"value": ["4wEAAA==", None, None]}}
        config["config"]["layers"][2]["config"]["activation"] = code

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "config.json", change)
    with pytest.raises(ModelFileError, match=r"layer 'dense' \(Dense with Lambda\) .*never run"):
        load_model(path, safe_mode=False)


@pytest.mark.parametrize("name", ["reset_after.keras", "reset_after.h5", "reset_after.weights.h5"])
def test_damaged_files_raise_nothing_else(name: str, tmp_path: Path) -> None:
    content = (FILES / name).read_bytes()
    rng = np.random.default_rng(5)
    model = load_model(FILES / "reset_after.keras")
    path = tmp_path / name
    warnings.simplefilter("ignore")
    for trial in range(60):
        damaged = bytearray(content)
        if trial % 3 == 0:
            damaged = damaged[: rng.integers(1, len(damaged))]
        else:
            for place in rng.integers(0, len(damaged), 1 + trial % 20):
                damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            model.load_weights(path)
            load_model(path)
        except ModelFileError:
            pass


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = trained_model(), tmp_path / name
    save = model.save_weights if name.endswith(".weights.h5") else model.save
    save(path)
    before = path.read_bytes()
    model.train_on_batch(*batch())

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [name]
    save(path)
    assert path.read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == [name]


KILLED_WHILE_SAVING = """
import os, signal, sys
from fastgru.models import load_model
model = load_model(sys.argv[1])
model.set_weights([weight * 0 for weight in model.get_weights()])
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
model.save(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_save_leaves_the_old_file(tmp_path: Path) -> None:
    model, path = small_model(), tmp_path / "model.keras"
    model.save(path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(path)], cwd=tmp_path, env=environment, check=False
    )
    assert child.returncode == -signal.SIGKILL
    assert_same(load_model(path).get_weights(), model.get_weights())


def test_overwriting_can_be_forbidden(tmp_path: Path) -> None:
    model = small_model()
    for name, save in (("a.keras", model.save), ("a.h5", model.save), ("a.weights.h5", model.save_weights)):
        save(tmp_path / name, overwrite=False)
        with pytest.raises(ValueError, match="the file exists and overwrite is False"):
            save(tmp_path / name, overwrite=False)
        save(tmp_path / name)


def test_the_name_says_the_format(tmp_path: Path) -> None:
    model = small_model()
    with pytest.raises(ValueError, match=r"must end in \.keras or \.h5 or \.hdf5"):
        model.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        model.save_weights(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="zipped=False"):
        model.save(tmp_path / "folder.keras", zipped=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="needs links and modes")
def test_links_modes_and_missing_folders_are_respected(tmp_path: Path) -> None:
    model, path, link = small_model(), tmp_path / "new" / "folder" / "model.keras", tmp_path / "link.keras"
    model.save(path)
    path.chmod(0o640)
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640


def test_keras_names_are_exported() -> None:
    assert saving.load_model is load_model
    assert set(saving.__all__) >= {"load_model", "load_weights", "save_model", "save_weights", "ModelFileError"}
