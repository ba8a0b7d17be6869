"""Runs a service on a socket until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol
from websockets.frames import CloseCode

from fastgru.serving.app import Service
from fastgru.serving.bodies import Bodies
from fastgru.serving.limits import Limits
from fastgru.serving.seldom import Seldom

__all__ = ["bound", "configured", "run"]

BACKLOG = 2048
FRAGMENTS = 1 << 14  # of a message: each takes more memory than its bytes
KEEP_ALIVE_SECONDS = 75  # as nginx: clients keep a pool of connections
# a thread that has computed asks the event loop's for the GIL after so many seconds, not after Python's 5 ms
SWITCH_SECONDS = 0.0005


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        hint = "; take another, or 0 for a free one" if error.errno == errno.EADDRINUSE else ""
        reason = str(error.strerror or error).partition(" (while")[0]  # which says the address once more
        raise OSError(f"--host {host} --port {port}: {reason}{hint}.") from None
    # asyncio sets it only on sockets that name their protocol; without it a body, written behind its head, stays until
    # the client's delayed ACK of the head, some 40 ms
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def configured(service: Service, access_log: bool = False) -> uvicorn.Config:
    """How uvicorn runs a service."""
    limits = service.limits
    log = logging.getLogger("uvicorn.error")
    if not any(isinstance(one, Seldom) for one in log.filters):
        log.addFilter(Seldom())  # a line for each request that is none fills a disk
    return uvicorn.Config(
        service,
        http=timed(limits, service.bodies),
        ws=bounded(limits, service.bodies),
        lifespan="on",
        log_level="info" if access_log else "warning",
        access_log=access_log,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(limits.end_seconds)),
        ws_max_size=limits.body,
        ws_per_message_deflate=False,  # numbers do not shrink, and who sends a little could have much unpacked
    )


def run(service: Service, listener: socket.socket, access_log: bool = False) -> None:
    """Answer until SIGTERM or SIGINT, then finish what is in flight.

    All threads and the event loop begin here: a process that is to share the models' pages forks before.

    Raises
    ------
    KeyboardInterrupt
        Behind that, if it was SIGINT.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    with _ending():
        _Server(configured(service, access_log)).run([listener])


class _Server(uvicorn.Server):  # type: ignore[misc]
    """uvicorn's, whose end does not tell connections that are being made at that moment: they would go on until it has
    waited as long as it may."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        telling = asyncio.create_task(self._tell_all_but(set(self.server_state.connections)))
        try:
            await super().shutdown(sockets)
        finally:
            telling.cancel()

    async def _tell_all_but(self, informed: set[Any]) -> None:
        while True:
            await asyncio.sleep(0.05)
            for connection in self.server_state.connections - informed:
                connection.shutdown()
                informed.add(connection)


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM, which uvicorn sends to the process once more when it has ended, ends it with status 0."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Unsent:
    """What a connection has not sent yet, which counts as held until the client has taken it."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._size = 0

    def set(self, size: int) -> None:
        self._bodies.add(size - self._size)
        self._size = size


def timed(limits: Limits, bodies: Bodies) -> type[Any]:
    """uvicorn's protocol of HTTP, which has no bound of its own on how slowly the head of a request comes.

    Nor has it one on how slowly an answer is taken, which stays in memory so long.
    """

    class Timed(AutoHTTPProtocol):  # type: ignore[misc]
        _head: Any = None
        _full: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._unsent = _Unsent(bodies)
            self._head = self.loop.call_later(limits.body_seconds, self._late)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._is_between():
                self._head = self._head or self.loop.call_later(limits.body_seconds, self._late)
            else:
                self._disarm()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unsent.set(self.transport.get_write_buffer_size())
            self._full = self.loop.call_later(limits.answer_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._empty()
            super().resume_writing()

        def _empty(self) -> None:
            self._unsent.set(0)
            if self._full is not None:
                self._full.cancel()
                self._full = None

        def connection_lost(self, error: Exception | None) -> None:
            self._disarm()
            self._empty()
            super().connection_lost(error)

        def _is_between(self) -> bool:
            """Whether the head of a request is still to come."""
            return self.cycle is None or self.cycle.response_complete

        def _disarm(self) -> None:
            if self._head is not None:
                self._head.cancel()
                self._head = None

        def _late(self) -> None:
            self._head = None
            if self._is_between() and self.transport.get_protocol() is self:
                self.transport.close()

    return Timed


def bounded(limits: Limits, bodies: Bodies) -> type[Any]:
    """uvicorn's protocol of websockets, whose messages count as held from their first byte until they are answered.

    It lets the application end a connection whose client reads nothing, and takes one that is refused for answered, and
    not for an error to be logged.
    """

    class Bounded(AutoWebSocketsProtocol):  # type: ignore[misc]
        _late: Any = None  # when the message that is being read is late
        _reading = 0  # bytes of it
        _at_work = 0  # bytes of the message that is being answered, also to a client that has left
        _runs = False  # the application, from the end of the handshake on

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._unsent = _Unsent(bodies)
            self._sizes: deque[int] = deque()  # bytes of the messages in the queue
            self.app_state: dict[str, Any] = {**self.app_state, "abort": transport.abort}

        async def run_asgi(self) -> None:
            self._runs = True
            try:
                await super().run_asgi()
            finally:
                bodies.give_back(self._reading + sum(self._sizes) + self._at_work)
                self._runs, self._reading = False, 0
                self._watch()

        def data_received(self, data: bytes) -> None:
            if not self._runs:
                super().data_received(data)
                return
            if not bodies.take(len(data)):
                self._leave(CloseCode.TRY_AGAIN_LATER, "the service holds as many bytes as it may")
                return
            self._reading += len(data)
            before = self.queue.qsize()
            super().data_received(data)
            if (count := self.queue.qsize() - before) > 0:
                self._sizes.extend([self._reading, *[0] * (count - 1)])
                self._reading = 0
            elif not (self.frames or self.conn.reader.buffer):  # a ping, say
                bodies.give_back(self._reading)
                self._reading = 0
            if len(self.frames) > FRAGMENTS:
                self._leave(CloseCode.POLICY_VIOLATION, f"a message comes in {FRAGMENTS} fragments at most")
            self._watch()

        async def receive(self) -> Any:
            bodies.give_back(self._at_work)
            self._at_work = 0
            message = await super().receive()
            self._at_work = self._sizes.popleft() if self._sizes else 0
            return message

        async def send(self, message: Any) -> None:
            await super().send(message)
            if message["type"] == "websocket.http.response.body":
                self.handshake_complete = True

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unsent.set(self.transport.get_write_buffer_size())

        def resume_writing(self) -> None:
            self._unsent.set(0)
            super().resume_writing()

        def connection_lost(self, error: Exception | None) -> None:
            self._unsent.set(0)
            super().connection_lost(error)

        def _watch(self) -> None:
            """Give a message that has begun its time."""
            if self._reading and self._late is None:
                self._late = self.loop.call_later(limits.body_seconds, self._too_late)
            elif not self._reading and self._late is not None:
                self._late.cancel()
                self._late = None

        def _too_late(self) -> None:
            self._late = None
            if self.read_paused:  # it is not read on until the one before is answered
                self._watch()
            else:
                self._leave(CloseCode.POLICY_VIOLATION, f"a message comes within {limits.body_seconds:g} seconds")

        def _leave(self, code: int, reason: str) -> None:
            if not self.transport.is_closing():
                self.conn.fail(code, reason)
                self.transport.write(b"".join(self.conn.data_to_send()))
                self.close_sent = True
                self.transport.close()

    return Bounded
