"""What Adam and its relatives share: running means of the gradients and of their squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fastgru import checks
from fastgru.optimizers.optimizer import Optimizer, OptimizerOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Moments"]


class Moments(Optimizer):
    """Base of Adam and its relatives.

    Parameters
    ----------
    learning_rate : float
    beta_1, beta_2 : float
        How much of a mean stays at a step, of the gradients and of their squares; from 0 to below 1.
    epsilon : float
        Keeps the step finite where there were no gradients.
    **kwargs
        See `Optimizer`.
    """

    _slot_groups: ClassVar[tuple[tuple[str, ...], ...]] = (("momentum", "velocity"),)
    _arrays: ClassVar[tuple[str | None, ...]] = ("momentum", "velocity", None)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        where = type(self).__name__
        self.beta_1 = checks.rate_below_one(beta_1, where, "beta_1")
        self.beta_2 = checks.rate_below_one(beta_2, where, "beta_2")
        self.epsilon = checks.not_negative(epsilon, where, "epsilon")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
