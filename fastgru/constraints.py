"""What weights are turned into after every update, with Keras's names and configs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from fastgru import checks
from fastgru.config import epsilon
from fastgru.moved import attributes
from fastgru.registry import Identifier, registered, resolve
from fastgru.serialization import serialize_keras_object
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

KIND = "keras.constraints"
Axes = int | list[int] | tuple[int, ...]


class Constraint:
    """Base of all constraints: an array in, the nearest allowed array of the same shape and dtype out."""

    def __call__(self, w: Array) -> Array:
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The constraint that `get_config` described."""
        return cls(**config)


def _norms(w: Array, axis: Axes) -> Array:
    norms: Array = np.sqrt(np.square(w).sum(axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=True))
    return norms


@registered(KIND)
class NonNeg(Constraint):
    """Negative numbers become 0."""

    def __call__(self, w: Array) -> Array:
        return np.maximum(w, 0)


@registered(KIND)
class MinMaxNorm(Constraint):
    """Norms along `axis` are moved towards [min_value, max_value], all the way for a `rate` of 1."""

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: Axes = 0,
    ) -> None:
        name = type(self).__name__
        self.min_value = checks.not_negative(min_value, name, "min_value")
        self.max_value = checks.not_negative(max_value, name, "max_value")
        self.rate = checks.rate(rate, name, "rate")
        if min_value > max_value:
            raise ValueError(f"{name}: min_value must be at most max_value, got {min_value!r} and {max_value!r}.")
        checks.axes(axis, name, "axis")
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        norms = _norms(w, self.axis)
        desired = self.rate * np.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


@registered(KIND)
class MaxNorm(MinMaxNorm):
    """Norms along `axis` are cut at `max_value`."""

    def __init__(self, max_value: float = 2, axis: Axes = 0) -> None:
        super().__init__(0.0, max_value, 1.0, axis)

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


@registered(KIND)
class UnitNorm(Constraint):
    """Norms along `axis` become 1."""

    def __init__(self, axis: Axes = 0) -> None:
        checks.axes(axis, type(self).__name__, "axis")
        self.axis = axis

    def __call__(self, w: Array) -> Array:
        return w / (epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class FunctionConstraint(Constraint):
    """A constraint made of a function from an array to an array."""

    def __init__(self, function: Callable[[Array], Any]) -> None:
        self.function = function

    def __call__(self, w: Array) -> Array:
        return np.asarray(self.function(w), dtype=w.dtype)

    def get_config(self) -> dict[str, Any]:
        raise ValueError("Constraint: a function cannot be written to a config; give a Constraint.")


max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm


@overload
def get(identifier: None, custom_objects: Mapping[str, Any] | None = None) -> None: ...
@overload
def get(identifier: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Constraint: ...
def get(identifier: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Constraint | None:
    """The constraint for a Keras name, config, class, function, or itself; None for None.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    constraint = resolve(identifier, KIND, custom_objects)
    return constraint if constraint is None or isinstance(constraint, Constraint) else FunctionConstraint(constraint)


def serialize(constraint: Constraint | None) -> Any:
    """Keras 3's JSON form of a constraint."""
    return serialize_keras_object(constraint)


def deserialize(config: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Constraint | None:
    """The constraint that `serialize` described; its name stands for it, too. ValueError as for `get`."""
    return get(config, custom_objects)


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)
