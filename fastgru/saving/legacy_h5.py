"""The legacy `.h5` of Keras 1 to 3: a whole model, or its weights alone.

The names of the datasets differ with every version of Keras, so nothing is read from them: the attributes
`layer_names` and `weight_names` give the layers and their arrays in order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastgru.layers.layer import Layer, Weight
from fastgru.saving import configs, matching
from fastgru.saving.configs import Version
from fastgru.saving.errors import ModelFileError, notice
from fastgru.saving.hdf5 import Node, write_strings
from fastgru.saving.matching import Pair, Stored

if TYPE_CHECKING:
    import h5py

OF_THE_MODEL = "top_level_model_weights"


class LegacyFile:
    """An open legacy file.

    Attributes
    ----------
    version : tuple of int
        Of the Keras that wrote it; (1, 0) where it does not say.
    model : dict or None
        The model's config; None in a file of weights alone.
    training : dict or None
        What it was compiled with, as `configs.compiled` understands it.
    """

    def __init__(self, root: Node) -> None:
        self._root = root
        self.file = root.file
        self._weights = root.node("model_weights") if "model_weights" in root else root
        self.version: Version = configs.version(root.text("keras_version") or self._weights.text("keras_version"))
        self.model = configs.parsed(root.text("model_config"), root.file, "model_config")
        training = configs.parsed(root.text("training_config"), root.file, "training_config")
        self.training = None if training is None else configs.training_from_legacy(training)

    def pairs(self, model: Any, skip_mismatch: bool = False, by_name: bool = False) -> list[Pair]:
        """All weights of a model with their arrays, by the order of the layers or by their names."""
        names = self._weights.strings("layer_names") or []
        stored = {name: self._arrays(self._weights.node(name)) for name in names}
        found: list[Pair] = []
        if by_name:
            layers = [layer for layer in model.layers if layer.name in stored]
            matched = [(layer, layer.name) for layer in layers]
        else:
            layers = [layer for layer in model.layers if layer.weights]
            filled = [name for name in names if stored[name]]
            if len(layers) != len(filled):
                raise ModelFileError(
                    f"{self.file}, {self._weights.place}: the model has {len(layers)} layers with weights "
                    f"({_listed([layer.name for layer in layers])}), the file holds {len(filled)} ({_listed(filled)})."
                )
            matched = list(zip(layers, filled, strict=True))
        for layer, name in matched:
            place = f"{self._weights.place.rstrip('/')}/{name}"
            found += matching.pairs(
                f"layer {layer.name!r}", _in_order(layer), stored[name], self.file, place, skip_mismatch
            )
        if OF_THE_MODEL in self._weights:
            own = self._arrays(self._weights.node(OF_THE_MODEL))
            found += matching.pairs(f"model {model.name!r}", [], own, self.file, OF_THE_MODEL, skip_mismatch)
        return found

    def optimizer_state(self) -> list[Stored]:
        """The optimizer's arrays in their order; Keras 1 and 2 ordered them otherwise, so theirs are left out."""
        if "optimizer_weights" not in self._root:
            return []
        if self.version < (3, 0):
            notice(
                f"{self.file}: the state of the optimizer was written by Keras {self.version[0]}, which fastgru does "
                "not read, and training starts with a fresh one."
            )
            return []
        return self._arrays(self._root.node("optimizer_weights"))

    def _arrays(self, node: Node) -> list[Stored]:
        return [node.array(name) for name in node.strings("weight_names") or []]


def _in_order(layer: Layer) -> Sequence[Weight]:
    return layer.trainable_weights + layer.non_trainable_weights


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def write(
    file: h5py.Group, model: Any, config: Mapping[str, Any], training: Mapping[str, Any] | None, version: str
) -> None:
    """Write a whole model the way Keras 3 writes it, with the optimizer's state where `training` is given."""
    file.attrs["keras_version"] = version
    file.attrs["backend"] = "numpy"
    file.attrs["model_config"] = json.dumps(configs.legacy_model(config))
    if training is not None:
        file.attrs["training_config"] = json.dumps(configs.legacy_training(training))
    group = file.create_group("model_weights")
    group.attrs["keras_version"] = version
    group.attrs["backend"] = "numpy"
    write_strings(group, "layer_names", [layer.name for layer in model.layers])
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        named = [(f"{model.name}/{weight.path}", weight.value) for weight in _in_order(layer)]
        _write_arrays(group.create_group(layer.name), named)
    _write_arrays(group.create_group(OF_THE_MODEL), [])
    if training is not None and model.optimizer is not None:
        named = [(f"{model.optimizer.name}/{name}", value) for name, value in model.optimizer.variables()]
        _write_arrays(file.create_group("optimizer_weights"), named)


def _write_arrays(group: h5py.Group, named: Sequence[tuple[str, Any]]) -> None:
    write_strings(group, "weight_names", [name for name, _ in named])
    for name, value in named:
        group.create_dataset(name, data=value)
