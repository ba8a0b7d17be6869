"""Lion (Chen et al., 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru import checks
from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.optimizers.stretch import Numbers
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Lion"]


@registered(KIND)
class Lion(Optimizer):
    """Steps of one length in the direction of a running mean of the gradients (Chen et al., 2023)::

        w -= learning_rate sign(beta_1 m + (1 - beta_1) g)
        m  = beta_2 m + (1 - beta_2) g

    Parameters
    ----------
    learning_rate : float
    beta_1 : float
        Above 0, up to 1.
    beta_2 : float
        From 0 to 1.
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("momentum",),)
    _rule = "lion"
    _arrays = ("momentum", None, None)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if not 0 < checks.number(beta_1, "Lion", "beta_1") <= 1:
            raise ValueError(
                "Lion: Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates to SignSGD. "
                f"Received: beta_1={beta_1}."
            )
        self.beta_1 = beta_1
        self.beta_2 = checks.rate(beta_2, "Lion", "beta_2")

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {"rate": rate, "beta_1": self.beta_1, "beta_2": self.beta_2}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
