"""A metric is asked for by Keras's names, configs, classes and functions, and guessed from shapes as in Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import losses, metrics
from fastgru.registry import serialize


def largest_error(y_true: Any, y_pred: Any, power: float = 1.0) -> Any:
    return np.abs(np.asarray(y_true) - y_pred).max(axis=-1) ** power


@pytest.mark.parametrize(
    "identifier",
    ["accuracy", "acc", "mse", "binary_accuracy", "MeanAbsoluteError", "BCE", "MAPE", "msle", "log_cosh_error"],
)
@pytest.mark.parametrize(
    ("true_shape", "pred_shape"), [((4, 1), (4, 1)), ((4,), (4, 3)), ((4, 1), (4, 3)), ((4, 3), (4, 3))]
)
@pytest.mark.keras
def test_entries_of_compile_resolve_as_in_keras(
    keras: Any, identifier: str, true_shape: tuple[int, ...], pred_shape: tuple[int, ...]
) -> None:
    from keras.src.trainers.compile_utils import get_metric

    theirs = get_metric(identifier, np.zeros(true_shape), np.zeros(pred_shape))
    ours = metrics.resolve(identifier, true_shape, pred_shape)
    assert (type(ours).__name__, ours.name) == (type(theirs).__name__, theirs.name)


def test_crossentropy_picks_its_form_and_asks_the_loss_about_logits() -> None:
    metric = metrics.resolve("ce", (4,), (4, 3), losses.SparseCategoricalCrossentropy(from_logits=True))
    assert isinstance(metric, metrics.SparseCategoricalCrossentropy)
    assert metric.from_logits and metric.name == "ce"
    metric = metrics.resolve("crossentropy", (4, 1), (4, 1), losses.MeanSquaredError())
    assert isinstance(metric, metrics.BinaryCrossentropy) and not metric.from_logits


def test_functions_classes_and_objects_resolve_too() -> None:
    metric = metrics.resolve(largest_error, (4, 1), (4, 1))
    assert metric.name == "largest_error"
    assert metric([[1.0, 2.0]], np.array([[1.5, 5.0]])) == 3.0
    assert metrics.resolve(metrics.AUC, (4, 1), (4, 1)).name == "auc"
    metric = metrics.MeanSquaredError(name="mine")
    assert metrics.resolve(metric, (4, 1), (4, 1)) is metric and metric.name == "mine"


def test_get_hands_a_function_on_and_makes_the_rest() -> None:
    assert metrics.get(largest_error) is largest_error
    assert metrics.get(None) is None
    assert isinstance(metrics.get("AUC"), metrics.AUC)
    assert isinstance(metrics.get(metrics.Precision), metrics.Precision)
    assert metrics.get({"class_name": "Recall", "config": {"top_k": 3}}).top_k == 3


@pytest.mark.parametrize("name", ["log_cosh", "binary_accuracy", "mean_squared_error", "top_k_categorical_accuracy"])
def test_a_function_goes_into_a_config_by_its_name_and_comes_back(name: str) -> None:
    function = getattr(metrics, name)
    form = metrics.serialize(function)
    assert form == {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    assert metrics.deserialize(form) is function
    metric = metrics.MeanMetricWrapper(function, name="mine")
    again = metrics.deserialize(metrics.serialize(metric))
    assert again._fn is function and again.name == "mine"


def test_a_function_of_one_s_own_comes_back_with_its_options() -> None:
    metric = metrics.MeanMetricWrapper(largest_error, "worst", "float64", power=2.0)
    form = serialize(metric)
    assert form["config"]["power"] == 2.0
    again = metrics.deserialize(form, {"largest_error": largest_error})
    assert again([[1.0]], np.array([[3.0]])) == 4.0 and again.dtype == "float64"
    with pytest.raises(ValueError, match=r"'largest_error' is not known .* custom_objects"):
        metrics.deserialize(form)


@pytest.mark.keras
def test_a_wrapped_function_is_written_as_keras_writes_it(keras: Any) -> None:
    ours = metrics.MeanMetricWrapper(metrics.huber, "mine", delta=0.5)
    theirs = keras.metrics.MeanMetricWrapper(keras.metrics.huber, "mine", delta=0.5)
    assert ours.get_config() == theirs.get_config()
    assert metrics.deserialize(keras.metrics.serialize(theirs))._fn is losses.huber


def test_a_loss_is_a_metric_of_its_name_and_comes_back_as_one() -> None:
    loss = losses.BinaryCrossentropy(label_smoothing=0.1, name="smooth")
    metric = metrics.resolve(loss, (4, 1), (4, 1))
    y_true, y_pred = np.array([[1.0], [0.0]]), np.array([[0.8], [0.3]])
    assert metric.name == "smooth" and metric.direction == "down"
    assert metric(y_true, y_pred) == pytest.approx(loss(y_true, y_pred))
    again = metrics.deserialize(serialize(loss))
    assert isinstance(again, losses.BinaryCrossentropy) and again.label_smoothing == 0.1


def test_direction_tells_callbacks_which_way_is_better() -> None:
    assert metrics.get("accuracy").direction == "up"
    assert metrics.get("mse").direction == "down"
    assert metrics.Mean().direction is None
    assert metrics.MeanMetricWrapper(losses.huber).direction == "down"
    assert metrics.MeanMetricWrapper(largest_error).direction is None


def test_compile_uses_no_automatic_name_up_before_the_metric_is_made() -> None:
    fastgru.utils.clear_session()
    model = fastgru.Sequential([fastgru.Input((3,)), fastgru.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "mse", metrics=[metrics.AUC, "Precision"])
    history = model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0).history
    assert list(history) == ["Precision", "auc", "loss"]
    assert metrics.AUC().name == "auc_1"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.get("acuracy"), "did you mean 'accuracy'"),
        (lambda: metrics.get(3), "expected a name, a config, a class"),
        (lambda: metrics.resolve(None, (4, 1), (4, 1)), "got None"),
        (lambda: metrics.CategoricalAccuracy()(np.ones((2, 1)), np.ones((2, 3))), r"\(2, 3\), got \(2, 1\)"),
        (lambda: metrics.SparseCategoricalAccuracy()(np.ones(3), np.ones((2, 3))), r"\(2,\), got \(3,\)"),
        (lambda: metrics.MeanSquaredError()(np.ones((2, 1)), np.ones((2, 1)), np.ones(3)), "sample weights"),
    ],
)
def test_bad_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
