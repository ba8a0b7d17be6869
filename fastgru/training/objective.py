"""What `compile` asked for: the losses to make small, the metrics to watch, and their running values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import data, losses
from fastgru.data import Column, Evenly, Names
from fastgru.layers.context import context
from fastgru.training.output_loss import OutputLoss, output_losses, set_state
from fastgru.training.sums import update_shared, update_state
from fastgru.types import Array

if TYPE_CHECKING:
    from fastgru.metrics import Metric

_CHANGED = (np.ndarray, list, dict, set)  # values that may be changed in place

Goal = OutputLoss  # its name in pickles of the last release


class Objective:
    """Losses and metrics of a model.

    Parameters
    ----------
    loss, loss_weights, metrics, weighted_metrics
        As `compile` takes them.
    names : sequence of str, optional
        Of the outputs; absent for a model that does not name its only one.

    Attributes
    ----------
    names : list of str
        Of the numbers in `in_order`; without the metrics until `bind`.
    count : int
        Samples since the last `reset`.
    """

    _running = False
    needs_targets = True  # whether targets have to be there for all that has a loss or metrics
    # of steps of one's own: what the last one said, and the weight of the losses that were tracked
    _logs: Mapping[str, Any] | None = None
    _tracked = 0.0
    summed: Sequence[Metric] = ()  # the metrics to which processes that share a batch show their rows alone

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, names: Names = None) -> None:
        self._names = names if names is not None and len(names) > 1 else None
        self._outputs = output_losses(loss, loss_weights, metrics, weighted_metrics, names)
        # as in Keras, the loss of an output is reported where there are several
        with_loss = [output for output in self._outputs if output.loss is not None]
        self._reported = [(output.prefix + "loss", output) for output in with_loss] if len(with_loss) > 1 else []
        self._no_masks = (None,) * len(self._outputs)
        self.names = ["loss", *(name for name, _ in self._reported)]
        self._named: dict[str, Metric] = {}
        self._bound = False
        self._total = 0.0
        self.count = 0

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_running"}  # a copy runs for itself

    __setstate__ = set_state

    @property
    def outputs(self) -> list[OutputLoss]:
        """Loss and metrics of each output."""
        return self._outputs

    @property
    def n_outputs(self) -> int:
        return len(self._outputs)

    @property
    def has_loss(self) -> bool:
        return any(output.loss is not None for output in self._outputs)

    @property
    def with_loss(self) -> list[str]:
        """Names of those of several outputs that have a loss."""
        return [name for name, output in zip(self._names or (), self._outputs, strict=False) if output.loss is not None]

    def classes(self, shapes: Sequence[Any]) -> int | None:
        """How many classes the first output tells apart; None where it may be any number."""
        units = shapes[0][-1]
        return units if units > 1 else 2 if isinstance(self._outputs[0].loss, losses.BinaryCrossentropy) else None

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of all outputs, those that take sample weights last; empty until `bind`."""
        plain = [metric for output in self._outputs for metric in output.metrics]
        return plain + [metric for output in self._outputs for metric in output.weighted_metrics]

    def bind(
        self, where: str, targets: Sequence[Evenly | None], shapes: Sequence[Any], dtype: str
    ) -> list[Column | None]:
        """Settle what depends on shapes, on the first data that fit; returns the targets as `add` reads them.

        Raises
        ------
        ValueError
            Targets are missing or do not fit the outputs, or the model has several outputs without names.
        """
        if len(shapes) != len(self._outputs):
            raise ValueError(f"fit and evaluate: expected a model with one output, got {len(shapes)}.")
        for name, output, y in zip(self._names or ("",), self._outputs, targets, strict=True):
            if y is None and not output.idle and self.needs_targets:
                of = f"the targets of the output {name!r}" if name else "the targets y"
                raise ValueError(f"{where}: needs {of}.")
        if not self._bound:
            self._settle(targets, shapes)
        columns = [
            None if y is None or (output.idle and self.needs_targets) else output.target_column(y, shape, dtype, label)
            for output, y, shape, label in zip(
                self._outputs, targets, shapes, data.labels("y", self._names, "output"), strict=True
            )
        ]
        self._bound = True  # after data that fit
        return columns

    def _settle(self, targets: Sequence[Evenly | None], shapes: Sequence[Any]) -> None:
        for output, y, shape in zip(self._outputs, targets, shapes, strict=True):
            if y is not None:
                output.settle(y.shape, shape)
        self._named = {}
        for output in self._outputs:
            for metric in output.metrics:
                self._named[_free_name(output.prefix, metric.name, "", self._named)] = metric
        for output in self._outputs:
            for metric in output.weighted_metrics:
                self._named[_free_name(output.prefix, metric.name, "weighted_", self._named)] = metric
        # as in Keras: first the numbers under the metrics' own names
        logs = {*self._named, *(name for name, _ in self._reported)}
        own = [metric.name for metric in self.metrics if metric.name in logs]
        self.names = ["loss", *own, *(name for name, _ in self._reported)]
        self.names += sorted(logs - set(self.names))

    @property
    def reported(self) -> list[Metric]:
        """What Keras lists as a model's metrics: the loss, all metrics as one, the losses of several outputs."""
        from fastgru.training.compile_metrics import CompileMetrics, LossMean

        def mean(output: OutputLoss | None = None) -> float:
            return (self._total if output is None else output.total) / (self._tracked or self.count or 1)

        several = [LossMean(name, partial(mean, output), self.reset, self.track) for name, output in self._reported]
        has_metrics = any(any(output.metric_names) for output in self._outputs)
        own = [CompileMetrics(lambda: self.metrics, self._metric_results, self.update_metrics)] if has_metrics else []
        return [LossMean("loss", mean, self.reset, self.track), *own, *several]

    @contextmanager
    def run(self, is_begun: bool = False) -> Iterator[None]:
        """Inside, batches are taken from the first on; a run in whose middle this one begins goes on as it was.

        A callback or a signal handler may evaluate the model that trains or is evaluated. One that `is_begun` goes on
        with the sums as they are.
        """
        outer = self._running_values() if self._running else None
        try:
            self._running = True
            if not is_begun:
                self.reset()
            yield
        finally:
            self._running = outer is not None
            if outer is not None:
                self.sums, states = outer
                for metric, state, values in states:
                    object.__setattr__(metric, "__dict__", state)  # in one step: an interrupt leaves no half of it
                    for variable, value in values:
                        variable.assign(value)

    @property
    def is_finite(self) -> bool:
        """Whether the loss of every batch since the last `reset` was a number."""
        return math.isfinite(self._total if self._logs is None else self._logs.get("loss", 0.0))

    @property
    def sums(self) -> tuple[float, ...]:
        """Samples since the last `reset`, the sum of their loss, and that of the loss of each output."""
        return self.count, self._total, *(output.total for output in self._outputs)

    @sums.setter
    def sums(self, values: Sequence[float]) -> None:
        count, self._total, *totals = values
        self.count = int(count)
        for output, total in zip(self._outputs, totals, strict=True):
            output.total = total

    def _running_values(self) -> tuple[tuple[float, ...], list[tuple[Metric, dict[str, Any], list[Any]]]]:
        """What batches change; a metric of the user's may keep arrays and lists and change them in place."""
        states = [
            (
                metric,
                {name: copy(state) if isinstance(state, _CHANGED) else state for name, state in vars(metric).items()},
                [(variable, variable.numpy()) for variable in metric.variables],
            )
            for metric in self.metrics
        ]
        return self.sums, states

    def reset(self) -> None:
        """Forget all batches."""
        self._total, self._tracked, self.count, self._logs = 0.0, 0.0, 0, None
        for output in self._outputs:
            output.total = 0.0
        for metric in self._named.values():
            metric.reset_state()

    def add(
        self,
        targets: Sequence[Any],
        predictions: Any,
        weights: Sequence[Any],
        masks: Any,
        penalty: float,
        differentiate: bool = False,
    ) -> list[Array | None]:
        """Take a batch in; returns the gradient of its loss by each output where `differentiate` asks for them.

        Parameters
        ----------
        targets, weights
            For each output, as `bind` and the data set give them; a weight may be None.
        predictions, masks
            Of the model: a tuple where there are several. As in Keras, a mask tells the loss and the metrics which
            values count.
        penalty : float
            What regularizers add to the loss.
        differentiate : bool
        """
        parts, masks = (predictions, masks) if isinstance(predictions, tuple) else ((predictions,), (masks,))
        share, update = context.share, update_state
        if share is not None:
            update = partial(update_shared, share, self.summed)
        count, total = len(parts[0]) if share is None else share.total, penalty
        gradients: list[Array | None] = []
        # lengths agree since `bind`
        for output, y, part, weight, mask in zip(self._outputs, targets, parts, weights, masks or self._no_masks):  # noqa: B905
            if mask is not None:
                mask = _fitting(mask, part)
            gradient = None
            if output.loss is not None:
                if differentiate:
                    loss, gradient = output.loss.value_and_gradient(y, part, weight, mask)
                    if output.factor != 1.0:
                        gradient *= output.factor
                else:
                    loss = output.loss.value(y, part, weight, mask)
                output.total += loss * count
                total += output.factor * loss
            gradients.append(gradient)
            output.watch(y, part, weight, mask, update)
        self._total += total * count
        self.count += count
        return gradients

    # --- for steps of one's own -----------------------------------------------------------------------

    def track(self, loss: float, weight: float = 1) -> None:
        """Take the loss of a batch into the mean of all."""
        self._total += loss * weight
        self._tracked += weight

    def update_metrics(self, predictions: Sequence[Any], targets: Sequence[Any], weights: Sequence[Any]) -> None:
        """Take a batch into the metrics."""
        if not self._bound:
            self._settle(targets, [prediction.shape for prediction in predictions])
            self._bound = True
        for output, prediction, y, weight in zip(self._outputs, predictions, targets, weights, strict=True):
            output.watch(y, prediction, weight)

    def take_logs(self, logs: Mapping[str, Any], count: int) -> None:
        """Keep what a step of one's own says of the batches so far, `count` samples more than before."""
        self._logs = logs
        self.count += count
        self.names = [*(name for name in logs if name == "loss"), *(name for name in logs if name != "loss")]

    # --- numbers --------------------------------------------------------------------------------------

    def results(self) -> dict[str, Any]:
        """Losses, averaged over the samples seen, and metrics, by name, in alphabetical order as in Keras's logs.

        A metric may have several numbers: an array stays one, and of a dict each entry is a number of its own name.
        """
        if self._logs is not None:
            return dict(sorted(self._logs.items()))
        count = self.count or 1
        logs = self._metric_results()
        logs["loss"] = self._total / count
        for name, output in self._reported:
            logs[name] = output.total / count
        return dict(sorted(logs.items()))

    def _metric_results(self) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        for name, metric in self._named.items():
            result = metric.logged()
            logs.update(result if isinstance(result, dict) else {name: result})
        return logs

    def in_order(self, logs: Mapping[str, Any]) -> Any:
        """The same as `evaluate` returns them: the loss alone, or a list in the order of `names`."""
        first = [name for name in self.names if name in logs]
        values = [logs[name] for name in [*first, *sorted(logs.keys() - set(first))]]
        return values[0] if len(values) == 1 else values


# --- what a batch brings ----------------------------------------------------------------------------


def _fitting(mask: Array, prediction: Array) -> Array | None:
    """The mask of an output where it says which values of a loss count: those have an axis less than the output."""
    fits = mask.ndim < prediction.ndim and mask.shape == prediction.shape[: mask.ndim]
    return mask if fits else None


def _free_name(output: str, name: str, again: str, taken: Mapping[str, Any]) -> str:
    """Keras's name in the logs: a second weighted metric gets a prefix, anything after that a number."""
    if output + name in taken:
        name = again + name
    stem = free = output + name
    count = 0
    while free in taken:
        count += 1
        free = f"{stem}_{count}"
    return free
