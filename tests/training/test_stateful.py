"""Stateful models go on from batch to batch."""

from __future__ import annotations

import numpy as np
import pytest
from small_training import F, N, T, inputs

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential


def test_a_stateful_model_goes_on_from_batch_to_batch_until_it_is_reset(rng: np.random.Generator) -> None:
    # Keras with JAX forgets the states between the batches of one call, so it is no oracle here
    gru = GRU(3, stateful=True)
    model = Sequential([Input(batch_shape=(4, T, F)), gru, Dense(2)])
    model.compile("sgd", "mse")
    parts = rng.normal(size=(3, 4, T, F))
    plain = Sequential([Input((3 * T, F)), GRU(3), Dense(2)])
    plain.set_weights(model.get_weights())
    expected = plain.predict(np.concatenate(parts, axis=1), verbose=0)
    for _ in range(2):
        outputs = model.predict(np.concatenate(parts), batch_size=4, verbose=0)
        np.testing.assert_allclose(outputs[-4:], expected, rtol=1e-5, atol=1e-6)
        gru.reset_states()
    model.fit(np.concatenate(parts), rng.normal(size=(12, 2)), batch_size=4, shuffle=False, verbose=0)
    assert gru.states[0].any()
    for wrong in (3, 5, 8):
        x, y = rng.normal(size=(wrong, T, F)), rng.normal(size=(wrong, 2))
        for attempt in (model, lambda x: model.predict(x, verbose=0), lambda x, y=y: model.fit(x, y, verbose=0)):
            with pytest.raises(ValueError, match=f"batches of exactly 4 samples, got {wrong} samples"):
                attempt(x)


def test_one_sample_is_a_batch_of_one_without_saying_so(rng: np.random.Generator) -> None:
    model = Sequential([Input(batch_shape=(1, T, F)), GRU(3, stateful=True)])
    x = rng.normal(size=(1, T, F))
    once = model.predict(x, verbose=0)
    assert not np.array_equal(model.predict(x, verbose=0), once)  # it goes on
    model.compile("sgd", "mse")
    model.fit(x, np.ones((1, 3)), verbose=0)
    with pytest.raises(ValueError, match="batches of exactly 1 samples, got 2 samples"):
        model.predict(np.concatenate([x, x]), verbose=0)


@pytest.mark.parametrize("run", ["fit", "predict"])
def test_a_stateful_model_without_a_shape_is_built_for_the_batch_size(rng: np.random.Generator, run: str) -> None:
    model = Sequential([GRU(2, stateful=True), Dense(1)])
    model.compile("sgd", "mse")
    if run == "fit":
        model.fit(inputs(rng), np.ones(N), batch_size=11, verbose=0)
    else:
        model.predict(inputs(rng), batch_size=11, verbose=0)
    assert model.input_shape == (11, T, F)
