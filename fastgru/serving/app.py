"""The service as an ASGI application: its addresses, and what all requests have in common."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.routing import Route, Router, WebSocketRoute

import fastgru
from fastgru.serving import requests
from fastgru.serving.admission import Admission
from fastgru.serving.bodies import Bodies, Gone
from fastgru.serving.gathering import Gatherer
from fastgru.serving.limits import Limits
from fastgru.serving.metrics import Metrics
from fastgru.serving.refusal import Refusal
from fastgru.serving.served import Served
from fastgru.serving.streams import Streams
from fastgru.types import Array

__all__ = ["Service"]

logger = logging.getLogger("fastgru.serving")
_JSON = (b"content-type", b"application/json")


class Service:
    """Answers for some models, in one process.

    Parameters
    ----------
    models : sequence of Served
    limits : Limits
    admission : Admission, optional
        Who may ask; everybody where it is left out.

    Notes
    -----
    Threads and the event loop's own begin at the lifespan's start, behind a fork if there is one, as do the coroutines
    of `beside`, which end with it.
    """

    def __init__(self, models: Sequence[Served], limits: Limits, admission: Admission | None = None) -> None:
        self.models = {model.name: model for model in models}
        self.limits = limits
        self.metrics = Metrics()
        self.is_ready = False
        self.beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._admission = admission or Admission()
        self.bodies = Bodies(limits)
        self._open_streams = 0
        self._gatherers = {name: self._gatherer(name) for name in self.models}
        self.streams = {model.name: Streams(model, limits, self.metrics, self.bodies) for model in models}
        model = "/v2/models/{name}"
        self._router = Router(
            [
                *(  # first what is asked for most: the router looks from above
                    Route(f"{path}{rest}", endpoint, methods=methods)
                    for rest, endpoint, methods in (
                        ("/infer", _Application(self._infer), ["POST"]),
                        ("", self._model, ["GET"]),
                        ("/ready", self._model_readiness, ["GET"]),
                    )
                    for path in (model, f"{model}/versions/{{version}}")
                ),
                WebSocketRoute(f"{model}/stream", _Application(self._stream)),
                Route("/v2", self._server),
                Route("/v2/health/live", self._live),
                Route("/v2/health/ready", self._readiness),
                Route("/metrics", self._metrics),
            ],
            redirect_slashes=False,
            default=_Application(self._nothing),
            lifespan=self._lifespan,
        )

    def _gatherer(self, name: str) -> Gatherer:
        limits, metrics = self.limits, self.metrics
        metrics.queue.labels(name).set_function(lambda: len(self._gatherers[name]))
        return Gatherer(
            _computed,
            limits.batch,
            limits.delay,
            limits.queue,
            partial(metrics.ran, name),
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Any) -> AsyncIterator[None]:
        for name, gatherer in self._gatherers.items():
            gatherer.start(f"fastgru {name}")
            self.streams[name].start()
        tasks = [asyncio.create_task(work()) for work in self.beside]
        self.is_ready = True
        yield
        self.is_ready = False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for gatherer in self._gatherers.values():
            await gatherer.stop()
        for streams in self.streams.values():
            await streams.stop()

    async def replace(self, served: Served) -> None:
        """Let another model of the same name answer from here on; what came before is answered by the one before."""
        self.models[served.name] = served
        await self.streams[served.name].replace(served)

    def count(self) -> None:
        """Write down what is counted when somebody asks, for those who ask another process of the service."""
        for name, gatherer in self._gatherers.items():
            self.metrics.queue.labels(name).set(len(gatherer))
            self.metrics.sessions.labels(name).set(len(self.streams[name]))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._router(scope, receive, send)
            return
        scope["app"] = self  # so that the router raises what it has no answer for
        begun = False

        async def sending(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            self._admission.check(scope)
            await self._router(scope, receive, sending)
        except Gone:
            return
        except Exception as error:
            if begun:
                raise
            refusal = _refusal(error)
            prefix = "websocket.http" if scope["type"] == "websocket" else "http"
            await _respond(send, refusal.status, _error(refusal.sentence), _JSON, *refusal.headers, prefix=prefix)

    def _served(self, parameters: Any) -> Served:
        name, version = parameters["name"], parameters.get("version")
        served = self.models.get(name)
        if served is None:
            raise Refusal(404, f"there is no model {name[:100]!r}; there are {self._names()}.")
        if version not in (None, served.version):
            what = f"model {name!r} of version {version[:100]!r}"
            raise Refusal(404, f"there is no {what}; there is version {served.version!r}.")
        return served

    # --- what there is ------------------------------------------------------------------------------

    async def _nothing(self, scope: Any, _receive: Any, _send: Any) -> None:
        path = scope["path"]
        if scope["type"] == "http" and path.endswith("/stream"):
            sentence = "a stream is a websocket; open it with a client of websockets."
        else:
            sentence = f"there is nothing at {path[:100]!r}; at /v2/models/NAME are {self._names()}."
        raise Refusal(404, sentence)

    def _names(self) -> str:
        return ", ".join(map(repr, self.models))

    async def _server(self, _request: HTTPRequest) -> Response:
        return _json({"name": "fastgru", "version": fastgru.__version__, "extensions": ["binary_tensor_data"]})

    async def _live(self, _request: HTTPRequest) -> Response:
        return _json({"live": True})

    async def _readiness(self, _request: HTTPRequest) -> Response:
        return _json({"ready": self.is_ready}, 200 if self.is_ready else 503)

    async def _metrics(self, _request: HTTPRequest) -> Response:
        return Response(self.metrics.text(), media_type=self.metrics.content_type)

    async def _model(self, request: HTTPRequest) -> Response:
        return _json(self._served(request.path_params).metadata())

    async def _model_readiness(self, request: HTTPRequest) -> Response:
        served = self._served(request.path_params)
        return _json({"name": served.name, "ready": self.is_ready}, 200 if self.is_ready else 503)

    # --- what is computed ---------------------------------------------------------------------------

    async def _infer(self, scope: Any, receive: Any, send: Any) -> None:
        served = self._served(scope["path_params"])
        begin = perf_counter()
        try:
            headers = dict(scope["headers"])
            with self.bodies.held(headers) as body:
                content = await self.bodies.read(body, headers, receive)
                content, json_size = await self._answer(served, headers, content, body)
        except Gone:
            self.metrics.answered(served.name, 499, perf_counter() - begin)  # nginx's word for it
            raise
        except Exception as error:
            self.metrics.answered(served.name, _refusal(error).status, perf_counter() - begin)
            raise
        if json_size is None:
            await _respond(send, 200, content, _JSON)
        else:
            size = (b"inference-header-content-length", b"%d" % json_size)
            await _respond(send, 200, content, (b"content-type", b"application/octet-stream"), size)
        self.metrics.answered(served.name, 200, perf_counter() - begin)

    async def _answer(self, served: Served, headers: Any, content: bytes, body: Any) -> tuple[bytes, int | None]:
        json_size = headers.get(b"inference-header-content-length")
        request = requests.parsed(content, None if json_size is None else json_size.decode("latin-1"))
        served.check_outputs(request.outputs)
        inputs, rows, key = served.checked(request.inputs)
        if served.sizes is not None:
            body.size += self.bodies.hold_answer(served.sizes.answered(inputs), request.is_all_binary)
        seconds = min(self.limits.answer_seconds, request.seconds or self.limits.answer_seconds)
        # who has checked a request computes it, whatever stands in `models` by then
        outputs = await self._gatherers[served.name].submit((served, key), rows, (served, inputs), seconds)
        return requests.answer(served.name, served.version, request, served.output_names, outputs)

    async def _stream(self, scope: Any, receive: Any, send: Any) -> None:
        served = self._served(scope["path_params"])
        if self._open_streams >= self.limits.connections:  # uvicorn counts requests alone
            raise Refusal(503, f"{self.limits.connections} connections are open; come again later.")
        self._open_streams += 1
        try:
            await self.streams[served.name].converse(scope, receive, send)
        finally:
            self._open_streams -= 1


def _computed(requests: list[tuple[Served, list[Array]]]) -> list[list[Array]]:
    """The answers to requests of one model."""
    served, _ = requests[0]
    return served.compute([inputs for _, inputs in requests])


class _Application:
    """A method as an application, which Starlette does not wrap a request and a response around."""

    def __init__(self, method: Any) -> None:
        self._method = method

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._method(scope, receive, send)


def _refusal(error: Exception) -> Refusal:
    """What who asked is told of an error."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException):
        headers = error.headers or {}
        sentence = f"{error.detail}: expected {headers['Allow']}." if "Allow" in headers else f"{error.detail}."
        return Refusal(
            error.status_code, sentence, *((name.encode(), value.encode()) for name, value in headers.items())
        )
    if isinstance(error, ValueError):  # the model's own word on its input
        return Refusal(400, str(error))
    if isinstance(error, MemoryError):
        return Refusal(503, "there is not enough memory for this request.")
    logger.error("A request failed.", exc_info=error)
    return Refusal(500, "an error of the service's own; its log says more.")


def _error(sentence: str) -> bytes:
    return json.dumps({"error": sentence}).encode()


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")


async def _respond(send: Any, status: int, content: bytes, *headers: tuple[bytes, bytes], prefix: str = "http") -> None:
    size = (b"content-length", b"%d" % len(content))
    await send({"type": f"{prefix}.response.start", "status": status, "headers": [size, *headers]})
    await send({"type": f"{prefix}.response.body", "body": content})
