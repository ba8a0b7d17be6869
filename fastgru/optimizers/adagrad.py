"""Adagrad (Duchi et al., 2011)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers.weight import Weight
from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.optimizers.stretch import Numbers
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Adagrad"]


@registered(KIND)
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far (Duchi et al., 2011)::

        v += g^2
        w -= learning_rate g / sqrt(v + epsilon)

    Parameters
    ----------
    learning_rate : float
    initial_accumulator_value : float
        What v begins with.
    epsilon : float
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("accumulator",),)
    _rule = "adagrad"
    _arrays = (None, "accumulator", None)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.initial_accumulator_value = checks.not_negative(
            initial_accumulator_value, type(self).__name__, "initial_accumulator_value"
        )
        self.epsilon = checks.not_negative(epsilon, type(self).__name__, "epsilon")

    def _initial(self, slot: str, weights: Sequence[Weight]) -> Array:
        values = super()._initial(slot, weights)
        return np.full_like(values, self.initial_accumulator_value) if slot == "accumulator" else values

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {"rate": rate, "epsilon": self.epsilon}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
