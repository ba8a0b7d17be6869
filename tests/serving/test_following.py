"""What goes on behind a model that could not be taken, and behind one that was."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

for package in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")

from fastgru.serving.reloading import follow
from fastgru.serving.workers import Workers


def test_a_model_that_cannot_take_its_place_ends_no_reloading(caplog: pytest.LogCaptureFixture) -> None:
    asked = []

    async def replace(served: Any) -> None:
        """There is no memory for the first model."""
        asked.append(served)
        if len(asked) == 1:
            raise MemoryError

    async def run() -> None:
        service: Any = SimpleNamespace(replace=replace)
        files: Any = SimpleNamespace(changed=lambda at_once: ["net"], taken=lambda names: [SimpleNamespace(name="net")])
        task = asyncio.create_task(follow(service, files, 0.01))
        while len(asked) < 2:
            await asyncio.sleep(0.01)
            assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    hangup = signal.getsignal(signal.SIGHUP)
    try:
        asyncio.run(asyncio.wait_for(run(), 30))
    finally:
        signal.signal(signal.SIGHUP, hangup)
    assert "'net' has not taken the place" in caplog.text


def test_what_a_reload_has_replaced_is_freed_when_a_worker_starts() -> None:
    class Cycle:
        def __init__(self) -> None:
            self.own = self

    workers = Workers(1, lambda number, alive: None, lambda at_once: False, None, 1.0)
    workers._forked = lambda: None
    model = Cycle()
    seen = weakref.ref(model)
    gc.freeze()  # as the start before did
    del model
    try:
        workers._due = {0: 0.0}
        workers._start_due()
        (child,) = workers._numbers
        assert os.waitpid(child, 0)[1] == 0
    finally:
        gc.unfreeze()
        for end in workers._alive:
            os.close(end)
    assert seen() is None
