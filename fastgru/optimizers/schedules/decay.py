"""Schedules that fall as a power or as the inverse of the number of updates."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import checks
from fastgru.optimizers.schedules.schedule import KIND, LearningRateSchedule, float32, scalar, steps_of_decay
from fastgru.registry import registered

__all__ = ["ExponentialDecay", "InverseTimeDecay"]


class _Decay(LearningRateSchedule):
    """What the two share: the time, in units of `decay_steps`, and their arguments."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = scalar(initial_learning_rate, type(self).__name__, "initial_learning_rate")
        self.decay_steps = steps_of_decay(decay_steps, type(self).__name__)
        self.decay_rate = scalar(decay_rate, type(self).__name__, "decay_rate")
        self.staircase = checks.flag(staircase, type(self).__name__, "staircase")
        where = type(self).__name__
        self.name = checks.optional(checks.text)(name, where, "name") or where

    def _time(self, step: Any) -> Any:
        time = float32(step) / float32(self.decay_steps)
        return np.floor(time) if self.staircase else time

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@registered(KIND)
class ExponentialDecay(_Decay):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate, decay_rate : float
    decay_steps : int
    staircase : bool
        Let the rate fall once in `decay_steps` updates, and not with each.
    name : str, optional
    """

    def __call__(self, step: Any) -> Any:
        return float32(self.initial_learning_rate) * float32(self.decay_rate) ** self._time(step)


@registered(KIND)
class InverseTimeDecay(_Decay):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate, decay_rate : float
    decay_steps : int
    staircase : bool
        Let the rate fall once in `decay_steps` updates, and not with each.
    name : str, optional
    """

    def __call__(self, step: Any) -> Any:
        return float32(self.initial_learning_rate) / (1 + float32(self.decay_rate) * self._time(step))
