"""`fastgru serve` under load and abuse: no wrong answer, no other status than the one that fits, flat memory."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastgru import config
from fastgru.models import clone_model
from soak import garbage
from soak.process import open_files, resident
from soak.streams import Streamer, babble, connected
from soak.twins import FEATURES, Twin, model_of

__all__ = ["Outcome", "soak"]

NAME = "soaked"
INFER = f"/v2/models/{NAME}/infer"


class Outcome(NamedTuple):
    """Of a soak: what clients did, by their kind, and the server's bytes behind each round."""

    counts: Counter[str]
    memory: list[int]
    files: list[int]


class Soak:
    """A server in a process of its own, and its clients in threads of this one."""

    def __init__(self, folder: Path, seed: int) -> None:
        model, versions = model_of(seed)
        self.models = [model, clone_model(model)]
        self.models[1].set_weights(versions[1])
        self.twins = [Twin(model, weights) for weights in versions]
        self.counts: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self.end = 0.0
        self.seed = seed
        self.path = folder / f"{NAME}.keras"
        model.save(self.path)
        command = [sys.executable, "-m", "fastgru", "serve", str(self.path), "--port", "0", "--body-timeout", "1"]
        self.log = folder / "serve.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        address = re.search(r"http://([\d.]+):(\d+)", line)
        assert address is not None, f"the server said {line!r}"
        self.host, self.port = address[1], int(address[2])
        self.stream = f"ws://{self.host}:{self.port}/v2/models/{NAME}/stream"

    # --- clients: each makes one visit --------------------------------------------------------------

    def honest(self, rng: np.random.Generator) -> None:
        """Some requests on one connection, as JSON or as bytes, each answered by the model."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            for _ in range(int(rng.integers(1, 10))):
                x = rng.normal(size=(int(rng.integers(0, 6)), int(rng.integers(1, 12)), FEATURES)).astype(np.float32)
                connection.request("POST", INFER, *self.request(x, rng.random() < 0.5))
                response = connection.getresponse()
                content = response.read()
                assert response.status == 200, content
                self.is_right(x, answer(content, response.getheader("Inference-Header-Content-Length"), x.shape))

    def request(self, x: Any, binary: bool) -> tuple[bytes, dict[str, str]]:
        tensor: dict[str, Any] = {"name": "seq", "datatype": "FP32", "shape": [*x.shape]}
        if not binary:
            return json.dumps({"inputs": [{**tensor, "data": x.ravel().tolist()}]}).encode(), {}
        tensor["parameters"] = {"binary_data_size": x.nbytes}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        return head + x.tobytes(), {"Inference-Header-Content-Length": str(len(head))}

    def is_right(self, x: Any, y: Any) -> None:
        """Whether an answer is what `predict` of one version gives for the request alone, to the bit."""
        with config.tiles_in_this_thread():
            answers = [model.predict(x, verbose=0) for model in self.models]
        number = next((number for number, expected in enumerate(answers) if np.array_equal(y, expected)), None)
        assert number is not None, f"the answer to {x.shape} is off by {[np.abs(y - one).max() for one in answers]}"
        self.counts[f"version {number}"] += 1

    def babbler(self, rng: np.random.Generator) -> None:
        """Bodies that are no request to infer, one after the other on one connection where it stays open."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            offers = list(garbage.bodies(rng))
            for number in rng.permutation(len(offers))[:10]:
                headers, body = offers[number]
                connection.request("POST", INFER, body, headers)
                response = connection.getresponse()
                content = response.read()
                assert 400 <= response.status < 500, (response.status, headers, body[:200], content)
                sentence = json.loads(content)["error"]
                assert sentence.endswith(".") and "Traceback" not in sentence, sentence

    def stranger(self, rng: np.random.Generator) -> None:
        """Bytes that are not HTTP, or ask for what there is not."""
        offers = list(garbage.heads(rng))
        with self.connected() as connection:
            connection.sendall(offers[int(rng.integers(len(offers)))])
            connection.shutdown(socket.SHUT_WR)
            content = everything(connection)
            assert not content or re.match(rb"HTTP/1\.[01] [45]", content), content[:200]

    def quitter(self, rng: np.random.Generator) -> None:
        """Part of a request, and then gone: politely, by a reset, or only silent until the server gives up."""
        body, headers = self.request(rng.normal(size=(2, 5, FEATURES)).astype(np.float32), rng.random() < 0.5)
        lines = [f"POST {INFER} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        whole = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body
        with self.connected() as connection:
            connection.sendall(whole[: int(rng.integers(1, len(whole)))])
            way = rng.choice(["polite", "reset", "silent"], p=[0.4, 0.5, 0.1])
            if way == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif way == "silent":
                content = everything(connection)  # the server ends it, after --body-timeout
                assert not content or content.startswith(b"HTTP/1.1 408"), content[:200]

    def dawdler(self, rng: np.random.Generator) -> None:
        """Asks for much and reads it slowly."""
        x = rng.normal(size=(40, 100, FEATURES)).astype(np.float32)
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("POST", INFER, *self.request(x, binary=False))
            response = connection.getresponse()
            parts = []
            while part := response.read(20_000):
                parts.append(part)
                time.sleep(0.02)
            assert response.status == 200
            self.is_right(x, answer(b"".join(parts), None, x.shape))

    def onlooker(self, _rng: np.random.Generator) -> None:
        """Asks whether the service is ready, and for its metrics."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            for path in ("/v2/health/ready", "/v2/health/live", "/metrics", f"/v2/models/{NAME}", "/v2"):
                connection.request("GET", path)
                response = connection.getresponse()
                content = response.read()
                assert response.status == 200, (path, content)

    def streamer(self, rng: np.random.Generator) -> None:
        """Sessions over a websocket, closed as it should be or left behind."""
        with connected(self.stream) as connection:
            client = Streamer(connection, self.twins, rng)
            for _ in range(int(rng.integers(1, 60))):
                client.act()
            if rng.random() < 0.5:
                connection.socket.shutdown(socket.SHUT_RDWR)

    def clamorer(self, rng: np.random.Generator) -> None:
        """Messages to a websocket that are none, and messages whose answer nobody reads."""
        with connected(self.stream) as connection:
            if rng.random() < 0.7:
                babble(connection, rng)
            else:
                connection.send('{"op": "open", "count": 5}')
                for _ in range(int(rng.integers(0, 50))):
                    connection.send(json.dumps({"op": "step", "sessions": [0], "data": [[0.5] * FEATURES]}))
                connection.socket.shutdown(socket.SHUT_RDWR)

    def reloader(self, rng: np.random.Generator) -> None:
        """Another version of the model in the place of its file."""
        new = self.path.with_name(f"new.{self.path.name}")
        self.models[int(rng.integers(2))].save(new)
        new.replace(self.path)
        # the service takes a file that it has seen twice, and looks once a second
        time.sleep(max(0, min(rng.uniform(0, 6), self.end - time.monotonic())))

    def killed(self, rng: np.random.Generator) -> None:
        """A client process that is killed while it asks."""
        program = (
            "import http.client, sys\n"
            "body = sys.stdin.buffer.read()\n"
            f"connection = http.client.HTTPConnection({self.host!r}, {self.port})\n"
            f"while True:\n    connection.request('POST', {INFER!r}, body); connection.getresponse().read()\n"
        )
        client = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert client.stdin is not None
        client.stdin.write(self.request(rng.normal(size=(3, 50, FEATURES)).astype(np.float32), binary=False)[0])
        client.stdin.close()
        time.sleep(rng.uniform(0.1, 0.5))
        client.kill()
        assert client.wait() == -signal.SIGKILL

    # --- the soak itself ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A connection, whose end by the server in the middle of a request is no error."""
        with socket.create_connection((self.host, self.port), timeout=60) as connection:
            try:
                yield connection
            except OSError as error:
                if error.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
                    raise
                self.counts["cut off"] += 1

    def visits(self, kind: Callable[[np.random.Generator], None], seed: int) -> None:
        rng = np.random.default_rng(seed)
        while time.monotonic() < self.end and not self.errors:
            try:
                kind(rng)
                self.counts[kind.__name__] += 1
            except BaseException as error:
                error.add_note(f"{kind.__name__}, seed {seed}")
                self.errors.append(error)
            time.sleep(rng.exponential(0.01))

    def round(self, seconds: float) -> None:
        """All kinds of clients for some seconds."""
        self.end = time.monotonic() + seconds
        kinds = [self.honest] * 3 + [self.streamer] * 3 + [self.clamorer, self.reloader] + [
            self.babbler, self.stranger, self.quitter, self.quitter, self.dawdler, self.onlooker, self.killed
        ]  # fmt: skip
        threads = []
        for kind in kinds:
            self.seed += 1
            threads.append(threading.Thread(target=self.visits, args=(kind, self.seed)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise self.errors[0]
        assert self.process.poll() is None, f"the server has ended with {self.process.returncode}"

    def settled(self) -> None:
        """No request is left in the server."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
            with contextlib.closing(connection):
                connection.request("GET", "/metrics")
                text = connection.getresponse().read().decode()
            left = re.findall(
                r"^fastgru_(?:queue_requests|sessions|stream_connections)\{.*\} (\S+)$", text, re.MULTILINE
            )
            if not any(map(float, left)):
                return
            time.sleep(0.2)
        raise AssertionError(f"10 seconds after the last client the server still has\n{text}")

    def finish(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        text = self.log.read_text(encoding="utf-8")
        assert "Traceback" not in text and "ERROR" not in text, text


def answer(content: bytes, json_size: str | None, shape: tuple[int, ...]) -> Any:
    """The numbers (k, n, 4) of an answer."""
    head = json.loads(content[: None if json_size is None else int(json_size)])
    (output,) = head["outputs"]
    assert output["shape"] == [*shape[:2], 4] and output["datatype"] == "FP32", output
    if json_size is None:
        return np.array(output["data"], np.float32).reshape(output["shape"])
    return np.frombuffer(content[int(json_size) :], "<f4").reshape(output["shape"])


def everything(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def soak(folder: Path, seconds: float, seed: int, rounds: int = 10, report: Callable[[str], object] = str) -> Outcome:
    """Clients of all kinds for some seconds, in rounds, between which the server's memory is read.

    Raises
    ------
    Exception
        The first that a client came upon, such as the AssertionError of a wrong answer.
    """
    run = Soak(folder, seed)
    memory, files = [], []
    try:
        for number in range(rounds):
            run.round(seconds / rounds)
            run.settled()
            memory.append(resident(run.process.pid))
            files.append(open_files(run.process.pid))
            report(f"round {number + 1}: {memory[-1] / 2**20:.1f} MiB, {files[-1]} files, {dict(run.counts)}")
        run.finish()
    finally:
        run.process.kill()
        run.process.wait()
    return Outcome(run.counts, memory, files)
