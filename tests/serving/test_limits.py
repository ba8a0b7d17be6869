"""What a service refuses, and that what it refuses costs no other request."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")
httpx: Any = pytest.importorskip("httpx", reason="the client of these tests")

from services import Running, serving

from fastgru import config
from fastgru.layers import GRU, Dense, Embedding, Flatten, Input, TextVectorization
from fastgru.models import Sequential
from fastgru.serving.limits import Limits
from fastgru.serving.served import Served, Tensor, of_model
from fastgru.types import Array

DRAW = np.random.default_rng(31)


def network() -> Sequential:
    return Sequential([Input((None, 3), name="x"), GRU(8), Dense(2, name="answer")])


MODEL = network()
WORDS = Sequential([Input((None,), dtype="int32", name="words"), Embedding(9, 4), GRU(5, name="answer")])


def body(x: Any, input: str = "x", datatype: str = "FP32", **fields: Any) -> dict[str, Any]:
    tensor = {"name": input, "shape": list(np.shape(x)), "datatype": datatype, "data": np.asarray(x).tolist()}
    return {"inputs": [tensor], **fields}


def ask(running: Running, x: Any, name: str = "model", **fields: Any) -> Any:
    # unverified: no certificate is asked for, and to read those of all authorities takes longer than the request
    url = f"{running.url}/v2/models/{name}/infer"
    return httpx.post(url, json=body(x, **fields), timeout=30, verify=False)


def numbers(response: Any) -> Array:
    (output,) = response.json()["outputs"]
    return np.array(output["data"], "f4").reshape(output["shape"])


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving({"model": MODEL, "words": WORDS}, body=100_000, body_seconds=1.0) as service:
        yield service


class Held:
    """A model that answers when it is let, and notes the rows of its batches."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.rows: list[int] = []

    def predict(self, arrays: list[Array]) -> list[Array]:
        self.rows.append(len(arrays[0]))
        assert self.let.wait(30)
        return [2 * arrays[0][:, 0]]

    def served(self, name: str = "model") -> Served:
        return Served(name, [Tensor("x", "FP32", (None, 3), np.dtype("f4"))], [Tensor("y", "FP32", (3,))], self.predict)


def until(holds: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


X = DRAW.standard_normal((1, 4, 3)).astype("f4")


def test_a_full_queue_is_429_and_says_when_to_come_again() -> None:
    held = Held()
    with serving([held.served()], queue=2) as running, ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, running, X)
        until(lambda: held.rows)
        queued = [pool.submit(ask, running, X * factor) for factor in (2, 3)]
        until(lambda: len(running.service._gatherers["model"]) == 2)
        refused = ask(running, X)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert "queue" in refused.json()["error"]
        held.let.set()
        for factor, answer in enumerate([first, *queued], 1):
            np.testing.assert_array_equal(numbers(answer.result()), 2 * factor * X[:, 0])
        assert held.rows == [1, 2]  # those of the queue ran together


def test_requests_share_batches_up_to_the_bound_and_by_shape() -> None:
    held = Held()
    inputs = [X, *(np.repeat(X, rows, 0) for rows in (2, 2, 3, 9)), X[:, :2], X]
    with serving([held.served()], batch=4) as running, ThreadPoolExecutor(8) as pool:
        answers = []
        for index, x in enumerate(inputs):
            answers.append(pool.submit(ask, running, x))
            until(lambda: held.rows)
            until(lambda index=index: len(running.service._gatherers["model"]) == index)
        held.let.set()
        for x, answer in zip(inputs, answers, strict=True):
            np.testing.assert_array_equal(numbers(answer.result()), 2 * x[:, 0])
    assert held.rows == [1, 4, 4, 9, 1]  # 1; 2 + 2; 3 + 1; 9 alone; two steps


def test_nobody_waits_where_nobody_is_beside() -> None:
    with serving({"model": MODEL}, delay=20.0) as running:
        for _ in range(3):
            begin = time.monotonic()
            assert ask(running, X).status_code == 200
            assert time.monotonic() - begin < 10


