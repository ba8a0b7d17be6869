"""What the classifier and the regressor share: the network, and how it is trained."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from fastgru import callbacks, layers, models, optimizers, random
from fastgru.sklearn.sequences import read_sequences
from fastgru.types import Array

__all__ = ["PARAMETERS", "GRUEstimator"]

PARAMETERS = """
    Parameters
    ----------
    units : int or sequence of int
        Units of the GRU layer, or of each of several.
    bidirectional : bool
        Each layer reads both ways.
    dropout : float
        The rate at which inputs of each GRU layer are dropped in training.
    features_per_step : int
        Of a table (n, columns): the columns of a step. Sequences (n, T, F) and lists of (T_i, F) say it themselves.
    loss : str or Loss, optional
        Of class numbers and shares, or of numbers and answers: "sparse_categorical_crossentropy" and "mse" where None.
    optimizer : str or Optimizer
    learning_rate : float, optional
        The optimizer's own where None.
    batch_size, epochs : int
    early_stopping : bool
        Set `validation_fraction` of the samples aside, end after `patience` epochs without a better loss on them, and
        take the weights of the best epoch.
    validation_fraction : float
    patience : int
    random_state : int, RandomState or None
        Of initial weights, order, dropout and the samples set aside. fastgru's own stream is neither read nor moved.
    verbose : {0, 1, 2}
        As `fit` of a model takes it.

    Attributes
    ----------
    model_ : Sequential
        The trained network, which can be saved, explained and continued like any other.
    history_ : dict of list
        Loss of each epoch, and of the samples set aside (`val_loss`).
    n_iter_ : int
        Epochs that ran.
    n_features_in_ : int
        Columns of the table, or features of a step.
"""


class GRUEstimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One or more GRU layers, of which the last one's final state goes into a Dense layer; `PARAMETERS` says how.

    A subclass says what the Dense layer is (`_head`), the loss, and what targets are.
    """

    _default_loss: str

    def __init__(
        self,
        units: Any = 32,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        features_per_step: int = 1,
        loss: Any = None,
        optimizer: Any = "adam",
        learning_rate: float | None = 0.005,
        batch_size: int = 32,
        epochs: int = 50,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.units = units
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.features_per_step = features_per_step
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _head(self) -> layers.Dense:
        """The last layer, whose units the targets decide."""
        raise NotImplementedError

    def _start(self, x: Array | list[Array]) -> None:
        """A new network with weights of its own, for sequences like these."""
        self._source = np.random.default_rng(check_random_state(self.random_state).randint(2**31, dtype=np.int64))
        units: list[Any] = [self.units] if isinstance(self.units, (int, np.integer)) else [*self.units]
        if not units:
            raise ValueError(f"{type(self).__name__}: units must name at least one layer, got {self.units!r}.")
        network: list[Any] = [layers.Input((None, x[0].shape[-1]))]
        for number, size in enumerate(units, 1):
            layer: Any = layers.GRU(size, dropout=self.dropout, return_sequences=number < len(units))
            network.append(layers.Bidirectional(layer) if self.bidirectional else layer)
        optimizer = copy.deepcopy(optimizers.get(self.optimizer))
        if self.learning_rate is not None:
            optimizer.learning_rate = self.learning_rate
        with random.drawing_from(self._source):
            self.model_ = models.Sequential([*network, self._head()])
            self.model_.compile(optimizer, self._default_loss if self.loss is None else copy.deepcopy(self.loss))

    def _train(self, x: Any, y: Any, weight: Any, epochs: int, classes: Array | None = None) -> None:
        """Train `model_`; with `early_stopping` (never for one epoch) on all but the samples set aside."""
        if weight is not None:
            weight = _check_sample_weight(weight, x)
        stopping = self.early_stopping and epochs > 1
        validation = None
        if stopping:
            rows, aside = self._split(len(y), classes)
            validation = tuple(_rows(part, aside) for part in (x, y, weight) if part is not None)
            x, y, weight = (None if part is None else _rows(part, rows) for part in (x, y, weight))
        with random.drawing_from(self._source):
            history = self.model_.fit(
                x,
                y,
                self.batch_size,
                epochs,
                verbose=self.verbose,
                sample_weight=weight,
                validation_data=validation,
                callbacks=[callbacks.EarlyStopping(patience=self.patience, restore_best_weights=True)] * stopping,
            )
        self.history_ = history.history
        self.n_iter_ = len(history.epoch)

    def _split(self, count: int, classes: Array | None) -> tuple[Array, Array]:
        """The samples to train with and those set aside, of each class alike where there are enough of each."""
        aside = math.ceil(count * self.validation_fraction)
        if not 0 < aside < count:
            raise ValueError(
                f"{type(self).__name__}: validation_fraction={self.validation_fraction} sets aside {aside} of "
                f"n_samples={count}, expected at least one and not all; pass more samples or early_stopping=False."
            )
        if classes is not None:
            sizes = np.bincount(classes)
            if sizes.min() < 2 or min(aside, count - aside) < len(sizes):
                classes = None
        seed = int(self._source.integers(2**31))
        rows, others = train_test_split(np.arange(count), test_size=aside, stratify=classes, random_state=seed)
        return rows, others

    def _answers(self, x: Any) -> Array:
        """What the network says of each sample."""
        check_is_fitted(self)
        answers: Array = self.model_.predict(read_sequences(self, x, reset=False), verbose=0)
        return answers


def _rows(values: Any, rows: Array) -> Any:
    return [values[row] for row in rows] if isinstance(values, list) else values[rows]
