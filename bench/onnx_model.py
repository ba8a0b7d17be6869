"""The networks in ONNX: its GRU operator (`linear_before_reset`, Keras's `reset_after`), then Gemm and Softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.network import Cell, Network


def _layer(
    nodes: list[Any],
    weights: dict[str, Any],
    cells: list[Cell],
    number: int,
    x: str,
    lengths: str = "",
    first: str = "",
) -> str:
    """Add a GRU layer, of one cell or of two for both directions, over time-major x (T, B, F), from states `first`.

    Returns the name of its outputs, whose last states are that name + "_h".
    """
    name, units = f"gru{number}", cells[0].units
    weights[f"{name}_w"] = np.stack([cell.kernel.T for cell in cells])  # gates z r h, as in Keras
    weights[f"{name}_r"] = np.stack([cell.recurrent.T for cell in cells])
    weights[f"{name}_b"] = np.stack([cell.bias.reshape(-1) for cell in cells])
    inputs = [x, f"{name}_w", f"{name}_r", f"{name}_b", lengths, first]
    outputs = [f"{name}_y", f"{name}_h"]
    direction = "bidirectional" if len(cells) == 2 else "forward"
    nodes.append(
        helper.make_node("GRU", inputs, outputs, hidden_size=units, linear_before_reset=1, direction=direction)
    )
    return name


def _model(nodes: list[Any], weights: dict[str, Any], inputs: list[Any], width: int) -> bytes:
    return _packed(nodes, weights, inputs, [_floats("y", "batch", width)])


def _floats(name: str, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _packed(nodes: list[Any], weights: dict[str, Any], inputs: list[Any], outputs: list[Any]) -> bytes:
    constants = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "gru", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def network_model(network: Network, steps: int) -> bytes:
    """The whole network from "x" (batch, steps, features) to "y" (batch, classes)."""
    weights: dict[str, Any] = {"one": np.array([1]), "zero": np.array([0])}
    nodes = [helper.make_node("Transpose", ["x"], ["sequence"], perm=[1, 0, 2])]
    sequence, name = "sequence", ""
    for number, cell in enumerate(network.cells):
        if name:
            sequence = f"{name}_s"
            nodes.append(helper.make_node("Squeeze", [f"{name}_y", "one"], [sequence]))
        name = _layer(nodes, weights, [cell], number, sequence)
    _head(nodes, weights, network, f"{name}_h")
    return _model(nodes, weights, [_floats("x", "batch", steps, network.features)], network.classes)


def _head(nodes: list[Any], weights: dict[str, Any], network: Network, states: str) -> None:
    """Add the Dense layer over states (1, B, H); its outputs are "y"."""
    weights["dense_w"], weights["dense_b"] = network.kernel, network.bias
    nodes.append(helper.make_node("Squeeze", [states, "zero"], ["state"]))
    nodes.append(helper.make_node("Gemm", ["state", "dense_w", "dense_b"], ["logits"]))
    head = ("Sigmoid", {}) if network.classes == 1 else ("Softmax", {"axis": 1})
    nodes.append(helper.make_node(head[0], ["logits"], ["y"], **head[1]))


def _step(cells: list[Cell], batch: int | str) -> tuple[list[Any], dict[str, Any], list[Any], list[Any]]:
    """Nodes, weights, inputs and outputs of `step_model`."""
    nodes: list[Any] = []
    weights: dict[str, Any] = {}
    inputs, outputs, x = [_floats("x", 1, batch, cells[0].features)], [], "x"
    for number, cell in enumerate(cells):
        x = f"{_layer(nodes, weights, [cell], number, x, first=f'states{number}')}_h"  # one step: the states alone
        nodes[-1].output[0] = ""
        inputs.append(_floats(f"states{number}", 1, batch, cell.units))
        outputs.append(_floats(x, 1, batch, cell.units))
    return nodes, weights, inputs, outputs


def step_model(cell: Cell) -> bytes:
    """One step of one row: from "x" (1, 1, features) and "states0" (1, 1, units) to the new states (1, 1, units)."""
    return _packed(*_step([cell], 1))


def stream_model(network: Network) -> bytes:
    """One step of a batch: from "x" (1, batch, features) and the "statesN" (1, batch, units) of each layer to "y"
    (batch, classes) and the new states."""
    nodes, weights, inputs, states = _step(network.cells, "batch")
    weights["zero"] = np.array([0])
    _head(nodes, weights, network, states[-1].name)
    return _packed(nodes, weights, inputs, [_floats("y", "batch", network.classes), *states])


def masked_model(network: Network, steps: int) -> bytes:
    """The first GRU layer alone, from "x" and "lengths" (batch,) to the last states "y" (batch, units)."""
    weights: dict[str, Any] = {"zero": np.array([0])}
    nodes = [helper.make_node("Transpose", ["x"], ["sequence"], perm=[1, 0, 2])]
    name = _layer(nodes, weights, network.cells[:1], 0, "sequence", "lengths")
    nodes.append(helper.make_node("Squeeze", [f"{name}_h", "zero"], ["y"]))
    x = _floats("x", "batch", steps, network.features)
    lengths = helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"])
    return _model(nodes, weights, [x, lengths], network.cells[0].units)


def bidirectional_model(network: Network, steps: int) -> bytes:
    """The first GRU layer alone in both directions, from "x" to the last states "y" (batch, 2 units)."""
    cell = network.cells[0]
    weights: dict[str, Any] = {"shape": np.array([0, 2 * cell.units])}
    nodes = [helper.make_node("Transpose", ["x"], ["sequence"], perm=[1, 0, 2])]
    name = _layer(nodes, weights, [cell, cell.backward], 0, "sequence")
    nodes.append(helper.make_node("Transpose", [f"{name}_h"], ["states"], perm=[1, 0, 2]))
    nodes.append(helper.make_node("Reshape", ["states", "shape"], ["y"]))
    x = _floats("x", "batch", steps, network.features)
    return _model(nodes, weights, [x], 2 * cell.units)
