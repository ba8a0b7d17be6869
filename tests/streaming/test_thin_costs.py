"""A short step into `out` makes nothing, waits for nobody and wakes nobody; a long one lets others run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import Sequential, threads
from fastgru.layers import GRU, Dense, Embedding, Input
from fastgru.streaming import Sessions

COMPILER = os.environ.get("CC", sysconfig.get_config_var("CC") or "cc").split()

# counts what is asked of the C library, and with PYTHONMALLOC=malloc all of Python's objects
HOOK = """
#include <stddef.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
long allocations;
void *malloc(size_t size) { allocations++; return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { allocations++; return __libc_calloc(count, size); }
void *realloc(void *memory, size_t size) { allocations++; return __libc_realloc(memory, size); }
"""

PROGRAM = """
import ctypes, os
from itertools import pairwise, repeat
import numpy as np
import fastgru
from fastgru.layers import GRU, Dense, Input
from fastgru.streaming import Sessions

fastgru.set_num_threads(2)
inputs = Input((None, 128))
hidden = GRU(128)(GRU(128, return_sequences=True)(inputs))
head = Dense(10, "softmax")(hidden)
sessions, several = Sessions(fastgru.Model(inputs, head), 8), Sessions(fastgru.Model(inputs, [head, hidden]), 8)
ids, more = [sessions.open()], [sessions.open() for _ in range(4)]
theirs, parts = [several.open()], [np.empty((1, 10), "float32"), np.empty((1, 128), "float32")]
x, out = np.ones((1, 128), "float32"), np.empty((1, 10), "float32")
xs, outs = np.ones((4, 128), "float32"), np.empty((4, 10), "float32")
allocations = ctypes.c_long.in_dll(ctypes.CDLL(None), "allocations")

def counted(steps):
    before = allocations.value
    for _ in repeat(None, steps):
        sessions.step(ids, x, out=out)
        sessions.step(more, xs, outs)
        several.step(theirs, x, parts)
    return allocations.value - before

counted(100)  # after which Python has specialized the loop
print(counted(1000) - counted(0), len(os.listdir("/proc/self/task")))
"""


@pytest.fixture
def route() -> None:
    """It is the kernels' route that costs so little."""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are the kernels' alone."""

    def refuses(*_arguments: Any) -> None:
        raise AssertionError("a short step went through Python")

    monkeypatch.setattr(Sessions, "_step", refuses)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(Sequential([Input((None, 5)), GRU(32, return_sequences=True), GRU(32), Dense(3)]), 8)


@pytest.mark.skipif(sys.platform != "linux", reason="the hook is glibc's, the count of threads Linux's")
@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason=f"no compiler: {COMPILER[0]}")
def test_steps_ask_no_memory_of_the_system_and_start_no_thread(tmp_path: Path) -> None:
    (tmp_path / "hook.c").write_text(HOOK)
    command = [*COMPILER, "-shared", "-fPIC", "-Wl,-z,defs", "hook.c", "-o", "hook.so"]
    if subprocess.run(command, cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("the C library is not glibc")
    paths = os.pathsep.join([str(Path(fastgru.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {
        **os.environ, "LD_PRELOAD": str(tmp_path / "hook.so"), "PYTHONMALLOC": "malloc", "PYTHONPATH": paths,
        "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    words = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["0", "1"]


@pytest.mark.usefixtures("alone")
def test_steps_leave_no_object(sessions: Sessions) -> None:
    ids, x, out = [sessions.open()], np.ones((1, 5), "float32"), np.empty((1, 3), "float32")
    sessions.step(ids, x, out=out)
    before = sys.getallocatedblocks()
    for _ in repeat(None, 1000):
        sessions.step(ids, x, out=out)
    assert abs(sys.getallocatedblocks() - before) < 10  # of other threads, and of what counts


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("kind", ["int", "list", "array"])
def test_ids_of_each_kind_are_the_kernels_alone(kind: str, sessions: Sessions) -> None:
    session = sessions.open()
    ids: Any = {"int": session, "list": [session], "array": np.array([session])}[kind]
    expected = sessions.step(ids, np.ones((1, 5), "float32"))
    sessions.reset(ids)
    np.testing.assert_array_equal(sessions.step(ids, np.ones((1, 5), "float32")), expected)


def test_an_answer_may_go_where_the_input_is() -> None:
    sessions = Sessions(Sequential([Input((None, 40)), GRU(40)]), 2)
    x = np.linspace(-1, 1, 40, dtype="float32")[None]
    expected = sessions.step([sessions.open()], x)
    assert sessions.step([sessions.open()], x, out=x) is x
    np.testing.assert_array_equal(x, expected)


def test_what_is_refused_changes_nothing(sessions: Sessions) -> None:
    ids = [sessions.open() for _ in range(3)]
    sessions.step(ids, np.ones((3, 5), "float32"))
    before = sessions.snapshot(ids)
    x = np.ones((3, 5), "float32")
    for bad_ids, bad_x, out in (
        ([ids[0], ids[1], ids[0]], x, None),
        ([ids[0], ids[1], ids[2] + (1 << 32)], x, None),
        ([ids[0], ids[1], 1 << 70], x, None),
        ([ids[0], ids[1], -1], x, None),
        (ids, x[:2], None),
        (ids, x[:, :4], None),
        (ids, x, np.empty((3, 4), "float32")),
        (ids, x, np.empty((3, 3), "float64")),
    ):
        with pytest.raises((ValueError, OverflowError)):
            sessions.step(bad_ids, bad_x, out)
    assert sessions.snapshot(ids) == before and not sessions._slots.in_use.any()


def test_a_word_that_there_is_not_is_refused() -> None:
    sessions = Sessions(Sequential([Input((None,)), Embedding(9, 4), GRU(5)]), 2)
    ids = [sessions.open(), sessions.open()]
    for words in (np.array([3, 9]), np.array([-1, 3]), [2, 9], np.array([0, 300], "uint16")):
        with pytest.raises(ValueError, match="indices"):
            sessions.step(ids, words)
    assert not sessions._slots.states.any()


def test_ids_that_another_thread_takes_away_meanwhile_are_not_read() -> None:
    ids: list[int] = []

    def clock() -> float:
        ids.clear()
        return 0.0

    sessions = Sessions(Sequential([Input((None, 5)), GRU(4)]), 2000, ttl=10, clock=clock)
    ids += [sessions.open() for _ in range(2000)]
    with pytest.raises(ValueError, match="expected x for 0 sessions"):
        sessions.step(ids, np.ones((2000, 5), "float32"))


def test_a_time_to_live_is_heeded_and_begins_anew() -> None:
    time = [0.0]
    model = Sequential([Input((None, 5)), GRU(4)])
    sessions = Sessions(model, 2, ttl=10, clock=lambda: time[0])
    session, x = sessions.open(), np.ones((1, 5), "float32")
    for time[0] in (9.0, 18.0, 27.0):
        sessions.step([session], x)
    time[0] = 37.5
    with pytest.raises(ValueError, match="expired"):
        sessions.step([session], x)


def test_threads_step_long_and_short_beside_each_other(rng: Any) -> None:
    model = Sequential([Input((None, 64)), GRU(64, return_sequences=True), GRU(64)])
    sessions, alone = Sessions(model, 80), Sessions(model, 80)
    x = rng.normal(size=(80, 60, 64)).astype("float32")
    ids, rows = [sessions.open() for _ in range(80)], [range(40), range(40, 79), range(79, 80)]
    expected = alone.step([alone.open() for _ in range(80)], x)
    answers: dict[int, Any] = {}

    def run(part: int) -> None:
        mine = [ids[row] for row in rows[part]]
        pieces = [6] * 10 if part == 2 else [30, 30]
        ends = np.cumsum([0, *pieces])
        answers[part] = np.concatenate([sessions.step(mine, x[rows[part], a:b]) for a, b in pairwise(ends)], axis=1)

    before = threads.get_num_threads()
    threads.set_num_threads(2)
    try:
        runners = [threading.Thread(target=run, args=(part,)) for part in range(3)]
        for runner in runners:
            runner.start()
        for runner in runners:
            runner.join()
    finally:
        threads.set_num_threads(before)
    np.testing.assert_array_equal(np.concatenate([answers[part] for part in range(3)]), expected)


def test_new_weights_hold_from_the_next_step_on(sessions: Sessions, rng: Any) -> None:
    x, ids = rng.normal(size=(1, 5)).astype("float32"), [sessions.open()]
    before = sessions.step(ids, x)
    sessions.reset(ids)
    for weight in sessions.model.weights:
        weight.assign(rng.normal(size=weight.shape))
    assert (sessions.step(ids, x) != before).all()
    sessions.reset(ids)
    np.testing.assert_allclose(sessions.step(ids, x), sessions.model.predict(x[:, None], verbose=0), atol=1e-6)
