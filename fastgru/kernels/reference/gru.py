"""The GRU of gru.pxi, which also does what the compiled kernels do not: other activations, and recurrent dropout.

B batch, T steps, F features, H units; gates z, r, h. An activation is an object with ``f(x)`` and
``f.backward(dy, y, x)`` (see `fastgru.activations`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class GRUOptions(NamedTuple):
    """How a GRU runs; `input_dropout` (3, B, F) and `recurrent_dropout` (3, B, H) multiply what each gate reads."""

    activation: Any
    recurrent_activation: Any
    reset_after: bool = True
    go_backwards: bool = False
    zero_output_for_mask: bool = False
    input_dropout: Array | None = None
    recurrent_dropout: Array | None = None


class _Step(NamedTuple):
    """What one step leaves for the backward pass: values (B, H), and the values before the activations."""

    used: Array
    xs: list[Array]
    hs: list[Array]
    h: Array
    z: Array
    r: Array
    g: Array
    q: Array
    before_z: Array
    before_r: Array
    before_g: Array


def _gates(matrix: Array) -> list[Array]:
    """The z, r and h parts of the last axis."""
    return np.split(matrix, 3, axis=-1)


def _dropped(x: Array, masks: Array | None) -> list[Array]:
    """What each of the three gates reads of x."""
    return [x, x, x] if masks is None else [x * mask for mask in masks]


def gru_forward(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    h0: Array | None,
    mask: Array | None,
    options: GRUOptions,
) -> tuple[Array, Array, list[_Step]]:
    """Run a GRU over x (B, T, F).

    Returns
    -------
    y : (B, T, H), last : (B, H), and the steps that `gru_backward` reads.
    """
    batch, steps, _ = x.shape
    units = recurrent_kernel.shape[0]
    reset_after = options.reset_after
    b = np.zeros(3 * units, x.dtype) if bias is None else bias[0]
    c = bias[1] if bias is not None and reset_after else np.zeros(3 * units, x.dtype)
    (wz, wr, wh), (uz, ur, uh) = _gates(kernel), _gates(recurrent_kernel)
    (bz, br, bh), (cz, cr, ch) = _gates(b), _gates(c)
    h = np.zeros((batch, units), x.dtype) if h0 is None else h0
    y = np.empty((batch, steps, units), x.dtype)
    saved = []
    for step in range(steps):
        t = steps - 1 - step if options.go_backwards else step
        used = np.ones((batch, 1), bool) if mask is None else mask[:, t, None]
        xz, xr, xh = xs = _dropped(np.where(used, x[:, t], 0), options.input_dropout)
        hz, hr, hh = hs = _dropped(h, options.recurrent_dropout)
        before_z = xz @ wz + bz + hz @ uz + cz
        before_r = xr @ wr + br + hr @ ur + cr
        z = options.recurrent_activation(before_z)
        r = options.recurrent_activation(before_r)
        if reset_after:
            q = hh @ uh + ch
            before_g = xh @ wh + bh + r * q
        else:
            q = r * hh
            before_g = xh @ wh + bh + q @ uh
        g = options.activation(before_g)
        saved.append(_Step(used, xs, hs, h, z, r, g, q, before_z, before_r, before_g))
        h = np.where(used, z * h + (1 - z) * g, h)
        y[:, step] = np.where(used, h, 0) if options.zero_output_for_mask else h
    return y, h, saved


def gru_gates(saved: list[_Step], last: Array) -> Array:
    """z, r, g and the state after each step, (4, B, T, H), from the steps and the last state of `gru_forward`."""
    states = [*(s.h for s in saved[1:]), last]
    return np.stack([[s.z for s in saved], [s.r for s in saved], [s.g for s in saved], states]).swapaxes(1, 2)


def gru_backward(
    kernel: Array,
    recurrent_kernel: Array,
    options: GRUOptions,
    saved: list[_Step],
    dy: Array | None,
    d_last: Array | None,
) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of x, h0, kernel, recurrent_kernel and bias ((2, 3H) with reset_after, else (1, 3H))."""
    reset_after = options.reset_after
    batch, units = saved[0].h.shape
    steps, features = len(saved), kernel.shape[0]
    uh = _gates(recurrent_kernel)[2]
    d_x = np.zeros((batch, steps, features), kernel.dtype)
    d_kernel, d_recurrent = np.zeros_like(kernel), np.zeros_like(recurrent_kernel)
    d_bias = np.zeros((2 if reset_after else 1, 3 * units), kernel.dtype)
    dh = np.zeros((batch, units), kernel.dtype) if d_last is None else d_last.copy()
    ones = np.ones(3)
    input_dropout = ones if options.input_dropout is None else options.input_dropout
    recurrent_dropout = ones if options.recurrent_dropout is None else options.recurrent_dropout
    for step in reversed(range(steps)):
        s = saved[step]
        if dy is not None:
            dh = dh + (np.where(s.used, dy[:, step], 0) if options.zero_output_for_mask else dy[:, step])
        d = np.where(s.used, dh, 0)
        dz = options.recurrent_activation.backward(d * (s.h - s.g), s.z, s.before_z)
        dg = options.activation.backward(d * (1 - s.z), s.g, s.before_g)
        dq = dg * s.r if reset_after else dg @ uh.T
        dr = options.recurrent_activation.backward(dg * s.q if reset_after else dq * s.hs[2], s.r, s.before_r)
        d_inputs, d_recurrents = (dz, dr, dg), (dz, dr, dq if reset_after else dg)
        lefts = s.hs if reset_after else [s.hs[0], s.hs[1], s.q]
        dh = np.where(s.used, d * s.z, dh)
        t = steps - 1 - step if options.go_backwards else step
        for gate, (w, u) in enumerate(zip(_gates(kernel), _gates(recurrent_kernel), strict=True)):
            column = slice(gate * units, (gate + 1) * units)
            d_kernel[:, column] += s.xs[gate].T @ d_inputs[gate]
            d_recurrent[:, column] += lefts[gate].T @ d_recurrents[gate]
            d_bias[0, column] += d_inputs[gate].sum(axis=0)
            if reset_after:
                d_bias[1, column] += d_recurrents[gate].sum(axis=0)
            d_x[:, t] += np.where(s.used, d_inputs[gate] @ w.T * input_dropout[gate], 0)
            through = dq * s.r if gate == 2 and not reset_after else d_recurrents[gate] @ u.T
            dh = dh + through * recurrent_dropout[gate]
    return d_x, dh, d_kernel, d_recurrent, d_bias
