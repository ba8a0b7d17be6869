"""What fastgru writes, it reads: the model, its training, and who wrote it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from paths import FILES
from saved_models import ENDINGS, assert_same, batch, edit_archive, small_model, state, trained_model

import fastgru
from fastgru import cli, random, saving
from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential, load_model


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


@pytest.mark.parametrize("key", ["fastgru_version", "keras_version"])
def test_a_version_that_is_a_whole_text_is_shortened(key: str, tmp_path: Path) -> None:
    def change(metadata: dict) -> None:
        metadata[key] = "3." + "1" * 5000

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "metadata.json", change)
    assert "3.1111" in load_model(path).load_report[0] and len(load_model(path).load_report[0]) < 120


@pytest.mark.parametrize("version", [3, ["0.1.0"], None, {"a": 1}])
def test_a_writer_that_is_no_text_is_none(version: object, tmp_path: Path) -> None:
    def change(metadata: dict) -> None:
        metadata["fastgru_version"] = version

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "metadata.json", change)
    assert load_model(path).load_report[0].startswith("Written by Keras 3.")


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


def test_the_name_says_the_format(tmp_path: Path) -> None:
    model = small_model()
    with pytest.raises(ValueError, match=r"must end in \.keras or \.h5 or \.hdf5"):
        model.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        model.save_weights(tmp_path / "model.h5")
    with pytest.raises(ValueError, match="zipped=False"):
        model.save(tmp_path / "folder.keras", zipped=False)
    assert list(tmp_path.iterdir()) == []


def test_keras_names_are_exported() -> None:
    assert saving.load_model is load_model
    assert set(saving.__all__) >= {"load_model", "load_weights", "save_model", "save_weights", "ModelFileError"}
