"""The modules that the package offers."""

from __future__ import annotations

import importlib.util
import inspect
from types import ModuleType

# rooms whose files import a package that an extra brings
BRIDGES = {"dask": "dask", "keras": "keras", "sklearn": "sklearn", "torch": "torch"}
NEEDS = {
    **BRIDGES,
    "keras.jax_pass": "jax",
    "keras.torch_pass": "torch",
    "serving": "starlette",
    "serving.app": "prometheus_client",
    "serving.metrics": "prometheus_client",
    "serving.server": "uvicorn",
}


def is_installed(name: str) -> bool:
    """Whether there is what a module of fastgru imports."""
    packages = [package for room, package in NEEDS.items() if f"{name}.".startswith(f"fastgru.{room}.")]
    return all(importlib.util.find_spec(package) for package in packages)


def public_modules(module: ModuleType) -> dict[str, ModuleType]:
    """The module, and the modules that it and they offer, by name."""
    names = module.__all__ if is_installed(module.__name__) else []
    offered = {name: getattr(module, name) for name in names if inspect.ismodule(getattr(module, name))}
    modules = {module.__name__: module}
    for inner in offered.values():
        modules |= public_modules(inner)
    return modules
