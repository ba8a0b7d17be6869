"""Layers whose class has a `call`: they run in Python, and their gradients follow from the ops in it.

`install` gives such a class what a built-in layer has: it is called on tensors and symbolic tensors with any arguments
of `call`, and its `forward` and `backward` run `call` under a recording, so that it stands wherever a layer stands.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.autodiff.recording import nobody_records
from fastgru.autodiff.tape import with_pullback
from fastgru.autodiff.tensor import Tensor, plain, tensor
from fastgru.layers.context import assigning, context, inside
from fastgru.layers.penalties import regularization
from fastgru.layers.share import part_of_mean
from fastgru.layers.symbolic import Node, Place, SymbolicTensor
from fastgru.layers.workspace import Call, Version
from fastgru.ops import shaping
from fastgru.ops.op import values
from fastgru.types import Array, Shape

__all__ = ["inferred_output_shape", "install"]

_FREE = ((2, 24), (3, 48))  # lengths of a free batch axis and of other free axes, in two runs that tell them apart
_CONTEXT = ("training", "mask")
Arguments = tuple[tuple[Any, ...], dict[str, Any]]  # by position and by name


class _Signature:
    """The arguments of a method, without `self`.

    Attributes
    ----------
    names, positional : list of str
        Those that it names, and those that may come by position.
    defaults : dict
    takes_any : bool
        Whether it takes others by name.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(method).parameters.values())[1:]
        named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
        self.names = [one.name for one in named]
        self.positional = [one.name for one in named if one.kind is one.POSITIONAL_OR_KEYWORD]
        self.defaults = {one.name: one.default for one in named if one.default is not one.empty}
        self.takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)


_signature = cache(_Signature)


def install(cls: Any) -> None:
    """Give a class that defines `call` the methods that run it, but for those that it defines itself."""
    cls.runs_call = cls.couples_rows = True  # what it does with rows, nobody knows
    for name, method in vars(_Running).items():
        if callable(method) and name not in vars(cls) and not (name == "compute_output_shape" and cls.says_shapes):
            setattr(cls, name, method)


# --- one call ---------------------------------------------------------------------------------------------------------


def _as_input(layer: Any, leaf: Any) -> Any:
    """An argument as `call` gets it: arrays as tensors, floats in the layer's dtype."""
    if not isinstance(leaf, np.ndarray):
        return leaf
    if leaf.dtype.kind == "f" and leaf.dtype != layer.dtype:
        converted = shaping.cast(leaf, layer.dtype)
    elif type(leaf) is Tensor:
        return leaf
    else:
        converted = shaping.as_tensor(leaf)
    converted._keras_mask = _mask_of(leaf)
    return converted


