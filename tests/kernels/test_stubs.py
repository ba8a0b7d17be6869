"""The .pyi files of the kernels say what the compiled modules are, since mypy and editors see nothing else."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from fastgru import kernels
from fastgru.kernels import _runtime

FOLDER = Path(kernels.__file__).parent


def stub_names(body: list[ast.stmt], skipped: int) -> dict[str, Any]:
    """The names of a stub; of a function its parameters and which of them have a default."""
    names: dict[str, Any] = {}
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            parameters = statement.args.args[skipped:]
            defaults = len(parameters) - len(statement.args.defaults)
            by_name = zip(statement.args.kwonlyargs, statement.args.kw_defaults, strict=True)
            names[statement.name] = [(parameter.arg, i >= defaults) for i, parameter in enumerate(parameters)]
            names[statement.name] += [(parameter.arg, default is not None) for parameter, default in by_name]
        elif isinstance(statement, ast.ClassDef):
            names[statement.name] = stub_names(statement.body, 1)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names[statement.target.id] = None
    return names


def compiled_names(module: Any) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for name, value in vars(module).items():
        if not name.islower() or name.startswith("_"):
            continue
        if callable(value):
            parameters = inspect.signature(value).parameters.values()
            names[name] = [(p.name, p.default is not p.empty) for p in parameters]
        else:
            names[name] = None
    return names


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_stub_of_the_kernels_says_what_is_compiled(dtype: str) -> None:
    tree = ast.parse((FOLDER / "_compiled.pyi").read_text())
    stub, module = stub_names(tree.body, 0), kernels.module(dtype)
    assert {name: value for name, value in stub["Kernels"].items() if name.islower()} == compiled_names(module)
    calls = {name for name in stub["Kernels"] if not name.islower()}
    assert calls == {name for name in dir(module) if isinstance(getattr(module, name), type)} - {"ndarray"}
    for name in calls:
        attributes = {name for name in vars(getattr(module, name)) if not name.startswith("_")}
        assert set(stub[name]) - {"__init__"} == attributes


def test_the_stub_of_the_runtime_says_what_is_compiled() -> None:
    tree = ast.parse((FOLDER / "_runtime.pyi").read_text())
    assert stub_names(tree.body, 0) == compiled_names(_runtime)
