"""Graphs in Keras's JSON: the calls of their layers, written and read."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import Node, SymbolicTensor, arranged, flattened
from fastgru.models.references import TENSOR, Reference, history, references, tensor_form

MakeLayer = Callable[[Any, Mapping[str, Any] | None], Any]


def call_form(node: Node, reference: Callable[[SymbolicTensor], list[Any]]) -> dict[str, Any]:
    """The arguments with which Keras calls the node's layer."""

    def form(value: Any) -> Any:
        if isinstance(value, SymbolicTensor):
            return tensor_form(reference(value), value.shape, value.dtype)
        if isinstance(value, slice):
            ends = {"start": value.start, "stop": value.stop, "step": value.step}
            return {"class_name": "__slice__", "config": ends}
        if value is ...:
            return {"class_name": "__ellipsis__", "config": {}}
        if isinstance(value, np.ndarray):
            return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
        if isinstance(value, dict):
            return {key: form(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [form(entry) for entry in value]
        return value.item() if isinstance(value, np.generic) else value

    args, kwargs = node.call_arguments(node.inputs)
    if node.masks:
        kwargs["mask"] = node.masks if node.layer.takes_list else node.masks[0]
    return {"args": form(args), "kwargs": form(kwargs)}


def graph_form(layers: Iterable[Layer], nodes: Container[Node], inputs: Any, outputs: Any) -> dict[str, Any]:
    """What a config says of a graph: its layers, each with those of its calls that are nodes of it, and its ends."""
    calls_of = {layer: [node for node in layer.nodes if node in nodes] for layer in layers}

    def reference(tensor: SymbolicTensor) -> Reference:
        return [tensor.layer.name, calls_of[tensor.layer].index(tensor.node), tensor.index]

    def end(tensor: SymbolicTensor) -> Reference:
        name, node, index = reference(tensor)
        return [name, node + getattr(tensor.layer, "own_calls", 0), index]

    forms = []
    for layer, of_layer in calls_of.items():
        shapes = [tensor.shape for tensor in (layer.nodes or of_layer)[0].inputs]
        form = layer.serialized(shapes if layer.takes_list else shapes[0] if shapes else None)
        calls = [call_form(node, reference) for node in of_layer if node.inputs]
        forms.append({**form, "name": layer.name, "inbound_nodes": calls})
    return {
        "layers": forms,
        "input_layers": arranged(inputs, map(end, flattened(inputs))),
        "output_layers": arranged(outputs, map(end, flattened(outputs))),
    }


class Drawing:
    """The graph that a config describes, drawn with new layers.

    Attributes
    ----------
    inputs, outputs : SymbolicTensor, or lists or dicts of them
    """

    def __init__(
        self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None, make_layer: MakeLayer
    ) -> None:
        self._where = f"Functional {config.get('name')!r}"
        forms, *ends = (config.get(key) for key in ("layers", "input_layers", "output_layers"))
        if not isinstance(forms, (list, tuple)) or not all(ends):
            raise ValueError(
                f"{self._where}: expected a config with layers, input_layers and output_layers, "
                f"got the keys {sorted(config)}."
            )
        self._layers: dict[str, Layer] = {}
        calls: dict[tuple[str, int], Any] = {}
        for form in forms:
            if not isinstance(form, Mapping) or not isinstance(form.get("config"), Mapping):
                raise ValueError(f"{self._where}: expected a layer with class_name and config, got {form!r}.")
            name = str(form.get("name") or form["config"].get("name"))
            self._layers[name] = make_layer(form, custom_objects)
            for index, call in enumerate(form.get("inbound_nodes") or ()):
                if not isinstance(call, Mapping) or "args" not in call:
                    raise ValueError(
                        f"{self._where}, layer {name!r}: expected a call with args and kwargs, got {call!r}."
                    )
                calls[name, index] = call
        self._draw(calls)
        self.inputs, self.outputs = map(self._end, ends)

    def _draw(self, calls: dict[tuple[str, int], Any]) -> None:
        needs = {}
        for (name, index), call in calls.items():
            before = {(source, place) for source, place, _ in references(call)}
            needs[name, index] = before | ({(name, index - 1)} if index else set())
        try:
            order = [*TopologicalSorter(needs).static_order()]
        except CycleError as error:
            raise ValueError(f"{self._where}: the layers stand in a circle: {error.args[1]}.") from None
        for name, index in order:
            if (name, index) not in calls:
                continue
            layer, call = self._layers[name], calls[name, index]
            args, kwargs = self._revived(call["args"]), self._revived(call.get("kwargs") or {})
            # whether it trains a pass says; what is None or False is what Keras does of itself
            kwargs = {
                key: value
                for key, value in kwargs.items()
                if key != "training" and value is not None and value is not False
            }
            try:
                layer(*args, **kwargs)
            except TypeError as error:
                raise ValueError(
                    f"{self._where}, layer {name!r}: cannot be called as in the config: {error}."
                ) from None

    def _end(self, value: Any) -> Any:
        """The tensors that go in or come out, in their lists and dicts."""
        if isinstance(value, Mapping):
            return {key: self._end(entry) for key, entry in value.items()}
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"{self._where}: expected an input or output as [layer, call, output], got {value!r}.")
        if [type(entry) for entry in value] != [str, int, int]:
            return type(value)([self._end(entry) for entry in value])
        name, node, index = value
        return self._tensor(name, node - getattr(self._layers.get(name), "own_calls", 0), index)

    def _revived(self, value: Any) -> Any:
        """What a JSON form stands for; tensors are found in the graph."""
        if isinstance(value, (list, tuple)):
            return [self._revived(entry) for entry in value]
        if not isinstance(value, Mapping):
            return value
        kind, config = value.get("class_name"), value.get("config") or {}
        if kind == TENSOR:
            return self._tensor(*history(value))
        if kind == "__slice__":
            return slice(*(config[end] for end in ("start", "stop", "step")))
        if kind == "__ellipsis__":
            return ...
        if kind in ("__numpy__", "__tensor__"):
            return np.asarray(config["value"], config["dtype"])
        return {key: self._revived(entry) for key, entry in value.items()}

    def _tensor(self, name: str, node: int, index: int) -> SymbolicTensor:
        calls = self._layers[name].nodes if name in self._layers else []
        outputs = calls[node].outputs if 0 <= node < len(calls) else ()
        if not 0 <= index < len(outputs):
            raise ValueError(
                f"{self._where}: layer {name!r} has no output {index} of a call {node}, which the config names."
            )
        return outputs[index]
