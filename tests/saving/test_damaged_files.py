"""Damaged model files, thousands of them: each opens or is refused in a sentence; none crashes, hangs or takes memory.

The slow test opens 2,000 of them; ``FASTGRU_DAMAGED=10000 pytest tests/saving/test_damaged_files.py`` opens 10,000.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import damage
import pytest

SAMPLE = 150
ALL = int(os.environ.get("FASTGRU_DAMAGED", "2000"))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs alarms and limits of memory")


def opened(numbers: Sequence[int], folder: Path) -> tuple[Counter[str], list[str]]:
    """How many files were opened and refused, and what went wrong; a process that dies is replaced by another."""
    remaining, counts, wrong = list(numbers), Counter[str](), []
    while remaining:
        command = [sys.executable, damage.__file__, "--serve", str(folder)]
        requests = "".join(f"{number}\n" for number in remaining)
        child = subprocess.run(command, input=requests, capture_output=True, text=True)
        lines = child.stdout.splitlines()
        for line in lines:
            word, _, rest = line.partition(" ")
            number, _, outcome = rest.partition(" ")
            if word == "end":
                remaining.remove(int(number))  # numbers come in order, so this looks at the first
                counts[outcome.partition(" ")[0]] += 1
                if outcome not in ("opened", "refused"):
                    wrong.append(f"{number}: {outcome}")
        if remaining:
            assert lines and lines[-1].startswith("begin"), f"the process does not begin: {child.stderr[-2000:]}"
            reason = f"{damage.SECONDS} seconds were not enough" if child.returncode == -14 else "the process died"
            wrong.append(f"{remaining.pop(0)}: {reason} (status {child.returncode})")
    return counts, wrong


def assert_harmless(numbers: Sequence[int], folder: Path) -> None:
    counts, wrong = opened(numbers, folder)
    again = f"each again: python {Path(damage.__file__).name} NUMBER"
    assert not wrong, "\n".join([f"{len(wrong)} of {len(numbers)} damaged files; {again}", *wrong[:40]])
    # the damages are neither too coarse nor too fine
    assert counts["refused"] > len(numbers) // 5 and counts["opened"] > len(numbers) // 20


@pytest.mark.slow
def test_some_damaged_files_are_harmless(tmp_path: Path) -> None:
    assert_harmless(range(SAMPLE), tmp_path)


@pytest.mark.slow
def test_thousands_of_damaged_files_are_harmless(tmp_path: Path) -> None:
    assert_harmless(range(ALL), tmp_path)


@pytest.mark.slow
def test_a_number_always_makes_the_same_file() -> None:
    code = "import damage, zlib; print([zlib.crc32(damage.damaged(n)[1]) for n in range(40)])"
    command = [sys.executable, "-c", code]
    folder = Path(damage.__file__).parent
    first, second = (subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout for _ in range(2))
    assert first == second
