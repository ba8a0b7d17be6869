"""Users of sessions in threads, in random orders, with errors among them: every answer is the plain twin's."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from soak.process import resident
from soak.sessions import Clock, User, soak
from soak.twins import FEATURES, TOLERANCE, Twin, model_of

from fastgru.streaming import Sessions


@pytest.mark.parametrize("seed", [1, 2])
def test_users_in_threads_get_the_answers_of_one_version_of_the_weights(seed: int) -> None:
    assert soak(120, seed, calls=300) == 900


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from Linux's /proc")
def test_a_minute_of_users_takes_no_memory() -> None:
    soak(10, 3)
    before = resident()
    assert soak(50, 4) > 1000
    assert resident() - before < 8 << 20


@pytest.mark.parametrize("seed", range(3))
def test_sessions_expire_when_their_time_is_over_and_not_before(seed: int) -> None:
    model, versions = model_of(seed)
    clock = Clock(ttl=10)
    sessions = Sessions(model, capacity=20, ttl=clock.ttl, clock=clock)
    user = User(sessions, [Twin(model, versions[0])], seed, clock)
    for _ in range(500):
        user.act()
        assert len(sessions) == len(user.states)
    assert len(user.gone) > 50


def test_threads_that_step_one_session_at_a_time_are_refused_or_go_on_from_each_other() -> None:
    model, versions = model_of(5)
    sessions = Sessions(model, capacity=1)
    session, x = sessions.open(), np.ones((1, FEATURES), np.float32)
    answers: list[np.ndarray] = []
    refusals: list[str] = []
    begin = threading.Barrier(3)

    def step() -> None:
        begin.wait()
        for _ in range(300):
            try:
                answers.append(sessions.step([session], x)[0])
            except ValueError as error:
                refusals.append(str(error))

    threads = [threading.Thread(target=step) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) + len(refusals) == 900 and len(answers) > 4
    assert all(f"session {session} is in use" in sentence for sentence in refusals)
    twin = Twin(model, versions[0])
    expected, _states = twin.steps(np.ones((1, len(answers) + 1, FEATURES)), twin.new(1))
    np.testing.assert_allclose(sessions.step([session], x)[0], expected[0, -1], atol=TOLERANCE)
    # the first answers differ from step to step: each of them is some thread's
    for early in expected[0, :4]:
        assert min(np.abs(answer - early).max() for answer in answers) < TOLERANCE
