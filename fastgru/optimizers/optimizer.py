"""What all optimizers share: options, clipping, the state and its way into files.

All parameters of a model are one flat array, and so is each kind of state an optimizer keeps, so an update is one
compiled pass over them (`fastgru/kernels/optimizers.pxi`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import numpy as np
import numpy.typing as npt

from fastgru import kernels, threads
from fastgru.checks import real_numbers
from fastgru.layers.weight import Weight
from fastgru.naming import unique_name
from fastgru.parameters import Parameters
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KIND", "Optimizer", "OptimizerOptions"]

KIND = "keras.optimizers"


class OptimizerOptions(TypedDict, total=False):
    """The keyword arguments that every optimizer takes, see `Optimizer`; ``decay`` is ignored, as in Keras 3."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None
    decay: float | None


class Optimizer:
    """Base of the optimizers.

    Parameters
    ----------
    learning_rate : float
    weight_decay : float, optional
        Every update first takes ``weight_decay * learning_rate`` of each weight away.
    clipnorm : float, optional
        Longest gradient of a single weight array.
    clipvalue : float, optional
        Largest absolute value in a gradient.
    global_clipnorm : float, optional
        Longest gradient of all weights as one vector. Only one of the three can be set.
    use_ema, loss_scale_factor, gradient_accumulation_steps
        Refused when set: not supported.
    ema_momentum, ema_overwrite_frequency
        For the config alone; without effect as `use_ema` is refused.
    name : str, optional

    Raises
    ------
    ValueError
        An argument out of its range, unknown, or not supported.
    """

    #: names of the arrays of state of each weight; the names of one group alternate in Keras's files
    _slot_groups: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("decay", None) is not None:
            warnings.warn(f"{type(self).__name__}: the argument 'decay' is ignored, as in Keras 3.", stacklevel=3)
        if kwargs:
            raise ValueError(f"{type(self).__name__}: unrecognized arguments {sorted(kwargs)}.")
        for argument, value in {
            "use_ema": use_ema,
            "loss_scale_factor": loss_scale_factor,
            "gradient_accumulation_steps": gradient_accumulation_steps,
        }.items():
            if value:
                raise ValueError(f"{type(self).__name__}: {argument}={value!r} is not supported by fastgru.")
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        if sum(value is not None for value in clips.values()) > 1:
            raise ValueError(f"{type(self).__name__}: only one of clipnorm, clipvalue and global_clipnorm can be set.")
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{type(self).__name__}: expected name to be a string, got {name!r}.")
        self.name = name or unique_name(type(self).__name__)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.iterations = 0
        self._weights: list[Weight] | None = None
        self._slots: dict[str, Array] = {}

    @property
    def learning_rate(self) -> float:
        """The learning rate; rounded to float32, as Keras keeps it."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if callable(value) or isinstance(value, Mapping):
            described = value.get("class_name") if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(
                f"{type(self).__name__}: the learning rate schedule {described!r} is not supported by fastgru; "
                "give a float, or use the callback LearningRateScheduler."
            )
        try:
            rate = float(np.float32(value))
        except (TypeError, ValueError):
            rate = math.nan
        if isinstance(value, str | bool) or not math.isfinite(rate):
            raise ValueError(f"{type(self).__name__}: expected a float as learning_rate, got {value!r}.")
        self._learning_rate = rate

    @property
    def built(self) -> bool:
        """Whether `build` has made the state."""
        return self._weights is not None

    def build(self, parameters: Parameters) -> None:
        """Make the state for these parameters, or go on with that made for the same weights before.

        Raises
        ------
        ValueError
            The optimizer was built for other weights.
        """
        if self._weights is not None:
            if self._weights != parameters.weights:
                raise ValueError(
                    f"Optimizer {self.name!r} was built for other weights; compile the model with a new optimizer."
                )
            return
        names = [name for group in self._slot_groups for name in group if self._keeps(name)]
        self._slots = {name: np.zeros_like(parameters.values) for name in names}
        self._weights = list(parameters.weights)  # last: an interrupted build is done again

    def apply(self, parameters: Parameters) -> None:
        """One update of all parameters from their gradients, which clipping changes in place."""
        self.build(parameters)
        self._clip(parameters)
        decay = (self.weight_decay or 0.0) * self._learning_rate
        self._update(kernels.module(parameters.values.dtype), parameters, decay, threads.get_num_threads())
        for index, weight in enumerate(parameters.weights):
            if weight.constraint is not None:
                view = parameters.updated_views[index]
                view[...] = weight.constraint(view)
        parameters.publish()
        self.iterations += 1

    def _keeps(self, slot: str) -> bool:
        """Whether the options need this state."""
        return True

    def _update(self, compiled: Any, parameters: Parameters, decay: float, n_threads: int) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not define an update.")

    def _clip(self, parameters: Parameters) -> None:
        if self.clipnorm and self.clipnorm > 0:
            for gradient in parameters.views(parameters.gradients):
                gradient *= self.clipnorm / max(_norm(gradient), self.clipnorm)
        elif self.global_clipnorm and self.global_clipnorm > 0:
            norm = _norm(parameters.gradients)
            # an infinite norm makes everything NaN, as in Keras, where scaling alone would hide it
            parameters.gradients *= self.global_clipnorm / max(norm, self.global_clipnorm) + (norm - norm)
        elif self.clipvalue and self.clipvalue > 0:
            np.clip(parameters.gradients, -self.clipvalue, self.clipvalue, out=parameters.gradients)

    # --- state in and out of files ----------------------------------------------------------------

    def variables(self) -> list[tuple[str, Array]]:
        """Names and values of the state in the order in which Keras saves it: iteration, learning rate, then slots."""
        saved: list[tuple[str, Array]] = [
            ("iteration", np.asarray(self.iterations, "int64")),
            ("learning_rate", np.asarray(self._learning_rate, "float32")),
        ]
        saved += ((f"{weight.path.replace('/', '_')}_{slot}", view) for weight, slot, view in self._saved_slots())
        return saved

    def set_variables(self, values: Sequence[npt.ArrayLike]) -> None:
        """Replace the state by arrays in the order of `variables`, or nothing where one does not fit (ValueError)."""
        variables = self.variables()
        arrays = [real_numbers(value, f"Optimizer {self.name!r}, a variable") for value in values]
        if len(arrays) != len(variables):
            raise ValueError(f"Optimizer {self.name!r}: expected {len(variables)} variables, got {len(arrays)}.")
        for (name, value), array in zip(variables, arrays, strict=True):
            if array.shape != value.shape:
                raise ValueError(
                    f"Optimizer {self.name!r}, variable {name!r}: expected shape {value.shape}, got {array.shape}."
                )
        iterations = int(arrays[0])
        self.learning_rate = float(arrays[1])  # refuses what is no rate, before anything is changed
        self.iterations = iterations
        for (_, _, view), array in zip(self._saved_slots(), arrays[2:], strict=True):
            view[...] = array

    def _saved_slots(self) -> list[tuple[Weight, str, Array]]:
        weights = self._weights or []
        ends = np.cumsum([weight.value.size for weight in weights])[:-1]
        # views made anew: a copied optimizer has slots of its own
        views = {slot: np.split(flat, ends) for slot, flat in self._slots.items()}
        return [
            (weight, slot, views[slot][index].reshape(weight.shape))
            for group in self._slot_groups
            for index, weight in enumerate(weights)
            for slot in group
            if slot in views
        ]

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config."""
        return {
            "name": self.name,
            "learning_rate": self._learning_rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": False,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": None,
            "gradient_accumulation_steps": None,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The optimizer that `get_config` described."""
        return cls(**config)


def _norm(gradient: Array) -> float:
    # not np.dot: BLAS may cut it by the number of threads, and the bits with it
    return math.sqrt(float(np.square(gradient).sum()))
