"""GRUClassifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from fastgru import layers
from fastgru.sklearn.estimator import PARAMETERS, GRUEstimator
from fastgru.sklearn.sequences import read_sequences
from fastgru.types import Array

__all__ = ["GRUClassifier"]


class GRUClassifier(ClassifierMixin, GRUEstimator):  # type: ignore[misc]  # scikit-learn has no types
    __doc__ = f"""A GRU network that tells classes of sequences apart, as an estimator of scikit-learn.
{PARAMETERS}
    classes_ : (number of classes,) ndarray
        The labels, in the order of `predict_proba`'s columns.

    Examples
    --------
    >>> from fastgru.sklearn import GRUClassifier
    >>> GRUClassifier(64, epochs=20, random_state=0).fit(x, y).predict_proba(x_new)  # x: (samples, steps, features)
    """

    _default_loss = "sparse_categorical_crossentropy"

    def _head(self) -> layers.Dense:
        return layers.Dense(len(self.classes_), activation="softmax")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> GRUClassifier:
        """Train a new network on sequences and the label of each."""
        x, labels = read_sequences(self, X, reset=True), _labels(y)
        check_consistent_length(x, labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        self._start(x)
        self._train(x, numbers, sample_weight, self.epochs, numbers)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> GRUClassifier:
        """Train for one epoch on more samples; the first call names all classes that there will be."""
        is_first = not hasattr(self, "model_")
        if is_first and classes is None:
            raise ValueError("GRUClassifier: classes must be passed on the first call to partial_fit.")
        x = read_sequences(self, X, reset=is_first)
        labels = _labels(y)
        check_consistent_length(x, labels)
        known = np.unique(classes) if is_first else self.classes_
        if classes is not None and not np.array_equal(known, np.unique(classes)):
            named = np.unique(classes).tolist()
            raise ValueError(f"GRUClassifier: classes={named} is not what the first call named: {known.tolist()}.")
        strange = np.setdiff1d(labels, known).tolist()
        if strange:
            raise ValueError(f"GRUClassifier: y holds {strange[0]!r}, which is none of the classes {known.tolist()}.")
        self.classes_ = known
        if is_first:
            self._start(x)
        self._train(x, np.searchsorted(known, labels), sample_weight, epochs=1)
        return self

    def predict_proba(self, X: Any) -> Array:
        """The share of each class, (samples, classes)."""
        return self._answers(X)

    def predict(self, X: Any) -> Array:
        """The likeliest class of each sample."""
        numbers = self._answers(X).argmax(axis=1)
        labels: Array = self.classes_[numbers]
        return labels


def _labels(y: Any) -> Array:
    check_classification_targets(y)
    labels: Array = column_or_1d(y, warn=True)
    return labels
