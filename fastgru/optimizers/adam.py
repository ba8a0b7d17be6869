"""Adam (Kingma and Ba, 2014)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.parameters import Parameters
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Adam"]


@registered(KIND)
class Adam(Optimizer):
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

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def _keeps(self, slot: str) -> bool:
        return slot != "velocity_hat" or self.amsgrad

    def _update(self, compiled: Any, parameters: Parameters, decay: float, n_threads: int) -> None:
        step = self.iterations + 1
        rate = self._learning_rate * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        compiled.adam(
            parameters.values,
            parameters.updated,
            parameters.gradients,
            self._slots["momentum"],
            self._slots["velocity"],
            self._slots.get("velocity_hat"),
            rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            decay,
            n_threads,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }
