"""ONNX files made of a few words, and what ONNX Runtime makes of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru.onnx.schema import MODEL
from fastgru.onnx.tensors import tensor_of
from fastgru.onnx.writer import Writer
from fastgru.saving.formats import protobuf


def onnx_file(
    nodes: Sequence[tuple[Any, ...]],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    **changes: Any,
) -> bytes:
    """The bytes of a graph, of inputs of float32 with these sizes; `graph_of` says the rest."""
    graph = graph_of(nodes, inputs, outputs, constants)
    model = {"ir_version": 8, "producer_name": "test", "graph": graph, "opset_import": [{"version": opset}], **changes}
    return protobuf.encode(MODEL, model)


def graph_of(
    nodes: Sequence[tuple[Any, ...]],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A GraphProto: nodes are (operator, inputs, outputs, attributes), where a dict is a record with its type."""
    writer = Writer()
    for op, into, out, *attributes in nodes:
        by_name = attributes[0] if attributes else {}
        records = {name: value for name, value in by_name.items() if isinstance(value, dict)}
        writer.put(op, into, out, **{name: value for name, value in by_name.items() if name not in records})
        writer.nodes[-1]["attribute"] += [{"name": name, **record} for name, record in records.items()]
    initializers = []
    for name, value in (constants or {}).items():
        initializers.append(value if isinstance(value, dict) else tensor_of(name, np.asarray(value)))
    return {
        "node": writer.nodes,
        "name": "graph",
        "initializer": initializers,
        "input": [_value(name, sizes) for name, sizes in inputs.items()],
        "output": [_value(name, None) for name in outputs],
    }


def _value(name: str, sizes: Sequence[int | str] | None) -> dict[str, Any]:
    dims = [{"dim_param": one} if isinstance(one, str) else {"dim_value": one} for one in sizes or ()]
    shape = {} if sizes is None else {"shape": {"dim": dims}}
    return {"name": name, "type": {"tensor_type": {"elem_type": 1, **shape}}}


def opened(data: bytes, **options: Any) -> Any:
    """The model of a file that is in memory."""
    return fastgru.onnx.load_model(io.BytesIO(data), **options)


def by_runtime(data: bytes, *inputs: Any) -> list[Any]:
    """The outputs of ONNX Runtime."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="compares with ONNX Runtime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # others would spin
    session = onnxruntime.InferenceSession(data, options)
    names = [one.name for one in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def by_model(model: Any, *inputs: Any) -> list[Any]:
    """The outputs of a model, as a list."""
    outputs = model(list(inputs) if len(inputs) > 1 else inputs[0])
    return [np.asarray(one) for one in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def assert_same(ours: Sequence[Any], others: Sequence[Any], tolerance: float = 1e-5) -> None:
    assert [one.shape for one in ours] == [one.shape for one in others]
    for one, other in zip(ours, others, strict=True):
        scale = max(1.0, float(np.abs(other).max(initial=0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale)


def gated(kind: str, *, directions: int = 1, units: int = 4, features: int = 3, seed: int = 0) -> dict[str, Any]:
    """Random weights W, R, B of a recurrent node, different in each gate."""
    rows = {"GRU": 3, "LSTM": 4, "RNN": 1}[kind] * units
    rng = np.random.default_rng(seed)
    shapes = {"W": (directions, rows, features), "R": (directions, rows, units), "B": (directions, 2 * rows)}
    return {name: rng.normal(size=shape).astype("float32") * 0.6 for name, shape in shapes.items()}
