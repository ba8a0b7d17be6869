"""Which run a checkpoint is of: the model, what `compile` and `fit` were called with, the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastgru.data import BatchStream, PaddedColumn, Samples, Sequences, Source, Stored
from fastgru.layers.layer import Layer
from fastgru.training.compilation import Compiled

__all__ = ["DIGEST", "LEARNING_RATE", "layers_of", "names_of", "renamed", "settings_of"]

DIGEST = "digest "  # before what says nothing to people
LEARNING_RATE = "learning_rate"
ROWS = 64  # of each array that are compared: it may be larger than memory


def settings_of(model: Compiled, data: Mapping[str, Any], fit: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for a training to go on; its entries are compared one by one, under their names in errors.

    Parameters
    ----------
    model : Compiled
        Built.
    data : mapping
        Under "data", "validation data": Samples, or something else that batches come from, or None.
    fit : mapping
        Arguments of `fit` that the numbers depend on.
    """
    assert model.optimizer is not None
    return {
        "shapes of weights": [[list(weight.shape), weight.dtype] for weight in model.weights],
        "layers": _digest(_nameless(model)),
        "names of losses and metrics": ", ".join(sorted(names_of(model))),
        LEARNING_RATE: _plain(model.optimizer.get_config().get("learning_rate")),
        "arguments of compile": _digest(_compile_settings(model)),
        **{name: _described(value) for name, value in data.items()},
        **{name: _plain(value) for name, value in fit.items()},
    }


def names_of(model: Compiled) -> dict[str, str]:
    """The names in the logs, under what they are whatever the outputs are called: their automatic names count on."""
    outputs = model.output_names or ()
    by_length = sorted(enumerate(outputs if len(outputs) > 1 else ()), key=lambda pair: -len(pair[1]))

    def neutral(name: str) -> str:
        place = next((index for index, output in by_length if name.startswith(f"{output}_")), None)
        return name if place is None else f"output {place}{name.removeprefix(outputs[place])}"

    return {neutral(name): name for name in model._objective.names}


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else _digest(value)


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=_text)
    return DIGEST + hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(value: Any) -> Any:
    """What JSON takes for a value that it does not: of an object its class, for its address differs each time."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value).tolist()
    return getattr(value, "__qualname__", type(value).__qualname__)


def _nameless(model: Compiled) -> Any:
    """The model's layers, without their names: automatic ones count on where a model is made once more."""
    described = [[type(layer).__name__, layer.trainable, _config(layer)] for layer in layers_of(model)]
    plain = json.loads(json.dumps(described, default=_text))
    numbers: dict[str, str] = {}
    for name in _names(plain):
        numbers.setdefault(name, f"layer {len(numbers)}")
    return renamed(plain, numbers)


def layers_of(layer: Layer) -> list[Layer]:
    """A layer and all inside it, each once; also one that a cell works with and does not list."""
    layers = {id(layer): layer}
    for outer in (stack := [layer]):
        inside = [*outer.sublayers, *(value for value in vars(outer).values() if isinstance(value, Layer))]
        new = {id(inner): inner for inner in inside if id(inner) not in layers}
        layers |= new
        stack += new.values()
    return list(layers.values())


def _config(layer: Layer) -> Any:
    try:
        return layer.get_config()
    except NotImplementedError:  # of a class of the user's that is never saved
        return None


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value["name"]
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _names(part)


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A JSON form with other texts in the place of some, as keys, too."""
    if isinstance(value, dict):
        return {names.get(name, name): renamed(part, names) for name, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def _compile_settings(model: Compiled) -> Any:
    """What `compile` was called with, but for the learning rate, which changes, and the optimizer's name."""
    settings = dict(model._compile_config)
    optimizer = settings.pop("optimizer")
    config = _without_rate(optimizer.get_config())
    return [type(optimizer).__name__, config, {name: _objects(value) for name, value in settings.items()}]


def _without_rate(config: Any) -> Any:
    """An optimizer's config, and that of one inside it, without names and learning rates; a schedule stays."""
    if not isinstance(config, dict):
        return config
    return {
        name: _without_rate(value)
        for name, value in config.items()
        if name != "name" and not (name == "learning_rate" and isinstance(value, float))
    }


def _objects(value: Any) -> Any:
    """Losses and metrics by class and config."""
    if isinstance(value, dict):
        return {name: _objects(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_objects(part) for part in value]
    config = getattr(value, "get_config", None)
    return [type(value).__name__, config()] if callable(config) and not isinstance(value, type) else value


def _described(data: Any) -> Any:
    """Sizes of a data set, and some of its rows."""
    if isinstance(data, BatchStream):
        return type(data).__name__
    if not isinstance(data, Samples):
        return None if data is None else _digest(data)  # a batch
    sources = [source for part in data for source in part]
    return [None if source is None else [list(source.shape), str(source.dtype), _rows(source)] for source in sources]


def _rows(source: Source) -> str:
    """A digest of some of the rows, from the first to the last."""
    places = np.unique(np.linspace(0, len(source) - 1, ROWS).astype(int))
    if isinstance(source, Sequences):
        rows = PaddedColumn(source).gathered(places)
    else:
        rows = source.read(places) if isinstance(source, Stored) else source[places]
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()[:16]
