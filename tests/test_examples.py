"""Programs as people write them for Keras: each runs with fastgru as it stands, and its losses are Keras's."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

FOLDER = ROOT / "examples" / "keras"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "run")
# of Keras itself these ask for TensorFlow: its strings, its data sets, its tape
WITH_TENSORFLOW = {"spam_filter", "weather_forecast", "text_generation"}


def run(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, str(FOLDER / "run.py"), *arguments], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_programs_to_run() -> None:
    assert len(PROGRAMS) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs_when_keras_is_replaced_in_its_imports(program: str, tmp_path: Path) -> None:
    assert "steps in" in run(program, "--with", "fastgru", "--small", "--epochs", "1", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_first_losses_are_those_of_keras(program: str, tmp_path: Path) -> None:
    if program in WITH_TENSORFLOW and importlib.util.find_spec("tensorflow") is None:
        pytest.skip(f"{program} asks TensorFlow of Keras itself, and it is not installed")
    pytest.importorskip("keras")
    assert "DIFFERS" not in run(program, "--with", "both", "--small", "--epochs", "1", cwd=tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_only_lines_of_imports_are_edited(program: str) -> None:
    spec = importlib.util.spec_from_file_location("run", FOLDER / "run.py")
    assert spec is not None and spec.loader is not None
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    source = (FOLDER / f"{program}.py").read_text(encoding="utf-8")
    edited = runner.as_written_for("fastgru", source)
    pairs = list(zip(source.splitlines(), edited.splitlines(), strict=True))
    assert all("import" in old and ("keras" in old or "# tape" in old) for old, new in pairs if old != new)
    assert sum("# tape" in old for old, new in pairs if old != new) <= 1
