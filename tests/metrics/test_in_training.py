"""What `compile` takes as metrics has Keras's names and numbers in the logs, and goes into files and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru

N, T, F = 23, 5, 3


def binary(k: Any) -> Any:
    return k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), k.layers.Dense(1, activation="sigmoid")])


def classes(k: Any) -> Any:
    return k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), k.layers.Dense(3, activation="softmax")])


def masked(k: Any) -> Any:
    row = [k.layers.Masking(0.0), k.layers.GRU(4, return_sequences=True), k.layers.Dense(1, activation="sigmoid")]
    return k.Sequential([k.layers.Input((T, F)), *row])


def two_outputs(k: Any) -> Any:
    inputs = k.layers.Input((T, F))
    hidden = k.layers.GRU(4)(inputs)
    outputs = [k.layers.Dense(1, activation="sigmoid", name=name)(hidden) for name in ("a", "b")]
    return k.Model(inputs, outputs)


def zeros_and_ones(*shape: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.integers(0, 2, (N, *shape)).astype("float32")


def one_hot(rng: np.random.Generator) -> Any:
    return np.eye(3, dtype="float32")[rng.integers(0, 3, N)]


def both(rng: np.random.Generator) -> Any:
    return [zeros_and_ones(1)(rng), zeros_and_ones(1)(rng)]


SETUPS: dict[
    str, tuple[Callable[[Any], Any], Callable[[np.random.Generator], Any], Callable[[Any], dict[str, Any]]]
] = {
    "names": (binary, zeros_and_ones(1), lambda k: {"metrics": ["AUC", "auc", "mape", "Recall", "acc", "f1_score"]}),
    "classes": (binary, zeros_and_ones(1), lambda k: {"metrics": [k.metrics.AUC, k.metrics.Hinge, k.metrics.AUC]}),
    "functions": (
        binary,
        zeros_and_ones(1),
        lambda k: {"metrics": [k.metrics.binary_accuracy, k.metrics.huber], "weighted_metrics": [k.metrics.poisson]},
    ),
    "objects": (
        classes,
        one_hot,
        lambda k: {
            "metrics": [
                k.metrics.F1Score(average="macro"),
                k.metrics.Precision(top_k=1, class_id=2, name="precise"),
                k.metrics.AUC(curve="PR", multi_label=True),
                k.metrics.TopKCategoricalAccuracy(2),
                k.metrics.RootMeanSquaredError(),
            ],
            "weighted_metrics": [k.metrics.AUC(), k.metrics.CosineSimilarity(), k.metrics.R2Score()],
        },
    ),
    "mask": (
        masked,
        zeros_and_ones(T, 1),
        lambda k: {
            "metrics": ["accuracy", k.metrics.RootMeanSquaredError(), k.metrics.Precision()],
            "weighted_metrics": [k.metrics.KLDivergence(), k.metrics.LogCoshError()],
        },
    ),
    "dict by output": (
        two_outputs,
        both,
        lambda k: {"metrics": {"a": ["AUC", k.metrics.Precision()], "b": "mae"}, "weighted_metrics": {"b": ["AUC"]}},
    ),
    "list by output": (
        two_outputs,
        both,
        lambda k: {"metrics": [["mse"], [k.metrics.Recall(), "RootMeanSquaredError"]]},
    ),
}


def compiled(k: Any, name: str) -> tuple[Any, Any, Any]:
    """A model, inputs and targets."""
    build, make_y, compile_ = SETUPS[name]
    rng = np.random.default_rng(3)
    model = build(k)
    x, y = rng.normal(size=(N, T, F)).astype("float32"), make_y(rng)
    x[:, 3:][rng.random((N, T - 3)) < 0.5] = 0
    model.compile(optimizer=k.optimizers.SGD(0.05), loss="mse", **compile_(k))
    return model, x, y


def assert_same_logs(ours: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(ours) == list(expected)
    for number in expected:
        np.testing.assert_allclose(ours[number], expected[number], rtol=2e-4, atol=1e-5, err_msg=number)


@pytest.mark.parametrize("name", SETUPS)
@pytest.mark.keras
def test_history_and_evaluation_are_those_of_keras(keras: Any, name: str) -> None:
    # a weight for each sample goes with one output and no mask
    options = {"batch_size": 8, "verbose": 0}
    if name in ("names", "functions", "objects"):
        options["sample_weight"] = np.random.default_rng(4).random(N).astype("float32")
    results, weights = [], None
    for library in (keras, fastgru):
        library.utils.clear_session()
        model, x, y = compiled(library, name)
        weights = model.get_weights() if weights is None else weights
        model.set_weights(weights)
        logs = model.evaluate(x, y, return_dict=True, **options)
        # in `fit` Keras on JAX loses the mask before it comes to the metrics
        history = {} if name == "mask" else model.fit(x, y, epochs=2, shuffle=False, **options).history
        results.append((logs, history))
    for expected, ours in zip(*results, strict=True):
        assert_same_logs(ours, expected)


def saved_and_opened(writer: Any, reader: Any, name: str, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a model evaluates to, and what it does in another library."""
    writer.utils.clear_session()
    model, x, y = compiled(writer, name)
    model.train_on_batch(x, y)
    model.save(path)
    opened = reader.models.load_model(path)
    expected, ours = (one.evaluate(x, y, return_dict=True, verbose=0) for one in (model, opened))
    return ours, expected


