"""Adafactor (Shazeer and Stern, 2018)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, kernels
from fastgru.layers.weight import Weight
from fastgru.optimizers.optimizer import KIND, Optimizer, OptimizerOptions
from fastgru.optimizers.stretch import Numbers, Stretch
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Adafactor"]


@registered(KIND)
class Adafactor(Optimizer):
    """Steps by the root of mean squared gradients, of which rows and columns are kept (Shazeer and Stern, 2018)::

        beta = 1 - t^beta_2_decay
        r  = beta r + (1 - beta) mean of g^2 + epsilon_1 by rows;   c by columns
        v  = r / mean(r) c                        of weights with one axis: v = beta v + (1 - beta) (g^2 + epsilon_1)
        u  = g / sqrt(v)
        w -= max(epsilon_2, rms(w)) min(learning_rate, 1 / sqrt(t)) u / max(1, rms(u) / clip_threshold)

    Parameters
    ----------
    learning_rate : float
    beta_2_decay : float
    epsilon_1, epsilon_2, clip_threshold : float
    relative_step : bool
        For the config alone: in Keras, too, the step is the smaller one either way.
    **kwargs
        See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        *args: Any,
        **kwargs: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if checks.number(beta_2_decay, "Adafactor", "beta_2_decay") > 0:
            raise ValueError(f"Adafactor: beta_2_decay must be at most 0, got {beta_2_decay!r}.")
        if not checks.number(clip_threshold, "Adafactor", "clip_threshold") > 0:
            raise ValueError(f"Adafactor: clip_threshold must be greater than 0, got {clip_threshold!r}.")
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = checks.not_negative(epsilon_1, "Adafactor", "epsilon_1")
        self.epsilon_2 = checks.not_negative(epsilon_2, "Adafactor", "epsilon_2")
        self.clip_threshold = clip_threshold
        self.relative_step = checks.flag(relative_step, type(self).__name__, "relative_step")
        self._factors: dict[Weight, tuple[OptimizerVariable, OptimizerVariable]] = {}

    def _new_state(self, weights: Sequence[Weight]) -> tuple[dict[str, Array], list[OptimizerVariable]]:
        slots, variables = super()._new_state(weights)
        slots["velocity"] = self._initial("velocity", weights)
        factors = {weight: (self._factor(weight, -1), self._factor(weight, -2)) for weight in weights}
        for weight in weights:
            variables += [*factors[weight], self._part(slots["velocity"], "velocity", weight)]
        self._factors = factors
        return slots, variables

    def _factor(self, weight: Weight, axis: int) -> OptimizerVariable:
        """Zeros without an axis of the weight; of a weight with one axis a number that nobody reads, as in Keras."""
        if len(weight.shape) < 2:
            return OptimizerVariable(np.zeros(1, "int32"), weight.name, weight.name)
        sizes = list(weight.shape)
        del sizes[axis]
        numbers = np.zeros(math.prod(sizes), weight.value.dtype)
        return OptimizerVariable(numbers, weight.name, f"{self.name}/{weight.name}", tuple(sizes))

    def _alike(self, weight: Weight) -> Hashable:
        return weight  # each has rows and columns of its own

    def _numbers(self, rate: float, step: int) -> Numbers:
        return {"beta": 1 - step**self.beta_2_decay, "rate": min(rate, 1 / math.sqrt(step))}

    def _update(self, stretch: Stretch, rate: float, numbers: Numbers) -> None:
        rows: Array | None = None
        columns: Array | None = None
        if len(stretch.weight.shape) > 1:  # leading axes are so many matrices
            rows, columns = (factor.value.reshape(-1, factor.shape[-1]) for factor in self._factors[stretch.weight])
        kernels.module(stretch.values.dtype).adafactor(
            stretch.values,
            stretch.updated,
            stretch.gradients,
            stretch.slots["velocity"],
            rows,
            columns,
            stretch.decay,
            numbers["rate"],
            numbers["beta"],
            self.epsilon_1,
            self.epsilon_2,
            self.clip_threshold,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_2_decay": self.beta_2_decay,
            "epsilon_1": self.epsilon_1,
            "epsilon_2": self.epsilon_2,
            "clip_threshold": self.clip_threshold,
            "relative_step": self.relative_step,
        }
