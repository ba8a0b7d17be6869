"""Nadam (Dozat, 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastgru.layers.weight import Weight
from fastgru.optimizers.moments import Moments
from fastgru.optimizers.optimizer import KIND
from fastgru.optimizers.stretch import Numbers
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["Nadam"]


@registered(KIND)
class Nadam(Moments):
    """Adam with Nesterov's momentum, which rises with the steps (Dozat, 2015)::

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)
        u_t = beta_1 (1 - 0.96^t / 2);   U_t = u_1 u_2 ... u_t
        w -= learning_rate (u_t+1 m / (1 - U_t+1) + (1 - u_t) g / (1 - U_t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float
    **kwargs
        See `Optimizer`.
    """

    _rule = "nadam"

    def _new_state(self, weights: Sequence[Weight]) -> tuple[dict[str, Array], list[OptimizerVariable]]:
        slots, variables = super()._new_state(weights)
        one = np.ones(1, weights[0].dtype if weights else "float32")
        self._u_product = OptimizerVariable(one, "variable", "variable")  # Keras gives it no name
        return slots, [*variables, self._u_product]

    def _momentum(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def _numbers(self, rate: float, step: int) -> Numbers:
        now, then = self._momentum(step), self._momentum(step + 1)
        product = float(self._u_product) * now
        self._u_product.assign(product)
        return {
            "rate": rate * then / (1 - product * then),
            "gradient_rate": rate * (1 - now) / (1 - product),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "correction": 1 / (1 - self.beta_2**step),
        }
