"""Connections that are hostile below what the service answers: heads without an end, and handshakes that are none."""

from __future__ import annotations

import importlib
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

for package in ("starlette", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")

from services import Running, serving

from fastgru.layers import GRU, Input
from fastgru.models import Sequential
from fastgru.serving import protocols

MODEL = Sequential([Input((None, 3), name="x"), GRU(2)])
GET = b"GET /v2 HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v2/models/model/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = (
    b"GET /v2/models/model/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving({"model": MODEL}, body=100_000, body_seconds=20.0) as service:
        yield service


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def answered(running: Running, *parts: bytes) -> tuple[bytes, int]:
    """What the service says until it closes the connection, and how many bytes it has taken."""
    content, sent = b"", 0
    with socket.create_connection((running.host, running.port), timeout=15) as one:
        with suppress(ConnectionError):
            for part in parts:
                one.sendall(part)
                sent += len(part)
        with suppress(ConnectionError):
            while part := one.recv(65536):
                content += part
    return content, sent


def is_well(running: Running) -> bool:
    return answered(running, GET + b"Connection: close\r\n\r\n")[0].startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "begin, more", [(GET, b"A: b\r\n"), (GET + b"A: ", b"b"), (b"GET /", b"a")], ids=["headers", "a header", "a path"]
)
def test_a_head_without_an_end_is_400(running: Running, begin: bytes, more: bytes) -> None:
    content, sent = answered(running, begin, *[more * (60_000 // len(more))] * 1000)
    assert sent < 30 << 20
    assert content.startswith(b"HTTP/1.1 400") or not content  # it may be lost where the client still sends
    assert is_well(running)


@pytest.mark.parametrize(
    "begin, more", [(b"", b"1\r\na\r\n"), (b"0\r\n", b"A: b\r\n"), (b"0\r\nA: ", b"b")],
    ids=["chunks of a byte", "trailers", "a trailer"],
)  # fmt: skip
def test_what_is_around_a_body_without_an_end_ends_the_connection(running: Running, begin: bytes, more: bytes) -> None:
    _content, sent = answered(running, POST + begin, *[more * (60_000 // len(more))] * 1000)
    assert sent < 30 << 20
    until(lambda: running.service.bodies._size == 0)
    assert is_well(running)


def test_a_head_of_some_size_is_answered(running: Running) -> None:
    assert answered(running, GET + b"A: " + b"b" * 50_000 + b"\r\nConnection: close\r\n\r\n")[0].startswith(
        b"HTTP/1.1 200"
    )


def infer(steps: int) -> bytes:
    data = {"name": "x", "datatype": "FP32", "shape": [1, steps, 3], "data": [0.5] * 3 * steps}
    body = json.dumps({"inputs": [data]}).encode()
    return POST.replace(b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(body)) + body


def read_until(one: socket.socket, count: int) -> bytes:
    """So many answers, or what there is of them when the service closes the connection."""
    content = b""
    while content.count(b'"data"') < count and (part := one.recv(65536)):
        content += part
    return content


@pytest.mark.parametrize("package, name", [("httptools", "HttpToolsProtocol"), ("h11", "H11Protocol")])
def test_a_connection_takes_any_number_of_requests_and_the_beginning_of_one_behind_another(
    package: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    protocol = getattr(importlib.import_module(f"uvicorn.protocols.http.{package}_impl"), name)
    monkeypatch.setattr(protocols, "AutoHTTPProtocol", protocol)
    large, small = infer(6000), infer(1)
    assert len(large) > protocols.HEAD_BYTES
    with (
        serving({"model": MODEL}, body=100_000) as running,
        socket.create_connection((running.host, running.port), timeout=15) as one,
    ):
        for _ in range(6):  # together more bytes than one request may have
            one.sendall(large + small[:40])
            content = read_until(one, 1)
            one.sendall(small[40:])
            content += read_until(one, 1)
            assert content.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "head",
    [UPGRADE.replace(b"GET", b"POST") + b"Content-Length: 0\r\n\r\n", UPGRADE + b"Content-Length: 5\r\n\r\nhello",
     UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", UPGRADE + b"A: " + b"b" * 20_000 + b"\r\n\r\n"],
    ids=["a POST", "a body", "chunks", "a long line"],
)  # fmt: skip
def test_a_handshake_that_is_none_is_answered(running: Running, head: bytes) -> None:
    begin = time.monotonic()
    assert answered(running, head)[0].startswith(b"HTTP/1.1 4")
    assert time.monotonic() - begin < 10


def frame(content: bytes, opcode: int = 1, mask: bool = True, size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    return bytes([0x80 | opcode, 0x80 * mask | 127]) + struct.pack(">Q", length) + b"\0\0\0\0" * mask + content


@pytest.mark.parametrize(
    "content, code",
    [
        (frame(b"\xff\xfe"), 1007),
        (frame(b"a", opcode=3), 1002),
        (frame(b"a", opcode=0), 1002),
        (frame(b"a", mask=False), 1002),
        (frame(b"", size=1 << 62), 1009),
        (frame(b"\0", opcode=8), 1002),
        (frame(struct.pack(">H", 1000), opcode=8), 1000),
        (frame(b'{"op": "open"}') * 20 + frame(struct.pack(">H", 1001), opcode=8), 1001),
    ],
)
def test_frames_that_are_none_end_their_connection_with_a_code(
    running: Running, content: bytes, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection((running.host, running.port), timeout=15) as one:
        one.sendall(UPGRADE + b"\r\n")
        answer = b""
        while b"hello" not in answer:
            answer += one.recv(65536)
        one.sendall(content)
        while part := one.recv(65536):
            answer += part
    start = answer.rindex(b"\x88")
    assert int.from_bytes(answer[start + 2 : start + 4], "big") == code
    streams = running.service.streams["model"]
    until(lambda: len(streams) == 0 and not streams._open and running.service.bodies._size == 0)
    assert "ASGI" not in capfd.readouterr().err


def test_clients_that_leave_at_any_moment_leave_nothing_behind(running: Running) -> None:
    step = json.dumps({"op": "step", "sessions": [0], "data": [[[1, 2, 3]] * 500]}).encode()
    whole: Any = [UPGRADE + b"\r\n", frame(b'{"op": "open"}'), *[frame(step)] * 3]
    for count in range(1, 6):
        for delay in (0, 0.01, 0.05):
            with socket.create_connection((running.host, running.port), timeout=15) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no farewell
                for part in whole[:count]:
                    one.sendall(part)
                    time.sleep(delay)
    streams = running.service.streams["model"]
    until(lambda: len(streams) == 0 and not streams._open)
    until(lambda: running.service.bodies._size == 0 and running.service._open_streams == 0)