def test_company_that_was_there_is_awaited_so_long_and_no_longer() -> None:
    held = Held()
    with serving([held.served()], delay=2.0) as running, ThreadPoolExecutor(4) as pool:
        gatherer = running.service._gatherers["model"]
        first = pool.submit(ask, running, X)
        until(lambda: held.rows)
        queued = [pool.submit(ask, running, X) for _ in range(2)]
        until(lambda: len(gatherer) == 2)
        held.let.set()
        assert [one.result().status_code for one in (first, *queued)] == [200] * 3
        together = [pool.submit(ask, running, X) for _ in range(2)]
        assert [one.result().status_code for one in together] == [200] * 2
        assert held.rows == [1, 2, 2]
        begin = time.monotonic()
        assert ask(running, X).status_code == 200
        assert 1.9 < time.monotonic() - begin < 10
        begin = time.monotonic()
        assert ask(running, X).status_code == 200
        assert time.monotonic() - begin < 1.9


@pytest.mark.parametrize("limits, fields", [({"answer_seconds": 0.2}, {}), ({}, {"parameters": {"timeout": 50_000}})])
def test_an_answer_that_does_not_come_is_504_and_the_next_one_comes(limits: Any, fields: Any) -> None:
    held = Held()
    with serving([held.served()], **limits) as running:
        begin = time.monotonic()
        assert ask(running, X, **fields).status_code == 504
        assert time.monotonic() - begin < 20  # and not after the 30 seconds of the service
        held.let.set()
        until(lambda: ask(running, X).status_code == 200)


def test_what_is_wrong_with_one_request_is_told_to_that_one_alone(running: Running) -> None:
    words = [[[1, 2]], [[3, 4]], [[99, 1]], [[5, 6]]] * 6
    with ThreadPoolExecutor(len(words)) as pool:
        asked = [(one, pool.submit(ask, running, one, "words", input="words", datatype="INT32")) for one in words]
    for one, answer in asked:
        if one[0][0] == 99:
            assert answer.result().status_code == 400
            assert "from 0 to 8" in answer.result().json()["error"]
        else:
            expected = WORDS.predict(np.array(one), verbose=0)
            np.testing.assert_allclose(numbers(answer.result()), expected, rtol=0, atol=1e-6)


def test_a_row_has_the_same_bits_in_any_company(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_products", "tiles")
    model = Sequential([Input((None, 3), name="x"), GRU(33), Dense(5, name="answer")])
    inputs = DRAW.standard_normal((40, 1, 7, 3)).astype("f4")
    with serving({"model": model}) as running, ThreadPoolExecutor(40) as pool:
        alone = [numbers(ask(running, x)) for x in inputs]
        beside = list(pool.map(lambda x: numbers(ask(running, x)), inputs))
    np.testing.assert_array_equal(beside, alone)


def test_rows_that_depend_on_their_batch_do_not_share_one() -> None:
    texts = TextVectorization(vocabulary=["the", "cat"])  # as long as the longest text beside
    model = Sequential([Input((), dtype="string", name="text"), texts, Embedding(4, 3), GRU(4, name="answer")])
    asked = [["the"], ["the cat the cat"]] * 8
    with serving({"model": model}) as running, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: numbers(ask(running, text, input="text", datatype="BYTES")), asked))
    for text, answer in zip(asked, answers, strict=True):
        expected = model.predict(np.array(text, object), verbose=0)
        np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-6)


# --- bodies -----------------------------------------------------------------------------------------


