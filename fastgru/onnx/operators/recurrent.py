"""GRU, LSTM and RNN nodes as the layers of that name, two directions as Bidirectional.

The equations are those of https://onnx.ai/onnx/operators/onnx__GRU.html and of its neighbours. The gates stand in other
orders there (LSTM: input, output, forget, cell), and the weights are transposed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgru import ops
from fastgru.layers.rnn.bidirectional import Bidirectional
from fastgru.layers.rnn.gru import GRU
from fastgru.layers.rnn.lstm import LSTM
from fastgru.layers.rnn.rnn import RNN
from fastgru.layers.rnn.simple_rnn import SimpleRNN
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.onnx.activation_names import ONNX_DEFAULTS, keras_name
from fastgru.onnx.drawing import Drawing, Filled, Value, is_constant, operator
from fastgru.onnx.graph import GraphNode
from fastgru.onnx.layout import Factor, Laid
from fastgru.onnx.operators.shaping import picked
from fastgru.onnx.peephole_cell import PeepholeLSTMCell
from fastgru.types import Array

__all__: list[str] = []

_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
# Keras's class, the place in ONNX of each of Keras's gates, and the usual activations
_KINDS: dict[str, tuple[Any, tuple[int, ...], tuple[str, ...]]] = {
    "GRU": (GRU, (0, 1, 2), ("Sigmoid", "Tanh")),
    "LSTM": (LSTM, (0, 2, 3, 1), ("Sigmoid", "Tanh", "Tanh")),
    "RNN": (SimpleRNN, (0,), ("Tanh",)),
}


class _Node(NamedTuple):
    """What the inputs and attributes of a recurrent node say."""

    node: GraphNode
    units: int
    backwards: tuple[bool, ...]  # of each direction
    activations: list[list[str]]  # of each direction
    batch_first: bool
    weights: tuple[Array, Array, Array | None]  # (directions, G H, F), (directions, G H, H), (directions, 2 G H)
    peepholes: Array | None  # (directions, 3 H)

    @property
    def needs_own_cell(self) -> bool:
        """Whether an LSTM has what Keras's has not: peepholes, coupled gates, two activations of its own."""
        coupled = bool(self.node.attributes.get("input_forget"))
        return (
            self.peepholes is not None or coupled or any(len(one) == 3 and one[1] != one[2] for one in self.activations)
        )


@operator("GRU", "LSTM", "RNN")
def _recurrent(
    drawing: Drawing, node: GraphNode, x: Value, w: Value, r: Value, b: Value = None, lengths: Value = None,
    initial_h: Value = None, initial_c: Value = None, peepholes: Value = None,
) -> Value:  # fmt: skip
    facts = _facts(drawing, node, w, r, b, peepholes)
    x = drawing.as_laid(x)
    if len(x.sizes) != 3:
        drawing.refuse(node, f"its input has {len(x.sizes)} axes, expected 3")
    rows = x if facts.batch_first else x.transposed([1, 0, 2])
    sequence = Laid.plain(rows.tensor(), rows.sizes)
    states = _states(drawing, facts, sequence, (initial_h, initial_c) if node.op == "LSTM" else (initial_h,))
    mask = None if lengths is None else _mask(drawing, sequence, lengths)
    reads_all, reads_states = _outputs_read(drawing, node)
    layer = _layer(facts, reads_all, reads_states, mask is not None)
    outputs = layer(sequence.base, initial_state=states or None, mask=mask)
    _fill(facts, layer)
    parts = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    if mask is not None and reads_all:
        parts[0] = ops.copy(parts[0])  # which carries no mask to the layers behind it
    return _as_onnx(facts, sequence, parts, reads_all)


# --- what the node says -----------------------------------------------------------------------------------------------


