"""tract, which reads ONNX, on one thread as it is. It opens files alone."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tract

from bench.engines import Caller
from bench.network import Cell, Floats
from bench.onnx_model import step_model


def versions() -> dict[str, str]:
    return {"tract": version("tract"), "onnx": onnx.__version__}


def steppers(cell: Cell) -> dict[str, Caller]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.onnx"
        path.write_bytes(step_model(cell))
        runner = tract.onnx().load(path).into_model().into_runnable().spawn_state()
    states: Any = np.zeros((1, 1, cell.units), np.float32)

    def run(x: Floats) -> Floats:
        nonlocal states
        (states,) = runner.run([x[None], states])
        return states.to_numpy()[0]

    return {"State.run": run}
