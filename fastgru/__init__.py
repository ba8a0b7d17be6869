"""fastgru: a CPU engine for GRU networks that speaks Keras's vocabulary.

Everything is loaded when it is first used, so that ``import fastgru`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fastgru import moved

if TYPE_CHECKING:
    from fastgru import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        dask,
        datasets,
        distribution,
        dtype_policies,
        initializers,
        keras,
        kernels,
        layers,
        losses,
        metrics,
        models,
        onnx,
        operations,
        ops,
        optimizers,
        plot,
        preprocessing,
        random,
        regularizers,
        saving,
        sklearn,
        streaming,
        tables,
        threads,
        torch,
        tree,
        utils,
    )
    from fastgru.autodiff import GradientTape, custom_gradient
    from fastgru.dtype_policies import DTypePolicy
    from fastgru.keras.conversion import from_keras as from_keras
    from fastgru.kernels import get_include, show_config
    from fastgru.layers import Input, Layer
    from fastgru.layers.variable import Variable
    from fastgru.models import Model, Sequential
    from fastgru.threads import get_num_threads, set_num_threads
    from fastgru.torch.conversion import from_torch as from_torch

__version__ = "0.1.0"

__all__ = [
    "DTypePolicy",
    "GradientTape",
    "Input",
    "KerasTensor",
    "Layer",
    "Model",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "custom_gradient",
    "dask",
    "datasets",
    "distribution",
    "dtype_policies",
    "get_include",
    "get_num_threads",
    "initializers",
    "keras",
    "kernels",
    "layers",
    "losses",
    "metrics",
    "models",
    "onnx",
    "operations",
    "ops",
    "optimizers",
    "plot",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "set_num_threads",
    "show_config",
    "sklearn",
    "streaming",
    "tables",
    "threads",
    "torch",
    "tree",
    "utils",
]

# where the names that are no modules live
_HOMES = {
    "DTypePolicy": "dtype_policies",
    "GradientTape": "autodiff",
    "KerasTensor": "layers.symbolic",
    "Variable": "layers.variable",
    "custom_gradient": "autodiff",
    "Input": "layers",
    "Layer": "layers",
    "Model": "models",
    "Sequential": "models",
    "get_include": "kernels",
    "get_num_threads": "threads",
    "set_num_threads": "threads",
    "show_config": "kernels",
    # not in __all__: `import *` and help(), which look at all names, need not have what these import
    "from_keras": "keras",
    "from_torch": "torch",
}

moved.install()


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _HOMES and name != "sampling":  # which `random` opens
        from fastgru.lazy import AbsentName

        raise AbsentName("fastgru", name, __all__)
    home = _HOMES.get(name)
    module = importlib.import_module(f"fastgru.{home or name}")
    return getattr(module, name) if home else module


def __dir__() -> list[str]:
    return sorted(__all__)
