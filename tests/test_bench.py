"""The race runs, takes turns and writes down what it saw; how fast anything is, is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_a_quick_race_writes_its_results_and_the_readme_table(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n")
    words = ["train", "--quick", "--rounds", "2", "--threads", "1", "--engines", "fastgru"]
    command = [sys.executable, "-m", "bench", *words, "--json", str(tmp_path / "b.json"), "--readme", str(readme)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "b.json").read_text())
    assert results["samples"] == 1000
    assert results["threads"] == 1
    assert {"cpu", "date", "commit", "python"} <= results.keys()
    (own,) = results["results"]
    assert own["engine"] == "fastgru"
    assert len(own["seconds"]) == 2
    assert min(own["seconds"]) > 0
    assert 0 <= own["check"]["accuracy"] <= 1
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "| fastgru " in text and "old" not in text


def test_the_installed_package_is_not_hidden_by_the_checkout(tmp_path: Path) -> None:
    """With an installed fastgru elsewhere, `python -m bench` in the root takes that one."""
    installed = tmp_path / "fastgru"
    installed.mkdir()
    (installed / "__init__.py").touch()
    program = "import bench, fastgru; print(fastgru.__file__)"
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {program}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == installed
