"""What an optimizer remembers: its variables, in Keras's order and under its names, and their way into files.

All weights of a model are one flat array, and so is each kind of state that an optimizer keeps of them: the variables
are its parts.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru import initializers
from fastgru.checks import real_numbers
from fastgru.layers.weight import Weight
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.types import Array

__all__ = ["OptimizerState"]


class OptimizerState:
    """The variables of an optimizer.

    Attributes
    ----------
    name : str
    built : bool
        Whether `build` has made the state.
    """

    #: names of the arrays of state of each weight; the names of one group alternate in Keras's files
    _slot_groups: ClassVar[tuple[tuple[str, ...], ...]] = ()

    _learning_rate: OptimizerVariable | Callable[..., Any]

    def __init__(self, name: str) -> None:
        self.name = name
        self._count = np.zeros(1, "int64")
        self._iterations = OptimizerVariable(self._count, "iteration", f"{name}/iteration")
        self._weights: list[Weight] | None = None
        self._starts: dict[Weight, int] = {}
        self._slots: dict[str, Array] = {}
        self._slot_variables: list[OptimizerVariable] = []
        self._added: list[OptimizerVariable] = []

    @property
    def built(self) -> bool:
        return self._weights is not None

    @property
    def variables(self) -> list[OptimizerVariable]:
        """In Keras's order: iteration, learning rate (where no schedule sets it), then what is kept of each weight."""
        rate = self._learning_rate
        head = [self._iterations, rate] if isinstance(rate, OptimizerVariable) else [self._iterations]
        return [*head, *self._slot_variables, *self._added]

    def build(self, variables: Sequence[Weight]) -> None:
        """Make the state for these weights, or go on with that made for the same weights before.

        Raises
        ------
        ValueError
            The optimizer was built for other weights.
        """
        weights = list(variables)
        if self._weights is not None:
            self.prepare(weights)
            return
        sizes = [weight.value.size for weight in weights]
        self._starts = dict(zip(weights, np.cumsum([0, *sizes]).tolist(), strict=False))
        self._slots, self._slot_variables = self._new_state(weights)
        self._weights = weights  # last: an interrupted build is done again

    def prepare(self, weights: Sequence[Weight]) -> None:
        """`build` for these weights where that has not been done; a ValueError where it was done for others."""
        if self._weights is None:
            self.build(weights)
        elif self._weights != list(weights):
            raise ValueError(
                f"Optimizer {self.name!r} was built for other weights; compile the model with a new optimizer."
            )

    @property
    def slot_groups(self) -> list[tuple[str, ...]]:
        """The names of the arrays that are kept of each weight; those of one group alternate in Keras's files."""
        return [slots for group in self._slot_groups if (slots := tuple(filter(self._keeps, group)))]

    def _keeps(self, slot: str) -> bool:
        """Whether the options need this state."""
        return True

    def _has(self, weight: Weight, slot: str) -> bool:
        """Whether a state that the options need is kept of that weight, too."""
        return True

    def _new_state(self, weights: Sequence[Weight]) -> tuple[dict[str, Array], list[OptimizerVariable]]:
        """The flat arrays by name, and the variables in Keras's order."""
        slots = {slot: self._initial(slot, weights) for group in self.slot_groups for slot in group}
        variables = [
            self._part(slots[slot], slot, weight)
            for group in self.slot_groups
            for weight in weights
            for slot in group
            if self._has(weight, slot)
        ]
        return slots, variables

    def _initial(self, slot: str, weights: Sequence[Weight]) -> Array:
        """(n,) ndarray: what a state begins with."""
        return np.zeros(sum(weight.value.size for weight in weights), weights[0].dtype if weights else "float32")

    def _part(self, flat: Array, slot: str, weight: Weight) -> OptimizerVariable:
        """The part of a flat array that belongs to a weight."""
        name = f"{weight.path.replace('/', '_')}_{slot}"
        return OptimizerVariable(flat, name, f"{self.name}/{name}", weight.shape, self._starts[weight])

    # --- for optimizers of one's own --------------------------------------------------------------------

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> OptimizerVariable:
        """Another variable of the optimizer, which is saved with it.

        Parameters
        ----------
        shape : sequence of int
        initializer : str or Initializer
        dtype : str, optional
            "float32" where absent.
        aggregation, layout
            Accepted for Keras's sake: they are of training on several devices.
        name : str, optional
        """
        dtype = {None: "float32", "float": "float32", "int": "int64"}.get(dtype, dtype)
        values = np.array(initializers.get(initializer)(tuple(shape), dtype), dtype)
        name = name or "variable"
        variable = OptimizerVariable(values.reshape(-1), name, f"{self.name}/{name}", tuple(shape))
        self._added.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> OptimizerVariable:
        """A variable of the shape and dtype of a weight, named after it."""
        name = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, name=name)

    def add_optimizer_variables(self, trainable_variables: Sequence[Any], name: Any, initializer: Any = "zeros") -> Any:
        """A variable for each weight: a list of them, or for several names a tuple of lists."""
        names = [name] if isinstance(name, str) else list(name)
        several = isinstance(initializer, (list, tuple))
        starts = list(initializer) if several else [initializer] * len(names)
        if len(names) != len(starts):
            raise ValueError(
                f"Optimizer {self.name!r}: expected an initializer for each name, got {len(starts)} for {len(names)}."
            )
        rows = [
            [self.add_variable_from_reference(weight, *one) for one in zip(names, starts, strict=True)]
            for weight in trainable_variables
        ]
        lists = tuple([row[index] for row in rows] for index in range(len(names)))
        return lists[0] if isinstance(name, str) else lists

    def assign(self, variable: Any, value: npt.ArrayLike) -> None:
        """Replace the numbers of a variable."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: npt.ArrayLike) -> None:
        """Add to the numbers of a variable."""
        variable.assign(np.asarray(variable) + np.asarray(value))

    def assign_sub(self, variable: Any, value: npt.ArrayLike) -> None:
        """Subtract from the numbers of a variable."""
        variable.assign(np.asarray(variable) - np.asarray(value))

    # --- in and out of files ----------------------------------------------------------------------------

    def set_variables(self, values: Sequence[npt.ArrayLike]) -> None:
        """Replace the state by arrays in the order of `variables`, or nothing where one does not fit (ValueError)."""
        variables = self.variables
        arrays = [real_numbers(value, f"Optimizer {self.name!r}, a variable") for value in values]
        if len(arrays) != len(variables):
            raise ValueError(f"Optimizer {self.name!r}: expected {len(variables)} variables, got {len(arrays)}.")
        for variable, array in zip(variables, arrays, strict=True):
            if array.shape != variable.shape:
                raise ValueError(
                    f"Optimizer {self.name!r}, variable {variable.name!r}: expected shape {variable.shape}, got "
                    f"{array.shape}."
                )
            if variable.name == "learning_rate" and not math.isfinite(array):
                raise ValueError(f"Optimizer {self.name!r}: expected a float as learning_rate, got {float(array)}.")
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def set_weights(self, weights: Sequence[npt.ArrayLike]) -> None:
        """`set_variables` of an optimizer that is built.

        Raises
        ------
        ValueError
            The optimizer is not built, or an array does not fit.
        """
        if not self.built:
            raise ValueError(
                f"You are calling set_weights() on the optimizer {self.name!r} before it is built; call "
                "optimizer.build(trainable_variables) first."
            )
        self.set_variables(weights)

    def save_own_variables(self, store: Any) -> None:
        """Write the state into a mapping or a group of HDF5, under "0", "1", ... in the order of `variables`."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the state that `save_own_variables` wrote; a warning where it has another number of variables."""
        if len(store) != len(self.variables):
            warnings.warn(
                f"Optimizer {self.name!r}: its variables are not loaded, for it has {len(self.variables)} of them and "
                f"{len(store)} were saved; build it first.",
                stacklevel=2,
            )
            return
        self.set_variables([np.asarray(store[str(index)]) for index in range(len(store))])
