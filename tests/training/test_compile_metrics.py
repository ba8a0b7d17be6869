"""`Model.metrics` and `metrics_names` are those of Keras 3."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from small_training import half, inputs, small

import fastgru
from fastgru.training.compile_metrics import CompileMetrics


@pytest.mark.keras
@pytest.mark.parametrize(("several", "metrics"), [(False, None), (False, ["mae", "mse"]), (True, [["mae"], ["mse"]])])
def test_the_metrics_of_a_model_are_those_of_keras(
    keras: Any, rng: np.random.Generator, several: bool, metrics: Any
) -> None:
    x, y = rng.normal(size=(12, 3)).astype("float32"), rng.normal(size=(12, 2)).astype("float32")
    seen = []
    for library in (fastgru, keras):
        tensor = library.Input((3,))
        outputs = [library.layers.Dense(2, "tanh", name=name, kernel_initializer="ones")(tensor) for name in "ab"]
        model = library.Model(tensor, outputs if several else outputs[0])
        model.compile("sgd", "mse", metrics=metrics)
        before = model.metrics_names[:2]
        model.evaluate(x, [y, -y] if several else y, verbose=0)
        results = [metric.result() for metric in model.metrics]
        values = [value for one in results for value in (one.values() if isinstance(one, dict) else [one])]
        seen.append((before, model.metrics_names, [metric.name for metric in model.metrics], list(map(float, values))))
    assert seen[0][:3] == seen[1][:3]
    assert seen[0][3] == pytest.approx(seen[1][3], rel=1e-5)


def test_they_are_reset_and_pickled_with_the_model(rng: np.random.Generator) -> None:
    model = small()
    x, y = inputs(rng), half(rng)
    loss = model.evaluate(x, y, verbose=0)[0]
    assert model.metrics[0].result() == loss
    own = pickle.loads(pickle.dumps(model)).metrics[1]
    assert isinstance(own, CompileMetrics) and [metric.name for metric in own.metrics] == ["accuracy"]
    model.reset_metrics()
    assert [metric.result() for metric in model.metrics] == [0, {"accuracy": 0}]
