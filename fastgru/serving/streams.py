"""Websockets: each connection has sessions of its own, and the steps of all of them that come together are one."""

from __future__ import annotations

import asyncio
import base64
import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.serving import messages
from fastgru.serving.gathering import Gatherer
from fastgru.serving.limits import Limits
from fastgru.serving.messages import Message, Misunderstood
from fastgru.serving.metrics import Metrics
from fastgru.serving.refusal import Refusal
from fastgru.serving.served import Served
from fastgru.streaming import Sessions
from fastgru.types import Array

__all__ = ["Streams"]

STEPS = 4096  # of sessions, that run together


class Streams:
    """The connections to one model, and its sessions.

    Attributes
    ----------
    sessions : Sessions or None
        None where the model cannot stream.
    """

    def __init__(self, served: Served, limits: Limits, metrics: Metrics) -> None:
        self.served = served
        self._limits = limits
        self._connections = metrics.connections.labels(served.name)
        self.sessions, self._reason = _sessions(served, limits)
        metrics.sessions.labels(served.name).set_function(lambda: len(self.sessions) if self.sessions else 0)
        ran = partial(metrics.stepped, served.name)
        # a connection has one message in the queue at a time
        self._gatherer = Gatherer(self._compute, STEPS, limits.delay, limits.connections + 1, ran)
        self._endings: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._gatherer.start(f"fastgru {self.served.name} stream")

    async def stop(self) -> None:
        await self._gatherer.stop()

    async def converse(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection, from its head to its end."""
        offers = scope.get("subprotocols") or []
        if offers and messages.PROTOCOL not in offers:
            raise Refusal(400, f"Sec-WebSocket-Protocol: expected {messages.PROTOCOL}, got {', '.join(offers)[:100]}.")
        if self.sessions is None:
            raise Refusal(400, self._reason)
        await receive()  # websocket.connect
        await send({"type": "websocket.accept", "subprotocol": messages.PROTOCOL if offers else None})
        connection = Connection(self, self.sessions)
        self._connections.inc()
        try:
            await self._send(scope, send, messages.text(None, **self._greeting()))
            while (event := await receive())["type"] == "websocket.receive":
                frame = event.get("bytes")
                answer = await connection.answer(event.get("text") if frame is None else frame)
                await self._send(scope, send, answer)
        finally:
            self._connections.dec()
            if connection.ids:  # also where this task is cancelled
                ending = asyncio.ensure_future(self._close(list(connection.ids.values())))
                self._endings.add(ending)
                ending.add_done_callback(self._endings.discard)

    def _greeting(self) -> dict[str, Any]:
        step = [size if size is not None else -1 for size in self.served.inputs[0].shape[1:]]
        metadata = self.served.metadata()
        return {
            "op": "hello",
            "protocol": messages.PROTOCOL,
            "model": self.served.name,
            "input": {**metadata["inputs"][0], "shape": step},
            "outputs": [{key: output[key] for key in ("name", "datatype")} for output in metadata["outputs"]],
        }

    async def _send(self, scope: Any, send: Any, answer: str | bytes) -> None:
        """Hand an answer over, which waits until the client has taken most of those before."""
        kind = "bytes" if isinstance(answer, bytes) else "text"
        try:
            await asyncio.wait_for(send({"type": "websocket.send", kind: answer}), self._limits.answer_seconds)
        except asyncio.TimeoutError:  # in Python 3.10 another than TimeoutError
            scope["state"]["abort"]()
            raise Refusal(408, "the client reads nothing.") from None

    async def run(self, operation: Callable[[], Any]) -> Any:
        """The result of an operation on sessions, in the thread that steps them."""
        return await self._gatherer.submit(object(), 0, operation, self._limits.answer_seconds, True)

    async def step(self, ids: list[int], data: Array) -> Sequence[Array]:
        """The outputs of a step of sessions, which may be part of a larger one.

        Raises
        ------
        Refusal
            The data are not those of one step, or of some, of so many sessions.
        """
        features = self.served.inputs[0].shape[1:]
        rank = data.ndim - len(features)
        sizes = zip(features, data.shape[rank:], strict=False)
        fits = rank in (1, 2) and len(data) == len(ids) and all(known in (None, size) for known, size in sizes)
        if not fits or 0 in data.shape[1:]:
            step = [-1 if size is None else size for size in features]
            raise Refusal(
                400,
                f"step: expected data of shape {[len(ids), *step]}, or {[len(ids), 'steps', *step]} for several steps, "
                f"got {[*data.shape]}.",
            )
        payload = np.array(ids, np.int64), data
        rows = math.prod(data.shape[:rank])
        key = (data.shape[1:], data.dtype)
        return await self._gatherer.submit(key, rows, payload, self._limits.answer_seconds, True)

    def _compute(self, payloads: list[Any]) -> Sequence[Any]:
        assert self.sessions is not None
        if callable(payloads[0]):
            return [payloads[0]()]
        if len(payloads) == 1:
            return [tree.flatten(self.sessions.step(*payloads[0]))]
        ids, data = zip(*payloads, strict=True)
        outputs = tree.flatten(self.sessions.step(np.concatenate(ids), np.concatenate(data)))
        stops = np.cumsum([len(one) for one in ids])[:-1]
        return list(zip(*(np.split(output, stops) for output in outputs), strict=True))

    async def _close(self, ids: list[int]) -> None:
        """End the sessions of a connection that is lost, behind a step that they may be in."""

        def close() -> None:
            for one in ids:
                with suppress(ValueError):  # it has expired
                    self.sessions.close(one)  # type: ignore[union-attr]

        with suppress(Refusal):  # the service ends, and all sessions with it
            await self.run(close)


class Connection:
    """The sessions of one client, under numbers of its own: it can name no other's.

    Attributes
    ----------
    ids : dict of int to int
        By the connection's number the id.
    """

    def __init__(self, streams: Streams, sessions: Sessions) -> None:
        self._streams = streams
        self._sessions = sessions
        self.ids: dict[int, int] = {}
        self._next = 0

    async def answer(self, frame: Any) -> str | bytes:
        """The answer to a message, which is an error's sentence where it cannot be done."""
        message: Message | None = None
        try:
            message = messages.parsed(frame, self._streams.served.inputs[0])
            return await self._done(message)
        except Misunderstood as refusal:
            return messages.text(refusal.message, error=refusal.sentence)
        except Refusal as refusal:
            return messages.text(message, error=refusal.sentence)
        except (ValueError, RuntimeError) as error:  # of Sessions: nothing has changed
            return messages.text(message, error=self._in_own_numbers(str(error)))

    async def _done(self, message: Message) -> str | bytes:
        fields, sessions, run = message.fields, self._sessions, self._streams.run
        if message.op == "step":
            outputs = await self._streams.step(self._of(fields["sessions"]), fields["data"])
            return messages.step_answer(message, self._streams.served.output_names, outputs)
        if message.op == "open":
            return messages.text(message, sessions=await run(lambda: self._opened(fields["count"])))
        if message.op == "fork":
            (parent,) = self._of([fields["session"]])
            return messages.text(message, session=(await run(lambda: self._numbered([sessions.fork(parent)])))[0])
        if message.op == "restore":
            try:
                snapshot = base64.b64decode(fields["snapshot"], validate=True)
            except ValueError:
                raise Refusal(400, "restore: expected snapshot to be in base64.") from None
            return messages.text(message, sessions=await run(lambda: self._numbered(sessions.restore(snapshot))))
        ids = self._of(fields["sessions"])
        result = await run(lambda: getattr(sessions, message.op)(ids))
        if message.op == "snapshot":
            return messages.text(message, snapshot=base64.b64encode(result).decode())
        if message.op == "close":
            for number in fields["sessions"]:
                del self.ids[number]
        return messages.text(message)

    def _opened(self, count: int) -> list[int]:
        """The numbers of new sessions: of all of them, or of none."""
        ids: list[int] = []
        try:
            for _ in range(count):
                ids.append(self._sessions.open())
        except RuntimeError:
            self._sessions.close(ids)
            raise
        return self._numbered(ids)

    def _of(self, numbers: list[int]) -> list[int]:
        """The ids of the connection's sessions.

        Raises
        ------
        Refusal
            It has no such session.
        """
        unknown = [number for number in numbers if number not in self.ids]
        if unknown:
            raise Refusal(400, f"this connection has no session {unknown[0]}.")
        if len(set(numbers)) < len(numbers):
            raise Refusal(400, "a session stands there twice; name each once.")
        return [self.ids[number] for number in numbers]

    def _numbered(self, ids: list[int]) -> list[int]:
        """Numbers for new sessions, in the thread that opened them: they are closed whatever becomes of the answer."""
        numbers = list(range(self._next, self._next + len(ids)))
        self._next += len(ids)
        self.ids.update(zip(numbers, ids, strict=True))
        return numbers

    def _in_own_numbers(self, sentence: str) -> str:
        """A sentence of `Sessions`, in which ids stand that are nobody's business."""
        numbers = {str(one): str(number) for number, one in self.ids.items()}
        return re.sub(r"\d{10,}", lambda match: numbers.get(match[0], match[0]), sentence)


def _sessions(served: Served, limits: Limits) -> tuple[Sessions | None, str]:
    """The sessions of a model, or the reason why it has none."""
    if served.network is None:
        return None, f"model {served.name!r} does not stream."
    try:
        return Sessions(served.network, limits.sessions, limits.session_seconds), ""
    except ValueError as error:
        return None, str(error)
