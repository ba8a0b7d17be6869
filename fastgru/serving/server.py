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
from functools import partial
from typing import Any

import uvicorn

from fastgru.serving.app import Service
from fastgru.serving.protocols import BoundedHTTP, BoundedWebSocket
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
    # uvicorn asks for classes, and calls them
    http: Any = partial(BoundedHTTP, limits=limits, bodies=service.bodies)
    websocket: Any = partial(BoundedWebSocket, limits=limits, bodies=service.bodies)
    return uvicorn.Config(
        service,
        http=http,
        ws=websocket,
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
