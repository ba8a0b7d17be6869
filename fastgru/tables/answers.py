"""How good answers are that are a class or a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastgru.tables.samples import Comparison, Outcome
from fastgru.types import Array


@dataclass
class ClassOutcome(Outcome):
    """How good a classifier is.

    Attributes
    ----------
    classes : sequence of str
    counts : (C, C) int ndarray
        How many samples of each class, a row, were taken for each, a column.
    precision, recall : (C,) ndarray
        NaN where a class was never predicted, or is not there.
    """

    classes: Sequence[str]
    counts: Array
    precision: Array
    recall: Array


@dataclass
class NumberOutcome(Outcome):
    """How good predicted numbers are.

    Attributes
    ----------
    truth, predicted : (N,) ndarray
    """

    truth: Array
    predicted: Array


def of_classes(probabilities: Array, labels: Array, classes: Sequence[str], majority: int | None) -> ClassOutcome:
    """Of (N, C) probabilities for (N,) class numbers; `majority` is the most frequent class in training."""
    count = len(classes)
    predicted = probabilities.argmax(axis=1)
    counts = np.bincount(labels * count + predicted, minlength=count * count).reshape(count, count)
    if majority is None:
        majority = int(counts.sum(axis=1).argmax())
    with np.errstate(invalid="ignore"):
        precision, recall = np.diag(counts) / counts.sum(axis=0), np.diag(counts) / counts.sum(axis=1)
    baseline = {f"always {classes[majority]!r}": float((labels == majority).mean())}
    accuracy = Comparison("accuracy", float((predicted == labels).mean()), baseline, is_error=False)
    return ClassOutcome([accuracy], len(labels), classes, counts, precision, recall)


def of_numbers(predicted: Array, truth: Array, mean: float | None) -> NumberOutcome:
    """Of (N,) numbers; `mean` is that of the training part."""
    name = "the mean of the training part" if mean is not None else "the mean"
    mean = float(truth.mean()) if mean is None else mean
    comparisons = []
    for metric, error in (("mean absolute error", _absolute), ("root mean squared error", _root)):
        comparisons.append(Comparison(metric, error(predicted - truth), {name: error(mean - truth)}))
    return NumberOutcome(comparisons, len(truth), truth, predicted)


def _absolute(errors: Array) -> float:
    return float(np.abs(errors).mean(dtype=np.float64))


def _root(errors: Array) -> float:
    return float(np.sqrt(np.square(errors, dtype=np.float64).mean()))
