"""Gradient descent, with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru import checks
from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.optimizers.stretch import Numbers
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
    _rule = "sgd"
    _arrays = ("momentum", None, None)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if not 0 <= checks.number(momentum, type(self).__name__, "momentum") <= 1:
            raise ValueError(f"{type(self).__name__}: `momentum` must be a float between [0, 1], got {momentum!r}.")
        self.momentum = float(momentum)
        self.nesterov = checks.flag(nesterov, type(self).__name__, "nesterov")

    def _keeps(self, slot: str) -> bool:
        return self.momentum != 0

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {"rate": rate, "momentum": self.momentum, "nesterov": self.nesterov}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
