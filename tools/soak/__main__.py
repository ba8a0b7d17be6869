"""Soaks by hand, such as ``PYTHONPATH=tools:tests python -m soak sessions --seconds 1800``."""

from __future__ import annotations

import argparse
import time

from soak import sessions
from soak.memory import resident


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("what", choices=["sessions"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each of ten seconds has the next")
    options = parser.parse_args()
    end, seed, calls = time.monotonic() + options.seconds, options.seed, 0
    while time.monotonic() < end:
        calls += sessions.soak(min(10.0, max(0.1, end - time.monotonic())), seed)
        print(f"seed {seed}: {calls} calls, {resident() / 2**20:.1f} MiB", flush=True)
        seed += 1


if __name__ == "__main__":
    main()
