"""Penalties on weights that are added to the loss, with Keras's names and configs, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from fastgru import config
from fastgru.moved import attributes
from fastgru.registry import Identifier, registered, resolve
from fastgru.serialization import serialize_keras_object
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

KIND = "keras.regularizers"


class Regularizer:
    """Base of all regularizers: `__call__` gives the penalty of an array, `gradient` its derivative."""

    def __call__(self, w: Array) -> float:
        return 0.0

    def gradient(self, w: Array) -> Array:
        """Derivative of the penalty by every number of `w`."""
        raise ValueError(f"{type(self).__name__}: cannot train with a regularizer that does not define gradient(w).")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal regularizer."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_config.")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The regularizer that `get_config` described."""
        return cls(**config)


def _factor(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= float(value) < math.inf:
        raise ValueError(f"Regularizer: expected a finite number of at least 0 as {name}, got {value!r}.")
    return float(value)


@registered(KIND)
class L1L2(Regularizer):
    """``l1 * sum(abs(w)) + l2 * sum(w ** 2)``."""

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor(l1 or 0.0, "l1")
        self.l2 = _factor(l2 or 0.0, "l2")

    def __call__(self, w: Array) -> float:
        return self.l1 * float(np.abs(w).sum()) + self.l2 * float(np.square(w).sum())

    def gradient(self, w: Array) -> Array:
        gradient: Array = 2 * self.l2 * w
        if self.l1:
            gradient += self.l1 * np.sign(w)
        return gradient

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


@registered(KIND)
class L1(L1L2):
    """``l1 * sum(abs(w))``."""

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(l1=0.01 if l1 is None else l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


@registered(KIND)
class L2(L1L2):
    """``l2 * sum(w ** 2)``."""

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(l2=0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


@registered(KIND)
class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean absolute cosine between different rows (or columns) of a matrix."""

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor(factor, "factor")
        if mode not in ("rows", "columns"):
            raise ValueError(
                f'Invalid value for argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'
            )
        self.mode = mode

    def _cosines(self, w: Array) -> tuple[Array, Array, Array, float]:
        """Unit vectors as rows, one over their lengths, the off-diagonal products, and factor / number of pairs."""
        if w.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer: expected a matrix, got shape {w.shape}.")
        vectors = w if self.mode == "rows" else w.T
        lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
        scale = 1 / np.maximum(lengths, np.asarray(config.epsilon(), w.dtype))
        units = vectors * scale
        cosines = units @ units.T
        np.fill_diagonal(cosines, 0)
        size = len(vectors)
        return units, scale, cosines, self.factor / (size * (size - 1) / 2)

    def __call__(self, w: Array) -> float:
        _, _, cosines, weight = self._cosines(w)
        return weight * 0.5 * float(np.abs(cosines).sum())

    def gradient(self, w: Array) -> Array:
        units, scale, cosines, weight = self._cosines(w)
        d_units = weight * (np.sign(cosines) @ units)
        # u = v / |v|:  dv = (du - u (u . du)) / |v|
        d_vectors: Array = scale * (d_units - units * (units * d_units).sum(axis=1, keepdims=True))
        return d_vectors if self.mode == "rows" else d_vectors.T

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


class FunctionRegularizer(Regularizer):
    """A regularizer made of a function of an array; it has no gradient."""

    def __init__(self, function: Callable[[Array], Any]) -> None:
        self.function = function

    def __call__(self, w: Array) -> float:
        return float(self.function(w))


l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer


@overload
def get(identifier: None, custom_objects: Mapping[str, Any] | None = None) -> None: ...
@overload
def get(identifier: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Regularizer: ...
def get(identifier: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Regularizer | None:
    """The regularizer for a Keras name, config, class, function, or itself; None for None.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    penalty = resolve(identifier, KIND, custom_objects)
    return penalty if penalty is None or isinstance(penalty, Regularizer) else FunctionRegularizer(penalty)


def serialize(regularizer: Regularizer | None) -> Any:
    """Keras 3's JSON form of a regularizer."""
    return serialize_keras_object(regularizer)


def deserialize(config: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Regularizer | None:
    """The regularizer that `serialize` described; its name stands for it, too. ValueError as for `get`."""
    return get(config, custom_objects)


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)
