"""`fastgru serve` as a process: what it says, and how it ends."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")
httpx: Any = pytest.importorskip("httpx", reason="the client of these tests")

from paths import ROOT

from fastgru.layers import GRU, Bidirectional, Dense, Input
from fastgru.models import Sequential, load_model
from fastgru.serving.messages import FIELDS, PROTOCOL
from fastgru.serving.metrics import Metrics


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    Sequential([Input((None, 3), name="x"), GRU(8), Dense(2, name="answer")]).save(folder / "small.keras")
    Sequential([Input((None, 1), name="x"), GRU(128), Dense(2, name="answer")]).save(folder / "large.keras")
    return folder


@contextmanager
def started(folder: Path, *words: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the line that it says at its start."""
    command = [sys.executable, "-m", "fastgru", "serve", *words, "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def url(line: str) -> str:
    address = re.search(r"http://\S+?(?=/v2)", line)
    assert address is not None, line
    return address[0]


def request(x: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}
    return {"inputs": [tensor]}


def ready(address: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            assert httpx.get(f"{address}/v2/health/ready", verify=False).status_code == 200
            return
        except httpx.TransportError:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_it_says_once_where_it_listens_and_what_it_serves(folder: Path) -> None:
    with started(folder, "small.keras", "other=large.keras", "--threads", "1") as (process, line):
        assert re.fullmatch(r"Serving small, other at http://127\.0\.0\.1:\d+/v2, 1 thread \(Ctrl-C ends\)\n", line)
        ready(url(line))
        x = np.zeros((1, 2, 3), "f4")
        assert httpx.post(f"{url(line)}/v2/models/small/infer", json=request(x)).status_code == 200
        assert httpx.get(f"{url(line)}/v2/models/other").json()["name"] == "other"
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("signal_, status", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_what_is_in_flight_is_answered_and_nothing_new(folder: Path, signal_: signal.Signals, status: int) -> None:
    x = np.random.default_rng(3).standard_normal((16, 20_000, 1)).astype("f4")  # of some seconds
    with started(folder, "large.keras", "--timeout", "120", "--grace", "60") as (process, line):
        ready(url(line))
        connection = http.client.HTTPConnection(url(line).removeprefix("http://"), timeout=120)
        connection.request("POST", "/v2/models/large/infer", *in_bytes(x))
        time.sleep(0.5)
        process.send_signal(signal_)
        end = time.monotonic() + 10
        with pytest.raises(httpx.TransportError):
            while time.monotonic() < end:
                httpx.get(f"{url(line)}/v2", timeout=10, verify=False)
                time.sleep(0.01)
        (output,) = json.loads(connection.getresponse().read())["outputs"]
        _out, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert err == ("" if status == 0 else "fastgru: the service has ended\n")
    expected = load_model(folder / "large.keras").predict(x, verbose=0)
    np.testing.assert_allclose(np.reshape(output["data"], (16, 2)), expected, rtol=0, atol=1e-5)


def test_ctrl_c_ends_workers_with_its_own_status(folder: Path) -> None:
    with started(folder, "small.keras", "--workers", "2") as (process, line):
        ready(url(line))
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "fastgru: the service has ended\n")


LONG = np.zeros((1, 400_000, 1), "f4")  # computed for a minute


def in_bytes(x: Any) -> tuple[bytes, dict[str, str]]:
    """The body of a request, and its header."""
    head = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "parameters": {"binary_data_size": x.nbytes}}
    text = json.dumps({"inputs": [head]}).encode()
    return text + x.tobytes(), {"Inference-Header-Content-Length": str(len(text))}


@pytest.mark.parametrize("length, content", [(100, b"{"), (None, LONG)], ids=["half a body", "a long computation"])
def test_the_end_has_a_bound(folder: Path, length: int | None, content: Any) -> None:
    with started(folder, "large.keras", "--grace", "1", "--threads", "1") as (process, line):
        ready(url(line))
        connection = http.client.HTTPConnection(url(line).removeprefix("http://"), timeout=60)
        body, headers = in_bytes(content) if length is None else (content, {"Content-Length": str(length)})
        connection.request("POST", "/v2/models/large/infer", body, headers)
        time.sleep(0.5)
        begin = time.monotonic()
        process.terminate()
        process.wait(30)
        assert time.monotonic() - begin < 20
        assert process.returncode == 0


def test_the_token_of_the_environment_is_asked_for(folder: Path) -> None:
    with started(folder, "small.keras", FASTGRU_TOKEN="s3cret") as (_process, line):
        ready(url(line))
        assert "s3cret" not in line
        assert httpx.get(f"{url(line)}/v2").status_code == 401
        assert httpx.get(f"{url(line)}/v2", headers={"authorization": "Bearer s3cret"}).status_code == 200


def test_a_service_of_this_machine_takes_no_name_but_those_that_are_allowed(folder: Path) -> None:
    with started(folder, "small.keras", "--allow-host", "net.example") as (_process, line):
        ready(url(line))
        statuses = [
            httpx.get(f"{url(line)}/v2", headers={"host": host}).status_code
            for host in ("localhost", "net.example:80", "evil.example")
        ]
    assert statuses == [200, 200, 403]


@pytest.mark.parametrize("token, warnings", [({}, 1), ({"FASTGRU_TOKEN": "s3cret"}, 0)])
def test_a_service_that_everybody_may_ask_says_so(folder: Path, token: dict[str, str], warnings: int) -> None:
    with started(folder, "small.keras", "--host", "0.0.0.0", **token) as (process, line):
        ready(url(line))
        assert httpx.get(f"{url(line)}/v2/health/live", headers={"host": "net.example"}).status_code == 200
        process.terminate()
        _out, err = process.communicate(timeout=30)
    assert err.count("fastgru: warning: --host 0.0.0.0 without a token: everybody") == warnings
    assert err.count("\n") == warnings


def test_an_access_log_is_written_where_it_is_asked_for(folder: Path) -> None:
    with started(folder, "small.keras", "--access-log") as (process, line):
        ready(url(line))
        httpx.get(f"{url(line)}/v2/models/small")
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert '"GET /v2/models/small HTTP/1.1" 200' in out + err


def test_a_dry_run_says_what_would_be_served(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    status, out, _err = run("serve", "small.keras", "--dry-run")
    assert (status, out) == (0, "small: x FP32[-1, -1, 3] -> answer FP32[-1, 2]\n")
    Sequential([Input((None, 3), name="x"), Bidirectional(GRU(2), name="both")]).save("both.keras")
    status, out, _err = run("serve", "both.keras", "--dry-run")
    assert status == 0
    assert out.startswith("both: x FP32[-1, -1, 3] -> both FP32[-1, 4]; no stream (")
    assert "'both' (Bidirectional) cannot stream" in out


@pytest.mark.parametrize(
    "words, status, sentence",
    [
        (["small.keras", "x=small.keras", "small=large.keras"], 1, "there are two models named 'small'"),
        (["a/b=small.keras"], 1, "expected a name of letters"),
        (["my model.keras"], 1, "say NAME='my model.keras'"),
        (["x="], 1, "x=: expected NAME=MODEL"),
        (["nothing.keras"], 1, "nothing.keras"),
        (["small.keras", "--host", "no.such.host.invalid"], 1, "--host no.such.host.invalid"),
        (["small.keras", "--max-delay", "soon"], 2, "expected a number of at least 0"),
        (["small.keras", "--timeout", "0"], 2, "expected a number of at least 0.001"),
        (["small.keras", "--token", ""], 2, "expected a token of printable characters"),
        (["small.keras", "--allow-host", "net.example:80"], 2, "expected the name of a host without a port"),
        (["small.keras", "--max-batch", "0"], 2, "expected a whole number of at least 1"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, sentence: str
) -> None:
    monkeypatch.chdir(folder)
    done, _out, err = run("serve", *words)
    assert done == status
    assert sentence in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken_is_said(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with started(folder, "small.keras") as (_process, line):
        status, _out, err = run("serve", "small.keras", "--port", url(line).rpartition(":")[2])
    assert status == 1
    assert re.fullmatch(r"fastgru: --host \S+ --port \d+: Address already in use; take another, or 0 for .*\.\n", err)


def test_the_page_names_every_option_metric_and_message(run: Any) -> None:
    page = (ROOT / "docs/howto/serving.md").read_text(encoding="utf-8")
    _status, out, _err = run("serve", "--help")
    names = {*re.findall(r"--[a-z-]+", out)} - {"--help"}
    names |= {f"`{op}`" for op in FIELDS} | {PROTOCOL}
    metrics = re.findall(r"^# TYPE (fastgru_\w+)", Metrics().text().decode(), re.MULTILINE)
    names |= {f"`{name}`" for name in metrics if not name.endswith("_created")}
    assert len(names) > 30
    assert [name for name in sorted(names) if name not in page] == []


def test_without_the_extra_its_name_is_said(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: (name != "uvicorn" and find_spec(name, *more)) or None
    )
    monkeypatch.chdir(folder)
    status, _out, err = run("serve", "small.keras")
    assert status == 1
    assert err == "fastgru: serve: needs uvicorn, which is not installed: pip install 'fastgru[serve]'.\n"


def test_other_commands_load_nothing_of_it(folder: Path) -> None:
    program = "import sys; from fastgru import cli; cli.main(['info']); print({*sys.argv} & {*sys.modules})"
    command = [sys.executable, "-c", program, "starlette", "uvicorn", "anyio", "prometheus_client"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_answer_is_json_of_the_protocol(folder: Path) -> None:
    with started(folder, "small.keras") as (_process, line):
        ready(url(line))
        response = httpx.post(
            f"{url(line)}/v2/models/small/infer", content=json.dumps({**request(np.ones((1, 1, 3))), "id": "7"})
        )
    assert response.json()["id"] == "7"
    assert response.headers["content-type"] == "application/json"
