"""Gates and states of recurrent layers in float64, equation by equation: what the layers' `gates` must come to."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.layers import GRU, LSTM, RNN, Bidirectional, SimpleRNN, StackedRNNCells


def bent(s: np.ndarray) -> np.ndarray:
    """An activation that no kernel knows."""
    return s / (1 + np.abs(s))


ACTIVATIONS = {
    "bent": bent,
    "linear": lambda s: s,
    "relu": lambda s: np.maximum(s, 0),
    "sigmoid": lambda s: 1 / (1 + np.exp(-s)),
    "hard_sigmoid": lambda s: np.clip(s / 6 + 0.5, 0, 1),
    "hard_sigmoid_old": lambda s: np.clip(s / 5 + 0.5, 0, 1),
    "tanh": np.tanh,
}


def plain_gates(layer: Any, x: np.ndarray, states: Any = (), mask: np.ndarray | None = None) -> Any:
    """What ``layer.gates(x, states, mask)`` is."""
    if isinstance(layer, Bidirectional):
        half = len(states) // 2
        return {
            "forward": plain_gates(layer.forward_layer, x, states[:half], mask),
            "backward": plain_gates(layer.backward_layer, x, states[half:], mask),
        }
    if isinstance(layer, RNN) and not isinstance(layer.cell, StackedRNNCells):
        return _run(layer.cell._layer, layer.go_backwards, x, states, mask)
    return _run(layer, layer.go_backwards, x, states, mask)


def _run(layer: Any, go_backwards: bool, x: np.ndarray, states: Any, mask: np.ndarray | None) -> dict[str, np.ndarray]:
    step = {GRU: _gru, LSTM: _lstm, SimpleRNN: _simple_rnn}[type(layer)]
    weights = [weight.numpy().astype("float64") for weight in layer.weights]
    x = x.astype("float64")
    count = 2 if isinstance(layer, LSTM) else 1
    before = [np.zeros((len(x), layer.units)) for _ in range(count)] if not len(states) else [*states]
    steps: dict[int, dict[str, np.ndarray]] = {}
    for t in reversed(range(x.shape[1])) if go_backwards else range(x.shape[1]):
        values, after = step(layer, weights, x[:, t], *before)
        if mask is not None:
            after = [np.where(mask[:, t, None], new, old) for new, old in zip(after, before, strict=True)]
        steps[t] = {**values, **dict(zip(("state", "cell"), after, strict=False))}
        before = after
    return {name: np.stack([steps[t][name] for t in range(x.shape[1])], axis=1) for name in layer.gate_names}


def _activations(layer: Any) -> tuple[Any, Any]:
    return ACTIVATIONS[layer.activation.name], ACTIVATIONS[layer.recurrent_activation.name]


def _gru(layer: Any, weights: Any, x: np.ndarray, h: np.ndarray) -> Any:
    kernel, recurrent, *bias = weights
    a, f = _activations(layer)
    units = layer.units
    b = np.zeros((2, 3 * units))
    if bias:
        b[: 2 if layer.reset_after else 1] = bias[0]
    of_x, of_h = x @ kernel + b[0], h @ recurrent + b[1]
    z = f(of_x[:, :units] + of_h[:, :units])
    r = f(of_x[:, units : 2 * units] + of_h[:, units : 2 * units])
    if layer.reset_after:
        g = a(of_x[:, 2 * units :] + r * of_h[:, 2 * units :])
    else:
        g = a(of_x[:, 2 * units :] + (r * h) @ recurrent[:, 2 * units :])
    return {"update": z, "reset": r, "candidate": g}, [z * h + (1 - z) * g]


def _lstm(layer: Any, weights: Any, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> Any:
    kernel, recurrent, *bias = weights
    a, f = _activations(layer)
    i, r, g, o = np.split(x @ kernel + h @ recurrent + (bias[0] if bias else 0), 4, axis=1)
    i, r, g, o = f(i), f(r), a(g), f(o)
    c = r * c + i * g
    return {"input": i, "forget": r, "candidate": g, "output": o}, [o * a(c), c]


def _simple_rnn(layer: Any, weights: Any, x: np.ndarray, h: np.ndarray) -> Any:
    kernel, recurrent, *bias = weights
    a, _ = _activations(layer)
    return {}, [a(x @ kernel + h @ recurrent + (bias[0] if bias else 0))]


def assert_gates_agree(ours: Any, plain: Any, atol: float = 1e-5) -> None:
    assert list(ours) == list(plain)
    for name, values in plain.items():
        if isinstance(values, dict):
            assert_gates_agree(ours[name], values, atol)
        else:
            np.testing.assert_allclose(ours[name], values, rtol=atol, atol=atol, err_msg=name)
