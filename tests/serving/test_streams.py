"""Sessions over websockets, against `predict` of whole sequences."""

from __future__ import annotations

import asyncio
import json
import resource
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")
websockets: Any = pytest.importorskip("websockets", reason="fastgru serve needs the extra [serve]")

from services import Running, serving
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fastgru.layers import GRU, Bidirectional, Dense, Embedding, Input
from fastgru.models import Model, Sequential

DRAW = np.random.default_rng(29)
HEAD = struct.Struct("<BBHIII")


def two_outputs() -> Model:
    x = Input((None, 3), name="x")
    h = GRU(5, return_sequences=True)(x)
    return Model(x, [Dense(2, name="p")(h), Dense(1, name="q")(h)])


MODELS = {
    "plain": Sequential([Input((None, 3), name="x"), GRU(8, return_sequences=True), GRU(6), Dense(2, name="answer")]),
    "words": Sequential([Input((None,), dtype="int32", name="x"), Embedding(9, 4), GRU(5, name="answer")]),
    "two": two_outputs(),
    "both_ways": Sequential([Input((None, 3), name="x"), Bidirectional(GRU(4))]),
    "stateful": Sequential([Input(batch_shape=(1, 4, 3), name="x"), GRU(4, stateful=True, name="answer")]),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving(MODELS, sessions=64) as service:
        yield service


def address(running: Running, name: str = "plain") -> str:
    return f"ws://{running.address}/v2/models/{name}/stream"


class Talk:
    """One connection, which asks and is answered."""

    def __init__(self, running: Running, name: str = "plain", **options: Any) -> None:
        self._open = ExitStack()
        self.socket = self._open.enter_context(connect(address(running, name), **options))
        self.hello = json.loads(self.socket.recv())

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: Any) -> None:
        self._open.close()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        self.socket.send(json.dumps({"op": op, **fields}))
        return json.loads(self.socket.recv())

    def step(self, sessions: list[int], x: Any, name: str = "answer") -> Any:
        return np.array(self.ask("step", sessions=sessions, data=np.asarray(x).tolist())["outputs"][name], "f4")

    def step_in_bytes(self, sessions: list[int], x: Any, steps: int) -> tuple[bytes, bytes]:
        """The head and the numbers of the answer."""
        head = HEAD.pack(1, 1, 0, 77, len(sessions), steps)
        self.socket.send(head + np.array(sessions, "<u4").tobytes() + x.tobytes())
        answer = self.socket.recv()
        return answer[: HEAD.size], answer[HEAD.size :]


def prefixes(name: str, x: Any) -> Any:
    return MODELS[name].predict_prefixes(x)


def test_it_says_what_it_takes(running: Running) -> None:
    with Talk(running, subprotocols=["fastgru.stream.v1"]) as talk:
        assert talk.socket.subprotocol == "fastgru.stream.v1"
        assert talk.hello == {
            "op": "hello",
            "protocol": "fastgru.stream.v1",
            "model": "plain",
            "input": {"name": "x", "datatype": "FP32", "shape": [3]},
            "outputs": [{"name": "answer", "datatype": "FP32"}],
        }


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1), (6,), (2, 1, 3)])
def test_steps_are_the_sequence(running: Running, sizes: tuple[int, ...]) -> None:
    x = DRAW.standard_normal((2, 6, 3)).astype("f4")
    with Talk(running) as talk:
        a, b = talk.ask("open", count=2, id="o")["sessions"]
        answers, start = [], 0
        for size in sizes:
            part = x[::-1, start : start + size]
            answers.append(talk.step([b, a], part if size > 1 else part[:, 0]).reshape(2, size, 2)[::-1])
            start += size
        np.testing.assert_allclose(np.concatenate(answers, 1), prefixes("plain", x), rtol=0, atol=1e-6)


def test_steps_in_bytes_are_those_of_json(running: Running) -> None:
    x = DRAW.standard_normal((2, 4, 3)).astype("f4")
    with Talk(running) as talk:
        numbers = talk.ask("open", count=2)["sessions"]
        head, first = talk.step_in_bytes(numbers, np.ascontiguousarray(x[:, 0]), 0)
        assert head == HEAD.pack(1, 1, 0, 77, 2, 0)
        _head, rest = talk.step_in_bytes(numbers, np.ascontiguousarray(x[:, 1:]), 3)
        answers = [np.frombuffer(first, "<f4").reshape(2, 1, 2), np.frombuffer(rest, "<f4").reshape(2, 3, 2)]
        np.testing.assert_allclose(np.concatenate(answers, 1), prefixes("plain", x), rtol=0, atol=1e-6)


