"""Activations that have options or weights, as layers: ReLU, LeakyReLU, ELU, PReLU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import activations, checks
from fastgru.checks import is_not_negative
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.activations.activation import ActivationLayer
from fastgru.layers.layer import Layer
from fastgru.layers.options import ConstraintLike, InitializerLike, LayerOptions, RegularizerLike
from fastgru.layers.workspace import Call
from fastgru.moved import attributes
from fastgru.registry import registered
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ELU", "LeakyReLU", "PReLU", "ReLU"]


def _limit(value: Any, where: str, name: str) -> Any:
    if value is not None and not is_not_negative(value):
        raise ValueError(
            f"{where}: {name} of a ReLU layer cannot be a negative value; {name} must be at least 0, got {value!r}."
        )
    return value


def _of_relu(value: Any, where: str, name: str) -> Any:
    if not is_not_negative(value):
        raise ValueError(
            f"{where}: {name} of a ReLU layer cannot be None or a negative value; {name} must be at least 0, "
            f"got {value!r}."
        )
    return value


def _of_leaky_relu(value: Any, where: str, name: str) -> Any:
    if value is None:
        raise ValueError(
            f"{where}: The {name} value of a Leaky ReLU layer cannot be None; {name} must be at least 0, got None."
        )
    return checks.not_negative(value, where, name)


def _shared_axes(value: Any, where: str, name: str) -> list[int] | None:
    if value is None:
        return None
    axes = checks.axes(value, where, name)
    return [axes] if isinstance(axes, int) else axes


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

    max_value: float | None = options.option(_limit)
    negative_slope: float = options.option(_of_relu)
    threshold: float = options.option(_of_relu)

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def options(self) -> dict[str, Any]:
        settings = {"max_value": self.max_value, "negative_slope": self.negative_slope, "threshold": self.threshold}
        return {} if settings == {"max_value": None, "negative_slope": 0, "threshold": 0} else settings


@registered("keras.layers")
class LeakyReLU(ActivationLayer):
    """x above zero, ``negative_slope * x`` below.

    Parameters
    ----------
    negative_slope : float
        At least 0. Keras's older name for it, `alpha`, is accepted.
    """

    activation = activations.leaky_relu

    negative_slope: float = options.option(_of_leaky_relu)

    def __init__(
        self, negative_slope: float = 0.3, *, alpha: float | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**kwargs)
        self._set_options({"negative_slope": negative_slope if alpha is None else alpha})

    def options(self) -> dict[str, Any]:
        return {"negative_slope": self.negative_slope}


@registered("keras.layers")
class ELU(ActivationLayer):
    """x above zero, ``alpha * (exp(x) - 1)`` below.

    Parameters
    ----------
    alpha : float
    """

    activation = activations.elu

    alpha: float = options.number()

    def __init__(self, alpha: float = 1.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def options(self) -> dict[str, Any]:
        return {} if self.alpha == 1 else {"alpha": self.alpha}


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

    alpha_initializer: Initializer = options.initializer()
    alpha_regularizer: Regularizer | None = options.regularizer()
    alpha_constraint: Constraint | None = options.constraint()
    shared_axes: list[int] | None = options.option(_shared_axes)

    def __init__(
        self,
        alpha_initializer: InitializerLike = "zeros",
        alpha_regularizer: RegularizerLike = None,
        alpha_constraint: ConstraintLike = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def build(self, input_shape: Shape) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            if not 1 <= axis < len(input_shape):
                raise ValueError(
                    f"{self._where}: shared_axes must lie from 1 to {len(shape)} for input of shape "
                    f"{tuple(input_shape)}, got {axis}."
                )
            shape[axis - 1] = 1
        sizes = tuple(size for size in shape if size is not None)
        if len(sizes) < len(shape):
            raise ValueError(
                f"{self._where}: all axes that are not in shared_axes must be known to build it, "
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
            size != weights and axis not in (self.shared_axes or ())
            for axis, (size, weights) in enumerate(zip(sizes, shape, strict=True), 1)
        ):
            raise ValueError(f"{self._where}: input of shape {inputs[0].shape} does not fit alpha of shape {shape}.")

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        call.saved["x"] = x
        # y = max(x, 0) + alpha min(x, 0)
        y = np.minimum(x, 0, out=call.buffer("y", x.shape, self.dtype))
        y *= call.value(self.alpha)
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
        dx = np.multiply(dy, call.value(alpha), out=call.buffer("dx", x.shape, self.dtype))
        dx *= ~positive
        dx += np.multiply(dy, positive, out=call.buffer("above", x.shape, self.dtype))
        return dx


__getattr__ = attributes(__name__)
