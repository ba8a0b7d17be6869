"""The states of the stateful layers of a model change all together or not at all."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from fastgru import GradientTape, Input, Model, Sequential, layers, models, ops
from fastgru.callbacks import Callback
from fastgru.layers.workspace import Call

ROWS, STEPS, FEATURES = 2, 3, 4
Run = Callable[[Any, Any], Any]


class Hook(layers.Layer):
    """Hands its input on, after it has called whatever is its hook."""

    hook: Callable[[], None] | None = None

    def forward(self, call: Call, *inputs: Any) -> Any:
        if self.hook is not None:
            self.hook()
        return inputs[0]

    def backward(self, call: Call, *d_outputs: Any) -> Any:
        return d_outputs[0]


class Leaky(layers.Layer):
    """A cell of one's own."""

    state_size = 4

    def call(self, x: Any, states: Any) -> Any:
        new = 0.5 * states[0] + x
        return new, [new]


KINDS: dict[str, Callable[[], Any]] = {
    "GRU": lambda: layers.GRU(4, return_sequences=True, stateful=True),
    "LSTM": lambda: layers.LSTM(4, return_sequences=True, stateful=True),
    "SimpleRNN": lambda: layers.SimpleRNN(4, return_sequences=True, stateful=True),
    "in numpy": lambda: layers.GRU(4, return_sequences=True, stateful=True, activation="softsign"),
    "backwards": lambda: layers.GRU(4, return_sequences=True, stateful=True, go_backwards=True),
    "both ways": lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True, stateful=True)),
    "cells": lambda: layers.RNN([layers.GRUCell(3), layers.LSTMCell(4)], return_sequences=True, stateful=True),
    "own cell": lambda: layers.RNN(Leaky(), return_sequences=True, stateful=True),
    "convolutional": lambda: Sequential(
        [
            layers.Reshape((STEPS, FEATURES, 1)),
            layers.ConvLSTM1D(1, 3, padding="same", return_sequences=True, stateful=True),
            layers.Reshape((STEPS, FEATURES)),
        ]
    ),
}
RUNS: dict[str, Run] = {
    "call": lambda model, x: model(x),
    "training": lambda model, x: model(x, training=True),
    "predict": lambda model, x: model.predict(x, batch_size=ROWS, verbose=0),
    "predict_on_batch": lambda model, x: model.predict_on_batch(x),
    "evaluate": lambda model, x: model.evaluate(x, x, batch_size=ROWS, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, x),
    "fit": lambda model, x: model.fit(x, x, batch_size=ROWS, shuffle=False, verbose=0),
}


def data(rng: np.random.Generator, batches: int = 1) -> Any:
    return rng.normal(size=(ROWS * batches, STEPS, FEATURES)).astype("float32")


def row_of(*middle: Any) -> Any:
    model = Sequential([Input(batch_shape=(ROWS, STEPS, FEATURES)), *middle])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    model.compile("sgd", "mse")
    return model


def states_of(model: Any) -> list[Any]:
    """All states, as copies in a row."""
    rows: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, Sequential):
            rows += states_of(layer)
        elif getattr(layer, "states", None) is not None:
            rows += [np.array(state) for state in layer.states]
    return rows


def equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def raising(error: type[BaseException], at: int = 1) -> Callable[[], None]:
    """A hook that raises when it is called the `at`-th time."""
    calls = iter(range(1, at + 1))

    def hook() -> None:
        if next(calls, 0) == at:
            raise error

    return hook


