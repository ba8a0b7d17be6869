"""All trainable weights of a model in one contiguous array, their gradients in another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.layers.layer import Weight

Array = npt.NDArray[Any]


class Parameters:
    """Moves weights into one array, so that an optimizer's update is one pass over it.

    Parameters
    ----------
    weights : iterable of Weight
        All of one dtype; one that occurs twice is moved once. From then on every ``weight.value`` and
        ``weight.gradient`` is a view into `values` and `gradients`.

    Attributes
    ----------
    weights : list of Weight
    values, gradients : (n,) ndarray
        Numbers and gradients of all weights, one weight after the other.

    Raises
    ------
    ValueError
        The weights are not all of one dtype.
    """

    __slots__ = ("_gradient_views", "_value_views", "gradients", "values", "weights")

    def __init__(self, weights: Iterable[Weight]) -> None:
        self.weights = list(dict.fromkeys(weights))
        dtypes = sorted({weight.dtype for weight in self.weights})
        if len(dtypes) > 1:
            raise ValueError(f"Parameters: expected weights of one dtype, got {' and '.join(dtypes)}.")
        size = sum(weight.value.size for weight in self.weights)
        self.values = np.empty(size, dtypes[0] if dtypes else "float32")
        self.gradients = np.zeros_like(self.values)
        self._value_views = self.views(self.values)
        self._gradient_views = self.views(self.gradients)
        self.take()

    def take(self) -> None:
        """Move in what is not here: at first everything, later what another model that shares a layer took over."""
        for weight, value, gradient in zip(self.weights, self._value_views, self._gradient_views, strict=True):
            if weight.value is not value:
                value[...] = weight.value
                weight.value = value
            weight.gradient = gradient

    def views(self, flat: Array) -> list[Array]:
        """The parts of a flat array of this layout, one for each weight and of its shape."""
        parts = []
        start = 0
        for weight in self.weights:
            stop = start + weight.value.size
            parts.append(flat[start:stop].reshape(weight.shape))
            start = stop
        return parts

    def zero_gradients(self) -> None:
        """Set all gradients to 0."""
        self.gradients.fill(0)

    def holds(self, weights: Sequence[Weight]) -> bool:
        """Whether these are the weights, and their values and gradients still the views into these arrays.

        Another model that shares a layer may have taken its weights over.
        """
        return list(dict.fromkeys(weights)) == self.weights and all(
            weight.value is value and weight.gradient is gradient
            for weight, value, gradient in zip(self.weights, self._value_views, self._gradient_views, strict=True)
        )
