"""How many threads compute, and that BLAS gets its setting back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fastgru import threads


@pytest.fixture(autouse=True)
def _default_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("FASTGRU_NUM_THREADS", raising=False)
    before = threads._count
    threads.set_num_threads(None)
    yield
    threads._count = before


def blas_threads() -> list[int]:
    import scipy.linalg.cython_blas  # noqa: F401

    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_the_default_is_the_cpus_this_process_may_use() -> None:
    assert threads.get_num_threads() == threads.available_cpus() >= 1


def test_the_environment_sets_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTGRU_NUM_THREADS", "3")
    assert threads.get_num_threads() == 3


def test_the_program_is_above_the_environment_and_none_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTGRU_NUM_THREADS", "3")
    threads.set_num_threads(5)
    assert threads.get_num_threads() == 5
    threads.set_num_threads(None)
    assert threads.get_num_threads() == 3


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "nan", "inf"])
def test_a_bad_number_in_the_environment_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTGRU_NUM_THREADS", text)
    with pytest.raises(ValueError, match="FASTGRU_NUM_THREADS: expected a whole number of threads"):
        threads.get_num_threads()


@pytest.mark.parametrize("count", [0, -2, 1.5, "many", [2], True, float("inf"), 10**12])
def test_a_bad_number_in_a_call_changes_nothing(count: object) -> None:
    threads.set_num_threads(2)
    with pytest.raises(ValueError, match="set_num_threads"):
        threads.set_num_threads(count)  # type: ignore[arg-type]
    assert threads.get_num_threads() == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_counts(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert threads.available_cpus(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 64),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "1000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
    ],
    ids=["no cgroup", "v2 unlimited", "v2 two", "v2 one and a half", "v2 a hundredth", "v1 unlimited", "v1 three"],
)
def test_the_quota_of_the_cgroup_counts(
    files: dict[str, str], cpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.available_cpus(tmp_path) == cpus


def test_blas_has_one_thread_inside_and_its_own_setting_afterwards() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with threads.one_blas_thread():
            assert set(blas_threads()) == {1}
            with threads.one_blas_thread():
                pass
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_blas_gets_its_setting_back_after_an_error() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(KeyError), threads.one_blas_thread():
            raise KeyError
        assert blas_threads() == before


def test_the_last_of_several_threads_gives_blas_its_setting_back() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        inside, leave = threading.Barrier(3), threading.Event()

        def hold() -> None:
            with threads.one_blas_thread():
                inside.wait(10)
                leave.wait(10)

        holders = [threading.Thread(target=hold) for _ in range(2)]
        for holder in holders:
            holder.start()
        inside.wait(10)
        with threads.one_blas_thread():
            pass
        assert set(blas_threads()) == {1}
        leave.set()
        for holder in holders:
            holder.join()
        assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("route", ["tiles", pytest.param("blas", marks=pytest.mark.slow)])
def test_a_child_forked_while_threads_compute_computes_and_has_its_own_blas_setting(route: str, tmp_path: Path) -> None:
    code = """
import os, signal, sys, threading
import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits
from fastgru.layers import GRU
layer, x = GRU(4), np.ones((1, 3, 2), "float32")
expected = layer(x)
threadpool_limits(2, user_api="blas")
def compute():
    while True:
        layer(x)
for _ in range(2):
    threading.Thread(target=compute, daemon=True).start()
for _ in range(20):
    child = os.fork()
    if not child:
        signal.alarm(20)
        same = np.array_equal(layer(x), expected)
        free = all(library["num_threads"] == 2 for library in threadpool_info() if library["user_api"] == "blas")
        os._exit(0 if same and free else 1)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("a child hung, was wrong or has another number of threads for BLAS")
os._exit(0)
"""
    environment = {**os.environ, "FASTGRU_PRODUCTS": route, "OPENBLAS_NUM_THREADS": "2", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_waits_for_the_end_of_another_thread_s_call_but_not_of_a_training(monkeypatch: Any) -> None:
    monkeypatch.setattr(threads, "FORK_SECONDS", 60.0)
    inside, leave, left = threading.Event(), threading.Event(), []

    def call(lasting: bool) -> None:
        with threads.one_blas_thread(lasting=lasting):
            inside.set()
            leave.wait()
        left.append(lasting)

    for lasting in (False, True):
        inside.clear()
        leave.clear()
        thread = threading.Thread(target=call, args=(lasting,))
        thread.start()
        inside.wait()
        if not lasting:
            threading.Timer(0.2, leave.set).start()
        child = os.fork()
        if not child:
            os._exit(len(left))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        leave.set()
        thread.join()
    assert left == [False, True]


def test_a_signal_handler_that_computes_in_the_middle_of_a_change_does_not_wait_for_itself(monkeypatch: Any) -> None:
    free = threads._free_blas

    def interrupted() -> None:
        monkeypatch.setattr(threads, "_free_blas", free)
        with threads.one_blas_thread():
            assert set(blas_threads()) == {1}
        free()

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        monkeypatch.setattr(threads, "_free_blas", interrupted)
        with threads.one_blas_thread():
            pass
        assert blas_threads() == before


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="a system that does not list a process's threads")
@pytest.mark.parametrize("work", ["predict", "one row", "train", "differentiate"])
def test_a_child_forked_while_the_pool_works_does_the_same_work_and_the_parent_goes_on(
    work: str, tmp_path: Path
) -> None:
    """The thread that computes in the parent is not in the child, which has workers of its own.

    A child does what that thread does: it needs each lock that may have been held.
    """
    code = """
import os, signal, sys, threading, time
import numpy as np
from fastgru import GradientTape, Sequential, threads
from fastgru.layers import GRU, Dense, Input
threads.set_num_threads(2)
work, rng = sys.argv[1], np.random.default_rng(0)
model = Sequential([Input((20, 16)), GRU(64), Dense(2)])
model.compile("sgd", "mse")
start = model.get_weights()
x = rng.normal(size=(1 if work == "one row" else 64, 20, 16)).astype("float32")
y = rng.normal(size=(len(x), 2)).astype("float32")
def run():
    if work == "train":
        return model.train_on_batch(x, y)
    if work == "differentiate":
        with GradientTape() as tape:
            loss = (model(x) ** 2).sum()
        return np.asarray(tape.gradient(loss, model.trainable_weights[0]))
    return model.predict_on_batch(x)
def right():
    if work == "train":
        model.set_weights(start)
    return np.array_equal(run(), expected)
expected, runs, wrong = run(), 0, 0
def compute():
    global runs, wrong
    while True:
        wrong += not right()
        runs += 1
threading.Thread(target=compute, daemon=True).start()
for _ in range(40):
    before, child = runs, os.fork()
    if not child:
        signal.alarm(60)
        os._exit(0 if right() and (work == "one row" or len(os.listdir("/proc/self/task")) == 2) else 1)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("a child hung, was wrong or computed on one thread")
    while runs < before + 2:
        time.sleep(0.001)
if wrong:
    sys.exit("the parent was wrong")
os._exit(0)
"""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code, work], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
