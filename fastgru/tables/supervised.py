"""Classes and numbers: from a row, a window of rows, or all rows of a group, to what a column says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fastgru.tables import answers, features, network, scaling, split, windows
from fastgru.tables.network import Networks, Size
from fastgru.tables.plan import Plan
from fastgru.tables.samples import Answers, Outcome, Predict, Samples, check_parts
from fastgru.tables.scaling import Scaling
from fastgru.tables.series import Series, arranged
from fastgru.tables.table import Table, is_missing, listed
from fastgru.tables.times import shown
from fastgru.tables.windows import Windows
from fastgru.types import Array

MOST_CLASSES = 20  # that need not come twice each


class Supervised:
    """Samples of numbers with a class or a number to predict.

    Without `window` and `group` of the plan a sample is a row, whose cells are the steps of a sequence; with `group`
    alone it is all rows of a group; with `window` so many rows in the order of time, of which the last says the target.

    Parameters
    ----------
    table, plan, columns, shares
        As of `Forecast`.
    seed : int
        Of the order in which samples without a time fall into parts.
    stride : int
        Rows between the beginnings of two windows of the training part.
    """

    parts: Sequence[Samples]

    def __init__(
        self,
        table: Table,
        plan: Plan,
        columns: Sequence[str] | None = None,
        shares: tuple[float, float, float] | None = None,
        seed: int = 0,
        stride: int = 1,
    ) -> None:
        self.series, self.is_split = arranged(table, plan), shares is not None
        target = _target(self.series, plan)
        known = ~is_missing(target)
        self.notes = self.series.notes
        if not known.all():
            self.notes.append(f"rows without a {plan.target!r}: {(~known).sum():,}; they are left out")
        part = self._parted(plan, shares, seed)
        if shares is not None:
            plan = _completed(plan, self.series, columns, known & (part == split.TRAINING), target)
        self.plan = plan
        self.samples = _Samples(self.series, plan, known, part)
        label = _labels(target[self.samples.last], plan, table.file)
        part = part[self.samples.last]
        self.labels = label[part == split.TEST]
        self.x = _selected(self.samples.x, np.flatnonzero(part == split.TEST))
        if shares is None:
            return
        training = np.flatnonzero(part == split.TRAINING)
        self.scaling = self.samples.scaling()
        self.target_scaling: Scaling | None = None
        if plan.task == "regress":
            values = label[training, np.newaxis]
            self.target_scaling = scaling.measured(values, np.zeros(len(values), np.int64), 0, np.array([True]))
            label = self.target_scaling.scaled(label, np.zeros(len(label), np.int64))
        rows = [np.flatnonzero(part == number) for number in range(len(split.PARTS))]
        rows[split.TRAINING] = rows[split.TRAINING][::stride]
        self.parts = [Samples(_selected(self.samples.x, one), label[one]) for one in rows]
        check_parts(self.parts, table.file, "samples", f"the file has {len(label):,} in all; change --split")
        training_labels = self.parts[split.TRAINING].y
        self.common = int(np.bincount(training_labels).argmax()) if plan.task == "classify" else None

    @property
    def loss(self) -> str:
        return "mae" if self.plan.task == "regress" else "sparse_categorical_crossentropy"

    @property
    def metrics(self) -> list[str]:
        return ["mse"] if self.plan.task == "regress" else ["accuracy"]

    def _parted(self, plan: Plan, shares: tuple[float, float, float] | None, seed: int) -> Array:
        """The part of each row: by time where there is one, else drawn; all rows of a group together."""
        series = self.series
        if shares is None:
            return np.full(len(series), split.TEST)
        if plan.is_of_groups:
            return split.drawn(len(series.groups), shares, seed)[series.group]
        if plan.time is not None or plan.window is not None:
            return split.in_time(series, shares)
        return split.drawn(len(series), shares, seed)

    def networks(self, size: Size) -> Networks:
        outputs = len(self.plan.classes) if self.plan.task == "classify" else 1
        shape, axis = self.samples.shape
        return network.of_numbers(size, shape, self.scaling, outputs, self.target_scaling, axis)

    def outcome(self, predict: Predict) -> Outcome:
        predicted = predict(self.x)
        if self.plan.task == "classify":
            return answers.of_classes(predicted, self.labels, self.plan.classes, self.common if self.is_split else None)
        mean = float(self.target_scaling.mean[0, 0]) if self.is_split and self.target_scaling else None
        return answers.of_numbers(predicted[:, 0].astype(np.float64), self.labels, mean)


def answer(table: Table, plan: Plan, predict: Predict) -> Answers:
    """What the model says of each sample in a file, whose target need not be there."""
    series = arranged(table, plan)
    samples = _Samples(series, plan, np.ones(len(series), bool), np.zeros(len(series), np.int64))
    if not len(samples.last):
        raise ValueError(f"{table.file}: has no sample as the model wants them, without a gap or a missing value.")
    predicted = predict(_selected(samples.x, np.arange(len(samples.last))))
    columns: dict[str, Any] = {}
    if plan.group is not None:
        columns[plan.group] = [series.groups[index] for index in series.group[samples.last]]
    if series.times is not None and not plan.is_of_groups:
        assert plan.time is not None
        columns[plan.time] = shown(series.times[samples.last])
    if not columns:
        columns["row"] = samples.last + 1
    return Answers({**columns, **said(predicted, plan)}, predicted, series.notes)


def said(predicted: Array, plan: Plan) -> dict[str, Any]:
    """The columns of predictions: the class and its probabilities, or the number."""
    if not plan.classes:
        return {plan.target: predicted[:, 0]}
    best = [plan.classes[index] for index in predicted.argmax(axis=1)]
    return {plan.target: best, **{f"p({name})": predicted[:, index] for index, name in enumerate(plan.classes)}}


class _Samples:
    """The samples in rows.

    Attributes
    ----------
    x
        Windows, a list of sequences, or an array.
    last : (S,) int ndarray
        The row that says the target of each.
    shape : ((T, F), int)
        What the network reads, and the axis along which it is scaled.
    """

    def __init__(self, series: Series, plan: Plan, known: Array, part: Array) -> None:
        numbers = features.matrix(series, plan.features, False)
        features.note_missing(series, plan, numbers)
        if plan.gaps == "fill":
            numbers = features.matrix(series, plan.features, True)
        usable = np.asarray(~np.isnan(numbers).any(axis=1))
        self._numbers, self._part_of_rows = numbers, part
        self._is_scaled = scaling.of_numbers(plan.features)
        width = numbers.shape[1]
        self.shape: tuple[tuple[int | None, int], int] = (plan.window, width), -1
        self.x: Any
        if plan.window is not None:
            first = windows.starts(series.follows, usable, part, plan.window)
            self.last = first + plan.window - 1
            first, self.last = first[known[self.last]], self.last[known[self.last]]
            self.x = Windows(numbers, first, plan.window)
        elif plan.is_of_groups:
            rows = np.flatnonzero(usable & known)
            edges = np.flatnonzero(np.diff(series.group[rows], append=-1)) + 1
            pieces = np.split(rows, edges[:-1]) if rows.size else []
            self.last = np.array([piece[-1] for piece in pieces], np.int64)
            self.x = [numbers[piece] for piece in pieces]
        else:
            self.last = np.flatnonzero(usable & known)
            self.x, self.shape = numbers[self.last][:, :, np.newaxis], ((width, 1), 1)

    def scaling(self) -> Scaling:
        """The statistics of the rows in the training part."""
        rows = self._numbers[self._part_of_rows == split.TRAINING]
        return scaling.measured(rows, np.zeros(len(rows), np.int64), 0, self._is_scaled)


def _selected(x: Any, rows: Array) -> Any:
    """Some of the samples; sequences of one length as one array."""
    if not isinstance(x, list):
        return x[rows]
    sequences = [x[row] for row in rows]
    return np.stack(sequences) if len({len(one) for one in sequences}) == 1 else sequences


def _target(series: Series, plan: Plan) -> Array:
    target = series.table.require(plan.target, "--target")
    where = f"{series.table.file}, column {plan.target!r}"
    if plan.task == "regress" and target.dtype.kind != "f":
        raise ValueError(
            f"{where}: expected numbers for --task regress, got text or times; --task classify takes text."
        )
    if plan.task == "classify" and target.dtype != object:
        raise ValueError(f"{where}: expected classes, got times.")
    if plan.is_of_groups:
        missing = is_missing(target)
        same = (target[1:] == target[:-1]) | (missing[1:] & missing[:-1]) | (series.group[1:] != series.group[:-1])
        if not same.all():
            row = int(np.flatnonzero(~same)[0]) + 1
            raise ValueError(
                f"{where}: without --window all rows of a {plan.group!r} are one sample, with one target, but "
                f"{series.groups[series.group[row]]!r} has {target[row - 1]!r} and {target[row]!r}."
            )
    return target


def classes_of(labels: Array) -> tuple[str, ...]:
    """Different labels in their order: that of numbers where all are."""
    names = set(labels.tolist())
    try:
        return tuple(sorted(names, key=float))
    except ValueError:
        return tuple(sorted(names))


def class_numbers(labels: Array, plan: Plan, file: str) -> Array:
    """(N,) int ndarray; ValueError where a label is none of the plan's classes."""
    numbers = {name: number for number, name in enumerate(plan.classes)}
    unknown = [name for name in dict.fromkeys(labels.tolist()) if name not in numbers]
    if unknown:
        raise ValueError(
            f"{file}, column {plan.target!r}: the model knows no class {unknown[0]!r}; it knows {listed(plan.classes)}."
        )
    return np.fromiter(map(numbers.__getitem__, labels), np.int64, len(labels))


