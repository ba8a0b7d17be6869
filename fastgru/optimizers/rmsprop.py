"""RMSprop (Hinton, 2012)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru import checks
from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.optimizers.stretch import Numbers
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RMSprop"]


@registered(KIND, "rmsprop")
class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients (Hinton, 2012)::

        v  = rho v + (1 - rho) g^2
        a  = rho a + (1 - rho) g                                   centered; else a = 0
        m  = momentum m + learning_rate g / sqrt(v - a^2 + epsilon)
        w -= m

    Parameters
    ----------
    learning_rate, rho, momentum, epsilon : float
    centered : bool
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("velocity",), ("momentum",), ("average_gradient",))
    _rule = "rmsprop"
    _arrays = ("momentum", "velocity", "average_gradient")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        where = type(self).__name__
        self.rho = checks.rate(rho, where, "rho")
        self.momentum = checks.rate(momentum, where, "momentum")
        self.epsilon = checks.not_negative(epsilon, where, "epsilon")
        self.centered = checks.flag(centered, type(self).__name__, "centered")

    def _keeps(self, slot: str) -> bool:
        return {"velocity": True, "momentum": self.momentum > 0, "average_gradient": self.centered}[slot]

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {"rate": rate, "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
