"""Metrics: Keras's numbers over several batches, its names, configs and shape guesses."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru import losses, metrics
from fastgru.registry import serialize

CASES = [
    ("Accuracy", {}),
    ("BinaryAccuracy", {}),
    ("BinaryAccuracy", {"threshold": 0.3}),
    ("CategoricalAccuracy", {}),
    ("SparseCategoricalAccuracy", {}),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}),
    ("BinaryCrossentropy", {"from_logits": True}),
    ("CategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1, "from_logits": True}),
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
]


# Keras cannot multiply a weight for each sample with the mask of ignored labels
COMBINATIONS = [
    (name, options, weighted, shape)
    for name, options in CASES
    for weighted in (None, "sample", "step")
    for shape in ((6, 4), (6, 5, 4))
    if not ("ignore_class" in options and weighted == "sample" and len(shape) == 3)
]


def example(rng, name, shape):
    predictions = rng.uniform(0.05, 0.95, shape).astype("float32")
    if name.startswith("Sparse"):
        return rng.integers(0, shape[-1], shape[:-1]).astype("float32"), predictions
    if name.startswith("Categorical"):
        return np.eye(shape[-1], dtype="float32")[rng.integers(0, shape[-1], shape[:-1])], predictions
    if name == "Accuracy":
        return rng.integers(0, 2, shape).astype("float32"), rng.integers(0, 2, shape).astype("float32")
    return rng.integers(0, 2, shape).astype("float32"), predictions


@pytest.mark.parametrize(("name", "options", "weighted", "shape"), COMBINATIONS)
@pytest.mark.keras
def test_result_over_batches_is_that_of_keras(keras, rng, name, options, weighted, shape):
    ours, theirs = getattr(metrics, name)(**options), getattr(keras.metrics, name)(**options)
    for rows in (6, 3):
        y_true, y_pred = example(rng, name, (rows, *shape[1:]))
        weights = None
        if weighted:
            weights_shape = (rows,) if weighted == "sample" else (rows, *shape[1:-1])
            weights = rng.uniform(0, 2, weights_shape).astype("float32")
        ours.update_state(y_true, y_pred, weights)
        theirs.update_state(y_true, y_pred, weights)
        assert ours.result() == pytest.approx(float(theirs.result()), rel=1e-5)
    assert ours.result().dtype == ours.result().numpy().dtype == "float32"
    ours.reset_state()
    assert ours.result() == 0.0


@pytest.mark.parametrize("name", ["BinaryAccuracy", "MeanSquaredError", "BinaryCrossentropy", "Accuracy"])
def test_a_missing_last_axis_of_length_1_is_added(rng, name):
    y_true, y_pred = example(rng, name, (6, 1))
    both, dropped = getattr(metrics, name)(), getattr(metrics, name)()
    assert dropped(y_true[:, 0], y_pred) == pytest.approx(both(y_true, y_pred), rel=1e-6)


def test_sparse_labels_may_have_a_last_axis(rng):
    y_true, y_pred = example(rng, "SparseCategoricalAccuracy", (6, 4))
    result = metrics.SparseCategoricalAccuracy()(y_true[:, None], y_pred)
    assert result == pytest.approx((y_pred.argmax(-1) == y_true).mean())


@pytest.mark.keras
def test_mean_weighs_numbers_and_arrays_as_keras(keras, rng):
    ours, theirs = metrics.Mean(), keras.metrics.Mean()
    for values, weights in [(2.0, None), (3.0, 5), (rng.random(4), None), (rng.random((4, 3)), rng.random(4))]:
        ours.update_state(values, weights)
        theirs.update_state(values, weights)
    assert ours.result() == pytest.approx(float(theirs.result()), rel=1e-6)
    assert metrics.Mean().result() == 0.0


@pytest.mark.parametrize(("name", "options"), [*CASES, ("Mean", {})])
@pytest.mark.keras
def test_config_is_that_of_keras(keras, name, options):
    spec = keras.metrics.serialize(getattr(keras.metrics, name)(**options))
    expected = {key: spec[key] for key in ("module", "class_name", "config", "registered_name")}
    assert serialize(getattr(metrics, name)(**options)) == expected
    assert serialize(metrics.get(spec)) == expected


@pytest.mark.parametrize("identifier", ["accuracy", "acc", "mse", "binary_accuracy", "MeanAbsoluteError", "BCE"])
@pytest.mark.parametrize(
    ("true_shape", "pred_shape"), [((4, 1), (4, 1)), ((4,), (4, 3)), ((4, 1), (4, 3)), ((4, 3), (4, 3))]
)
@pytest.mark.keras
def test_entries_of_compile_resolve_as_in_keras(keras, identifier, true_shape, pred_shape):
    from keras.src.trainers.compile_utils import get_metric

    theirs = get_metric(identifier, np.zeros(true_shape), np.zeros(pred_shape))
    ours = metrics.resolve(identifier, true_shape, pred_shape)
    assert (type(ours).__name__, ours.name) == (type(theirs).__name__, theirs.name)


def test_crossentropy_picks_its_form_and_asks_the_loss_about_logits():
    metric = metrics.resolve("ce", (4,), (4, 3), losses.SparseCategoricalCrossentropy(from_logits=True))
    assert isinstance(metric, metrics.SparseCategoricalCrossentropy)
    assert metric.from_logits and metric.name == "ce"
    assert not metrics.resolve("crossentropy", (4, 1), (4, 1), losses.MeanSquaredError()).from_logits


def test_own_function_and_objects_resolve_too():
    def largest_error(y_true, y_pred):
        return np.abs(np.asarray(y_true) - y_pred).max(axis=-1)

    metric = metrics.resolve(largest_error, (4, 1), (4, 1))
    assert metric.name == "largest_error"
    assert metric([[1.0, 2.0]], np.array([[1.5, 5.0]])) == 3.0
    metric = metrics.MeanSquaredError(name="mine")
    assert metrics.resolve(metric, (4, 1), (4, 1)) is metric and metric.name == "mine"


def test_direction_tells_callbacks_which_way_is_better():
    assert metrics.get("accuracy").direction == "up"
    assert metrics.get("mse").direction == "down"
    assert metrics.Mean().direction is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.get("acuracy"), "did you mean 'accuracy'"),
        (lambda: metrics.resolve(None, (4, 1), (4, 1)), "got None"),
        (lambda: metrics.CategoricalAccuracy()(np.ones((2, 1)), np.ones((2, 3))), r"\(2, 3\), got \(2, 1\)"),
        (lambda: metrics.SparseCategoricalAccuracy()(np.ones(3), np.ones((2, 3))), r"\(2,\), got \(3,\)"),
        (lambda: metrics.MeanSquaredError()(np.ones((2, 1)), np.ones((2, 1)), np.ones(3)), "sample weights"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
