"""A client of `fastgru serve`'s websocket: it streams as it should, or says what no server can take."""

from __future__ import annotations

import base64
import json
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from soak.twins import FEATURES, TOLERANCE, States, Twin

__all__ = ["Streamer", "babble", "connected"]

# what a client's library says of the connections that it is made to lose
QUIET = logging.getLogger("soak")
QUIET.setLevel(logging.CRITICAL + 1)
HEAD = struct.Struct("<BBHIII")  # version, operation, 0, id, sessions, steps


@contextmanager
def connected(url: str) -> Iterator[ClientConnection]:
    """A connection, behind its greeting."""
    with connect(url, max_size=None, open_timeout=60, close_timeout=1, logger=QUIET) as connection:
        hello = json.loads(connection.recv(60))
        assert hello["op"] == "hello" and hello["protocol"] == "fastgru.stream.v1", hello
        yield connection


class Streamer:
    """One connection with sessions of its own, each beside the twins' states.

    Parameters
    ----------
    connection : ClientConnection
    twins : list of Twin
        Of each version of weights that the server may have.
    rng : numpy Generator
    """

    def __init__(self, connection: ClientConnection, twins: list[Twin], rng: np.random.Generator) -> None:
        self.connection, self.twins, self.rng = connection, twins, rng
        self.states: dict[int, States] = {}
        self.asked = 0

    def act(self) -> None:
        acts = [self.step, self.open, self.fork, self.snapshot, self.reset, self.close, self.err]
        acts[self.rng.choice(len(acts), p=[0.6, 0.1, 0.05, 0.05, 0.04, 0.06, 0.1])]()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        self.asked += 1
        self.connection.send(json.dumps({"op": op, "id": self.asked, **fields}))
        answer: dict[str, Any] = json.loads(self.connection.recv(60))
        assert answer["op"] == op and answer["id"] == self.asked, answer
        return answer

    def some(self, most: int = 6) -> list[int]:
        count = int(self.rng.integers(0, min(len(self.states), most) + 1))
        return [int(one) for one in self.rng.permutation(list(self.states))[:count]]

    def step(self) -> None:
        sessions, n = self.some(), int(self.rng.integers(0, 6))
        if not sessions:
            return
        x = self.rng.normal(size=(len(sessions), max(n, 1), FEATURES)).astype(np.float32)
        y = self.stepped(sessions, x if n else x[:, 0])
        y = y if n else y[:, None]
        before = [np.concatenate(parts) for parts in zip(*(self.states[one] for one in sessions), strict=True)]
        errors = []
        for twin in self.twins:
            expected, after = twin.steps(x, before)
            errors.append(float(np.abs(y - expected).max()))
            if errors[-1] < TOLERANCE:
                for row, one in enumerate(sessions):
                    self.states[one] = [part[row : row + 1] for part in after]
                return
        raise AssertionError(f"the answer to {x.shape} of sessions {sessions} is off by {errors}")

    def stepped(self, sessions: list[int], x: Any) -> Any:
        """The answers (k, 4) or (k, n, 4), asked for in JSON or in bytes."""
        shape = (*x.shape[:-1], 4)
        if self.rng.random() < 0.5:
            (output,) = self.ask("step", sessions=sessions, data=x.tolist())["outputs"].values()
            return np.array(output, np.float32).reshape(shape)
        self.asked += 1
        head = HEAD.pack(1, 1, 0, self.asked, len(sessions), x.shape[1] if x.ndim == 3 else 0)
        self.connection.send(head + np.array(sessions, "<u4").tobytes() + x.tobytes())
        answer = self.connection.recv(60)
        assert isinstance(answer, bytes) and answer[: HEAD.size] == head, answer
        return np.frombuffer(answer[HEAD.size :], "<f4").reshape(shape)

    def open(self) -> None:
        count = int(self.rng.integers(1, 4))
        self.opened(self.ask("open", count=count)["sessions"], [self.twins[0].new(1)] * count)

    def opened(self, sessions: list[int], states: list[States]) -> None:
        assert not {*sessions} & {*self.states}
        self.states |= dict(zip(sessions, states, strict=True))

    def fork(self) -> None:
        for one in self.some(1):
            self.opened([self.ask("fork", session=one)["session"]], [self.states[one]])

    def snapshot(self) -> None:
        sessions = self.some()
        states = [self.states[one] for one in sessions]
        snapshot = self.ask("snapshot", sessions=sessions)["snapshot"]
        self.step()
        self.opened(self.ask("restore", snapshot=snapshot)["sessions"], states)

    def reset(self) -> None:
        sessions = self.some(3)
        assert "error" not in self.ask("reset", sessions=sessions)
        self.states |= {one: self.twins[0].new(1) for one in sessions}

    def close(self) -> None:
        sessions = self.some(5)
        assert "error" not in self.ask("close", sessions=sessions)
        for one in sessions:
            del self.states[one]

    def err(self) -> None:
        """What is answered with a sentence, and changes nothing: the answers to come will show it."""
        sessions, row = self.some(), [0.5] * FEATURES
        absent = max(self.states, default=0) + int(self.rng.integers(1_000_000, 2_000_000))
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("step", {"sessions": sessions, "data": [row] * (len(sessions) + int(self.rng.integers(1, 4)))}),
            ("step", {"sessions": [*sessions, absent], "data": [row] * (len(sessions) + 1)}),
            ("step", {"sessions": [*sessions[:1] * 2, absent], "data": [row] * 3}),
            ("step", {"sessions": sessions, "data": [row[1:]] * max(1, len(sessions))}),
            ("step", {"sessions": [*sessions], "data": "x"}),
            ("step", {"sessions": sessions}),
            ("open", {"count": 1 << 40}),
            ("open", {"count": -1}),
            ("close", {"sessions": [*sessions, absent]}),
            ("reset", {"sessions": [absent]}),
            ("snapshot", {"sessions": [absent, *sessions]}),
            ("fork", {"session": absent}),
            ("restore", {"snapshot": base64.b64encode(self.rng.bytes(200)).decode()}),
            ("restore", {"snapshot": "é"}),
        ]
        if len(sessions) > 1:  # fewer rows than sessions
            wrong.append(("step", {"sessions": sessions, "data": [row] * int(self.rng.integers(1, len(sessions)))}))
        op, fields = wrong[int(self.rng.integers(len(wrong)))]
        sentence = self.ask(op, **fields)["error"]
        assert sentence.endswith(".") and "Traceback" not in sentence, sentence


def babble(connection: ClientConnection, rng: np.random.Generator) -> None:
    """Frames that are no message: each is answered with an error, or the connection is closed."""
    frames: list[str | bytes] = [
        "", "{", "[]", "null", "[" * 10_000, '{"op": 1}', '{"op": "fly"}', '{"op": "open", "id": {}}',
        '{"op": "\\ud800"}', b"", rng.bytes(7), rng.bytes(int(rng.integers(16, 500))),
        HEAD.pack(2, 1, 0, 1, 0, 0), HEAD.pack(1, 9, 0, 1, 0, 0), HEAD.pack(1, 1, 0, 1, 0xFFFFFFFF, 0xFFFFFFFF),
        HEAD.pack(1, 1, 0, 1, 1, 1) + bytes(3),
    ]  # fmt: skip
    try:
        for number in rng.permutation(len(frames))[:8]:
            connection.send(frames[number])
            answer = connection.recv(60)
            assert "error" in json.loads(answer), (frames[number], answer)
    except ConnectionClosed:
        pass
