"""A graph of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastgru import kernels
from fastgru.layers.core.input_layer import InputLayer
from fastgru.layers.layer import Array, Call, Layer, Shape, real_numbers, run_backward, run_forward
from fastgru.layers.symbolic import Node, SymbolicTensor, arranged, flattened
from fastgru.models.graph_config import Drawing, MakeLayer, call_form
from fastgru.models.model import Model, deserialized_layer, serialized_layer
from fastgru.ops.operation import Operation
from fastgru.registry import registered


class Step(NamedTuple):
    """A node as the passes run it: tensors are places in the list of a pass's values."""

    layer: Layer
    inputs: tuple[int, ...]
    masks: tuple[int | None, ...] | None  # as `Node.masks`
    outputs: tuple[int, ...]
    converts: bool  # what comes in is not of the layer's dtype
    checks: bool  # only the numbers that come in tell whether they go together


@registered("keras.models", "Model")
class Functional(Model):
    """A model that is a graph of layers, from the symbolic tensors that go in to those that come out.

    Parameters
    ----------
    inputs, outputs : SymbolicTensor, or lists, tuples or dicts of them
        Inputs that are no `Input` cut the graph off there, and stand for one.
    name : str, optional
    trainable : bool, optional

    Attributes
    ----------
    inputs, outputs : list of SymbolicTensor
    input_names, output_names : list of str
        The keys of a dict, else the names of the layers.

    Raises
    ------
    ValueError
        An output depends on an input that is not among the inputs, or two layers have one name.
    """

    # what a layer says of its first application, a graph says of itself
    input: Any = None
    output: Any = None
    own_calls = 1  # in a config's ends Keras counts the calls of a graph inside from here

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool | None = True) -> None:
        super().__init__(name=name, trainable=trainable is not False)
        for argument, tensors in (("inputs", inputs), ("outputs", outputs)):
            leaves = flattened(tensors)
            if not leaves or not all(isinstance(tensor, SymbolicTensor) for tensor in leaves):
                raise ValueError(f"Model {self.name!r}: expected {argument} to be symbolic tensors, got {tensors!r}.")
        if not all(isinstance(tensor.layer, InputLayer) for tensor in flattened(inputs)):
            inputs, outputs = _cut_off(inputs, outputs)
        self.input, self.output = inputs, outputs
        self.inputs: list[SymbolicTensor] = flattened(inputs)
        self.outputs: list[SymbolicTensor] = flattened(outputs)
        self.takes_list = len(self.inputs) > 1
        self.input_names: list[str] = _names(inputs)
        self.output_names: list[str] = _names(outputs)
        self.dtype = next((tensor.dtype for tensor in self.outputs if tensor.dtype == "float64"), "float32")
        # the inputs first: nothing may depend on one
        self._nodes = {**{tensor.node: -1 for tensor in self.inputs}, **_between(self.inputs, self.outputs)}
        self._check_connected()
        self._operations = _by_depth(self._nodes)
        names = [layer.name for layer in self._operations]
        for taken in names:
            if names.count(taken) > 1:
                raise ValueError(f"Model {self.name!r}: {names.count(taken)} layers have the name {taken!r}.")
        self._places = {tensor: place for place, tensor in enumerate(self.inputs)}
        self._steps = [self._planned(node) for node in self._nodes if node.inputs]
        self._ends = [self._places[tensor] for tensor in self.outputs]
        self._real = [tensor.dtype.startswith("float") for tensor in self._places]
        self.built = True

    def _check_connected(self) -> None:
        missing = [node.layer.name for node in self._nodes if not node.inputs and node.outputs[0] not in self.inputs]
        if missing:
            raise ValueError(
                f"Model {self.name!r}: the outputs also depend on the input {missing[0]!r}, which is not among the "
                f"inputs {self.input_names}."
            )

    def _planned(self, node: Node) -> Step:
        layer, places = node.layer, self._places
        inputs = tuple(places[tensor] for tensor in node.inputs)
        masks = node.masks
        return Step(
            layer,
            inputs,
            None if masks is None else tuple(None if mask is None else places[mask] for mask in masks),
            tuple(places.setdefault(tensor, len(places)) for tensor in node.outputs),
            not isinstance(layer, Operation)
            and (type(layer).as_input is not Layer.as_input or any(t.dtype != layer.dtype for t in node.inputs)),
            len(inputs) > 1 and not layer.takes_list,
        )

    # --- looking inside -----------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers, inputs included: those before others first, in Keras's order."""
        return [layer for layer in self._operations if not isinstance(layer, Operation)]

    @property
    def operations(self) -> list[Layer]:
        return self._operations[:]

    @property
    def output_shapes(self) -> list[Any]:
        found = {}
        for node in self._nodes:
            shapes = tuple(tensor.shape for tensor in node.outputs)
            found[node.layer] = shapes if len(shapes) > 1 else shapes[0]
        return [found.get(layer, layer.batch_shape) for layer in self._operations]

    @property
    def is_chain(self) -> bool:
        """Whether the layers stand in a row, each once."""
        nodes = [node for node in self._nodes if node.inputs]
        before = [self.inputs[0].node, *nodes]
        return len(self._operations) == len(before) and all(
            [source.node for source in node.sources] == [last] for node, last in zip(nodes, before, strict=False)
        )

    def connections(self, layer: Layer) -> list[str]:
        """What the layer is called on, in Keras's words: layer[its application][its output]."""
        return [
            f"{source.layer.name}[{source.node.index}][{source.index}]"
            for node in layer.nodes
            if node in self._nodes
            for source in node.sources
        ]

    # --- shapes -------------------------------------------------------------------------------------

    @property
    def input_shape(self) -> Any:
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes if len(shapes) > 1 else shapes[0]

    @property
    def output_shape(self) -> Any:
        """Shape of a batch of outputs, a list of shapes for several."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes if len(shapes) > 1 else shapes[0]

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        found: dict[SymbolicTensor, Any] = dict(zip(self.inputs, inputs, strict=True))
        for node in self._nodes:
            if node.inputs:
                specs = node.layer.compute_output_spec(*(found[tensor] for tensor in node.inputs))
                found.update(zip(node.outputs, (SymbolicTensor(*spec) for spec in specs), strict=True))
        return [(found[tensor].shape, found[tensor].dtype) for tensor in self.outputs]

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = input_shape if self.takes_list else [input_shape]
        given = zip(shapes, self.inputs, strict=True)
        spec = self.compute_output_spec(*(SymbolicTensor(tuple(shape), own.dtype) for shape, own in given))
        return tuple(shape for shape, _ in spec) if len(spec) > 1 else spec[0][0]

    # --- as a layer ---------------------------------------------------------------------------------

    def as_input(self, x: npt.ArrayLike) -> Array:
        return kernels.contiguous(real_numbers(x, f"Model {self.name!r}"), self.inputs[0].dtype)

    def as_inputs(self, arrays: Sequence[npt.ArrayLike]) -> list[Array]:
        return [kernels.contiguous(array, own.dtype) for array, own in zip(arrays, self.inputs, strict=True)]

    def in_order(self, inputs: Any) -> list[Any]:
        if isinstance(inputs, Mapping):
            missing = [name for name in self.input_names if name not in inputs]
            if missing:
                raise ValueError(f"Model {self.name!r}: expected an input {missing[0]!r}, got {sorted(inputs)}.")
            return [inputs[name] for name in self.input_names]
        return flattened(inputs)

    def packed(self, outputs: Sequence[Any]) -> Any:
        return arranged(self.output, iter(outputs)) if isinstance(self.output, dict) else super().packed(outputs)

    def call_arguments(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        return [arranged(self.input, iter(inputs))], {}

    def compute_mask(self, call: Call, *inputs: Array) -> Any:
        return call.saved["mask"]

    # --- the two passes -----------------------------------------------------------------------------

    def forward(self, call: Call, *inputs: Array) -> Any:
        free = [None] * (len(self._places) - len(inputs))
        values: list[Any] = [*inputs, *free]
        masks: list[Array | None] = [*call.masks, *[None] * (len(values) - len(call.masks))]
        total = 0.0
        for index, (layer, sources, given, outputs, converts, checks) in enumerate(self._steps):
            arrays = [values[place] for place in sources]
            if converts:
                arrays = layer.as_inputs(arrays)
            if checks:
                layer.check_inputs(*arrays)
            child = call.child(index)
            if given is None:
                child.masks = tuple([masks[place] for place in sources])
            else:
                child.masks = tuple(
                    None if place is None else layer.as_mask(values[place], x)
                    for place, x in zip(given, arrays, strict=False)
                )
            found, penalty = run_forward(layer, child, *arrays)
            total += penalty
            if given == ():
                child = Call()  # the mask that the layer did not see goes on behind it
                child.masks = (masks[sources[0]],)
            mask = layer.compute_mask(child, *arrays)
            if isinstance(found, tuple):
                for place, part in zip(outputs, found, strict=True):
                    values[place] = part
                for place, part in zip(outputs, mask if isinstance(mask, tuple) else (mask,), strict=False):
                    masks[place] = part
            else:
                values[outputs[0]], masks[outputs[0]] = found, mask
        call.saved["penalty"], call.saved["values"] = total, values
        if len(self._ends) == 1:
            call.saved["mask"] = masks[self._ends[0]]
            return values[self._ends[0]]
        call.saved["mask"] = tuple([masks[place] for place in self._ends])
        return tuple([values[place] for place in self._ends])

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        gradients: list[Array | None] = [None] * len(self._places)
        wanted = self._wanted(call)

        def add(place: int, gradient: Array | None) -> None:
            before = gradients[place]
            if gradient is None or not wanted[place]:
                return
            if before is not None:  # a tensor that is used several times
                gradient = np.add(before, gradient, out=call.buffer(f"d{place}", gradient.shape, gradient.dtype.name))
            gradients[place] = gradient

        for place, d_output in zip(self._ends, d_outputs, strict=True):
            add(place, d_output)
        for index in reversed(range(len(self._steps))):
            layer, sources, _, outputs, *_ = self._steps[index]
            if not any(wanted[place] for place in outputs):
                continue
            d = [gradients[place] for place in outputs]
            if all(one is None for one in d):
                if not _is_regularized(layer):
                    continue
                d = [np.zeros_like(call.saved["values"][place]) for place in outputs]
            child = call.child(index)
            child.input_gradient = any(wanted[place] for place in sources)
            found = run_backward(layer, child, *d)
            if child.input_gradient:
                for place, gradient in zip(sources, found if isinstance(found, tuple) else (found,), strict=True):
                    add(place, gradient)
        if not call.input_gradient:
            return None
        own = tuple(gradients[: len(self.inputs)])
        return own if len(own) > 1 else own[0]

    def _wanted(self, call: Call) -> list[bool]:
        """Of which values a backward pass needs the gradient: those behind which something learns, or an input asks."""
        asked = call.input_gradient
        wanted: list[bool] | None = call.saved.get(f"wanted {asked}")
        if wanted is None:
            wanted = [asked and real for real in self._real]
            for step in self._steps:
                learns = bool(step.layer.trainable_weights) or any(wanted[place] for place in step.inputs)
                for place in step.outputs:
                    wanted[place] = learns and self._real[place]
            call.saved[f"wanted {asked}"] = wanted
        return wanted

    # --- config -------------------------------------------------------------------------------------

    def serialized(self) -> dict[str, Any]:
        form = {**super().serialized(), "build_config": {"input_shape": None}}
        if form["registered_name"] is None:
            form |= {"module": "keras.src.models.functional", "registered_name": "Functional"}
        return form

    def get_config(self) -> dict[str, Any]:
        kept = {layer: [node for node in layer.nodes if node in self._nodes] for layer in self._operations}

        def reference(tensor: SymbolicTensor) -> list[Any]:
            return [tensor.layer.name, kept[tensor.layer].index(tensor.node), tensor.index]

        def end(tensor: SymbolicTensor) -> list[Any]:
            name, node, index = reference(tensor)
            return [name, node + getattr(tensor.layer, "own_calls", 0), index]

        layers = []
        for layer, nodes in kept.items():
            shapes = [tensor.shape for tensor in (layer.nodes or nodes)[0].inputs]
            form = serialized_layer(layer, shapes if layer.takes_list else shapes[0] if shapes else None)
            calls = [call_form(node, reference) for node in nodes if node.inputs]
            layers.append({**form, "name": layer.name, "inbound_nodes": calls})
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": layers,
            "input_layers": arranged(self.input, map(end, self.inputs)),
            "output_layers": arranged(self.output, map(end, self.outputs)),
        }

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        make_layer: MakeLayer = deserialized_layer,
    ) -> Functional:
        """The model that `get_config`, here or in Keras 3, described, with new weights.

        Parameters
        ----------
        config : dict
        custom_objects : mapping, optional
            Your classes by the names that stand in the config.
        make_layer : callable
            Makes a layer of its JSON form and the `custom_objects`.

        Raises
        ------
        ValueError
            The config is not that of a graph of layers, or a layer of it is unknown.
        """
        drawing = Drawing(config, custom_objects, make_layer)
        return cls(
            drawing.inputs,
            drawing.outputs,
            name=config.get("name"),
            trainable=config.get("trainable"),
        )


def _names(tensors: Any) -> list[str]:
    if isinstance(tensors, dict) and all(isinstance(tensor, SymbolicTensor) for tensor in tensors.values()):
        return sorted(tensors)
    return [tensor.layer.name for tensor in flattened(tensors)]


def _is_regularized(layer: Layer) -> bool:
    return layer.activity_regularizer is not None or any(map(_is_regularized, layer.sublayers))


# --- the order of the layers ----------------------------------------------------------------------------


def _between(inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]) -> dict[Node, int]:
    """The nodes that the outputs depend on, each after those it depends on; with the turn in which each was met."""
    ends = {tensor for tensor in inputs if tensor.node.inputs}
    found: list[Node] = []
    met: dict[Node, int] = {}
    todo = [(tensor, False) for tensor in reversed(outputs)]
    while todo:
        tensor, done = todo.pop()
        node = tensor.node
        if done:
            found.append(node)
        elif node not in met and tensor not in ends:
            met[node] = len(met)
            todo.append((tensor, True))
            todo.extend((source, False) for source in reversed(node.sources))
    return {node: met[node] for node in found}


def _by_depth(nodes: dict[Node, int]) -> list[Layer]:
    """The layers as Keras sorts them: those with the longest way to an output first, then as they were met."""
    depths: dict[Node, int] = {}
    found: dict[Layer, int] = {}
    for node in reversed(nodes):
        found[node.layer] = depth = max(depths.get(node, 0), found.get(node.layer, 0))
        for source in node.sources:
            depths[source.node] = max(depth + 1, depths.get(source.node, 0))
    met: dict[Layer, int] = {}
    for node, turn in nodes.items():
        met[node.layer] = min(turn, met.get(node.layer, turn))
    return sorted(found, key=lambda layer: (-found[layer], met[layer]))


def _cut_off(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """The graph between tensors drawn anew, with an `Input` in the place of each input that is none."""
    given = flattened(inputs)
    new: dict[SymbolicTensor, SymbolicTensor] = {}
    for tensor in given:
        own = not tensor.node.inputs
        new[tensor] = tensor if own else InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype).output
    for node in _between(given, flattened(outputs)):
        if node.inputs:
            masks = node.masks and tuple(mask and new[mask] for mask in node.masks)
            sources = [new[tensor] for tensor in node.inputs]
            again = Node(node.layer, sources, masks, [(tensor.shape, tensor.dtype) for tensor in node.outputs])
            new.update((old, tensor) for old, tensor in zip(node.outputs, again.outputs, strict=True) if old not in new)
        else:
            new.setdefault(node.outputs[0], node.outputs[0])
    return tuple(arranged(side, (new[tensor] for tensor in flattened(side))) for side in (inputs, outputs))