def _facts(drawing: Drawing, node: GraphNode, w: Value, r: Value, b: Value, peepholes: Value) -> _Node:
    _, gates, usual = _KINDS[node.op]
    backwards = _DIRECTIONS.get(node.attributes.get("direction", "forward"))
    if backwards is None:
        drawing.refuse(node, f"its direction is {node.attributes['direction']!r}, expected {', '.join(_DIRECTIONS)}")
    if node.attributes.get("clip"):
        drawing.refuse(node, "clips what goes into its activations (clip), which fastgru does not; export it without")
    kernel, recurrent = drawing.constant(node, w, "weights W"), drawing.constant(node, r, "weights R")
    bias = None if b is None else drawing.constant(node, b, "bias B")
    units, count = recurrent.shape[-1], len(backwards)
    rows = len(gates) * units
    shapes = [kernel.shape[:2], recurrent.shape, (count, 2 * rows) if bias is None else bias.shape]
    if shapes != [(count, rows), (count, rows, units), (count, 2 * rows)] or kernel.ndim != 3:
        drawing.refuse(node, f"its weights of shapes {kernel.shape}, {recurrent.shape} do not fit each other")
    if node.attributes.get("hidden_size", units) != units:
        drawing.refuse(node, f"its hidden_size is {node.attributes['hidden_size']}, its weights are for {units}")
    p = None if peepholes is None else drawing.constant(node, peepholes, "peepholes P")
    if p is not None and p.shape != (count, 3 * units):
        drawing.refuse(node, f"its peepholes have the shape {p.shape}, expected {(count, 3 * units)}")
    if p is not None and not p.any():
        p = None
    batch_first = bool(node.attributes.get("layout", 0))
    names = _activations(drawing, node, usual, count)
    return _Node(node, units, backwards, names, batch_first, (kernel, recurrent, bias), p)


def _activations(drawing: Drawing, node: GraphNode, usual: Sequence[str], count: int) -> list[list[str]]:
    """Keras's names of the activations of each direction."""
    names = node.attributes.get("activations") or [*usual] * count
    if len(names) != len(usual) * count:
        drawing.refuse(node, f"has {len(names)} activations, expected {len(usual) * count}")
    # alphas and betas stand in a row, for those functions alone that have them
    settings_of = {key: list(node.attributes.get(f"activation_{key}") or ()) for key in ("alpha", "beta")}
    keras = []
    for name in names:
        defaults = next((value for key, value in ONNX_DEFAULTS.items() if key.lower() == name.lower()), ())
        settings = [
            settings_of[key].pop(0) if settings_of[key] else default
            for key, default in zip(("alpha", "beta"), defaults, strict=False)
        ]
        try:
            keras.append(keras_name(name, settings))
        except ValueError as error:
            drawing.refuse(node, str(error))
    return [keras[start : start + len(usual)] for start in range(0, len(keras), len(usual))]


def _outputs_read(drawing: Drawing, node: GraphNode) -> tuple[bool, bool]:
    """Whether somebody reads the states after every step (Y), and the last ones beside it or of an LSTM's cells."""
    read = [bool(name) and drawing.graph.uses[name] > 0 for name in (*node.outputs, "", "")[:3]]
    return read[0], (read[0] and read[1]) or read[2]


def _states(drawing: Drawing, facts: _Node, x: Laid, values: tuple[Value, ...]) -> list[SymbolicTensor]:
    """The initial states, those of the first direction first; none where all are zero."""
    if all(value is None or _is_zero(value) for value in values):
        return []
    size = (len(facts.backwards), x.sizes[0], facts.units)
    axis = 1 if facts.batch_first else 0
    states = []
    for direction in range(len(facts.backwards)):
        for value in values:
            if value is None:
                value, of_direction = Filled(size, np.float32(0)), 0
            else:
                of_direction = axis
            one = picked(drawing, value, of_direction, direction)
            states.append(drawing.tensor(one, x))
    return states


def _is_zero(value: Value) -> bool:
    if isinstance(value, Filled):
        return not value.value
    return is_constant(value) and not value.any()


def _mask(drawing: Drawing, x: Laid, lengths: Value) -> SymbolicTensor | None:
    """True (B, T) at the steps before the length of each row; None where all rows are whole."""
    if is_constant(lengths) and isinstance(x.sizes[1], int) and (lengths == x.sizes[1]).all():
        return None
    if isinstance(lengths, Filled) and lengths.value == x.sizes[1]:
        return None
    ones = ops.ones_like(ops.get_item(x.base, (slice(None), slice(None), 0)), dtype="int64")
    counted = ops.cumsum(ones, axis=1)
    return ops.less_equal(counted, ops.expand_dims(drawing.tensor(lengths, x), 1))


# --- the layer --------------------------------------------------------------------------------------------------------


def _layer(facts: _Node, sequences: bool, states: bool, masked: bool) -> Any:
    one = [_direction(facts, index, sequences, states, masked) for index in range(len(facts.backwards))]
    if len(one) == 1:
        return one[0]
    return Bidirectional(one[0], backward_layer=one[1], dtype=facts.weights[0].dtype.name)


