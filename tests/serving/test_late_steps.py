"""A step of a session that could not be answered in time has not happened: what has begun is answered, however late."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")

from services import serving
from soak.streams import connected
from soak.twins import FEATURES, TOLERANCE, Twin, model_of

from fastgru.streaming import Sessions

STEP = json.dumps({"op": "step", "sessions": [0], "data": [[1] * FEATURES]})


@pytest.fixture
def slowness(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that each step takes longer, from the first on; then none."""
    seconds: list[float] = []
    step = Sessions.step

    def slow(self: Sessions, *arguments: Any, **options: Any) -> Any:
        time.sleep(seconds.pop(0) if seconds else 0)
        return step(self, *arguments, **options)

    monkeypatch.setattr(Sessions, "step", slow)
    return seconds


def stepped(connection: Any) -> Any:
    connection.send(STEP)
    return json.loads(connection.recv(30))


def test_it_is_answered_where_it_had_begun_and_else_the_session_stays(slowness: list[float]) -> None:
    model, versions = model_of(1)
    twin = Twin(model, versions[0])
    expected, _states = twin.steps(np.ones((1, 3, FEATURES)), twin.new(1))
    with serving({"soaked": model}, answer_seconds=0.4) as running:
        url = f"ws://{running.address}/v2/models/soaked/stream"
        with connected(url) as first, connected(url) as second:
            for connection in (first, second):
                connection.send('{"op": "open"}')
                connection.recv(30)
            slowness.append(1.2)
            answers: list[Any] = []
            begun = threading.Thread(target=lambda: answers.append(stepped(first)))
            begun.start()
            while slowness:
                time.sleep(0.01)
            assert "no answer within 0.4 seconds" in stepped(second)["error"]  # it never left the queue
            begun.join()
            answers += [stepped(first), stepped(second)]
    outputs = [answer["outputs"]["dense"][0] for answer in answers]
    np.testing.assert_allclose(outputs, expected[0, [0, 1, 0]], atol=TOLERANCE)
