"""A message of many steps lets other connections step in between, and gives the bits of all steps at once."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")

from services import serving
from websockets.sync.client import connect

from fastgru.layers import GRU, Add, Dense, Embedding, Flatten, Input, TimeDistributed
from fastgru.models import Model, Sequential
from fastgru.serving import pieces
from fastgru.serving.bodies import Bodies
from fastgru.serving.gathering import Gatherer
from fastgru.serving.limits import Limits
from fastgru.serving.metrics import Metrics
from fastgru.serving.refusal import Refusal
from fastgru.serving.served import of_model
from fastgru.serving.streams import Streams
from fastgru.streaming import Sessions

DRAW = np.random.default_rng(41)
HEAD = struct.Struct("<BBHIII")


def network() -> Sequential:
    return Sequential([Input((None, 3), name="x"), GRU(8, return_sequences=True), GRU(6), Dense(2, name="answer")])


def word_network() -> Sequential:
    return Sequential([Input((None,), dtype="int32", name="x"), Embedding(9, 4), GRU(5, name="answer")])


@contextmanager
def opened(url: str) -> Iterator[Any]:
    with connect(url) as connection:
        connection.recv(30)
        connection.send('{"op": "open"}')
        connection.recv(30)
        yield connection


def stepped(connection: Any, x: Any) -> Any:
    """The answer (n, units) to n steps of session 0."""
    connection.send(HEAD.pack(1, 1, 0, 7, 1, len(x)) + np.array([0], "<u4").tobytes() + x.tobytes())
    return np.frombuffer(connection.recv(30), "<f4", offset=HEAD.size).reshape(len(x), -1)


def test_another_connection_steps_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "STEPS", 2)
    model, asked, let = network(), list[int](), threading.Event()
    step = Sessions.step

    def held(self: Sessions, ids: Any, x: Any) -> Any:
        asked.append(x.shape[1])
        assert let.wait(30)
        return step(self, ids, x)

    x = DRAW.standard_normal((9, 3)).astype("f4")
    sessions = Sessions(model, 2)
    expected = sessions.step([sessions.open()], x[None])[0]
    monkeypatch.setattr(Sessions, "step", held)
    with serving({"net": model}) as running:
        url = f"ws://{running.address}/v2/models/net/stream"
        gatherer = running.service.streams["net"]._gatherer
        with opened(url) as first, opened(url) as second:
            answers: dict[str, Any] = {}
            long = threading.Thread(target=lambda: answers.update(long=stepped(first, x)))
            long.start()
            while not asked:
                pass
            short = threading.Thread(target=lambda: answers.update(short=stepped(second, x[:1])))
            short.start()
            while not len(gatherer):
                pass
            let.set()
            short.join()
            long.join()
    assert asked == [2, 1, 2, 2, 2, 1]  # the second's one step behind the first piece, and with no break behind it
    np.testing.assert_array_equal(answers["short"], expected[:1])
    np.testing.assert_array_equal(answers["long"], expected)


def test_steps_in_front_of_a_piece_that_fails_are_not_made_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "STEPS", 4)
    limits = Limits()
    streams = Streams(of_model("net", network(), limits.batch), limits, Metrics(), Bodies(limits))
    sessions, x = streams.sessions, DRAW.standard_normal((2, 6, 3)).astype("f4")
    assert sessions is not None
    expected = sessions.step([sessions.open(), sessions.open()], x)
    ids, step, sizes = [sessions.open(), sessions.open()], sessions.step, list[int]()

    def without_memory(ids: Any, x: Any) -> Any:
        sizes.append(x.shape[1])
        if len(sizes) == 2:
            raise MemoryError
        return step(ids, x)

    monkeypatch.setattr(sessions, "step", without_memory)
    of_each = [(sessions, np.array([one]), row[None]) for one, row in zip(ids, x, strict=True)]  # one batch of two
    begun = streams._gatherer._answers(of_each)
    assert sizes == [2, 2]
    np.testing.assert_array_equal(np.concatenate([outputs[0] for outputs in begun]), expected[:, :2])
    np.testing.assert_array_equal(step(ids, x[:, 2:]), expected[:, 2:])


def test_pieces_are_short_and_all_of_a_message() -> None:
    plan = Sessions(network(), 1).plan
    x = DRAW.standard_normal((3, 10_000, 3)).astype("f4")
    parts = pieces.pieces(plan, x)
    assert max(part.shape[0] * part.shape[1] for part in parts) <= pieces.STEPS
    np.testing.assert_array_equal(np.concatenate(parts, 1), x)
    wide = Sessions(Sequential([Input((None, 3)), GRU(1024)]), 1).plan
    assert max(part.shape[1] for part in pieces.pieces(wide, x)) < 10
    assert [part.shape for part in pieces.pieces(plan, x[:0])] == [(0, 4096, 3), (0, 4096, 3), (0, 1808, 3)]


def test_a_word_that_there_is_not_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "STEPS", 2)
    model, words = word_network(), np.array([[1, 2, 3, 4, 5, 6, 7]], "i4")
    expected = model.predict_prefixes(words)[0]
    with serving({"net": model}) as running, opened(f"ws://{running.address}/v2/models/net/stream") as connection:
        np.testing.assert_allclose(stepped(connection, words[0, :3]), expected[:3], rtol=0, atol=1e-6)
        connection.send(json.dumps({"op": "step", "sessions": [0], "data": [[1, 2, 3, 99]]}))
        assert "from 0 to 8" in json.loads(connection.recv(30))["error"]
        np.testing.assert_allclose(stepped(connection, words[0, 3:]), expected[3:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("word", [9, -1, 0.5, np.nan, np.inf])
def test_of_words_with_one_that_there_is_not_a_step_is_tried_that_is_refused(word: float) -> None:
    sessions = Sessions(word_network(), 2)
    ids, words = [sessions.open(), sessions.open()], np.ones((2, 10_000), "f4")
    words[1, 6000] = words[0, 9000] = word
    (part,) = pieces.pieces(sessions.plan, words)
    np.testing.assert_array_equal(part, words[:, 6000:6001])
    with pytest.raises(ValueError, match=r"from 0 to 8|whole numbers"):
        sessions.step(ids, part)


def test_words_that_come_from_another_layer_are_not_cut_and_a_message_has_no_more_than_run_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "PRODUCTS", 1)
    x = Input((None, 2), dtype="int32", name="x")
    words = np.ones((1, 6, 2), "i4")
    for indices, count in ((x, 6), (Add()([x, x]), 1)):
        model = Model(x, GRU(3)(TimeDistributed(Flatten())(Embedding(9, 4)(indices))))
        assert len(pieces.pieces(Sessions(model, 1).plan, words)) == count
    monkeypatch.setattr(pieces, "STEPS", 5)
    with serving({"net": model}) as running, opened(f"ws://{running.address}/v2/models/net/stream") as connection:
        connection.send(json.dumps({"op": "step", "sessions": [0], "data": words.tolist()}))
        assert "takes 5 steps of sessions in a message, got 6" in json.loads(connection.recv(30))["error"]
        connection.send(json.dumps({"op": "step", "sessions": [0], "data": words[:, :5].tolist()}))
        assert np.shape(next(iter(json.loads(connection.recv(30))["outputs"].values()))) == (1, 5, 3)


def test_what_must_happen_waits_in_a_full_queue() -> None:
    """The end of sessions whose client has left: if it were refused, they would stay for good."""

    async def run() -> None:
        let = threading.Event()
        done: list[str] = []

        def compute(payloads: list[str]) -> list[None]:
            assert let.wait(30)
            done.extend(payloads)
            return [None] * len(payloads)

        gatherer = Gatherer(compute, 1, 0.0, 1, lambda *_: None)
        gatherer.start("test")
        tasks = [asyncio.create_task(gatherer.submit(object(), 0, "first", 30.0))]
        await asyncio.sleep(0.05)
        tasks += [asyncio.create_task(gatherer.submit(object(), 0, name, 30.0)) for name in ("second", "third")]
        tasks += [asyncio.create_task(gatherer.submit(object(), 0, "closing", None))]
        await asyncio.sleep(0.05)
        let.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        await gatherer.stop()
        assert done == ["first", "second", "closing"]
        assert isinstance(answers[2], Refusal)

    asyncio.run(asyncio.wait_for(run(), 30))
