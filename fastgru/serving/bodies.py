"""Reads the body of a request, no more of it and no longer than the limits say, and counts what a service holds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio

from fastgru.serving.limits import Limits
from fastgru.serving.refusal import Refusal

__all__ = ["Bodies", "Gone"]

_CLOSE = (b"connection", b"close")  # what is left of the body is not read
# of a number of an answer: of four bytes in an array and in the message, or an object in a list and its digits
BINARY_BYTES, JSON_BYTES = 8, 52
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class Gone(Exception):
    """The client has left in the middle of its request, or was left for it takes no answer."""


class _Body:
    """How many bytes of a request are held."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0


class Bodies:
    """The bodies, messages and answers that a service holds at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = 0

    @contextmanager
    def held(self, headers: Mapping[bytes, bytes]) -> Iterator[_Body]:
        """Inside, what `read` has read of a request counts as held: not what a client says that it will send.

        Raises
        ------
        Refusal
            The body is too long, or there are too many.
        """
        limit = self._limits.body
        is_known = b"content-length" in headers and b"content-encoding" not in headers
        size = int(headers[b"content-length"]) if is_known else 0  # the server has checked that it is a number
        if size > limit:
            raise self._too_long()
        self._check_memory(size)
        body = _Body()
        try:
            yield body
        finally:
            self._size -= body.size

    async def read(self, body: _Body, headers: Mapping[bytes, bytes], receive: Any) -> bytes:
        """The body, unpacked where it is packed by gzip or deflate.

        Raises
        ------
        Refusal
            It is too long, comes too slowly, or is not packed as its header says, or there are too many.
        Gone
        """
        try:
            with anyio.fail_after(self._limits.body_seconds):
                content = await self._whole(body, receive)
        except TimeoutError:
            sentence = f"the body did not arrive within {self._limits.body_seconds:g} seconds."
            raise Refusal(408, sentence, _CLOSE) from None
        encoding = headers.get(b"content-encoding", b"identity").lower()
        if encoding == b"identity":
            return content
        if encoding not in (b"gzip", b"deflate"):
            raise Refusal(415, f"Content-Encoding: expected gzip or deflate, got {encoding.decode('latin-1')[:60]!r}.")
        content = self._unpacked(content)
        self._hold(body, len(content))
        return content

    def take(self, size: int) -> bool:
        """Count so many bytes as held, if there is memory for them."""
        has_memory = self._size + size <= self._limits.bodies
        if has_memory:
            self._size += size
        return has_memory

    def add(self, size: int) -> None:
        """Count so many bytes that are there in any case."""
        self._size += size

    def give_back(self, size: int) -> None:
        """So many bytes are held no longer."""
        self._size -= size

    def hold_answer(self, numbers: int, is_binary: bool) -> int:
        """Count an answer of so many numbers, before it is computed, and say how many bytes that are.

        Raises
        ------
        Refusal
            It is too long, or there are too many.
        """
        size = numbers * (BINARY_BYTES if is_binary else JSON_BYTES)
        if size > self._limits.bodies:
            hint = "" if is_binary else ", or ask for binary data"
            raise Refusal(
                413,
                f"the answer would have {numbers:,} numbers, and take {size:,} bytes of the {self._limits.bodies:,} "
                f"that the service holds at most; send fewer rows or shorter sequences{hint}.",
            )
        self._check_memory(size)
        self._size += size
        return size

    def _check_memory(self, size: int, *headers: tuple[bytes, bytes]) -> None:
        if self._size + size > self._limits.bodies:
            sentence = "the service holds as many bytes of requests as it may; ask again later."
            raise Refusal(429, sentence, (b"retry-after", b"1"), *headers)

    def _hold(self, body: _Body, size: int) -> None:
        """So many bytes more of a body."""
        self._check_memory(size, _CLOSE)
        body.size += size
        self._size += size

    async def _whole(self, body: _Body, receive: Any) -> bytes:
        parts = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            parts.append(message.get("body", b""))
            self._hold(body, len(parts[-1]))
            if body.size > self._limits.body:
                raise self._too_long()
            if not message.get("more_body", False):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def _unpacked(self, body: bytes) -> bytes:
        """What gzip or zlib packed, which may claim to be any number of bytes."""
        unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            content = unpacker.decompress(body, self._limits.body + 1)
        except zlib.error as error:
            raise Refusal(400, f"the body is not packed as its Content-Encoding says ({error}).") from None
        if len(content) > self._limits.body:
            raise self._too_long()
        if not unpacker.eof or unpacker.unused_data:
            raise Refusal(400, "the body is cut short, or there is more behind what is packed.")
        return content

    def _too_long(self) -> Refusal:
        return Refusal(413, f"a body of {self._limits.body:,} bytes at most is taken.", _CLOSE)
