"""The updates of optimizers.pxi: `update` takes the same arguments, and each rule is a function of its equations.

A rule takes the weights (N,), shrunk by weight decay, the gradients, and three arrays of state, None where it has none.
It changes the state in place and returns the new weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru.types import Array

__all__ = ["RULES", "adafactor", "update"]


def update(
    rule: str,
    values: Array,
    updated: Array,
    gradients: Array,
    m: Array | None,
    v: Array | None,
    a: Array | None,
    decay: float,
    threads: int = 1,
    **numbers: Any,
) -> None:
    """One update of all weights by the rule of that name."""
    if rule == "average":
        updated[:] = numbers["rho"] * updated + (1 - numbers["rho"]) * values
        return
    updated[:] = RULES[rule](values - values * decay, gradients, m, v, a, **numbers)


def _sgd(w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, momentum: float, nesterov: bool) -> Array:
    if m is None:
        return w - rate * g
    m[:] = momentum * m - rate * g
    return w + (momentum * m - rate * g if nesterov else m)


def _rmsprop(
    w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, rho: float, momentum: float, epsilon: float
) -> Array:
    v[:] = rho * v + (1 - rho) * g**2
    variance = v
    if a is not None:
        a[:] = rho * a + (1 - rho) * g
        variance = v - a**2
    step = rate * g / np.sqrt(variance + epsilon)
    if m is not None:
        m[:] = momentum * m + step
        step = m
    return w - step


def _moments(g: Array, m: Array, v: Array, beta_1: float, beta_2: float) -> None:
    """Adam's running means of gradients and their squares."""
    m += (g - m) * (1 - beta_1)
    v += (g**2 - v) * (1 - beta_2)


def _adam(
    w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, beta_1: float, beta_2: float, epsilon: float
) -> Array:
    _moments(g, m, v, beta_1, beta_2)
    variance = v if a is None else np.maximum(a, v, out=a)
    return w - rate * m / (np.sqrt(variance) + epsilon)


def _adamax(
    w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, beta_1: float, beta_2: float, epsilon: float
) -> Array:
    m += (g - m) * (1 - beta_1)
    np.maximum(beta_2 * v, abs(g), out=v)
    return w - rate * m / (v + epsilon)


def _nadam(
    w: Array, g: Array, m: Any, v: Any, a: Any,
    rate: float, gradient_rate: float, beta_1: float, beta_2: float, epsilon: float, correction: float,
) -> Array:  # fmt: skip
    _moments(g, m, v, beta_1, beta_2)
    return w - (rate * m + gradient_rate * g) / (np.sqrt(correction * v) + epsilon)


def _lamb(
    w: Array, g: Array, m: Any, v: Any, a: Any,
    rate: float, beta_1: float, beta_2: float, epsilon: float, correction: float,
) -> Array:  # fmt: skip
    """No weights but their direction, whose norm is to be compared with theirs."""
    _moments(g, m, v, beta_1, beta_2)
    return rate * m / (np.sqrt(correction * v) + epsilon)


def _schedule_free(
    w: Array, g: Array, m: Any, v: Any, a: Any,
    rate: float, beta_1: float, beta_2: float, epsilon: float, correction: float, share: float,
) -> Array:  # fmt: skip
    v += (g**2 - v) * (1 - beta_2)
    x = (w - (1 - beta_1) * m) / beta_1
    m -= rate * g / (np.sqrt(correction * v) + epsilon)
    return beta_1 * (x + share * (m - x)) + (1 - beta_1) * m


def _adagrad(w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, epsilon: float) -> Array:
    v += g**2
    return w - rate * g / np.sqrt(v + epsilon)


def _adadelta(w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, rho: float, epsilon: float) -> Array:
    v[:] = rho * v + (1 - rho) * g**2
    step = g * np.sqrt(m + epsilon) / np.sqrt(v + epsilon)
    m[:] = rho * m + (1 - rho) * step**2
    return w - rate * step


def _lion(w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, beta_1: float, beta_2: float) -> Array:
    step = rate * np.sign(beta_1 * m + (1 - beta_1) * g)
    m[:] = beta_2 * m + (1 - beta_2) * g
    return w - step


def _ftrl(
    w: Array, g: Array, m: Any, v: Any, a: Any, rate: float, power: float, l1: float, l2: float, shrinkage: float
) -> Array:
    before, after = v**power, (v + g**2) ** power
    v += g**2
    m += g + 2 * shrinkage * w - (after - before) / rate * w
    return (np.clip(m, -l1, l1) - m) / (after / rate + 2 * l2)


def _muon(w: Array, g: Array, m: Any, v: Any, a: Any, momentum: float, nesterov: bool) -> Array:
    """No weights but their direction, which is yet to be made orthogonal."""
    m[:] = momentum * m + g
    return g + momentum * m if nesterov else m


RULES: dict[str, Callable[..., Array]] = {
    "sgd": _sgd,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamax": _adamax,
    "nadam": _nadam,
    "lamb": _lamb,
    "schedule_free": _schedule_free,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "lion": _lion,
    "ftrl": _ftrl,
    "muon": _muon,
}


def adafactor(
    values: Array,
    updated: Array,
    gradients: Array,
    v: Array,
    rows: Array | None,
    columns: Array | None,
    decay: float,
    rate: float,
    beta: float,
    epsilon_1: float,
    epsilon_2: float,
    clip_threshold: float,
) -> None:
    """One update of a weight (N,), seen as (B, R, C): rows (B, R) and columns (B, C), None where it has one axis."""
    squares = gradients**2 + epsilon_1
    if rows is None or columns is None:
        v[:] = beta * v + (1 - beta) * squares
    else:
        squares = squares.reshape(*rows.shape, -1)
        rows[:] = beta * rows + (1 - beta) * squares.mean(2)
        columns[:] = beta * columns + (1 - beta) * squares.mean(1)
        v[:] = ((rows / rows.mean(1, keepdims=True))[:, :, None] * columns[:, None]).ravel()
    weights, step = values - values * decay, gradients / np.sqrt(v)
    rate *= max(epsilon_2, np.sqrt((weights**2).mean())) / max(1.0, np.sqrt((step**2).mean()) / clip_threshold)
    updated[:] = weights - rate * step
