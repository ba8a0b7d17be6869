"""The completion scripts complete, in the shells that are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fastgru import cli


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


def run_in(shell: str, program: str, folder: Path) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    arguments = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *arguments, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert not done.stderr
    return done.stdout.split("\n")[:-1]


def completed_by_bash(words: str, capsys: Any, folder: Path) -> list[str]:
    typed = words.split(" ")
    quoted = " ".join(f"'{word}'" for word in typed)
    program = f"""{script("bash", capsys)}
COMP_WORDS=({quoted}); COMP_CWORD={len(typed) - 1}; _fastgru; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return [word for word in run_in("bash", program, folder) if word]


@pytest.mark.parametrize(
    ("words", "completions"),
    [
        ("fastgru tr", {"train"}),
        ("fastgru --v", {"--version"}),
        ("fastgru train --see", {"--seed"}),
        ("fastgru completion ", {"bash", "zsh", "fish", "-h", "--help"}),
        ("fastgru completion z", {"zsh"}),
        ("fastgru train --out mod", set()),  # and so bash completes the names of files
        ("fastgru summary mod", set()),
    ],
)
def test_bash_completes(words: str, completions: set[str], capsys: Any, tmp_path: Path) -> None:
    assert set(completed_by_bash(words, capsys, tmp_path)) == completions


def test_bash_completes_every_command_and_option(capsys: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    capsys.readouterr()
    names = [command.__name__.rpartition(".")[2] for command in cli.COMMANDS]
    assert set(completed_by_bash("fastgru ", capsys, tmp_path)) == {*names, "--help", "--version"}


def test_bash_falls_back_to_files(capsys: Any, tmp_path: Path) -> None:
    program = f"{script('bash', capsys)}\ncomplete -p fastgru"
    assert run_in("bash", program, tmp_path) == ["complete -o default -F _fastgru fastgru"]


def test_fish_completes_commands_options_and_choices(capsys: Any, tmp_path: Path) -> None:
    program = script("fish", capsys)
    queries = ["fastgru tr", "fastgru train --see", "fastgru completion z"]
    asked = "\n".join(f'complete -C "{query}"' for query in queries)
    lines = run_in("fish", f"{program}\n{asked}", tmp_path)
    assert [line.split("\t")[0] for line in lines] == ["train", "--seed", "zsh"]


def test_zsh_takes_the_script(capsys: Any, tmp_path: Path) -> None:
    (tmp_path / "_fastgru").write_text(script("zsh", capsys))
    program = """
autoload -Uz compinit && compinit -u -D
source ./_fastgru
print $_comps[fastgru]
words=(fastgru train --s); CURRENT=3
_describe() { print describe }
_arguments() { printf '%s\\n' "$@" }
_fastgru
CURRENT=2; _fastgru
"""
    lines = run_in("zsh", program, tmp_path)
    assert lines[0] == "_fastgru" and lines[-1] == "describe"
    assert any(line.startswith("--seed[") for line in lines)
