"""Adam (Kingma and Ba, 2014)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastgru import checks
from fastgru.optimizers.moments import Moments
from fastgru.optimizers.optimizer import KIND, OptimizerOptions
from fastgru.optimizers.stretch import Numbers
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Adam", "adam_rate"]


def adam_rate(rate: float, beta_1: float, beta_2: float, step: int) -> float:
    """The learning rate with the bias of both means taken out."""
    return rate * math.sqrt(1 - beta_2**step) / (1 - beta_1**step)


@registered(KIND)
class Adam(Moments):
    """Running means of gradients and their squares, with their bias taken out (Kingma and Ba, 2014)::

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)                       amsgrad: the largest v so far below
        w -= learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float
    amsgrad : bool
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("momentum", "velocity"), ("velocity_hat",))
    _rule = "adam"
    _arrays = ("momentum", "velocity", "velocity_hat")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, *args, **kwargs)
        self.amsgrad = checks.flag(amsgrad, type(self).__name__, "amsgrad")

    def _keeps(self, slot: str) -> bool:
        return slot != "velocity_hat" or self.amsgrad

    def _numbers(self, rate: float, step: int) -> Numbers:
        rate = adam_rate(rate, self.beta_1, self.beta_2, step)
        return {"rate": rate, "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "amsgrad": self.amsgrad}
