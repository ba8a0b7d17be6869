"""Counts at thresholds are what comparing each prediction with each threshold gives; bad options are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import metrics
from fastgru.metrics import counts

NAMES = counts.Counts._fields


def by_comparing(y_true: Any, y_pred: Any, thresholds: list[float], weights: Any, axis: Any) -> list[np.ndarray]:
    """The plain twin: one comparison for each prediction and threshold."""
    above = np.float32(y_pred) > np.float32(thresholds).reshape(-1, *[1] * y_pred.ndim)
    true, weight = y_true != 0, np.ones(y_pred.shape) if weights is None else weights
    return [(sign * weight).sum(axis=axis) for sign in (above & true, above & ~true, ~above & ~true, ~above & true)]


SETS = {
    "even": counts.even_thresholds(11),
    "any order": [0.7, 0.1, 0.7, 0.3],
    "one": [0.5],
    "uneven": [0.0, 0.2, 1.0],
}


@pytest.mark.parametrize("by_label", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", SETS)
def test_counts_are_those_of_comparing(rng: np.random.Generator, kind: str, weighted: bool, by_label: bool) -> None:
    y_true, y_pred = rng.integers(0, 2, (50, 3)), rng.random((50, 3)).astype("float32")
    y_pred[:4] = [0, 1, 0.5]  # on the thresholds
    weights = rng.random((50, 3)) if weighted else None
    ours = counts.Thresholds(SETS[kind]).counts(y_true, y_pred, weights, by_label)
    expected = by_comparing(y_true, y_pred, SETS[kind], weights, axis=1 if by_label else (1, 2))
    for name, own, other in zip(NAMES, ours, expected, strict=True):
        np.testing.assert_allclose(own, other, err_msg=name)


def test_thresholds_around_the_unit_interval_hold_all_predictions(rng: np.random.Generator) -> None:
    y_true, y_pred = rng.integers(0, 2, 40), rng.choice([0.0, 0.25, 1.0], 40)
    metric = metrics.AUC(num_thresholds=5)
    metric.update_state(y_true, y_pred)
    assert metric.true_positives.numpy()[[0, -1]].tolist() == [y_true.sum(), 0]
    assert metric.false_positives.numpy()[[0, -1]].tolist() == [40 - y_true.sum(), 0]


def test_a_prediction_of_nan_is_above_no_threshold() -> None:
    for thresholds in ([0.1], counts.even_thresholds(5)):
        metric = metrics.FalseNegatives(thresholds)
        assert np.ravel(metric([1, 1], [np.nan, 1.0]))[0] == 1


def test_the_roc_curve_s_area_is_how_often_a_positive_is_above_a_negative(rng: np.random.Generator) -> None:
    y_true = rng.integers(0, 2, 2000)
    y_pred = np.clip(rng.normal(0.4 + 0.2 * y_true, 0.2), 0, 1)
    expected = (y_pred[y_true == 1][:, None] > y_pred[y_true == 0]).mean()
    assert metrics.AUC(num_thresholds=2000)(y_true, y_pred) == pytest.approx(expected, abs=1e-3)
    low, high = (metrics.AUC(40, summation_method=method)(y_true, y_pred) for method in ("minoring", "majoring"))
    assert low < expected < high


def test_labels_of_an_auc_are_looked_at_one_by_one(rng: np.random.Generator) -> None:
    y_true, y_pred = rng.integers(0, 2, (60, 3)), rng.random((60, 3))
    alone = [float(metrics.AUC()(y_true[:, label], y_pred[:, label])) for label in range(3)]
    assert metrics.AUC(multi_label=True)(y_true, y_pred) == pytest.approx(np.mean(alone))
    weighted = metrics.AUC(multi_label=True, label_weights=[1, 0, 3])
    assert weighted(y_true, y_pred) == pytest.approx((alone[0] + 3 * alone[2]) / 4)


@pytest.mark.parametrize("shape", [(), (6,), (6, 1), (6, 4), (6, 4, 1)])
def test_weights_stand_for_all_for_samples_or_for_numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    y_true, y_pred, weights = rng.integers(0, 2, (6, 4)), rng.random((6, 4)), rng.random(shape)
    full = np.broadcast_to(weights.reshape(shape[:2] + (1,) * (2 - len(shape))), (6, 4))
    expected = full[(y_pred > 0.5) & (y_true == 1)].sum()
    assert metrics.TruePositives()(y_true, y_pred, weights) == pytest.approx(expected, rel=1e-6)


PAIR = np.ones((4, 3)), np.ones((4, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.Precision(thresholds=[-1, 0.5, 2]), r"Precision: thresholds must .* \[0, 1\], got \[-1, 2\]"),
        (lambda: metrics.TruePositives(thresholds=[None]), r"TruePositives: thresholds .*got \[None\]"),
        (lambda: metrics.Recall(thresholds=float("nan")), r"thresholds must be numbers in \[0, 1\]"),
        (lambda: metrics.Recall(top_k=0), "Recall: top_k must be a positive integer, got 0"),
        (lambda: metrics.Recall(class_id=-1), "Recall: class_id must be at least 0, got -1"),
        (lambda: metrics.Recall(class_id=3)(*PAIR), r"class_id=3 needs .* with more classes, got shape \(4, 3\)"),
        (lambda: metrics.Precision(class_id=0)([1, 0], [0.5, 1]), r"class_id=0 needs .*got shape \(2,\)"),
        (lambda: metrics.Precision()(np.ones((4, 2)), PAIR[1]), r"labels of the shape .*\(4, 3\), got \(4, 2\)"),
        (lambda: metrics.Precision()(*PAIR, np.ones(3)), r"sample weights of shape \(4, 3\) or its first axes"),
        (lambda: metrics.PrecisionAtRecall(1.5), r"PrecisionAtRecall: recall must lie in \[0, 1\], got 1.5"),
        (lambda: metrics.RecallAtPrecision(0.5, num_thresholds=0), "num_thresholds must be a positive integer"),
        (lambda: metrics.AUC(num_thresholds=1), "AUC: num_thresholds must be an integer above 1, got 1"),
        (lambda: metrics.AUC(curve="roc curve"), "AUC: curve must be one of 'ROC', 'PR', 'PRGAIN', got 'roc curve'"),
        (lambda: metrics.AUC(summation_method="mean"), "AUC: summation_method must be one of 'interpolation'"),
        (lambda: metrics.AUC(num_labels=3), "num_labels is for multi_label=True alone"),
        (lambda: metrics.AUC(label_weights=[1, -1]), "label_weights must be numbers of at least 0, one for each label"),
        (lambda: metrics.AUC(multi_label=True, num_labels=3, label_weights=[1, 1]), "one for each of 3 labels"),
        (lambda: metrics.AUC(label_weights=[1, 1])(*PAIR), r"one for each of the 2 label_weights, got shape \(4, 3\)"),
        (lambda: metrics.AUC(multi_label=True)([1], [0.5]), r"expected predictions \(samples, labels\), got shape"),
        (lambda: metrics.AUC(multi_label=True, num_labels=2)(*PAIR), r"\(samples, 2\), got shape \(4, 3\)"),
        (lambda: metrics.AUC(multi_label=True).result(), "has no result before the first update_state"),
        (lambda: metrics.FBetaScore(beta=1), "FBetaScore: beta must be a float above 0, got 1"),
        (lambda: metrics.F1Score(threshold=1.5), r"F1Score: threshold must be None or a float in \(0, 1\], got 1.5"),
        (lambda: metrics.F1Score(average="mean"), "F1Score: average must be one of None, micro"),
        (lambda: metrics.F1Score()(np.ones(3), np.ones(3)), r"one shape \(samples, outputs\), got \(3,\) and \(3,\)"),
        (lambda: metrics.F1Score().result(), "has no result before"),
        (lambda: metrics.R2Score(num_regressors=-1), "num_regressors must be at least 0, got -1"),
        (lambda: metrics.R2Score("mean"), "class_aggregation must be one of None, uniform_average"),
        (lambda: metrics.R2Score().result(), "has no result before"),
        (lambda: metrics.IoU(3, [3]), r"IoU: target_class_ids must be numbers from 0 to 2, got \[3\]"),
        (lambda: metrics.MeanIoU(0), "MeanIoU: num_classes must be a positive integer"),
        (lambda: metrics.MeanIoU(2)([1, 0], [1]), r"as many labels as predictions, got \(2,\) and \(1,\)"),
        (lambda: metrics.TopKCategoricalAccuracy(k=0), "TopKCategoricalAccuracy: k must be a positive integer, got 0"),
        (lambda: metrics.CosineSimilarity(axis=0.5), "CosineSimilarity: axis must be an integer"),
    ],
)
def test_bad_options_and_shapes_are_refused_in_a_sentence(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_an_adjusted_score_without_enough_numbers_is_the_plain_one_and_says_so() -> None:
    plain, adjusted = metrics.R2Score(), metrics.R2Score(num_regressors=3)
    y_true, y_pred = np.array([[1.0], [2.0], [4.0]]), np.array([[1.0], [2.0], [3.0]])
    with pytest.warns(UserWarning, match="needs more numbers than regressors; this is the plain one"):
        assert adjusted(y_true, y_pred) == plain(y_true, y_pred)


def test_an_axis_other_than_the_last_comes_back_from_the_config(rng: np.random.Generator) -> None:
    pair = rng.normal(size=(2, 4, 3))
    metric = metrics.CosineSimilarity(axis=0)
    again = metrics.deserialize(metrics.serialize(metric))
    assert again(*pair) == metric(*pair) != metrics.CosineSimilarity()(*pair)
