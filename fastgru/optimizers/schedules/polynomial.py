"""A schedule that falls as a polynomial."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import checks
from fastgru.optimizers.schedules.schedule import KIND, LearningRateSchedule, float32, scalar, steps_of_decay
from fastgru.registry import registered

__all__ = ["PolynomialDecay"]


@registered(KIND)
class PolynomialDecay(LearningRateSchedule):
    """From one rate to another: ``(initial - end) * (1 - step / decay_steps) ** power + end``.

    Parameters
    ----------
    initial_learning_rate, end_learning_rate : float
    decay_steps : int
        Where the rate stays at its end; with `cycle` it rises there and falls anew, to come to its end at the next
        multiple.
    power : float
    cycle : bool
    name : str
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = scalar(initial_learning_rate, type(self).__name__, "initial_learning_rate")
        self.decay_steps = steps_of_decay(decay_steps, "PolynomialDecay")
        self.end_learning_rate = scalar(end_learning_rate, type(self).__name__, "end_learning_rate")
        self.power = scalar(power, type(self).__name__, "power")
        self.cycle = checks.flag(cycle, type(self).__name__, "cycle")
        self.name = checks.text(name, "PolynomialDecay", "name")

    def __call__(self, step: Any) -> Any:
        steps, decay_steps, end = float32(step), float32(self.decay_steps), float32(self.end_learning_rate)
        if self.cycle:
            decay_steps = decay_steps * np.maximum(1, np.ceil(steps / decay_steps))
        passed = np.minimum(steps, decay_steps) / decay_steps
        return (float32(self.initial_learning_rate) - end) * (1 - passed) ** float32(self.power) + end

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }
