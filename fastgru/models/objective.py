"""What `compile` asked for: the loss to make small, the metrics to watch, and their running values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastgru import losses, metrics
from fastgru.layers.layer import Array
from fastgru.metrics import Metric

# names that stand for a different class depending on the shapes of targets and predictions
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


def _the_one(value: Any, argument: str) -> Any:
    """The entry of a list or dict of one: the model has one output."""
    entries = _entries(value)
    if len(entries) != 1:
        raise ValueError(f"compile: the model has one output, got {len(entries)} entries in {argument}.")
    return entries[0]


def _entries(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _factor(loss_weights: Any) -> float:
    """What the loss is multiplied by."""
    entries = _entries(loss_weights)
    if not all(entry is None or isinstance(entry, (int, float, np.number)) for entry in entries):
        raise ValueError(
            f"compile: expected loss_weights, its third argument, to be a number, got {loss_weights!r}; "
            f"metrics are given by name: metrics={entries!r}."
        )
    factor = _the_one(loss_weights, "loss_weights")
    return 1.0 if factor is None else float(factor)


def _flat(given: Any) -> Iterator[Any]:
    for entry in given.values() if isinstance(given, Mapping) else given:
        if isinstance(entry, (list, tuple, Mapping)):
            yield from _flat(entry)
        else:
            yield entry


def _wanted(given: Any, argument: str) -> list[Any]:
    """The metrics of one argument of `compile` in a flat list, their names checked."""
    if given is None:
        return []
    if not isinstance(given, (list, tuple, Mapping)):
        raise ValueError(f"compile: expected {argument} to be a list, got {given!r}; write {argument}=[{given!r}].")
    entries = list(_flat(given))
    for entry in entries:
        if not _depends_on_shapes(entry):
            metrics.get(entry)  # an unknown name is told now; a known one also names the metric, so it stays
    return entries


class Objective:
    """Loss and metrics of a model with one output.

    Parameters
    ----------
    loss, loss_weights, metrics, weighted_metrics
        As `compile` takes them.

    Attributes
    ----------
    loss : Loss, str or None
        A name that depends on the shapes stays one until `bind`.
    metrics, weighted_metrics : list of Metric
        Taken without and with sample weights; empty until `bind`.
    count : int
        Samples since the last `reset`.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any) -> None:
        loss = _the_one(loss, "loss")
        self.loss: Any = loss if loss is None or _depends_on_shapes(loss) else losses.get(loss)
        if isinstance(self.loss, losses.Loss) and self.loss.reduction in (None, "none"):
            raise ValueError(
                f"compile: loss {self.loss.name!r} with reduction {self.loss.reduction!r} gives no single number; "
                "take 'sum_over_batch_size'."
            )
        self.factor = _factor(loss_weights)
        self._wanted = [_wanted(metrics, "metrics"), _wanted(weighted_metrics, "weighted_metrics")]
        self.metrics: list[Metric] = []
        self.weighted_metrics: list[Metric] = []
        self._named: dict[str, Metric] = {}
        self._bound = False
        self._total = 0.0
        self.count = 0

    def bind(self, y: Array, output_shape: Any, dtype: str) -> Array:
        """Settle what depends on shapes, on the first data; returns the targets as `differentiate` takes them.

        Raises
        ------
        ValueError
            The model has several outputs, or the targets do not fit the one it has.
        """
        if isinstance(output_shape[0], tuple):
            raise ValueError(f"fit and evaluate: expected a model with one output, got {len(output_shape)}.")
        if not self._bound:
            self._settle(y.shape, output_shape)
        # whole numbers that name classes stay whole; everything else is compared with the outputs
        names_classes = y.dtype.kind in "iu" and output_shape[-1] > 1 and y.shape != tuple(output_shape)
        y = np.ascontiguousarray(y, dtype=np.int64 if names_classes else dtype)
        if self.loss is not None:
            self.loss.check(y, output_shape)
        return y

    def _settle(self, y_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        if isinstance(self.loss, str):
            self.loss = losses.resolve(self.loss, y_shape, output_shape)
        self.metrics, self.weighted_metrics = (
            [metrics.resolve(entry, y_shape, output_shape, self.loss) for entry in wanted] for wanted in self._wanted
        )
        self._named = {}
        for prefix, found in (("", self.metrics), ("weighted_", self.weighted_metrics)):
            for metric in found:
                self._named[_free_name(metric.name, prefix, self._named)] = metric
        self._bound = True

    @property
    def names(self) -> list[str]:
        """Names of the numbers in `values`."""
        own = [metric.name for metric in (*self.metrics, *self.weighted_metrics)]
        return ["loss", *own, *sorted(self._named.keys() - set(own))]

    def reset(self) -> None:
        """Forget all batches."""
        self._total, self.count = 0.0, 0
        for metric in self._named.values():
            metric.reset_state()

    def differentiate(self, y: Array, prediction: Array, weight: Array | None, penalty: float) -> Array:
        """Take a batch in; returns the gradient of its loss by the predictions."""
        loss, gradient = self.loss.value_and_gradient(y, prediction, weight)
        if self.factor != 1.0:
            loss *= self.factor
            gradient *= self.factor
        self._watch(y, prediction, weight, loss + penalty)
        return gradient

    def update(self, y: Array, prediction: Array, weight: Array | None, penalty: float) -> None:
        """Take a batch in, for its loss and metrics alone."""
        loss = 0.0 if self.loss is None else self.factor * float(self.loss(y, prediction, weight))
        self._watch(y, prediction, weight, loss + penalty)

    def _watch(self, y: Array, prediction: Array, weight: Array | None, loss: float) -> None:
        self._total += loss * len(prediction)
        self.count += len(prediction)
        for metric in self.metrics:
            metric.update_state(y, prediction)
        for metric in self.weighted_metrics:
            metric.update_state(y, prediction, weight)

    def results(self) -> dict[str, float]:
        """Loss, averaged over the samples seen, and metrics, by name, in alphabetical order as in Keras's logs."""
        logs = {name: float(metric.result()) for name, metric in self._named.items()}
        logs["loss"] = self._total / self.count if self.count else 0.0
        return dict(sorted(logs.items()))

    def values(self) -> float | list[float]:
        """The same as `evaluate` returns them: the loss alone, or a list in the order of `names`."""
        logs = self.results()
        values = [logs[name] for name in self.names]
        return values[0] if len(values) == 1 else values


def _depends_on_shapes(entry: Any) -> bool:
    return isinstance(entry, str) and entry.lower() in _BY_SHAPE


def _free_name(name: str, prefix: str, taken: Mapping[str, Any]) -> str:
    """Keras's name in the logs: a second weighted metric gets a prefix, anything after that a number."""
    if name in taken:
        name = prefix + name
    stem, count = name, 0
    while name in taken:
        count += 1
        name = f"{stem}_{count}"
    return name
