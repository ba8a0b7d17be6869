"""Adadelta (Zeiler, 2012)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru import checks
from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.optimizers.stretch import Numbers
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Adadelta"]


@registered(KIND)
class Adadelta(Optimizer):
    """Steps as long as the steps before were, beside as long as the gradients were (Zeiler, 2012)::

        v  = rho v + (1 - rho) g^2
        d  = sqrt(x + epsilon) / sqrt(v + epsilon) g
        x  = rho x + (1 - rho) d^2
        w -= learning_rate d

    Parameters
    ----------
    learning_rate, rho, epsilon : float
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("accumulated_grad", "accumulated_delta_var"),)
    _rule = "adadelta"
    _arrays = ("accumulated_delta_var", "accumulated_grad", None)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.rho = checks.rate(rho, type(self).__name__, "rho")
        self.epsilon = checks.not_negative(epsilon, type(self).__name__, "epsilon")

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {"rate": rate, "rho": self.rho, "epsilon": self.epsilon}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}
