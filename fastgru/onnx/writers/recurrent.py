"""Recurrent layers. A mask becomes ``sequence_lens``: the steps that count are put in front, whatever their places.

Let m be the mask, c its running sum, n its sum. Step t goes to place c[t] - 1 if it counts, else behind those that do.
After the node, the state at t is the one at place c[t] - 1 (backwards: c[t] - m[t]), the initial state where that is
none of the n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgru.layers.rnn.bidirectional import Bidirectional
from fastgru.layers.rnn.gru import GRU
from fastgru.layers.rnn.lstm import LSTM
from fastgru.layers.rnn.simple_rnn import SimpleRNN
from fastgru.layers.rnn.time_distributed import TimeDistributed
from fastgru.onnx.activation_names import onnx_name
from fastgru.onnx.writer import NO_MASK, WRITERS, Applied, Writer, writes
from fastgru.types import Array

__all__: list[str] = []

_OPS = {GRU: "GRU", LSTM: "LSTM", SimpleRNN: "RNN"}
_ORDERS = {GRU: (0, 1, 2), LSTM: (0, 3, 1, 2), SimpleRNN: (0,)}  # Keras's places of ONNX's gates


class _Masked(NamedTuple):
    """What follows from a mask (B, T), all whole numbers of 64 bits."""

    mask: str
    numbers: str  # m
    counts: str  # c
    total: str  # n (B, 1)
    order: str  # the step at each place (B, T)
    lengths: str  # n, at least 1, (B,) in 32 bits


def _masked(out: Writer, mask: str) -> _Masked:
    one = out.constant(1, "int64")
    numbers = out.cast(mask, "int64")
    axis = out.constant(1, "int64")
    counts = out.node("CumSum", numbers, axis)
    total = out.node("ReduceSum", numbers, out.axes(1), keepdims=1)
    ones = out.cast(out.node("Equal", mask, mask), "int64")
    steps = out.node("Sub", out.node("CumSum", ones, axis), one)
    behind = out.node("Add", total, out.node("Sub", steps, counts))
    places = out.node("Where", mask, out.node("Sub", counts, one), behind)
    _, order = out.nodes_of("TopK", [places, out.node("Shape", places, start=1, end=2)], 2, axis=1, largest=0)
    lengths = out.cast(out.squeezed(out.node("Max", total, one), 1), "int32")
    return _Masked(mask, numbers, counts, total, order, lengths)


def _picked(out: Writer, x: str, places: str) -> str:
    """(B, T, F) at the places (B, T) along the time."""
    return out.node("GatherND", x, out.unsqueezed(places, 2), batch_dims=1)


def _run(out: Writer, layer: Any, x: str, mask: str, states: Sequence[str]) -> tuple[str, list[str]]:
    """The states (B, T, H) after every step, in the order of the input, and the last ones (B, H) of a layer."""
    kind = type(layer)
    masked = None if mask == NO_MASK else _masked(out, mask)
    x = x if masked is None else _picked(out, x, masked.order)
    weights = [out.constant(array, layer.dtype, name) for name, array in zip("WRB", _weights(layer), strict=False)]
    optional = [weights[2] if len(weights) == 3 else "", "" if masked is None else masked.lengths]
    optional += [out.unsqueezed(state, 0) for state in states]
    while optional and not optional[-1]:
        optional.pop()
    names = [out.transposed(x, 1, 0, 2), *weights[:2], *optional]
    y, *lasts = out.nodes_of(
        _OPS[kind], names, 3 if kind is LSTM else 2, hidden_size=layer.units,
        direction="reverse" if layer.go_backwards else "forward", **_attributes(layer),
    )  # fmt: skip
    y = out.transposed(out.squeezed(y, 1), 1, 0, 2)
    lasts = [out.squeezed(last, 0) for last in lasts]
    return (y, lasts) if masked is None else _unmasked(out, layer, masked, states, y, lasts)


def _unmasked(
    out: Writer, layer: Any, masked: _Masked, states: Sequence[str], y: str, lasts: list[str]
) -> tuple[str, list[str]]:
    """The states at the places where the steps were."""
    zero, one = out.constant(0, "int64"), out.constant(1, "int64")
    if layer.go_backwards:
        places = out.node("Sub", masked.counts, masked.numbers)
        is_initial = out.node("Equal", places, masked.total)
        places = out.node("Max", out.node("Min", places, out.node("Sub", masked.total, one)), zero)
    else:
        is_initial = out.node("Equal", masked.counts, zero)
        places = out.node("Max", out.node("Sub", masked.counts, one), zero)
    nothing = out.constant(0, layer.dtype)
    initial = [*states] or [nothing] * len(lasts)
    is_empty = out.node("Equal", masked.total, zero)
    lasts = [out.node("Where", is_empty, start, last) for start, last in zip(initial, lasts, strict=True)]
    first = nothing if not states or layer.zero_until_used else out.unsqueezed(states[0], 1)
    y = out.node("Where", out.unsqueezed(is_initial, 2), first, _picked(out, y, places))
    if layer.zero_output_for_mask:
        y = out.node("Where", out.unsqueezed(masked.mask, 2), y, nothing)
    return y, lasts


def _attributes(layer: Any) -> dict[str, Any]:
    both = [layer.activation]
    if not isinstance(layer, SimpleRNN):
        both.insert(0, layer.recurrent_activation)
    if isinstance(layer, LSTM):
        both.append(layer.activation)
    names: list[str] = []
    alphas: list[float] = []
    betas: list[float] = []
    for activation in both:
        known = None if activation.form is not None else onnx_name(activation.name)
        if known is None:
            raise ValueError(
                f"layer {layer.name!r}: its activation {activation.name!r} is none that ONNX's recurrent nodes have"
            )
        name, settings = known
        names.append(name)
        alphas += settings[:1]
        betas += settings[1:]
    lists = {"activations": names, "activation_alpha": alphas or None, "activation_beta": betas or None}
    return {**lists, "linear_before_reset": int(layer.reset_after)} if isinstance(layer, GRU) else lists


def _weights(layer: Any) -> list[Array]:
    """W (1, G H, F), R (1, G H, H) and B (1, 2 G H), the gates in ONNX's order."""
    order = _ORDERS[type(layer)]

    def in_order(columns: Array) -> Array:
        gates = np.split(columns, len(order), axis=-1)
        return np.concatenate([gates[place] for place in order], axis=-1)

    arrays = [in_order(weight.value).T[None] for weight in (layer.kernel, layer.recurrent_kernel)]
    if layer.use_bias:
        bias = np.atleast_2d(layer.bias.value)
        of_h = bias[1] if len(bias) == 2 else np.zeros_like(bias[0])
        arrays.append(np.concatenate([in_order(bias[0]), in_order(of_h)])[None])
    return [np.ascontiguousarray(array) for array in arrays]


