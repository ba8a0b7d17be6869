"""SGD, RMSprop and Adam as Keras has them: its names, defaults, configs and saved variables.

All parameters of a model are one flat array, and so is each kind of state an optimizer keeps, so an update is one
compiled pass over them (`fastgru/kernels/optimizers.pxi`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru import kernels, threads
from fastgru.checks import real_numbers
from fastgru.layers.weight import Weight
from fastgru.naming import unique_name
from fastgru.parameters import Parameters
from fastgru.registry import deserialize, known, registered
from fastgru.types import Array

KIND = "keras.optimizers"


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
        Longest gradient of all weights together. Only one of the three can be set.
    use_ema, loss_scale_factor, gradient_accumulation_steps
        Refused when set: not supported.
    ema_momentum, ema_overwrite_frequency
        Kept for the config; without effect as `use_ema` is refused.
    name : str, optional

    Raises
    ------
    ValueError
        An argument out of its range, unknown, or not supported.
    """

    #: names of the state kept for each weight; the names of one group alternate in Keras's files
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
        self._weights = list(parameters.weights)
        for name in (name for group in self._slot_groups for name in group if self._keeps(name)):
            self._slots[name] = np.zeros_like(parameters.values)

    def apply(self, parameters: Parameters) -> None:
        """One update of all parameters from their gradients, which clipping changes in place."""
        self.build(parameters)
        self._clip(parameters)
        decay = (self.weight_decay or 0.0) * self._learning_rate
        self._update(kernels.module(parameters.values.dtype), parameters, decay, threads.get_num_threads())
        for weight, view in zip(parameters.weights, parameters.updated_views, strict=True):
            if weight.constraint is not None:
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
        own = self.variables()
        arrays = [real_numbers(value, f"Optimizer {self.name!r}, a variable") for value in values]
        if len(arrays) != len(own):
            raise ValueError(f"Optimizer {self.name!r}: expected {len(own)} variables, got {len(arrays)}.")
        for (name, value), array in zip(own, arrays, strict=True):
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
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The optimizer that `get_config` described."""
        return cls(**config)


def _norm(gradient: Array) -> float:
    # not np.dot: BLAS may cut it by the number of threads, and the bits with it
    return math.sqrt(float(np.square(gradient).sum()))


@registered(KIND)
class SGD(Optimizer):
    """Gradient descent::

        w -= learning_rate g                                  momentum 0
        m  = momentum m - learning_rate g;  w += m            with momentum
        m  as above;  w += momentum m - learning_rate g       with Nesterov's

    Parameters
    ----------
    learning_rate : float
    momentum : float
        From 0 to 1.
    nesterov : bool
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("momentum",),)

    def __init__(
        self, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if not 0 <= momentum <= 1:
            raise ValueError(f"SGD: expected a momentum from 0 to 1, got {momentum!r}.")
        self.momentum = float(momentum)
        self.nesterov = nesterov

    def _keeps(self, slot: str) -> bool:
        return self.momentum != 0

    def _update(self, compiled: Any, parameters: Parameters, decay: float, n_threads: int) -> None:
        compiled.sgd(
            parameters.values,
            parameters.updated,
            parameters.gradients,
            self._slots.get("momentum"),
            self._learning_rate,
            self.momentum,
            self.nesterov,
            decay,
            n_threads,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


@registered(KIND, "rmsprop")
class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients (Hinton, 2012)::

        v  = rho v + (1 - rho) g^2
        a  = rho a + (1 - rho) g                                   centered; else a = 0
        m  = momentum m + learning_rate g / sqrt(v - a^2 + epsilon)
        w -= m

    Parameters
    ----------
    learning_rate, rho, momentum, epsilon : float
    centered : bool
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("velocity",), ("momentum",), ("average_gradient",))

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def _keeps(self, slot: str) -> bool:
        return {"velocity": True, "momentum": self.momentum > 0, "average_gradient": self.centered}[slot]

    def _update(self, compiled: Any, parameters: Parameters, decay: float, n_threads: int) -> None:
        compiled.rmsprop(
            parameters.values,
            parameters.updated,
            parameters.gradients,
            self._slots["velocity"],
            self._slots.get("momentum"),
            self._slots.get("average_gradient"),
            self._learning_rate,
            self.rho,
            self.momentum,
            self.epsilon,
            decay,
            n_threads,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }


@registered(KIND)
class Adam(Optimizer):
    """Running means of gradients and their squares, with their bias taken out (Kingma and Ba, 2014)::

        m += (1 - beta_1) (g - m)
        v += (1 - beta_2) (g^2 - v)                       amsgrad: the largest v so far below
        w -= learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    Parameters
    ----------
    learning_rate, beta_1, beta_2, epsilon : float
    amsgrad : bool
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("momentum", "velocity"), ("velocity_hat",))

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def _keeps(self, slot: str) -> bool:
        return slot != "velocity_hat" or self.amsgrad

    def _update(self, compiled: Any, parameters: Parameters, decay: float, n_threads: int) -> None:
        step = self.iterations + 1
        rate = self._learning_rate * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        compiled.adam(
            parameters.values,
            parameters.updated,
            parameters.gradients,
            self._slots["momentum"],
            self._slots["velocity"],
            self._slots.get("velocity_hat"),
            rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            decay,
            n_threads,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }


def get(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Optimizer:
    """The optimizer for a Keras name (in any case), config, class, or itself.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    if isinstance(identifier, str):
        identifier = {"class_name": identifier}
    if isinstance(identifier, Mapping):
        name = identifier.get("class_name")
        exact = {name.lower(): name for name in known(KIND)}.get(str(name).lower(), name)
        identifier = deserialize({**identifier, "class_name": exact}, KIND, custom_objects)
    if isinstance(identifier, type):
        identifier = identifier()
    if not isinstance(identifier, Optimizer):
        raise ValueError(f"Optimizer: expected a name, a config or an Optimizer, got {identifier!r}.")
    return identifier