def test_word_ids_and_several_outputs(running: Running) -> None:
    words = DRAW.integers(0, 9, (1, 4)).astype("i4")
    with Talk(running, "words") as talk:
        (number,) = talk.ask("open")["sessions"]
        talk.step_in_bytes([number], words[:, :2], 2)
        answers = [talk.step([number], words[:, step]) for step in (2, 3)]
        np.testing.assert_allclose(np.stack(answers, 1), prefixes("words", words)[:, 2:], rtol=0, atol=1e-6)
    x = DRAW.standard_normal((1, 2, 3)).astype("f4")
    with Talk(running, "two") as talk:
        (number,) = talk.ask("open")["sessions"]
        outputs = talk.ask("step", sessions=[number], data=x.tolist())["outputs"]
        for name, expected in zip("pq", MODELS["two"].predict(x, verbose=0), strict=True):
            np.testing.assert_allclose(outputs[name], expected, rtol=0, atol=1e-6)


def test_a_session_is_reset_copied_and_put_back(running: Running) -> None:
    x = DRAW.standard_normal((3, 1, 3)).astype("f4")
    with Talk(running) as talk:
        (number,) = talk.ask("open")["sessions"]
        first = talk.step([number], x[0])
        twin = talk.ask("fork", session=number)["session"]
        snapshot = talk.ask("snapshot", sessions=[number])["snapshot"]
        second = talk.step([number], x[1])
        np.testing.assert_array_equal(talk.step([twin], x[1]), second)
        assert talk.ask("reset", sessions=[number]) == {"op": "reset"}
        np.testing.assert_array_equal(talk.step([number], x[0]), first)
    with Talk(running) as later:
        (back,) = later.ask("restore", snapshot=snapshot)["sessions"]
        np.testing.assert_array_equal(later.step([back], x[1]), second)
        assert later.ask("close", sessions=[back], id=5) == {"op": "close", "id": 5}
        assert "no session 0" in later.ask("step", sessions=[back], data=x[1].tolist())["error"]


def test_a_stateful_model_streams_and_answers_no_single_requests(running: Running) -> None:
    import httpx

    x = DRAW.standard_normal((1, 4, 3)).astype("f4")
    with Talk(running, "stateful") as talk:
        (number,) = talk.ask("open")["sessions"]
        assert talk.step([number], x).shape == (1, 4, 4)
    tensor = {"name": "x", "shape": [1, 4, 3], "datatype": "FP32", "data": x.tolist()}
    response = httpx.post(f"{running.url}/v2/models/stateful/infer", json={"inputs": [tensor]})
    assert response.status_code == 400
    assert "stateful" in response.json()["error"]


@pytest.mark.parametrize(
    "frame, sentence",
    [
        ("{", "expected JSON"),
        ("[" * 100_000, "nested too deep"),
        ("[]", "expected a JSON object"),
        ('{"op": "fly"}', "expected op to be one of open, step"),
        ('{"op": ["open"]}', "expected op to be one of open, step"),
        ('{"op": "open", "id": {}}', "expected id to be"),
        ('{"op": "open", "colour": 1}', "expected count beside op and id"),
        ('{"op": "open", "count": 0}', "how many sessions"),
        ('{"op": "open", "count": true}', "how many sessions"),
        ('{"op": "open", "count": 1000000000000}', "of the 64 slots are free and 1000000000000 asked for"),
        ('{"op": "step", "sessions": [0]}', "expected sessions and data"),
        ('{"op": "step", "sessions": 0, "data": []}', "expected sessions to be a list of numbers"),
        ('{"op": "step", "sessions": [0, 0], "data": [[1, 2, 3], [1, 2, 3]]}', "name each once"),
        ('{"op": "step", "sessions": [9], "data": [[1, 2, 3]]}', "no session 9"),
        ('{"op": "step", "sessions": [0], "data": [[1, 2]]}', r"got [1, 2]"),
        ('{"op": "step", "sessions": [0], "data": [[1, 2, 3], [1, 2, 3]]}', r"got [2, 3]"),
        ('{"op": "step", "sessions": [0], "data": [[]]}', r"got [1, 0]"),
        ('{"op": "step", "sessions": [0], "data": [[1, 2, "3"]]}', "values of FP32"),
        ('{"op": "step", "sessions": [0], "data": [[1, 2], [3]]}', "values of FP32"),
        ('{"op": "step", "sessions": [0], "data": [[1, 2, NaN]]}', "no NaN"),
        ('{"op": "restore", "snapshot": "!"}', "base64"),
        ('{"op": "restore", "snapshot": "AAAA"}', "Sessions.restore"),
        ('{"op": "restore", "snapshot": 3}', "a snapshot as it was answered"),
        ('{"op": "fork", "session": 7}', "no session 7"),
        (b"", "a head of 16 bytes"),
        (HEAD.pack(2, 1, 0, 1, 1, 0) + bytes(16), "version 1"),
        (HEAD.pack(1, 9, 0, 1, 1, 0) + bytes(16), "operation 9"),
        (HEAD.pack(1, 1, 0, 1, 1, 0) + bytes(15), "take 32 bytes, got 31"),
        (HEAD.pack(1, 1, 0, 1, 0xFFFFFFFF, 0xFFFFFFFF), "sessions"),
    ],
)
def test_garbage_is_an_error_and_the_connection_goes_on(running: Running, frame: Any, sentence: str) -> None:
    x = DRAW.standard_normal((1, 2, 3)).astype("f4")
    with Talk(running) as talk:
        talk.ask("open")
        first = talk.step([0], x[:, 0])
        talk.socket.send(frame)
        assert sentence in json.loads(talk.socket.recv())["error"]
        np.testing.assert_allclose(np.stack([first, talk.step([0], x[:, 1])], 1), prefixes("plain", x), atol=1e-6)


