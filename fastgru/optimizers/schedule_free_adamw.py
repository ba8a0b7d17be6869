"""Schedule-free AdamW (Defazio et al., 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers.weight import Weight
from fastgru.optimizers.moments import Moments
from fastgru.optimizers.optimizer import KIND, OptimizerOptions
from fastgru.optimizers.stretch import Numbers
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ScheduleFreeAdamW"]


@registered(KIND)
class ScheduleFreeAdamW(Moments):
    """Adam that needs no falling learning rate, as it averages its weights (Defazio et al., 2024)::

        v += (1 - beta_2) (g^2 - v)
        x  = (w - (1 - beta_1) z) / beta_1                            the mean so far
        z -= learning_rate g / (sqrt(v / (1 - beta_2^t)) + epsilon)   z begins with the weights
        w  = beta_1 (x + (z - x) / t) + (1 - beta_1) z

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float
        beta_1 is above 0.
    warmup_steps : int
        Steps in which the learning rate rises from 0.
    **kwargs
        See `Optimizer`.
    """

    _rule = "schedule_free"

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, *args, **kwargs)
        if beta_1 == 0:
            raise ValueError("ScheduleFreeAdamW: beta_1 must lie above 0, got 0.")
        self.warmup_steps = checks.not_negative(warmup_steps, type(self).__name__, "warmup_steps")

    def _initial(self, slot: str, weights: Sequence[Weight]) -> Array:
        if slot == "momentum" and weights:
            return np.concatenate([weight.value.ravel() for weight in weights])
        return super()._initial(slot, weights)

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {
            "rate": rate * min(step / self.warmup_steps, 1.0) if self.warmup_steps else rate,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "correction": 1 / (1 - self.beta_2**step),
            "share": 1 / step,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "warmup_steps": self.warmup_steps}
