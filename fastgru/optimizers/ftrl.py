"""Follow the regularized leader (McMahan et al., 2013)."""

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

__all__ = ["Ftrl"]


@registered(KIND)
class Ftrl(Optimizer):
    """Follow the regularized leader, for sparse weights (McMahan et al., 2013)::

        v' = v + g^2;   p = -learning_rate_power
        z += g + 2 l2_shrinkage w - (v'^p - v^p) / learning_rate w;   v = v'
        w  = (clip(z, -l1, l1) - z) / (v^p / learning_rate + 2 l2 + beta / learning_rate)

    Parameters
    ----------
    learning_rate : float
    learning_rate_power : float
        At most 0; 0 for a fixed learning rate.
    initial_accumulator_value : float
        What v begins with.
    l1_regularization_strength, l2_regularization_strength : float
    l2_shrinkage_regularization_strength : float
        Takes from the gradients, where the other two take from the weights.
    beta : float
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("accumulator", "linear"),)
    _rule = "ftrl"
    _arrays = ("linear", "accumulator", None)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if checks.number(learning_rate_power, "Ftrl", "learning_rate_power") > 0:
            raise ValueError(
                "`learning_rate_power` needs to be negative or zero. Received: "
                f"learning_rate_power={learning_rate_power}."
            )
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        for name, value in self._strengths().items():
            if checks.number(value, "Ftrl", name) < 0:
                raise ValueError(f"`{name}` needs to be positive or zero. Received: {name}={value}.")

    def _strengths(self) -> dict[str, float]:
        return {
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }

    def _initial(self, slot: str, weights: Sequence[Weight]) -> Array:
        values = super()._initial(slot, weights)
        return np.full_like(values, self.initial_accumulator_value) if slot == "accumulator" else values

    def _numbers(self, rate: float, step: int) -> Numbers:
        if rate == 0:
            raise ValueError("Ftrl: it divides by its learning rate, which has become 0; end its schedule above.")
        return {
            "rate": rate,
            "power": -self.learning_rate_power,
            "l1": self.l1_regularization_strength,
            "l2": self.l2_regularization_strength + self.beta / (2 * rate),
            "shrinkage": self.l2_shrinkage_regularization_strength,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "learning_rate_power": self.learning_rate_power, **self._strengths()}
