"""Runs the playground's JavaScript under node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import fastgru

FOLDER = Path(fastgru.__file__).parent / "playground"


def result(program: str, value: Any, *scripts: str) -> Any:
    """What ``program``, a JavaScript expression in ``input``, gives where the playground's scripts have been run."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    parts = [(FOLDER / script).read_text(encoding="utf-8") for script in scripts]
    reading = 'const input = JSON.parse(require("fs").readFileSync(0, "utf8"));'
    lines = ['"use strict";', *parts, reading, f"process.stdout.write(JSON.stringify({program}));"]
    done = subprocess.run(
        [node, "-e", "\n".join(lines)], input=json.dumps(value), capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
