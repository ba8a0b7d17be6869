"""Models in the words and the layout of old versions of Keras."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from paths import FILES

from fastgru.models import model_from_json

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


def keras_2_gru(name: str, units: int, **options: Any) -> dict[str, Any]:
    return {"name": name, "trainable": True, "units": units, "return_sequences": False, "return_state": False,
            "go_backwards": False, "stateful": False, **options}  # fmt: skip


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
