"""Clients of a service: each asks, waits for the answer and asks again, on a connection of its own.

They write requests whose bytes are ready and read no more of an answer than its length, so that they take little of the
processors, which they share with the service.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bench.network import Floats

NAME = "model"  # in the service's addresses


class Load(NamedTuple):
    """What clients went through: the seconds of each request, those from the first to the end, without connecting, and
    the last answer to each of the requests."""

    latencies: list[float]
    seconds: float
    answers: dict[int, bytes]


def request(x: Floats) -> bytes:
    """A request for the answer to x (1, T, F) in the protocol's binary form, as Triton's client writes it."""
    content = x.tobytes()
    tensor = {"name": "x", "datatype": "FP32", "shape": x.shape, "parameters": {"binary_data_size": len(content)}}
    output = {"name": "y", "parameters": {"binary_data": True}}
    described = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    head = (
        f"POST /v2/models/{NAME}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
        f"Inference-Header-Content-Length: {len(described)}\r\nContent-Length: {len(described) + len(content)}\r\n\r\n"
    )
    return head.encode() + described + content


def answer(body: bytes, classes: int) -> Floats:
    """The outputs (classes,), which stand at the end of an answer."""
    return np.frombuffer(body[-4 * classes :], "<f4")


def numbered(requests: list[bytes], seconds: float | None = None) -> Iterator[tuple[int, bytes]]:
    """Each request once, or all of them again and again for so long."""
    end = None if seconds is None else time.perf_counter() + seconds
    while True:
        for number, content in enumerate(requests):
            if end is not None and time.perf_counter() > end:
                return
            yield number, content
        if end is None:
            return


class _Client(asyncio.Protocol):
    def __init__(self, requests: Iterator[tuple[int, bytes]], load: Load, ended: asyncio.Future[None]) -> None:
        self._requests, self._load, self._ended = requests, load, ended
        self._read = bytearray()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        try:
            self._number, content = next(self._requests)
        except StopIteration:
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(content)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length:")[2].split()[0]):
            return
        self._load.latencies.append(time.perf_counter() - self._began)
        if not head.startswith(b"HTTP/1.1 200 "):
            self._ended.set_exception(RuntimeError(f"the service answered {bytes(self._read[:200])!r}"))
            self._transport.close()
            return
        self._load.answers[self._number] = bytes(body)
        self._read.clear()
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None) if error is None else self._ended.set_exception(error)


def drive(port: int, requests: Iterator[tuple[int, bytes]], clients: int) -> Load:
    """Have so many clients ask until there are no more requests.

    Raises
    ------
    RuntimeError, OSError
        A request was refused, or a connection lost.
    """

    async def run() -> Load:
        loop = asyncio.get_running_loop()
        load = Load([], 0.0, {})
        ends = [loop.create_future() for _ in range(clients)]
        connected = [
            await loop.create_connection(partial(_Client, requests, load, end), "127.0.0.1", port) for end in ends
        ]
        began = time.perf_counter()
        for _transport, client in connected:
            client.ask()
        await asyncio.gather(*ends)
        return load._replace(seconds=time.perf_counter() - began)

    return asyncio.run(run())
