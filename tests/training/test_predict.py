"""A prediction depends on the weights and its sample alone."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest
from small_training import F, T, half, inputs, small

from fastgru.layers import GRU, Embedding
from fastgru.models import Sequential


@pytest.mark.parametrize("size", [1, 7, 32, None])
def test_predictions_do_not_depend_on_the_batch_size(rng: np.random.Generator, size: int | None) -> None:
    x = rng.normal(size=(700, T, F))
    model = small()
    np.testing.assert_allclose(
        model.predict(x, batch_size=size, verbose=0), np.concatenate([model(row[None]) for row in x]), rtol=1e-5
    )


def test_predict_takes_no_more_tokens_at_a_time_than_fit_its_memory() -> None:
    model = Sequential([Embedding(50, 16), GRU(256, return_sequences=True)])
    seen: list[int] = []
    forward = model.forward
    model.forward = lambda call, x: seen.append(len(x)) or forward(call, x)  # type: ignore[method-assign, func-returns-value]
    model.predict(np.ones((20, 2000), "int32"), batch_size=1, verbose=0)
    assert seen == [2] * 10  # 2 rows of 2000 steps of 3 * 256 gates


def test_predictions_are_new_arrays(rng: np.random.Generator) -> None:
    x = inputs(rng)
    model = small()
    for run in (lambda x: model.predict(x, verbose=0), model.predict_on_batch, model):
        first = run(x)
        copied = first.copy()
        run(-x)
        assert np.array_equal(first, copied)


def test_several_threads_predict_with_one_model_at_once(rng: np.random.Generator) -> None:
    model = small()
    data = [rng.normal(size=(int(size), T, F)).astype("float32") for size in rng.integers(1, 300, 8)]
    expected = [model.predict(x, verbose=0) for x in data]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            if not np.array_equal(model.predict(data[index], verbose=0), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(data))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copied_model_predicts_the_same_and_trains_on_its_own(rng: np.random.Generator, clone: Any) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    model.fit(x, y, verbose=0)
    twin = clone(model)
    before, size = model.get_weights(), len(pickle.dumps(model))
    assert np.array_equal(model.predict(x, verbose=0), twin.predict(x, verbose=0))
    assert len(pickle.dumps(model)) == size  # what predictions keep is no part of it
    twin.fit(x, y, verbose=0, shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.fit(x, y, verbose=0, shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(twin.get_weights(), model.get_weights(), strict=True))
    states = [[variable.value for variable in one.optimizer.variables] for one in (twin, model)]
    assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))
