"""Soaks by hand, such as ``PYTHONPATH=tools:tests python -m soak sessions --seconds 1800``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from soak import service, sessions
from soak.process import resident


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("what", choices=["sessions", "service"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each of ten seconds has the next")
    options = parser.parse_args()
    if options.what == "service":
        with tempfile.TemporaryDirectory() as folder:
            service.soak(Path(folder), options.seconds, options.seed, max(2, int(options.seconds / 30)), report=_say)
        return
    end, seed, calls = time.monotonic() + options.seconds, options.seed, 0
    while time.monotonic() < end:
        calls += sessions.soak(min(10.0, max(0.1, end - time.monotonic())), seed)
        _say(f"seed {seed}: {calls} calls, {resident() / 2**20:.1f} MiB")
        seed += 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
