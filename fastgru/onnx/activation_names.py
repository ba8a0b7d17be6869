"""How ONNX's recurrent operators and Keras's layers call the same functions."""

from __future__ import annotations

from collections.abc import Sequence

from fastgru.naming import suggestion

__all__ = ["ONNX_DEFAULTS", "keras_name", "onnx_name"]

#: alpha and beta where a node does not say them, of those functions that have them
ONNX_DEFAULTS: dict[str, tuple[float, ...]] = {
    "Affine": (1.0, 0.0), "Elu": (1.0,), "HardSigmoid": (0.2, 0.5), "LeakyRelu": (0.01,), "ScaledTanh": (1.0, 1.0),
    "ThresholdedRelu": (1.0,),
}  # fmt: skip
_NAMES: dict[tuple[str, tuple[float, ...]], str] = {
    ("Affine", (1.0, 0.0)): "linear",
    ("Elu", (1.0,)): "elu",
    ("HardSigmoid", (0.2, 0.5)): "hard_sigmoid_old",
    ("HardSigmoid", (0.166667, 0.5)): "hard_sigmoid",
    ("LeakyRelu", (0.2,)): "leaky_relu",
    ("Relu", ()): "relu",
    ("ScaledTanh", (1.0, 1.0)): "tanh",
    ("Sigmoid", ()): "sigmoid",
    ("Softplus", ()): "softplus",
    ("Softsign", ()): "softsign",
    ("Tanh", ()): "tanh",
    ("ThresholdedRelu", (0.0,)): "relu",
}
_KNOWN = {name.lower(): name for name, _ in _NAMES}
_EXACT = {"hard_sigmoid": ("HardSigmoid", (1 / 6, 0.5)), "tanh": ("Tanh", ()), "relu": ("Relu", ())}
_OF_KERAS = {**{keras: key for key, keras in _NAMES.items()}, **_EXACT}


def keras_name(name: str, settings: Sequence[float]) -> str:
    """Keras's name of a function with its alpha and beta; ValueError where fastgru's recurrent layers have none."""
    known = _KNOWN.get(name.lower())
    if known is None:
        raise ValueError(f"its activation {name!r} is not known; {suggestion(name, _KNOWN.values())}")
    keras = _NAMES.get((known, tuple(round(one, 6) for one in settings)))
    if keras is None:
        raise ValueError(f"its activation {name} has alpha and beta {list(settings)}, with which Keras has none")
    return keras


def onnx_name(name: str) -> tuple[str, tuple[float, ...]] | None:
    """ONNX's name of an activation of Keras's, with its alpha and beta; None where a recurrent node knows none."""
    return _OF_KERAS.get(name)
