"""An engine's model behind the server of `fastgru serve`.

``python -m bench.service ENGINE WAY DATA.npz THREADS`` prints the port that it listens at.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import weakref

import numpy as np

from bench import ROOT, engines, network, process
from bench.load import NAME
from bench.worker import end_with_parent


class Service:
    """A service in a process of its own, which ends with this object, and which is stopped between its turns."""

    def __init__(self, engine: str, way: str, data: str, threads: int) -> None:
        command = [sys.executable, "-m", "bench.service", engine, way, data, str(threads)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=process.environment(threads), stdout=subprocess.PIPE, text=True
        )
        weakref.finalize(self, _end, self._process)
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the service did not start")
        self.port = int(line)

    def __enter__(self) -> Service:
        self._process.send_signal(signal.SIGCONT)
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.send_signal(signal.SIGSTOP)


def _end(started: subprocess.Popen[str]) -> None:
    started.kill()
    started.communicate()


def main() -> None:
    from fastgru.serving.app import Service as Application
    from fastgru.serving.limits import Limits
    from fastgru.serving.served import Served, Tensor
    from fastgru.serving.server import bound, run

    end_with_parent()
    engine, way, data, threads = sys.argv[1:5]
    with np.load(data, allow_pickle=False) as file:
        arrays = dict(file)
    weights, x, limits = network.from_arrays(arrays), arrays["x"], Limits()
    call = engines.load(engine).predictors(weights, x, int(threads))[way]()
    size = 1
    while size <= limits.batch:  # as a service does before it is ready
        call(np.resize(x, (size, *x.shape[1:])))
        size *= 2
    inputs, outputs = Tensor("x", "FP32", x.shape[1:], x.dtype), Tensor("y", "FP32", (weights.classes,))
    model = Served(NAME, [inputs], [outputs], lambda rows: [call(rows[0])])
    with bound("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1], flush=True)
        run(Application([model], limits), listener)


if __name__ == "__main__":
    main()
