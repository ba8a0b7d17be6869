"""Old import paths of what has moved: for one release they lead to the new place, with a warning.

Pickled models name the modules of their classes, so they come this way, too.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {
    "fastgru.kernels.reference_losses": "fastgru.kernels.reference.losses",
    "fastgru.kernels.reference_optimizers": "fastgru.kernels.reference.optimizers",
    "fastgru.kernels.reference_rnn": "fastgru.kernels.reference.rnn",
    "fastgru.layers.activation": "fastgru.layers.activations.activation",
    "fastgru.layers.advanced_activations": "fastgru.layers.activations.rectifiers",
    "fastgru.layers.bidirectional": "fastgru.layers.rnn.bidirectional",
    "fastgru.layers.cells": "fastgru.layers.rnn.cells",
    "fastgru.layers.convolution": "fastgru.layers.convolutional.conv",
    "fastgru.layers.dense": "fastgru.layers.core.dense",
    "fastgru.layers.depthwise": "fastgru.layers.convolutional.depthwise",
    "fastgru.layers.dropout": "fastgru.layers.regularization.dropout",
    "fastgru.layers.embedding": "fastgru.layers.core.embedding",
    "fastgru.layers.gru": "fastgru.layers.rnn.gru",
    "fastgru.layers.input": "fastgru.layers.core.input_layer",
    "fastgru.layers.lstm": "fastgru.layers.rnn.lstm",
    "fastgru.layers.masking": "fastgru.layers.core.masking",
    "fastgru.layers.noise": "fastgru.layers.regularization.noise",
    "fastgru.layers.operations": "fastgru.operations.operation",
    "fastgru.layers.padding": "fastgru.layers.reshaping.padding",
    "fastgru.layers.passing": "fastgru.layers.core.identity",
    "fastgru.layers.recurrent": "fastgru.layers.rnn.recurrent",
    "fastgru.layers.scaling": "fastgru.layers.preprocessing",
    "fastgru.layers.simple_rnn": "fastgru.layers.rnn.simple_rnn",
    "fastgru.layers.spatial": "fastgru.layers.convolutional.windows",
    "fastgru.layers.time_distributed": "fastgru.layers.rnn.time_distributed",
    "fastgru.layers.upsampling": "fastgru.layers.reshaping.up_sampling",
    "fastgru.layers.wrapper": "fastgru.layers.core.wrapper",
    "fastgru.ops.operation": "fastgru.operations.operation",
    "fastgru.models.hooks": "fastgru.training.hooks",
    "fastgru.models.objective": "fastgru.training.objective",
    "fastgru.models.progress": "fastgru.training.progress",
    "fastgru.models.training": "fastgru.training.trainer",
    "fastgru.models.drawing": "fastgru.models.graph_config",
    "fastgru.saving.atomic": "fastgru.atomic",
    "fastgru.saving.archives": "fastgru.saving.formats.zip_archive",
    "fastgru.saving.configs": "fastgru.saving.build",
    "fastgru.saving.errors": "fastgru.saving.report",
    "fastgru.saving.graphs": "fastgru.saving.subgraph",
    "fastgru.saving.hdf5": "fastgru.saving.formats.hdf5",
    "fastgru.saving.keras_zip": "fastgru.saving.formats.keras_zip",
    "fastgru.saving.legacy_h5": "fastgru.saving.formats.legacy_h5",
    "fastgru.saving.npz": "fastgru.saving.formats.npz",
    "fastgru.saving.old_configs": "fastgru.saving.legacy.configs",
    "fastgru.saving.old_operations": "fastgru.saving.legacy.operations",
    "fastgru.saving.old_training": "fastgru.saving.legacy.training",
    "fastgru.saving.old_weights": "fastgru.saving.legacy.weights",
    "fastgru.saving.shards": "fastgru.saving.formats.weight_shards",
    "fastgru.saving.weights_h5": "fastgru.saving.formats.weights_h5",
}

# of each module that is still there the names that have left it: where they are, and behind a colon what they are now
NAMES: dict[str, dict[str, str]] = {
    "fastgru.callbacks": {"Logs": "fastgru.callbacks.callback"},
    "fastgru.constraints": {"_Given": "fastgru.constraints:FunctionConstraint"},
    "fastgru.data": {"BATCH_SIZE": "fastgru.data.batch_size", "array": "fastgru.data.sources:source"},
    "fastgru.initializers": {"_Given": "fastgru.initializers:ValuesInitializer"},
    "fastgru.kernels": {"take_rows": "fastgru.kernels:gather_rows"},
    "fastgru.kernels.reference": {
        "GRUOptions": "fastgru.kernels.reference.gru",
        "dense_backward": "fastgru.kernels.reference.dense",
        "dense_forward": "fastgru.kernels.reference.dense",
        "gru_backward": "fastgru.kernels.reference.gru",
        "gru_forward": "fastgru.kernels.reference.gru",
    },
    "fastgru.losses": {
        "Pullback": "fastgru.losses.loss",
        "REDUCTIONS": "fastgru.losses.loss",
        "_Given": "fastgru.losses.loss:FunctionLoss",
        "as_float": "fastgru.losses.loss",
    },
    "fastgru.regularizers": {"_Given": "fastgru.regularizers:FunctionRegularizer"},
    "fastgru.layers.activations.rectifiers": {"Softmax": "fastgru.layers.activations.softmax"},
    "fastgru.layers.core.wrapper": {"inner_layer": "fastgru.registry:deserialize_layer"},
    "fastgru.layers.normalization": {
        "Normalization": "fastgru.layers.normalization.normalizer:Normalizer",
        "BatchNormalization": "fastgru.layers.normalization.batch_normalization",
        "GroupNormalization": "fastgru.layers.normalization.group_normalization",
        "LayerNormalization": "fastgru.layers.normalization.layer_normalization",
    },
    "fastgru.layers.reshaping": {
        "Reshaping": "fastgru.layers.reshaping.reshaping",
        **dict.fromkeys(("Flatten", "Permute", "RepeatVector", "Reshape"), "fastgru.layers.reshaping.reshaping"),
    },
    "fastgru.layers.rnn": {"RNN": "fastgru.layers.rnn.rnn"},
    "fastgru.layers.rnn.cells": {"Step": "fastgru.layers.rnn.cells:StepLayer"},
    "fastgru.layers.rnn.recurrent": {"Dropped": "fastgru.layers.rnn.run:DropoutMasks"},
    "fastgru.layers.core.identity": {
        "ActivityRegularization": "fastgru.layers.regularization.activity_regularization",
    },
    "fastgru.layers.layer": {
        "DTYPES": "fastgru.kernels",
        "activity_penalty": "fastgru.layers.penalties",
        "aligned_empty": "fastgru.layers.workspace",
        "forget_names": "fastgru.naming",
        "run_backward": "fastgru.layers.penalties",
        "run_forward": "fastgru.layers.penalties",
        "unfilled_weights": "fastgru.layers.weighted",
    },
    "fastgru.ops.shaping": dict.fromkeys(
        ("diag", "diagflat", "diagonal", "trace", "tril", "triu"), "fastgru.ops.diagonals"
    ),
    "fastgru.layers.preprocessing": {
        "Affine": "fastgru.layers.preprocessing.affine",
        "Normalization": "fastgru.layers.preprocessing.normalization",
        "Rescaling": "fastgru.layers.preprocessing.rescaling",
        "UnitNormalization": "fastgru.layers.normalization.unit_normalization",
    },
}


def _warn(old: str, new: str, stacklevel: int) -> None:
    warnings.warn(
        f"{old} has moved to {new}; the old path goes with the next release.",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )


class MovedModules:
    """The finder and loader of the modules that have moved; it comes last, so that others pay nothing for it."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, MovedModules) if name in MODULES else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        _warn(spec.name, MODULES[spec.name], stacklevel=2)
        module = importlib.import_module(MODULES[spec.name])
        spec.loader_state = module.__spec__  # the import system is about to put this one in its place
        return module

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def attributes(module: str, stacklevel: int = 2) -> Callable[[str], Any]:
    """The `__getattr__` of a module or package that names or modules have left; it warns where `stacklevel` says."""

    def attribute(name: str) -> Any:
        old = f"{module}.{name}"
        home, _, new_name = NAMES.get(module, {}).get(name, "").partition(":")
        new = f"{home}.{new_name or name}" if home else MODULES.get(old)
        if new is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(old, new, stacklevel)
        return getattr(importlib.import_module(home), new_name or name) if home else importlib.import_module(new)

    return attribute


def install() -> None:
    """Let `import` see the old paths."""
    sys.meta_path.append(MovedModules)
