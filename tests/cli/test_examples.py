"""Each command's help ends with an example, and the examples run one after the other."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

import numpy as np
import pytest

from fastgru import cli
from fastgru.layers import GRU, Dense
from fastgru.models import Sequential

NAMES = [command.__name__.rpartition(".")[2] for command in cli.COMMANDS]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the files that the examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".local/share/bash-completion/completions").mkdir(parents=True)
    model = Sequential([GRU(4, input_shape=(8, 8)), Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save("digits.keras")
    with pytest.warns(UserWarning, match="legacy"):
        model.save("old.h5")
    x = np.random.default_rng(0).random((5, 8, 8), dtype=np.float32)
    np.save("x.npy", x)
    np.save("sample.npy", x[0])
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_help_ends_with_an_example_of_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    example = importlib.import_module(f"fastgru.cli.{name}").EXAMPLE
    assert example.startswith(f"fastgru {name}")
    assert " ".join(capsys.readouterr().out.split()).endswith(f"example: {example}")


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = importlib.import_module(f"fastgru.cli.{name}").EXAMPLE
    words = shlex.split(example)
    if ">" in words:  # a shell's
        words = words[: words.index(">")]
    if "--epochs" in words:
        words[words.index("--epochs") + 1] = "1"
    if "--window" in words or any(word.endswith(".csv") for word in words):
        pytest.skip("the tests of tables run the commands on tables")
    if name == "serve":
        pytest.importorskip("starlette", reason="fastgru serve needs the extra [serve]")
        words.append("--dry-run")  # which has an end
    assert cli.main(words[1:]) == 0, capsys.readouterr().err