def test_messages_that_cannot_run_harm_none_of_those_beside(running: Running) -> None:
    """Steps of one moment are one call: an unknown word, or one session more than data, is its sender's alone."""

    async def talk(data: Any, count: int, answers: dict[Any, Any]) -> None:
        async with connect_async(address(running, "words")) as socket:
            await socket.recv()
            await socket.send(json.dumps({"op": "open", "count": count}))
            await socket.recv()
            await socket.send(json.dumps({"op": "step", "sessions": list(range(count)), "data": data}))
            answers[str(data)] = json.loads(await socket.recv())

    async def all_at_once() -> dict[Any, Any]:
        answers: dict[Any, Any] = {}
        asked = [([1], 1), ([2], 1), ([99], 1), ([3, 4], 1), ([5], 2), ([6, 7], 2)]
        await asyncio.gather(*(talk(data, count, answers) for data, count in asked))
        return answers

    for _ in range(5):
        answers = asyncio.run(all_at_once())
        assert "from 0 to 8" in answers["[99]"]["error"]
        assert "expected data of shape [1]" in answers["[3, 4]"]["error"]
        assert "expected data of shape [2]" in answers["[5]"]["error"]
        for words in ([1], [2], [6, 7]):
            expected = MODELS["words"].predict(np.array(words)[:, None], verbose=0)
            np.testing.assert_allclose(answers[str(words)]["outputs"]["answer"], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "name, options, sentence",
    [
        ("both_ways", {}, "Bidirectional"),
        ("nobody", {}, "there is no model"),
        ("plain", {"subprotocols": ["fastgru.stream.v9"]}, "fastgru.stream.v1"),
        ("plain", {"origin": "http://evil.example"}, "another site"),
    ],
)
def test_who_cannot_stream_is_told_why(running: Running, name: str, options: Any, sentence: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        Talk(running, name, **options)
    assert caught.value.response.status_code in (400, 403, 404)
    assert sentence in json.loads(caught.value.response.body)["error"]


def test_a_refusal_is_no_error_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    with serving({"plain": MODELS["plain"]}) as running:
        for path in ("models/nobody/stream", "models/plain", "models/plain/infer"):
            with pytest.raises(InvalidStatus) as caught, connect(f"ws://{running.address}/v2/{path}"):
                pass
            assert caught.value.response.status_code == 404
            assert "plain" in json.loads(caught.value.response.body)["error"]
    assert capsys.readouterr().err == ""


def open_sessions(running: Running, name: str = "plain") -> int:
    sessions = running.service.streams[name].sessions
    assert sessions is not None
    return len(sessions)


def until(holds: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_lost_connection_closes_its_sessions(running: Running) -> None:
    until(lambda: open_sessions(running) == 0)
    talk = Talk(running)
    talk.ask("open", count=60)
    with Talk(running) as other:
        assert "4 of the 64 slots are free and 5 asked for" in other.ask("open", count=5)["error"]
        assert open_sessions(running) == 60
        talk.socket.socket.close()  # without a word
        until(lambda: open_sessions(running) == 0)
        assert len(other.ask("open", count=64)["sessions"]) == 64


def test_a_message_that_is_too_long_ends_its_connection_alone() -> None:
    with serving({"plain": MODELS["plain"]}, body=1000) as running, Talk(running) as other:
        with Talk(running) as talk, pytest.raises(ConnectionClosed):
            talk.ask("step", sessions=[0], data=[0] * 1000)
        assert other.ask("open")["sessions"] == [0]


def test_a_client_that_reads_nothing_is_left_and_its_sessions_closed(capfd: pytest.CaptureFixture[str]) -> None:
    with serving({"plain": MODELS["plain"]}, answer_seconds=0.5) as running, Talk(running) as other:

        async def asks_and_reads_nothing() -> None:
            async with connect_async(address(running), max_queue=1) as socket:
                await socket.send(json.dumps({"op": "open", "count": 1}))
                data = np.zeros((1, 4000, 3)).tolist()
                with pytest.raises(ConnectionClosed):
                    while True:
                        await socket.send(json.dumps({"op": "step", "sessions": [0], "data": data}))

        asyncio.run(asyncio.wait_for(asks_and_reads_nothing(), 60))
        until(lambda: open_sessions(running) == 0)
        assert other.ask("open")["sessions"] == [0]
    assert "Traceback" not in capfd.readouterr().err  # it is no error of the service's


def test_connections_are_bounded() -> None:
    with serving({"plain": MODELS["plain"]}, connections=2) as running, Talk(running), Talk(running) as second:
        with pytest.raises(InvalidStatus) as caught:
            Talk(running)
        assert caught.value.response.status_code == 503
        assert second.ask("open")["sessions"] == [0]


def test_a_session_expires() -> None:
    with serving({"plain": MODELS["plain"]}, session_seconds=0.2) as running, Talk(running) as talk:
        talk.ask("open")
        time.sleep(0.4)
        answer = talk.ask("step", sessions=[0], data=[[1, 2, 3]])
        assert "session 0 has expired" in answer["error"]
        assert talk.ask("open")["sessions"] == [1]
        assert talk.ask("close", sessions=[0, 1]) == {"op": "close"}
        assert talk.ask("close", sessions=[0])["error"] == "this connection has no session 0."
        assert open_sessions(running) == 0


def test_sessions_that_expire_leave_nothing_behind() -> None:
    with serving({"plain": MODELS["plain"]}, session_seconds=0.02, sessions=8) as running, Talk(running) as talk:
        with Talk(running) as other:
            other.ask("open", count=8)
            for round in range(5):
                time.sleep(0.05)
                assert talk.ask("open", count=8)["sessions"] == list(range(8 * round, 8 * round + 8))
            assert "no session 7" in other.ask("step", sessions=[7], data=[[1, 2, 3]])["error"]
        streams = running.service.streams["plain"]
        (connection,) = streams._open
        assert sorted(connection.own.ids) == list(range(32, 40))
        assert len(streams._holders) == 8


@pytest.mark.slow
def test_a_thousand_connections_stream_at_once() -> None:
    count, steps = 1000, 12
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 3 * count:
        if hard < 3 * count and hard != resource.RLIM_INFINITY:
            pytest.skip(f"both ends of {count} connections take more than the {hard} files of this process")
        resource.setrlimit(resource.RLIMIT_NOFILE, (3 * count, hard))
    x = DRAW.standard_normal((count, steps, 3)).astype("f4")
    answers = np.empty((count, steps, 2), "f4")

    async def talk(running: Running, index: int, opened: list[int], at_once: asyncio.Event) -> None:
        async with connect_async(address(running), open_timeout=120, ping_timeout=120) as socket:
            await socket.recv()
            await socket.send('{"op": "open"}')
            (number,) = json.loads(await socket.recv())["sessions"]
            opened.append(number)
            if len(opened) == count:
                at_once.set()
            await at_once.wait()
            for step in range(steps):
                head = HEAD.pack(1, 1, 0, step, 1, 0) + np.array([number], "<u4").tobytes()
                await socket.send(head + x[index, step].tobytes())
                answers[index, step] = np.frombuffer(await socket.recv(), "<f4", offset=HEAD.size)

    async def all_of_them(running: Running) -> None:
        opened: list[int] = []
        at_once = asyncio.Event()
        await asyncio.gather(*(talk(running, index, opened, at_once) for index in range(count)))

    with serving({"plain": MODELS["plain"]}) as running:
        asyncio.run(all_of_them(running))
        text = running.service.metrics.text().decode()
        until(lambda: open_sessions(running) == 0)
    np.testing.assert_allclose(answers, prefixes("plain", x), rtol=0, atol=1e-6)
    assert f'fastgru_steps_total{{model="plain"}} {float(count * steps)}' in text
    gathered = float(text.split('fastgru_step_messages_count{model="plain"} ')[1].split()[0])
    assert gathered < count * steps / 4  # steps of a moment were one call
