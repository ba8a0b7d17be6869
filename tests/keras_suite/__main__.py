"""Runs Keras's own tests, which its package ships, on fastgru and counts.

    python -m tests.keras_suite                          # all of pinned.txt; minutes
    python -m tests.keras_suite --files rnn/gru_test     # those whose file matches
    python -m tests.keras_suite --failing                # says why each of the others fails

pinned.txt has the ids that apply: of Keras 3.15.1, without what fastgru says it leaves out (quantization, float16,
sparse and ragged tensors, other frameworks' inside). A test passes where it passes as Keras wrote it, on fastgru's
names alone; an id without a class stands for a function of the file, which passes where all made of it passes.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PINNED_KERAS = "3.15.1"
HERE = Path(__file__).resolve().parent


def pinned(pattern: str) -> list[str]:
    """The ids that count, of the files that match."""
    ids = (HERE / "pinned.txt").read_text(encoding="utf-8").split()
    return [one for one in ids if re.search(pattern, one.partition("::")[0])]


def outcomes(files: list[str], workers: str) -> list[dict[str, str]]:
    """What became of every test of Keras's files, each written into a folder of its own with `kx` for `keras`."""
    from .library import KERAS, as_test_of_kx

    with tempfile.TemporaryDirectory() as scratch:
        for file in files:
            source = as_test_of_kx((KERAS / f"{file}.py").read_text(encoding="utf-8"))
            Path(scratch, f"{file.replace('/', '__')}.py").write_text(source, encoding="utf-8")
        rows = Path(scratch, "rows.jsonl")
        rows.touch()
        environment = {
            **os.environ,
            "KERAS_SUITE_ROWS": str(rows),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")])),
            "FASTGRU_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "keras_suite.plugin", "-p", "no:cacheprovider"]
        command += [
            "-c",
            os.devnull,
            "--rootdir",
            scratch,
            "--continue-on-collection-errors",
            "--tb=no",
            "-W",
            "ignore",
        ]
        command += ["-n", workers, "--dist", "loadfile"] if workers != "0" else []
        done = subprocess.run([*command, scratch], cwd=scratch, env=environment, capture_output=True, text=True)
        if done.returncode not in (0, 1, 2):  # all passed, some failed, some files could not be read
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
        return [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]


def by_function(rows: list[dict[str, str]]) -> dict[str, list[str]]:
    """Of each test function the ids of the tests that are made of it, under the id without a class."""
    from .library import KERAS

    names: dict[str, list[str]] = {}
    ids: dict[str, list[str]] = collections.defaultdict(list)
    for one in {row["id"] for row in rows}:
        file, _, test = one.partition("::")
        if file not in names:
            names[file] = re.findall(r"def (test\w*)\(", (KERAS / f"{file}.py").read_text(encoding="utf-8"))
        last = test.rpartition("::")[2]
        function = max((name for name in names[file] if last.startswith(name)), key=len, default=last)
        ids[f"{file}::{function}"].append(one)
    return ids


def part_of(one: str) -> str:
    """The part of Keras that a test is of."""
    *folders, _file = one.partition("::")[0].split("/")
    return "/".join(folders)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="", metavar="REGEX", help="only tests of files that match")
    parser.add_argument("--workers", default="0", metavar="N", help="processes side by side (pytest-xdist)")
    parser.add_argument("--failing", action="store_true", help="say which fail, and why")
    parser.add_argument("--passing", type=Path, metavar="FILE", help="write the ids of those that pass into a file")
    parser.add_argument("--at-least", type=int, default=0, metavar="N", help="status 1 where fewer pass")
    arguments = parser.parse_args()
    import bench  # noqa: F401  # which takes an installed fastgru, not the checkout's source folder

    if version("keras") != PINNED_KERAS:
        print(f"Keras {version('keras')} is installed, and the tests that are pinned are those of {PINNED_KERAS}")
    ids = pinned(arguments.files)
    rows = outcomes(sorted({one.partition("::")[0] for one in ids}), arguments.workers)
    reasons: dict[str, str] = {}
    for row in rows:
        if row["outcome"] != "passed":
            reasons.setdefault(row["id"], f"{row['outcome']}: {row['reason']}")
    run = {row["id"]: [row["id"]] for row in rows} | by_function(rows)
    table: dict[str, collections.Counter[bool]] = collections.defaultdict(collections.Counter)
    passing = []
    for one in ids:
        against = [reasons[test] for test in run.get(one, ()) if test in reasons]
        passed = one in run and not against
        table[part_of(one)][passed] += 1
        passing += [one] if passed else []
        if arguments.failing and not passed:
            print(f"{one}\n    {'; '.join(against)[:300] or 'its file cannot be read'}")
    for part, count in sorted(table.items()):
        print(f"{part:28}{count[True]:5} of {count.total():5}  {count[True] / count.total():6.1%}")
    flat = [one for one in ids if "3d" not in one.lower()]
    within = len(set(flat) & set(passing))
    if flat:
        print(f"without 3D: {within} of {len(flat)}, {within / len(flat):.1%}")
    if arguments.passing:
        arguments.passing.write_text("\n".join(passing) + "\n", encoding="utf-8")
    print(f"{len(passing)} of {len(ids)} pinned tests pass")
    return int(len(passing) < arguments.at_least)


if __name__ == "__main__":
    sys.exit(main())
