"""Ids, capacities, times and errors of sessions: whatever is refused has changed nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Any

import numpy as np
import pytest
from stream_models import answers_so_far, opened, row_of, with_weights

from fastgru import Model, layers, streaming
from fastgru.layers import GRU, Dense, Embedding, Input
from fastgru.streaming import Sessions

RNG = np.random.default_rng(5)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def model() -> Any:
    return row_of(GRU(6), Dense(2))


@pytest.fixture
def x() -> Any:
    return RNG.normal(size=(4, 6, 5)).astype("float32")


def test_an_id_is_a_generation_and_a_slot(model: Any) -> None:
    sessions = Sessions(model, 3)
    first = opened(sessions, 3)
    assert sorted(first & 0xFFFFFFFF) == [0, 1, 2]
    sessions.close(first[1])
    again = sessions.open()
    assert again & 0xFFFFFFFF == first[1] & 0xFFFFFFFF
    assert again >> 32 == (first[1] >> 32) + 1
    assert len(sessions) == 3


def test_a_new_session_begins_at_zero_in_a_slot_that_was_used(model: Any, x: Any) -> None:
    sessions = Sessions(model, 1)
    first = sessions.open()
    answer = sessions.step(first, x[:1])
    sessions.close(first)
    np.testing.assert_array_equal(sessions.step(sessions.open(), x[:1]), answer)


def test_a_slot_without_a_generation_left_stays_empty(model: Any) -> None:
    sessions = Sessions(model, 2)
    sessions._slots.ids[0] = ~((0x7FFFFFFE << 32) + 0)
    last, other = opened(sessions, 2)
    assert last == 0x7FFFFFFF << 32
    sessions.close([last, other])
    assert sessions.open() == other + (1 << 32)
    with pytest.raises(RuntimeError, match="0 of the 2 slots are free"):
        sessions.open()


def test_a_full_capacity_is_refused_until_one_is_closed(model: Any) -> None:
    sessions = Sessions(model, 2)
    ids = opened(sessions, 2)
    with pytest.raises(RuntimeError, match="0 of the 2 slots are free and 1 asked for"):
        sessions.open()
    sessions.close(ids[:1])
    sessions.open()


REFUSED: dict[str, tuple[Any, str]] = {
    "unknown": (lambda ids: [ids[0], 12345678901234], "there is no session 12345678901234"),
    "negative": (lambda ids: [-1], "there is no session -1"),
    "out of the table": (lambda ids: [(1 << 32) + 9], "there is no session 4294967305"),
    "of a later generation": (lambda ids: [ids[0] + (5 << 32)], "there is no session"),
    "never opened": (lambda ids: [3], "there is no session 3"),
    "twice": (lambda ids: [ids[0], ids[1], ids[0]], "stands there twice"),
    "no number": (lambda ids: ["a"], "expected ids as `open` gave them"),
    "a fraction": (lambda ids: [0.5], "expected ids as `open` gave them"),
    "too large": (lambda ids: [1 << 70], "expected ids as `open` gave them"),
    "nested": (lambda ids: [[ids[0]]], "expected ids as `open` gave them"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("method", ["step", "close", "reset", "snapshot"])
def test_ids_that_are_none_are_refused(model: Any, x: Any, case: str, method: str) -> None:
    sessions = Sessions(model, 4)
    ids = opened(sessions, 3)
    sessions.step(ids, x[:3])
    before = sessions.snapshot(ids)
    asked, sentence = REFUSED[case][0](ids.tolist()), REFUSED[case][1]
    more = (np.zeros((len(asked), 5), "float32"),) if method == "step" else ()
    with pytest.raises(ValueError, match=sentence):
        getattr(sessions, method)(asked, *more)
    assert sessions.snapshot(ids) == before
    assert len(sessions) == 3


def test_a_closed_id_is_told_from_an_unknown_one(model: Any) -> None:
    sessions = Sessions(model, 1)
    closed = sessions.open()
    sessions.close(closed)
    for _ in range(2):
        with pytest.raises(ValueError, match="was closed, or has expired; open a new one"):
            sessions.reset(closed)
        sessions.open() if not len(sessions) else None


def test_a_session_without_a_step_for_its_time_to_live_expires(model: Any, x: Any) -> None:
    clock = Clock()
    sessions = Sessions(model, 2, ttl=10, clock=clock)
    busy, idle = opened(sessions, 2)
    clock.now += 9
    sessions.step(busy, x[:1, 0])
    clock.now += 2
    assert len(sessions) == 1
    with pytest.raises(ValueError, match=f"session {idle} has expired: it made no step for more than 10 seconds"):
        sessions.step([busy, idle], x[:2, 0])
    new = sessions.open()  # in its slot, while there is no other
    assert new & 0xFFFFFFFF == idle & 0xFFFFFFFF
    with pytest.raises(ValueError, match=f"session {idle} was closed, or has expired"):
        sessions.step(idle, x[:1, 0])
    with pytest.raises(RuntimeError, match="0 of the 2 slots are free"):
        sessions.open()
    sessions.step([busy, new], x[:2, 0])


SHAPES = [
    ((3, 4), r"expected x for 3 sessions of shape \(3, 5\) for one step, or \(3, n, 5\) for n steps, got \(3, 4\)"),
    ((2, 5), r"got \(2, 5\)"),
    ((5,), r"got \(5,\)"),
    ((3, 2, 4), r"got \(3, 2, 4\)"),
    ((3, 1, 1, 5), r"got \(3, 1, 1, 5\)"),
]


@pytest.mark.parametrize(("shape", "sentence"), SHAPES)
def test_inputs_of_another_shape_are_refused(model: Any, shape: Any, sentence: str) -> None:
    sessions = Sessions(model, 3)
    ids = opened(sessions, 3)
    with pytest.raises(ValueError, match=sentence):
        sessions.step(ids, np.zeros(shape))
    assert not sessions._slots.in_use.any()


def test_an_error_within_a_step_leaves_all_states(x: Any) -> None:
    model = with_weights(Model(*(lambda i: (i, Dense(2)(GRU(5)(Embedding(9, 4)(i)))))(Input((None,)))))
    sessions = Sessions(model, 2)
    ids = opened(sessions, 2)
    sessions.step(ids, np.array([1, 2]))
    before = sessions.snapshot(ids)
    with pytest.raises(ValueError, match="expected indices from 0 to 8"):
        sessions.step(ids, np.array([[3, 4], [1, 9]]))
    assert sessions.snapshot(ids) == before
    sessions.step(ids, np.array([[3, 4], [1, 8]]))


def test_no_sessions_and_no_steps_are_answered(model: Any) -> None:
    sessions = Sessions(model, 2)
    ids = opened(sessions, 2)
    assert sessions.step([], np.zeros((0, 5))).shape == (0, 2)
    assert sessions.step([], np.zeros((0, 3, 5))).shape == (0, 3, 2)
    assert sessions.step(ids, np.zeros((2, 0, 5))).shape == (2, 0, 2)


def test_answers_go_where_out_says(model: Any, x: Any) -> None:
    sessions = Sessions(model, 4)
    ids = opened(sessions, 4)
    expected = answers_so_far(model, x)
    out = np.empty((4, 6, 2), "float32")
    for step in range(6):
        one = out[:, step]  # not in one piece
        assert sessions.step(ids, x[:, step], out=one) is one
    np.testing.assert_allclose(out, expected, atol=1e-6)


BAD_OUTS = [np.empty((4, 3), "float32"), np.empty((4, 2)), np.empty((4, 1, 2), "float32"), [[0.0] * 2] * 4]


@pytest.mark.parametrize("out", BAD_OUTS, ids=["shape", "dtype", "axes", "list"])
def test_an_out_that_does_not_fit_is_refused_before_the_step(model: Any, x: Any, out: Any) -> None:
    sessions = Sessions(model, 4)
    ids = opened(sessions, 4)
    before = sessions.snapshot(ids)
    with pytest.raises(ValueError, match="expected out"):
        sessions.step(ids, x[:, 0], out=out)
    read_only = np.empty((4, 2), "float32")
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="expected out to be a writeable array"):
        sessions.step(ids, x[:, 0], out=read_only)
    assert sessions.snapshot(ids) == before


def test_several_outputs_are_a_list(x: Any) -> None:
    entry = Input((None, 5))
    h = GRU(4, return_sequences=True)(entry)
    model = with_weights(Model(entry, [Dense(3)(h), GRU(2)(h)]))
    sessions = Sessions(model, 4)
    ids = opened(sessions, 4)
    outs = [np.empty((4, 6, 3), "float32"), np.empty((4, 6, 2), "float32")]
    steps, last = sessions.step(ids, x, out=outs)
    np.testing.assert_allclose(steps, model.predict(x, verbose=0)[0], atol=1e-6)
    np.testing.assert_allclose(last[:, -1], model.predict(x, verbose=0)[1], atol=1e-6)
    sessions.reset(ids)
    assert [one.shape for one in sessions.step(ids, x[:, 0])] == [(4, 3), (4, 2)]


def test_a_fork_goes_its_own_way(model: Any, x: Any) -> None:
    sessions = Sessions(model, 2)
    one = sessions.open()
    sessions.step(one, x[:1, :3])
    other = sessions.fork(one)
    answers = sessions.step([one, other], np.stack([x[0, 3:], x[1, 3:]]))
    np.testing.assert_allclose(answers[0], answers_so_far(model, x[:1])[0, 3:], atol=1e-6)
    np.testing.assert_allclose(
        answers[1], answers_so_far(model, np.concatenate([x[:1, :3], x[1:2, 3:]], axis=1))[0, 3:], atol=1e-6
    )
    with pytest.raises(RuntimeError, match="0 of the 2 slots are free"):
        sessions.fork(one)


# --- weights that change ----------------------------------------------------------------------------------------------


def test_new_weights_hold_from_the_next_step_on(model: Any, x: Any) -> None:
    sessions = Sessions(model, 1)
    one = sessions.open()
    sessions.step(one, x[:1, :3])
    state = sessions._slots.states.copy()
    with_weights(model, seed=8)
    assert (sessions._slots.states == state).all()
    by_hand = np.asarray(model.layers[0](x[:1, 3:4], initial_state=state))
    np.testing.assert_allclose(sessions.step(one, x[:1, 3]), model.layers[1](by_hand), atol=1e-6)


def test_reload_goes_on_with_another_model(model: Any, x: Any) -> None:
    sessions, other = Sessions(model, 1), row_of(GRU(6), Dense(2), seed=8)
    one = sessions.open()
    sessions.step(one, x[:1, :3])
    expected = Sessions(model, 1)
    twin = expected.restore(sessions.snapshot(one))
    model.set_weights(other.get_weights())
    sessions.reload(other)
    assert sessions.model is other
    np.testing.assert_array_equal(sessions.step(one, x[:1, 3]), expected.step(twin, x[:1, 3]))


@pytest.mark.parametrize("head", [Dense(3), Dense(2, activation="tanh")], ids=["shape", "function"])
def test_reload_refuses_a_model_of_another_shape(model: Any, x: Any, head: Any) -> None:
    sessions = Sessions(model, 1)
    one = sessions.open()
    with pytest.raises(ValueError, match=r"Sessions.reload: model 'sequential.*' has other layers or shapes"):
        sessions.reload(row_of(GRU(6), head))
    assert sessions.model is model
    sessions.step(one, x[:1])


def test_a_step_beside_new_weights_reads_all_of_them_or_none() -> None:
    model = row_of(Dense(5, use_bias=False), Dense(5, use_bias=False))
    sessions, one = Sessions(model, 1), np.ones((1, 5), "float32")
    session, ended = sessions.open(), threading.Event()
    versions = [[np.eye(5) * scale] * 2 for scale in (2, 3)]
    model.set_weights(versions[0])

    def replace() -> None:
        for number in range(200):
            model.set_weights(versions[number % 2])
        ended.set()

    thread = threading.Thread(target=replace)
    thread.start()
    answers = {4.0}
    while not ended.is_set():
        answers |= {*np.unique(sessions.step(session, one)).tolist()}
    thread.join()
    assert answers <= {4, 9}  # 6 is of a layer before and one behind the change


# --- threads ----------------------------------------------------------------------------------------------------------


def test_threads_step_sessions_of_their_own(model: Any) -> None:
    sessions, count, steps = Sessions(model, 8), 4, 60
    x = RNG.normal(size=(count, steps, 5)).astype("float32")
    answers = np.empty((count, steps, 2), "float32")
    ids = opened(sessions, count)

    def stream(row: int) -> None:
        for step in range(steps):
            sessions.step(ids[row], x[row : row + 1, step], out=answers[row : row + 1, step])

    threads = [threading.Thread(target=stream, args=(row,)) for row in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_allclose(answers, answers_so_far(model, x), atol=1e-6)


def test_one_session_in_two_calls_is_refused(model: Any, x: Any) -> None:
    sessions = Sessions(model, 2)
    ids = opened(sessions, 2)

    def another_call(slots: Any) -> None:
        with pytest.raises(ValueError, match=f"Sessions.step: session {ids[0]} is in use by another call"):
            sessions.step(ids, x[:2])
        sessions.step(ids[1], x[:1])

    sessions._slots.hold(ids[:1], another_call)
    sessions.step(ids, x[:2])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_child_goes_on_with_sessions_that_a_thread_was_at_work_on(model: Any, x: Any) -> None:
    sessions, begun, ended = Sessions(model, 1), threading.Event(), threading.Event()
    one = sessions.open()

    def work(slots: Any) -> None:
        begun.set()
        ended.wait()

    thread = threading.Thread(target=sessions._slots.hold, args=(one, work))
    thread.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # which kills the child where it waits for a lock
        status = 1
        try:
            status = int(sessions.step(one, x[:1]).shape != (1, 6, 2))
        finally:
            os._exit(status)
    ended.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


class Interrupt(BaseException):
    """What a signal's handler raises."""


