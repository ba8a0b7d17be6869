"""An optimizer that scales the loss, by as much as the gradients bear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, registry
from fastgru.layers.weight import Weight
from fastgru.optimizers.optimizer import KIND, Optimizer
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.parameters import Parameters
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LossScaleOptimizer"]

OPTIONS = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


@registered(KIND)
class LossScaleOptimizer(Optimizer):
    """Scales the loss before gradients are taken, and the gradients back (Micikevicius et al., 2017).

    The scale doubles after so many steps with finite gradients; a step with others is left out and halves it. `fit`
    computes in the dtype of the weights and has gradients as they are: it leaves a step out where they would not be
    finite at the scale, as in Keras.

    Parameters
    ----------
    inner_optimizer : Optimizer
        Does the updates.
    initial_scale : float
    dynamic_growth_steps : int
        Steps after which the scale doubles.
    name : str, optional

    Raises
    ------
    ValueError
        For options of `Optimizer`: they are the inner one's.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer: dynamic=False is not supported; set `loss_scale_factor` on the inner optimizer."
            )
        for option, default in OPTIONS.items():
            if kwargs.pop(option, default) != default:
                raise ValueError(f"LossScaleOptimizer: set `{option}` on the `inner_optimizer`.")
        if kwargs:
            raise ValueError(f"LossScaleOptimizer does not support arguments: `{'`, `'.join(kwargs)}`.")
        if not checks.number(initial_scale, "LossScaleOptimizer", "initial_scale") > 0:
            raise ValueError(f"LossScaleOptimizer: initial_scale must be greater than 0, got {initial_scale!r}.")
        if not isinstance(inner_optimizer, Optimizer):
            raise ValueError(f"LossScaleOptimizer: expected an Optimizer as inner_optimizer, got {inner_optimizer!r}.")
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = checks.integer_from_one(
            dynamic_growth_steps, "LossScaleOptimizer", "dynamic_growth_steps"
        )
        self.inner_optimizer.loss_scale_factor = None

    @property
    def variables(self) -> list[OptimizerVariable]:
        return [*super().variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    def build(self, variables: Sequence[Weight]) -> None:
        self.inner_optimizer.prepare(variables)
        super().build(variables)

    def _new_state(self, weights: Sequence[Weight]) -> tuple[dict[str, Array], list[OptimizerVariable]]:
        starts = {"step_counter": np.zeros(1, "int64"), "dynamic_scale": np.full(1, self.initial_scale, "float32")}
        variables = [OptimizerVariable(start, name, f"{self.name}/{name}") for name, start in starts.items()]
        self.step_counter, self.dynamic_scale = variables
        return {}, variables

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Weight] | None = None) -> None:
        """An update by the gradients of a scaled loss; none where one of them is not finite."""
        gradients = [None if gradient is None else np.asarray(gradient) for gradient in grads]
        weights = self._weights_for(trainable_variables)
        is_finite = self.check_finite(gradients)
        if is_finite:
            scale = float(self.dynamic_scale)
            self.inner_optimizer.apply([None if one is None else one / scale for one in gradients], weights)
        self._adapt(is_finite)

    def update(self, parameters: Parameters) -> None:
        self.prepare(parameters.weights)
        gradients = parameters.gradients
        with np.errstate(over="ignore", invalid="ignore"):
            extremes = [gradients.max(initial=0) * self.dynamic_scale, gradients.min(initial=0) * self.dynamic_scale]
        is_finite = self.check_finite(extremes)
        if is_finite:
            self.inner_optimizer.update(parameters)
        else:
            parameters.updated[...] = parameters.values
            parameters.publish()
        self._adapt(is_finite)

    def _adapt(self, is_finite: bool) -> None:
        """The scale after a step."""
        if not is_finite:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale * 0.5)
        elif self.step_counter == self.dynamic_growth_steps - 1:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale * 2.0)
        else:
            self.step_counter.assign_add(1)

    def check_finite(self, grads: Iterable[Any]) -> bool:
        """Whether all numbers of the gradients that are not None are finite."""
        return all(bool(np.isfinite(gradient).all()) for gradient in grads if gradient is not None)

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the scale."""
        return loss * (self.dynamic_scale.value[()] if self.built else self.initial_scale)

    def finalize_variable_values(self, var_list: Iterable[Weight]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Weight] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": registry.serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        inner = config["inner_optimizer"]
        if isinstance(inner, Mapping):
            inner = registry.deserialize(inner, KIND, custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
