"""The legacy `.h5` of Keras 1 to 3: a whole model, or its weights alone.

The names of the datasets differ with every version of Keras, so nothing is read from them: the attributes
`layer_names` and `weight_names` give the layers and their arrays in order.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastgru.layers.layer import Layer
from fastgru.saving import configs, matching, old_training, old_weights
from fastgru.saving.configs import Version
from fastgru.saving.errors import ModelFileError
from fastgru.saving.hdf5 import Node, write_strings
from fastgru.saving.matching import Matching, Pair, Stored
from fastgru.saving.old_weights import Origin

if TYPE_CHECKING:
    import h5py

OF_THE_MODEL = "top_level_model_weights"
# what PruneLowMagnitude keeps besides the weights of the layer in it
OF_PRUNING = r"/(mask|threshold|pruning_step)(_\d+)?(:0)?$"


class LegacyFile:
    """An open legacy file.

    Attributes
    ----------
    version : tuple of int
        Of the Keras that wrote it; (1, 0) where it does not say.
    written_by : str
        The same in words.
    model : dict or None
        The model's config as it stands there; None in a file of weights alone.
    tensorflow : bool
        Whether TensorFlow computed.
    training : dict or None
        What it was compiled with, in the form of a `.keras` file.
    """

    kind = "legacy HDF5"

    def __init__(self, root: Node) -> None:
        self._root = root
        self.file = root.file
        self._weights = root.node("model_weights") if "model_weights" in root else root
        said = root.text("keras_version") or self._weights.text("keras_version")
        backend = root.text("backend") or self._weights.text("backend")
        self.version: Version = configs.version(said)
        self.written_by = f"Keras {said or '1 or older (it left no version)'}" + (f" on {backend}" if backend else "")
        self.model = configs.parsed(root.text("model_config"), root.file, "model_config")
        training = configs.parsed(root.text("training_config"), root.file, "training_config")
        self.training = None if training is None else old_training.training_from_legacy(training)
        self._stored = {name: self._arrays(self._weights.node(name)) for name in self._layer_names()}
        self.tensorflow = backend == "tensorflow"
        self._origin = Origin(first=self.version < (2, 0), theano=self._by_theano(backend))

    def _layer_names(self) -> list[str]:
        count = self._weights.number("nb_layers")
        if count is not None:  # before Keras 1.0
            return [f"layer_{number}" for number in range(count)]
        return self._weights.strings("layer_names") or []

    def _by_theano(self, backend: str | None) -> bool:
        """Whether Theano convolved; Keras 1 did not always say so, but under TensorFlow names end in ``:0``."""
        if backend is not None:
            return backend == "theano"
        return self.version < (2, 0) and not any(
            ":0" in array.place for part in self._stored.values() for array in part
        )

    @property
    def numbers(self) -> int:
        """How many numbers all arrays hold."""
        return sum(math.prod(array.shape) for arrays in self._stored.values() for array in arrays)

    def stored(self) -> dict[str, list[Stored]]:
        """The arrays of each layer in the file."""
        return self._stored

    def pairs(self, model: Any, how: Matching) -> list[Pair]:
        """All weights of a model with their arrays, by the order of the layers or by their names."""
        found: list[Pair] = []
        origin = replace(self._origin, decides=how.made_for)
        for layer, name in self._matched(model, how):
            arrays = self._without_pruning(self._stored[name])
            arrays = old_weights.arranged(layer, arrays, origin, how.report)
            place = f"{self._weights.place.rstrip('/')}/{name}"
            weights = old_weights.in_order(layer)
            found += matching.pairs(f"layer {layer.name!r}", weights, arrays, self.file, place, how.skip_mismatch)
        if OF_THE_MODEL in self._weights:
            own = self._arrays(self._weights.node(OF_THE_MODEL))
            found += matching.pairs(f"model {model.name!r}", [], own, self.file, OF_THE_MODEL, how.skip_mismatch)
        return found

    def _matched(self, model: Any, how: Matching) -> list[tuple[Layer, str]]:
        """The layers of a model, each with its name in the file."""
        if how.by_name:
            return [(layer, layer.name) for layer in model.layers if layer.name in self._stored]
        layers = [layer for layer in model.layers if layer.weights]
        filled = [name for name, arrays in self._stored.items() if arrays]
        if how.made_for and all(layer.name in filled for layer in layers):
            left = [name for name in filled if name not in {layer.name for layer in layers}]
            if left:
                how.report.decide("The model does without the weights of", ", ".join(left))
            return [(layer, layer.name) for layer in layers]
        if len(layers) != len(filled):
            raise ModelFileError(
                f"{self.file}, {self._weights.place}: the model has {len(layers)} layers with weights "
                f"({_listed([layer.name for layer in layers])}), the file holds {len(filled)} ({_listed(filled)})."
            )
        return list(zip(layers, filled, strict=True))

    def _without_pruning(self, arrays: list[Stored]) -> list[Stored]:
        return [array for array in arrays if not re.search(OF_PRUNING, array.place)]

    def optimizer_state(self) -> list[Stored]:
        """The optimizer's arrays in their order."""
        return self._arrays(self._root.node("optimizer_weights")) if "optimizer_weights" in self._root else []

    def _arrays(self, node: Node) -> list[Stored]:
        count = node.number("nb_params")
        if count is not None:  # before Keras 1.0
            return [node.array(f"param_{number}") for number in range(count)]
        return [node.array(name) for name in node.strings("weight_names") or []]


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
        named = [(f"{model.name}/{weight.path}", weight.value) for weight in old_weights.in_order(layer)]
        _write_arrays(group.create_group(layer.name), named)
    _write_arrays(group.create_group(OF_THE_MODEL), [])
    if training is not None and model.optimizer is not None:
        named = [(f"{model.optimizer.name}/{name}", value) for name, value in model.optimizer.variables()]
        _write_arrays(file.create_group("optimizer_weights"), named)


def _write_arrays(group: h5py.Group, named: Sequence[tuple[str, Any]]) -> None:
    unique: dict[str, Any] = {}
    for name, value in named:
        count = sum(other == name or other.startswith(f"{name}_") for other in unique)  # models inside have names alike
        unique[f"{name}_{count}" if name in unique else name] = value
    write_strings(group, "weight_names", list(unique))
    for name, value in unique.items():
        group.create_dataset(name, data=value)