def infer(running: Running, content: Any, **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(f"{running.url}/v2/models/model/infer", content=content, headers=names, timeout=30, verify=False)


def test_a_body_that_is_too_long_is_413(running: Running) -> None:
    assert infer(running, bytes(100_001)).status_code == 413
    assert infer(running, iter([bytes(60_000)] * 2)).status_code == 413  # of no length that is known before
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < 100_000
    assert infer(running, bomb, content_encoding="gzip").status_code == 413
    assert ask(running, X).status_code == 200


@pytest.mark.parametrize(
    "content, headers, status",
    [
        (gzip.compress(b"{}", mtime=0)[:-1], {"content_encoding": "gzip"}, 400),
        (b"no gzip", {"content_encoding": "gzip"}, 400),
        (b"{}", {"content_encoding": "br"}, 415),
        (b"{}", {"inference_header_content_length": "3"}, 400),
        (b"{}", {"inference_header_content_length": "-1"}, 400),
        (b"{}", {"inference_header_content_length": "9" * 5000}, 400),
    ],
)
def test_headers_that_lie_are_refused(running: Running, content: bytes, headers: Any, status: int) -> None:
    response = infer(running, content, **headers)
    assert response.status_code == status
    assert set(response.json()) == {"error"}


def tensor(**fields: Any) -> bytes:
    return json.dumps({"inputs": [{"name": "x", "shape": [1, 1, 3], "datatype": "FP32", **fields}]}).encode()


NESTED = "[" * 40_000 + "]" * 40_000
GARBAGE = {
    "nothing": b"",
    "no JSON": b"\xff\xfe\x00",
    "a list": b"[]",
    "no inputs": b"{}",
    "inputs of text": b'{"inputs": "x"}',
    "an input without a name": b'{"inputs": [{}]}',
    "a name twice": b'{"inputs": [{"name": "x"}, {"name": "x"}]}',
    "deep": NESTED.encode(),
    "deep data": b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": %s}]}' % NESTED.encode(),
    "an unknown word": b'{"inputs": [], "colour": 1}',
    "an id that is no text": b'{"inputs": [], "id": 7}',
    "NaN": tensor(data=[1, 2, float("nan")]),
    "Infinity": tensor(data=[1, 2, float("inf")]),
    "a number of many digits": tensor(data=[1, 2]).replace(b"[1, 2]", b"[" + b"1" * 9000 + b"]"),
    "unequal lists": tensor(shape=[1, 2, 3], data=[[[1, 2, 3], [1, 2]]]),
    "texts for numbers": tensor(data=["1", "2", "3"]),
    "true for a number": tensor(data=[True, False, True]),
    "null": tensor(data=[1, None, 3]),
    "objects": tensor(data=[{}, {}, {}]),
    "too few": tensor(data=[1, 2]),
    "a number that does not fit": tensor(datatype="UINT8", data=[1, 2, 256]),
    "a fraction": tensor(datatype="INT32", data=[1, 2, 2.5]),
    "a huge shape": tensor(shape=[1 << 40, 1 << 40, 3], data=[]),
    "a huge shape of nothing": tensor(shape=[1 << 61, 0, 3], data=[]),
    "many steps of nothing": tensor(shape=[0, 1 << 30, 3], data=[]),
    "many axes": tensor(shape=[1] * 1000, data=[1]),
    "a negative size": tensor(shape=[-1, 1, 3], data=[1, 2, 3]),
    "a size of a fraction": tensor(shape=[1.0, 1, 3], data=[1, 2, 3]),
    "a size that is true": tensor(shape=[True, 1, 3], data=[1, 2, 3]),
    "an unknown datatype": tensor(datatype="FP12", data=[1, 2, 3]),
    "a datatype that is a list": tensor(datatype=[], data=[1, 2, 3]),
    "BF16": tensor(datatype="BF16", data=[1, 2, 3]),
    "no data": tensor(),
    "data twice": tensor(data=[1, 2, 3], parameters={"binary_data_size": 12}),
    "bytes that are not there": tensor(parameters={"binary_data_size": 12}),
    "bytes of another size": tensor(parameters={"binary_data_size": 0}),
    "a negative number of bytes": tensor(parameters={"binary_data_size": -12}),
    "shared memory": tensor(parameters={"shared_memory_region": "r", "shared_memory_byte_size": 12}),
    "parameters that are a list": tensor(data=[1, 2, 3], parameters=[1]),
    "outputs that are none": tensor(data=[1, 2, 3])[:-1] + b', "outputs": 3}',
    "a timeout of no time": tensor(data=[1, 2, 3])[:-1] + b', "parameters": {"timeout": 0}}',
}


def test_no_rows_of_a_model_of_wide_rows_are_answered() -> None:
    with serving({"model": Sequential([Input((300, 300), name="x"), Dense(2), Flatten(name="answer")])}) as running:
        assert ask(running, np.zeros((0, 300, 300))).json()["outputs"][0]["shape"] == [0, 600]


def test_a_timeout_may_be_as_long_as_a_client_likes(running: Running) -> None:
    assert ask(running, X, parameters={"timeout": 10**400}).status_code == 200


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_400_in_a_sentence_and_soon(running: Running, kind: str) -> None:
    begin = time.monotonic()
    response = infer(running, GARBAGE[kind])
    assert response.status_code == 400
    (sentence,) = response.json().values()
    assert sentence.endswith(".")
    assert len(sentence) < 600
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    "content, sentence",
    [
        (struct.pack("<I", 5) + b"abc", "end inside of text 0"),
        (b"\x01\x00", "end inside of text 0"),
        (struct.pack("<I", 2) + b"\xff\xff", "not UTF-8"),
        (struct.pack("<I", 1) + b"a" + bytes(4), "4 bytes behind the 1 texts"),
        (struct.pack("<I", 0xFFFFFFFF), "end inside of text 0"),
        (b"", "has 1 values, got 0"),
    ],
)
def test_texts_in_bytes_that_lie_are_refused(running: Running, content: bytes, sentence: str) -> None:
    head = {"name": "x", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(content)}}
    text = json.dumps({"inputs": [head]}).encode()
    response = infer(running, text + content, inference_header_content_length=str(len(text)))
    assert response.status_code == 400
    assert sentence in response.json()["error"]


