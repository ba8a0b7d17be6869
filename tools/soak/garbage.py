"""Requests that are none: each is refused in a sentence, and no other request notices."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from soak.twins import FEATURES

__all__ = ["bodies", "heads"]


def _request(**changes: Any) -> bytes:
    tensor = {"name": "seq", "datatype": "FP32", "shape": [1, 2, FEATURES], "data": [0.5] * (2 * FEATURES)}
    return json.dumps({"inputs": [{**tensor, **changes}]}).encode()


@functools.cache
def _bomb() -> bytes:
    """200 MB that come as 200 KB."""
    return gzip.compress(bytes(200 << 20))


def bodies(rng: np.random.Generator) -> Iterator[tuple[dict[str, str], bytes]]:
    """Headers and bodies of requests to infer that are refused."""
    sound = _request()
    cut = int(rng.integers(len(sound)))
    for changes in (
        {"name": "seq\0"}, {"datatype": "FP33"}, {"datatype": "BYTES"}, {"shape": [1, 2]}, {"shape": "x"},
        {"shape": [-1, 2, FEATURES]}, {"shape": [1 << 60, 2, FEATURES]}, {"shape": [1, 2, FEATURES + 1]},
        {"shape": [1.5, 2, FEATURES]}, {"shape": [True, 2, FEATURES]}, {"shape": None}, {"data": [1e400] * 10},
        {"data": ["x"] * 10}, {"data": None}, {"data": [0.5] * 9}, {"data": [[0.5] * 4, [0.5] * 6]}, {"data": {}},
        {"parameters": {"binary_data_size": 1 << 60}}, {"parameters": {"binary_data_size": -1}},
        {"parameters": {"shared_memory_region": "/etc/passwd"}},
    ):  # fmt: skip
        yield {}, _request(**changes)
    yield {}, sound[:cut]
    yield {}, rng.bytes(int(rng.integers(1, 2000)))
    yield {}, b"[" * 100_000
    yield {}, b'{"inputs": ' + b"[" * 500 + b"]" * 500 + b"}"
    yield {}, json.dumps({"inputs": []}).encode()
    yield {}, json.dumps({"inputs": [1]}).encode()
    yield {}, json.dumps({"inputs": json.loads(sound)["inputs"] * 2}).encode()
    yield {}, b'{"inputs": NaN}'
    yield {}, '{"inputs": "é"}'.encode("utf-16")
    yield {"Inference-Header-Content-Length": str(len(sound) + 1)}, sound
    yield {"Inference-Header-Content-Length": "-1"}, sound
    yield {"Inference-Header-Content-Length": "9" * 400}, sound
    yield {"Inference-Header-Content-Length": str(cut)}, sound
    yield {"Content-Encoding": "gzip"}, sound
    yield {"Content-Encoding": "gzip"}, gzip.compress(sound)[:-9]
    yield {"Content-Encoding": "gzip"}, _bomb()
    yield {"Content-Encoding": "br"}, sound
    yield {"Content-Type": "x" * 10_000}, sound[:cut]


def heads(rng: np.random.Generator) -> Iterator[bytes]:
    """What a socket sends that no server can take for a request with a body, or of this service."""
    infer = b"POST /v2/models/soaked/infer HTTP/1.1\r\nHost: localhost\r\n"
    yield rng.bytes(int(rng.integers(1, 3000)))
    yield b"\r\n" * 1000
    yield b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield b"GET /v2/models/%00%ff/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    yield b"GET /v2/models/nobody HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    yield b"DELETE /v2/models/soaked HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    yield b"GET /v2/models/soaked/stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    yield infer + b"Content-Length: -5\r\n\r\n"
    yield infer + b"Content-Length: 99999999999999999999\r\n\r\n"
    yield infer + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"
    yield infer + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    yield infer + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"
    yield infer + b"X: " + b"y" * 200_000 + b"\r\n\r\n"
    yield infer + b"Content-Length: 2\r\nOrigin: http://elsewhere\r\n\r\n{}"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.bytes(500)  # TLS
