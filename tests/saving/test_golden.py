"""Golden files of real Keras open with the numbers that Keras gave them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import FILES
from saved_models import assert_close, assert_same, golden

from fastgru.layers import Input, Layer
from fastgru.models import Sequential, load_model

WHOLE = sorted(
    path.name
    for path in FILES.iterdir()
    if path.name.endswith((".keras", ".h5")) and "weights" not in path.name and not path.name.startswith("old_")
)
WEIGHTS = sorted(path.name for path in FILES.glob("*.weights.h5"))


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
        assert [file[f"layers/interleaved/vars/{index}"][0] for index in range(4)] == [0, 1, 2, 3]
    assert [weight.name for weight in model.weights] == ["b", "d", "a", "c"]  # as Keras lists them
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
