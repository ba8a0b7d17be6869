"""`RemoteMonitor` posts what Keras's posts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

from fastgru.callbacks import RemoteMonitor


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.server.posts.append((self.path, self.headers["Content-Type"], self.headers["X-Key"], body))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.posts = []
        server.root = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


LOGS = {"loss": 0.5, "accuracy": np.float32(0.25), "by_class": np.array([1.0, 2.0])}
EXPECTED = {"epoch": 3, "loss": 0.5, "accuracy": 0.25, "by_class": [1.0, 2.0]}


def test_a_form_is_posted(server: Any) -> None:
    RemoteMonitor(server.root, field="numbers").on_epoch_end(3, LOGS)
    ((path, kind, _, body),) = server.posts
    assert (path, kind) == ("/publish/epoch/end/", "application/x-www-form-urlencoded")
    assert json.loads(parse_qs(body)["numbers"][0]) == EXPECTED


def test_json_is_posted_with_headers(server: Any) -> None:
    RemoteMonitor(server.root, path="/a", headers={"X-Key": "k"}, send_as_json=True).on_epoch_end(3, LOGS)
    ((path, kind, key, body),) = server.posts
    assert (path, kind, key) == ("/a", "application/json", "k")
    assert json.loads(body) == EXPECTED


def test_a_server_that_fails_or_is_not_there_ends_no_training(server: Any) -> None:
    RemoteMonitor(server.root, path="/broken").on_epoch_end(0, {})
    assert len(server.posts) == 1
    with pytest.warns(UserWarning, match=r"Could not reach RemoteMonitor root server at http://127.0.0.1:9 \("):
        RemoteMonitor("http://127.0.0.1:9").on_epoch_end(0, {})


def test_another_kind_of_address_is_refused() -> None:
    with pytest.raises(ValueError, match="http:// or https://"):
        RemoteMonitor("file:///etc")
