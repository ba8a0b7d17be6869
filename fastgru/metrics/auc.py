"""The area under a curve that the counts at many thresholds draw."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import activations, checks
from fastgru.autodiff import Tensor
from fastgru.kernels import EPSILON
from fastgru.losses.loss import as_float
from fastgru.metrics.confusion import ConfusionMetric
from fastgru.metrics.counts import even_thresholds, quotient, thresholds_in_range
from fastgru.metrics.metric import KIND
from fastgru.metrics.reductions import float_dtype
from fastgru.metrics.variable import as_result
from fastgru.registry import registered
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AUC", "AUCCurve", "AUCSummationMethod"]


class AUCCurve(Enum):
    """What is drawn over what."""

    ROC = "ROC"
    PR = "PR"
    PRGAIN = "PRGAIN"


class AUCSummationMethod(Enum):
    """How high the curve is taken between two thresholds."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"


@registered(KIND)
class AUC(ConfusionMetric):
    """The area under the ROC, the precision-recall or the precision-recall-gain curve.

    Parameters
    ----------
    num_thresholds : int
        At least 2: the points of the curve, at thresholds with equal distances from 0 to 1.
    curve : {"ROC", "PR", "PRGAIN"} or AUCCurve
        True over false positive rate; precision over recall; or the gains of both over that which is always positive
        (https://papers.nips.cc/paper/5867-precision-recall-gain-curves-pr-analysis-done-right).
    summation_method : {"interpolation", "minoring", "majoring"} or AUCSummationMethod
        Between two points the mean, the lower or the higher of them. For "PR" the mean is that of true and false
        positives and not of precisions (https://doi.org/10.1145/1143844.1143874).
    name, dtype
        See `Metric`.
    thresholds : list of float, optional
        In [0, 1]: other thresholds than those at equal distances, beside one below 0 and one above 1.
    multi_label : bool
        The mean of the areas of each label, the last of two axes, and not the area of all numbers together.
    num_labels : int, optional
        Of `multi_label`; seen at the first batch where absent.
    label_weights : list of float, optional
        At least 0, one for each label: of the mean with `multi_label`, and else of the numbers.
    from_logits : bool
        Predictions are logits and not probabilities.
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str | AUCCurve = "ROC",
        summation_method: str | AUCSummationMethod = "interpolation",
        name: str | None = None,
        dtype: npt.DTypeLike | None = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: npt.ArrayLike | None = None,
        from_logits: bool = False,
    ) -> None:
        self._init_from_thresholds = thresholds is not None
        if thresholds is None:
            if checks.integer(num_thresholds, "AUC", "num_thresholds") < 2:
                raise ValueError(
                    f"AUC: num_thresholds must be an integer above 1, got {num_thresholds}. Argument `num_thresholds` "
                    "must be an integer > 1."
                )
            inner = even_thresholds(num_thresholds)[1:-1]
        else:
            inner = sorted(thresholds_in_range(thresholds, "AUC"))
        self.num_thresholds = len(inner) + 2
        self.curve: AUCCurve = _member(AUCCurve, curve, "curve")
        self.summation_method: AUCSummationMethod = _member(AUCSummationMethod, summation_method, "summation_method")
        super().__init__([-EPSILON, *inner, 1 + EPSILON], name=name, dtype=dtype, around=True)
        self.multi_label = checks.flag(multi_label, "AUC", "multi_label")
        self._from_logits = checks.flag(from_logits, "AUC", "from_logits")
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else _label_weights(label_weights, num_labels)
        if num_labels and not self.multi_label:
            raise ValueError(f"AUC: num_labels is for multi_label=True alone, got {num_labels}.")
        self._built = False
        if num_labels:
            self._build((None, checks.positive_integer(num_labels, "AUC", "num_labels")))
        elif not self.multi_label:
            self._build(None)

    def _build(self, shape: tuple[int | None, ...] | None) -> None:
        if shape is None:
            self._add_counts()
        else:
            if len(shape) != 2:
                raise ValueError(
                    f"Metric {self.name!r}: with multi_label expected predictions (samples, labels), got shape {shape}."
                )
            labels = shape[1]
            assert labels is not None
            self._add_counts(labels)
        self._built = True

    def update_state(
        self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        if self._from_logits:
            y_pred = activations.sigmoid(as_float(y_pred))
        targets, predictions, weights = self._prepared(y_true, y_pred, sample_weight)
        if self.label_weights is not None:
            if self.label_weights.shape != predictions.shape[-1:]:
                raise ValueError(
                    f"Metric {self.name!r}: expected labels along the last axis, one for each of the "
                    f"{len(self.label_weights)} label_weights, got shape {predictions.shape}."
                )
            if not self.multi_label:
                weights = self.label_weights * (np.ones(predictions.shape) if weights is None else weights)
        if not self._built:
            self._build(predictions.shape)
        if predictions.shape[1:] != self.true_positives.shape[1:] and self.multi_label:
            raise ValueError(
                f"Metric {self.name!r}: expected predictions (samples, {self.true_positives.shape[1]}), "
                f"got shape {predictions.shape}."
            )
        counts = self._buckets.counts(targets, predictions, weights, self.multi_label)
        for label, count in counts._asdict().items():
            getattr(self, label).assign_add(count)

    update_state.__doc__ = ConfusionMetric.update_state.__doc__

    def result(self) -> Tensor:
        """The area, of several labels their mean."""
        if not self._built:
            raise ValueError(f"Metric {self.name!r}: has no result before the first update_state.")
        if self.curve is AUCCurve.PR and self.summation_method is AUCSummationMethod.INTERPOLATION:
            areas = self._areas_of_interpolated_precision()
        else:
            areas = self._areas_of_rectangles()
        area = areas.sum(axis=0)
        if self.multi_label and self.label_weights is not None:
            area = quotient((area * self.label_weights).sum(), self.label_weights.sum())
        elif self.multi_label:
            area = area.mean()
        return as_result(area, float_dtype(self.dtype))

    def _areas_of_rectangles(self) -> Array:
        x, y = self._points()
        if self.summation_method is AUCSummationMethod.INTERPOLATION:
            heights = (y[:-1] + y[1:]) / 2
        elif self.summation_method is AUCSummationMethod.MINORING:
            heights = np.minimum(y[:-1], y[1:])
        else:
            heights = np.maximum(y[:-1], y[1:])
        return (x[:-1] - x[1:]) * heights

    def _points(self) -> tuple[Array, Array]:
        """The curve's x and y at each threshold."""
        tp, fp, tn, fn = (getattr(self, name).value for name in self.counted)
        if self.curve is AUCCurve.ROC:
            return quotient(fp, fp + tn), quotient(tp, tp + fn)
        if self.curve is AUCCurve.PR:
            return quotient(tp, tp + fn), quotient(tp, tp + fp)
        # gain = 1 - odds * missed / tp with the odds of positive labels; as in Keras 0 and 1 without true positives,
        # and 0 where recall is worse than that of the positive part of the labels
        odds = quotient(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0, 0.0, np.maximum(1 - odds * quotient(fn, tp), 0.0))
        precision_gain = np.where(tp == 0, 1.0, 1 - odds * quotient(fp, tp))
        return recall_gain, precision_gain

    def _areas_of_interpolated_precision(self) -> Array:
        """Areas under precision over recall between thresholds where true and false positives grow linearly.

        With P the predicted positives, slope = dTP / dP and TP = intercept + slope P, precision is TP / P, and its
        integral over recall from P_b to P_a is ``slope (dTP + intercept log(P_a / P_b)) / positives``; where P_b is 0,
        precision is constant.
        """
        tp, positives = self.true_positives.value, self.true_positives.value + self.false_negatives.value
        predicted = tp + self.false_positives.value
        d_tp, d_predicted = tp[:-1] - tp[1:], np.maximum(predicted[:-1] - predicted[1:], 0)
        slope = quotient(d_tp, d_predicted)
        intercept = tp[1:] - slope * predicted[1:]
        both = (predicted[:-1] > 0) & (predicted[1:] > 0)
        ratio = np.where(both, quotient(predicted[:-1], predicted[1:]), 1.0)
        return quotient(slope * (d_tp + intercept * np.log(ratio)), positives[1:])

    def get_config(self) -> dict[str, Any]:
        weights: Any = None
        if self.label_weights is not None:  # as Keras writes an array
            values = {"value": self.label_weights.tolist(), "dtype": self.dtype}
            weights = {"class_name": "__tensor__", "config": values}
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve.value,
            "summation_method": self.summation_method.value,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": weights,
            "from_logits": self._from_logits,
        }
        return config | ({"thresholds": self.thresholds[1:-1]} if self._init_from_thresholds else {})

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config` described."""
        weights = config.get("label_weights")
        if isinstance(weights, Mapping):
            config = {**config, "label_weights": weights["config"]["value"]}
        return cls(**config)


def _member(kind: type[Any], value: Any, name: str) -> Any:
    """One of an enumeration by its value in any case."""
    by_name = {member.value.lower(): member for member in kind}
    member = value if isinstance(value, kind) else by_name.get(str(value).lower())
    if member is None:
        what = name.replace("_", " ")
        raise ValueError(
            f"AUC: {name} must be one of {', '.join(repr(one.value) for one in kind)}, got {value!r}. "
            f'Invalid AUC {what} value: "{value}".'
        )
    return member


def _label_weights(values: npt.ArrayLike, num_labels: int | None) -> Array:
    weights = checks.real_numbers(values, "AUC, label_weights").astype("float32")
    if weights.ndim != 1 or not (weights >= 0).all() or num_labels not in (None, len(weights)):
        of = "each label" if num_labels is None else f"each of {num_labels} labels"
        raise ValueError(f"AUC: label_weights must be numbers of at least 0, one for {of}, got {values!r}.")
    return weights
