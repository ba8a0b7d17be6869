"""The house stands: imports go down, no files import each other in circles, and the door opens quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import fastgru

PACKAGE = Path(fastgru.__file__).parent
FLOORS = [
    {
        "types",
        "checks",
        "dtype_policies",
        "naming",
        "object_registration",
        "registry",
        "serialization",
        "lazy",
        "moved",
        "text",
        "tree",
    },
    {"random", "threads", "kernels", "config", "atomic", "pages"},
    {"autodiff"},
    {"initializers", "activations", "regularizers", "constraints"},
    {"ops"},
    {"layers", "parameters"},
    {"operations", "sampling"},
    {"losses", "metrics", "optimizers", "callbacks", "data", "distribution"},
    {"training"},
    {"models"},
    {"saving"},
    {"streaming"},
    {"bridges", "torch", "keras", "dask", "sklearn", "onnx"},
    {"serving"},
    {"datasets", "plot", "preprocessing", "utils", "tables", "cli", "playground", "backend", "__init__", "__main__"},
]
Imports = dict[str, list[tuple[int, str]]]  # of each module: line and name of every module that it imports


def module_of(file: Path, package: Path) -> str:
    parts = ["fastgru", *file.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names_in(file: Path, module: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a file imports: in functions, under TYPE_CHECKING and by string, too."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            home = ".".join([*base, *filter(None, [node.module])])
            yield from ((node.lineno, f"{home}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__"):
                name, anchor, *_ = [*map(text_of, node.args), package, package]
                yield node.lineno, resolve_name(name, anchor)


def text_of(node: ast.expr) -> str:
    """A string in a program, an f-string as far as it is known before it runs."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) else node
    return str(first.value) if isinstance(first, ast.Constant) else ""


def imports_in(package: Path) -> Imports:
    """The modules of the package that each of its modules imports, but for packages that it stands in."""
    modules = {module_of(file, package): file for file in sorted(package.rglob("*.py"))}
    imports: Imports = {}
    for module, file in modules.items():
        imports[module] = []
        for line, name in names_in(file, module):
            while name and name not in modules:
                name = name.rpartition(".")[0]
            if name and name != module and not f"{module}.".startswith(f"{name}."):
                imports[module].append((line, name))
    return imports


def subpackage_of(module: str) -> str:
    """The top-level file or folder of a module; ``__init__`` for the package itself."""
    return module.split(".")[1] if "." in module else "__init__"


def floor_of(subpackage: str) -> int:
    floors = [number for number, subpackages in enumerate(FLOORS) if subpackage in subpackages]
    assert floors, f"fastgru/{subpackage} has no floor yet: give it one in this file"
    return floors[0]


def files_of(imports: Imports) -> dict[str, set[str]]:
    """Which modules each imports, without the package's door, which opens every room when it is asked for it."""
    return {module: {name for _, name in names} for module, names in imports.items() if module != "fastgru"}


def assert_no_circle(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@pytest.fixture(scope="module")
def imports() -> Imports:
    return imports_in(PACKAGE)


def test_imports_go_down(imports: Imports) -> None:
    upward = [
        f"{module}, line {line}: {other}"
        for module, names in imports.items()
        if module != "fastgru"  # the door, which opens every room when it is asked for it
        for line, other in names
        if floor_of(subpackage_of(other)) > floor_of(subpackage_of(module))
    ]
    assert not upward


def test_no_files_import_each_other_in_circles(imports: Imports) -> None:
    assert_no_circle(files_of(imports))


def test_no_rooms_import_each_other_in_circles(imports: Imports) -> None:
    graph: dict[str, set[str]] = {}
    for module, names in imports.items():
        subpackage = subpackage_of(module)
        if subpackage != "__init__":
            imported = {subpackage_of(name) for _, name in names}
            graph.setdefault(subpackage, set()).update(imported - {subpackage})
    assert_no_circle(graph)


# the steps of loading, and what none of them may ask: bytes to a stored model, that in today's words, a model
STEPS = {
    "formats": ("legacy", "build", "subgraph", "matching", "api", "sniff"),
    "legacy": ("formats", "build", "subgraph", "matching", "api", "sniff"),
    "build": ("formats", "matching", "api", "sniff"),
}


@pytest.mark.parametrize("step", STEPS)
def test_the_steps_of_loading_never_meet(step: str, imports: Imports) -> None:
    others = tuple(f"fastgru.saving.{other}" for other in STEPS[step])
    meetings = [
        f"{module}, line {line}: {name}"
        for module, names in imports.items()
        if f"{module}.".startswith(f"fastgru.saving.{step}.")
        for line, name in names
        if name.startswith(others)
    ]
    assert not meetings


PLANTED = {
    "plain": "from fastgru.models.model import Model\n",
    "of a name": "from fastgru.models import model\n",
    "relative": "from ..models.model import Model\n",
    "inside a function": "def f():\n    import fastgru.models.model\n",
    "by string": "import importlib\ndef f():\n    importlib.import_module('fastgru.models.model')\n",
    "by relative string": "from importlib import import_module\nimport_module('.model', 'fastgru.models')\n",
    "under TYPE_CHECKING": "import typing\nif typing.TYPE_CHECKING:\n    from fastgru.models.model import Model\n",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_circle_is_seen(kind: str, tmp_path: Path) -> None:
    for name, text in {
        "__init__": "", "models/__init__": "", "models/model": "from fastgru.layers.layer import Layer\n",
        "layers/__init__": "", "layers/layer": PLANTED[kind],
    }.items():  # fmt: skip
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    imports = imports_in(tmp_path)
    assert [name for _, name in imports["fastgru.layers.layer"]] == ["fastgru.models.model"]
    with pytest.raises(pytest.fail.Exception, match="circle of imports"):
        assert_no_circle(files_of(imports))


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
