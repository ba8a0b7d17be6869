"""uvicorn's protocols of a connection, with bounds on time and memory that it leaves to a proxy."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol
from websockets.frames import CloseCode

from fastgru.serving.bodies import Bodies
from fastgru.serving.limits import Limits

__all__ = ["BoundedHTTP", "BoundedWebSocket"]

HEAD_BYTES = 1 << 16
FRAGMENTS = 1 << 14  # of a message: each takes more memory than its bytes
_NO_HANDSHAKE = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 35\r\nConnection: close\r\n\r\n"
    b"This is no handshake of websockets."
)


class _Bounded(asyncio.Protocol):
    """What both protocols have: bounds, and what is not sent yet counted as held until the client has taken it."""

    transport: Any
    _unsent = 0  # bytes

    def __init__(self, *args: Any, limits: Limits, bodies: Bodies, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits, self._bodies = limits, bodies

    def pause_writing(self) -> None:
        super().pause_writing()
        self._hold(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._hold(0)
        super().resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._hold(0)
        super().connection_lost(error)

    def _hold(self, size: int) -> None:
        self._bodies.add(size - self._unsent)
        self._unsent = size


class BoundedHTTP(_Bounded, AutoHTTPProtocol):  # type: ignore[misc]
    """uvicorn's protocol of HTTP, which itself does not bound how slowly a request's head comes, and how long it is.

    Nor has it one on how slowly an answer is taken, which stays in memory so long.
    """

    _head: Any = None
    _size = 0  # bytes of the request that is being read, as they are on the line, behind the piece it began in
    _counted: Any = None  # the cycle of the request before, or of this one from the end of its head on
    _is_head = _begins = False
    _full: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head = self.loop.call_later(self._limits.body_seconds, self._late)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head = self._begins = True

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        self._begins = False
        super().data_received(data)
        # the piece may have the end of another request, too; h11, which bounds heads itself, tells no beginning
        is_new = self._begins or self.cycle is not self._counted
        self._size, self._counted = 0 if is_new else self._size + len(data), self.cycle
        if self._size > HEAD_BYTES and (self._is_head or self._size > HEAD_BYTES + 2 * self._limits.body):
            self._refuse()
        if self._is_between():
            self._head = self._head or self.loop.call_later(self._limits.body_seconds, self._late)
        else:
            self._disarm()

    def _refuse(self) -> None:
        """End a connection whose request has a head, pieces of a body or words behind it without an end."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._is_between():
            self.send_400_response(f"The head of a request has {HEAD_BYTES} bytes at most.")
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._full = self.loop.call_later(self._limits.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel_full()
        super().resume_writing()

    def _cancel_full(self) -> None:
        if self._full is not None:
            self._full.cancel()
            self._full = None

    def connection_lost(self, error: Exception | None) -> None:
        self._disarm()
        self._cancel_full()
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


class BoundedWebSocket(_Bounded, AutoWebSocketsProtocol):  # type: ignore[misc]
    """uvicorn's protocol of websockets, whose messages count as held from their first byte until they are answered.

    It lets the application end a connection whose client reads nothing, and takes one that is refused for answered, and
    not for an error to be logged.
    """

    _late: Any = None  # when the message that is being read is late
    _reading = 0  # bytes of it
    _at_work = 0  # bytes of the message that is being answered, also to a client that has left
    _runs = False  # the application, from the end of the handshake on

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._sizes: deque[int] = deque()  # bytes of the messages in the queue
        self.app_state: dict[str, Any] = {**self.app_state, "abort": transport.abort}

    async def run_asgi(self) -> None:
        self._runs = True
        try:
            await super().run_asgi()
        finally:
            self._bodies.give_back(self._reading + sum(self._sizes) + self._at_work)
            self._runs, self._reading = False, 0
            self._watch()

    def data_received(self, data: bytes) -> None:
        if not self._runs:
            super().data_received(data)
            if self.conn.handshake_exc is not None and not self.close_sent:  # nobody else answers then
                self.transport.write(_NO_HANDSHAKE)
                self.transport.close()
            return
        if not self._bodies.take(len(data)):
            self._leave(CloseCode.TRY_AGAIN_LATER, "the service holds as many bytes as it may")
            return
        self._reading += len(data)
        before = self.queue.qsize()
        super().data_received(data)
        if (count := self.queue.qsize() - before) > 0:
            self._sizes.extend([self._reading, *[0] * (count - 1)])
            self._reading = 0
        elif not (self.frames or self.conn.reader.buffer):  # a ping, say
            self._bodies.give_back(self._reading)
            self._reading = 0
        if len(self.frames) > FRAGMENTS:
            self._leave(CloseCode.POLICY_VIOLATION, f"a message comes in {FRAGMENTS} fragments at most")
        self._watch()

    async def receive(self) -> Any:
        self._bodies.give_back(self._at_work)
        self._at_work = 0
        message = await super().receive()
        self._at_work = self._sizes.popleft() if self._sizes else 0
        return message

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

    def _watch(self) -> None:
        """Give a message that has begun its time."""
        if self._reading and self._late is None:
            self._late = self.loop.call_later(self._limits.body_seconds, self._too_late)
        elif not self._reading and self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if self.read_paused:  # it is not read on until the one before is answered
            self._watch()
        else:
            self._leave(CloseCode.POLICY_VIOLATION, f"a message comes within {self._limits.body_seconds:g} seconds")

    def _leave(self, code: int, reason: str) -> None:
        if not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()