# --- sockets ----------------------------------------------------------------------------------------


def answered(running: Running, content: bytes) -> bytes:
    """All that the service says to some bytes until it closes the connection."""
    with socket.create_connection((running.host, running.port), timeout=10) as one:
        one.sendall(content)
        parts = []
        while part := one.recv(65536):
            parts.append(part)
        return b"".join(parts)


POST = b"POST /v2/models/model/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"


def test_a_body_that_does_not_come_is_408(running: Running) -> None:
    begin = time.monotonic()
    answer = answered(running, POST + b"\r\n" + b'{"inputs"')
    assert answer.startswith(b"HTTP/1.1 408")
    assert 0.9 < time.monotonic() - begin < 9


@pytest.mark.parametrize("half", [b"", b"GET /v2 HTTP/1.1\r\nHo", POST])
def test_a_head_that_does_not_come_ends_the_connection(running: Running, half: bytes) -> None:
    assert answered(running, half) == b""


def test_half_a_head_behind_a_whole_request_ends_the_connection(running: Running) -> None:
    with socket.create_connection((running.host, running.port), timeout=10) as one:
        one.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(one)
        answer.begin()
        assert answer.status == 200 and json.loads(answer.read())  # all of it, which may come in pieces
        one.sendall(b"GET /v2")
        assert one.recv(65536) == b""


HELLO_OF_TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20


@pytest.mark.parametrize("garbage", [bytes(100), b"GET", HELLO_OF_TLS])
def test_bytes_that_are_no_request_are_400(running: Running, garbage: bytes) -> None:
    assert answered(running, garbage + b"\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert ask(running, X).status_code == 200


def test_clients_that_die_cost_no_other_request() -> None:
    held = Held()
    with serving([held.served()]) as running, ThreadPoolExecutor(8) as pool:
        content = json.dumps(body(X)).encode()
        whole = POST.replace(b"100", b"%d" % len(content)) + b"\r\n" + content
        others = [pool.submit(ask, running, X * factor) for factor in range(1, 5)]
        for stop in (len(whole), len(whole) - 10, 30):
            with socket.create_connection((running.host, running.port)) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no farewell
                one.sendall(whole[:stop])
        held.let.set()
        for factor, answer in enumerate(others, 1):
            np.testing.assert_array_equal(numbers(answer.result()), 2 * factor * X[:, 0])
        assert running.service.bodies._size == 0


def test_a_reader_that_is_slow_is_waited_for_by_nobody_else() -> None:
    wide = Sequential([Input((None, 1), name="x"), GRU(64, return_sequences=True, name="answer")])
    with serving({"wide": wide, "model": MODEL}) as running:
        content = json.dumps(body(np.zeros((1, 20_000, 1)))).encode()
        head = POST.replace(b"models/model", b"models/wide").replace(b"100", b"%d" % len(content))
        with socket.create_connection((running.host, running.port)) as slow:
            slow.sendall(head + b"\r\n" + content)
            time.sleep(1)
            begin = time.monotonic()
            assert ask(running, X).status_code == 200
            assert time.monotonic() - begin < 10


def test_a_client_that_takes_no_answer_is_left() -> None:
    wide = Sequential([Input((None, 1), name="x"), GRU(64, return_sequences=True, name="answer")])
    with serving({"wide": wide}, answer_seconds=1.0) as running:
        content = json.dumps(body(np.zeros((1, 20_000, 1)))).encode()
        head = POST.replace(b"models/model", b"models/wide").replace(b"100", b"%d" % len(content))
        with socket.create_connection((running.host, running.port), timeout=30) as slow:
            slow.sendall(head + b"\r\n" + content)
            answer = slow.recv(65536)
            length = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
            time.sleep(3)
            size = len(answer)
            with suppress(ConnectionResetError):
                while part := slow.recv(1 << 20):
                    size += len(part)
            assert size < length


# --- how many ----------------------------------------------------------------------


def test_memory_for_bodies_is_bounded() -> None:
    held = Held()
    with serving([held.served()], body=1000, bodies=1000) as running, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, running, X)
        until(lambda: held.rows)
        refused = infer(running, bytes(1000))
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        held.let.set()
        assert first.result().status_code == 200
        assert infer(running, bytes(1000)).status_code == 400


@pytest.mark.parametrize("header", [b"Transfer-Encoding: chunked", b"Content-Length: 1000"])
def test_bodies_that_are_announced_and_do_not_come_cost_no_other_request(header: bytes) -> None:
    with serving({"model": MODEL}, body=1000, bodies=1000) as running:
        announced = POST.replace(b"Content-Length: 100", header) + b"\r\n"
        with socket.create_connection((running.host, running.port)) as one:
            one.sendall(announced)
            time.sleep(0.2)
            assert ask(running, X).status_code == 200


def test_what_has_come_of_bodies_counts() -> None:
    with serving({"model": MODEL}, body=1000, bodies=1000) as running:
        announced = POST.replace(b"Length: 100", b"Length: 1000") + b"\r\n"
        with socket.create_connection((running.host, running.port)) as one:
            one.sendall(announced + bytes(900))
            until(lambda: running.service.bodies._size == 900)
            assert ask(running, X).status_code == 429
        until(lambda: running.service.bodies._size == 0)
        assert ask(running, X).status_code == 200


def test_connections_are_bounded() -> None:
    with serving({"model": MODEL}, connections=3) as running:
        sockets = [socket.create_connection((running.host, running.port)) for _ in range(4)]
        until(lambda: httpx.get(f"{running.url}/v2").status_code == 503)
        for one in sockets:
            one.close()
        until(lambda: httpx.get(f"{running.url}/v2").status_code == 200)


def test_an_error_of_a_models_own_is_500_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    def fails(_arrays: list[Array]) -> list[Array]:
        raise KeyError("s3cret")

    broken = Served("model", [Tensor("x", "FP32", (None, 3))], [Tensor("y", "FP32", (3,))], fails)
    with serving([broken]) as running:
        response = ask(running, X)
        assert response.status_code == 500
        assert "s3cret" not in response.text
    assert "s3cret" in caplog.text


def test_another_model_takes_the_place_of_one_between_two_batches() -> None:
    other = network()
    with serving({"model": MODEL}) as running:
        before = numbers(ask(running, X))
        running.service.models["model"] = of_model("model", other, Limits().batch)
        after = numbers(ask(running, X))
    np.testing.assert_allclose(before, MODEL.predict(X, verbose=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(after, other.predict(X, verbose=0), rtol=0, atol=1e-6)
