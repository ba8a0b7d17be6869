"""CONTRIBUTING.md is right: each of its recipes is followed in a copy of the checkout, where its own test passes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

import fastgru

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
RECIPES = {
    section.partition("\n")[0]: section for section in PAGE.partition("## Adding things\n")[2].split("\n### ")[1:]
}
COMPILED = ["An activation in the kernels", "An instruction set"]
INTERPRETED = [title for title in RECIPES if title not in COMPILED]
NEW_FILE = re.compile(r"^`([\w./]+)`, new:\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def hunks(section: str) -> Iterator[tuple[str, str, str]]:
    """File, lines that stand in it, and the lines that take their place."""
    for diff in DIFF.findall(section):
        for part in re.split(r"^--- ", diff, flags=re.MULTILINE)[1:]:
            name, _, rest = part.partition("\n")
            for hunk in re.split(r"^@@\n", rest, flags=re.MULTILINE):
                lines = hunk.splitlines()
                old, new = ([line[1:] for line in lines if not line.startswith(sign)] for sign in "+-")
                yield name, "\n".join(old) + "\n", "\n".join(new) + "\n"


def follow(section: str, copy: Path) -> list[str]:
    """Do what a recipe says; returns the tests that it adds."""
    files = NEW_FILE.findall(section)
    for name, text in files:
        assert not (copy / name).exists(), f"{name} is there already"
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
    for name, old, new in hunks(section):
        text = (copy / name).read_text()
        assert text.count(old) == 1, f"{name} has {text.count(old)} times:\n{old}"
        (copy / name).write_text(text.replace(old, new))
    return [name for name, _text in files if name.startswith("tests/")]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package as it is imported here, and what tests share."""
    shutil.copytree(Path(fastgru.__file__).parent, tmp_path / "fastgru", ignore=shutil.ignore_patterns("__pycache__"))
    changed = {name for section in RECIPES.values() for name, _old, _new in hunks(section) if name.startswith("tests/")}
    for name in (
        "pyproject.toml",
        "tests/conftest.py",
        "tests/paths.py",
        "tests/instruction_sets.py",
        "tests/layer_checks.py",
        "tests/offered.py",
        *changed,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(copy: Path, *command: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTEST_ADDOPTS": ""}
    done = subprocess.run([sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def run_tests(copy: Path, mark: str, *tests: str) -> None:
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", mark, *tests)


@pytest.mark.slow
@pytest.mark.parametrize("title", INTERPRETED)
def test_a_recipe_is_followed_and_its_test_passes(title: str, copy: Path) -> None:
    tests = follow(RECIPES[title], copy)
    assert tests
    run_tests(copy, "not keras", *tests)


@pytest.mark.keras
def test_what_the_recipes_add_is_as_in_keras(keras: object, copy: Path) -> None:
    tests = [test for title in INTERPRETED for test in follow(RECIPES[title], copy)]
    run_tests(copy, "keras", *tests)


@pytest.fixture
def sources(copy: Path) -> Path:
    """The copy with all that compiling needs, and nothing compiled."""
    kernels = Path("fastgru/kernels")
    shutil.copytree(ROOT / kernels, copy / kernels, dirs_exist_ok=True)
    for name in ("setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    for compiled in (copy / kernels).glob("*.so"):
        compiled.unlink()
    return copy


@pytest.mark.parametrize("title", COMPILED)
def test_a_recipe_that_compiles_can_be_followed(title: str, sources: Path) -> None:
    assert follow(RECIPES[title], sources)


@pytest.mark.slow
def test_the_recipes_that_compile_are_followed_and_their_tests_pass(sources: Path) -> None:
    pytest.importorskip("Cython")
    tests = [test for title in COMPILED for test in follow(RECIPES[title], sources)]
    run(sources, "setup.py", "build_ext", "--inplace")
    run_tests(sources, "not keras", *tests)


@pytest.mark.slow
def test_the_recipes_are_in_the_package_s_style(copy: Path) -> None:
    pytest.importorskip("ruff")
    for title in INTERPRETED:
        follow(RECIPES[title], copy)
    # where a name comes among others depends on what is there
    run(copy, "-m", "ruff", "check", "--no-cache", "--fix", "--select", "I,RUF022", ".")
    run(copy, "-m", "ruff", "check", "--no-cache", ".")
    run(copy, "-m", "ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.slow
def test_what_the_recipes_add_keeps_the_rules_of_the_house(copy: Path) -> None:
    for title in INTERPRETED:
        follow(RECIPES[title], copy)
    rules = ("tests/test_floors.py", "tests/test_public_names.py")
    for name in rules:
        shutil.copy(ROOT / name, copy / name)
    run_tests(copy, "not slow and not keras", *rules)


def test_everything_that_can_be_added_has_a_recipe() -> None:
    assert list(RECIPES) == [
        "An activation",
        "A layer",
        "An optimizer",
        "A loss",
        "A metric",
        "A callback",
        "A file format",
        *COMPILED,
    ]


# --- the map --------------------------------------------------------------------------------------

MAP = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def test_every_room_stands_in_the_drawing() -> None:
    words = set(re.findall(r"\w+", MAP.partition("```\n")[2].partition("```")[0]))
    package = Path(fastgru.__file__).parent
    rooms = [path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    families = [path.stem for path in (package / "layers").iterdir() if (path / "__init__.py").exists()]
    assert not {*rooms, *families} - words


def test_the_files_of_the_kernels_stand_in_the_order_in_which_they_include_each_other() -> None:
    def included(file: str) -> Iterator[str]:
        for name in re.findall(r'^include "(.*)"', (ROOT / "fastgru/kernels" / file).read_text(), re.MULTILINE):
            yield name
            yield from included(name)

    files = dict.fromkeys([*included("_kernels.pyx"), *included("_calls.pyx")])
    assert re.findall(r"^\| `(\w+\.pxi)`", MAP, re.MULTILINE) == list(files)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_the_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    added = {name for section in RECIPES.values() for name, _text in NEW_FILE.findall(section)}
    names = {*re.findall(r"`([\w./]+\.(?:py|pxi|pyx|h|md))`", text), *re.findall(r"\]\(([\w./-]+)", text)}
    assert len(names) > 3
    for name in names - added:
        places = (ROOT, (ROOT / page).parent, ROOT / "fastgru", ROOT / "fastgru/kernels")
        assert any((place / name).exists() for place in places), name
