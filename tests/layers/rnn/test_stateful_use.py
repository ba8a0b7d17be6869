"""What may be done with the states of stateful layers: between calls, in their middle, on the way back."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stateful_models import FEATURES, KINDS, ROWS, STEPS, Hook, data, equal, row_of, states_of

from fastgru import GradientTape, Input, Model, Sequential, layers, models, ops
from fastgru.callbacks import Callback

# --- calls in the middle of others ------------------------------------------------------------------------------------


def test_callbacks_may_reset_read_and_predict_between_batches(rng: Any) -> None:
    model = row_of(KINDS["GRU"](), KINDS["LSTM"]())
    x, seen = data(rng, 3), []

    class Resets(Callback):
        def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(states_of(model))
            for layer in model.layers:
                layer.reset_states()

    outputs = model.predict(x, batch_size=ROWS, verbose=0, callbacks=[Resets()])
    expected = row_of(KINDS["GRU"](), KINDS["LSTM"]())
    for batch in range(3):
        for layer in expected.layers:
            layer.reset_states()
        rows = slice(batch * ROWS, (batch + 1) * ROWS)
        np.testing.assert_array_equal(outputs[rows], expected.predict(x[rows], verbose=0))
        assert batch == 2 or equal(seen[batch + 1], states_of(expected))

    class Predicts(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            model.predict(x[:ROWS], verbose=0)

    model.fit(x, x, batch_size=ROWS, shuffle=False, verbose=0, callbacks=[Predicts()])


def test_a_prediction_in_the_middle_of_another_begins_where_the_last_whole_one_ended(rng: Any) -> None:
    hook = Hook()
    model, x = row_of(KINDS["GRU"](), hook, KINDS["LSTM"]()), data(rng)
    plain = row_of(KINDS["GRU"](), Hook(), KINDS["LSTM"]())
    model(x), plain(x)
    expected, inner = plain(x), []

    def predict() -> None:  # as a signal handler might
        hook.hook = None
        inner.append(model.predict(x, verbose=0))

    hook.hook = predict
    np.testing.assert_array_equal(model(x), expected)
    np.testing.assert_array_equal(inner[0], expected)
    assert equal(states_of(model), states_of(plain))


def test_sessions_that_loops_have_are_joined_inside_them(rng: Any) -> None:
    one, other, x = row_of(KINDS["GRU"]()), row_of(KINDS["LSTM"]()), data(rng)
    both = row_of(*one.layers, *other.layers)

    class Calls(Callback):
        def __init__(self, work: Callable[[], Any]) -> None:
            super().__init__()
            self.work = work

        def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.work()

    def inner() -> None:
        other.predict(x, verbose=0, callbacks=[Calls(lambda: both(x))])

    one.predict(x, verbose=0, callbacks=[Calls(inner)])
    plain = row_of(KINDS["GRU"](), KINDS["LSTM"]())
    plain.set_weights(both.get_weights())
    plain(x), plain.layers[1](x), plain.layers[0](x)
    assert equal(states_of(both), states_of(plain))
    with pytest.raises(ZeroDivisionError):
        one.predict(x, verbose=0, callbacks=[Calls(lambda: other.predict(x, callbacks=[Calls(lambda: 1 / 0)]))])
    assert equal(states_of(both), states_of(plain))
    fresh = threading.Thread(target=both.layers[0].reset_states)  # whom nobody holds off any more
    fresh.start()
    fresh.join()
    assert not both.layers[0].states[0].any()


def test_a_call_may_reset_and_read_the_states_of_its_layers(rng: Any) -> None:
    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.gru = layers.GRU(3, stateful=True)

        def call(self, x: Any) -> Any:
            y = self.gru(x)
            np.testing.assert_array_equal(self.gru.states[0], y)
            self.gru.reset_states()
            assert not self.gru.states[0].any()
            y = self.gru(x)
            return self.gru(x) - y

    model, x = Own(), data(rng)
    y = model(x)
    third = np.array(model.gru(x))
    plain = layers.GRU(3, stateful=True)
    plain.build(x.shape)
    plain.set_weights(model.gru.get_weights())
    one, two, three = (np.array(plain(x)) for _ in range(3))
    np.testing.assert_array_equal(y, two - one)
    np.testing.assert_array_equal(third, three)


def test_a_train_step_may_call_the_model_twice(rng: Any) -> None:
    class Own(Sequential):
        def train_step(self, batch: Any) -> dict[str, Any]:
            x, _ = batch
            return {"loss": float(ops.sum(self(x) - self(x)))}

    model = Own([Input(batch_shape=(ROWS, STEPS, FEATURES)), KINDS["GRU"](), KINDS["GRU"]()])
    model.compile("sgd", "mse")
    x = data(rng)
    model.fit(x, x, batch_size=ROWS, verbose=0)
    same = models.clone_model(model)
    same.set_weights(model.get_weights())
    same(x), same(x)
    assert equal(states_of(model), states_of(same))


def test_a_layer_that_stands_twice_in_a_model_goes_on_from_its_own_states(rng: Any) -> None:
    shared = layers.GRU(FEATURES, return_sequences=True, stateful=True)
    inputs = Input(batch_shape=(ROWS, STEPS, FEATURES))
    model, x = Model(inputs, shared(shared(inputs))), data(rng)
    plain = row_of(layers.GRU(FEATURES, return_sequences=True, stateful=True))
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model(x), plain(np.array(plain(x))))
    assert equal(states_of(plain), states_of(model)[:1])


# --- gradients --------------------------------------------------------------------------------------------------------


def test_a_step_of_training_goes_back_through_the_states_that_the_batch_began_with(rng: Any) -> None:
    model, x, y = row_of(layers.LSTM(3, stateful=True)), data(rng), rng.normal(size=(ROWS, 3))
    model.predict(x, verbose=0)
    before = states_of(model)
    inputs = Input((STEPS, FEATURES))
    states = [Input((3,)), Input((3,))]
    plain = Model([inputs, *states], layers.LSTM(3)(inputs, initial_state=states))
    plain.compile("sgd", "mse")
    plain.set_weights(model.get_weights())
    model.train_on_batch(x, y)
    plain.train_on_batch([x, *before], y)
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_a_second_gradient_of_a_tape_is_the_first_and_moves_no_state(rng: Any) -> None:
    model, x = row_of(KINDS["GRU"](), KINDS["own cell"](), KINDS["LSTM"]()), data(rng)
    model(x)
    with GradientTape(persistent=True) as tape:
        loss = ops.sum(model(x) ** 2)
    after = states_of(model)
    first, second = (tape.gradient(loss, model.trainable_weights) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert equal(states_of(model), after)


# --- what can be done with them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_has_the_states_in_a_session_of_its_own(copied: Any, kind: Callable[[], Any], rng: Any) -> None:
    model, x = row_of(kind(), layers.GRU(3, stateful=True)), data(rng)
    model(x)
    before, other = states_of(model), copied(model)
    assert equal(states_of(other), before)
    y = other(x)
    assert equal(states_of(model), before)
    np.testing.assert_array_equal(model(x), y)
    assert equal(states_of(model), states_of(other))


def test_a_clone_begins_at_rest(rng: Any) -> None:
    model = row_of(KINDS["GRU"](), KINDS["LSTM"]())
    model(data(rng))
    assert states_of(model)[0].any() and not np.any(states_of(models.clone_model(model)))


def test_states_can_be_set(rng: Any) -> None:
    x, states = data(rng), [rng.normal(size=(ROWS, 3)) for _ in range(2)]
    layer = layers.LSTM(3, stateful=True)
    with pytest.raises(AttributeError, match="LSTM 'lstm': there are no stored states to set"):
        layer.states = states
    layer(x)
    layer.states = states
    np.testing.assert_array_equal(layer(x), layer(x, initial_state=states))
    layer.reset_states(states)
    np.testing.assert_array_equal(layer.states, np.asarray(states, "float32"))
    for wrong in (states[:1], None, [states[0], states[1][:1]]):
        with pytest.raises(ValueError, match=r"LSTM 'lstm': expected states of shapes \[\(2, 3\), \(2, 3\)\], got"):
            layer.states = wrong
    np.testing.assert_array_equal(layer.states, np.asarray(states, "float32"))


def test_a_model_without_stateful_layers_loads_no_sessions(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; from fastgru import Sequential, layers\n"
        "model = Sequential([layers.Input((3, 2)), layers.GRU(2)]); model.compile('sgd', 'mse')\n"
        "x = np.zeros((4, 3, 2)); model.predict(x); model.fit(x, x[:, 0], verbose=0); model(x)\n"
        "sys.exit('fastgru.layers.rnn.session' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
