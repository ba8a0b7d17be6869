"""Activations that have options or weights, as layers: ReLU, LeakyReLU, ELU, PReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import activations, constraints, initializers, regularizers
from fastgru.layers.activations.activation import ActivationLayer
from fastgru.layers.layer import Array, Call, Layer, Shape
from fastgru.registry import registered, serialize


def _not_negative(layer: Layer, argument: str, value: Any) -> None:
    if value is None or not value >= 0:
        raise ValueError(f"{type(layer).__name__} {layer.name!r}: {argument} must be at least 0, got {value!r}.")


@registered("keras.layers")
class ReLU(ActivationLayer):
    """``min(x, max_value)`` above the threshold, ``negative_slope * (x - threshold)`` below.

    Parameters
    ----------
    max_value : float, optional
        At least 0; None is no limit.
    negative_slope, threshold : float
        At least 0.
    """

    activation = activations.relu

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if max_value is not None:
            _not_negative(self, "max_value", max_value)
        _not_negative(self, "negative_slope", negative_slope)
        _not_negative(self, "threshold", threshold)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold

    def options(self) -> dict[str, Any]:
        given = {"max_value": self.max_value, "negative_slope": self.negative_slope, "threshold": self.threshold}
        return {} if given == {"max_value": None, "negative_slope": 0, "threshold": 0} else given

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


@registered("keras.layers")
class LeakyReLU(ActivationLayer):
    """x above zero, ``negative_slope * x`` below.

    Parameters
    ----------
    negative_slope : float
        At least 0. Keras's older name for it, `alpha`, is accepted.
    """

    activation = activations.leaky_relu

    def __init__(self, negative_slope: float = 0.3, *, alpha: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = negative_slope if alpha is None else alpha
        _not_negative(self, "negative_slope", self.negative_slope)

    def options(self) -> dict[str, Any]:
        return {"negative_slope": self.negative_slope}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


@registered("keras.layers")
class ELU(ActivationLayer):
    """x above zero, ``alpha * (exp(x) - 1)`` below.

    Parameters
    ----------
    alpha : float
    """

    activation = activations.elu

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha

    def options(self) -> dict[str, Any]:
        return {} if self.alpha == 1 else {"alpha": self.alpha}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


@registered("keras.layers")
class PReLU(Layer):
    """x above zero, ``alpha * x`` below, with a weight `alpha` for every place in a sample.

    Parameters
    ----------
    alpha_initializer : str, dict or Initializer
        For `alpha`, of the input's shape without the batch axis and with 1 in the shared axes.
    alpha_regularizer, alpha_constraint : optional
    shared_axes : int or list of int, optional
        Axes, counted from 1, whose places share their weights.
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if axes is None else list(axes)

    def build(self, input_shape: Shape) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            if not 1 <= axis < len(input_shape):
                raise ValueError(
                    f"PReLU {self.name!r}: shared_axes must lie from 1 to {len(shape)} for input of shape "
                    f"{tuple(input_shape)}, got {axis}."
                )
            shape[axis - 1] = 1
        sizes = tuple(size for size in shape if size is not None)
        if len(sizes) < len(shape):
            raise ValueError(
                f"PReLU {self.name!r}: all axes that are not in shared_axes must be known to build it, "
                f"got {tuple(input_shape)}."
            )
        self.alpha = self.add_weight(
            "alpha", sizes, self.alpha_initializer, self.alpha_regularizer, self.alpha_constraint
        )
        self.built = True

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        sizes = inputs[0].shape[1:]
        shape = self.alpha.shape
        if len(sizes) != len(shape) or any(
            size != known and axis not in (self.shared_axes or ())
            for axis, (size, known) in enumerate(zip(sizes, shape, strict=True), 1)
        ):
            raise ValueError(
                f"PReLU {self.name!r}: input of shape {inputs[0].shape} does not fit alpha of shape {shape}."
            )

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["x"] = x
        # y = max(x, 0) + alpha min(x, 0)
        y = np.minimum(x, 0, out=call.buffer("y", x.shape, self.dtype))
        y *= self.alpha.value
        y += np.maximum(x, 0, out=call.buffer("above", x.shape, self.dtype))
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        x, alpha = call.saved["x"], self.alpha
        if alpha.gradient is not None:
            d = np.minimum(x, 0, out=call.buffer("above", x.shape, self.dtype))
            d *= dy
            alpha.gradient += d.sum(axis=(0, *(self.shared_axes or ())), keepdims=True)[0]
        if not call.input_gradient:
            return None
        positive = x > 0
        dx = np.multiply(dy, alpha.value, out=call.buffer("dx", x.shape, self.dtype))
        dx *= ~positive
        dx += np.multiply(dy, positive, out=call.buffer("above", x.shape, self.dtype))
        return dx

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha_initializer": serialize(self.alpha_initializer),
            "alpha_regularizer": serialize(self.alpha_regularizer),
            "alpha_constraint": serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }
