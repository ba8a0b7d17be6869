"""The memory of a service is bounded by what it takes, computes, answers and has not sent yet."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")
httpx: Any = pytest.importorskip("httpx", reason="the client of these tests")

from services import Running, serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from fastgru.layers import (
    GRU,
    LSTM,
    AdditiveAttention,
    Bidirectional,
    Concatenate,
    Dense,
    Embedding,
    Input,
    MultiHeadAttention,
    TextVectorization,
)
from fastgru.models import Model, Sequential
from fastgru.serving.refusal import Refusal
from fastgru.serving.served import of_model
from fastgru.serving.sizes import Sizes
from fastgru.streaming import Sessions

HEAD = struct.Struct("<BBHIII")
SEQUENCES = Sequential([Input((None, 1), name="x"), GRU(16, return_sequences=True, name="answer")])


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def ask(running: Running, x: Any, is_binary: bool = True) -> Any:
    head = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "parameters": {"binary_data_size": x.nbytes}}
    text = json.dumps({"inputs": [head], "parameters": {"binary_data_output": is_binary}}).encode()
    return httpx.post(
        f"{running.url}/v2/models/model/infer", content=text + x.tobytes(), timeout=30,
        headers={"inference-header-content-length": str(len(text))},
    )  # fmt: skip


# --- what is computed -------------------------------------------------------------------------------


def both() -> Model:
    x = Input((None, 8))
    return Model(x, GRU(3)(Concatenate()([MultiHeadAttention(2, 4)(x, x), AdditiveAttention()([x, x])])))


@pytest.mark.parametrize(
    "model, x, numbers",
    [
        (SEQUENCES, np.zeros((1, 7, 1)), 7 * 16),
        (Sequential([Input((None, 1)), GRU(16), Dense(2)]), np.zeros((1, 7, 1)), 16 + 2),
        (Sequential([Input((None, 1)), Bidirectional(GRU(4, return_sequences=True)), LSTM(3)]), np.zeros((1, 7, 1)),
         7 * 8 + 3),
        (Sequential([Input((None, 1)), Sequential([GRU(5, return_sequences=True), Dense(4)]), GRU(2)]),
         np.zeros((1, 7, 1)), 7 * (5 + 4 + 4) + 2),
        (Sequential([Input((None,), dtype="int32"), Embedding(9, 4), GRU(2)]), np.zeros((1, 7)), 7 * 4 + 2),
        (Sequential([Input((), dtype="string"), TextVectorization(vocabulary=["a"]), Embedding(3, 5), GRU(2)]),
         np.array(["a b a"], object), 5 * (1 + 5) + 2),
        (both(), np.zeros((1, 7, 8)), 7 * 40 - 0 + 7 * 7 * (2 + 8) + 3),
    ],
)  # fmt: skip
def test_the_numbers_of_a_row_are_the_outputs_of_all_layers(model: Any, x: Any, numbers: int) -> None:
    shapes = [tuple(symbol.shape[1:]) for symbol in model.inputs]
    assert Sizes(model, shapes, 1, numbers, True).rows([x]) == 1
    with pytest.raises(Refusal, match=f"the layers make {numbers:,} numbers of a row"):
        Sizes(model, shapes, 1, numbers - 1, True).rows([x])


def test_rows_that_are_large_are_computed_a_few_at_a_time() -> None:
    """As many as fit, and to the same bits."""
    served = of_model("model", SEQUENCES, 64, numbers=1600)
    x = np.random.default_rng(3).standard_normal((40, 20, 1)).astype("f4")
    assert served.sizes is not None
    assert [served.sizes.rows([x[:, :steps]]) for steps in (1, 20, 50, 100)] == [64, 5, 5, 5]
    assert served.sizes.rows([np.zeros((1, 100, 1))]) == 1
    (answer,) = served.predict([x])
    np.testing.assert_allclose(answer, SEQUENCES.predict(x, verbose=0), rtol=0, atol=1e-6)


def test_rows_that_depend_on_each_other_stay_together() -> None:
    sizes = Sizes(SEQUENCES, [(None, 1)], 8, 1600, rows_are_apart=False)
    assert sizes.rows([np.zeros((4, 20, 1))]) == 8
    with pytest.raises(Refusal, match="compute 8 at a time"):
        sizes.rows([np.zeros((9, 20, 1))])


def test_a_sequence_that_is_too_long_to_be_computed_is_413() -> None:
    with serving({"model": SEQUENCES}, numbers=16_000) as running:
        assert ask(running, np.zeros((3, 1000, 1), "f4")).status_code == 200
        refused = ask(running, np.zeros((1, 1001, 1), "f4"))
        assert refused.status_code == 413
        assert "16,016 numbers" in refused.json()["error"]
        assert "takes 16,000" in refused.json()["error"]


# --- what is answered -------------------------------------------------------------------------------


def test_an_answer_counts_before_it_is_computed() -> None:
    with serving({"model": SEQUENCES}, bodies=100_000) as running:
        assert ask(running, np.zeros((1, 700, 1), "f4")).status_code == 200
        refused = ask(running, np.zeros((1, 800, 1), "f4"))
        assert refused.status_code == 413
        assert "12,800 numbers, and take 102,400 bytes of the 100,000" in refused.json()["error"]
        assert ask(running, np.zeros((1, 110, 1), "f4"), is_binary=False).status_code == 200
        refused = ask(running, np.zeros((1, 130, 1), "f4"), is_binary=False)
        assert refused.status_code == 413
        assert "ask for binary data" in refused.json()["error"]
        assert running.service.bodies._size == 0


def test_an_answer_counts_until_its_client_has_taken_it() -> None:
    with serving({"model": SEQUENCES}, bodies=32 << 20) as running:
        x = np.zeros((1, 200_000, 1), "f4")
        head = {"name": "x", "shape": [*x.shape], "datatype": "FP32", "parameters": {"binary_data_size": x.nbytes}}
        text = json.dumps({"inputs": [head], "parameters": {"binary_data_output": True}}).encode()
        lines = f"POST /v2/models/model/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text) + x.nbytes}\r\n"
        with socket.create_connection((running.host, running.port), timeout=30) as slow:
            slow.sendall(f"{lines}Inference-Header-Content-Length: {len(text)}\r\n\r\n".encode() + text + x.tobytes())
            assert slow.recv(1)
            until(lambda: 5 << 20 < running.service.bodies._size < 16 << 20)
        until(lambda: running.service.bodies._size == 0)


def test_an_answer_to_many_steps_is_bounded_and_changes_nothing() -> None:
    with serving({"model": SEQUENCES}, bodies=100_000) as running:
        with connect(f"ws://{running.address}/v2/models/model/stream") as connection:
            connection.recv(30)
            connection.send('{"op": "open"}')
            connection.recv(30)
            x = np.zeros((1, 800, 1), "f4")
            connection.send(HEAD.pack(1, 1, 0, 7, 1, 800) + np.array([0], "<u4").tobytes() + x.tobytes())
            assert "12,800 numbers, and take 102,400 bytes" in json.loads(connection.recv(30))["error"]
            connection.send(HEAD.pack(1, 1, 0, 7, 1, 700) + np.array([0], "<u4").tobytes() + x[:, :700].tobytes())
            answer = np.frombuffer(connection.recv(30), "<f4", offset=HEAD.size).reshape(1, 700, 16)
        np.testing.assert_allclose(answer, SEQUENCES.predict(x[:, :700], verbose=0), rtol=0, atol=1e-6)
        until(lambda: running.service.bodies._size == 0)


# --- messages ---------------------------------------------------------------------------------------


def upgraded(running: Running) -> socket.socket:
    """A websocket of bytes, behind its hello."""
    one = socket.create_connection((running.host, running.port), timeout=30)
    one.sendall(
        b"GET /v2/models/model/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    content = b""
    while b"hello" not in content:
        content += one.recv(65536)
    return one


def frame(content: bytes, size: int | None = None, opcode: int = 1, is_last: bool = True) -> bytes:
    """A frame of a client, or the first bytes of one of `size`."""
    length = len(content) if size is None else size
    mask = b"\0\0\0\0"
    return bytes([opcode | 0x80 * is_last, 0x80 | 127]) + struct.pack(">Q", length) + mask + content


def closing_code(one: socket.socket) -> int:
    """That of the last frame."""
    content = b""
    while part := one.recv(65536):
        content += part
    start = content.rindex(b"\x88")
    return int.from_bytes(content[start + 2 : start + 4], "big")


def test_what_has_come_of_messages_counts() -> None:
    with serving({"model": SEQUENCES}, body=100_000, bodies=100_000) as running:
        size = lambda: running.service.bodies._size  # noqa: E731
        with upgraded(running) as one, upgraded(running) as other:
            until(lambda: size() == 0)
            one.sendall(frame(b"x" * 60_000, 90_000))
            until(lambda: 60_000 <= size() < 61_000)
            other.sendall(frame(b"x" * 50_000, 90_000))
            assert closing_code(other) == 1013
            assert ask(running, np.zeros((1, 1, 1), "f4")).status_code == 200
            one.sendall(b"x" * 30_000)
            assert b"expected JSON" in one.recv(65536)
            until(lambda: size() == 0)
            one.sendall(frame(b"x" * 60_000, 90_000))
            until(lambda: size() > 60_000)
        until(lambda: size() == 0)


def test_messages_in_the_queue_count_and_pings_do_not() -> None:
    with serving({"model": SEQUENCES}) as running:
        with upgraded(running) as one:
            for _ in range(50):
                one.sendall(frame(b"", opcode=9) + frame(b"{") + frame(b"{", is_last=False))
                one.sendall(frame(b"", opcode=9) + frame(b"}", opcode=0))
            content = b""
            while content.count(b"error") < 100:
                content += one.recv(65536)
            until(lambda: running.service.bodies._size == 0)
            one.sendall(frame(b"", opcode=9) * 50)
            one.sendall(frame(b"{"))
            while content.count(b"error") < 101:
                content += one.recv(65536)
            until(lambda: running.service.bodies._size == 0)
        until(lambda: running.service.bodies._size == 0)


def test_a_message_counts_until_it_is_answered_though_its_client_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    let, step = threading.Event(), Sessions.step
    monkeypatch.setattr(Sessions, "step", lambda *arguments: let.wait(30) and step(*arguments))
    with serving({"model": SEQUENCES}) as running:
        one = upgraded(running)
        one.sendall(frame(b'{"op": "open"}'))
        assert b"sessions" in one.recv(65536)
        x = HEAD.pack(1, 1, 0, 7, 1, 1000) + np.array([0], "<u4").tobytes() + bytes(4000)
        one.sendall(frame(x, opcode=2))
        until(lambda: running.service.bodies._size > 60_000)  # the message, and its answer
        one.sendall(frame(b"x" * 1000))
        one.close()
        time.sleep(0.2)
        assert running.service.bodies._size > 60_000
        let.set()
        until(lambda: running.service.bodies._size == 0)


def test_a_message_that_does_not_come_ends_its_connection_alone() -> None:
    with serving({"model": SEQUENCES}, body_seconds=0.5) as running, upgraded(running) as idle:
        with upgraded(running) as one:
            begin = time.monotonic()
            one.sendall(frame(b"x" * 10, 90_000))
            assert closing_code(one) == 1008
            assert 0.4 < time.monotonic() - begin < 10
        with upgraded(running) as one:
            one.sendall(frame(b"x", is_last=False))
            for _ in range(5):  # a byte now and then
                time.sleep(0.05)
                one.sendall(frame(b"", opcode=9) + frame(b"x", opcode=0, is_last=False))
            assert closing_code(one) == 1008
        idle.sendall(frame(b"{"))
        assert b"expected JSON" in idle.recv(65536)


def test_fragments_are_bounded() -> None:
    with serving({"model": SEQUENCES}) as running, upgraded(running) as one:
        one.sendall(frame(b"", opcode=1, is_last=False) + frame(b"", opcode=0, is_last=False) * 20_000)
        assert closing_code(one) == 1008


def test_a_message_that_is_too_long_is_1009() -> None:
    with serving({"model": SEQUENCES}, body=1000) as running:
        with connect(f"ws://{running.address}/v2/models/model/stream") as connection:
            connection.recv(30)
            connection.send(bytes(1001))
            with pytest.raises(ConnectionClosed) as caught:
                connection.recv(30)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009
        until(lambda: running.service.bodies._size == 0)
