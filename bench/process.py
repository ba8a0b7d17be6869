"""Processes of their own for the engines, all started alike."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.engines import title

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FASTGRU_NUM_THREADS")
# these force OpenBLAS's kernels and block sizes, and with them the rate of whoever calls it
_REMOVED = "OPENBLAS_"
# after which an engine is taken to hang; making variants ready compiles each of them, for each size of batch
_MINUTES, _MINUTES_TO_PREPARE = 10, 60


def removed() -> dict[str, str]:
    """The variables that no engine gets to see, because they would change how fast OpenBLAS runs."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(_REMOVED)}


def environment(threads: int) -> dict[str, str]:
    """The variables of an engine's process."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(_REMOVED)}
    return variables | dict.fromkeys(_THREAD_VARIABLES, str(threads))


class DiedError(RuntimeError):
    """An engine's process ended by itself."""

    def __init__(self, engine: str, words: str) -> None:
        super().__init__(f"{title(engine)} failed: {words}")
        self.engine = engine


class Worker:
    """An engine's process that stays alive and answers; see `bench.worker` for what it can be asked.

    Between its answer and the next request it is stopped, where the system can do that: threads that look for work for
    a while before they sleep, as OpenBLAS's do for a tenth of a second, would take a processor from the next engine.
    """

    def __init__(self, engine: str, threads: int, folder: Path) -> None:
        self.engine = engine
        self._errors = (folder / f"{engine}.err").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", engine, str(threads)],
            cwd=ROOT, env=environment(threads), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def ask(self, do: str, **arguments: Any) -> Any:
        """The answer to a request; a DiedError with the engine's last words where it died."""
        assert self._process.stdin and self._process.stdout
        minutes = _MINUTES_TO_PREPARE if do == "prepare" else _MINUTES
        hung = threading.Event()

        def give_up() -> None:
            hung.set()
            self._process.kill()

        deadline = threading.Timer(60 * minutes, give_up)
        deadline.daemon = True  # an exception from a signal may come before it is cancelled
        try:
            deadline.start()
            self._signal("SIGCONT")
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
            self._signal("SIGSTOP")
            return answer
        except (BrokenPipeError, json.JSONDecodeError):
            code = self._process.wait()
            self._errors.seek(0)
            words = _no_answer(minutes) if hung.is_set() else _last_words(code, self._errors.read())
            raise DiedError(self.engine, words) from None
        finally:
            deadline.cancel()

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):
            self._process.send_signal(getattr(signal, name))

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def fresh(module: str, arguments: list[str], threads: int) -> tuple[float, str]:
    """Seconds from start to end of a new process that runs a module of `bench.fresh`, and what it printed."""
    command = [sys.executable, "-m", f"bench.fresh.{module}", *arguments]
    began = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(threads), text=True, capture_output=True, timeout=60 * _MINUTES
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"bench.fresh.{module}: {_no_answer(_MINUTES)}") from None
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"bench.fresh.{module}: {_last_words(done.returncode, done.stderr)}")
    return seconds, done.stdout


def _no_answer(minutes: float) -> str:
    return f"no answer in {minutes:g} minutes"


def _last_words(code: int, errors: str) -> str:
    """The last line that a process wrote, and the signal that ended it if one did."""
    *_, last = errors.strip().splitlines() or [""]
    if code < 0:
        return f"killed by {signal.Signals(-code).name}" + (f", after {last!r}" if last else "")
    return last or "no message"
