"""An optimizer for each part of a model."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastgru import registry
from fastgru.layers.weight import Weight
from fastgru.object_registration import custom_function, custom_objects_in_force
from fastgru.optimizers.loss_scale_optimizer import LossScaleOptimizer
from fastgru.optimizers.optimizer import KIND, Optimizer
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.parameters import Parameters
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MultiOptimizer", "OptimizerMap"]


@registered(KIND)
class OptimizerMap(MutableMapping[str, Optimizer]):
    """Optimizers by the paths of weights, as ``"encoder/kernel"``, or by regular expressions that match a whole path.

    Parameters
    ----------
    default_optimizer : Optimizer
        That of all other weights.
    optimizer_map : dict, optional

    Notes
    -----
    A path begins with the name of the layer, where Keras puts that of a `Sequential` before it: ``".*encoder/.*"``
    matches in both.
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                f"OptimizerMap: default_optimizer must be an Optimizer instance. Received: {default_optimizer!r}"
            )
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"OptimizerMap: optimizer_map must be a dictionary. Received: {optimizer_map!r}")
        self._default_optimizer = default_optimizer
        self._optimizer_map = optimizer_map or {}

    @property
    def default_optimizer(self) -> Optimizer:
        return self._default_optimizer

    def __getitem__(self, key: str) -> Optimizer:
        """The optimizer of a path; ValueError where several expressions match it."""
        if key in self._optimizer_map:
            return self._optimizer_map[key]
        matching = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(f"Multiple optimizers assigned to variable {key}: {', '.join(map(repr, matching))} match.")
        return self._optimizer_map[matching[0]] if matching else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if key in self._optimizer_map:
            raise ValueError(
                f"'{key}' already exists in the OptimizerMap with value {self._optimizer_map[key]}; use another key, "
                "or delete it first."
            )
        if not isinstance(key, str):
            raise ValueError(f"OptimizerMap: key must be a string. Received: {key!r}")
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"OptimizerMap: optimizer must be an Optimizer instance. Received: {optimizer!r}")
        if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
            raise ValueError(f"OptimizerMap: optimizer cannot be {type(optimizer).__name__}.")
        self._optimizer_map[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._optimizer_map[key]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __call__(self, variable: Weight) -> Optimizer:
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        return {
            "default_optimizer": registry.serialize(self._default_optimizer),
            "optimizer_map": {key: registry.serialize(one) for key, one in self._optimizer_map.items()},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        first = registry.deserialize(config["default_optimizer"], KIND, custom_objects)
        forms = config["optimizer_map"]
        return cls(first, {key: registry.deserialize(form, KIND, custom_objects) for key, form in forms.items()})


class _Part:
    """Some of the weights of `Parameters`, as an optimizer reads and writes all of them."""

    def __init__(self, whole: Parameters, places: Sequence[int]) -> None:
        self.weights = [whole.weights[place] for place in places]
        self.gradients = _joined(whole.views(whole.gradients), places)
        self.values = _joined(whole.views(whole.values), places)
        self.updated = np.empty_like(self.values)
        self.updated_views = self.views(self.updated)
        self._targets = [whole.updated_views[place] for place in places]

    def views(self, flat: Array) -> list[Array]:
        """The parts of a flat array, one for each weight and of its shape."""
        ends = np.cumsum([weight.value.size for weight in self.weights])[:-1]
        return [part.reshape(one.shape) for part, one in zip(np.split(flat, ends), self.weights, strict=True)]

    def publish(self) -> None:
        """Hand what was written to the whole, which shows it with the rest."""
        for target, part in zip(self._targets, self.updated_views, strict=True):
            target[...] = part


def _joined(views: Sequence[Array], places: Sequence[int]) -> Array:
    return np.concatenate([views[place].ravel() for place in places])


@registered(KIND)
class MultiOptimizer(Optimizer):
    """Hands each weight to one of several optimizers; all weights change at once.

    Parameters
    ----------
    optimizer_map : OptimizerMap or callable
        The optimizer of a weight.
    loss_scale_factor : float, optional
        Takes the place of the optimizers' own.
    name : str, optional

    Raises
    ------
    ValueError
        When it is built: what is in the map is no optimizer, or one that has others inside.
    """

    _inner_optimizers: Sequence[Optimizer] = ()

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Weight], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        if not callable(optimizer_map):
            raise ValueError(f"MultiOptimizer: expected an OptimizerMap or a function, got {optimizer_map!r}.")
        self._optimizer_map = optimizer_map
        self._places: dict[Weight, int] = {}  # of its optimizer among those inside
        if isinstance(optimizer_map, OptimizerMap):
            listed = [*optimizer_map.values(), optimizer_map.default_optimizer]
            self._inner_optimizers = list({id(one): one for one in listed}.values())
        self.loss_scale_factor = loss_scale_factor

    @property
    def optimizers(self) -> list[Optimizer]:
        """Those inside: at first those of the map, then what a function returned for weights."""
        return list(self._inner_optimizers)

    @property
    def variables(self) -> list[OptimizerVariable]:
        return [*super().variables, *(variable for one in self._inner_optimizers for variable in one.variables)]

    @property
    def learning_rate(self) -> Any:
        """Each optimizer inside has its own."""
        raise AttributeError("A MultiOptimizer has no learning rate; read those of its `optimizers`.")

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError("A MultiOptimizer has no learning rate; set those of its `optimizers`.")

    @property
    def loss_scale_factor(self) -> float | None:
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._loss_scale_factor = value
        for one in self._inner_optimizers:
            one.loss_scale_factor = value

    def _new_state(self, weights: Sequence[Weight]) -> tuple[dict[str, Array], list[OptimizerVariable]]:
        chosen = [self._chosen(weight) for weight in weights]
        inner = list({id(one): one for one in (*self._inner_optimizers, *chosen)}.values())
        for one in inner:
            if mine := [weight for weight, other in zip(weights, chosen, strict=True) if other is one]:
                one.build(mine)
        self._inner_optimizers = inner
        self.loss_scale_factor = self.loss_scale_factor  # theirs, too
        numbers = {id(one): number for number, one in enumerate(inner)}
        self._places = {weight: numbers[id(one)] for weight, one in zip(weights, chosen, strict=True)}
        self._warn_of_idle(weights)
        return {}, []

    def _chosen(self, weight: Weight) -> Optimizer:
        one = self._optimizer_map(weight)
        if not isinstance(one, Optimizer):
            raise ValueError(f"Optimizer for variable {weight!r} is not an Optimizer instance, got {one!r}.")
        if isinstance(one, (LossScaleOptimizer, MultiOptimizer)):
            raise ValueError(f"{type(one).__name__} cannot be used inside an MultiOptimizer.")
        return one

    def _warn_of_idle(self, weights: Sequence[Weight]) -> None:
        """A warning for each key of a map that is that of no weight."""
        keys = list(self._optimizer_map) if isinstance(self._optimizer_map, OptimizerMap) else []
        paths = [weight.path for weight in weights]
        for key in keys:
            if key not in paths and not any(re.fullmatch(key, path) for path in paths):
                warnings.warn(
                    f"MultiOptimizer: the key {key!r} matches none of the weights {', '.join(paths)}.", stacklevel=5
                )

    def apply(self, grads: Iterable[Any], trainable_variables: Iterable[Weight] | None = None) -> None:
        gradients = list(grads)
        if not gradients:
            return
        weights = self._weights_for(trainable_variables)
        self._check_gradients(gradients, weights)
        for number, one in enumerate(self._inner_optimizers):
            pairs = zip(gradients, weights, strict=True)
            if mine := [(gradient, weight) for gradient, weight in pairs if self._places[weight] == number]:
                one.apply([gradient for gradient, _ in mine], [weight for _, weight in mine])
        self._count[0] += 1

    def update(self, parameters: Parameters) -> None:
        self.prepare(parameters.weights)
        if any(type(one).apply is not Optimizer.apply for one in self._inner_optimizers):
            super().update(parameters)  # which calls `apply`
            return
        for number, one in enumerate(self._inner_optimizers):
            if places := [index for index, weight in enumerate(self._places) if self._places[weight] == number]:
                one._step(cast(Parameters, _Part(parameters, places)))
        parameters.publish()
        self._count[0] += 1

    def finalize_variable_values(self, var_list: Iterable[Weight]) -> None:
        weights = list(var_list)
        for number, one in enumerate(self._inner_optimizers):
            if mine := [weight for weight in weights if self._places[weight] == number]:
                one.finalize_variable_values(mine)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Weight] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        weights, names = list(var_list or ()), list(var_names or ())
        for one in self._inner_optimizers:
            one.exclude_from_weight_decay(weights, names)

    def get_config(self) -> dict[str, Any]:
        chooser = self._optimizer_map
        form = registry.object_form if isinstance(chooser, OptimizerMap) else registry.function_form
        return {
            "optimizer_map": form(chooser),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The optimizer that `get_config` described; a function is in `custom_objects`."""
        chooser = config["optimizer_map"]
        if isinstance(chooser, Mapping) and not isinstance(chooser, OptimizerMap):
            chooser = _chooser_of(chooser, custom_objects)
        return cls(**{**config, "optimizer_map": chooser})


def _chooser_of(form: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Any:
    if form.get("class_name") != "function":
        return registry.deserialize(form, KIND, custom_objects)
    function = custom_function(form["config"], custom_objects_in_force(custom_objects))
    if function is None:
        raise ValueError(f"MultiOptimizer: the map is the function {form['config']!r}; hand it over in custom_objects.")
    return function
