"""What `compile` asked for: the losses to make small, the metrics to watch, and their running values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastgru import data, kernels, losses, metrics
from fastgru.layers.layer import Array
from fastgru.losses import Loss
from fastgru.metrics import MeanMetricWrapper, Metric

# names that stand for a different class depending on the shapes of targets and predictions
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")

Names = Sequence[str] | None


class Goal:
    """What is asked of one output.

    Attributes
    ----------
    prefix : str
        Before the names of its metrics in the logs.
    loss : Loss, str or None
        A name that depends on the shapes stays one until `Objective.bind`.
    factor : float
        Of the loss.
    wanted : (list, list)
        The metrics without and with sample weights as they were given.
    metrics, weighted_metrics : list of Metric
        The same as objects; empty until `Objective.bind`.
    total : float
        Sum of the loss, without its factor, over the samples seen.
    """

    def __init__(self, prefix: str, loss: Any, factor: float, wanted: tuple[list[Any], list[Any]]) -> None:
        self.prefix, self.factor, self.wanted = prefix, factor, wanted
        self._by_shape = loss if _depends_on_shapes(loss) else None
        self.loss: Any = self._by_shape or losses.get(loss)
        if isinstance(self.loss, Loss) and self.loss.reduction in (None, "none"):
            raise ValueError(
                f"compile: loss {self.loss.name!r} with reduction {self.loss.reduction!r} gives no single number; "
                "take 'sum_over_batch_size'."
            )
        self.metrics: list[Metric] = []
        self.weighted_metrics: list[Metric] = []
        self.total = 0.0

    @property
    def idle(self) -> bool:
        """Nothing is asked: the output needs no targets."""
        return self.loss is None and not any(self.wanted)

    def settle(self, y_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        """Choose what depends on shapes."""
        if self._by_shape is not None:
            self.loss = losses.resolve(self._by_shape, y_shape, output_shape)
        self.metrics, self.weighted_metrics = (
            [metrics.resolve(entry, y_shape, output_shape, self.loss) for entry in wanted] for wanted in self.wanted
        )

    def watch_masked(self, y: Array, prediction: Array, weight: Array | None, mask: Array) -> None:
        """Take a batch into the metrics; as in Keras, a mask is a weight of 0 or 1 to those that are means."""
        weighted = mask if weight is None else mask * weight.reshape(len(weight), -1)
        for metric in self.metrics:
            metric.update_state(y, prediction, *([mask] if isinstance(metric, MeanMetricWrapper) else []))
        for metric in self.weighted_metrics:
            metric.update_state(y, prediction, weighted if isinstance(metric, MeanMetricWrapper) else weight)


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
        Of the numbers in `values`; without the metrics until `bind`.
    count : int
        Samples since the last `reset`.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, names: Names = None) -> None:
        self._names = names if names is not None and len(names) > 1 else None
        found = _of_each(loss, "loss", names)
        factors = _factors(loss_weights, names)
        wanted = [_wanted(metrics, "metrics", names), _wanted(weighted_metrics, "weighted_metrics", names)]
        prefixes = [f"{name}_" for name in self._names or ()] or [""]
        self._goals = [Goal(*about) for about in zip(prefixes, found, factors, zip(*wanted, strict=True), strict=True)]
        # as in Keras, the loss of an output is told where there are several
        told = [goal for goal in self._goals if goal.loss is not None]
        self._told = [(goal.prefix + "loss", goal) for goal in told] if len(told) > 1 else []
        self._maskless = (None,) * len(self._goals)
        self.names = ["loss", *(name for name, _ in self._told)]
        self._named: dict[str, Metric] = {}
        self._bound = False
        self._total = 0.0
        self.count = 0

    @property
    def has_loss(self) -> bool:
        return any(goal.loss is not None for goal in self._goals)

    @property
    def with_loss(self) -> list[str]:
        """Names of those of several outputs that have a loss."""
        return [name for name, goal in zip(self._names or (), self._goals, strict=False) if goal.loss is not None]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of all outputs, those that take sample weights last; empty until `bind`."""
        plain = [metric for goal in self._goals for metric in goal.metrics]
        return plain + [metric for goal in self._goals for metric in goal.weighted_metrics]

    def bind(self, where: str, targets: Sequence[Array | None], shapes: Sequence[Any], dtype: str) -> list[Any]:
        """Settle what depends on shapes, on the first data that fit; returns the targets as `take` wants them.

        Raises
        ------
        ValueError
            Targets are missing or do not fit the outputs, or the model has several outputs without names.
        """
        if len(shapes) != len(self._goals):
            raise ValueError(f"fit and evaluate: expected a model with one output, got {len(shapes)}.")
        for name, goal, y in zip(self._names or ("",), self._goals, targets, strict=True):
            if y is None and not goal.idle:
                of = f"the targets of the output {name!r}" if name else "the targets y"
                raise ValueError(f"{where}: needs {of}.")
        if not self._bound:
            self._settle(targets, shapes)
        bound = [
            _bound_targets(goal, y, shape, dtype) for goal, y, shape in zip(self._goals, targets, shapes, strict=True)
        ]
        self._bound = True  # after data that fit
        return bound

    def _settle(self, targets: Sequence[Array | None], shapes: Sequence[Any]) -> None:
        for goal, y, shape in zip(self._goals, targets, shapes, strict=True):
            if y is not None:
                goal.settle(y.shape, shape)
        self._named = {}
        for goal in self._goals:
            for metric in goal.metrics:
                self._named[_free_name(goal.prefix, metric.name, "", self._named)] = metric
        for goal in self._goals:
            for metric in goal.weighted_metrics:
                self._named[_free_name(goal.prefix, metric.name, "weighted_", self._named)] = metric
        # as in Keras: first the numbers that are found under the metrics' own names
        logs = {*self._named, *(name for name, _ in self._told)}
        own = [metric.name for metric in self.metrics if metric.name in logs]
        self.names = ["loss", *own, *(name for name, _ in self._told)]
        self.names += sorted(logs - set(self.names))

    def reset(self) -> None:
        """Forget all batches."""
        self._total, self.count = 0.0, 0
        for goal in self._goals:
            goal.total = 0.0
        for metric in self._named.values():
            metric.reset_state()

    def take(
        self,
        targets: Sequence[Any],
        outputs: Any,
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
        outputs, masks
            Of the model: a tuple where there are several. As in Keras, a mask tells the loss and the metrics which
            values count.
        penalty : float
            What regularizers add to the loss.
        differentiate : bool
        """
        parts, masks = (outputs, masks) if isinstance(outputs, tuple) else ((outputs,), (masks,))
        count, total = len(parts[0]), penalty
        gradients: list[Array | None] = []
        # lengths agree since `bind`
        for goal, y, part, weight, mask in zip(self._goals, targets, parts, weights, masks or self._maskless):  # noqa: B905
            if mask is not None:
                mask = _fitting(mask, part)
            gradient = None
            if goal.loss is not None:
                if differentiate:
                    loss, gradient = goal.loss.value_and_gradient(y, part, weight, mask)
                    if goal.factor != 1.0:
                        gradient *= goal.factor
                else:
                    loss = float(goal.loss(y, part, weight, mask))
                goal.total += loss * count
                total += goal.factor * loss
            gradients.append(gradient)
            if mask is not None:
                goal.watch_masked(y, part, weight, mask)
                continue
            for metric in goal.metrics:
                metric.update_state(y, part)
            for metric in goal.weighted_metrics:
                metric.update_state(y, part, weight)
        self._total += total * count
        self.count += count
        return gradients

    def results(self) -> dict[str, float]:
        """Losses, averaged over the samples seen, and metrics, by name, in alphabetical order as in Keras's logs."""
        count = self.count or 1
        logs = {name: float(metric.result()) for name, metric in self._named.items()}
        logs["loss"] = self._total / count
        for name, goal in self._told:
            logs[name] = goal.total / count
        return dict(sorted(logs.items()))

    def values(self) -> float | list[float]:
        """The same as `evaluate` returns them: the loss alone, or a list in the order of `names`."""
        logs = self.results()
        values = [logs[name] for name in self.names]
        return values[0] if len(values) == 1 else values


# --- what `compile` takes ---------------------------------------------------------------------------


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
    given = _listed(loss_weights)
    if not all(entry is None or isinstance(entry, (int, float, np.number)) for entry in given):
        raise ValueError(
            f"compile: expected loss_weights, its third argument, to be a number, got {loss_weights!r}; "
            f"metrics are given by name: metrics={given!r}."
        )
    return [1.0 if factor is None else float(factor) for factor in _of_each(loss_weights, "loss_weights", names)]


def _flat(given: Any) -> Iterator[Any]:
    if isinstance(given, (list, tuple, Mapping)):
        for entry in _listed(given):
            yield from _flat(entry)
    else:
        yield given


def _wanted(given: Any, argument: str, names: Names) -> list[list[Any]]:
    """The metrics of one argument of `compile`, a flat list for each output, their names checked."""
    if given is not None and not isinstance(given, (list, tuple, Mapping)):
        raise ValueError(f"compile: expected {argument} to be a list, got {given!r}; write {argument}=[{given!r}].")
    several = names is not None and len(names) > 1
    # [] is no list of entries for outputs but none for any, as in Keras
    parts = data.entries(given or None, names, f"compile, {argument}", "output") if several else [given]
    wanted = [[] if part is None else list(_flat(part)) for part in parts]
    for entry in (entry for part in wanted for entry in part):
        if not _depends_on_shapes(entry):
            metrics.get(entry)  # an unknown name is told now; a known one also names the metric, so it stays
    return wanted


def _depends_on_shapes(entry: Any) -> bool:
    return isinstance(entry, str) and entry.lower() in _BY_SHAPE


# --- what a batch brings ----------------------------------------------------------------------------


def _bound_targets(goal: Goal, y: Array | None, output_shape: Any, dtype: str) -> Array | None:
    """Checked targets as the loss takes them; None where nobody asks for them."""
    if y is None or goal.idle:
        return None
    # whole numbers that name classes stay whole; everything else is compared with the outputs
    names_classes = y.dtype.kind in "iu" and output_shape[-1] > 1 and y.shape != tuple(output_shape)
    y = kernels.contiguous(y, np.int64 if names_classes else dtype)
    if goal.loss is not None:
        goal.loss.check(y, output_shape)
    return y


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
