"""The plan of a model that streams: what runs for each step of a sequence, and where its states are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

from fastgru import tree
from fastgru.layers.convolutional.conv import Conv1D
from fastgru.layers.convolutional.windows import Windows
from fastgru.layers.core.identity import Identity
from fastgru.layers.layer import Layer
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.rnn import RNN
from fastgru.layers.symbolic import Place
from fastgru.models.functional import Functional
from fastgru.models.model import Model
from fastgru.models.sequential import Sequential
from fastgru.operations.operation import Operation
from fastgru.streaming.streamable import is_last_step, reason_against, reason_against_rows

__all__ = ["Entry", "Plan", "plan_of"]

# what a config says about the training of a layer, and not about what it computes
_OF_TRAINING = (
    "name", "trainable", "seed", "dropout", "recurrent_dropout", "rate", "stddev", "stateful", "unroll", "batch_shape",
    "build_config", "lora_rank",
)  # fmt: skip
_OF_TRAINING_ENDS = ("_initializer", "_regularizer", "_constraint")


class Entry(NamedTuple):
    """One layer of a plan, as it runs.

    Attributes
    ----------
    layer : Layer
        With the weights of the model's layer. A recurrent one returns the sequence and its last states, whatever the
        model's does; a convolution pads nothing, for what is before a step comes from its states.
    inputs : tuple of int
        The values that it reads: 0 is the model's input.
    output : int
        The value that it makes.
    takes_rows : bool
        Its inputs are answers so far, rows (k * n, ...) of k sessions and n steps; else they are steps (k, n, ...).
    gives_rows : bool
        The same of its output: a recurrent layer that returns its last output alone gives the answer so far.
    shape : tuple of int
        Of its output for one step.
    masks : tuple or None
        The values that it reads as masks, one or None for each input; None: those that its inputs carry.
    offset, width : int
        Its part of the numbers that a session keeps: the states of a recurrent layer one after the other, or the steps
        before, oldest first, that the windows of a causal convolution cover.
    """

    layer: Any
    inputs: tuple[int, ...]
    output: int
    takes_rows: bool
    gives_rows: bool
    shape: tuple[int, ...]
    masks: tuple[int | None, ...] | None
    offset: int
    width: int


@dataclass(frozen=True)
class Plan:
    """What runs for each step.

    Attributes
    ----------
    model : Model
    entries : list of Entry
        In the order in which they run.
    ends : list of int
        The values that the model puts out.
    state_numbers : int
        How many numbers a session keeps.
    dtype : str
        Of these numbers: the widest of the layers' that have states.
    """

    model: Any
    entries: list[Entry]
    ends: list[int]
    state_numbers: int
    dtype: str

    @cached_property
    def end_entries(self) -> list[Entry]:
        """The entries whose outputs are the model's."""
        by_output = {entry.output: entry for entry in self.entries}
        return [by_output[end] for end in self.ends]

    @cached_property
    def fingerprint(self) -> bytes:
        """32 bytes that are the same for models that compute the same function of their weights.

        The weights' shapes belong to it and their numbers do not: a session outlives new weights.
        """
        described = [[*_description(entry.layer), *entry[1:]] for entry in self.entries]
        text = json.dumps([described, self.ends, self.dtype], sort_keys=True, default=repr)
        return sha256(text.encode()).digest()


