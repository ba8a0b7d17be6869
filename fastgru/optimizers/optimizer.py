"""What all optimizers share: options, the learning rate, and the doors through which gradients come in.

All parameters of a model are one flat array, and so is each kind of state an optimizer keeps, so an update is one
compiled pass over them (`fastgru/kernels/optimizers.pxi`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from fastgru import checks, distribution, registry
from fastgru.layers.weight import Weight
from fastgru.naming import unique_name
from fastgru.object_registration import custom_function, custom_objects_in_force
from fastgru.optimizers.schedules.schedule import LearningRateSchedule
from fastgru.optimizers.schedules.schedule import deserialize as deserialize_schedule
from fastgru.optimizers.step import OptimizerStep
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.parameters import Parameters

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


class Optimizer(OptimizerStep):
    """Base of the optimizers.

    An optimizer of one's own defines `update_step`, and `build` where it keeps something of each weight, as in Keras;
    `add_variable`, `add_variable_from_reference`, `assign`, `assign_add` and `assign_sub` are Keras's. It goes weight
    by weight in numpy: it is handed arrays, and variables that are computed with like arrays. Not as in Keras: the
    rules of fastgru's own optimizers are compiled for all weights together, so `super().update_step` of these is an
    error; and there is no `stateless_apply`, for nothing here is without a state.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        A schedule is asked with the number of updates so far, another function without an argument.
    weight_decay : float, optional
        Every update first takes ``weight_decay * learning_rate`` of each weight away.
    clipnorm : float, optional
        Longest gradient of a single weight array.
    clipvalue : float, optional
        Largest absolute value in a gradient.
    global_clipnorm : float, optional
        Longest gradient of all weights as one vector. Only one of the three can be set.
    use_ema : bool
        Keep a running mean of each weight, which `finalize_variable_values` puts in its place after training.
    ema_momentum : float
        Of the mean: ``mean = ema_momentum * mean + (1 - ema_momentum) * weight``.
    ema_overwrite_frequency : int, optional
        Put the means in the place of the weights after every that many updates.
    loss_scale_factor : float, optional
        What `scale_loss` multiplies a loss by, and `apply` divides gradients by. `fit` computes in the dtype of the
        weights, which needs no scale, and has gradients as they are.
    gradient_accumulation_steps : int, optional
        Update the weights once in that many steps, by the mean of their gradients.
    name : str, optional

    Raises
    ------
    ValueError
        An argument out of its range, or unknown.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
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
        where = type(self).__name__
        if kwargs.pop("decay", None) is not None:
            warnings.warn(f"{where}: the argument 'decay' is ignored, as in Keras 3.", stacklevel=3)
        if kwargs:
            hint = "; write learning_rate" if "lr" in kwargs else ""
            raise ValueError(f"{where}: unrecognized arguments {sorted(kwargs)}{hint}.")
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        set_clips = {name: value for name, value in clips.items() if value is not None}
        if len(set_clips) > 1:
            raise ValueError(
                f"{where}: Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set, got {set_clips}."
            )
        for argument, value in {"weight_decay": weight_decay, "loss_scale_factor": loss_scale_factor, **clips}.items():
            if value is not None:
                checks.not_negative(value, where, argument)
        if loss_scale_factor == 0:
            raise ValueError(f"{where}: loss_scale_factor must be greater than 0, got {loss_scale_factor!r}.")
        if (
            gradient_accumulation_steps
            and checks.integer_from_one(gradient_accumulation_steps, where, "gradient_accumulation_steps") < 2
        ):
            raise ValueError(
                f"{where}: gradient_accumulation_steps must be at least 2, got {gradient_accumulation_steps!r}."
            )
        if ema_overwrite_frequency is not None:
            checks.integer_from_one(ema_overwrite_frequency, where, "ema_overwrite_frequency")
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{where}: expected name to be a string, got {name!r}.")
        super().__init__(name or unique_name(where))
        self._learning_rate = self._rate_source(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = checks.flag(use_ema, where, "use_ema")
        self.ema_momentum = checks.rate(ema_momentum, where, "ema_momentum")
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self._parameters: Parameters | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_parameters": None}  # made again where it is needed

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_count" in state:
            self.__dict__.update(state)
            return
        # pickled by 0.1: a number in the place of each variable, and the state of weights in the same flat arrays
        options = {name: value for name, value in state.items() if name[0] != "_" and name != "iterations"}
        self.__init__(state["_learning_rate"], **options)  # type: ignore[misc]
        if state["_weights"] is not None:
            self.build(state["_weights"])
            for slot, flat in state["_slots"].items():
                self._slots[slot][...] = flat
            self._count[0] = state["iterations"]

    # --- the learning rate ------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """The learning rate, in float32 as Keras has it: a variable, or what a schedule says now."""
        rate = self._learning_rate
        return rate if isinstance(rate, OptimizerVariable) else np.float32(self._rate())

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule) and not callable(value):
            raise TypeError(
                f"{type(self).__name__}: This optimizer was created with a `LearningRateSchedule`: the schedule "
                f"{type(rate).__name__} sets its learning rate; assign another, or make the optimizer with a float."
            )
        new = self._rate_source(value)
        if isinstance(rate, OptimizerVariable) and isinstance(new, OptimizerVariable):
            rate.assign(new)
        else:
            self._learning_rate = new

    def _rate_source(self, value: Any) -> OptimizerVariable | Callable[..., Any]:
        if callable(value):
            return value
        try:
            rate = np.float32(value)
        except (TypeError, ValueError):
            rate = np.float32(math.nan)
        if isinstance(value, str | bool) or np.ndim(rate) or not math.isfinite(rate):
            raise ValueError(
                f"{type(self).__name__}: expected a float, a schedule or a function as learning_rate, got {value!r}."
            )
        return OptimizerVariable(np.array([rate]), "learning_rate", f"{self.name}/learning_rate")

    def _rate(self) -> float:
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return float(rate(int(self._count[0])))
        return float(rate if isinstance(rate, OptimizerVariable) else rate())

    # --- from gradients to weights ----------------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Weight]]) -> OptimizerVariable:
        """`apply` for pairs of a gradient and its weight; returns the number of steps so far."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [weight for _, weight in pairs])
        return self._iterations

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Weight] | None = None) -> None:
        """One update of weights by their gradients.

        Parameters
        ----------
        grads : list of array_like or None
            Of the shapes of the weights. One that is None leaves its weight alone, with a warning; no gradient at all
            leaves everything.
        trainable_variables : list of Weight, optional
            At the first call all weights; later those that the optimizer was built with, or some of them. Where absent,
            those it was built with.

        Raises
        ------
        ValueError
            The optimizer does not know the weights, a shape does not fit, or all gradients are None.
        """
        gradients = list(grads)
        if not gradients:
            return
        weights = self._weights_for(trainable_variables)
        self._check_gradients(gradients, weights)
        if self._parameters is None or not self._parameters.holds(self._weights or []):
            self._parameters = Parameters(self._weights or [])
        parameters = self._parameters
        parameters.gather()
        parameters.zero_gradients()
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient is not None and weight.gradient is not None:
                weight.gradient += gradient
        ranks = distribution.current()
        if ranks is not None and not ranks.is_summed:
            ranks.average(parameters.gradients)
        if self.loss_scale_factor:
            parameters.gradients /= self.loss_scale_factor
        present = {weight for weight, one in zip(weights, gradients, strict=True) if one is not None}
        self._step(parameters, present if len(present) < len(parameters.weights) else None)

    def _weights_for(self, trainable_variables: Iterable[Weight] | None) -> list[Weight]:
        """The weights that are named, for which the optimizer is built if it is not, else all."""
        if trainable_variables is not None:
            weights = list(trainable_variables)
            if not self.built:
                self.build(weights)
            return weights
        if self._weights is None:
            raise ValueError(
                f"Optimizer {self.name!r}: gradients without weights, and it is not built; call "
                "optimizer.build(trainable_variables) first."
            )
        return self._weights

    def _check_gradients(self, gradients: Sequence[Any], weights: Sequence[Weight]) -> None:
        if len(gradients) != len(weights):
            raise ValueError(
                f"Optimizer {self.name!r}: expected {len(weights)} gradients, one for each weight, got "
                f"{len(gradients)}."
            )
        missing = []
        for weight, gradient in zip(weights, gradients, strict=True):
            if weight not in self._starts:
                raise ValueError(
                    f"Unknown variable: {weight!r}; the optimizer {self.name!r} was built for other weights: make a "
                    "new one."
                )
            if gradient is None:
                missing.append(weight.path)
            elif np.shape(gradient) != weight.shape:
                raise ValueError(
                    f"Optimizer {self.name!r}, gradient of {weight.path!r}: expected shape {weight.shape}, got "
                    f"{np.shape(gradient)}."
                )
        if len(missing) == len(gradients):
            raise ValueError("No gradients provided for any variable.")
        if missing:
            warnings.warn(f"Gradients do not exist for variables {missing} when minimizing the loss.", stacklevel=4)

    def update(self, parameters: Parameters) -> None:
        """One update from the gradients that a training step has left in `parameters`, which changes them in place."""
        self.prepare(parameters.weights)
        self._parameters = parameters
        if type(self).apply is Optimizer.apply and type(self).apply_gradients is Optimizer.apply_gradients:
            self._step(parameters)
        else:  # somebody wants to see the gradients first
            scale = self.loss_scale_factor or 1.0
            gradients = [gradient * scale for gradient in parameters.views(parameters.gradients)]
            self.apply_gradients(zip(gradients, parameters.weights, strict=True))

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`, whose gradients `apply` then divides by it."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --- the config -------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config."""
        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": float(rate) if isinstance(rate, OptimizerVariable) else registry.serialize(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The optimizer that `get_config` described; a schedule or a function of one's own is in `custom_objects`."""
        rate = config.get("learning_rate")
        if isinstance(rate, Mapping):
            config = {**config, "learning_rate": _rate_of(rate, custom_objects)}
        return cls(**config)


def _rate_of(form: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Any:
    """The schedule or function of a JSON form."""
    if form.get("class_name") != "function":
        return deserialize_schedule(form, custom_objects)
    function = custom_function(form["config"], custom_objects_in_force(custom_objects))
    if function is None:
        raise ValueError(f"The learning rate is the function {form['config']!r}; hand it over in custom_objects.")
    return function