def _direction(facts: _Node, direction: int, sequences: bool, states: bool, masked: bool) -> Any:
    cls, _, _ = _KINDS[facts.node.op]
    names = facts.activations[direction]
    common: dict[str, Any] = {
        "return_sequences": sequences, "return_state": states, "go_backwards": facts.backwards[direction],
        "zero_output_for_mask": masked and sequences, "dtype": facts.weights[0].dtype.name,
    }  # fmt: skip
    if facts.needs_own_cell:
        coupled = bool(facts.node.attributes.get("input_forget"))
        cell: Any = PeepholeLSTMCell(facts.units, names, coupled, dtype=common["dtype"])
        return RNN(cell, **common)
    options: dict[str, Any] = {"use_bias": facts.weights[2] is not None, "activation": names[-1]}
    if cls is not SimpleRNN:
        options["recurrent_activation"] = names[0]
    if cls is GRU:
        options["reset_after"] = bool(facts.node.attributes.get("linear_before_reset", 0))
    return cls(facts.units, **options, **common)


def _fill(facts: _Node, layer: Any) -> None:
    layers = [layer.forward_layer, layer.backward_layer] if isinstance(layer, Bidirectional) else [layer]
    for direction, one in enumerate(layers):
        one.set_weights(_keras_weights(facts, direction, one))


def _keras_weights(facts: _Node, direction: int, layer: Any) -> list[Array]:
    """kernel (F, G H), recurrent_kernel (H, G H) and bias of one direction, the gates in Keras's order."""
    kernel, recurrent, bias = (None if one is None else one[direction] for one in facts.weights)
    assert kernel is not None and recurrent is not None
    order = _KINDS[facts.node.op][1]

    def in_order(rows: Array) -> Array:
        return rows.reshape(len(order), facts.units, -1)[list(order)].reshape(rows.shape)

    arrays = [in_order(kernel).T, in_order(recurrent).T]
    if facts.needs_own_cell and bias is None:
        bias = np.zeros(2 * len(kernel), kernel.dtype)
    if bias is not None:
        of_x, of_h = (in_order(half[:, None])[:, 0] for half in np.split(bias, 2))
        arrays.append(np.stack([of_x, of_h]) if getattr(layer, "reset_after", False) else of_x + of_h)
    if facts.needs_own_cell:
        p = np.zeros(3 * facts.units, kernel.dtype) if facts.peepholes is None else facts.peepholes[direction]
        arrays.append(p.reshape(3, facts.units)[[0, 2, 1]])  # input, output, forget there
    return arrays


# --- what comes out ---------------------------------------------------------------------------------------------------


def _as_onnx(facts: _Node, x: Laid, parts: list[SymbolicTensor], reads_all: bool) -> tuple[Value, ...]:
    """Y (T, directions, B, H), Y_h and Y_c (directions, B, H) of what the layer puts out."""
    batch, steps = x.sizes[:2]
    count, per_direction = len(facts.backwards), 2 if facts.node.op == "LSTM" else 1
    first, *states = parts
    if facts.backwards == (True,) and reads_all:
        first = ops.flip(first, axis=1)
    b, t, d, h = (Factor(size) for size in (batch, steps, count, facts.units))
    unit = (d, h) if count > 1 else (h,)
    across = (d,) if count > 1 else ()
    if reads_all:
        shown = ((b,), (t,), across, (h,)) if facts.batch_first else ((t,), across, (b,), (h,))
        y = Laid(first, ((b,), (t,), unit), shown)
    else:
        y = None
    if not states:
        last = None if reads_all else Laid(first, ((b,), unit), _of_states(facts, b, across, h))
        return (y, last, None)[: max(2, len(facts.node.outputs))]
    by_kind = [
        [states[direction * per_direction + kind] for direction in range(count)] for kind in range(per_direction)
    ]
    lasts = []
    for tensors in by_kind:
        joined = tensors[0] if count == 1 else ops.concatenate(tensors, axis=-1)
        lasts.append(Laid(joined, ((b,), unit), _of_states(facts, b, across, h)))
    return (y, *lasts)


def _of_states(facts: _Node, b: Factor, across: tuple[Factor, ...], h: Factor) -> Any:
    return ((b,), across, (h,)) if facts.batch_first else (across, (b,), (h,))