def _check(layer: Any) -> None:
    if type(layer) not in _OPS:
        raise ValueError(f"layer {layer.name!r}: a {type(layer).__name__} cannot be written as ONNX")
    if layer.stateful:
        raise ValueError(
            f"layer {layer.name!r}: is stateful, which ONNX has not; hand over initial_state and return_state=True"
        )


def _last_output(out: Writer, layer: Any, mask: str, last: str) -> str:
    """The last state as output: zero where the last step that was read is masked, and the layer says so."""
    if mask == NO_MASK or not (layer.zero_output_for_mask or layer.zero_until_used):
        return last
    if layer.zero_until_used and not layer.zero_output_for_mask:
        raise ValueError(f"layer {layer.name!r}: its output where no step counts, zero, cannot be written as ONNX")
    step = out.node("Gather", mask, out.constant(0 if layer.go_backwards else -1, "int64"), axis=1)
    return out.node("Where", out.unsqueezed(step, 1), last, out.constant(0, layer.dtype))


@writes(*_OPS)
def _recurrent(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    _check(layer)
    mask = call.mask
    y, lasts = _run(out, layer, call.name, mask, call.names[1:])
    if layer.return_sequences:
        first = out.reversed(y, 1) if layer.go_backwards else y
    else:
        first = _last_output(out, layer, mask, lasts[0])
    return [first, *(lasts if layer.return_state else [])], mask if layer.return_sequences else NO_MASK


@writes(Bidirectional)
def _bidirectional(out: Writer, call: Applied) -> tuple[list[str], str]:
    layer = call.layer
    states = call.names[1:]
    both, lasts = [], []
    for index, one in enumerate((layer.forward_layer, layer.backward_layer)):
        _check(one)
        half = states[len(states) // 2 * index : len(states) // 2 * (index + 1)]
        y, last = _run(out, one, call.name, call.mask, half)
        both.append(y if layer.return_sequences else _last_output(out, one, call.mask, last[0]))
        lasts += last
    mask = call.mask if layer.return_sequences else NO_MASK
    if layer.merge_mode is None:
        merged = both
    elif layer.merge_mode == "concat":
        merged = [out.node("Concat", *both, axis=-1)]
    else:
        merged = [out.node({"sum": "Add", "mul": "Mul", "ave": "Mean"}[layer.merge_mode], *both)]
    return [*merged, *(lasts if layer.return_state else [])], mask


@writes(TimeDistributed)
def _time_distributed(out: Writer, call: Applied) -> tuple[list[str], str]:
    inner = call.layer.layer
    write = WRITERS.get(type(inner))
    if write is None or call.inputs[0].shape[2:].count(None):
        raise ValueError(f"layer {call.layer.name!r}: a {type(inner).__name__} at each step cannot be written as ONNX")
    step = type(call.inputs[0])((None, *call.inputs[0].shape[2:]), call.inputs[0].dtype)
    rows = out.node("Reshape", call.name, out.axes(-1, *(size or 0 for size in step.shape[1:])))
    (y, *_), _ = write(out, Applied(inner, [rows], [NO_MASK], [step], call.outputs))
    shape = out.node("Shape", call.name, start=0, end=2)
    target = out.node("Concat", shape, out.axes(*(size or -1 for size in call.outputs[0].shape[2:])), axis=0)
    return [out.node("Reshape", y, target)], call.mask