# --- all or nothing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_call_that_ends_in_the_middle_moves_no_state(run: Run, error: type[BaseException], rng: Any) -> None:
    hook = Hook()
    model = row_of(KINDS["GRU"](), hook, KINDS["LSTM"]())
    first, second = data(rng), data(rng)
    model.predict(first, verbose=0)
    before = states_of(model)
    hook.hook = raising(error)
    with pytest.raises(error):
        run(model, second)
    assert equal(states_of(model), before)
    hook.hook = None
    again = row_of(KINDS["GRU"](), Hook(), KINDS["LSTM"]())
    again.predict(first, verbose=0)
    np.testing.assert_array_equal(model(second), again(second))
    assert equal(states_of(model), states_of(again))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_states_of_every_kind_of_layer_wait_for_the_end_of_the_call(kind: Callable[[], Any], rng: Any) -> None:
    hook = Hook()
    model = row_of(kind(), hook)
    model(data(rng))
    before, second, seen = states_of(model), data(rng), []
    hook.hook = lambda: seen.append(states_of(model))
    model(second)
    assert equal(seen[0], before)
    after = states_of(model)
    assert not any(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    hook.hook = raising(ArithmeticError)
    with pytest.raises(ArithmeticError):
        model(second)
    assert equal(states_of(model), after)


@pytest.mark.parametrize("run", ["predict", "evaluate"])
def test_a_loop_that_ends_in_a_later_batch_puts_back_the_states_of_its_beginning(run: str, rng: Any) -> None:
    hook = Hook()
    model = row_of(KINDS["GRU"](), hook, KINDS["GRU"]())
    model(data(rng))
    before = states_of(model)
    hook.hook = raising(ArithmeticError, at=3)
    with pytest.raises(ArithmeticError):
        RUNS[run](model, data(rng, 3))
    assert equal(states_of(model), before)


def test_layers_that_a_failing_loop_has_built_are_at_rest(rng: Any) -> None:
    hook = Hook()

    class Own(Model):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.hook = layers.GRU(3, stateful=True), hook

        def call(self, x: Any) -> Any:
            return self.hook(self.gru(x))

    model = Own()
    x, at_rest = data(rng, 3), [np.zeros((ROWS, 3))]
    hook.hook = raising(ArithmeticError, at=4)  # the first time is for the shapes
    with pytest.raises(ArithmeticError):
        model.predict(x, batch_size=ROWS, verbose=0)
    assert equal(model.gru.states, at_rest)
    hook.hook = None
    y = model.predict(x, batch_size=ROWS, verbose=0)
    model.gru.reset_states()
    np.testing.assert_array_equal(y, np.concatenate([model(x[rows : rows + ROWS]) for rows in range(0, 6, ROWS)]))
    with pytest.raises(ValueError, match="stateful=True was built for batches of 2 rows, got 6"):
        model.predict(x, verbose=0)


def test_a_step_of_training_that_fails_behind_the_forward_pass_moves_no_state(rng: Any) -> None:
    model = row_of(KINDS["GRU"]())
    model.compile("sgd", lambda y, y_pred: 1 / 0)
    before = states_of(model)
    with pytest.raises(ZeroDivisionError):
        model.train_on_batch(data(rng), data(rng))
    assert equal(states_of(model), before)


def test_drawing_a_graph_moves_no_state(rng: Any) -> None:
    class Own(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.gru = layers.GRU(3, stateful=True)

        def call(self, x: Any) -> Any:
            return self.gru(x) + 1

    own = Own()
    x = Input(batch_shape=(ROWS, STEPS, FEATURES))
    own.gru.build(x.shape)
    own.gru.set_weights([rng.normal(size=weight.shape) for weight in own.gru.weights])
    Model(x, own(x))
    assert not own.gru.states[0].any()


# --- who is at work on it ---------------------------------------------------------------------------------------------


@contextmanager
def in_another_thread(work: Callable[[], Any], hook: Hook) -> Iterator[None]:
    """Inside, another thread is in the middle of `work`, where it calls the hook."""
    reached, goes_on, errors = threading.Event(), threading.Event(), []
    other = threading.Thread(target=lambda: errors.extend(_error_of(work)))

    def wait() -> None:
        if threading.current_thread() is other:
            reached.set()
            assert goes_on.wait(30)

    hook.hook = wait
    other.start()
    try:
        assert reached.wait(30)
        yield
    finally:
        goes_on.set()
        other.join()
        hook.hook = None
    assert not errors


def _error_of(work: Callable[[], Any]) -> list[BaseException]:
    try:
        work()
    except BaseException as error:
        return [error]
    return []


IN_USE = r"GRU 'gru.*': its states are in use by another call, in another thread; run a stateful model in one thread"


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("other_run", ["call", "predict", "fit"])
def test_a_second_thread_is_told_that_the_states_are_in_use(run: Run, other_run: str, rng: Any) -> None:
    hook = Hook()
    model, x = row_of(KINDS["GRU"](), hook, KINDS["GRU"]()), data(rng)
    beside = row_of(KINDS["GRU"]())
    alone = row_of(KINDS["GRU"](), KINDS["GRU"]())
    for one in (alone, model):
        one(x)
    RUNS[other_run](alone, x)
    with in_another_thread(lambda: RUNS[other_run](model, x), hook):
        with pytest.raises(RuntimeError, match=IN_USE):
            run(model, x)
        with pytest.raises(RuntimeError, match=IN_USE):
            model.layers[2].reset_states()
        beside(x)  # which has states of its own
    assert equal(states_of(model), states_of(alone))
    run(model, x)


def test_models_that_share_a_layer_have_one_session(rng: Any) -> None:
    hook, shared = Hook(), KINDS["GRU"]()
    one, other, third = row_of(shared, hook), row_of(shared, KINDS["LSTM"]()), row_of(KINDS["GRU"]())
    x = data(rng)
    expected = row_of(KINDS["GRU"]())
    expected.set_weights(shared.get_weights())
    first, second = expected.predict(x, verbose=0), expected.predict(x, verbose=0)
    other(x)
    np.testing.assert_array_equal(one(x), second)
    assert equal(states_of(one)[:1], states_of(other)[:1])
    with in_another_thread(lambda: one(x), hook):
        with pytest.raises(RuntimeError, match="in use by another call"):
            other.layers[1].reset_states()  # joined with the one that is at work
        third(x)
    shared.reset_states()
    np.testing.assert_array_equal(one(x), first)


def test_the_states_of_a_layer_that_is_gone_do_not_stay_in_the_session(rng: Any) -> None:
    shared = KINDS["GRU"]()
    x = data(rng)
    for _ in range(5):
        row_of(shared, KINDS["LSTM"]())(x)
        gc.collect()
    assert len(shared._part.session.states) <= 3


def test_a_fork_beside_a_call_leaves_the_child_its_states(rng: Any) -> None:
    hook = Hook()
    model, x = row_of(KINDS["GRU"](), hook), data(rng)
    with in_another_thread(lambda: model(x), hook):
        child = os.fork()
        if child == 0:
            hook.hook = None
            os._exit(int(bool(_error_of(lambda: model.layers[0].reset_states()))))
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


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


def test_a_model_without_stateful_layers_loads_no_sessions() -> None:
    program = (
        "import sys, numpy as np; from fastgru import Sequential, layers\n"
        "model = Sequential([layers.Input((3, 2)), layers.GRU(2)]); model.compile('sgd', 'mse')\n"
        "x = np.zeros((4, 3, 2)); model.predict(x); model.fit(x, x[:, 0], verbose=0); model(x)\n"
        "sys.exit('fastgru.layers.rnn.session' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
