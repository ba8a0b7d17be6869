"""Every metric has Keras's numbers over several batches, with all weights that Keras takes, and Keras's config."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from fastgru import metrics, registry
from fastgru.registry import serialize

# of labels and predictions, and the shape of one sample's predictions
MULTI_LABEL, SEQUENCES, CLASSES, CLASS_SEQUENCES = "multi_label", "sequences", "classes", "class_sequences"

CASES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("Accuracy", {}, ("equal",)),
    ("BinaryAccuracy", {}, (MULTI_LABEL, SEQUENCES)),
    ("BinaryAccuracy", {"threshold": 0.3}, (MULTI_LABEL,)),
    ("CategoricalAccuracy", {}, (CLASSES, CLASS_SEQUENCES)),
    ("SparseCategoricalAccuracy", {}, ("numbers", "number_sequences")),
    ("TopKCategoricalAccuracy", {"k": 2}, (CLASSES, CLASS_SEQUENCES)),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, ("numbers", "number_sequences")),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, ("ids",)),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, (MULTI_LABEL, SEQUENCES)),
    ("BinaryCrossentropy", {"from_logits": True}, (MULTI_LABEL,)),
    ("CategoricalCrossentropy", {}, (CLASSES, CLASS_SEQUENCES)),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, (CLASSES,)),
    ("SparseCategoricalCrossentropy", {}, ("numbers", "number_sequences")),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1, "from_logits": True}, ("numbers",)),
    ("KLDivergence", {}, ("real", "real_sequences")),
    ("Poisson", {}, ("real", "real_sequences")),
    ("MeanSquaredError", {}, ("real", "real_sequences")),
    ("MeanAbsoluteError", {}, ("real", "real_sequences")),
    ("MeanAbsolutePercentageError", {}, ("real", "real_sequences")),
    ("MeanSquaredLogarithmicError", {}, ("real", "real_sequences")),
    ("RootMeanSquaredError", {}, ("real", "real_sequences")),
    ("LogCoshError", {}, ("real", "real_sequences")),
    ("CosineSimilarity", {}, ("real", "real_sequences")),
    ("R2Score", {}, ("real",)),
    ("R2Score", {"class_aggregation": None}, ("real",)),
    ("R2Score", {"class_aggregation": "variance_weighted_average", "num_regressors": 2}, ("real",)),
    ("PearsonCorrelation", {}, ("real", "real_sequences")),
    ("ConcordanceCorrelation", {"axis": 1}, ("real",)),
    ("ConcordanceCorrelation", {}, ("real_sequences",)),
    ("Hinge", {}, (MULTI_LABEL, "real")),
    ("SquaredHinge", {}, (MULTI_LABEL, "real")),
    ("CategoricalHinge", {}, (CLASSES, CLASS_SEQUENCES)),
    ("TruePositives", {"thresholds": [0.7, 0.2, 0.5]}, (MULTI_LABEL,)),
    ("FalsePositives", {}, (MULTI_LABEL,)),
    ("TrueNegatives", {"thresholds": 0.3}, (MULTI_LABEL,)),
    ("FalseNegatives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, (MULTI_LABEL,)),
    ("Precision", {}, (MULTI_LABEL,)),
    ("Precision", {"top_k": 2, "class_id": 1}, (CLASSES,)),
    ("Precision", {"thresholds": [0.9, 0.1], "top_k": 3}, (CLASSES,)),
    ("Recall", {"thresholds": [0.2, 0.8]}, (MULTI_LABEL,)),
    ("Recall", {"class_id": 0, "dtype": "float64"}, (MULTI_LABEL,)),
    ("PrecisionAtRecall", {"recall": 0.4}, (MULTI_LABEL,)),
    ("RecallAtPrecision", {"precision": 0.55, "num_thresholds": 30}, (MULTI_LABEL,)),
    ("SensitivityAtSpecificity", {"specificity": 0.6, "class_id": 2}, (MULTI_LABEL,)),
    ("SpecificityAtSensitivity", {"sensitivity": 0.5, "num_thresholds": 1}, (MULTI_LABEL,)),
    *(
        ("AUC", {"curve": curve, "summation_method": method, **options}, (MULTI_LABEL,))
        for curve in ("ROC", "PR", "PRGAIN")
        for method in ("interpolation", "majoring", "minoring")
        for options in ({"num_thresholds": 12}, {"multi_label": True, "num_labels": 4})
    ),
    ("AUC", {"from_logits": True, "thresholds": [0.6, 0.3, 0.32]}, ("logits",)),
    ("AUC", {"multi_label": True, "label_weights": [0.5, 1.0, 0.0, 2.0]}, (MULTI_LABEL,)),
    ("AUC", {"label_weights": [0.5, 1.0, 0.0, 2.0]}, (MULTI_LABEL,)),
    *(("FBetaScore", {"average": average, "beta": 0.7}, (CLASSES,)) for average in (None, "micro", "macro")),
    ("FBetaScore", {"average": "weighted", "threshold": 0.4, "beta": 2.0}, (MULTI_LABEL,)),
    ("F1Score", {"average": "weighted", "threshold": 0.4}, (MULTI_LABEL,)),
    ("F1Score", {}, (CLASSES,)),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2], "dtype": "float32"}, ("pairs",)),
    ("BinaryIoU", {"threshold": 0.4, "dtype": "float32"}, ("rows",)),
    ("MeanIoU", {"num_classes": 3, "ignore_class": 1, "dtype": "float32"}, ("pairs",)),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": (1, 3), "dtype": "float32"}, (CLASSES,)),
    ("OneHotMeanIoU", {"num_classes": 4, "dtype": "float32"}, (CLASSES,)),
]


def example(rng: np.random.Generator, kind: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of a batch."""
    steps = (5,) if kind.endswith("sequences") else ()
    shape = (rows, *steps, 4)
    predictions = rng.uniform(0.05, 0.95, shape).astype("float32")
    numbers = rng.integers(0, 4, shape[:-1])
    labels = {
        "equal": lambda: (predictions > 0.4).astype("float32"),
        "classes": lambda: np.eye(4, dtype="float32")[numbers],
        "class_sequences": lambda: np.eye(4, dtype="float32")[numbers],
        "numbers": lambda: numbers,
        "number_sequences": lambda: numbers,
        "ids": lambda: numbers,
        "pairs": lambda: numbers,
        "rows": lambda: rng.integers(0, 2, rows),
        "real": lambda: rng.uniform(0.1, 1.5, shape).astype("float32"),
        "real_sequences": lambda: rng.uniform(0.1, 1.5, shape).astype("float32"),
    }.get(kind, lambda: rng.integers(0, 2, shape).astype("float32"))()
    if kind == "equal":
        predictions = rng.integers(0, 2, shape).astype("float32")
    elif kind == "logits":
        predictions = rng.normal(size=shape).astype("float32")
    elif kind == "ids":
        predictions = rng.permuted(np.tile(np.arange(4), (rows, 1)), axis=1)
    elif kind == "pairs":
        predictions = rng.integers(0, 4, rows)
    elif kind == "rows":
        predictions = predictions[:, 0]
    return labels, predictions


