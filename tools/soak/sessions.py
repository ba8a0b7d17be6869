"""Users of one `Sessions` in threads: whatever they do in whatever order, each answer is that of the plain twin."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import Sequential
from fastgru.layers import GRU
from fastgru.models import clone_model
from fastgru.streaming import Sessions
from soak.twins import FEATURES, TOLERANCE, States, Twin, model_of

__all__ = ["Clock", "User", "soak"]

MOST = 12  # sessions that one call names


class Clock:
    """Time that passes when it is said to, and after how much of it without a step a session expires."""

    def __init__(self, ttl: float) -> None:
        self.now, self.ttl = 0.0, ttl

    def __call__(self) -> float:
        return self.now


class User:
    """Opens sessions, steps them and does wrong, from a seed; knows what must come.

    Parameters
    ----------
    sessions : Sessions
        Others may use it as well; this one touches the sessions that it opened alone.
    twins : list of Twin
        Of each version of weights that the model may have.
    seed : int
    clock : Clock, optional
        Of the sessions, where they have a time to live.
    """

    def __init__(self, sessions: Sessions, twins: list[Twin], seed: int, clock: Clock | None = None) -> None:
        self.sessions, self.twins, self.clock = sessions, twins, clock
        self.rng = np.random.default_rng(seed)
        self.states: dict[int, States] = {}  # of each session that is open, (1, units) each
        self.steps_at: dict[int, float] = {}
        self.gone: list[int] = []
        self.calls = 0

    def act(self) -> None:
        """One call, or one that is wrong."""
        acts: list[tuple[Callable[[], None], float]] = [
            (self.step, 0.5), (self.open, 0.12), (self.fork, 0.06), (self.snapshot, 0.06), (self.reset, 0.03),
            (self.close, 0.08), (self.err, 0.15),
        ]  # fmt: skip
        if self.clock is not None:
            self.clock.now += self.rng.exponential(1)
            self._expire()
        number = self.rng.choice(len(acts), p=[share for _act, share in acts])
        acts[number][0]()
        self.calls += 1

    def some(self, most: int = MOST) -> list[int]:
        """Ids of this user, in any order."""
        count = int(self.rng.integers(0, min(len(self.states), most) + 1))
        return [int(one) for one in self.rng.permutation(list(self.states))[:count]]

    def step(self) -> None:
        ids, n = self.some(), int(self.rng.integers(0, 6))
        x = self.rng.normal(size=(len(ids), max(n, 1), FEATURES)).astype(np.float32)
        into = np.full((*x.shape[:2], 4), np.nan, np.float32) if self.rng.random() < 0.3 else None
        if n:
            answer = self.sessions.step(ids, x, out=into)
            assert into is None or answer is into
        else:  # (k, F): one step
            answer = self.sessions.step(ids, x[:, 0], out=None if into is None else into[:, 0])[:, None]
        if ids:
            self._is_right(ids, x, answer)

    def _is_right(self, ids: list[int], x: Any, answer: Any) -> None:
        """Whether all of it is what one version of the weights makes of it; the sessions go on from there."""
        before = [np.concatenate(parts) for parts in zip(*(self.states[one] for one in ids), strict=True)]
        errors = []
        for twin in self.twins:
            expected, after = twin.steps(x, before)
            errors.append(float(np.abs(answer - expected).max()))
            if errors[-1] < TOLERANCE:
                for row, one in enumerate(ids):
                    self.states[one] = [part[row : row + 1] for part in after]
                    self._stepped(one)
                return
        raise AssertionError(f"the answer to {x.shape} of sessions {ids} is off by {errors}")

    def open(self) -> None:
        self._opened(self.sessions.open, 1, [self.twins[0].new(1)])

    def fork(self) -> None:
        if ids := self.some(1):
            self._opened(lambda: self.sessions.fork(ids[0]), 1, [self.states[ids[0]]])

    def snapshot(self) -> None:
        ids = self.some()
        content, states = self.sessions.snapshot(ids), [self.states[one] for one in ids]
        self.step()
        self._opened(lambda: self.sessions.restore(content), len(ids), states)

    def _opened(self, call: Callable[[], Any], count: int, states: list[States]) -> None:
        try:
            opened = call()
        except RuntimeError:  # full, or so many at a time are not free
            assert len(self.sessions) + count > self.sessions.capacity - MOST * threading.active_count()
            return
        ids = [opened] if isinstance(opened, int) else opened
        assert len(ids) == count and not {*ids} & {*self.states, *self.gone}
        for one, state in zip(ids, states, strict=True):
            self.states[one] = state
            self._stepped(one)

    def reset(self) -> None:
        ids = self.some(3)
        self.sessions.reset(ids)
        self.states |= {one: self.twins[0].new(1) for one in ids}

    def close(self) -> None:
        ids = self.some(5)
        self.sessions.close(ids)
        self._forget(ids)

    def _forget(self, ids: list[int]) -> None:
        for one in ids:
            del self.states[one]
            self.steps_at.pop(one, None)
        self.gone = [*self.gone, *ids][-1000:]

    def _stepped(self, one: int) -> None:
        if self.clock is not None:
            self.steps_at[one] = self.clock.now

    def _expire(self) -> None:
        """Sessions whose time is over are refused by name."""
        assert self.clock is not None
        late = [one for one, at in self.steps_at.items() if self.clock.now - at > self.clock.ttl]
        for one in late:
            with _refused(ValueError):
                self.sessions.step([one], np.zeros((1, FEATURES)))
        self._forget(late)

    def err(self) -> None:
        """A call that is refused, and changes nothing: the answers to come will show it."""
        ids, x = self.some(), self.rng.normal(size=(1, FEATURES))
        rows = np.repeat(x, len(ids) + 1, axis=0)
        content = bytearray(self.sessions.snapshot(ids))
        place = int(self.rng.integers(len(content)))
        damaged = content[:place] + bytes([content[place] ^ (1 << int(self.rng.integers(8)))]) + content[place + 1 :]
        stranger = Sessions(_STRANGER, capacity=1)
        foreign = stranger.snapshot([stranger.open()])
        unknown = int(self.rng.choice([-1, 1 << 62, self.sessions.capacity, *self.gone[-3:]]))
        wrong: list[Callable[[], Any]] = [
            lambda: self.sessions.step([*ids, unknown], rows),
            lambda: self.sessions.step([*ids, unknown], rows[:, None]),
            lambda: self.sessions.step([*ids, *ids[:1], 0.5], [*rows, *x]),
            lambda: self.sessions.step(ids, rows),
            lambda: self.sessions.step(ids, rows[1:, : FEATURES - 1]) if ids else self.sessions.step(["a"], x),
            lambda: self.sessions.step([*ids[:1], *ids[:1]] or [None], rows[:2]),
            lambda: self.sessions.step(ids, rows[1:], out=np.zeros((len(ids), 3), np.float32)),
            lambda: self.sessions.step(ids, np.full((len(ids), FEATURES), "x")),
            lambda: self.sessions.close([*ids, unknown]),
            lambda: self.sessions.reset([*ids, unknown]),
            lambda: self.sessions.snapshot([*ids, unknown]),
            lambda: self.sessions.fork(unknown),
            lambda: self.sessions.restore(bytes(damaged)),
            lambda: self.sessions.restore(bytes(content[:place])),
            lambda: self.sessions.restore(self.rng.bytes(place)),
            lambda: self.sessions.restore(foreign),
        ]
        with _refused(ValueError):
            wrong[int(self.rng.integers(len(wrong)))]()


_STRANGER = Sequential([GRU(3, input_shape=(None, FEATURES))])


class _refused:
    """Inside, an error of this kind comes, in a sentence."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: Any) -> bool:
        if kind is None:
            raise AssertionError(f"nothing was refused; expected a {self.kind.__name__}")
        return issubclass(kind, self.kind) and str(error).endswith(".")


