"""The LSTM and the SimpleRNN of rnn.pxi, as `reference.gru` is the GRU.

B batch, T steps, F features, H units; the LSTM's gates are i, f, g, o (input, forget, candidate, output). Which of the
two runs the kernel says: (F, 4H) is an LSTM's, (F, H) a SimpleRNN's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class RNNOptions(NamedTuple):
    """How the layer runs; `input_dropout` (G, B, F) and `recurrent_dropout` (G, B, H) multiply what each gate reads."""

    activation: Any
    recurrent_activation: Any
    go_backwards: bool = False
    zero_output_for_mask: bool = False
    input_dropout: Array | None = None
    recurrent_dropout: Array | None = None

    def of_gates(self, count: int) -> list[Any]:
        """The activation of each gate."""
        r, a = self.recurrent_activation, self.activation
        return [r, r, a, r] if count == 4 else [a]


class _Step(NamedTuple):
    """What one step leaves for the backward pass; for each gate what it read, its sum and its value."""

    used: Array
    xs: list[Array]
    hs: list[Array]
    sums: list[Array]
    gates: list[Array]
    c: Array
    new_c: Array
    t: Array


def rnn_forward(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    h0: Array | None,
    c0: Array | None,
    mask: Array | None,
    options: RNNOptions,
) -> tuple[Array, Array, Array, list[_Step]]:
    """Run an LSTM or a SimpleRNN over x (B, T, F).

    Returns
    -------
    y : (B, T, H), last h and last c : (B, H), and the steps that `rnn_backward` reads; c is zero in a SimpleRNN.
    """
    batch, steps, _ = x.shape
    units, width = recurrent_kernel.shape
    count = width // units
    ws, us = np.split(kernel, count, axis=-1), np.split(recurrent_kernel, count, axis=-1)
    bs = np.split(np.zeros(width, x.dtype) if bias is None else bias, count)
    ones = np.ones(count, x.dtype)
    input_dropout = ones if options.input_dropout is None else options.input_dropout
    recurrent_dropout = ones if options.recurrent_dropout is None else options.recurrent_dropout
    h, c = (np.zeros((batch, units), x.dtype) if state is None else state for state in (h0, c0))
    y = np.empty((batch, steps, units), x.dtype)
    saved = []
    for step in range(steps):
        time = steps - 1 - step if options.go_backwards else step
        used = np.ones((batch, 1), bool) if mask is None else mask[:, time, None]
        xs = [np.where(used, x[:, time], 0) * dropped for dropped in input_dropout]
        hs = [h * dropped for dropped in recurrent_dropout]
        sums = [xg @ w + hg @ u + b for xg, w, hg, u, b in zip(xs, ws, hs, us, bs, strict=True)]
        gates = [function(s) for function, s in zip(options.of_gates(count), sums, strict=True)]
        if count == 4:
            i, f, g, o = gates
            new_c = f * c + i * g
            t = options.activation(new_c)
            new_h = o * t
        else:
            new_c = t = c
            new_h = gates[0]
        saved.append(_Step(used, xs, hs, sums, gates, c, new_c, t))
        h, c = np.where(used, new_h, h), np.where(used, new_c, c)
        y[:, step] = np.where(used, h, 0) if options.zero_output_for_mask else h
    return y, h, c, saved


def rnn_gates(saved: list[_Step], last: Array, last_cell: Array | None = None) -> Array:
    """i, f, g, o, c and h of every step, (6, B, T, H), from the steps and the last states of `rnn_forward` without
    dropout; h alone (1, B, T, H) of a SimpleRNN."""
    states = [*(s.hs[0] for s in saved[1:]), last]
    if len(saved[0].gates) == 1:
        return np.stack(states, axis=1)[None]
    cells: list[Any] = [*(s.c for s in saved[1:]), last_cell]
    return np.stack([*zip(*(s.gates for s in saved), strict=True), cells, states]).swapaxes(1, 2)


def rnn_backward(
    kernel: Array,
    recurrent_kernel: Array,
    options: RNNOptions,
    saved: list[_Step],
    dy: Array | None,
    d_last: Array | None,
    d_last_cell: Array | None,
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of x, h0, c0, kernel, recurrent_kernel and bias (N,)."""
    units, width = recurrent_kernel.shape
    count, steps, batch = width // units, len(saved), len(saved[0].c)
    ws, us = np.split(kernel, count, axis=-1), np.split(recurrent_kernel, count, axis=-1)
    d_x = np.zeros((batch, steps, len(kernel)), kernel.dtype)
    d_kernel, d_recurrent = np.zeros_like(kernel), np.zeros_like(recurrent_kernel)
    d_bias = np.zeros(width, kernel.dtype)
    dh, dc = (np.zeros((batch, units), kernel.dtype) if d is None else d for d in (d_last, d_last_cell))
    ones = np.ones(count, kernel.dtype)
    input_dropout = ones if options.input_dropout is None else options.input_dropout
    recurrent_dropout = ones if options.recurrent_dropout is None else options.recurrent_dropout
    for step in reversed(range(steps)):
        s = saved[step]
        if dy is not None:
            dh = dh + (np.where(s.used, dy[:, step], 0) if options.zero_output_for_mask else dy[:, step])
        d = np.where(s.used, dh, 0)
        if count == 4:
            i, f, g, o = s.gates
            d_c = np.where(s.used, dc, 0) + options.activation.backward(d * o, s.t, s.new_c)
            d_gates = [d_c * g, d_c * s.c, d_c * i, d * s.t]
            dc = np.where(s.used, d_c * f, dc)
        else:
            d_gates = [d]
        functions = options.of_gates(count)
        d_sums = [
            function.backward(d_gate, gate, before)
            for function, d_gate, gate, before in zip(functions, d_gates, s.gates, s.sums, strict=True)
        ]
        dh = np.where(s.used, 0, dh)
        time = steps - 1 - step if options.go_backwards else step
        for gate, (d_sum, w, u) in enumerate(zip(d_sums, ws, us, strict=True)):
            column = slice(gate * units, (gate + 1) * units)
            d_kernel[:, column] += s.xs[gate].T @ d_sum
            d_recurrent[:, column] += s.hs[gate].T @ d_sum
            d_bias[column] += d_sum.sum(axis=0)
            d_x[:, time] += np.where(s.used, d_sum @ w.T * input_dropout[gate], 0)
            dh = dh + d_sum @ u.T * recurrent_dropout[gate]
    return d_x, dh, dc, d_kernel, d_recurrent, d_bias
