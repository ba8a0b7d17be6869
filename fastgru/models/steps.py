"""The nodes of a graph: which it has, in which order its layers stand, and what the passes do for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fastgru.layers.core.input_layer import InputLayer
from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import Node, SymbolicTensor, arranged, flattened
from fastgru.models.model import Model
from fastgru.operations.operation import Operation


class Step(NamedTuple):
    """A node as the passes run it: tensors are places in the list of a pass's values."""

    layer: Layer
    inputs: tuple[int, ...]
    masks: tuple[int | None, ...] | None  # as `Node.masks`
    outputs: tuple[int, ...]
    converts: bool  # what comes in is not of the layer's dtype
    checks: bool  # only the numbers that come in tell whether they go together
    arguments: Any = None  # as `Node.arguments`


def between(inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]) -> dict[Node, int]:
    """The nodes that the outputs depend on, each after those it depends on; with its number as the walk visits them."""
    ends = {tensor for tensor in inputs if tensor.node.inputs}
    ordered: list[Node] = []
    visits: dict[Node, int] = {}
    todo = [(tensor, False) for tensor in reversed(outputs)]
    while todo:
        tensor, done = todo.pop()
        node = tensor.node
        if done:
            ordered.append(node)
        elif node not in visits and tensor not in ends:
            visits[node] = len(visits)
            todo.append((tensor, True))
            todo.extend((source, False) for source in reversed(node.sources))
    return {node: visits[node] for node in ordered}


def by_depth(nodes: dict[Node, int]) -> list[Layer]:
    """The layers as Keras sorts them: those with the longest way to an output first, then as the walk visits them."""
    depths: dict[Node, int] = {}
    by_layer: dict[Layer, int] = {}
    for node in reversed(nodes):
        by_layer[node.layer] = depth = max(depths.get(node, 0), by_layer.get(node.layer, 0))
        for source in node.sources:
            depths[source.node] = max(depth + 1, depths.get(source.node, 0))
    visits: dict[Layer, int] = {}
    for node, visit in nodes.items():
        visits[node.layer] = min(visit, visits.get(node.layer, visit))
    return sorted(by_layer, key=lambda layer: (-by_layer[layer], visits[layer]))


def cut_off(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The graph between tensors drawn anew, with an `Input` in the place of each input that is none."""
    cuts = flattened(inputs)
    new: dict[SymbolicTensor, SymbolicTensor] = {}
    for tensor in cuts:
        is_input = not tensor.node.inputs
        new[tensor] = tensor if is_input else InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype).output
    for node in between(cuts, flattened(outputs)):
        if node.inputs:
            masks = node.masks and tuple(mask and new[mask] for mask in node.masks)
            sources = [new[tensor] for tensor in node.inputs]
            again = Node(
                node.layer, sources, masks, [(tensor.shape, tensor.dtype) for tensor in node.outputs], node.arguments
            )
            new.update((old, tensor) for old, tensor in zip(node.outputs, again.outputs, strict=True) if old not in new)
        else:
            new.setdefault(node.outputs[0], node.outputs[0])
    return tuple(arranged(side, (new[tensor] for tensor in flattened(side))) for side in (inputs, outputs))


def planned(node: Node, places: dict[SymbolicTensor, int]) -> Step:
    """The node as the passes run it; its outputs get the next places."""
    layer, inputs = node.layer, tuple(places[tensor] for tensor in node.inputs)
    return Step(
        layer,
        inputs,
        None if node.masks is None else tuple(None if mask is None else places[mask] for mask in node.masks),
        tuple(places.setdefault(tensor, len(places)) for tensor in node.outputs),
        not isinstance(layer, Operation)
        and (_casts_itself(layer) or any(tensor.dtype != layer.input_dtype for tensor in node.inputs)),
        len(inputs) > 1 and not layer.takes_list,
        node.arguments,
    )


def needed_gradients(steps: Sequence[Step], is_real: Sequence[bool], of_inputs: bool) -> list[bool]:
    """Whether a backward pass needs a value's gradient: something before it learns, or the inputs' are needed."""
    is_needed = [of_inputs and real for real in is_real]
    for step in steps:
        learns = bool(step.layer.trainable_weights) or any(is_needed[place] for place in step.inputs)
        for place in step.outputs:
            is_needed[place] = learns and is_real[place]
    return is_needed


def first_layers(steps: Sequence[Step], count: int) -> list[list[Layer]]:
    """For each of the inputs the layers that read it without a mask of its own."""
    layers: list[list[Layer]] = [[] for _ in range(count)]
    for step in steps:
        layer, masks = step.layer, step.masks or (None,) * len(step.inputs)
        firsts = layer.first_layers() if isinstance(layer, Model) else [[layer]] * len(step.inputs)
        for place, mask, first in zip(step.inputs, masks, firsts, strict=False):
            if place < count and mask is None:
                layers[place] += first
    return layers


def _casts_itself(layer: Layer) -> bool:
    """Whether its class says itself what is done to inputs."""
    kind = type(layer)
    return kind.as_input is not Layer.as_input or kind.as_inputs is not Layer.as_inputs
