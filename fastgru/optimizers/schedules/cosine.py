"""Schedules that fall as a cosine does (Loshchilov and Hutter, 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import checks
from fastgru.optimizers.schedules.schedule import KIND, LearningRateSchedule, float32, scalar, steps_of_decay
from fastgru.registry import registered

__all__ = ["CosineDecay", "CosineDecayRestarts"]


def _cosine(passed: Any) -> Any:
    """From 1 to 0 while `passed` goes from 0 to 1."""
    return float32(0.5) * (1 + np.cos(float32(np.pi) * passed))


@registered(KIND)
class CosineDecay(LearningRateSchedule):
    """Half a cosine, after a linear rise where there is a `warmup_target` (Loshchilov and Hutter, 2016).

    Parameters
    ----------
    initial_learning_rate : float
        Where the rate begins.
    decay_steps : int
        Updates that the fall takes.
    alpha : float
        Fraction of the highest rate at which the fall ends.
    name : str
    warmup_target : float, optional
        Where the rise ends and the fall begins.
    warmup_steps : int
        Updates that the rise takes.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = scalar(initial_learning_rate, type(self).__name__, "initial_learning_rate")
        self.decay_steps = steps_of_decay(decay_steps, "CosineDecay")
        self.alpha = scalar(alpha, type(self).__name__, "alpha")
        self.name = checks.text(name, type(self).__name__, "name")
        self.warmup_steps = checks.not_negative(warmup_steps, type(self).__name__, "warmup_steps")
        self.warmup_target = checks.optional(scalar)(warmup_target, type(self).__name__, "warmup_target")

    def __call__(self, step: Any) -> Any:
        steps, start = float32(step), float32(self.initial_learning_rate)
        if self.warmup_target is None:
            return start * self._decayed(steps)
        warmup_steps, top = float32(self.warmup_steps), float32(self.warmup_target)
        rising = (top - start) * (steps / np.maximum(warmup_steps, 1)) + start
        return np.where(steps < warmup_steps, rising, top * self._decayed(steps - warmup_steps))[()]

    def _decayed(self, steps: Any) -> Any:
        decay_steps = float32(self.decay_steps)
        passed = np.minimum(steps, decay_steps) / decay_steps
        return (1 - float32(self.alpha)) * _cosine(passed) + float32(self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


@registered(KIND)
class CosineDecayRestarts(LearningRateSchedule):
    """One half cosine after the other (SGDR, Loshchilov and Hutter, 2016).

    Parameters
    ----------
    initial_learning_rate : float
    first_decay_steps : int
        Updates that the first fall takes.
    t_mul, m_mul : float
        Each fall takes `t_mul` times as many as the one before, and begins at `m_mul` times its height.
    alpha : float
        Fraction of the initial rate at which a fall ends.
    name : str
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = scalar(initial_learning_rate, type(self).__name__, "initial_learning_rate")
        self.first_decay_steps = steps_of_decay(first_decay_steps, "CosineDecayRestarts", "first_decay_steps")
        self.t_mul = checks.positive(t_mul, type(self).__name__, "t_mul")
        self.m_mul = checks.not_negative(m_mul, type(self).__name__, "m_mul")
        self.alpha = scalar(alpha, type(self).__name__, "alpha")
        self.name = checks.text(name, type(self).__name__, "name")

    def __call__(self, step: Any) -> Any:
        passed, t_mul, alpha = float32(step) / float32(self.first_decay_steps), float32(self.t_mul), float32(self.alpha)
        if t_mul == 1:
            restarts = np.floor(passed)
            passed = passed - restarts
        else:
            # after r restarts 1 + t_mul + ... + t_mul^(r - 1) = (1 - t_mul^r) / (1 - t_mul) first falls have passed
            restarts = np.floor(np.log(1 - passed * (1 - t_mul)) / np.log(t_mul))
            passed = (passed - (1 - t_mul**restarts) / (1 - t_mul)) / t_mul**restarts
        falling = float32(self.m_mul) ** restarts * _cosine(passed)
        return float32(self.initial_learning_rate) * ((1 - alpha) * falling + alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }
