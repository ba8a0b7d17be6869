"""What a service counts, for Prometheus."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    multiprocess,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

__all__ = ["Metrics"]

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's: where processes leave their numbers for each other
_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_ROWS = tuple(1 << power for power in range(11))


class Metrics:
    """The counters of one process, each by the name of the model.

    Where PROMETHEUS_MULTIPROC_DIR stood in the environment when this was imported, `text` adds up those of all
    processes of the service, and leaves out what is known of one alone, its memory say.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        common: dict[str, Any] = {"namespace": "fastgru", "labelnames": ["model"], "registry": registry}
        self._requests = Counter(
            "requests", "Answers to requests to infer, by status.", ["model", "status"], "fastgru", registry=registry
        )
        self._request_seconds = Histogram(
            "request_seconds", "From the head of a request to its answer.", buckets=_SECONDS, **common
        )
        self._rows = Counter("rows", "Rows that were computed.", **common)
        self._batch_rows = Histogram("batch_rows", "Rows of a batch.", buckets=_ROWS, **common)
        self._batch_requests = Histogram("batch_requests", "Requests of a batch.", buckets=_ROWS, **common)
        self._batch_seconds = Histogram("batch_seconds", "The model's part of a batch.", buckets=_SECONDS, **common)
        of_all: dict[str, Any] = {"multiprocess_mode": "livesum", **common}
        self.queue = Gauge("queue_requests", "Requests that have not begun to run.", **of_all)
        self.sessions = Gauge("sessions", "Sessions that are open.", **of_all)
        self.connections = Gauge("stream_connections", "Websockets that are open.", **of_all)
        self._steps = Counter("steps", "Steps of sessions that were computed.", **common)
        self._step_messages = Histogram(
            "step_messages", "Messages of connections that were one step.", buckets=_ROWS, **common
        )
        self._step_seconds = Histogram("step_seconds", "The model's part of such a step.", buckets=_SECONDS, **common)
        # looked up once: `labels` checks its arguments each time
        self._requests_of = cache(lambda model, status: self._requests.labels(model, str(status)))
        self._request_seconds_of = cache(self._request_seconds.labels)
        batches = self._rows, self._batch_rows, self._batch_requests, self._batch_seconds
        self._batches_of = cache(lambda model: [one.labels(model) for one in batches])

    def answered(self, model: str, status: int, seconds: float) -> None:
        self._requests_of(model, status).inc()
        self._request_seconds_of(model).observe(seconds)

    def ran(self, model: str, requests: int, rows: int, seconds: float) -> None:
        count, batch_rows, batch_requests, batch_seconds = self._batches_of(model)
        count.inc(rows)
        batch_rows.observe(rows)
        batch_requests.observe(requests)
        batch_seconds.observe(seconds)

    def stepped(self, model: str, messages: int, steps: int, seconds: float) -> None:
        if steps:  # and no other operation
            self._steps.labels(model).inc(steps)
            self._step_messages.labels(model).observe(messages)
            self._step_seconds.labels(model).observe(seconds)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        if DIRECTORY not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
