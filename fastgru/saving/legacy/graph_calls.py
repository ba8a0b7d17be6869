"""The calls of layers in the graphs of Keras 1 and 2: lists ``[layer, node, tensor, options]``, as Keras 3's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastgru.models.references import leaves, tensor_form
from fastgru.saving.legacy.words import MODELS, TAKES_STATES
from fastgru.saving.stored import Config

CONSTANT = "_CONSTANT_VALUE"  # stands in the place of a layer's name where a call has a constant


class OldGraph:
    """References between the layers of one graph: Keras 2's lists ``[layer, node, tensor, options]`` as Keras 3's.

    A model inside a graph began, for Keras 1 and 2, with a node of its own, number 0. In Keras 3 it does not, but the
    model's outputs still count as if a Functional did.
    """

    def __init__(self, config: Config, classes: dict[str, str]) -> None:
        self.classes = classes
        used: dict[str, int] = {}
        old_nodes = [node for form in config["layers"] for node in form.get("inbound_nodes", []) if not _is_new(node)]
        self.old = bool(old_nodes)
        for name, number in _old_references([old_nodes, config.get("output_layers")]):
            used[name] = min(used.get(name, number), number)
        # 1 where the node of its own was counted
        self.offset = {
            name: 1 for name, kind in classes.items() if self.old and kind in MODELS and used.get(name, 0) >= 1
        }

    def ends(self, references: Any, place: str) -> list[list[Any]]:
        """The inputs or outputs of the model as a list of references."""
        if isinstance(references, dict):
            references = [references[key] for key in sorted(references)]  # the order in which Keras counts them
        if not isinstance(references, list) or not references:
            raise ValueError(f"expected {place} to be a list of references to layers, got {references!r}")
        if _is_reference(references):
            references = [references]
        ends = []
        for end in references:
            while isinstance(end, list) and len(end) == 1:
                (end,) = end
            if not _is_reference(end):
                raise ValueError(f"expected {place} to refer to layers as [name, node, tensor], got {end!r}")
            name, node, number = end[:3]
            if self.offset.get(name) and self.classes[name] == "Sequential":
                node -= 1
            ends.append([name, node, number])
        return ends

    def node(self, layer: str, node: Any) -> Config:
        """One application of a layer."""
        if _is_new(node):
            return dict(node)
        kwargs: Config = {}
        if isinstance(node, dict):
            inputs: Any = {key: self._input(value, kwargs) for key, value in node.items()}
        elif isinstance(node, list):
            alone = _is_reference(node) or node[:1] == [CONSTANT]
            inputs = [self._input(entry, kwargs) for entry in ([node] if alone else node)]
            # in one list, as here, states leave the layer the mask that comes with the sequence; by name they do not
            if self.classes[layer] in TAKES_STATES and kwargs.get("initial_state") is not None:
                inputs = inputs[:1]
            inputs = inputs[0] if len(inputs) == 1 else inputs
        else:
            raise ValueError(f"layer {layer!r}: expected a list of references to layers, got {node!r}")
        options = {key: self._value(value) for key, value in kwargs.items() if value is not None}
        return {"args": [inputs], "kwargs": options}

    def _input(self, entry: Any, kwargs: Config) -> Any:
        if isinstance(entry, list) and len(entry) >= 3 and entry[0] == CONSTANT:
            value = entry[2]
        elif _is_reference(entry):
            value = self._tensor(entry)
        elif isinstance(entry, list) and entry and all(isinstance(one, list) for one in entry):
            return [self._input(one, kwargs) for one in entry]
        else:
            raise ValueError(f"expected a reference to a layer, [name, node, tensor, options], got {entry!r}")
        if len(entry) > 3 and isinstance(entry[3], dict):
            kwargs.update(entry[3])
        return value

    def _value(self, value: Any) -> Any:
        """An option of a call, in which references stand for tensors."""
        if _is_reference(value) and len(value) == 3 and value[0] in self.classes:
            return self._tensor(value)
        if isinstance(value, list):
            return [self._value(entry) for entry in value]
        return value

    def _tensor(self, reference: list[Any]) -> Config:
        name, node, number = reference[:3]
        return tensor_form([name, node - self.offset.get(name, 0), number])


def _is_new(node: Any) -> bool:
    return isinstance(node, dict) and "args" in node


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def _old_references(nodes: Any) -> Iterator[tuple[str, int]]:
    """Layer and node of every reference in old nodes, also of those among the options of another."""
    for reference in leaves(nodes, _is_reference):
        yield reference[0], reference[1]
        yield from _old_references(reference[3:])
