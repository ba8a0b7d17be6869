"""Reads the body of a request: no more of it, and no longer, than the limits say."""

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
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class Gone(Exception):
    """The client has left in the middle of its request."""


class Bodies:
    """The bodies that a service holds at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = 0

    @contextmanager
    def held(self, headers: Mapping[bytes, bytes]) -> Iterator[None]:
        """Inside, there is memory for the body of a request.

        Raises
        ------
        Refusal
            The body is too long, or there are too many.
        """
        limit = self._limits.body
        is_known = b"content-length" in headers and b"content-encoding" not in headers
        size = int(headers[b"content-length"]) if is_known else limit  # the server has checked that it is a number
        if size > limit:
            raise self._too_long()
        if self._size + size > self._limits.bodies:
            raise Refusal(
                429, "the service holds as many bytes of requests as it may; ask again later.", (b"retry-after", b"1")
            )
        self._size += size
        try:
            yield
        finally:
            self._size -= size

    async def read(self, headers: Mapping[bytes, bytes], receive: Any) -> bytes:
        """The body, unpacked where it is packed by gzip or deflate.

        Raises
        ------
        Refusal
            It is too long, comes too slowly, or is not packed as its header says.
        Gone
        """
        try:
            with anyio.fail_after(self._limits.body_seconds):
                body = await self._whole(receive)
        except TimeoutError:
            sentence = f"the body did not arrive within {self._limits.body_seconds:g} seconds."
            raise Refusal(408, sentence, _CLOSE) from None
        encoding = headers.get(b"content-encoding", b"identity").lower()
        if encoding == b"identity":
            return body
        if encoding not in (b"gzip", b"deflate"):
            raise Refusal(415, f"Content-Encoding: expected gzip or deflate, got {encoding.decode('latin-1')[:60]!r}.")
        return self._unpacked(body)

    async def _whole(self, receive: Any) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._limits.body:
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
