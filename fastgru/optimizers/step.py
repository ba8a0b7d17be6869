"""One step of an optimizer on flat arrays of all weights."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from fastgru.layers.weight import Weight, publish
from fastgru.optimizers import clipping
from fastgru.optimizers.state import OptimizerState
from fastgru.optimizers.stretch import Numbers, Stretch, WeightInUpdate, run
from fastgru.optimizers.variable import OptimizerVariable
from fastgru.parameters import Parameters
from fastgru.types import Array

__all__ = ["Cut", "OptimizerStep"]


class Cut(NamedTuple):
    """Neighbouring weights, from one place in the flat arrays to another."""

    first: Weight
    start: int
    stop: int
    is_updated: bool


class OptimizerStep(OptimizerState):
    """What is done with the gradients of all weights, in Keras's order: accumulate, clip, update, average, constrain.

    An optimizer names a rule of the kernels in `_rule` and gives its numbers in `_numbers`, or does something else with
    each stretch of weights in `_update`.
    """

    #: the rule of the kernels, and which states are its m, v and a
    _rule: ClassVar[str] = ""
    _arrays: ClassVar[tuple[str | None, ...]] = (None, None, None)

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    gradient_accumulation_steps: int | None

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._not_decayed: set[Weight] = set()
        self._whole: list[Cut] = []  # how all weights are cut, where it is known
        self._not_decayed_names: re.Pattern[str] | None = None

    @property
    def slot_groups(self) -> list[tuple[str, ...]]:
        options = {"average": self.use_ema, "gradient_accumulator": self.gradient_accumulation_steps}
        return [*((slot,) for slot, used in options.items() if used), *super().slot_groups]

    @property
    def iterations(self) -> Any:
        """The number of updates so far: a variable, or with gradient accumulation an int."""
        return self._updates() if self.gradient_accumulation_steps else self._iterations

    def _updates(self) -> int:
        return int(self._count[0]) // (self.gradient_accumulation_steps or 1)

    def _rate(self) -> float:
        raise NotImplementedError

    def update_step(self, gradient: Array, variable: Any, learning_rate: Any) -> None:
        """The rule of an optimizer of one's own: assign to a weight, and to what is kept of it.

        Parameters
        ----------
        gradient : ndarray
        variable : WeightInUpdate
            The weight, after its decay; computed with like an array.
        learning_rate : float32
        """
        raise NotImplementedError(
            f"{type(self).__name__} defines no update_step(gradient, variable, learning_rate), and the rules of "
            "fastgru's own optimizers are compiled."
        )

    def _step(self, parameters: Parameters, weights: Collection[Weight] | None = None) -> None:
        """One step from the gradients in `parameters`, which are changed in place.

        Parameters
        ----------
        parameters : Parameters
        weights : collection of Weight, optional
            Those that have a gradient, where not all do: the others stay as they are.
        """
        if self._is_due(parameters.gradients):
            if self.clipnorm or self.global_clipnorm or self.clipvalue:
                self._clip(parameters.gradients, parameters.views(parameters.gradients))
            if type(self).update_step is not OptimizerStep.update_step:
                self._update_one_by_one(parameters, weights)
            else:
                rate = self._rate()
                numbers = self._numbers(rate, self._updates() + 1)
                for stretch in self._stretches(parameters, weights, rate):
                    self._update(stretch, rate, numbers)
        else:
            parameters.updated[...] = parameters.values
        if self.use_ema and parameters.weights:
            self._average(parameters.updated)
        for index, weight in enumerate(parameters.weights):
            if weight.constraint is not None and (weights is None or weight in weights):
                view = parameters.updated_views[index]
                view[...] = weight.constraint(view)
        parameters.publish()
        self._count[0] += 1

    def _clip(self, gradients: Array, views: Sequence[Array]) -> None:
        clipping.clip(gradients, views, self.clipnorm, self.global_clipnorm, self.clipvalue)

    def _is_due(self, gradients: Array) -> bool:
        """Whether enough steps have come for an update, whose gradients are then the mean of theirs."""
        steps = self.gradient_accumulation_steps
        if not steps:
            return True
        total = self._slots["gradient_accumulator"]
        total += gradients
        if (int(self._count[0]) + 1) % steps:
            return False
        np.divide(total, steps, out=gradients)
        total.fill(0)
        return True

    # --- the update -------------------------------------------------------------------------------------

    def _numbers(self, rate: float, step: int) -> Numbers:
        """What the rule needs to know at a step, counted from 1."""
        return {}

    def _update(self, stretch: Stretch, rate: float, numbers: Numbers) -> None:
        """Write the new weights of a stretch into its `updated`."""
        if not self._rule:
            self.update_step(stretch.gradients, stretch.weight, rate)  # says that it is not defined
        run(self._rule, stretch, self._arrays, numbers)

    def _alike(self, weight: Weight) -> Hashable:
        """What neighbours must share to be updated in one pass."""
        return self._use_weight_decay(weight)

    def _decay(self, weight: Weight) -> float:
        """The weight decay of a weight."""
        return self.weight_decay if self.weight_decay and self._use_weight_decay(weight) else 0.0

    def _stretches(self, parameters: Parameters, weights: Collection[Weight] | None, rate: float) -> Iterator[Stretch]:
        """What is updated, in as few passes as can be; of the weights without a gradient the old numbers are copied."""
        values, updated, gradients = parameters.values, parameters.updated, parameters.gradients
        cuts = self._cuts(parameters.weights, weights)
        if len(cuts) == 1:  # as it is with most: no views of the whole
            first = cuts[0].first
            yield Stretch(first, values, updated, gradients, self._slots, self._decay(first) * rate)
            return
        for first, start, stop, is_updated in cuts:
            part = slice(start, stop)
            if is_updated:
                slots = {name: flat[part] for name, flat in self._slots.items()}
                decay = self._decay(first) * rate
                yield Stretch(first, values[part], updated[part], gradients[part], slots, decay)
            else:
                updated[part] = values[part]

    def _cuts(self, weights: Sequence[Weight], updated: Collection[Weight] | None) -> list[Cut]:
        """Neighbours that go together."""
        if updated is None and self._whole:
            return self._whole
        cuts: list[Cut] = []
        before: Any = None
        for weight in weights:
            start, is_updated = self._starts[weight], updated is None or weight in updated
            alike = is_updated, self._alike(weight)
            first = Cut(weight, start, start, is_updated)
            if cuts and alike == before:
                first = cuts.pop()
            cuts.append(first._replace(stop=start + weight.value.size))
            before = alike
        if updated is None:
            self._whole = cuts
        return cuts

    def _update_one_by_one(self, parameters: Parameters, weights: Collection[Weight] | None) -> None:
        """`update_step` for each weight."""
        rate = np.float32(self._rate())
        gradients = parameters.views(parameters.gradients)
        parameters.updated[...] = parameters.values
        for weight, gradient, view in zip(parameters.weights, gradients, parameters.updated_views, strict=True):
            if weights is None or weight in weights:
                view -= view * view.dtype.type(self._decay(weight) * float(rate))
                self.update_step(gradient, WeightInUpdate(weight, view), rate)

    def _get_variable_index(self, variable: Any) -> int:
        """The place of a weight among those that the optimizer was built with."""
        return list(self._starts).index(getattr(variable, "weight", variable))

    # --- weight decay -----------------------------------------------------------------------------------

    def exclude_from_weight_decay(
        self, var_list: Iterable[Weight] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Weights that do not decay, in the place of those that were named before.

        Parameters
        ----------
        var_list : list of Weight, optional
        var_names : list of str, optional
            Regular expressions, of which one occurs in the weight's name, as "bias" does.
        """
        self._not_decayed = set(var_list or ())
        self._whole = []
        names = sorted(set(var_names or ()))
        self._not_decayed_names = re.compile("|".join(names)) if names else None

    def _use_weight_decay(self, variable: Any) -> bool:
        names = self._not_decayed_names
        return variable not in self._not_decayed and not (names and names.search(variable.name))

    @property
    def _accumulated_gradients(self) -> list[OptimizerVariable]:
        return self._of_each_weight("gradient_accumulator")

    @property
    def _model_variables_moving_average(self) -> list[OptimizerVariable]:
        return self._of_each_weight("average")

    def _of_each_weight(self, slot: str) -> list[OptimizerVariable]:
        """What is kept of each weight, by Keras's private names above, which callbacks of others use."""
        return [self._part(self._slots[slot], slot, weight) for weight in self._starts]

    # --- running means of the weights -------------------------------------------------------------------

    def _average(self, updated: Array) -> None:
        """Update the means by the new weights; with `ema_overwrite_frequency` these become the means now and then."""
        mean, updates = self._slots["average"], self._updates()
        momentum = self.ema_momentum if updates else 0.0
        every = Stretch(next(iter(self._starts)), updated, mean, updated, {}, 0.0)
        run("average", every, (None, None, None), {"rho": momentum})
        if self.ema_overwrite_frequency and (updates + 1) % self.ema_overwrite_frequency == 0:
            updated[...] = mean

    def finalize_variable_values(self, var_list: Iterable[Weight]) -> None:
        """Put the running means in the place of these weights, all at once, where there are some (`use_ema`)."""
        if self.use_ema and self._count[0]:
            mean = self._slots["average"]
            publish({weight: self._part(mean, "average", weight).numpy() for weight in var_list})
