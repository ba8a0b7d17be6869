"""The plan of a model that streams: what runs for each step of a sequence, and where its states are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from fastgru.layers.convolutional.conv import Conv1D
from fastgru.layers.convolutional.windows import Windows
from fastgru.layers.layer import Layer
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.rnn import RNN
from fastgru.models.functional import Functional
from fastgru.models.model import Model
from fastgru.models.sequential import Sequential
from fastgru.streaming.streamable import reason_against, reason_against_rows

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
    offset: int
    width: int


class Plan(NamedTuple):
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

    @property
    def end_entries(self) -> list[Entry]:
        """The entries whose outputs are the model's."""
        by_output = {entry.output: entry for entry in self.entries}
        return [by_output[end] for end in self.ends]

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that are the same for models that compute the same function of their weights.

        The weights' shapes belong to it and their numbers do not: a session outlives new weights.
        """
        described = [[_description(entry.layer), entry.inputs, entry.output, entry.shape] for entry in self.entries]
        text = json.dumps([described, self.ends, self.dtype], sort_keys=True, default=str)
        return sha256(text.encode()).digest()


def plan_of(model: Any) -> Plan:
    """The plan of a `Sequential` or a graph of layers.

    Raises
    ------
    ValueError
        The model cannot stream; the message names the layer and the reason.
    """
    if not isinstance(model, (Sequential, Functional)) or model.runs_call:
        kind = type(model).__name__
        raise ValueError(
            f"Sessions: expected a Sequential or a graph of layers, got {kind}, whose steps run in Python."
        )
    if not model.built:
        raise ValueError(f"Sessions: model {model.name!r} is not built yet; give it an Input or call it on data.")
    if len(model.inputs) != 1:
        raise ValueError(
            f"Sessions: model {model.name!r} has {len(model.inputs)} inputs, and one alone can be streamed."
        )
    tokens = any(layer.takes_tokens for layer in model.first_layers()[0])
    if model.takes_text or len(model.inputs[0].shape) < (2 if tokens else 3):
        raise ValueError(
            f"Sessions: model {model.name!r} takes {'texts' if model.takes_text else 'no sequences'}: expected input of "
            f"shape (batch, timesteps, features), or (batch, timesteps) of word ids, got {model.inputs[0].shape}."
        )
    planner = _Planner()
    ends = planner.add(model, [_Value(0, False)])
    if not planner.entries:
        raise ValueError(f"Sessions: model {model.name!r} has no layers.")
    dtypes = [entry.layer.dtype for entry in planner.entries]
    dtype = "float64" if "float64" in dtypes else "float32"
    return Plan(model, planner.entries, [end.number for end in ends], planner.state_numbers, dtype)


class _Value(NamedTuple):
    """A value of the plan: its number, and whether it is the answer so far in the place of one for each step."""

    number: int
    is_rows: bool


class _Planner:
    """Writes the entries of a model and of those inside it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.state_numbers = 0

    def add(self, model: Any, inputs: Sequence[_Value]) -> list[_Value]:
        """The values that a model puts out."""
        values: dict[int, _Value] = dict(enumerate(inputs))
        shapes = _output_shapes(model)
        for index, (layer, sources, masks, outputs) in enumerate(_steps_of(model)):
            if masks is not None:
                kind = "a mask of its own" if masks else "initial states of its own"
                raise _refusal(layer, f"it is called with {kind}, and a session has its own")
            absent = [source for source in sources if source not in values]
            if absent:
                raise _refusal(layer, "it takes the states that another layer returns")
            made = self._add_layer(layer, [values[source] for source in sources], shapes[index])
            values.update(zip(outputs, made, strict=False))
        ends = _ends_of(model)
        if any(end not in values for end in ends):
            raise ValueError(f"Sessions: model {model.name!r} puts out states of a layer, and a session keeps them.")
        return [values[end] for end in ends]

    def _add_layer(self, layer: Any, inputs: Sequence[_Value], shape: tuple[int, ...]) -> list[_Value]:
        if isinstance(layer, Model) and not layer.runs_call and isinstance(layer, (Sequential, Functional)):
            return self.add(layer, inputs)
        is_rows = inputs[0].is_rows
        if any(value.is_rows != is_rows for value in inputs):
            raise _refusal(layer, "it joins what there is for each step with what there is for the whole sequence")
        reason = reason_against_rows(layer) if is_rows else reason_against(layer)
        if reason is not None:
            raise _refusal(layer, reason)
        numbers = tuple(value.number for value in inputs)
        if is_rows:
            return [self._append(layer, numbers, True, True, shape[1:])]
        if isinstance(layer, RNN):
            value = _Value(numbers[0], False)
            cells = layer._layers()
            for cell in cells:
                last = cell is cells[-1]
                value = self._append_recurrent(cell, value.number, last and not layer.return_sequences)
            return [value]
        if isinstance(layer, Recurrent):
            return [self._append_recurrent(layer, numbers[0], not layer.return_sequences)]
        if isinstance(layer, Conv1D) and layer.windows.spans[0] > 1:
            return [self._append_convolution(layer, numbers[0])]
        return [self._append(layer, numbers, False, False, shape[2:])]

    def _append_recurrent(self, layer: Any, number: int, gives_rows: bool) -> _Value:
        over_all_steps = _copy(
            layer, return_sequences=True, return_state=True, stateful=False, states=None, zero_until_used=False
        )
        width = layer.state_count * layer.units
        return self._append(over_all_steps, (number,), False, gives_rows, (layer.units,), width)

    def _append_convolution(self, layer: Conv1D, number: int) -> _Value:
        windows = layer.windows
        unpadded = _copy(layer, windows=Windows(windows.size, windows.strides, windows.dilation, "valid"))
        channels = layer.kernel.shape[-2] * layer.groups
        width = (windows.spans[0] - 1) * channels
        return self._append(unpadded, (number,), False, False, (layer.filters,), width)

    def _append(
        self,
        layer: Any,
        inputs: tuple[int, ...],
        takes_rows: bool,
        gives_rows: bool,
        shape: Sequence[int | None],
        width: int = 0,
    ) -> _Value:
        output = len(self.entries) + 1
        if None in shape:
            raise _refusal(layer, f"the size of its output for a step is free: {tuple(shape)}")
        sizes = tuple(size for size in shape if size is not None)
        self.entries.append(Entry(layer, inputs, output, takes_rows, gives_rows, sizes, self.state_numbers, width))
        self.state_numbers += width
        return _Value(output, gives_rows)


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


def _description(layer: Any) -> Any:
    """What decides the function that a layer computes, but for the numbers of its weights."""
    return [type(layer).__name__, _computing(layer.get_config()), [weight.shape for weight in layer.weights]]


def _computing(config: Any) -> Any:
    """A config without what is of training alone, in models and wrappers, too."""
    if isinstance(config, dict):
        return {
            name: _computing(value)
            for name, value in config.items()
            if name not in _OF_TRAINING and not name.endswith(_OF_TRAINING_ENDS)
        }
    return [_computing(value) for value in config] if isinstance(config, (list, tuple)) else config