# weights of single numbers, beside those of samples and steps, go with metrics that take each number by itself
BY_NUMBER = ("BinaryAccuracy", "R2Score", "AUC", "Precision", "Recall", "Positives", "Negatives")

COMBINATIONS = [
    pytest.param(name, options, kind, weighted, id=f"{name}-{options}-{kind}-{weighted}")
    for name, options, kinds in CASES
    for kind in kinds
    for weighted in (None, "one", "sample", "step", "number")
    if not (weighted == "step" and not kind.endswith("sequences"))
    and not (weighted == "number" and ("class_id" in options or not name.endswith(BY_NUMBER)))
    # Keras multiplies neither the mask of ignored labels nor the rows of an F-score with one weight for all
    and not (weighted == "one" and (name in ("FBetaScore", "F1Score") or "ignore_class" in options))
]


def sample_weights(rng: np.random.Generator, weighted: str | None, labels: np.ndarray, kind: str) -> Any:
    if weighted is None:
        return None
    shape = {"one": (), "sample": (1,), "step": (2,), "number": None}[weighted]
    shape = () if shape == () else labels.shape[: shape[0]] if shape else labels.shape
    return rng.uniform(0, 2, shape).astype("float32")


@pytest.mark.parametrize(("name", "options", "kind", "weighted"), COMBINATIONS)
@pytest.mark.keras
def test_result_over_batches_is_that_of_keras(
    keras: Any, rng: np.random.Generator, name: str, options: dict[str, Any], kind: str, weighted: str | None
) -> None:
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    for rows in (7, 3, 11):
        y_true, y_pred = example(rng, kind, rows)
        weights = sample_weights(rng, weighted, y_true, kind)
        ours.update_state(y_true, y_pred, weights)
        theirs.update_state(y_true, y_pred, weights)
        # Keras's false and true negatives are differences of float32 sums
        np.testing.assert_allclose(ours.result(), np.asarray(theirs.result()), rtol=1e-5, atol=1e-5)
    assert ours.result().dtype == ours.result().numpy().dtype == options.get("dtype", "float32")
    assert [variable.name for variable in ours.variables] == [variable.name for variable in theirs.variables]
    ours.reset_state()
    assert all((variable.numpy() == 0).all() for variable in ours.variables)


@pytest.mark.parametrize(("name", "options", "kinds"), CASES)
@pytest.mark.keras
def test_config_is_that_of_keras(keras: Any, name: str, options: dict[str, Any], kinds: tuple[str, ...]) -> None:
    theirs = getattr(keras.metrics, name)(name="mine", **options)
    spec = keras.saving.serialize_keras_object(theirs)
    expected = {key: spec[key] for key in ("module", "class_name", "config", "registered_name")}
    assert serialize(getattr(metrics, name)(name="mine", **options)) == expected
    assert serialize(metrics.get(spec)) == expected
    assert serialize(metrics.get(expected)) == expected


