"""What optimizers do with random gradients: 30 steps of each, on whichever library is handed over.

Run as a program it asks real Keras on its numpy backend, which takes no time to compile: ``keras_steps.py FILE``.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import numpy as np

NAMES = [
    "SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Adagrad", "Adadelta", "Adafactor", "Lion", "Lamb", "Ftrl",
    "Muon", "ScheduleFreeAdamW",
]  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "rate": {"learning_rate": 0.05},
    "decay": {"weight_decay": 0.1},
    "decay without biases": {"weight_decay": 0.1, "exclude": ["bias"]},
    "clipnorm": {"clipnorm": 1.0},
    "global_clipnorm": {"global_clipnorm": 2.0},
    "clipvalue": {"clipvalue": 0.5},
    "mean": {"use_ema": True, "ema_momentum": 0.8},
    "mean instead": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 4},
    "accumulated": {"gradient_accumulation_steps": 3},
    "accumulated mean": {"gradient_accumulation_steps": 3, "use_ema": True, "ema_overwrite_frequency": 2},
    "scale": {"loss_scale_factor": 8.0},
    "schedule": {"schedule": [0.1, 40], "weight_decay": 0.1},
    "some gradients": {"missing": True, "weight_decay": 0.1},
}
# what an optimizer has of its own
OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "centered": ("RMSprop", {"centered": True, "momentum": 0.5, "rho": 0.8}),
    "amsgrad": ("Adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4}),
    "accumulator": ("Adagrad", {"initial_accumulator_value": 0.5}),
    "rho": ("Adadelta", {"learning_rate": 1.0, "rho": 0.5, "epsilon": 1e-3}),
    "adafactor": ("Adafactor", {"beta_2_decay": -0.5, "epsilon_2": 1e-2, "clip_threshold": 0.5}),
    "adafactor fixed": ("Adafactor", {"relative_step": False, "learning_rate": 0.5}),
    "lion": ("Lion", {"beta_1": 0.5, "beta_2": 0.8}),
    "ftrl": ("Ftrl", {"l1_regularization_strength": 0.3, "l2_regularization_strength": 0.2, "beta": 0.1}),
    "ftrl power": ("Ftrl", {"learning_rate_power": -0.3, "l2_shrinkage_regularization_strength": 0.1}),
    "ftrl fixed": ("Ftrl", {"learning_rate_power": 0.0}),
    "muon": ("Muon", {"nesterov": False, "rms_rate": None, "ns_steps": 3, "adam_lr_ratio": 0.5}),
    "muon without": ("Muon", {"exclude_layers": ["kernel"], "weight_decay": None, "adam_weight_decay": None}),
    "warm": ("ScheduleFreeAdamW", {"warmup_steps": 10, "beta_1": 0.7}),
    "loss scale": ("LossScaleOptimizer", {"initial_scale": 16.0, "dynamic_growth_steps": 4}),
}
CASES = {f"{name}, {case}": (name, options) for name in NAMES for case, options in OPTIONS.items()} | {
    f"{name}, {case}": (name, options) for case, (name, options) in OWN.items()
}
SHAPES = {
    "kernel": (5, 12),
    "bias": (12,),
    "tall_kernel": (7, 3),
    "filters": (2, 3, 4),
    "embedding": (6, 4),
    "scale": (),
}
STEPS = 30


def made(library: Any, name: str, options: dict[str, Any]) -> Any:
    """An optimizer of a library."""
    options = dict(options)
    excluded, schedule = options.pop("exclude", None), options.pop("schedule", None)
    options.pop("missing", None)
    if schedule:
        options["learning_rate"] = library.optimizers.schedules.CosineDecay(*schedule)
    if name == "LossScaleOptimizer":
        options["inner_optimizer"] = library.optimizers.Adam(weight_decay=0.1)
    optimizer = getattr(library.optimizers, name)(**options)
    if excluded:
        optimizer.exclude_from_weight_decay(var_names=excluded)
    return optimizer


def values() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype("float32") for shape in SHAPES.values()]


def gradients(options: dict[str, Any]) -> list[list[Any]]:
    """Of every step."""
    rng = np.random.default_rng(2)
    steps: list[list[Any]] = [
        [(3 * rng.standard_normal(shape)).astype("float32") for shape in SHAPES.values()] for _ in range(STEPS)
    ]
    if options.get("missing"):
        for index, step in enumerate(steps):
            step[1] = None  # never
            step[3] = step[3] if index % 2 else None  # every other time
    if "initial_scale" in options:
        steps[7][0][0, 0] = np.inf
    return steps


def results(library: Any, name: str, options: dict[str, Any], variables: list[Any], convert: Any) -> list[np.ndarray]:
    """The weights and the state after all steps."""
    optimizer = made(library, name, options)
    for step in gradients(options):
        optimizer.apply_gradients(zip([None if one is None else convert(one) for one in step], variables, strict=True))
    return [np.array(variable) for variable in (*variables, *optimizer.variables)]


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "numpy"
    warnings.simplefilter("ignore")
    import keras

    arrays = {}
    for case, (name, options) in CASES.items():
        variables = [keras.Variable(value, name=key) for key, value in zip(SHAPES, values(), strict=True)]
        for index, array in enumerate(results(keras, name, options, variables, keras.ops.convert_to_tensor)):
            arrays[f"{case}/{index}"] = array
    np.savez(sys.argv[1], **arrays)
