"""The states of the stateful layers of a model change all together or not at all."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from stateful_models import FEATURES, KINDS, ROWS, RUNS, STEPS, Hook, Run, data, equal, raising, row_of, states_of

from fastgru import Input, Model, layers

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
