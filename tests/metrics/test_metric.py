"""Metrics of one's own, their variables, and what pickles and copies keep of a metric."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import losses, metrics
from fastgru.metrics import Metric
from fastgru.registry import serialize


class LargestError(Metric):
    """As one would write it for Keras, in numpy."""

    direction = "down"

    def __init__(self, name: str = "largest_error", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.largest = self.add_weight(name="largest", shape=(), initializer="zeros")
        self.batches = self.add_variable((), "zeros", dtype="int32", name="batches")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.largest.assign(np.maximum(self.largest, np.abs(y_true - y_pred).max()))
        self.batches.assign_add(1)

    def result(self) -> Any:
        return self.largest * 1.0


class Report(Metric):
    """A result of several numbers."""

    def __init__(self, name: str = "report", dtype: Any = None) -> None:
        super().__init__(dtype, name)
        self.errors = {"largest": LargestError(), "others": [metrics.MeanAbsoluteError(), metrics.Sum()]}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.errors["largest"].update_state(y_true, y_pred)
        self.errors["others"][0].update_state(y_true, y_pred)

    def result(self) -> dict[str, Any]:
        return {"largest": self.errors["largest"].result(), "mean_error": self.errors["others"][0].result()}


def test_an_own_metric_runs_over_batches(rng: np.random.Generator) -> None:
    y_true, y_pred = rng.normal(size=(2, 10, 3))
    metric = LargestError()
    for rows in (slice(0, 4), slice(4, 10)):
        metric.update_state(y_true[rows], y_pred[rows])
    assert metric.result() == pytest.approx(np.abs(y_true - y_pred).max())
    assert metric.result().dtype == "float32" and type(metric.result().numpy()) is np.ndarray
    assert metric.batches.value == 2 and metric.batches.dtype == "int32"
    metric.reset_state()
    assert metric.result() == 0.0 and metric.batches.value == 0


def test_variables_are_those_of_the_metric_and_of_metrics_in_it() -> None:
    metric = Report()
    assert [variable.path for variable in metric.variables] == [
        "largest_error/largest",
        "largest_error/batches",
        "mean_absolute_error/total",
        "mean_absolute_error/count",
        "sum/total",
    ]
    metric.more = [metric.add_variable((2,), "ones", name="more")]  # in a list as well, but once
    assert metric.variables[0].name == "more" and len(metric.variables) == 6
    metric.reset_state()
    assert (metric.more[0].numpy() == 0).all()


def test_a_variable_calculates_as_an_array_and_is_changed_by_assigning() -> None:
    variable = metrics.Mean().add_variable((2, 3), "ones", name="sums")
    before = variable.value
    variable.assign_add(np.arange(3))
    variable.assign_sub(np.ones((2, 3)))
    np.testing.assert_array_equal(variable + 1, np.arange(1, 4) * np.ones((2, 1)))
    np.testing.assert_array_equal(3 / (variable[:, ::2] + 1), [[3, 1]] * 2)
    assert np.sum(variable) == 6 and variable.ndim == 2 and isinstance(variable, fastgru.Variable)
    assert (before == 1).all()  # what somebody has read stays
    with pytest.raises(ValueError, match=r"'mean/sums': expected shape \(2, 3\), got \(3,\)"):
        variable.assign(np.ones(3))
    with pytest.raises(TypeError, match="'mean/sums' is not changed in place; call assign"):
        variable += 1
    assert variable.shape == (2, 3)


def test_stateless_forms_leave_the_variables_alone(rng: np.random.Generator) -> None:
    y_true, y_pred = rng.normal(size=(2, 10, 3))
    metric, other = metrics.MeanSquaredError(), metrics.MeanSquaredError()
    state = metric.stateless_update_state(metric.variables, y_true, y_pred)
    assert metric.result() == 0.0
    assert metric.stateless_result(state) == other(y_true, y_pred)
    metric.update_state(y_true, y_pred)
    assert metric.stateless_reset_state() == [0, 0] and metric.result() == other.result()
    with pytest.raises(ValueError, match="expected values of its 2 variables, got 1"):
        metric.stateless_result(state[:1])


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_float16", "float8_e4m3fn", "complex64", "str", "nothing"])
def test_a_dtype_that_numpy_has_not_is_refused_by_name(dtype: str) -> None:
    with pytest.raises(ValueError, match=f"AUC: dtype must be a real number type of numpy, .*got '{dtype}'"):
        metrics.AUC(dtype=dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_result_has_the_dtype_that_was_asked_for(dtype: str, rng: np.random.Generator) -> None:
    y_true, y_pred = rng.integers(0, 2, (9, 3)), rng.random((9, 3))
    for name in ("MeanSquaredError", "AUC", "F1Score", "R2Score", "Precision", "Sum"):
        metric = getattr(metrics, name)(dtype=dtype)
        metric.update_state(*([y_true] if name == "Sum" else [y_true, y_pred]))
        assert metric.result().dtype == metric.dtype == dtype
    with pytest.raises(AttributeError):
        metric.dtype = "float32"


def test_counts_go_on_beyond_what_float32_can_count() -> None:
    metric = metrics.TruePositives(dtype="float64")
    metric.accumulator.assign([2.0**24])
    assert metric([1], [1]) == 2**24 + 1


def test_a_metric_that_forgets_its_base_is_told_so() -> None:
    class Forgetful(Metric):
        def __init__(self) -> None:
            self.total = self.add_weight(name="total")

    with pytest.raises(RuntimeError, match=r"Forgetful: call super\(\).__init__\(\) before"):
        Forgetful()
    with pytest.raises(NotImplementedError, match="Metric does not define result"):
        Metric().result()
    with pytest.raises(ValueError, match="aggregation must be one of"):
        Metric().add_variable((), aggregation="max")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda metric: pickle.loads(pickle.dumps(metric))])
@pytest.mark.parametrize("name", ["Mean", "MeanSquaredError", "AUC", "F1Score", "CosineSimilarity", "MeanIoU"])
def test_a_copy_goes_on_by_itself(name: str, copied: Any, rng: np.random.Generator) -> None:
    metric = metrics.MeanIoU(2) if name == "MeanIoU" else getattr(metrics, name)()
    first, second = rng.integers(0, 2, (2, 9, 3)).astype("float32")
    pair = [first] if name == "Mean" else [first, second]
    metric.update_state(*pair)
    before = np.array(metric.result())
    other = copied(metric)
    other.update_state(pair[0][:2], *(1 - entry[:2] for entry in pair[1:]))
    np.testing.assert_array_equal(metric.result(), before)
    assert (np.asarray(other.result()) != before).any()
    assert [variable.name for variable in other.variables] == [variable.name for variable in metric.variables]


def unpickled_from_last_release(cls: type, **state: Any) -> Any:
    metric = cls.__new__(cls)
    metric.__setstate__(state)
    return metric


def test_a_metric_pickled_by_the_last_release_goes_on() -> None:
    state = {"name": "mse", "dtype": "float32", "total": 3.0, "count": 2.0}
    call = {"_function": losses.MeanSquaredError().call, "_options": {}}
    metric = unpickled_from_last_release(metrics.MeanSquaredError, **state, **call)
    assert metric.result() == 1.5 and metric.dtype == "float32" and len(metric.variables) == 2
    assert metric([[1.0]], np.array([[4.0]])) == 4.0
    assert serialize(metric)["config"] == {"name": "mse", "dtype": "float32"}
    assert unpickled_from_last_release(LargestError, name="mine", dtype="float64").variables == []


# --- in training ----------------------------------------------------------------------------------


def test_an_own_metric_is_trained_with_and_saved(rng: np.random.Generator, tmp_path: Any) -> None:
    x, y = rng.normal(size=(20, 3)).astype("float32"), rng.normal(size=(20, 1)).astype("float32")
    model = fastgru.Sequential([fastgru.Input((3,)), fastgru.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[LargestError(), Report(), metrics.R2Score(class_aggregation=None)])
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    assert set(history) == {"loss", "largest_error", "largest", "mean_error", "r2_score"}
    logs = model.evaluate(x, y, batch_size=6, return_dict=True, verbose=0)
    errors = np.abs(model.predict(x, verbose=0) - y)
    assert logs["largest_error"] == logs["largest"] == pytest.approx(errors.max(), rel=1e-6)
    assert logs["mean_error"] == pytest.approx(errors.mean(), rel=1e-5)
    assert logs["r2_score"].shape == (1,)
    values = model.evaluate(x, y, batch_size=6, verbose=0)
    assert values[:2] == [logs["loss"], logs["largest_error"]] and len(values) == len(logs)
    model.save(tmp_path / "own.keras")
    opened = fastgru.models.load_model(
        tmp_path / "own.keras", custom_objects={"LargestError": LargestError, "Report": Report}
    )
    assert opened.evaluate(x, y, return_dict=True, verbose=0)["largest"] == pytest.approx(logs["largest"])
