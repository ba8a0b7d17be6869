"""What the README and the pages of the documentation show is what happens; notebooks run when the pages are built."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from offered import public_modules
from paths import ROOT

import fastgru
from fastgru import cli

DOCS = ROOT / "docs"
README, CHINESE_README = ROOT / "README.md", ROOT / "README.zh-CN.md"
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_build", "_made"} & {*path.parts})
NOTEBOOKS = [page for page in PAGES if page.read_text(encoding="utf-8").startswith("---\nfile_format: mystnb")]
# whose programs train for a second or two
TRAINING_PAGES = ("README.zh-CN.md", "docs/index.md", "docs/howto/csv.md", "docs/howto/command-line.md")
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"^```{code-cell} ipython3\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
# packages that a program imports and that fastgru does not bring, by themselves or by the bridge of their name
OPTIONAL = re.compile(
    r"^(?:import|from) (?:fastgru\.)?(matplotlib|torch|keras|onnx|onnxruntime|sklearn|dask|tritonclient|websockets)\b",
    re.MULTILINE,
)


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[list[str]]:
    lines = "".join(text for language, text in blocks(page) if language == "sh").splitlines()
    return [shlex.split(line) for line in lines]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def packages(page: Path) -> list[str]:
    """What its programs need beside fastgru."""
    return OPTIONAL.findall("".join(text for _language, text in blocks(page)))


def marks(page: Path) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] * (name(page) in TRAINING_PAGES) + [pytest.mark.keras] * ("keras" in packages(page))


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=name(page), marks=marks(page)) for page in [README, CHINESE_README, *PAGES] if blocks(page)],
)
def test_the_blocks_of_a_page_run_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for package in packages(page):
        pytest.importorskip(package)
    if any(words[:2] == ["fastgru", "serve"] for words in commands(page)):
        pytest.importorskip("starlette", reason="fastgru serve needs the extra [serve]")
    names: dict[str, object] = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, name(page), "exec"), names)
            continue
        for words in map(shlex.split, text.splitlines()):
            if words[0] == "fastgru":
                assert cli.main(words[1:]) == 0, text
    if page in (README, CHINESE_README):
        assert (tmp_path / "digits.keras").is_file()
        assert float(re.findall(r"val_accuracy: ([\d.]+)", capsys.readouterr().out)[-1]) > 0.85


def test_all_commands_are_shown() -> None:
    shown = {words[1] for page in PAGES for words in commands(page) if words[0] == "fastgru"}
    assert shown == {command.__name__.rpartition(".")[2] for command in cli.COMMANDS}


def test_other_commands_are_those_that_install_and_build() -> None:
    others = {words[0] for page in PAGES for words in commands(page)} - {"fastgru"}
    assert others <= {"pip", "mpirun"}  # .ci/run installs the package, and .ci/slow the extras bench and docs


@pytest.mark.parametrize("page", [README, CHINESE_README, *PAGES], ids=name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if ":" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [page for page in NOTEBOOKS if "zh" in page.parts], ids=name)
def test_a_page_in_chinese_has_the_code_of_its_english_twin(page: Path) -> None:
    twin = DOCS / page.relative_to(DOCS / "zh")
    assert blocks(page) == blocks(twin)
    assert CELL.findall(page.read_text(encoding="utf-8")) == CELL.findall(twin.read_text(encoding="utf-8"))


def test_the_introduction_and_all_tutorials_are_there_in_chinese() -> None:
    english = {page.relative_to(DOCS) for page in NOTEBOOKS if "zh" not in page.parts}
    assert {page.relative_to(DOCS / "zh") for page in NOTEBOOKS if "zh" in page.parts} == english
    assert len(english) == 6


def test_the_two_readmes_have_the_same_code() -> None:
    assert blocks(README) == blocks(CHINESE_README)
    assert README.read_text().count("\n## ") == CHINESE_README.read_text(encoding="utf-8").count("\n## ")


@pytest.mark.parametrize("readme", [README, CHINESE_README], ids=name)
def test_the_readme_is_short(readme: Path) -> None:
    text = readme.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    assert len(blocks(readme)[0][1].splitlines()) <= 10
    for picture in re.findall(r"!\[[^]]*\]\((.*?)\)", text):
        assert (ROOT / picture).stat().st_size < 100_000, picture


@pytest.mark.parametrize("command", ["pip install . && fastgru train", "pip install '.[test]' && pytest"])
def test_the_two_commands_are_there_and_ci_runs_the_second(command: str) -> None:
    assert command in README.read_text()
    assert command in CHINESE_README.read_text(encoding="utf-8")
    if command.endswith("pytest"):
        assert command in (ROOT / ".ci/run").read_text()


def test_ci_builds_the_site() -> None:
    command = "sphinx-build -W docs"
    assert command in README.read_text()
    assert command in (ROOT / ".ci/slow").read_text()


def test_the_scripts_of_ci_run() -> None:
    for script in ("run", "slow"):
        assert os.access(ROOT / ".ci" / script, os.X_OK)
        assert f".ci/{script}" in README.read_text()
        assert f"bash .ci/{script}" in "".join(file.read_text() for file in (ROOT / ".github/workflows").glob("*.yml"))


def test_every_public_module_has_its_place_in_the_api() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.rst"))
    shown = set(re.findall(r"^\.\. public:: ([\w.]+)", pages, re.MULTILINE))
    assert set(public_modules(fastgru)) - shown == {"fastgru.datasets"}  # which has modules alone


def test_every_part_of_the_contents_has_a_chinese_name() -> None:
    parts = re.findall(r"^:caption: (.*)", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    names = re.findall(r'^    "(.+)": "', (DOCS / "_ext/languages.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(parts) <= set(names)


def test_every_layer_stands_on_one_page() -> None:
    from fastgru import layers

    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("layers-*.rst"))
    packages = " ".join(re.findall(r":within: (.*)", pages)).split()
    assert len(set(packages)) == len(packages)
    homes = {name: f"{getattr(layers, name).__module__}." for name in layers.__all__}
    shown = tuple(f"fastgru.layers.{package}." for package in packages)
    assert [name for name, home in homes.items() if not home.startswith(shown)] == []