class Interrupted:
    """Within it the code of sessions is interrupted before its n-th instruction, where handlers of signals run, too."""

    def __init__(self, instruction: int) -> None:
        self.left, self.is_past = instruction, False

    def trace(self, frame: Any, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith((streaming.__path__[0], contextlib.__file__)):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and not self.is_past:
            self.left -= 1
            if self.left < 0:
                self.is_past = True
                raise Interrupt
        return self.trace

    def __enter__(self) -> Interrupted:
        self.before = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, *_of_exception: Any) -> None:
        sys.settrace(self.before)


@pytest.mark.parametrize("method", ["step", "reset", "snapshot", "fork"])
def test_a_call_that_is_interrupted_anywhere_leaves_no_session_in_use(model: Any, x: Any, method: str) -> None:
    sessions = Sessions(model, 2000)
    one, twin = opened(sessions, 2)
    x = x[:1].astype("float64")  # which Python converts
    more = (x,) if method == "step" else ()
    getattr(sessions, method)(one, *more)
    for instruction in range(2000):
        with Interrupted(instruction) as interrupted:
            try:
                getattr(sessions, method)(one, *more)
            except Interrupt:
                assert interrupted.is_past
        assert not sessions._slots.in_use.any(), f"interrupted before instruction {instruction}"
        if not interrupted.is_past:
            break
    assert instruction > (100 if method == "step" else 3)
    sessions.reset(one)
    np.testing.assert_array_equal(sessions.step(one, x), sessions.step(twin, x))


