"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from paths import ROOT

from fastgru import cli

README = (ROOT / "README.md").read_text()


def test_the_python_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples[0].splitlines()) == 12
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    assert (tmp_path / "digits.keras").is_file()
    assert float(re.findall(r"val_accuracy: ([\d.]+)", capsys.readouterr().out)[-1]) > 0.85


@pytest.mark.parametrize("command", ["pip install . && fastgru train", "pip install '.[test]' && pytest"])
def test_the_two_commands_are_there_and_ci_runs_the_second(command: str) -> None:
    assert command in README
    if command.endswith("pytest"):
        assert command in (ROOT / ".ci/run").read_text()


def test_the_command_lines_are_understood() -> None:
    lines = "".join(re.findall(r"```\n(fastgru .*?)```", README, re.DOTALL)).splitlines()
    understood = {cli._parser().parse_args(line.split()[1:]).run.__module__ for line in lines}
    assert understood == {command.__name__ for command in cli.COMMANDS}


def test_the_files_the_readme_names_exist() -> None:
    for name in re.findall(r"^\| `([\w./]+)`", README, re.MULTILINE):
        assert (ROOT / name).exists(), name
    for script in ("run", "slow"):
        assert os.access(ROOT / ".ci" / script, os.X_OK)
        assert script in re.findall(r"\.ci/(\w+)", README)
        assert f"bash .ci/{script}" in "".join(file.read_text() for file in (ROOT / ".github/workflows").glob("*.yml"))
