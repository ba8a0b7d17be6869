"""Keras's own tests on fastgru, part by part: what `python -m tests.keras_suite` counts."""

from __future__ import annotations

import re
import subprocess
import sys

from .markdown import PAGE, rows


def values() -> dict[str, str]:
    """The table of parts, and the sentence on all of them."""
    command = [sys.executable, "-m", "tests.keras_suite"]
    done = subprocess.run(command, cwd=PAGE.parents[1], capture_output=True, text=True)
    counts = re.findall(r"^([\w/]+) +(\d+) of +(\d+) ", done.stdout, re.MULTILINE)
    if done.returncode or not counts:
        raise SystemExit(f"Keras's own tests could not be run: {(done.stderr or done.stdout).strip()[-500:]}")
    passing, pinned = (sum(int(count[place]) for count in counts) for place in (1, 2))
    flat = re.search(r"^without 3D: (\d+) of (\d+)", done.stdout, re.MULTILINE)
    assert flat is not None, "without 3D"
    return {
        "suite.table": rows([[f"`{part}`", passed, count] for part, passed, count in counts]),
        "suite.passing": f"{passing:,} of {pinned:,}",
        "suite.flat": f"{int(flat[1]):,} of {int(flat[2]):,}",
    }
