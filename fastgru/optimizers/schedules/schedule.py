"""What all learning rate schedules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, registry

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KIND", "LearningRateSchedule", "deserialize", "float32", "scalar", "serialize", "steps_of_decay"]

KIND = "keras.optimizers.schedules"


class LearningRateSchedule:
    """Base of the schedules: a learning rate that depends on the number of updates so far.

    A schedule of one's own defines `__call__`, and `get_config` so that files can hold it.
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate after `step` updates."""
        raise NotImplementedError(
            f"Learning rate schedule {type(self).__name__!r} does not define __call__(self, step)."
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        raise NotImplementedError(
            f"Learning rate schedule {type(self).__name__!r} does not define get_config(), which saving it needs."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The schedule that `get_config` described."""
        return cls(**config)


def float32(value: npt.ArrayLike) -> Any:
    """A number, or an array of them, as Keras computes learning rates: where a step ends depends on the rounding."""
    return np.asarray(value).astype("float32")[()]


def scalar(value: Any, where: str, name: str) -> Any:
    """A number, or a variable or an array that holds one, as it is."""
    return value if getattr(value, "shape", None) == () else checks.number(value, where, name)


def steps_of_decay(value: Any, where: str, name: str = "decay_steps") -> Any:
    """A positive number, as it is."""
    if not isinstance(value, checks.NUMBERS) or not value > 0:
        raise ValueError(f"{where}: {name} must be greater than 0, got {value!r}.")
    return value


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Keras's JSON form of a schedule."""
    return registry.serialize(learning_rate_schedule)


def deserialize(config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The schedule that a JSON form describes, one of Keras's or of a class in `custom_objects`.

    Raises
    ------
    ValueError
        The name is unknown, or it is no such form.
    """
    return registry.deserialize(config, KIND, custom_objects)