def plan_of(model: Any) -> Plan:
    """The plan of a `Sequential` or a graph of layers.

    Raises
    ------
    ValueError
        The model cannot stream; the message names the layer and the reason.
    """
    if not isinstance(model, (Sequential, Functional)) or model.runs_call:
        own = isinstance(model, Model)
        hint = ", whose steps run in Python" if own else "; load_model opens a file, and a layer goes into a Sequential"
        raise ValueError(f"Sessions: expected a Sequential or a graph of layers, got {type(model).__name__}{hint}.")
    if not model.built:
        raise ValueError(f"Sessions: model {model.name!r} is not built yet; give it an Input or call it on data.")
    if len(model.inputs) != 1:
        raise ValueError(
            f"Sessions: model {model.name!r} has {len(model.inputs)} inputs, and one alone can be streamed."
        )
    tokens = any(layer.takes_tokens for layer in model.first_layers()[0])
    if model.takes_text or len(model.inputs[0].shape) < (2 if tokens else 3):
        raise ValueError(
            f"Sessions: model {model.name!r} takes {'texts' if model.takes_text else 'no sequences'}: expected inputs "
            f"of shape (batch, timesteps, features), or (batch, timesteps) of word ids, got {model.inputs[0].shape}."
        )
    planner = _Planner(model.inputs[0].shape[2:])
    ends = planner.add(model, [_Value(0, False)])
    if any(end.number == 0 for end in ends):
        raise ValueError(f"Sessions: model {model.name!r} puts out its input, and computes nothing to be streamed.")
    dtypes = [entry.layer.dtype for entry in planner.entries]
    dtype = "float64" if "float64" in dtypes else "float32"
    return Plan(model, planner.entries, [end.number for end in ends], planner.state_numbers, dtype)


class _Value(NamedTuple):
    """A value of the plan: its number, and whether it is the answer so far in the place of one for each step."""

    number: int
    is_rows: bool


class _Planner:
    """Writes the entries of a model and of those inside it."""

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        self.entries: list[Entry] = []
        self.shapes: list[tuple[int | None, ...]] = [shape]  # of each value for one step
        self.state_numbers = 0

    def add(self, model: Any, inputs: Sequence[_Value]) -> list[_Value]:
        """The values that a model puts out."""
        values: dict[int, _Value] = dict(enumerate(inputs))
        for (layer, sources, masks, outputs), shape in zip(_steps_of(model), _output_shapes(model), strict=True):
            if masks == ():
                raise _refusal(layer, "it is called with initial states, and a session has its own")
            numbers = (*sources, *(mask for mask in masks or () if mask is not None))
            if any(number not in values for number in numbers):
                raise _refusal(layer, "it takes the states that another layer returns")
            own = masks and tuple([None if mask is None else values[mask].number for mask in masks])
            made = self._add_layer(layer, [values[source] for source in sources], own or None, shape)
            values.update(zip(outputs, made, strict=False))
        ends = _ends_of(model)
        if any(end not in values for end in ends):
            raise ValueError(f"Sessions: model {model.name!r} puts out states of a layer; a session keeps them itself.")
        return [values[end] for end in ends]

    def _add_layer(
        self, layer: Any, inputs: Sequence[_Value], masks: Any, shape: tuple[int | None, ...]
    ) -> list[_Value]:
        if isinstance(layer, (Sequential, Functional)) and not layer.runs_call and masks is None:
            return self.add(layer, inputs)
        is_rows = inputs[0].is_rows
        if any(value.is_rows != is_rows for value in inputs):
            raise _refusal(layer, "it joins what there is for each step with what there is for the whole sequence")
        numbers = tuple(value.number for value in inputs)
        if not is_rows and len({len(self.shapes[number]) for number in numbers}) > 1:
            raise _refusal(layer, "its inputs have different numbers of axes, among which the steps would stand twice")
        if is_last_step(layer) and not is_rows:
            last = Identity(name=layer.name, dtype=layer.dtype)
            return [self._append(last, numbers, (False, True), shape[1:])]
        reason = reason_against_rows(layer) if is_rows else reason_against(layer)
        if reason is not None:
            raise _refusal(layer, reason)
        if is_rows:
            return [self._append(layer, numbers, (True, True), shape[1:], masks)]
        if isinstance(layer, RNN):
            (value,) = inputs
            cells = layer._layers()
            for cell in cells:
                gives_rows = cell is cells[-1] and not layer.return_sequences
                value = self._append_recurrent(cell, value.number, gives_rows, masks)
            return [value]
        if isinstance(layer, Recurrent):
            return [self._append_recurrent(layer, numbers[0], not layer.return_sequences, masks)]
        if isinstance(layer, Conv1D) and layer.windows.spans[0] > 1:
            return [self._append_convolution(layer, numbers[0])]
        return [self._append(layer, numbers, (False, False), shape[2:], masks)]

    def _append_recurrent(self, layer: Any, number: int, gives_rows: bool, masks: Any) -> _Value:
        over_all_steps = _copy(layer, return_sequences=True, return_state=True, stateful=False, zero_until_used=False)
        width = layer.state_count * layer.units
        return self._append(over_all_steps, (number,), (False, gives_rows), (layer.units,), masks, width)

    def _append_convolution(self, layer: Conv1D, number: int) -> _Value:
        windows = layer.windows
        unpadded = _copy(layer, windows=Windows(windows.size, windows.strides, windows.dilation, "valid"))
        width = (windows.spans[0] - 1) * layer.kernel.shape[-2] * layer.groups
        return self._append(unpadded, (number,), (False, False), (layer.filters,), None, width)

    def _append(
        self,
        layer: Any,
        inputs: tuple[int, ...],
        rows: tuple[bool, bool],
        shape: Sequence[int | None],
        masks: Any = None,
        width: int = 0,
    ) -> _Value:
        """Add an entry; `rows` are its `takes_rows` and `gives_rows`."""
        output = len(self.shapes)
        if None in shape:
            raise _refusal(layer, f"the size of its output for a step is free: {tuple(shape)}")
        sizes = tuple([size for size in shape if size is not None])
        self.entries.append(Entry(layer, inputs, output, *rows, sizes, masks, self.state_numbers, width))
        self.shapes.append(sizes)
        self.state_numbers += width
        return _Value(output, rows[1])


def _refusal(layer: Layer, reason: str) -> ValueError:
    return ValueError(f"Sessions: the layer {layer.name!r} ({type(layer).__name__}) cannot stream: {reason}.")


def _copy(layer: Any, **options: Any) -> Any:
    """The layer with its weights, but for these options."""
    copy = object.__new__(type(layer))
    copy.__dict__.update(layer.__dict__, **options)
    return copy


def _steps_of(model: Any) -> list[tuple[Any, tuple[int, ...], Any, tuple[int, ...]]]:
    """Layer, places of its inputs, of masks handed to it, and of its outputs, in the order in which they run."""
    if isinstance(model, Functional):
        return [(step.layer, step.inputs, step.masks, step.outputs) for step in model._steps]
    return [(layer, (index,), None, (index + 1,)) for index, layer in enumerate(model.run_order)]


def _ends_of(model: Any) -> list[int]:
    return model._ends if isinstance(model, Functional) else [len(model.run_order)]


def _output_shapes(model: Any) -> list[Any]:
    """The shape of the first output of each of `_steps_of`."""
    if isinstance(model, Functional):
        shapes = {place: tensor.shape for tensor, place in model._places.items()}
        return [shapes[step.outputs[0]] for step in model._steps]
    return [tensor.shape for tensor in model._tensors[1:]]


def _description(layer: Any) -> list[Any]:
    """What decides the function that a layer computes, but for the numbers of its weights."""
    operands = tree.flatten(layer._arguments) if isinstance(layer, Operation) else []
    in_order = [f"input {leaf.index}" if isinstance(leaf, Place) else leaf for leaf in operands]
    shapes = [weight.shape for weight in layer.weights]
    return [type(layer).__name__, layer.dtype, _computing(layer.get_config()), shapes, in_order]


def _computing(config: Any) -> Any:
    """A config without what is of training alone, in models and wrappers, too."""
    if isinstance(config, dict):
        return {
            name: _computing(value)
            for name, value in config.items()
            if name not in _OF_TRAINING and not name.endswith(_OF_TRAINING_ENDS)
        }
    return [_computing(value) for value in config] if isinstance(config, (list, tuple)) else config
