"""Adamax (Kingma and Ba, 2014)."""

from __future__ import annotations

from fastgru.optimizers.moments import Moments
from fastgru.optimizers.optimizer import KIND
from fastgru.optimizers.stretch import Numbers
from fastgru.registry import registered

__all__ = ["Adamax"]


@registered(KIND)
class Adamax(Moments):
    """Adam by the largest gradients in the place of the mean of their squares (Kingma and Ba, 2014, section 7)::

        m += (1 - beta_1) (g - m)
        u  = max(beta_2 u, |g|)
        w -= learning_rate / (1 - beta_1^t) m / (u + epsilon)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("momentum", "norm"),)
    _rule = "adamax"
    _arrays = ("momentum", "norm", None)

    def _numbers(self, rate: float, step: int) -> Numbers:
        rate /= 1 - self.beta_1**step
        return {"rate": rate, "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
