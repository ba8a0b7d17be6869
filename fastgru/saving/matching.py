"""Which stored array belongs to which weight: everything is checked before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight, publish
from fastgru.naming import snake_case
from fastgru.saving.formats.weights_h5 import owners, places, weight_names
from fastgru.saving.report import ModelFileError, Report, notice, reading
from fastgru.saving.stored import Array, Entry, StoredArray, StoredModel

Pair = tuple[Weight, StoredArray]

PRUNED = "prune_low_magnitude"  # the wrapper by which TensorFlow's toolkit prunes a layer; its own arrays count steps


class Matching(NamedTuple):
    """How arrays and weights are paired.

    Attributes
    ----------
    report : Report
        Gets the decisions that are taken.
    skip_mismatch : bool
        Warn and leave out what does not fit, instead of raising.
    by_name : bool
        By the names of the layers; those without a namesake are left out.
    made_for : bool
        The model was made from the file's config.
    entries : mapping
        For each model, by its `id`, how the file lists its layers; as the model lists them where absent.
    skipped : set of int
        Layers, by their `id`, that keep the weights they have.
    """

    report: Report
    skip_mismatch: bool = False
    by_name: bool = False
    made_for: bool = False
    entries: Mapping[int, Sequence[Entry]] = MappingProxyType({})
    skipped: Collection[int] = ()


def pairs(model: Any, stored: StoredModel, how: Matching) -> list[Pair]:
    """All weights of a model with their arrays; a ModelFileError names the first that does not fit."""
    if stored.in_order:
        return _pairs_in_order(model, stored, how)
    return _pairs_by_layer(model, stored, how) if stored.by_layer else _pairs_by_path(model, stored, how)


def entries_of_pruned(model: Any, stored: StoredModel) -> dict[int, list[Entry]]:
    """How a file of a pruned model lists the layers of a plain one; empty for other files.

    A class of which the file has layers outside of the wrappers counts as one that was not pruned.
    """
    groups = [path.split("/")[1] for path in stored.arrays if path.startswith("layers/")]
    classes = {re.sub(r"_\d+$", "", group) for group in groups}
    if PRUNED not in classes or not hasattr(model, "layers"):
        return {}
    named = [(snake_case(type(layer).__name__), layer) for layer in model.layers]
    plain = {*classes, "input_layer"}
    return {id(model): [(name, "", one) if name in plain else (PRUNED, "layer", one) for name, one in named]}


def _pairs_in_order(model: Layer, stored: StoredModel, how: Matching) -> list[Pair]:
    """By the order in which layers own weights, or as `torch_layout` says; what does not fit is told of all."""
    from fastgru.saving import torch_layout

    file = stored.weights_file
    owned = [(layer, weights) for _, layer, weights in places(model)]
    if stored.of_torch:
        with reading(file, stored.place):
            assigned = torch_layout.assigned(owned, stored, how.by_name)
    elif how.by_name:
        raise ValueError(
            f"{file}: by_name=True is for legacy HDF5 files and PyTorch's; the layers here have other names."
        )
    else:
        assigned = {id(layer): item for (layer, _), item in zip(owned, stored.arrays.items(), strict=False)}
    matched: list[Pair] = []
    misfits: list[str] = []
    for layer, weights in owned:
        name, arrays = assigned.get(id(layer), ("", []))
        if id(layer) in how.skipped or (how.by_name and not name):
            continue
        if torch_layout.fits(weights, arrays):
            matched += zip(weights, arrays, strict=True)
        else:
            holds = f"{name!r} in the file has {_shapes(arrays)}" if name else "nothing in the file fits"
            misfits.append(f"layer {layer.name!r} expects {_shapes(weights)}, {holds}")
    rest = stored.arrays.keys() - {name for name, _ in assigned.values()}
    if rest and not how.by_name:
        misfits.append(f"the model has no place for {', '.join(sorted(map(repr, rest)))}")
    if misfits:
        _refuse(f"{file}: {'; '.join(misfits)}", how.skip_mismatch)
    return matched


def _shapes(arrays: Sequence[Weight] | Sequence[StoredArray]) -> str:
    return " ".join(str(array.shape) for array in arrays) or "no arrays"


def _pairs_by_path(model: Layer, stored: StoredModel, how: Matching) -> list[Pair]:
    """By the paths of attributes that lead to the owners of weights."""
    file = stored.weights_file
    if how.by_name:
        raise ValueError(
            f"{file}: by_name=True is for legacy HDF5 files only; this one names its groups after classes."
        )
    matched: list[Pair] = []
    visited = set()
    for path, layer, weights in places(model, stored.arrays, how.entries):
        visited.add(path)
        if id(layer) in how.skipped:
            continue
        arrays = stored.arrays.get(path, [])
        if stored.by_weight_name:
            named = {array.place.rpartition("/")[2]: array for array in arrays}
            arrays = [named[name] for name in weight_names(weights) if name in named]
        matched += _pairs_of(f"layer {layer.name!r}", weights, arrays, file, path or "/", how.skip_mismatch)
    unread = [path for path in stored.layer_arrays if path not in visited]
    rest = ", ".join(sorted(path for path in unread if not re.fullmatch(rf"layers/{PRUNED}(_\d+)?", path)))
    if rest and how.made_for:
        how.report.decide(f"The model does without the weights at {rest}")
    elif rest:
        notice(f"{file}: the model has no place for the weights at {rest}.")
    return matched


def _pairs_by_layer(model: Any, stored: StoredModel, how: Matching) -> list[Pair]:
    """By the order of the layers or by their names."""
    from fastgru.saving.formats.legacy_h5 import OF_THE_MODEL
    from fastgru.saving.legacy import weights as legacy_weights

    file = stored.weights_file
    if how.skipped:
        raise ValueError(f"{file}: objects_to_skip is not for legacy HDF5 files.")
    matched: list[Pair] = []
    origin = legacy_weights.Origin.of(stored, decides=how.made_for)
    for layer, name in _layers_with_names(model, stored, how):
        arrays = legacy_weights.arranged(layer, stored.arrays[name], origin, how.report)
        weights = legacy_weights.in_order(layer)
        place = f"{stored.place.rstrip('/')}/{name}"
        matched += _pairs_of(f"layer {layer.name!r}", weights, arrays, file, place, how.skip_mismatch)
    model_arrays = stored.model_arrays
    return matched + _pairs_of(f"model {model.name!r}", [], model_arrays, file, OF_THE_MODEL, how.skip_mismatch)


def _layers_with_names(model: Any, stored: StoredModel, how: Matching) -> list[tuple[Layer, str]]:
    """The layers of a model, each with its name in the file."""
    from fastgru.saving.legacy.weights import without_pruning

    if how.by_name:
        return [(layer, layer.name) for layer in model.layers if layer.name in stored.arrays]
    layers = [layer for layer in model.layers if layer.weights]
    filled = [name for name, arrays in stored.arrays.items() if without_pruning(arrays)]
    if how.made_for and all(layer.name in filled for layer in layers):
        rest = [name for name in filled if name not in {layer.name for layer in layers}]
        if rest:
            how.report.decide("The model does without the weights of", ", ".join(rest))
        return [(layer, layer.name) for layer in layers]
    if len(layers) != len(filled):
        in_model = ", ".join(layer.name for layer in layers) or "none"
        raise ModelFileError(
            f"{stored.weights_file}, {stored.place}: the model has {len(layers)} layers with weights ({in_model}), the "
            f"file holds {len(filled)} ({', '.join(filled) or 'none'})."
        )
    return list(zip(layers, filled, strict=True))


def _pairs_of(
    owner: str,
    weights: Sequence[Weight],
    arrays: Sequence[StoredArray],
    file: str,
    place: str,
    skip_mismatch: bool,
) -> list[Pair]:
    """The weights of one owner, each with its array in the file.

    Parameters
    ----------
    owner : str
        Who the weights belong to, for error messages.
    weights, arrays : sequence
        In the same order.
    file, place : str
        Where the arrays stand, for error messages.
    skip_mismatch : bool
        Warn and leave out what does not fit, instead of raising.
    """
    if len(weights) != len(arrays):
        _refuse(
            f"{file}, {place}: {owner} expects {len(weights)} arrays ({', '.join(w.name for w in weights) or 'none'}), "
            f"the file holds {len(arrays)}",
            skip_mismatch,
        )
        return []
    matched = []
    for weight, array in zip(weights, arrays, strict=True):
        if weight.shape == array.shape:
            matched.append((weight, array))
        else:
            _refuse(
                f"{file}, {array.place}: {owner} expects shape {weight.shape} for its weight "
                f"{weight.name!r}, the file holds {array.shape}",
                skip_mismatch,
            )
    return matched


def _refuse(reason: str, skip_mismatch: bool) -> None:
    if not skip_mismatch:
        raise ModelFileError(f"{reason}.")
    notice(f"{reason}; it is skipped.")


def assign(matched: Sequence[Pair], restorings: Sequence[Callable[[], None]]) -> None:
    """Read all arrays, then give them to the weights, by one swap, and do what `restorings` lists.

    A file that cannot be read leaves everything as it was.
    """
    values = [array.read(weight.value.dtype) for weight, array in matched]
    for restore in restorings:
        restore()
    publish(
        {weight: np.require(value, requirements=["C", "O"]) for (weight, _), value in zip(matched, values, strict=True)}
    )


def restorings(
    model: Any, stored: StoredModel, entries: Mapping[int, Sequence[Entry]] | None = None
) -> list[Callable[[], None]]:
    """What gives layers that which a file keeps of them beside weights, files and arrays with names: checked."""
    checked: list[Callable[[], None]] = []
    for path, layer in owners(model, stored, entries):
        with reading(stored.file, path):
            files = {
                name.removeprefix(f"{path}/"): read()
                for name, read in stored.assets.items()
                if name.rpartition("/")[0] == path
            }
            named = stored.named_arrays.get(path, {})
            arrays = {name: array.read(np.float64) for name, array in named.items()}
            if files or arrays:
                checked.append(layer.restoring(files, arrays))  # type: ignore[attr-defined]
    return checked


def read_optimizer(optimizer: Any, arrays: Sequence[StoredArray]) -> list[Array] | None:
    """The optimizer's state from a file; None, with a warning, where it is that of another optimizer or model.

    A file that holds no more than numbers such as the step count belongs to a model that was never trained.
    """
    expected = [variable.value for variable in optimizer.variables]
    if [value.shape for value in expected] == [array.shape for array in arrays]:
        values = [array.read(value.dtype) for value, array in zip(expected, arrays, strict=True)]
        named = {variable.name: value for variable, value in zip(optimizer.variables, values, strict=True)}
        steps, rate = named["iteration"], named.get("learning_rate", 0.0)  # a schedule keeps none
        if steps >= 0 and np.isfinite(rate):
            return values
        notice(
            f"{arrays[0].file}: the optimizer stands at step {steps} with the learning rate {rate} and starts afresh."
        )
    elif any(array.shape for array in arrays):
        notice(
            f"{arrays[0].file}: the state of the optimizer {optimizer.name!r} does not fit ({len(expected)} arrays are "
            f"expected, the file holds {len(arrays)}) and training starts with a fresh one."
        )
    return None
