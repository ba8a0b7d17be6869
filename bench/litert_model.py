"""One step of a GRU layer as a .tflite file, written by LiteRT's own schema, without TensorFlow.

Two products (Keras's `reset_after`), each split into the gates z r h. Keras's layer as TensorFlow's converter writes it
has two operators more, subtracts from one instead of h - n, and takes as long or, in small layers, longer.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from bench.network import Cell


class _Graph:
    """The tensors and operators of a model with one subgraph."""

    def __init__(self) -> None:
        self._model, self._graph = schema.ModelT(), schema.SubGraphT()
        self._model.version = 3
        self._model.buffers, self._model.operatorCodes = [schema.BufferT()], []  # buffer 0: no constant
        self._model.subgraphs = [self._graph]
        self._graph.tensors, self._graph.operators = [], []
        self._codes: dict[int, int] = {}

    def tensor(self, shape: tuple[int, ...], name: str = "", constant: Any = None) -> int:
        """Its number; int32 where the constant is, else float32."""
        tensor, tensors = schema.TensorT(), self._graph.tensors
        tensor.shape, tensor.name, tensor.buffer = list(shape), (name or f"tensor{len(tensors)}").encode(), 0
        tensor.type = schema.TensorType.FLOAT32
        if constant is not None:
            if constant.dtype == np.int32:
                tensor.type = schema.TensorType.INT32
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(constant.tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        tensors.append(tensor)
        return len(tensors) - 1

    def constant(self, array: Any) -> int:
        return self.tensor(array.shape, constant=np.ascontiguousarray(array))

    def operator(self, name: str, options: str, inputs: list[int], outputs: list[int], **fields: int) -> None:
        """Named as in BuiltinOperator, its options as in BuiltinOptions, "" for none."""
        code, operator = getattr(schema.BuiltinOperator, name), schema.OperatorT()
        if code not in self._codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode = entry.deprecatedBuiltinCode = code
            entry.version = 1
            self._codes[code] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(entry)
        operator.opcodeIndex, operator.inputs, operator.outputs = self._codes[code], inputs, outputs
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for field, value in fields.items():
                setattr(operator.builtinOptions, field, value)
        self._graph.operators.append(operator)

    def file(self, inputs: list[int], outputs: list[int]) -> bytes:
        self._graph.inputs, self._graph.outputs = inputs, outputs
        builder = flatbuffers.Builder()
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def step_model(cell: Cell) -> bytes:
    """From "x" (1, features) and "states" (1, units) to the new states (1, units)."""
    graph, row = _Graph(), (1, cell.units)
    axis = graph.constant(np.array(1, np.int32))

    def gates(vector: int, kernel: Any, bias: Any) -> list[int]:
        product, parts = graph.tensor((1, len(bias))), [graph.tensor(row) for _gate in "zrh"]
        constants = [graph.constant(kernel.T), graph.constant(bias)]
        graph.operator("FULLY_CONNECTED", "FullyConnectedOptions", [vector, *constants], [product])
        graph.operator("SPLIT", "SplitOptions", [axis, product], parts, numSplits=3)
        return parts

    def of(name: str, options: str, *inputs: int) -> int:
        output = graph.tensor(row)
        graph.operator(name, options, [*inputs], [output])
        return output

    def add(a: int, b: int) -> int:
        return of("ADD", "AddOptions", a, b)

    def multiply(a: int, b: int) -> int:
        return of("MUL", "MulOptions", a, b)

    x, states = graph.tensor((1, cell.features), "x"), graph.tensor(row, "states")
    x_z, x_r, x_h = gates(x, cell.kernel, cell.bias[0])
    recurrent_z, recurrent_r, recurrent_h = gates(states, cell.recurrent, cell.bias[1])
    z = of("LOGISTIC", "", add(x_z, recurrent_z))
    r = of("LOGISTIC", "", add(x_r, recurrent_r))
    candidate = of("TANH", "", add(x_h, multiply(r, recurrent_h)))
    new = add(candidate, multiply(z, of("SUB", "SubOptions", states, candidate)))  # z h + (1 - z) n
    return graph.file([x, states], [new])
