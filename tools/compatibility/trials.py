"""Each layer saved and opened again: in every format, in the words of older versions, and by Keras."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.models import load_model, model_from_json

from .examples import IN_KERAS_1, ON_TENSORFLOW, arguments, example
from .old_forms import aged

TOLERANCE = 2e-5  # of the largest number of an output
FORMATS = (".keras", ".h5", ".weights.h5", "JSON")
OLD_VERSIONS = {"Keras 2's words": "2.9.0", "Keras 1's words": None}


def outcomes(name: str, keras: Any) -> dict[str, str | None]:
    """For each column of the table nothing where it worked, else the reason; None where it does not apply."""
    with tempfile.TemporaryDirectory() as folder:
        model, x = example(name)
        expected = model.predict(arguments(x), verbose=0)
        base = Path(folder)

        def came_back(open_again: Callable[[], Any]) -> str:
            again = open_again().predict(arguments(x), verbose=0)
            return "" if np.array_equal(again, expected) else "the numbers are others"

        columns: dict[str, str | None] = {}
        for ending in FORMATS:
            columns[ending] = reason(lambda ending=ending: came_back(lambda: saved_and_opened(model, base, ending)))
        for title, version in OLD_VERSIONS.items():
            columns[title] = None
            if version is not None or name in IN_KERAS_1:
                columns[title] = reason(lambda version=version: came_back(lambda: load_model(aged(base, version))))
        columns["Keras"] = None
        if name not in ON_TENSORFLOW:
            columns["Keras"] = reason(lambda: came_back_in_keras(keras, base, x, expected))
        return columns


def mark(outcome: str | None) -> str:
    return "" if outcome is None else "no" if outcome else "✓"


def reason(attempt: Callable[[], str]) -> str:
    """What an attempt says, or the error that it ended in."""
    try:
        return attempt()
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def saved_and_opened(model: Any, base: Path, ending: str) -> Any:
    """The model written in a format and read again; weights alone go into a model built from the config."""
    path = base / f"model{ending}"
    if ending in (".keras", ".h5"):
        model.save(path)
        return load_model(path)
    again = model_from_json(model.to_json())
    if ending == "JSON":
        again.set_weights(model.get_weights())
    else:
        model.save_weights(path)
        again.load_weights(path)
    return again


def came_back_in_keras(keras: Any, base: Path, x: list[np.ndarray], expected: np.ndarray) -> str:
    for ending in (".keras", ".h5"):
        model = keras.models.load_model(base / f"model{ending}", compile=False)
        if not agree([np.asarray(model(arguments(x), training=False))], [expected]):
            return f"the numbers of {ending} are others"
    model.set_weights([np.zeros(weight.shape) for weight in model.weights])
    model.load_weights(base / "model.weights.h5")
    return "" if agree([np.asarray(model(arguments(x)))], [expected]) else "the numbers of .weights.h5 are others"


def agree(outputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> bool:
    """Whether all numbers are the same within TOLERANCE of the largest of each output."""
    if [output.shape for output in outputs] != [target.shape for target in expected]:
        return False
    return all(
        np.allclose(output, target, rtol=0, atol=TOLERANCE * max(np.nanmax(np.abs(target), initial=0), 1e-30),
                    equal_nan=True)
        for output, target in zip(outputs, expected, strict=True)
    )  # fmt: skip