BAD = [(0, None, "capacity"), (-1, None, "capacity"), (2.5, None, "capacity"), (True, None, "capacity"),
       (1, 0, "ttl"), (1, -3, "ttl"), (1, "a", "ttl"), (1, float("nan"), "ttl")]  # fmt: skip


@pytest.mark.parametrize(("capacity", "ttl", "name"), BAD)
def test_capacities_and_times_out_of_range_are_refused(model: Any, capacity: Any, ttl: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^Sessions: {name} must be a .* got [^;]*\.$"):
        Sessions(model, capacity, ttl)


def test_numbers_are_read_as_predict_reads_them(x: Any) -> None:
    for dtype in ("float32", "float64"):
        entry = Input((None, 5), dtype=dtype)
        model = with_weights(Model(entry, layers.GRU(4, dtype=dtype)(entry)))
        sessions = Sessions(model, 1)
        for read_as in ("float16", "float32", "float64", "int32"):
            one = sessions.open()
            steps = x[:1].astype(read_as)
            answer = sessions.step(one, steps)
            assert answer.dtype == dtype
            np.testing.assert_allclose(answer[:, -1], model.predict(steps, verbose=0), atol=1e-6)
            sessions.close(one)
        with pytest.raises(ValueError, match=r"Sessions\.step, x"):
            sessions.step(sessions.open(), [["a"] * 5])
