"""A model made anew of the same layers, or of others in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastgru.layers.core.input_layer import Input
from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import SymbolicTensor, arranged, flattened
from fastgru.models.functional import Functional
from fastgru.models.model import Model
from fastgru.models.sequential import Sequential
from fastgru.operations.operation import Operation

__all__ = ["clone_model"]

WITH_STATE = ("optimizer", "metrics", "weighted_metrics")  # of what a model is compiled with


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A model of the same layers with new weights, compiled as the first is with a new optimizer and new metrics.

    Parameters
    ----------
    model : Sequential, Functional or another Model
        One of another class comes from its own `get_config`, and takes none of the arguments.
    input_tensors : SymbolicTensor, or a list or dict of them, optional
        To draw the graph on, in the place of new inputs.
    clone_function : callable, optional
        ``layer -> layer`` for every layer but the inputs; a layer of the same config where absent.
    call_function : callable, optional
        ``(layer, *args, **kwargs) -> outputs``, in the place of a call of each new layer; for graphs.
    recursive : bool
        Treat the layers of models inside in the same way.
    """
    return _Cloning(clone_function, call_function, recursive).model(model, input_tensors)


def _same(owner: Any) -> Any:
    """A new object of the same config."""
    return type(owner).from_config(owner.get_config())


class _Cloning:
    def __init__(
        self,
        clone_function: Callable[[Layer], Layer] | None,
        call_function: Callable[..., Any] | None,
        recursive: bool,
    ) -> None:
        self.clone_function = clone_function
        self.call_function = call_function
        self.recursive = recursive
        self._clones: dict[Layer, Layer] = {}

    def model(self, model: Model, input_tensors: Any = None) -> Any:
        if isinstance(model, Functional):
            clone = self._graph(model, input_tensors)
        elif isinstance(model, Sequential):
            clone = self._row(model, input_tensors)
        elif self.clone_function is not None or self.call_function is not None or input_tensors is not None:
            raise ValueError(
                f"clone_model: input_tensors, clone_function and call_function are for Sequential and graphs, "
                f"got a {type(model).__name__}."
            )
        else:
            clone = _same(model)
        if model.compiled:
            settings = dict(model._compile_config)
            settings.update({name: _afresh(settings[name]) for name in WITH_STATE})
            clone.compile(**settings)
        return clone

    def _layer(self, layer: Layer) -> Layer:
        """The one clone of a layer."""
        if layer not in self._clones:
            if isinstance(layer, Operation):
                self._clones[layer] = _same(layer)
            elif self.recursive and isinstance(layer, (Functional, Sequential)):
                self._clones[layer] = self.model(layer)
            else:
                self._clones[layer] = (self.clone_function or _same)(layer)
        return self._clones[layer]

    def _row(self, model: Sequential, input_tensors: Any) -> Any:
        if self.call_function is not None and not self.recursive:
            raise ValueError("clone_model: call_function is for graphs; the layers of a Sequential are not called.")
        inputs: list[Any] = [] if model._input is None else [_same(model._input)]
        if input_tensors is not None:
            tensors = flattened(input_tensors)
            if len(tensors) != 1 or not isinstance(tensors[0], SymbolicTensor):
                raise ValueError(f"clone_model: a Sequential takes one tensor as input_tensors, got {input_tensors!r}.")
            inputs = [Input(batch_shape=tensors[0].shape, dtype=tensors[0].dtype, name=tensors[0].name)]
        return type(model)([*inputs, *map(self._layer, model.layers)], name=model.name)

    def _graph(self, model: Functional, input_tensors: Any) -> Any:
        if input_tensors is None:
            new = [_same(tensor.layer).output for tensor in model.inputs]
            input_tensors = arranged(model.input, iter(new))
        new = flattened(input_tensors)
        if len(new) != len(model.inputs) or not all(isinstance(tensor, SymbolicTensor) for tensor in new):
            raise ValueError(f"clone_model: expected {len(model.inputs)} input_tensors, got {input_tensors!r}.")
        tensors: dict[SymbolicTensor, SymbolicTensor] = dict(zip(model.inputs, new, strict=True))
        for node in model._nodes:
            if not node.inputs or all(tensor in tensors for tensor in node.outputs):
                continue
            layer = self._layer(node.layer)
            args, kwargs = node.call_arguments([tensors[tensor] for tensor in node.inputs])
            if node.masks:
                masks = [None if mask is None else tensors[mask] for mask in node.masks]
                kwargs["mask"] = masks if node.layer.takes_list else masks[0]
            outputs = self.call_function(layer, *args, **kwargs) if self.call_function else layer(*args, **kwargs)
            tensors.update(zip(node.outputs, flattened(outputs), strict=True))
        outputs = arranged(model.output, (tensors[tensor] for tensor in model.outputs))
        cls = type(model) if type(model).__init__ is Functional.__init__ else Functional
        return cls(input_tensors, outputs, name=model.name)


def _afresh(setting: Any) -> Any:
    """What `compile` took, with new objects in the place of those that keep a state."""
    if isinstance(setting, dict):
        return {name: _afresh(value) for name, value in setting.items()}
    if isinstance(setting, (list, tuple)):
        return type(setting)([_afresh(value) for value in setting])
    return _same(setting) if hasattr(setting, "get_config") and not isinstance(setting, type) else setting
