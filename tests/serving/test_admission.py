"""Who may ask a service: who knows its token, and no page of another site through somebody's browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")
httpx: Any = pytest.importorskip("httpx", reason="the client of these tests")

from services import Running, serving
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential
from fastgru.serving.admission import Admission, is_loopback
from fastgru.serving.refusal import Refusal

MODEL = Sequential([Input((None, 3), name="x"), GRU(8), Dense(2, name="answer")])
BODY = {"inputs": [{"name": "x", "shape": [1, 1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}


@pytest.fixture(scope="module")
def local() -> Iterator[Running]:
    """A service as it listens to its own machine."""
    with serving({"model": MODEL}, Admission(hosts=["net.example"], is_local=True)) as running:
        yield running


def statuses(running: Running, **headers: str) -> list[int]:
    """What a request and a websocket with these headers are answered with."""
    path = "/v2/models/model"
    asked = httpx.post(f"{running.url}{path}/infer", json=BODY, headers=headers).status_code
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    with httpx.Client() as client, client.stream(
        "GET", f"{running.url}{path}/stream", headers=headers | upgrade | key
    ) as response:  # fmt: skip
        return [asked, response.status_code]


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST", "app.localhost:80", "127.0.0.1:9", "[::1]:8000", "10.0.0.7",
     "net.example", "NET.example.:443"],
)  # fmt: skip
def test_a_local_service_is_asked_by_names_that_lead_to_it(local: Running, host: str) -> None:
    assert statuses(local, host=host) == [200, 101]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "evil", "[::1", ""])
def test_a_name_that_somebody_elses_dns_leads_here_is_refused(local: Running, host: str) -> None:
    """Of a page of http://evil.example, whose name has come to mean 127.0.0.1, it is the same origin."""
    assert statuses(local, host=host) == [403, 403]
    assert statuses(local, host=host, origin=f"http://{host}") == [403, 403]
    response = httpx.get(f"{local.url}/metrics", headers={"host": host})
    assert "--allow-host" in response.json()["error"]


@pytest.mark.parametrize(
    "origin, host, status",
    [
        ("http://evil.example", None, 403),
        ("null", None, 403),
        ("http://localhost:3000", None, 403),  # another program's page on the same machine
        ("http://localhost:8000", "localhost:8000", 200),
        ("https://net.example", None, 200),  # behind a proxy that does not hand its own name on
        ("https://net.example:444", "net.example", 200),
        ("http://[", None, 403),
    ],
)
def test_a_page_may_ask_where_it_comes_from_and_if_its_host_is_allowed(
    local: Running, origin: str, host: str | None, status: int
) -> None:
    headers = {"origin": origin} | ({} if host is None else {"host": host})
    assert statuses(local, **headers) == [status, 101 if status == 200 else status]


def test_a_service_of_a_network_or_of_a_token_is_asked_by_any_name_and_by_no_page() -> None:
    for admission in (Admission(), Admission(hosts=["*"], is_local=True), Admission("s3cret", is_local=True)):
        with serving({"model": MODEL}, admission) as running:
            token = {"authorization": "Bearer s3cret"}
            assert statuses(running, host="gpu7.cluster.example", **token) == [200, 101]
            assert statuses(running, origin="http://evil.example", **token) == [403, 403]


def test_a_service_of_all_addresses_by_no_name_is_asked_by_no_page() -> None:
    scope = {"path": "/v2", "headers": [(b"host", b"gpu7:8000"), (b"origin", b"null")]}  # of a frame in a sandbox
    with pytest.raises(Refusal, match="another site"):
        Admission(hosts=[""]).check(scope)  # of --host ""


def test_an_allowed_name_may_end_in_the_dot_of_the_root() -> None:
    Admission(hosts=["net.example."], is_local=True).check({"path": "/v2", "headers": [(b"host", b"net.example")]})


@pytest.mark.parametrize(
    "host, is_right", [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("0.0.0.0", False), ("::", False)]
)
def test_what_an_address_is_reached_from(host: str, is_right: bool) -> None:
    assert is_loopback(host) is is_right


def test_a_token_is_asked_for_but_by_health() -> None:
    with serving({"model": MODEL}, Admission("s3cret")) as running:
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert httpx.get(running.url + path).status_code == 200
        for path in ("/v2", "/metrics", "/v2/models/model", "/nowhere"):
            for wrong in ({}, {"authorization": "Bearer s3cre"}, {"authorization": "s3cret"}):
                refused = httpx.get(running.url + path, headers=wrong)
                assert refused.status_code == 401
                assert "s3cret" not in refused.text
        right = {"authorization": "Bearer s3cret"}
        assert httpx.get(f"{running.url}/metrics", headers=right).status_code == 200
        assert httpx.post(f"{running.url}/v2/models/model/infer", json=BODY).status_code == 401
        assert httpx.post(f"{running.url}/v2/models/model/infer", json=BODY, headers=right).status_code == 200


def test_a_websocket_needs_the_token_too() -> None:
    with serving({"model": MODEL}, Admission("s3cret")) as running:
        address = f"ws://{running.address}/v2/models/model/stream"
        with pytest.raises(InvalidStatus) as caught, connect(address):
            pass
        assert caught.value.response.status_code == 401
        with connect(address, additional_headers={"Authorization": "Bearer s3cret"}) as one:
            assert json.loads(one.recv())["op"] == "hello"


def test_tritons_client_asks_a_local_service(local: Running) -> None:
    triton: Any = pytest.importorskip("tritonclient.http", reason="the client of the protocol")
    client = triton.InferenceServerClient(f"localhost:{local.port}")
    x = np.ones((2, 3, 3), np.float32)
    answer = client.infer("model", [triton.InferInput("x", x.shape, "FP32").set_data_from_numpy(x)]).as_numpy("answer")
    np.testing.assert_allclose(answer, MODEL.predict(x, verbose=0), rtol=0, atol=1e-6)
    client.close()
