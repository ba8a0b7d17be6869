"""Gradient descent, with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.parameters import Parameters
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SGD"]


@registered(KIND)
class SGD(Optimizer):
    """Gradient descent::

        w -= learning_rate g                                  momentum 0
        m  = momentum m - learning_rate g;  w += m            with momentum
        m  as above;  w += momentum m - learning_rate g       with Nesterov's

    Parameters
    ----------
    learning_rate : float
    momentum : float
        From 0 to 1.
    nesterov : bool
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("momentum",),)

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if not 0 <= momentum <= 1:
            raise ValueError(f"SGD: expected a momentum from 0 to 1, got {momentum!r}.")
        self.momentum = float(momentum)
        self.nesterov = nesterov

    def _keeps(self, slot: str) -> bool:
        return self.momentum != 0

    def _update(self, compiled: Any, parameters: Parameters, decay: float, n_threads: int) -> None:
        compiled.sgd(
            parameters.values,
            parameters.updated,
            parameters.gradients,
            self._slots.get("momentum"),
            self._learning_rate,
            self.momentum,
            self.nesterov,
            decay,
            n_threads,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
