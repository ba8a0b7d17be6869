"""LiteRT, once TensorFlow Lite, with its default delegate XNNPACK, on one thread."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from bench.engines import Caller
from bench.litert_model import step_model
from bench.network import Cell, Floats


def versions() -> dict[str, str]:
    return {"ai-edge-litert": version("ai-edge-litert")}


def steppers(cell: Cell) -> dict[str, Caller]:
    return {"set_tensor, invoke, get_tensor": _copying(cell), "tensor(), invoke": _viewing(cell)}


def _interpreter(cell: Cell) -> tuple[Interpreter, int, int, int]:
    """And where its inputs, states and new states are."""
    interpreter = Interpreter(model_content=step_model(cell), num_threads=1)
    interpreter.allocate_tensors()
    places = {entry["name"]: entry["index"] for entry in interpreter.get_input_details()}
    return interpreter, places["x"], places["states"], interpreter.get_output_details()[0]["index"]


def _copying(cell: Cell) -> Caller:
    interpreter, x_place, states_place, new_place = _interpreter(cell)
    states = np.zeros((1, cell.units), np.float32)

    def step(x: Floats) -> Floats:
        nonlocal states
        interpreter.set_tensor(x_place, x)
        interpreter.set_tensor(states_place, states)
        interpreter.invoke()
        states = interpreter.get_tensor(new_place)
        return states

    return step


def _viewing(cell: Cell) -> Caller:
    """Through views of the interpreter's own memory, which nobody may hold while it runs."""
    interpreter, *places = _interpreter(cell)
    inputs, states, new = (interpreter.tensor(place) for place in places)
    states()[...] = 0

    def step(x: Floats) -> Floats:
        inputs()[...] = x
        interpreter.invoke()
        outputs = new().copy()
        states()[...] = outputs
        return outputs

    return step
