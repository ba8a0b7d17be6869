"""Packages whose names are imported when they are first used: a process loads what it runs, and no more.

The stub of such a package, ``__init__.pyi``, is the one list of its names. Type checkers and editors read it, and so
does `exports`: each of its lines ``from MODULE import NAME as NAME`` says where a name lives.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from typing import Any

from fastgru import moved
from fastgru.naming import nearest

__all__ = ["AbsentName", "absence", "exports"]

_exported: dict[str, list[str]] = {}  # the names of each package
# what does the same, of names near which there is none that does
_INSTEAD = {
    frozenset({"fastgru.load_model"}): "fastgru.models.load_model",
    frozenset({"fastgru.ops.conv", "fastgru.ops.depthwise_conv", "fastgru.ops.separable_conv"}): (
        "the layers Conv1D, DepthwiseConv1D and SeparableConv1D"
    ),
    frozenset({"fastgru.ops.conv_transpose"}): "the layer Conv1DTranspose",
    frozenset({"fastgru.ops.max_pool", "fastgru.ops.average_pool"}): "the layers MaxPooling1D and AveragePooling1D",
    frozenset(f"fastgru.ops.{name}" for name in ("fft", "fft2", "ifft2", "rfft", "irfft", "stft", "istft")): (
        "numpy.fft on the data before they go in"
    ),
    frozenset(f"fastgru.ops.{name}" for name in ("svd", "qr", "eig", "eigh", "cholesky", "lstsq", "lu_factor")): (
        "numpy.linalg, where no gradient is needed"
    ),
}


def absence(module: str, name: str, names: Iterable[str]) -> str:
    """The sentence for a name that Keras may have and fastgru has not."""
    other = next((other for absent, other in _INSTEAD.items() if f"{module}.{name}" in absent), None)
    if other is not None:
        return f"module {module!r} has no attribute {name!r}: it is not in fastgru; use {other}."
    near = nearest(name, names)
    instead = "docs/compatibility.md lists what there is." if near is None else f"did you mean {near!r}?"
    return f"module {module!r} has no attribute {name!r}: it is not in fastgru; {instead}"


class AbsentName(AttributeError):
    """A name that a module has not, told by `absence` when somebody reads it.

    The import system asks a package in this way for each of its modules, and drops the error.
    """

    def __init__(self, module: str, name: str, names: Iterable[str]) -> None:
        super().__init__(name=name)
        self._absent = module, name, names

    def __str__(self) -> str:
        return absence(*self._absent)

    def __reduce__(self) -> tuple[Any, ...]:  # that of errors calls the class with `args`, which are none
        return AbsentName, self._absent


class AbsentNames:
    """The finder that is asked last, so that ``from fastgru.layers import Conv3D`` ends with the same sentence.

    Only names of classes: ``__import__(package, fromlist=["x"])`` asks for a name that need not be there.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, absent = name.rpartition(".")
        if package in _exported and absent[:1].isupper():
            raise ModuleNotFoundError(absence(package, absent, _exported[package]))
        return None


def exports(
    spec: ModuleSpec, needs: str | None = None, extra: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of the package whose stub lists its names (PEP 562).

    A bridge can be imported without the package on its other side, which its names need and `extra` brings.
    """
    stub = spec.loader.get_data(f"{(spec.origin or '').rpartition('.')[0]}.pyi")  # type: ignore[union-attr]
    homes = {}
    for line in stub.decode().splitlines():
        match line.split():
            case ["from", module, "import", name, "as", same] if same == name:
                homes[name] = module
    moved_attribute = moved.attributes(spec.name, stacklevel=3)

    def attribute(name: str) -> Any:
        if name not in homes:
            try:
                return moved_attribute(name)
            except AttributeError:
                raise AbsentName(spec.name, name, names) from None
        if needs is not None:
            _need(needs, spec.name, extra)
        home = homes[name]
        inner = home == spec.name  # a module of the package itself
        value = importlib.import_module(f"{home}.{name}") if inner else getattr(importlib.import_module(home), name)
        setattr(importlib.import_module(spec.name), name, value)  # asked once
        return value

    names = sorted(homes)
    if not _exported:
        sys.meta_path.append(AbsentNames)
    _exported[spec.name] = names
    return attribute, lambda: names, names


def _need(package: str, bridge: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        sentence = f"{bridge} needs {package}, which is not installed: pip install 'fastgru[{extra}]'."
        raise ImportError(sentence, name=package)
