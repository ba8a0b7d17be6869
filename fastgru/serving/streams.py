"""Websockets: each connection has sessions of its own, and the steps of all of them that come together are one."""

from __future__ import annotations

import asyncio
import base64
import math
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fastgru import tree
from fastgru.serving import messages
from fastgru.serving.bodies import Bodies, Gone
from fastgru.serving.gathering import Gatherer
from fastgru.serving.limits import Limits
from fastgru.serving.messages import Message, Misunderstood
from fastgru.serving.metrics import Metrics
from fastgru.serving.pieces import STEPS, pieces
from fastgru.serving.refusal import Refusal
from fastgru.serving.served import Served
from fastgru.streaming import Sessions
from fastgru.types import Array

__all__ = ["Streams"]


class Streams:
    """The connections to one model, and its sessions.

    Attributes
    ----------
    sessions : Sessions or None
        None where the model cannot stream.
    reason : str
        Why it cannot.
    """

    def __init__(self, served: Served, limits: Limits, metrics: Metrics, bodies: Bodies) -> None:
        self.served = served
        self._bodies = bodies
        self._limits = limits
        self._connections = metrics.connections.labels(served.name)
        self.sessions, self.reason = _sessions(served, limits)
        self._holders: dict[int, tuple[dict[int, int], int]] = {}  # of each slot, who had its latest session
        self._open: set[Connection] = set()
        metrics.sessions.labels(served.name).set_function(lambda: len(self))
        ran = partial(metrics.stepped, served.name)
        # a connection has one message in the queue at a time
        self._gatherer = Gatherer(self._compute, STEPS, limits.delay, limits.connections + 1, ran)
        self._endings: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How many sessions are open."""
        return len(self.sessions) if self.sessions is not None else 0

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
            raise Refusal(400, self.reason)
        await receive()  # websocket.connect
        await send({"type": "websocket.accept", "subprotocol": messages.PROTOCOL if offers else None})
        connection = Connection(self, Own(self.sessions, {}, self._holders), partial(self._send, scope, send))
        self._connections.inc()
        self._open.add(connection)
        try:
            await self._send(scope, send, messages.text(None, op="hello", **self._description()))
            while (event := await receive())["type"] == "websocket.receive":
                frame = event.get("bytes")
                answer = await connection.answer(event.get("text") if frame is None else frame)
                await self._send(scope, send, answer)
        finally:
            self._connections.dec()
            self._open.discard(connection)
            if connection.own.ids:  # also where this task is cancelled
                self._behind(self._close(connection))

    async def replace(self, served: Served) -> None:
        """Let another model of the same name step from here on; what came before is stepped by the one before.

        Sessions go on from their states where its layers and shapes are the same. Else they are lost, and their clients
        are told.
        """
        if await asyncio.get_running_loop().run_in_executor(None, _goes_on, self.sessions, served.network):
            self.served = served
            return
        # no other coroutine runs in between: what a connection asks from here on is asked of the new sessions
        self.served = served
        self.sessions, self.reason = _sessions(served, self._limits)
        self._holders = {}
        why = {} if self.sessions is not None else {"error": self.reason}
        for connection in self._open:
            lost = connection.renew(Own(self.sessions, {}, self._holders))
            news = messages.text(None, op="reloaded", **self._description(), lost=lost, **why)
            self._behind(self._told(connection, news))

    def _behind(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have something done while nobody waits for it."""
        task = asyncio.ensure_future(work)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    async def _told(self, connection: Connection, news: str) -> None:
        with suppress(Exception):  # the client has left, which its own coroutine sees
            await connection.send(news)

    def _description(self) -> dict[str, Any]:
        step = [size if size is not None else -1 for size in self.served.inputs[0].shape[1:]]
        metadata = self.served.metadata()
        return {
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
            raise Gone from None

    async def run(self, operation: Callable[[], Any], must_happen: bool = False) -> Any:
        """The result of an operation on sessions, in the thread that steps them."""
        seconds = None if must_happen else self._limits.answer_seconds
        return await self._gatherer.submit(object(), 0, operation, seconds, True)

    async def step(self, sessions: Sessions, ids: list[int], data: Array, is_binary: bool) -> Sequence[Array]:
        """The outputs of a step of sessions, which may be part of a larger one.

        Raises
        ------
        Refusal
            The data are not those of one step, or of some, of so many sessions, or their answer would be too long.
        """
        features = self.served.inputs[0].shape[1:]
        rank = data.ndim - len(features)
        sizes = zip(features, data.shape[rank:], strict=False)
        fits = rank in (1, 2) and len(data) == len(ids) and all(known in (None, size) for known, size in sizes)
        if not fits or 0 in data.shape[1:]:
            step = [-1 if size is None else size for size in features]
            raise Refusal(
                400,
                f"step: expected data of shape {_sizes(len(ids), *step)}, or {_sizes(len(ids), 'steps', *step)} for "
                f"several steps, got {_sizes(*data.shape)}.",
            )
        if rank == 1:
            return await self._submitted(sessions, ids, data, 1)
        numbers = len(ids) * data.shape[1] * sum(math.prod(end.shape) for end in sessions.plan.end_entries)
        size = self._bodies.hold_answer(numbers, is_binary)
        try:
            answers = [await self._submitted(sessions, ids, data, 2)]
            while (done := sum(answer[0].shape[1] for answer in answers)) < data.shape[1]:
                answers.append(await self._submitted(sessions, ids, data[:, done:], 2, has_begun=True))
            return _joined(answers)
        finally:
            self._bodies.give_back(size)

    async def _submitted(
        self, sessions: Sessions, ids: list[int], data: Array, rank: int, has_begun: bool = False
    ) -> Sequence[Array]:
        """The outputs of a step, or of the first of several; what has begun is answered however late."""
        key, rows = (sessions, data.shape[1:], data.dtype), math.prod(data.shape[:rank])
        seconds = None if has_begun else self._limits.answer_seconds
        payload = sessions, np.array(ids, np.int64), data
        answer: Sequence[Array] = await self._gatherer.submit(key, rows, payload, seconds, True)
        return answer

    def _compute(self, payloads: list[Any]) -> Sequence[Any]:
        """The answers to payloads of one key: of a message of many steps perhaps to the first of them alone."""
        if callable(payloads[0]):
            return [payloads[0]()]
        sessions = payloads[0][0]
        if len(payloads) == 1:
            return [self._stepped(*payloads[0])]
        _, ids, data = zip(*payloads, strict=True)
        outputs = self._stepped(sessions, np.concatenate(ids), np.concatenate(data))
        stops = np.cumsum([len(one) for one in ids])[:-1]
        return list(zip(*(np.split(output, stops) for output in outputs), strict=True))

    def _stepped(self, sessions: Sessions, ids: Array, data: Array) -> Sequence[Array]:
        """The outputs of a step of sessions, or of as many steps as there is time for before somebody else waits."""
        is_single = data.ndim < len(sessions.model.inputs[0].shape)
        answers = []
        for part in [data] if is_single else pieces(sessions.plan, data):
            try:
                answers.append(tree.flatten(sessions.step(ids, part)))
            except Exception:
                if not answers:
                    raise
                break  # what has been stepped is answered, and stepped no second time; the rest is asked for anew
            if len(self._gatherer):
                break
        return _joined(answers)

    async def _close(self, connection: Connection) -> None:
        """End the sessions of a connection that is lost, behind a step that they may be in."""

        sessions, ids, _holders = connection.own
        with suppress(Refusal):  # the service ends, and all sessions with it
            await self.run(lambda: _closed(sessions, list(ids.values())), must_happen=True)


class Own(NamedTuple):
    """What a connection has of some `Sessions`.

    Attributes
    ----------
    sessions : Sessions or None
    ids : dict of int to int
        By the connection's own numbers: of those that are open, and of those that have expired until another has their
        slot, so that all connections have no more of them than there are slots.
    holders : dict of int to (dict, int)
        Of each slot, the `ids` and the number of the latest session in it, in whatever connection.
    """

    sessions: Sessions | None
    ids: dict[int, int]
    holders: dict[int, tuple[dict[int, int], int]]

    def add(self, number: int, session: int) -> None:
        """A new session, in the place of one that is closed or has expired."""
        slot = session & 0xFFFFFFFF
        if slot in self.holders:
            ids, before = self.holders[slot]
            ids.pop(before, None)
        self.ids[number] = session
        self.holders[slot] = self.ids, number


class Connection:
    """The sessions of one client, under numbers of its own: it can name no other's.

    Attributes
    ----------
    own : Own
    send : callable
        Hands an answer to the client.
    """

    def __init__(self, streams: Streams, own: Own, send: Callable[[str | bytes], Awaitable[None]]) -> None:
        self._streams = streams
        self.own = own
        self.send = send
        self._next = 0

    def renew(self, own: Own) -> list[int]:
        """Begin anew with others; the numbers of the sessions that are lost."""
        before, self.own = self.own, own
        return sorted(before.ids)

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
        fields, own = message.fields, self.own
        sessions = own.sessions
        if sessions is None:
            raise Refusal(400, self._streams.reason)
        if message.op == "step":
            names, is_binary = self._streams.served.output_names, message.head is not None
            outputs = await self._streams.step(sessions, self._of(fields["sessions"]), fields["data"], is_binary)
            return messages.step_answer(message, names, outputs)
        if message.op == "open":
            return messages.text(message, sessions=await self._new(lambda: _opened(sessions, fields["count"])))
        if message.op == "fork":
            (parent,) = self._of([fields["session"]])
            return messages.text(message, session=(await self._new(lambda: [sessions.fork(parent)]))[0])
        if message.op == "restore":
            try:
                snapshot = base64.b64decode(fields["snapshot"], validate=True)
            except ValueError:
                raise Refusal(400, "restore: expected snapshot to be in base64.") from None
            return messages.text(message, sessions=await self._new(lambda: sessions.restore(snapshot)))
        ids = self._of(fields["sessions"])
        if message.op == "close":
            await self._streams.run(lambda: _closed(sessions, ids))
            for number in fields["sessions"]:
                own.ids.pop(number, None)
            return messages.text(message)
        result = await self._streams.run(lambda: getattr(sessions, message.op)(ids))
        if message.op == "snapshot":
            return messages.text(message, snapshot=base64.b64encode(result).decode())
        return messages.text(message)

    async def _new(self, opens: Callable[[], list[int]]) -> list[int]:
        """The numbers of new sessions.

        They are given in the thread that opens the sessions, which are closed whatever becomes of the answer.
        """
        own = self.own

        def numbered() -> list[int]:
            ids = opens()
            numbers = list(range(self._next, self._next + len(ids)))
            self._next += len(ids)
            for number, session in zip(numbers, ids, strict=True):
                own.add(number, session)
            return numbers

        numbers: list[int] = await self._streams.run(numbered)
        if own is not self.own:
            raise Refusal(409, "the model has changed meanwhile, and its sessions are lost.")
        return numbers

    def _of(self, numbers: list[int]) -> list[int]:
        """The ids of the connection's sessions.

        Raises
        ------
        Refusal
            It has no such session.
        """
        ids = self.own.ids
        unknown = [number for number in numbers if number not in ids]
        if unknown:
            raise Refusal(400, f"this connection has no session {unknown[0]}.")
        if len(set(numbers)) < len(numbers):
            raise Refusal(400, "a session stands there twice; name each once.")
        return [ids[number] for number in numbers]

    def _in_own_numbers(self, sentence: str) -> str:
        """A sentence of `Sessions`, in which ids stand that are nobody's business."""
        numbers = {str(one): str(number) for number, one in list(self.own.ids.items())}
        return re.sub(r"\d{10,}", lambda match: numbers.get(match[0], match[0]), sentence)


def _joined(answers: Sequence[Sequence[Array]]) -> Sequence[Array]:
    """The outputs (k, n, ...) of steps that come one behind the other."""
    return answers[0] if len(answers) == 1 else [np.concatenate(one, axis=1) for one in zip(*answers, strict=True)]


def _sizes(*sizes: int | str) -> str:
    return f"[{', '.join(map(str, sizes))}]"


def _opened(sessions: Sessions, count: int) -> list[int]:
    """The ids of new sessions: of all of them, or of none, for no other thread opens one."""
    free = sessions.capacity - len(sessions)
    if count > free:
        free_slots = f"{free} of the {sessions.capacity} slots are free"
        raise RuntimeError(f"open: {free_slots} and {count} asked for; close some sessions.")
    return [sessions.open() for _ in range(count)]


def _closed(sessions: Sessions | None, ids: Iterable[int]) -> None:
    """End sessions; one that has expired has ended already."""
    assert sessions is not None
    for one in ids:
        with suppress(ValueError):
            sessions.close(one)


def _goes_on(sessions: Sessions | None, network: Any) -> bool:
    """Whether sessions have taken another model for their own."""
    if sessions is None or network is None:
        return False
    try:
        sessions.reload(network)
    except ValueError:
        return False
    return True


def _sessions(served: Served, limits: Limits) -> tuple[Sessions | None, str]:
    """The sessions of a model, or the reason why it has none."""
    if served.network is None:
        return None, f"model {served.name!r} does not stream."
    try:
        return Sessions(served.network, limits.sessions, limits.session_seconds), ""
    except ValueError as error:
        return None, str(error)
