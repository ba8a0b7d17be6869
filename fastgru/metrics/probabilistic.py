"""Means of losses whose predictions are probabilities or rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, losses
from fastgru.metrics.metric import KIND
from fastgru.metrics.reductions import MeanMetricWrapper
from fastgru.registry import registered

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
]


@registered(KIND)
class KLDivergence(MeanMetricWrapper):
    """The mean of `losses.kl_divergence`."""

    def __init__(self, name: str | None = "kl_divergence", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


@registered(KIND)
class Poisson(MeanMetricWrapper):
    """The mean of `losses.poisson`."""

    def __init__(self, name: str | None = "poisson", dtype: npt.DTypeLike | None = None) -> None:
        super().__init__(losses.poisson, name, dtype)


_RANGES: dict[str, Callable[[Any, str, str], Any]] = {
    "axis": checks.integer,
    "from_logits": checks.flag,
    "ignore_class": checks.optional(checks.integer),
    "label_smoothing": checks.rate,
}


class _Crossentropy(MeanMetricWrapper):
    """The mean of a cross-entropy, whose options are attributes and stand in the config."""

    def __init__(self, fn: Any, name: str | None, dtype: npt.DTypeLike | None, **options: Any) -> None:
        for option, value in options.items():
            _RANGES[option](value, type(self).__name__, option)
        super().__init__(fn, name, dtype, **options)
        vars(self).update(options)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._fn_kwargs}


@registered(KIND, "bce", "BCE")
class BinaryCrossentropy(_Crossentropy):
    """The mean of `losses.binary_crossentropy`."""

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy, name, dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )


@registered(KIND)
class CategoricalCrossentropy(_Crossentropy):
    """The mean of `losses.categorical_crossentropy`."""

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(losses.categorical_crossentropy, name, dtype, **options)


@registered(KIND)
class SparseCategoricalCrossentropy(_Crossentropy):
    """The mean of `losses.sparse_categorical_crossentropy`.

    As in Keras, ignored labels leave the count only where sample weights are given.
    """

    ignore_class: int | None

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: npt.DTypeLike | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(losses.sparse_categorical_crossentropy, name, dtype, **options)

    def update_state(  # type: ignore[override]
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        if sample_weight is not None and self.ignore_class is not None:
            counted = np.not_equal(y_true, self.ignore_class)
            weights = np.asarray(sample_weight)
            if counted.ndim == np.ndim(y_pred):
                counted = counted[..., 0]
            sample_weight = counted * weights.reshape(weights.shape + (1,) * (counted.ndim - weights.ndim))
        super().update_state(y_true, y_pred, sample_weight)
