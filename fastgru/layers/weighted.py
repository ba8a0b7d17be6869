"""Who has weights: how they are made, listed and replaced."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import constraints, initializers, regularizers
from fastgru.checks import real_numbers
from fastgru.layers.variable import Variable
from fastgru.layers.weight import Weight, capture, publish
from fastgru.types import Array

__all__ = ["Weighted", "unfilled_weights"]

_SHAPE_FIRST = ("shape", "initializer", "dtype", "trainable", "autocast", "regularizer", "constraint", "aggregation",
                "overwrite_with_gradient", "name")  # fmt: skip
_NAME_FIRST = ("name", "shape", "initializer", "regularizer", "constraint", "trainable")
_HELD = ("name", "dtype", "initializer", "trainable", "regularizer", "constraint")

_filled = ContextVar("filled", default=True)
_capacity: ContextVar[list[int] | None] = ContextVar("capacity", default=None)


def _unique(weights: list[Weight]) -> list[Weight]:
    """Each weight once, where it comes first: a layer may stand in two models, one inside the other."""
    return list({id(weight): weight for weight in weights}.values())


@contextmanager
def unfilled_weights(limit: int | None = None) -> Iterator[None]:
    """Inside, new weights are zeros and nothing is drawn from the random stream: their numbers come from a file.

    ValueError, before memory is taken, where the new weights are more than `limit` numbers in all.
    """
    before = _filled.set(False), _capacity.set(None if limit is None else [limit])
    try:
        yield
    finally:
        _filled.reset(before[0])
        _capacity.reset(before[1])


class Weighted:
    """Base of `Layer`: the weights of a layer and of the layers inside it."""

    name: str
    dtype: str
    built: bool
    _building = False  # whether the `build` of a class of one's own runs, which may call those of its bases
    _trainable: bool
    _weights: list[Weight]
    own_weights: Any  # of this layer, without those inside; `OwnLayer` has them

    def add_variable(
        self,
        shape: Any,
        initializer: Any,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str = "variable",
    ) -> Weight:
        """`add_weight` with Keras's other name and order of arguments."""
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, dtype=dtype, trainable=trainable, autocast=autocast,
            regularizer=regularizer, constraint=constraint,
        )  # fmt: skip

    def add_weight(self, *arguments: Any, **options: Any) -> Weight:
        """Create a weight, in the order in which Keras lists them.

        Parameters
        ----------
        shape : tuple of int
            ``()`` where absent.
        initializer : str, dict or callable, optional
            "glorot_uniform" where absent, "zeros" for integers.
        dtype : str, optional
            The layer's where absent.
        trainable, autocast : bool
        regularizer, constraint : optional
        aggregation, overwrite_with_gradient
            In Keras's signature; without effect.
        name : str, optional
            May also come first, as in Keras 2.

        Raises
        ------
        ValueError
            The layer is built already.
        """
        order = _NAME_FIRST if arguments and isinstance(arguments[0], str) else _SHAPE_FIRST
        named = {**dict(zip(order, arguments, strict=False)), **options}
        unknown = named.keys() - {*_SHAPE_FIRST}
        if unknown or len(arguments) > len(order):
            raise ValueError(
                f"Layer {self.name!r}, add_weight: unrecognized arguments {sorted(unknown) or arguments!r}."
            )
        sizes = named.get("shape")
        shape = () if sizes is None else (sizes,) if isinstance(sizes, int) else tuple(sizes)
        return self._new_weight(shape, **{name: named.get(name) for name in _HELD})

    def _new_weight(
        self,
        shape: tuple[int, ...],
        name: str | None,
        dtype: Any,
        initializer: Any,
        trainable: bool | None,
        regularizer: Any,
        constraint: Any,
    ) -> Weight:
        name = name or (f"variable_{len(self._weights)}" if self._weights else "variable")
        if self.built and not self._building:
            raise ValueError(f"Layer {self.name!r} is built already and takes no further weight {name!r}.")
        capacity = _capacity.get()
        if capacity is not None:
            capacity[0] -= math.prod(shape)
            if capacity[0] < 0:
                raise ValueError(
                    f"Layer {self.name!r}: its weight {name!r} of shape {shape} is larger than what the file holds."
                )
        kind = np.dtype(dtype or self.dtype)
        usual = "glorot_uniform" if kind.kind == "f" else "zeros"
        first = initializers.get(initializer or usual if _filled.get() else "zeros")
        value = np.asarray(first(shape, dtype=kind.name), order="C")
        weight = Variable(value, trainable=trainable is not False, name=name)
        weight.path = f"{self.name}/{name}"
        weight.regularizer, weight.constraint = regularizers.get(regularizer), constraints.get(constraint)
        self._weights.append(weight)
        return weight

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.sublayers:
            layer.trainable = self._trainable

    @property
    def sublayers(self) -> Sequence[Weighted]:
        """The layers inside this one (none, but for models and wrappers)."""
        return []

    @property
    def weights(self) -> list[Weight]:
        """All weights in Keras's order, each once."""
        return _unique([*self.own_weights, *(weight for layer in self.sublayers for weight in layer.weights)])

    @property
    def trainable_weights(self) -> list[Weight]:
        if not self.trainable:
            return []
        trained = [weight for weight in self.own_weights if weight.trainable]
        return _unique(trained + [weight for layer in self.sublayers for weight in layer.trainable_weights])

    @property
    def non_trainable_weights(self) -> list[Weight]:
        trained = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trained]

    def get_weights(self) -> list[Array]:
        """Copies of all weights, of one version."""
        return [value.copy() for value in capture(self.weights)[1].values()]

    def set_weights(self, weights: Sequence[npt.ArrayLike]) -> None:
        """Replace all weights, or none where a number or a shape does not fit."""
        targets = self.weights
        weights = list(weights)
        if len(weights) != len(targets):
            raise ValueError(f"Layer {self.name!r}: expected {len(targets)} weight arrays, got {len(weights)}.")
        arrays = [
            real_numbers(new, f"Layer {self.name!r}, weight {weight.name!r}")
            for weight, new in zip(targets, weights, strict=True)
        ]
        for weight, new in zip(targets, arrays, strict=True):
            if new.shape != weight.shape:
                raise ValueError(
                    f"Layer {self.name!r}, weight {weight.name!r}: expected shape {weight.shape}, got {new.shape}."
                )
        publish({weight: np.array(new, weight.dtype, order="C") for weight, new in zip(targets, arrays, strict=True)})

    def count_params(self) -> int:
        """Number of numbers in the weights."""
        if not self.built:
            raise ValueError(
                f"Layer {self.name!r} is not built yet and has no weights to count; call it on data or build it."
            )
        return sum(weight.value.size for weight in self.weights)
