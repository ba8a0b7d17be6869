"""RMSprop (Hinton, 2012)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.parameters import Parameters
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

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def _keeps(self, slot: str) -> bool:
        return {"velocity": True, "momentum": self.momentum > 0, "average_gradient": self.centered}[slot]

    def _update(self, compiled: Any, parameters: Parameters, decay: float, n_threads: int) -> None:
        compiled.rmsprop(
            parameters.values,
            parameters.updated,
            parameters.gradients,
            self._slots["velocity"],
            self._slots.get("momentum"),
            self._slots.get("average_gradient"),
            self._learning_rate,
            self.rho,
            self.momentum,
            self.epsilon,
            decay,
            n_threads,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
