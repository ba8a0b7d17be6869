"""Steps of training in Python: what `train_step`, `test_step`, `predict_step` and `compute_loss` of one's own replace.

A model that overrides none of them never comes here: its steps are those of `fastgru.training.step`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastgru import distribution, tree
from fastgru.autodiff.recording import record
from fastgru.autodiff.tape import GradientTape
from fastgru.autodiff.tensor import plain, tensor
from fastgru.layers.layer import Layer
from fastgru.layers.tracking import tracked
from fastgru.layers.workspace import Call
from fastgru.ops.op import values
from fastgru.training.compilation import Compiled
from fastgru.types import Array

if TYPE_CHECKING:
    from fastgru.data import Batch
    from fastgru.training.step import Step

__all__ = ["OwnSteps"]

_STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


class OwnSteps(Compiled):
    """The steps of `fit`, `evaluate` and `predict` as Keras has them, for a class to override.

    `data` is ``(x, y, sample_weight)`` as far as these are there: tensors, nested as `fit` got them.
    """

    own_steps: ClassVar[frozenset[str]] = frozenset()  # the names of those that its class overrides
    _predicted: Any = None  # how the outputs of a `predict_step` are nested

    # --- what a class may override ------------------------------------------------------------------

    def train_step(self, data: Any) -> dict[str, Any]:
        """One update on a batch; returns the numbers for the logs by name."""
        x, y, sample_weight = _unpacked(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._loss_of_batch(x, y, y_pred, sample_weight, training=True)
        weights = self.trainable_weights
        assert self.optimizer is not None
        self.optimizer.apply(tape.gradient(self.optimizer.scale_loss(loss), weights), weights)
        self._objective.track(float(loss), _rows(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Loss and metrics of a batch; returns the numbers for the logs by name."""
        x, y, sample_weight = _unpacked(data)
        y_pred = self(x, training=False)
        loss = self._loss_of_batch(x, y, y_pred, sample_weight, training=False)
        self._objective.track(float(loss), _rows(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch."""
        return self(_unpacked(data)[0], training=False)

    def _loss_of_batch(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        """`compute_loss`; one that was written for Keras before 3.3 takes no `training`."""
        takes = inspect.signature(self.compute_loss).parameters
        options = {"training": training} if "training" in takes or "kwargs" in takes else {}
        return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **options)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss of a batch: what `compile` asked for, and what layers and regularizers add.

        Returns
        -------
        Tensor
            A number, from which a gradient comes back to the predictions and weights.

        Raises
        ------
        ValueError
            There is neither.
        """
        own = list(self.losses)
        parts = list(zip(tree.flatten(y_pred), tree.flatten(y), _weights_of(y_pred, sample_weight), strict=True))
        objective = self._objective
        total: Any = None
        if objective.has_loss:
            for output, (prediction, target, weight) in zip(objective.outputs, parts, strict=True):
                if output.loss is None:
                    continue
                mask = getattr(prediction, "_keras_mask", None)
                numbers = np.asarray(plain(values(prediction)))
                value, gradient = output.loss.value_and_gradient(plain(values(target)), numbers, plain(weight), mask)
                loss = tensor(np.asarray(output.factor * value, numbers.dtype))
                record((loss,), (prediction,), (partial(np.multiply, gradient * output.factor),))
                total = loss if total is None else total + loss
        for loss in own:
            total = loss if total is None else total + loss
        if total is None:
            raise ValueError(
                f"Model {self.name!r}: no loss to compute; give compile a loss, or add one with add_loss in call."
            )
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Take a batch into the metrics of `compile`; returns the numbers for the logs by name."""
        self._objective.update_metrics(
            [plain(values(one)) for one in tree.flatten(y_pred)],
            [None if one is None else np.asarray(plain(values(one))) for one in tree.flatten(y)],
            [plain(weight) for weight in _weights_of(y_pred, sample_weight)],
        )
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """The values of all metrics by name."""
        return _flat_logs({metric.name: metric.result() for metric in self.metrics})

    @property
    def metrics(self) -> list[Any]:
        """As in Keras 3 the loss, the metrics of `compile`, and those that the model and layers of one's own keep."""
        return [*super().metrics, *self.own_metrics]

    @property
    def own_metrics(self) -> list[Any]:
        """The metrics in attributes of the model and of the layers inside, each once."""
        from fastgru.metrics import Metric

        layers: list[Layer] = [self]
        for layer in layers:
            layers += layer.sublayers
        own = [layer for layer in layers if type(layer).is_own]
        return list(dict.fromkeys(metric for layer in own for metric in tracked(layer, Metric)))

    # --- for the loops ------------------------------------------------------------------------------

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.own_steps = frozenset(name for name in _STEPS if getattr(cls, name) is not getattr(OwnSteps, name))
        cls.has_own_steps = bool(cls.own_steps - {"predict_step"})
        cls.takes_any = cls.runs_call or (bool(cls.own_steps) and cls.forward is Layer.forward)

    def _training_step(self) -> Step:
        if not self.own_steps & {"train_step", "compute_loss", "compute_metrics"} and not self.own_metrics:
            return super()._training_step()
        if self.optimizer is None:
            raise ValueError("fit: training needs an optimizer; call compile(optimizer) first.")
        return self._own_step(self.train_step)

    def _evaluation_step(self, call: Call) -> Step:
        if not self.own_steps & {"test_step", "compute_loss", "compute_metrics"} and not self.own_metrics:
            return super()._evaluation_step(call)
        return self._own_step(self.test_step)

    def _predictions(self, call: Call, inputs: Batch) -> Any:
        if "predict_step" not in self.own_steps:
            return super()._predictions(call, inputs)
        outputs = self.predict_step((self._as_data(inputs),))
        self._predicted = tree.map_structure(lambda _: None, outputs)
        parts = tuple(np.asarray(plain(values(y))) for y in tree.flatten(outputs))
        return parts if len(parts) > 1 else parts[0]

    def as_predicted(self, outputs: Sequence[Any]) -> Any:
        if "predict_step" not in self.own_steps:
            return super().as_predicted(outputs)
        return tree.pack_sequence_as(self._predicted, list(outputs))

    def _predicted_by_step(self, arrays: Sequence[Array]) -> Any:
        """What a `predict_step` of one's own makes of one batch, in new arrays."""
        outputs = self.predict_step((self._as_data(tuple(arrays)),))
        return tree.map_structure(lambda y: np.array(plain(values(y))), outputs)

    def _own_step(self, method: Callable[[Any], Any]) -> Step:
        """A step that hands a batch to a method in Keras's form, and keeps what it returns as the logs."""
        from fastgru.training.shared import SharedMethod

        objective, n_inputs, ranks = self._objective, self._n_inputs, distribution.current()
        last = n_inputs + objective.n_outputs
        shared = None if ranks is None else SharedMethod(ranks, objective)

        def step(batch: Batch) -> None:
            if objective.count == 0:
                for metric in self.metrics:
                    metric.reset_state()
            x = self._as_data(batch[:n_inputs])
            targets, weights = batch[n_inputs:last], batch[last : last + objective.n_outputs]
            data = [x, *(self._as_targets(part) for part in (targets, weights))]
            while len(data) > 1 and all(one is None for one in tree.flatten(data[-1])):
                data.pop()
            logs = method(tuple(data)) if shared is None else shared.run(method, tuple(data), batch)
            if not isinstance(logs, Mapping):
                name = getattr(method, "__name__", "step")
                raise ValueError(f"Model {self.name!r}, {name}: expected a dict of numbers by name, got {logs!r}.")
            numbers, count = _flat_logs(logs), len(batch[0])
            if shared is not None:
                numbers, count = shared.of_all(numbers, batch)
            objective.take_logs(numbers, count)

        return step

    def _as_data(self, inputs: Batch) -> Any:
        """The inputs of a batch as tensors, nested as `fit` got them."""
        tensors = [tensor(x) for x in inputs]
        if self.input_structure is not None:
            leaves = [tensors[place.index] for place in tree.flatten(self.input_structure)]
            return tree.pack_sequence_as(self.input_structure, leaves)
        args, _ = self.call_arguments(tensors)
        return args[0]

    def _as_targets(self, parts: Batch) -> Any:
        tensors = [None if part is None else tensor(part) for part in parts]
        return self.as_structure(tensors) if len(tensors) > 1 else tensors[0]


def _unpacked(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights; None for what is not there."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight


def _rows(x: Any) -> int:
    return len(tree.flatten(x)[0])


def _weights_of(y_pred: Any, sample_weight: Any) -> list[Any]:
    """A weight for each output: one that comes alone is for all."""
    count, weights = len(tree.flatten(y_pred)), tree.flatten(sample_weight)
    return weights if len(weights) == count else weights * count


def _flat_logs(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers by name; those of a metric with several stand under their own names."""
    flat: dict[str, Any] = {}
    for name, value in logs.items():
        if isinstance(value, Mapping):
            flat.update(_flat_logs(value))
        else:
            number = np.asarray(plain(values(value)))
            flat[name] = float(number) if number.ndim == 0 else number
    return flat
