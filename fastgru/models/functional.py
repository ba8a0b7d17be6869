"""A graph of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import kernels
from fastgru.layers.core.input_layer import InputLayer
from fastgru.layers.layer import Layer
from fastgru.layers.penalties import run_backward, run_forward
from fastgru.layers.symbolic import TEXT, SymbolicTensor, arranged, flattened
from fastgru.layers.workspace import Call
from fastgru.models.graph_config import Drawing, MakeLayer, graph_form
from fastgru.models.model import Model
from fastgru.models.steps import Step, between, by_depth, cut_off, first_layers, needed_gradients, planned
from fastgru.operations.operation import Operation
from fastgru.registry import deserialize_layer, registered
from fastgru.types import Array, Shape


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
                raise ValueError(
                    f"Model {self.name!r}: expected {argument} to be symbolic tensors, got {tensors!r}. "
                    f"All `{argument}` values must be KerasTensors."
                )
        if not all(isinstance(tensor.layer, InputLayer) for tensor in flattened(inputs)):
            inputs, outputs = cut_off(inputs, outputs)
        self.input, self.output = inputs, outputs
        self.inputs: list[SymbolicTensor] = flattened(inputs)
        self.outputs: list[SymbolicTensor] = flattened(outputs)
        self.takes_list = len(self.inputs) > 1
        self.takes_text = any(tensor.dtype == TEXT for tensor in self.inputs)
        self.input_names: list[str] = _names(inputs)
        self.output_names: list[str] = _names(outputs)
        self.dtype = next((tensor.dtype for tensor in self.outputs if tensor.dtype == "float64"), "float32")
        # the inputs first: nothing may depend on one
        self._nodes = {**{tensor.node: -1 for tensor in self.inputs}, **between(self.inputs, self.outputs)}
        _check_connected(self)
        self._operations = by_depth(self._nodes)
        names = [layer.name for layer in self._operations]
        for twice in (layer_name for layer_name in names if names.count(layer_name) > 1):
            raise ValueError(f"Model {self.name!r}: {names.count(twice)} layers have the name {twice!r}.")
        self._places = {tensor: place for place, tensor in enumerate(self.inputs)}
        self._steps: list[Step] = [planned(node, self._places) for node in self._nodes if node.inputs]
        self._ends = [self._places[tensor] for tensor in self.outputs]
        self._real = [tensor.dtype.startswith("float") for tensor in self._places]
        self.built = True

    # --- looking inside -----------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers, inputs included: those before others first, in Keras's order."""
        return [layer for layer in self._operations if not isinstance(layer, Operation)]

    @layers.setter
    def layers(self, layers: Any) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and should not be used.")

    @property
    def operations(self) -> list[Layer]:
        return self._operations[:]

    @property
    def output_shapes(self) -> list[Any]:
        by_layer = {}
        for node in self._nodes:
            shapes = tuple(tensor.shape for tensor in node.outputs)
            by_layer[node.layer] = shapes if len(shapes) > 1 else shapes[0]
        return [by_layer.get(layer, layer.batch_shape) for layer in self._operations]

    @property
    def run_order(self) -> list[Layer]:
        """The layers as they run, the index-th with ``call.child(index)``, once for each call of them."""
        return [step.layer for step in self._steps]

    @property
    def is_chain(self) -> bool:
        """Whether the layers stand in a row, each once."""
        nodes = [node for node in self._nodes if node.inputs]
        before = [self.inputs[0].node, *nodes]
        return len(self._operations) == len(before) and all(
            [source.node for source in node.sources] == [last] for node, last in zip(nodes, before, strict=False)
        )

    def first_layers(self) -> list[list[Layer]]:
        return first_layers(self._steps, len(self.inputs))

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
        specs: dict[SymbolicTensor, Any] = dict(zip(self.inputs, inputs, strict=True))
        for node in self._nodes:
            if node.inputs:
                tensors = [specs[tensor] for tensor in node.inputs]
                if node.arguments is None:
                    outputs = node.layer.compute_output_spec(*tensors)
                else:
                    outputs = node.layer.spec_of_call(node.arguments, tensors)
                specs.update(zip(node.outputs, (SymbolicTensor(*spec) for spec in outputs), strict=True))
        return [(specs[tensor].shape, specs[tensor].dtype) for tensor in self.outputs]

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = input_shape if self.takes_list else [input_shape]
        described = zip(shapes, self.inputs, strict=True)
        spec = self.compute_output_spec(*(SymbolicTensor(tuple(shape), tensor.dtype) for shape, tensor in described))
        return tuple(shape for shape, _ in spec) if len(spec) > 1 else spec[0][0]

    # --- as a layer ---------------------------------------------------------------------------------

    @property
    def input_dtype(self) -> str | None:
        return self.input_dtypes[0]

    @property
    def input_dtypes(self) -> list[str | None]:
        return [None if tensor.dtype == TEXT else tensor.dtype for tensor in self.inputs]

    def as_inputs(self, arrays: Sequence[npt.ArrayLike]) -> list[Array]:
        return [kernels.contiguous(array, dtype) for array, dtype in zip(arrays, self.input_dtypes, strict=True)]

    def in_order(self, inputs: Any) -> list[Any]:
        if isinstance(inputs, Mapping):
            missing = [name for name in self.input_names if name not in inputs]
            if missing:
                raise ValueError(f"Model {self.name!r}: expected an input {missing[0]!r}, got {sorted(inputs)}.")
            return [inputs[name] for name in self.input_names]
        return flattened(inputs)

    def as_structure(self, outputs: Sequence[Any]) -> Any:
        if isinstance(self.output, (dict, tuple)):
            return arranged(self.output, iter(outputs))
        return super().as_structure(outputs)

    def call_arguments(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        return [arranged(self.input, iter(inputs))], {}

    def outgoing_mask(self, call: Call, *inputs: Array) -> Any:
        return call.output_mask

    # --- the two passes -----------------------------------------------------------------------------

    def forward(self, call: Call, *inputs: Array) -> Any:
        free = [None] * (len(self._places) - len(inputs))
        values: list[Any] = [*inputs, *free]
        masks: list[Array | None] = [*call.masks, *[None] * (len(values) - len(call.masks))]
        total = 0.0
        for index, (layer, sources, mask_places, outputs, converts, checks, arguments) in enumerate(self._steps):
            arrays = [values[place] for place in sources]
            if converts:
                arrays = layer.as_inputs(arrays)
            if checks:
                layer.check_inputs(*arrays)
            child = call.child(index)
            child.arguments = arguments
            if mask_places is None:
                child.masks = tuple([masks[place] for place in sources])
            else:
                child.masks = tuple(
                    None if place is None else layer.as_mask(values[place], x)
                    for place, x in zip(mask_places, arrays, strict=False)
                )
            results, penalty = run_forward(layer, child, *arrays)
            total += penalty
            if mask_places == ():
                child = Call.handing_on(masks[sources[0]])
            mask = layer.outgoing_mask(child, *arrays)
            if isinstance(results, tuple):
                for place, part in zip(outputs, results, strict=True):
                    values[place] = part
                for place, part in zip(outputs, mask if isinstance(mask, tuple) else (mask,), strict=False):
                    masks[place] = part
            else:
                values[outputs[0]], masks[outputs[0]] = results, mask
        call.penalty, call.saved["values"] = total, values
        if len(self._ends) == 1:
            call.output_mask = masks[self._ends[0]]
            return values[self._ends[0]]
        call.output_mask = tuple([masks[place] for place in self._ends])
        return tuple([values[place] for place in self._ends])

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        gradients: list[Array | None] = [None] * len(self._places)
        is_needed = self._needed_gradients(call)

        def add(place: int, gradient: Array | None) -> None:
            before = gradients[place]
            if gradient is None or not is_needed[place]:
                return
            if before is not None:  # a tensor that is used several times
                gradient = np.add(before, gradient, out=call.buffer(f"d{place}", gradient.shape, gradient.dtype.name))
            gradients[place] = gradient

        for place, d_output in zip(self._ends, d_outputs, strict=True):
            add(place, d_output)
        for index in reversed(range(len(self._steps))):
            layer, sources, _, outputs, *_ = self._steps[index]
            if not any(is_needed[place] for place in outputs):
                continue
            d = [gradients[place] for place in outputs]
            if all(one is None for one in d):
                if not _is_regularized(layer):
                    continue
                d = [np.zeros_like(call.saved["values"][place]) for place in outputs]
            child = call.child(index)
            child.input_gradient = any(is_needed[place] for place in sources)
            d_inputs = run_backward(layer, child, *d)
            if child.input_gradient:
                parts = d_inputs if isinstance(d_inputs, tuple) else (d_inputs,)
                for place, gradient in zip(sources, parts, strict=True):
                    add(place, gradient)
        if not call.input_gradient:
            return None
        of_inputs = tuple(gradients[: len(self.inputs)])
        return of_inputs if len(of_inputs) > 1 else of_inputs[0]

    def _needed_gradients(self, call: Call) -> list[bool]:
        key = f"needed gradients, {call.input_gradient}"
        is_needed: list[bool] | None = call.saved.get(key)
        if is_needed is None:
            call.saved[key] = is_needed = needed_gradients(self._steps, self._real, call.input_gradient)
        return is_needed

    # --- config -------------------------------------------------------------------------------------

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        form = {**super().serialized(input_shape), "build_config": {"input_shape": None}}
        if form["registered_name"] is None:
            form |= {"module": "keras.src.models.functional", "registered_name": "Functional"}
        return form

    def get_config(self) -> dict[str, Any]:
        graph = graph_form(self._operations, self._nodes, self.input, self.output)
        return {"name": self.name, "trainable": self.trainable, **graph}

    @classmethod
    def from_config(
        cls,
        config: dict[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        make_layer: MakeLayer = deserialize_layer,
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
    return layer.activity_regularizer is not None or layer.runs_call or any(map(_is_regularized, layer.sublayers))


def _check_connected(model: Functional) -> None:
    inputs = {tensor.node for tensor in model.inputs}
    missing = [node.layer.name for node in model._nodes if not node.inputs and node not in inputs]
    if missing:
        raise ValueError(
            f"Model {model.name!r}: the outputs also depend on the input {missing[0]!r}, which is not among the "
            f"inputs {model.input_names}."
        )
