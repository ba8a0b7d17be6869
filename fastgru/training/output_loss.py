"""Loss and metrics of each output, made of what `compile` takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import data, losses, metrics
from fastgru.data import Column, Evenly, Names
from fastgru.training.sums import update_state
from fastgru.types import Array

if TYPE_CHECKING:
    from fastgru.metrics import Metric

# names that stand for a different class depending on the shapes of targets and predictions
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")

# in pickles of the last release
_OLD_NAMES = {"_goals": "_outputs", "_told": "_reported", "_maskless": "_no_masks", "wanted": "metric_names"}


def set_state(self: Any, state: Mapping[str, Any]) -> None:
    """`__setstate__`, which knows the attributes by the names of the last release, too."""
    vars(self).update((_OLD_NAMES.get(name, name), value) for name, value in state.items())


class OutputLoss:
    """Loss and metrics of one output.

    Attributes
    ----------
    prefix : str
        Before the names of its metrics in the logs.
    loss : Loss, str or None
        A name that depends on the shapes stays one until `Objective.bind`.
    factor : float
        Of the loss.
    metric_names : (list, list)
        The metrics without and with sample weights as `compile` took them: names or objects.
    metrics, weighted_metrics : list of Metric
        The same as objects; empty until `Objective.bind`.
    total : float
        Sum of the loss, without its factor, over the samples seen.
    """

    def __init__(self, prefix: str, loss: Any, factor: float, metric_names: tuple[list[Any], list[Any]]) -> None:
        self.prefix, self.factor, self.metric_names = prefix, factor, metric_names
        self._by_shape = loss if _depends_on_shapes(loss) else None
        self.loss: Any = self._by_shape or losses.get(loss)
        if getattr(self.loss, "reduction", "") in (None, "none"):
            raise ValueError(
                f"compile: loss {self.loss.name!r} with reduction {self.loss.reduction!r} gives no single number; "
                "take 'sum_over_batch_size'."
            )
        self.metrics: list[Metric] = []
        self.weighted_metrics: list[Metric] = []
        self.total = 0.0

    __setstate__ = set_state

    @property
    def idle(self) -> bool:
        """Neither loss nor metrics: the output needs no targets."""
        return self.loss is None and not any(self.metric_names)

    def settle(self, y_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Choose what depends on shapes."""
        if self._by_shape is not None:
            self.loss = losses.resolve(self._by_shape, y_shape, output_shape)
        self.metrics, self.weighted_metrics = (
            [metrics.resolve(entry, y_shape, output_shape, self.loss) for entry in names] for names in self.metric_names
        )

    def watch(
        self,
        y: Array,
        prediction: Array,
        weight: Array | None,
        mask: Array | None = None,
        update: Callable[..., None] = update_state,
    ) -> None:
        """Take a batch into the metrics; as in Keras, a mask is a weight of 0 or 1 to those that are means."""
        if mask is None:
            for metric in self.metrics:
                update(metric, y, prediction)
            for metric in self.weighted_metrics:
                update(metric, y, prediction, weight)
            return
        weighted = mask if weight is None else mask * weight.reshape(len(weight), -1)
        for metric in self.metrics:
            update(metric, y, prediction, *([mask] if isinstance(metric, metrics.MeanMetricWrapper) else []))
        for metric in self.weighted_metrics:
            update(metric, y, prediction, weighted if isinstance(metric, metrics.MeanMetricWrapper) else weight)

    def target_column(self, y: Evenly, output_shape: Any, dtype: str, label: str) -> Column:
        """Targets as the loss takes them."""
        # whole numbers that name classes stay whole; everything else is compared with the outputs
        names_classes = y.dtype.kind in "iu" and output_shape[-1] > 1 and y.shape != tuple(output_shape)
        checks = [data.finite(label, infinity=True)]  # as in Keras, whose TerminateOnNaN then has its say
        if self.loss is not None:
            checks.append(lambda rows, _: self.loss.check(rows, (len(rows), *output_shape[1:])))
        return Column(y, np.int64 if names_classes else dtype, *checks)


def output_losses(
    loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, names: Names = None
) -> list[OutputLoss]:
    """Loss and metrics of each of the outputs with these names, or of the only one, as `compile` takes them.

    Raises
    ------
    ValueError
        A name is unknown, or an argument is not one for these outputs.
    """
    several = names if names is not None and len(names) > 1 else ()
    prefixes = [f"{name}_" for name in several] or [""]
    by_output = zip(
        prefixes,
        _of_each(loss, "loss", names),
        _factors(loss_weights, names),
        zip(
            _metric_names(metrics, "metrics", names),
            _metric_names(weighted_metrics, "weighted_metrics", names),
            strict=True,
        ),
        strict=True,
    )
    return [OutputLoss(*options) for options in by_output]


def _listed(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _of_each(value: Any, argument: str, names: Names) -> list[Any]:
    """What an argument says for each output: a list or dict entry by entry, anything else for all of them."""
    if names is not None and isinstance(value, Mapping):
        return data.entries(value, names, f"compile, {argument}", "output")
    if names is None or len(names) == 1:
        alone = _listed(value)
        if len(alone) != 1:
            raise ValueError(f"compile: the model has one output, got {len(alone)} entries in {argument}.")
        return alone
    if isinstance(value, (list, tuple)):
        return data.entries(value, names, f"compile, {argument}", "output")
    return [value] * len(names)


def _factors(loss_weights: Any, names: Names) -> list[float]:
    """What the loss of each output is multiplied by."""
    listed = _listed(loss_weights)
    if not all(entry is None or isinstance(entry, (int, float, np.number)) for entry in listed):
        raise ValueError(
            f"compile: expected loss_weights, its third argument, to be a number, got {loss_weights!r}; "
            f"metrics are given by name: metrics={listed!r}."
        )
    factors = [1.0 if factor is None else float(factor) for factor in _of_each(loss_weights, "loss_weights", names)]
    if not all(map(math.isfinite, factors)):
        raise ValueError(f"compile: expected finite numbers as loss_weights, got {loss_weights!r}.")
    return factors


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, Mapping)):
        for entry in _listed(value):
            yield from _flat(entry)
    else:
        yield value


def _metric_names(value: Any, argument: str, names: Names) -> list[list[Any]]:
    """The metrics of one argument of `compile`, a flat list for each output, their names checked."""
    if value is not None and not isinstance(value, (list, tuple, Mapping)):
        raise ValueError(f"compile: expected {argument} to be a list, got {value!r}; write {argument}=[{value!r}].")
    several = names is not None and len(names) > 1
    # [] is no list of entries for outputs but none for any, as in Keras
    parts = data.entries(value or None, names, f"compile, {argument}", "output") if several else [value]
    by_output = [[] if part is None else list(_flat(part)) for part in parts]
    for entry in (entry for part in by_output for entry in part):
        if not _depends_on_shapes(entry):
            metrics.check(entry)  # an unknown name is an error now; a known one also names the metric, so it stays
    return by_output


def _depends_on_shapes(entry: Any) -> bool:
    return isinstance(entry, str) and entry.lower() in _BY_SHAPE
