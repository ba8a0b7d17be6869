"""Runs a service on a socket until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

from fastgru.serving.app import Service
from fastgru.serving.seldom import Seldom

__all__ = ["bound", "configured", "run"]

BACKLOG = 2048
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
        http=timed(limits.body_seconds, limits.answer_seconds),
        ws=Abortable,
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


def timed(seconds: float, answer_seconds: float) -> type[Any]:
    """uvicorn's protocol of HTTP, which has no bound of its own on how slowly the head of a request comes.

    Nor has it one on how slowly an answer is taken, which stays in memory so long.
    """

    class Timed(AutoHTTPProtocol):  # type: ignore[misc]
        _head: Any = None
        _full: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._head = self.loop.call_later(seconds, self._late)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._is_between():
                self._head = self._head or self.loop.call_later(seconds, self._late)
            else:
                self._disarm()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._full = self.loop.call_later(answer_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            self._empty()
            super().resume_writing()

        def _empty(self) -> None:
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


class Abortable(AutoWebSocketsProtocol):  # type: ignore[misc]
    """uvicorn's protocol of websockets, which lets the application end a connection whose client reads nothing, and
    takes one that is refused for answered, and not for an error to be logged."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "abort": transport.abort}

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True
