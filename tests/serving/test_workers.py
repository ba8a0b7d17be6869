"""Several processes on one socket, kills, ends, and files that change under a running service: real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")

import httpx
from websockets.sync.client import connect

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential
from fastgru.serving.processes import shares
from fastgru.streaming import Sessions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="looks at processes through Linux's /proc"),
]

DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(2, 5, 3)).astype("float32")


def network(units: int = 4) -> Sequential:
    model = Sequential([Input((None, 3), name="seq"), GRU(units, return_sequences=True), Dense(2, name="answer")])
    model.set_weights([DRAW.normal(size=weight.shape) / 2 for weight in model.get_weights()])
    return model


class Command:
    """A running ``fastgru serve``.

    Attributes
    ----------
    url : str
    lines : list of str
        What it has printed and logged.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = re.findall(r"http://\S+:\d+", self.until(r"^Serving .* at"))[0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def until(self, pattern: str, seconds: float = 60, after: int = 0) -> str:
        """The first line that matches."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.lines[after:]:
                if re.search(pattern, line):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no line {pattern!r} in {''.join(self.lines)}")

    def workers(self, count: int) -> list[int]:
        """The processes of all workers, once they are there."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return eventually(lambda: [int(one) for one in children.read_text().split()], lambda all: len(all) == count)

    def infer(self, client: httpx.Client, x: Any = X) -> Any:
        tensor = {"name": "seq", "shape": x.shape, "datatype": "FP32", "data": x.ravel().tolist()}
        response = client.post(f"{self.url}/v2/models/net/infer", json={"inputs": [tensor]})
        assert response.status_code == 200, response.text
        output = response.json()["outputs"][0]
        return np.array(output["data"], "float32").reshape(output["shape"])


def eventually(value: Callable[[], Any], is_right: Callable[[Any], bool], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not is_right(result := value()):
        assert time.monotonic() < deadline, result
        time.sleep(0.05)
    return result


@contextmanager
def command(path: Path, *options: str, program: tuple[str, ...] = ("-m", "fastgru")) -> Iterator[Command]:
    words = [sys.executable, *program, "serve", f"net={path}", "--port", "0", *options]
    process = subprocess.Popen(
        words, cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    try:
        running = Command(process)
        with httpx.Client() as client:
            eventually(lambda: ready(client, running.url), bool)
        yield running
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert process.returncode == 0, "".join(running.lines)


def ready(client: httpx.Client, url: str) -> bool:
    with suppress(httpx.TransportError):
        return client.get(f"{url}/v2/health/ready").status_code == 200
    return False


@contextmanager
def asking(running: Command, count: int = 4, tolerated: tuple[type[Exception], ...] = ()) -> Iterator[list[Any]]:
    """Clients that ask all the time; the list gets each answer, and an exception that is not tolerated."""
    done, answers = threading.Event(), list[Any]()

    def ask() -> None:
        while not done.is_set():
            with httpx.Client(timeout=30) as client:
                try:
                    while not done.is_set():
                        answers.append(running.infer(client))
                except tolerated:
                    pass
                except Exception as error:
                    answers.append(error)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()


def right(answers: list[Any], *models: Any) -> None:
    """Every answer is that of one of the models, and each has answered."""
    expected = [model.predict(X, verbose=0) for model in models]
    kinds = set()
    for answer in answers:
        assert not isinstance(answer, Exception), answer
        (kind,) = [
            number
            for number, one in enumerate(expected)
            if answer.shape == one.shape and np.allclose(answer, one, atol=1e-6)
        ]
        kinds.add(kind)
    assert len(kinds) == len(models)


def test_threads_are_divided_among_workers() -> None:
    assert shares(8, 3) == [3, 3, 2]
    assert shares(2, 4) == [1, 1, 1, 1]


def test_a_killed_worker_is_started_again_and_other_requests_are_answered(tmp_path: Path) -> None:
    """A client loses what the killed process was at, and nobody else anything."""
    model, path = network(), tmp_path / "net.keras"
    model.save(path)
    with command(path, "--workers", "2") as running, asking(running, tolerated=(httpx.TransportError,)) as answers:
        for _ in range(2):
            first, second = running.workers(2)
            before = len(answers)
            os.kill(first, signal.SIGKILL)
            eventually(lambda before=before: len(answers), lambda count, before=before: count > before + 20)
            eventually(lambda: running.workers(2), lambda now, first=first: first not in now)
            assert second in running.workers(2)
        running.until(r"Worker \d \(process \d+\) ended by SIGKILL and is started again")
        time.sleep(0.5)
    right(answers, model)


def test_a_worker_adds_little_memory_of_its_own(tmp_path: Path) -> None:
    model, path = Sequential([Input((None, 3), name="seq"), GRU(2048), Dense(2)]), tmp_path / "net.keras"
    model.save(path)
    weights = 4 * model.count_params()
    assert weights > 50e6
    with command(path, "--workers", "2") as running, asking(running) as answers:
        eventually(lambda: len(answers), lambda count: count > 30)
        for worker in running.workers(2):
            text = Path(f"/proc/{worker}/smaps_rollup").read_text()
            private = sum(int(kib) for kib in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE)) * 1024
            assert private < weights / 2
            assert int(re.findall(r"^Rss: +(\d+)", text, re.MULTILINE)[0]) * 1024 > weights
    right(answers, model)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_all_behind_what_is_in_flight(workers: int, tmp_path: Path) -> None:
    model, path = network(), tmp_path / "net.keras"
    model.save(path)
    with command(path, "--workers", str(workers)) as running:
        children = running.workers(workers) if workers > 1 else []
        with asking(running, tolerated=(httpx.TransportError,)) as answers:
            eventually(lambda: len(answers), lambda count: count > 20)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(20) == 0
        right(answers, model)
        assert not any(Path(f"/proc/{child}").exists() for child in children)


SLOW = """
import sys, time
from fastgru import cli, saving
load, paths = saving.load_model, []
def slow(path):
    if path in paths:
        print("It is read anew", flush=True)
        time.sleep(600)
    paths.append(path)
    return load(path)
saving.load_model = slow
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_in_the_middle_of_a_reload_ends_all(workers: int, tmp_path: Path) -> None:
    model, path = network(), tmp_path / "net.keras"
    model.save(path)
    with command(path, "--workers", str(workers), program=("-c", SLOW)) as running:
        network().save(path)
        running.until("It is read anew")
        with httpx.Client() as client:
            np.testing.assert_allclose(running.infer(client), model.predict(X, verbose=0), atol=1e-6)
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(15) == 0
    assert "Traceback" not in "".join(running.lines)


def test_workers_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    network().save(path)
    with pytest.raises(AssertionError), command(path, "--workers", "2") as running:
        children = running.workers(2)
        running.process.kill()
        eventually(lambda: [one for one in children if Path(f"/proc/{one}").exists()], lambda left: not left)


@pytest.mark.parametrize("way", ["watched", "SIGHUP"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_changed_file_is_taken_without_a_lost_request(workers: int, way: str, tmp_path: Path) -> None:
    """Of the same shape and of another, and one that is damaged is not."""
    models, path = [network(), network(), network(6)], tmp_path / "net.keras"
    models[0].save(path)
    options = ["--workers", str(workers), "--look-every", "0.1" if way == "watched" else "0"]

    def changed(write: Callable[[], object]) -> None:
        write()
        if way == "SIGHUP":
            running.process.send_signal(signal.SIGHUP)

    with command(path, *options) as running:
        with asking(running) as answers:
            eventually(lambda: len(answers), lambda count: count > 20)
            for model in models[1:]:
                expected = model.predict(X, verbose=0)
                changed(lambda model=model: model.save(path))
                with httpx.Client() as client:
                    for _ in range(8):  # in a row: all workers have it
                        eventually(lambda: running.infer(client), lambda y, e=expected: np.allclose(y, e, atol=1e-6))
            seen, content = len(running.lines), path.read_bytes()
            for damaged in (content[: len(content) // 2], content[:300] + bytes(300) + content[600:], b""):
                changed(lambda damaged=damaged: path.write_bytes(damaged))
                running.until(r"Model 'net' goes on as it was, its changed file is not taken: .*net\.keras", after=seen)
                seen = len(running.lines)
                with httpx.Client() as client:
                    np.testing.assert_allclose(running.infer(client), expected, atol=1e-6)
        right(answers, *models)


def test_metrics_are_those_of_all_workers(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    network().save(path)
    with command(path, "--workers", "2") as running:
        for _ in range(30):
            with httpx.Client() as client:  # a connection each, so that both workers have some
                running.infer(client)

        def counted() -> float:
            text = httpx.get(f"{running.url}/metrics").text
            return float(
                re.findall(r'^fastgru_requests_total\{model="net",status="200"\} (\S+)', text, re.MULTILINE)[0]
            )

        assert [counted() for _ in range(6)] == [30.0] * 6


@pytest.mark.parametrize("workers", [1, 2])
def test_sessions_keep_their_states_over_a_reload_and_are_told_when_the_shape_changed(
    workers: int, tmp_path: Path
) -> None:
    models, path = [network(), network(), network(6)], tmp_path / "net.keras"
    models[0].save(path)
    sessions = Sessions(models[0], 1)
    session = sessions.open()
    with command(path, "--workers", str(workers), "--look-every", "0.1") as running:
        url = running.url.replace("http", "ws") + "/v2/models/net/stream"
        with connect(url) as socket:

            def asked(**message: Any) -> Any:
                socket.send(json.dumps(message))
                return json.loads(socket.recv(timeout=20))

            def step(x: Any) -> Any:
                return asked(op="step", sessions=[0], data=x[None].tolist())["outputs"]["answer"]

            assert json.loads(socket.recv(timeout=20))["op"] == "hello"
            assert asked(op="open")["sessions"] == [0]
            np.testing.assert_allclose(step(X[0, 0]), sessions.step([session], X[:1, 0]), atol=1e-6)
            # two models of one shape: which of them answers is seen in another session
            seen = len(running.lines)
            models[1].save(path)
            running.until("Model 'net' is read anew", after=seen)
            running.until("Model 'net' is read anew", after=seen + workers - 1)
            first = Sessions(models[1], 1)
            expected = first.step([first.open()], X[:1, 0])

            def first_step() -> Any:
                (number,) = asked(op="open")["sessions"]
                y = asked(op="step", sessions=[number], data=X[:1, 0].tolist())["outputs"]["answer"]
                asked(op="close", sessions=[number])
                return y

            eventually(first_step, lambda y: np.allclose(y, expected, atol=1e-6))
            sessions.reload(models[1])
            np.testing.assert_allclose(step(X[0, 1]), sessions.step([session], X[:1, 1]), atol=1e-6)
            models[2].save(path)
            news = json.loads(socket.recv(timeout=30))
            assert news["op"] == "reloaded" and news["lost"] == [0] and news["model"] == "net"
            assert "no session 0" in asked(op="step", sessions=[0], data=X[:1, 0].tolist())["error"]
            (number,) = asked(op="open")["sessions"]
            other = Sessions(models[2], 1)
            y = asked(op="step", sessions=[number], data=X[:1, 0].tolist())["outputs"]["answer"]
            np.testing.assert_allclose(y, other.step([other.open()], X[:1, 0]), atol=1e-6)
