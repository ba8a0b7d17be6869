"""The house stands: imports go down, rooms do not lean on each other in circles, and the door opens quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fastgru

PACKAGE = Path(fastgru.__file__).parent
FLOORS = [
    {"types", "checks", "registry", "naming", "random", "threads", "kernels", "config"},
    {"initializers", "activations", "regularizers", "constraints"},
    {"layers", "parameters"},
    {"losses", "metrics", "optimizers", "callbacks", "data"},
    {"saving"},
    {"models"},
    {"datasets", "utils", "cli", "__init__", "__main__"},
]
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The top-level file or folder of a module; ``__init__`` for the package itself."""
    parts = module.split(".")
    if len(parts) == 1:
        return "__init__"
    return parts[1]


def floor_of(room: str) -> int:
    floors = [number for number, rooms in enumerate(FLOORS) if room in rooms]
    assert floors, f"fastgru/{room} has no floor yet: give it one in this file"
    return floors[0]


def module_of(file: Path) -> str:
    parts = ["fastgru", *file.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """Line and room of everything of the package that a file imports, inside functions too."""
    package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            names = [module]
            if module == "fastgru":
                rooms = set().union(*FLOORS)
                names = [f"fastgru.{alias.name}" if alias.name in rooms else "fastgru" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, room_of(name)) for name in names if name.split(".")[0] == "fastgru")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_down(file: Path) -> None:
    room = room_of(module_of(file))
    upward = [
        f"line {line}: {room} imports {other}"
        for line, other in imports_of(file)
        if other != room and floor_of(other) > floor_of(room)
    ]
    assert not upward


def test_rooms_of_one_floor_do_not_import_each_other_in_circles() -> None:
    graph: dict[str, set[str]] = {}
    for file in FILES:
        room = room_of(module_of(file))
        graph.setdefault(room, set()).update(other for _, other in imports_of(file) if other != room)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_the_reader_of_imports_sees_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    file = tmp_path / "layers" / "gru.py"
    file.parent.mkdir()
    file.write_text(
        "import numpy, fastgru.threads\nfrom fastgru import kernels, __version__\nfrom ..saving import atomic\n"
        "def f():\n    from .layer import Layer\n    import fastgru.models.model\n"
    )
    assert sorted(room for _, room in imports_of(file)) == [
        "__init__", "kernels", "layers", "models", "saving", "threads",
    ]  # fmt: skip


@pytest.mark.parametrize("heavy", ["h5py", "rich", "ssl", "keras", "jax", "torch", "tensorflow"])
def test_importing_fastgru_leaves_heavy_packages_alone(heavy: str, loaded: set[str]) -> None:
    assert heavy not in loaded


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The top-level modules in a fresh process after ``import fastgru``."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import fastgru; print(*sys.modules)"
    command = [sys.executable, "-c", program, str(PACKAGE.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}