# Keras can neither write a class nor read the .h5 with a function that it has written itself
@pytest.mark.parametrize("name", ["names", "functions", "objects", "dict by output"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.keras
def test_a_file_of_keras_opens_compiled(keras: Any, name: str, ending: str, tmp_path: Path) -> None:
    assert_same_logs(*saved_and_opened(keras, fastgru, name, tmp_path / f"model.{ending}"))


@pytest.mark.parametrize(
    ("name", "ending"), [(name, "keras") for name in SETUPS if name != "mask"] + [("objects", "h5")]
)
@pytest.mark.keras
def test_keras_opens_a_file_of_fastgru_compiled(keras: Any, name: str, ending: str, tmp_path: Path) -> None:
    assert_same_logs(*saved_and_opened(fastgru, keras, name, tmp_path / f"model.{ending}"))


@pytest.mark.parametrize("name", SETUPS)
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_file_opens_as_it_was_compiled(name: str, ending: str, tmp_path: Path) -> None:
    assert_same_logs(*saved_and_opened(fastgru, fastgru, name, tmp_path / f"model.{ending}"))


@pytest.mark.parametrize("name", ["names", "functions", "objects", "dict by output", "list by output"])
@pytest.mark.keras
def test_what_is_written_of_metrics_is_what_keras_writes(keras: Any, name: str) -> None:
    forms = []
    for library in (keras, fastgru):
        library.utils.clear_session()
        forms.append(compiled(library, name)[0].get_compile_config())
    expected, ours = forms
    for argument in ("metrics", "weighted_metrics"):
        assert ours[argument] == expected[argument]


def test_an_evaluation_inside_of_a_run_leaves_its_sums_alone() -> None:
    """A callback that evaluates the model which is evaluated."""
    model, x, y = compiled(fastgru, "objects")
    options = {"batch_size": 8, "verbose": 0, "return_dict": True}
    expected = model.evaluate(x, y, **options)

    class Nosy(fastgru.callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1 and not self.inside:
                self.inside = True
                self.model.evaluate(x[:5], y[:5], verbose=0)

        inside = False

    assert model.evaluate(x, y, callbacks=[Nosy()], **options) == expected


def test_a_metric_with_a_number_for_each_class_is_logged_as_an_array(capsys: pytest.CaptureFixture[str]) -> None:
    model, x, y = compiled(fastgru, "objects")
    model.compile("sgd", "mse", metrics=[fastgru.metrics.F1Score(threshold=0.3)])
    history = model.fit(x, y, epochs=2, verbose=2).history
    assert [scores.shape for scores in history["f1_score"]] == [(3,), (3,)]
    assert f"f1_score: {history['f1_score'][1].mean():.4f}" in capsys.readouterr().out
