"""What the package offers: every public module says it in `__all__`, and completion offers nothing else."""

from __future__ import annotations

import importlib
import importlib.util
import pickle
import pkgutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from offered import BRIDGES, is_installed, public_modules

import fastgru

PUBLIC = public_modules(fastgru)
ALL = [
    module.name
    for module in pkgutil.walk_packages(fastgru.__path__, "fastgru.")
    if "._" not in module.name and is_installed(module.name)
]
OF_KERAS = [name for name in ALL if name.startswith("fastgru.keras.")]


def test_the_public_modules_are_those_of_keras_and_what_runs_them() -> None:
    rooms = {name.removeprefix("fastgru.") for name in PUBLIC}
    assert {"activations", "callbacks", "datasets.mnist", "layers", "losses", "metrics", "models", "threads"} < rooms


@pytest.mark.parametrize("name", PUBLIC)
def test_completion_offers_what_a_public_module_declares_and_nothing_else(name: str) -> None:
    assert dir(PUBLIC[name]) == sorted(PUBLIC[name].__all__)


@pytest.mark.parametrize("name", ["callbacks", "layers", "losses", "metrics", "ops", "optimizers"])
def test_a_package_imports_only_what_is_asked_for(name: str, tmp_path: Path) -> None:
    modules = f"print(*[m for m in sys.modules if m.startswith('fastgru.{name}.')])"
    command = [sys.executable, "-c", f"import sys, fastgru.{name}; fastgru.{name}.__all__; {modules}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([name for name in ALL if name not in OF_KERAS], id="of all but Keras's bridge"),
        pytest.param(OF_KERAS, marks=pytest.mark.keras, id="of Keras's bridge"),
    ],
)
def test_every_declared_name_exists_once(names: list[str]) -> None:
    modules = [importlib.import_module(name) for name in names]
    declared = [(module, name) for module in modules for name in getattr(module, "__all__", ())]
    assert [f"{module.__name__}: {name}" for module, name in declared if not hasattr(module, name)] == []
    assert [f"{module.__name__}: {name}" for (module, name), count in Counter(declared).items() if count > 1] == []


ROOMS = ["activations", "callbacks", "layers", "losses", "metrics", "ops", "optimizers"]


@pytest.mark.parametrize("name", [name for name in ALL if name.split(".")[1] in ROOMS])
def test_every_file_of_a_room_declares_its_names(name: str) -> None:
    module = importlib.import_module(name)
    here = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name and callable(value)
    }
    assert here <= set(getattr(module, "__all__", ()))


# modules that were files, and their classes that a pickle may name by them
OLD_PATHS = {
    "callbacks": "Callback History CallbackList LambdaCallback EarlyStopping ModelCheckpoint ReduceLROnPlateau "
    "LearningRateScheduler CSVLogger TerminateOnNaN",
    "losses": "Loss MeanSquaredError MeanAbsoluteError BinaryCrossentropy CategoricalCrossentropy "
    "SparseCategoricalCrossentropy mean_squared_error mean_absolute_error binary_crossentropy "
    "categorical_crossentropy sparse_categorical_crossentropy",
    "metrics": "Metric Mean MeanMetricWrapper Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy "
    "BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy MeanSquaredError MeanAbsoluteError "
    "accuracy binary_accuracy categorical_accuracy sparse_categorical_accuracy",
    "optimizers": "Optimizer SGD RMSprop Adam",
    "activations": "Activation _relu _d_relu _sigmoid _d_sigmoid _gelu _d_gelu",
}


def unpickled(path: str) -> object:
    """What a pickle means by ``fastgru.<path>``."""
    module, name = path.split(".")
    return pickle.loads(f"cfastgru.{module}\n{name}\n.".encode())


@pytest.mark.parametrize("path", [f"{module}.{name}" for module, names in OLD_PATHS.items() for name in names.split()])
@pytest.mark.filterwarnings("error")
def test_old_pickles_find_what_moved_into_the_files_of_a_room(path: str) -> None:
    assert unpickled(path).__name__ == path.split(".")[1]  # type: ignore[attr-defined]


def test_a_name_that_never_was_is_an_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'fastgru.losses' has no attribute 'MeanError'"):
        fastgru.losses.MeanError  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("name", "instead"), [("Conv3D", "did you mean 'Conv[12]D'"), ("RandomZebra", "docs/compatibility.md lists")]
)
def test_a_name_of_keras_that_is_absent_is_told_to_be_so(name: str, instead: str) -> None:
    sentence = f"module 'fastgru.layers' has no attribute '{name}': it is not in fastgru; {instead}"
    with pytest.raises(AttributeError, match=sentence):
        getattr(fastgru.layers, name)
    with pytest.raises(ImportError, match=sentence):
        exec(f"from fastgru.layers import {name}")
    assert not hasattr(fastgru.layers, name)


@pytest.mark.parametrize(("name", "instead"), [("conv", "Conv1D"), ("max_pool", "MaxPooling1D"), ("rfft", "numpy.fft")])
def test_an_op_that_another_name_does_says_which(name: str, instead: str) -> None:
    with pytest.raises(AttributeError, match=rf"'{name}': it is not in fastgru; use .*{instead}"):
        getattr(fastgru.ops, name)


def test_load_model_is_said_to_be_in_models() -> None:
    with pytest.raises(AttributeError, match=r"'load_model': .*; use fastgru\.models\.load_model\.$"):
        fastgru.load_model  # type: ignore[attr-defined]  # noqa: B018


def test_the_error_of_an_absent_name_comes_out_of_another_process_as_it_was() -> None:
    with pytest.raises(AttributeError, match="did you mean 'Conv2D'") as caught:
        fastgru.layers.Conv3D  # noqa: B018
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(("bridge", "package"), BRIDGES.items())
def test_a_bridge_without_what_it_leads_to_names_the_extra(
    bridge: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *args: None if name == package else find_spec(name, *args)
    )
    module = getattr(fastgru, bridge)
    name = module.__all__[0]
    vars(module).pop(name, None)  # where another test asked for it
    with pytest.raises(ImportError, match=rf"fastgru\.{bridge} needs {package}, .* pip install 'fastgru\[\w+\]'"):
        getattr(module, name)
