"""Files in the legacy layout: what Keras 2 meant, and weights by order or by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import FILES
from saved_models import assert_same, golden, small_model

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential, load_model
from fastgru.saving import ModelFileError


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


def test_time_major_files_with_masks_are_refused(tmp_path: Path) -> None:
    def masked(config: Any) -> None:
        config.update(time_major=True, mask_zero=True)

    path = as_keras_2("reset_before.h5", tmp_path / "old.h5", masked)
    with pytest.raises(ModelFileError, match=r"time_major=True of layer .* is not supported by fastgru beside masks"):
        load_model(path)


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
