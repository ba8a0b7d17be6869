"""A real server of some models, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn

from fastgru.serving.admission import Admission
from fastgru.serving.app import Service
from fastgru.serving.limits import Limits
from fastgru.serving.served import Served, of_model
from fastgru.serving.server import bound, configured


class Running:
    """Where a service listens, and what runs it."""

    def __init__(self, service: Service, listener: Any) -> None:
        self.service = service
        self.host, self.port = listener.getsockname()[:2]
        self.address = f"{self.host}:{self.port}"
        self.url = f"http://{self.address}"


def served(models: dict[str, Any], limits: Limits) -> list[Served]:
    return [
        one if isinstance(one, Served) else of_model(name, one, limits.batch, limits.numbers)
        for name, one in models.items()
    ]


@contextmanager
def serving(
    models: dict[str, Any] | Sequence[Served], admission: Admission | None = None, **limits: Any
) -> Iterator[Running]:
    bounds = Limits(**limits)
    service = Service(served(models, bounds) if isinstance(models, dict) else models, bounds, admission)
    with bound("127.0.0.1", 0) as listener:
        server = uvicorn.Server(configured(service))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
                assert thread.is_alive()
            yield Running(service, listener)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
