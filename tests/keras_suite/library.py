"""`kx`: what Keras's own tests find in the place of `keras`.

A name that a user can type (`kx.src.layers.GRU`, `kx.src.ops.einsum`) is fastgru's, wherever inside Keras the test
looks it up; one that fastgru does not have fails the test that uses it, and no other. Nothing of Keras computes here:
its package gives the tests themselves and the `TestCase` they are written on, which is read like a test.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fastgru

spec = importlib.util.find_spec("keras")
assert spec is not None and spec.origin is not None, "Keras is not installed"
KERAS = Path(spec.origin).parent / "src"
#: what of Keras is run as it stands, on `kx`: tests, and what they are written with
RUN = re.compile(r".*_test|testing\.test_(case|utils)")
#: modules of Keras whose names are fastgru's under another module's name
PUBLIC = {
    "backend": ("backend", "config", "ops", ""),
    "dtype_policies": ("dtype_policies", "config"),
    "tree": ("tree",),
    "trainers": ("training.trainer", "utils", ""),
}


def as_test_of_kx(source: str) -> str:
    """Keras's source with its imports turned to `kx`."""
    source = re.sub(r"^(\s*)from keras\b", r"\1from kx", source, flags=re.MULTILINE)
    source = re.sub(r"^(\s*)import keras$", r"\1import kx as keras", source, flags=re.MULTILINE)
    # one file asks for the trainer by the name of each backend
    source = re.sub(r"raise ImportError\(f\"Invalid backend.*\)", "from kx.src.trainers import Trainer", source)
    return re.sub(r"^from conftest\b", "from kx.conftest", source, flags=re.MULTILINE)


class Absent:
    """A name that fastgru does not have: using it, not importing it, is the error."""

    def __init__(self, path: str) -> None:
        self.__dict__["path"] = path
        self.__dict__["__name__"] = path.rpartition(".")[2]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        raise AttributeError(f"fastgru has no {self.path}")

    def __getattr__(self, name: str) -> Any:
        if name == "available":  # of a library that Keras can do without
            return False
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.path}.{name}")

    def __mro_entries__(self, bases: Any) -> tuple[type]:
        def refuse(instance: Any, *arguments: Any, **named: Any) -> None:
            self()

        return (type(self.__name__, (), {"__init__": refuse}),)

    def __iter__(self) -> Any:
        return self()


class Module(ModuleType):
    """One of Keras's modules, with fastgru's names in it."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self.__dict__["__path__"] = []
        self.__dict__["_path"] = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return resolve(self._path, name)


def resolve(path: str, name: str) -> Any:
    """What ``keras.src.<path>.<name>`` is to a user of fastgru."""
    full = f"{path}.{name}".strip(".")
    if full in SERVICES:
        return SERVICES[full]
    room = path.partition(".")[0]
    if room in NOT_INSTALLED:
        return Absent(full)
    if is_keras_module(full):
        return importlib.import_module(f"kx.src.{full}")
    for public in (path, *PUBLIC.get(room, (room, ""))):
        home = importlib.import_module(f"fastgru.{public}".rstrip(".")) if is_ours(public) else None
        value = getattr(home, name, None)
        if value is not None:
            return value
    return Absent(full)


def is_keras_module(path: str) -> bool:
    file = KERAS.joinpath(*path.split("."))
    return file.is_dir() or file.with_suffix(".py").exists()


def is_ours(module: str) -> bool:
    try:
        return importlib.util.find_spec(f"fastgru.{module}".rstrip(".")) is not None
    except ModuleNotFoundError:
        return False


def no_device() -> bool:
    return False


#: what tests are written with, and no user types
SERVICES: dict[str, Any] = {
    "backend.backend": lambda: "fastgru",
    "backend.common.global_state.clear_session": lambda free_memory=False: fastgru.utils.clear_session(),
    "backend.get_keras_mask": lambda x: getattr(x, "_keras_mask", None),
    "backend.set_keras_mask": lambda x, mask: setattr(x, "_keras_mask", mask),
    "backend.SUPPORTS_SPARSE_TENSORS": False,
    "backend.SUPPORTS_RAGGED_TENSORS": False,
    "legacy.saving.legacy_h5_format.save_model_to_hdf5": lambda model, path, **named: model.save(path, **named),
    "saving.object_registration.GLOBAL_CUSTOM_OBJECTS": fastgru.saving.get_custom_objects(),
    "saving.saving_lib._CONFIG_FILENAME": "config.json",
    "saving.saving_lib._METADATA_FILENAME": "metadata.json",
    "saving.saving_lib._VARS_FNAME_H5": "model.weights.h5",
    "saving.saving_lib.load_weights_only": lambda model, path, **named: model.load_weights(path, **named),
    "saving.saving_lib.save_weights_only": lambda model, path, **named: model.save_weights(path, **named),
    "utils.summary_utils.print_summary": lambda model, **named: model.summary(**named),
    "torch.Tensor": type("Tensor", (), {}),  # scipy asks whether something is one
    "utils.file_utils.exists": os.path.exists,
    "utils.file_utils.join": os.path.join,
    "utils.traceback_utils.is_traceback_filtering_enabled": lambda: False,
    "utils.removesuffix": str.removesuffix,
    **{
        f"testing.{name}": no_device
        for name in (
            "uses_gpu", "uses_tpu", "jax_uses_gpu", "jax_uses_tpu", "tensorflow_uses_gpu", "tensorflow_uses_tpu",
            "torch_uses_gpu",
        )
    },
}  # fmt: skip


#: what some files import for a few of their tests
NOT_INSTALLED = [name for name in ("tensorflow", "torch", "grain") if importlib.util.find_spec(name) is None]


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `kx`, everything below it, and what stands for a library that is not installed."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        ours = fullname.partition(".")[0] in ("kx", *NOT_INSTALLED)
        return ModuleSpec(fullname, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        path = re.sub(r"^kx\.?(src\.?)?", "", spec.name)
        return ModuleType(spec.name) if RUN.fullmatch(path) or path == "conftest" else Module(spec.name, path)

    def exec_module(self, module: ModuleType) -> None:
        path = re.sub(r"^kx\.?(src\.?)?", "", module.__name__)
        if path == "conftest":
            module.skip_if_backend = lambda name, reason: pytest.mark.skipif(name == "fastgru", reason=reason)  # type: ignore[attr-defined]
        elif RUN.fullmatch(path):
            file = KERAS.joinpath(*path.split(".")).with_suffix(".py")
            exec(compile(as_test_of_kx(file.read_text(encoding="utf-8")), str(file), "exec"), module.__dict__)
        if path == "testing.test_case":
            module.TestCase.run_layer_test = without_mixed_precision(module)  # type: ignore[attr-defined]
        if path == "testing":
            module.TestCase = importlib.import_module("kx.src.testing.test_case").TestCase  # type: ignore[attr-defined]


def without_mixed_precision(test_case: Any) -> Any:
    """Keras's test of a layer, but for what fastgru says it leaves out: float16, and seeds kept as variables."""
    run_layer_test = test_case.TestCase.run_layer_test
    test_case.get_seed_generators = lambda layer: []

    def run(self: Any, *arguments: Any, **named: Any) -> None:
        seeds = named.pop("expected_num_seed_generators", None)
        if seeds:
            named.pop("expected_num_non_trainable_variables", None)
        run_layer_test(self, *arguments, **{**named, "run_mixed_precision_check": False})

    return run


os.environ["KERAS_BACKEND"] = "numpy"  # should anything import the real one: the lightest
sys.meta_path.insert(0, Finder())