def _labels(target: Array, plan: Plan, file: str) -> Array:
    return class_numbers(target, plan, file) if plan.task == "classify" else target.astype(np.float64)


def _completed(plan: Plan, series: Series, columns: Sequence[str] | None, training: Array, target: Array) -> Plan:
    """The plan with what the training part says; classes are those of the whole file."""
    if columns is not None and plan.target in columns:
        raise ValueError(f"--columns: {plan.target!r} is the target, which the model cannot read.")
    classes = classes_of(target[~is_missing(target)]) if plan.task == "classify" else ()
    if len(classes) > max(MOST_CLASSES, len(target) // 2):
        raise ValueError(
            f"{series.table.file}, column {plan.target!r}: has {len(classes):,} different values in {len(target):,} "
            "rows, too many to be classes; --task regress predicts numbers."
        )
    if plan.task == "classify" and len(classes) < 2:
        raise ValueError(
            f"{series.table.file}, column {plan.target!r}: expected two classes at least, got {list(classes)}."
        )
    read = features.fitted(series, plan, columns, training)
    if not read:
        raise ValueError(f"{series.table.file}: has no column to learn from beside the target, the time and the group.")
    return replace(
        plan,
        features=read,
        groups=tuple(series.groups) if plan.window is not None else (),
        classes=classes,
        step=(series.step.size, series.step.unit) if series.step else None,
    )