def soak(
    seconds: float, seed: int, users: int = 3, capacity: int = 60, swaps: bool = True, calls: float = math.inf
) -> int:
    """Users in threads for some seconds, while weights and models change under them; how many calls they made.

    Each user leaves after so many calls of its own.

    Raises
    ------
    Exception
        The first that a user came upon, such as the AssertionError of a wrong answer.
    """
    model, versions = model_of(seed)
    models = [model, clone_model(model)]
    models[1].set_weights(versions[1])
    sessions = Sessions(model, capacity=capacity)
    crowd = [User(sessions, [Twin(model, weights) for weights in versions], 1000 * seed + n) for n in range(users)]
    end, errors = time.monotonic() + seconds, []

    def use(user: User) -> None:
        while time.monotonic() < end and not errors and user.calls < calls:
            try:
                user.act()
            except BaseException as error:
                errors.append(error)

    def swap() -> None:
        rng = np.random.default_rng(seed)
        while time.monotonic() < end and not errors and any(user.calls < calls for user in crowd):
            one = models[int(rng.integers(2))]
            if rng.random() < 0.5:
                one.set_weights(versions[int(rng.integers(2))])
            else:
                sessions.reload(one)
            time.sleep(rng.exponential(0.005))

    jobs = [threading.Thread(target=use, args=(user,)) for user in crowd]
    jobs += [threading.Thread(target=swap)] if swaps else []
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    if errors:
        raise errors[0]
    assert len(sessions) == sum(len(user.states) for user in crowd)
    return sum(user.calls for user in crowd)