@pytest.mark.parametrize(("name", "options", "kinds"), CASES)
@pytest.mark.keras
def test_direction_is_that_of_keras(keras: Any, name: str, options: dict[str, Any], kinds: tuple[str, ...]) -> None:
    theirs = getattr(keras.metrics, name)(**options)
    assert getattr(metrics, name)(**options).direction == getattr(theirs, "_direction", None)


@pytest.mark.keras
def test_every_metric_and_function_of_keras_is_there(keras: Any) -> None:
    public = {name for name in vars(keras.metrics) if not name.startswith("_")}
    assert public - set(metrics.__all__) == set()
    tested = {name for name, _, _ in CASES}
    assert set(registry.known("keras.metrics")) - tested == {"Mean", "MeanMetricWrapper", "Sum"}


FUNCTIONS = [
    ("binary_accuracy", MULTI_LABEL, {"threshold": 0.3}),
    ("categorical_accuracy", CLASSES, {}),
    ("sparse_categorical_accuracy", "numbers", {}),
    ("top_k_categorical_accuracy", CLASS_SEQUENCES, {"k": 2}),
    ("sparse_top_k_categorical_accuracy", "number_sequences", {"k": 3}),
    ("pearson_correlation", "real_sequences", {"axis": 1}),
    ("concordance_correlation", "real", {}),
    ("binary_crossentropy", MULTI_LABEL, {}),
    ("categorical_crossentropy", CLASSES, {}),
    ("sparse_categorical_crossentropy", "numbers", {}),
    ("mean_squared_error", "real", {}),
    ("mean_absolute_error", "real", {}),
    ("mean_absolute_percentage_error", "real", {}),
    ("mean_squared_logarithmic_error", "logits", {}),
    ("huber", "real", {"delta": 0.3}),
    ("log_cosh", "logits", {}),
    ("kl_divergence", "real", {}),
    ("poisson", "real_sequences", {}),
    ("hinge", "logits", {}),
    ("squared_hinge", "real", {}),
    ("categorical_hinge", CLASSES, {}),
    ("binary_focal_crossentropy", MULTI_LABEL, {"apply_class_balancing": True, "label_smoothing": 0.1, "gamma": 1.5}),
    ("binary_focal_crossentropy", "logits", {"from_logits": True}),
    ("categorical_focal_crossentropy", CLASSES, {"alpha": [0.1, 0.2, 0.3, 0.4], "label_smoothing": 0.1}),
    ("categorical_focal_crossentropy", CLASS_SEQUENCES, {"from_logits": True, "gamma": 1.0}),
]


@pytest.mark.parametrize(("name", "kind", "options"), FUNCTIONS)
@pytest.mark.keras
def test_a_function_is_that_of_keras(
    keras: Any, rng: np.random.Generator, name: str, kind: str, options: dict[str, Any]
) -> None:
    y_true, y_pred = example(rng, kind, 6)
    expected = np.asarray(getattr(keras.metrics, name)(y_true, y_pred, **options))
    values = getattr(metrics, name)(y_true, y_pred, **options)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
    assert values.dtype == expected.dtype == "float32"


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        (2.0, None), (3.0, 5.0), (np.arange(4.0), None), (np.arange(12.0).reshape(4, 3), np.arange(4.0)),
        (np.arange(12.0).reshape(4, 3), np.arange(3.0)[np.newaxis]), (np.arange(4.0), np.arange(4.0)[:, np.newaxis]),
        (np.arange(24.0).reshape(2, 4, 3), np.arange(8.0).reshape(2, 4)), (np.arange(4.0), 0.5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.keras
def test_mean_and_sum_weigh_numbers_and_arrays_as_keras(keras: Any, name: str, values: Any, weights: Any) -> None:
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    assert ours.result() == 0.0
    for _ in range(2):
        ours.update_state(values, weights)
        theirs.update_state(values, weights)
    assert ours.result() == pytest.approx(float(theirs.result()), rel=1e-6)


@pytest.mark.keras
def test_an_iou_of_whole_numbers_cuts_weights_as_keras_and_says_so(keras: Any, rng: np.random.Generator) -> None:
    y_true, y_pred, weights = rng.integers(0, 3, 20), rng.integers(0, 3, 20), rng.uniform(0, 3, 20)
    ours, theirs = (library.MeanIoU(3) for library in (metrics, keras.metrics))
    with pytest.warns(UserWarning, match="casting cuts them to whole numbers; give dtype='float32'"):
        ours.update_state(y_true, y_pred, weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.update_state(y_true, y_pred, weights)
    assert ours.result() == pytest.approx(float(theirs.result()), rel=1e-6)
    assert ours.dtype == theirs.dtype == "int32"
