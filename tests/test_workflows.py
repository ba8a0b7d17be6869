"""The workflows are YAML, name actions by version, and run in bounded time with no more rights than they need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / ".github").rglob("*.yml"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
# the major versions that were looked up, and a moving branch that its owner recommends
ACTIONS = {
    "actions/checkout": "v4", "actions/setup-python": "v5", "actions/upload-artifact": "v4",
    "actions/download-artifact": "v4", "actions/upload-pages-artifact": "v3", "actions/deploy-pages": "v4",
    "pypa/cibuildwheel": "v3.2", "pypa/gh-action-pypi-publish": "release/v1",
}  # fmt: skip


def name(file: Path) -> str:
    return file.name


@pytest.mark.parametrize("file", FILES, ids=name)
def test_lines_are_indented_by_two_and_open_what_they_close(file: Path) -> None:
    """What a file needs to be YAML as it is written here; where a parser is installed, the next test asks it."""
    for line in file.read_text(encoding="utf-8").splitlines():
        assert "\t" not in line and line == line.rstrip(), line
        assert (len(line) - len(line.lstrip())) % 2 == 0, line
        assert line.count("${{") == line.count("}}"), line
        assert line.count('"') % 2 == 0, line


@pytest.mark.parametrize("file", WORKFLOWS, ids=name)
def test_a_parser_reads_them_and_jobs_end(file: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML, which comes with the extra [docs], is not installed")
    workflow: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert {"name", True, "jobs"} <= set(workflow)  # YAML 1.1 reads the key "on" as true
    for job in workflow["jobs"].values():
        assert "uses" in job or (job["timeout-minutes"] <= 360 and job["runs-on"])
        needs = job.get("needs", [])
        assert ({needs} if isinstance(needs, str) else {*needs}) <= workflow["jobs"].keys()
        for step in job.get("steps", []):
            assert ("uses" in step) != ("run" in step)


def test_actions_have_the_versions_that_were_looked_up() -> None:
    used = {match for file in WORKFLOWS for match in re.findall(r"uses: ([\w-]+/[\w-]+)@(\S+)", file.read_text())}
    assert used == set(ACTIONS.items())
