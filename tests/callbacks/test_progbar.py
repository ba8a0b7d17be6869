"""Progbar writes what Keras's writes."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from fastgru.utils import Progbar

RUNS: list[dict[str, Any]] = [
    {"target": 12},
    {"target": 12, "verbose": 2},
    {"target": None},
    {"target": 3, "stateful_metrics": ["acc"], "unit_name": "sample", "width": 7},
    {"target": 3, "stateless_metrics": ["acc"]},
    {"target": 0},
    {"target": 3, "verbose": 0},
]


class Clock:
    """A second for each look at it."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        self.now += 1.25
        return self.now


def written(make: Any, options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    bar = make(**options)
    target = options["target"]
    for step in range(1, 1 + (5 if target is None else target)):
        bar.update(step, [("loss", 1 / step), ("acc", np.float32(step))])
    bar.update(bar._seen if hasattr(bar, "_seen") else bar._seen_so_far, [("tiny", 1e-5)], finalize=True)
    text = capsys.readouterr().out
    # Keras goes back by backspaces in front of the carriage return, too
    return text.replace("\b", "")


@pytest.mark.parametrize("options", RUNS)
@pytest.mark.keras
def test_a_loop_looks_as_with_keras(keras, capsys, monkeypatch, options: dict[str, Any]) -> None:
    for module in ("fastgru.callbacks.progbar", "keras.src.utils.progbar"):
        monkeypatch.setattr(importlib.import_module(module).time, "time", Clock())
        if module.startswith("fastgru"):
            ours = written(Progbar, options, capsys)
    assert ours == written(keras.utils.Progbar, options, capsys)


def test_add_counts_on(capsys) -> None:
    bar = Progbar(4, verbose=2)
    for _ in range(4):
        bar.add(1, [("loss", 2.0)])
    assert "4/4" in capsys.readouterr().out


def test_only_one_list_of_names_is_taken() -> None:
    with pytest.raises(ValueError, match="Only one of"):
        Progbar(1, stateful_metrics=[], stateless_metrics=[])
