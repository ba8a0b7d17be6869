"""Lamb (You et al., 2019)."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from fastgru.layers.weight import Weight
from fastgru.optimizers.clipping import norm
from fastgru.optimizers.moments import Moments
from fastgru.optimizers.optimizer import KIND
from fastgru.optimizers.stretch import Numbers, Stretch, run
from fastgru.registry import registered

__all__ = ["Lamb"]


@registered(KIND)
class Lamb(Moments):
    """Adam's direction at the length of each weight array (You et al., 2019)::

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        d  = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)
        w -= learning_rate |w| / |d| d                                  1 in the place of |w| / |d| where one is 0

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float
    **kwargs
        See `Optimizer`.
    """

    _rule = "lamb"

    def _alike(self, weight: Weight) -> Hashable:
        return weight  # each has a length of its own

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {
            "rate": 1 / (1 - self.beta_1**step),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "correction": 1 / (1 - self.beta_2**step),
        }

    def _update(self, stretch: Stretch, rate: float, numbers: Numbers) -> None:
        run(self._rule, stretch, self._arrays, numbers)
        direction, weights = stretch.updated, stretch.shrunk()
        scratch = stretch.gradients  # which are no longer needed
        length, length_of_direction = norm(weights, scratch), norm(direction, scratch)
        if length > 0 and length_of_direction > 0:
            rate *= length / length_of_direction
        direction *= rate
        np.subtract(weights, direction, out=stretch.updated)