def _inputs(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `call` that hold tensors, by name."""
    named = {**dict(zip(_signature(type(layer).call).positional, args, strict=False)), **kwargs}
    return {name: entry for name, entry in named.items() if name not in _CONTEXT and _has_tensors(entry)}


def _has_tensors(structure: Any) -> bool:
    return any(isinstance(leaf, (np.ndarray, SymbolicTensor)) for leaf in tree.flatten(structure))


def _run(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], version: Version | None = None) -> Any:
    """`call` with its arguments completed; what it returns, with masks.

    It reads the version of the weights that the layer or model around it reads, else this one, else that of now.
    """
    signature = _signature(type(layer).call)
    kwargs = dict(kwargs)
    training = kwargs.pop("training", None)
    for choice in (context.training, signature.defaults.get("training"), False):
        training = choice if training is None else training
    if "training" in signature.names[len(args) :] or signature.takes_any:
        kwargs["training"] = training
    inputs = _inputs(layer, args, kwargs)
    first = args[0] if args else next(iter(inputs.values()), None)
    for name, entry in inputs.items():
        argument = "mask" if len(inputs) == 1 else f"{name}_mask"
        if argument in signature.names[len(args) :] and kwargs.get(argument) is None and _masks(entry) is not None:
            kwargs[argument] = _masks(entry)
    mask = kwargs.get("mask")
    mask = _masks(first) if mask is None else mask
    _build(layer, inputs)
    version = context.version or version
    outermost = Version(layer.latest_values()) if version is None else None
    try:
        with inside(bool(training), version or outermost):
            if context.depth == 1:
                layer.clear_losses()
            outputs = layer.call(*args, **kwargs)
        layer.built = True
        masked = _masked(layer, first, outputs, mask)
        if outermost is not None:
            outermost.commit()
        return masked
    finally:
        if outermost is not None:
            outermost.forget()


def _mask_of(x: Any) -> Any:
    return getattr(x, "_keras_mask", None)


def _masks(structure: Any) -> Any:
    """The masks that tensors carry, in their structure; None where none does."""
    masks = tree.map_structure(_mask_of, structure)
    return masks if any(one is not None for one in tree.flatten(masks)) else None


def _masked(layer: Any, first: Any, outputs: Any, mask: Any) -> Any:
    """The outputs, with the mask that the layer makes of that of its first argument."""
    if mask is None and not layer.makes_masks:
        return outputs
    if not layer.supports_masking:
        is_whole = getattr(layer, "takes_any", False) and not context.depth and not layer.nodes
        if is_whole or all(_mask_of(y) is not None for y in tree.flatten(outputs)):
            return outputs  # nothing stands behind a model that is trained, or what does sees masks from inside
        warnings.warn(
            f"Layer {layer.name!r}: got an input with a mask and does not pass masks on, so the layers behind it see "
            "none; set supports_masking = True where its steps are those of the input.",
            stacklevel=4,
        )
        return outputs
    masks, ys = layer.compute_mask(first, mask), tree.flatten(outputs)
    for y, one in zip(ys, masks if isinstance(masks, (list, tuple)) else [masks], strict=False):
        if isinstance(y, Tensor) and one is not None:
            y._keras_mask = plain(one)
    return outputs


# --- shapes -----------------------------------------------------------------------------------------------------------


def _shapes(structure: Any) -> Any:
    return tree.map_structure(lambda x: tuple(x.shape) if hasattr(x, "shape") else None, structure)


def _with_shapes(method: Callable[..., Any], layer: Any, inputs: dict[str, Any]) -> Any:
    """`build` or `compute_output_shape`: of all shapes by name where it takes several, else of the first."""
    names = _signature(getattr(type(layer), method.__name__)).names
    if len(names) > 1:
        by_name = {f"{name}_shape": _shapes(entry) for name, entry in inputs.items()}
        return method(**{name: by_name[name] for name in names if name in by_name})
    return method(_shapes(next(iter(inputs.values()), None)))


def _build(layer: Any, inputs: dict[str, Any]) -> None:
    """Run the `build` of the layer's class, if it has one, before the first call."""
    if not layer.built and layer.says_build:
        layer._building = True
        try:
            with nobody_records(), assigning(True):
                _with_shapes(layer.build, layer, inputs)
        finally:
            layer._building = False
        layer.built = True


def _filled(arguments: Arguments, inputs: Sequence[Any]) -> Arguments:
    """The arguments of a call with the inputs in their places."""
    filled: Arguments = tree.map_structure(lambda leaf: inputs[leaf.index] if type(leaf) is Place else leaf, arguments)
    return filled


def _plain_arguments(layer: Any, count: int) -> Arguments:
    """The arguments of a call on inputs alone: as a model's data are nested, else one by one or as a list."""
    if getattr(layer, "input_structure", None) is not None:
        return (layer.input_structure,), {}
    places = tuple(Place(index) for index in range(count))
    return (places if count == 1 or not layer.takes_list else (list(places),)), {}


def _specified(layer: Any, arguments: Arguments, tensors: Sequence[SymbolicTensor]) -> tuple[list[Any], Any]:
    """Shape and dtype of each output of a call on symbolic tensors, and the structure that the outputs stand in.

    Where the class does not say its shapes, or layers inside are still to be built, `call` runs.
    """
    inputs = _inputs(layer, *_filled(arguments, tensors))
    _build(layer, inputs)
    if layer.says_shapes and all(inner.built for inner in layer.sublayers):
        shapes = _with_shapes(layer.compute_output_shape, layer, inputs)
        return [(one, layer.compute_dtype) for one in _leaves(shapes)], None if _is_shape(shapes) else _emptied(shapes)
    runs = []
    for batch, other in _FREE:
        sizes = [[size or (other if axis else batch) for axis, size in enumerate(one.shape)] for one in tensors]
        numbers = [tensor(np.zeros(size, one.dtype)) for size, one in zip(sizes, tensors, strict=True)]
        with nobody_records(), assigning(False), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runs.append(_run(layer, *_filled(arguments, numbers)))
    layer.clear_losses()
    both = zip(*([np.asarray(plain(values(y))) for y in tree.flatten(run)] for run in runs), strict=True)
    specs = [
        (tuple(a if a == b else None for a, b in zip(x.shape, y.shape, strict=True)), str(x.dtype)) for x, y in both
    ]
    return specs, runs[0] if tree.is_nested(runs[0]) else None


def _is_shape(shapes: Any) -> bool:
    return isinstance(shapes, (list, tuple)) and all(
        size is None or isinstance(size, (int, np.integer)) for size in shapes
    )


def _leaves(shapes: Any) -> list[Shape]:
    """The shapes in a nest of them, in a row."""
    if _is_shape(shapes):
        return [tuple(shapes)]
    entries = [shapes[key] for key in sorted(shapes)] if isinstance(shapes, dict) else shapes
    return [shape for entry in entries for shape in _leaves(entry)]


def _emptied(shapes: Any) -> Any:
    """A nest of shapes with None in the place of each."""
    if _is_shape(shapes):
        return None
    if isinstance(shapes, dict):
        return {key: _emptied(entry) for key, entry in shapes.items()}
    return [_emptied(entry) for entry in shapes]


def inferred_output_shape(layer: Any, *shapes: Any) -> Any:
    """The shapes of the outputs for those of the inputs, found by running `call`."""
    own_shapes = getattr(layer, "own_shapes", None)
    if own_shapes is not None:  # of a model that has seen data
        return own_shapes if len(own_shapes) > 1 else own_shapes[0]
    tensors = [SymbolicTensor(shape, layer.dtype) for shape in _leaves(list(shapes))]
    places = tree.pack_sequence_as(_emptied(list(shapes)), [Place(index) for index in range(len(tensors))])
    specs, structure = _specified(layer, (tuple(places), {}), tensors)
    result = [shape for shape, _ in specs]
    return result[0] if structure is None else tree.pack_sequence_as(structure, result)


# --- the methods ------------------------------------------------------------------------------------------------------


class _Running:
    """The methods of a layer that runs its `call`; `install` hands them to its class."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Run `call`: on arrays, or drawn into a graph of symbolic tensors.

        Floats are converted to the layer's dtype; `build` runs before the first call; `training`, and the masks that
        tensors carry, are handed on where `call` has arguments for them.
        """
        leaves = tree.flatten([args, kwargs])
        tensors = list(dict.fromkeys(leaf for leaf in leaves if isinstance(leaf, SymbolicTensor)))
        if not tensors:
            if not self.built and len(args) == 1 and hasattr(args[0], "shape"):
                self._first_shape = (None, *np.shape(args[0])[1:])
            outputs = _run(self, *tree.map_structure(lambda leaf: _as_input(self, leaf), (args, kwargs)))
            if self.activity_regularizer is not None:
                for y in tree.flatten(outputs):
                    self.add_loss(regularization(self.activity_regularizer, y) / max(1, len(y)))
            return outputs
        places = [Place(tensors.index(leaf)) if isinstance(leaf, SymbolicTensor) else leaf for leaf in leaves]
        arguments = tuple(tree.pack_sequence_as([args, kwargs], places))
        specs, structure = _specified(self, arguments, tensors)
        outputs = Node(self, tensors, None, specs, arguments).outputs
        return outputs[0] if structure is None else tree.pack_sequence_as(structure, list(outputs))

    def forward(self: Any, call: Call, *inputs: Array) -> Any:
        masks = (*call.masks, *[None] * len(inputs))
        arguments = call.arguments or _plain_arguments(self, len(inputs))

        def run(*tensors: Any) -> Any:
            for x, mask in zip(tensors, masks, strict=False):
                x._keras_mask = mask
            args, kwargs = _filled(arguments, tensors)
            if context.depth:  # else the run clears them
                self.clear_losses()
            return _run(self, args, {**kwargs, "training": call.training}, call.version), self.losses_of_call

        if call.differentiate:
            (outputs, losses), call.saved["pull"] = with_pullback(run, *inputs)
        else:
            with nobody_records():
                outputs, losses = run(*map(tensor, inputs))
        call.penalty = float(sum(map(float, losses))) * part_of_mean()
        call.saved["inputs"], call.saved["losses"] = inputs, losses
        ys = tree.flatten(outputs)
        call.output_mask = tuple(map(_mask_of, ys)) if len(ys) > 1 else _mask_of(ys[0])
        arrays = tuple(np.ascontiguousarray(plain(values(y))) for y in ys)
        return arrays if len(arrays) > 1 else arrays[0]

    def backward(self: Any, call: Call, *d_outputs: Array | None) -> Any:
        ones = [np.full(loss.shape, part_of_mean(), loss.dtype) for loss in call.saved["losses"]]
        parts = [
            (np.zeros_like(x) if d is None else np.ascontiguousarray(d, x.dtype)) if x.dtype.kind == "f" else None
            for d, x in zip(call.saved["pull"](*d_outputs, *ones), call.saved["inputs"], strict=True)
        ]
        return tuple(parts) if len(parts) > 1 else parts[0]

    def outgoing_mask(self: Any, call: Call, *inputs: Array) -> Any:
        return call.output_mask

    def check_inputs(self: Any, *inputs: Array) -> None:
        """What does not fit, `call` refuses."""

    def as_input(self: Any, x: Any) -> Array:
        array = np.asarray(plain(values(x)))
        return np.ascontiguousarray(array, self.dtype if array.dtype.kind == "f" else None)

    def as_inputs(self: Any, arrays: Sequence[Any]) -> list[Array]:
        return [self.as_input(x) for x in arrays]

    def spec_of_call(self: Any, arguments: Arguments, tensors: Sequence[SymbolicTensor]) -> list[tuple[Shape, str]]:
        specs, _ = _specified(self, arguments, tensors)
        return specs

    def as_structure(self: Any, outputs: Sequence[Any]) -> Any:
        if getattr(self, "output_structure", None) is not None:
            return tree.pack_sequence_as(self.output_structure, list(outputs))
        return list(outputs) if len(outputs) > 1 else outputs[0]

    def build_from_config(self: Any, config: Any) -> None:
        """Make the weights of the layers inside by running `call` on inputs of the shape in a JSON form."""
        self._first_shape = tree.lists_to_tuples(config["input_shape"])
        inferred_output_shape(self, self._first_shape)

    def compute_output_spec(self: Any, *inputs: Any) -> Any:
        return _specified(self, _plain_arguments(self, len(inputs)), inputs)[0]

    def compute_output_shape(self: Any, *shapes: Any) -> Any:
        return inferred_output_shape(self, *shapes)
