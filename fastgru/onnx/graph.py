"""The graph of an ONNX file: nodes with their attributes, constants, inputs and outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.naming import suggestion
from fastgru.onnx.schema import ATTRIBUTE_KINDS, DTYPES, MODEL
from fastgru.onnx.tensors import Beside, array_of
from fastgru.saving.formats import protobuf
from fastgru.types import Array, Shape

__all__ = ["Branch", "Graph", "GraphInput", "GraphNode", "fixed", "parsed"]

OPSETS = (7, 28)  # versions of ONNX's operators that are known here
DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class GraphNode:
    """An operator on values, each known by its name; an empty name stands for one that is absent."""

    op: str
    name: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def reads(self) -> list[str]:
        """All values that it reads: its inputs, and those of the graph around it that its branches read."""
        branches = [one for one in self.attributes.values() if isinstance(one, Branch)]
        return [*self.inputs, *(name for one in branches for name in one.uses.elements() if name not in one.own)]

    @property
    def where(self) -> str:
        """How error messages call it."""
        name = self.name or ", ".join(filter(None, self.outputs))
        return f"node {name!r} ({self.op})"


@dataclass(frozen=True)
class Branch:
    """A graph in an attribute of a node, which also reads values of the graph around it."""

    nodes: list[GraphNode]
    constants: dict[str, Array]
    outputs: list[str]

    @cached_property
    def own(self) -> set[str]:
        """The values that it makes, which hide those of the same names around it."""
        return {*self.constants, *(value for node in self.nodes for value in node.outputs)}

    @cached_property
    def uses(self) -> Counter[str]:
        """How often each value is read in it, or is an output."""
        return _uses(self.nodes, self.outputs)


@dataclass(frozen=True)
class GraphInput:
    """What comes in from outside: the sizes of its axes, a name where a size is free, None where that has none, too."""

    name: str
    dtype: str
    sizes: tuple[int | str | None, ...]

    @property
    def shape(self) -> Shape:
        """Its shape, None where a size is free."""
        return tuple(size if isinstance(size, int) else None for size in self.sizes)


@dataclass(frozen=True)
class Graph:
    """A graph, its nodes in the order in which they run."""

    nodes: list[GraphNode]
    constants: dict[str, Array]
    inputs: list[GraphInput]
    outputs: list[str]
    opset: int
    producer: str
    uses: Counter[str] = field(default_factory=Counter)  # how often each value is an input, or an output of the graph

    def only_reader(self, value: str) -> GraphNode | None:
        """The node that alone reads a value, and once."""
        return self._readers.get(value) if self.uses[value] == 1 else None

    @cached_property
    def _readers(self) -> dict[str, GraphNode]:
        """A node that has the value among its inputs."""
        return {value: node for node in self.nodes for value in node.inputs}


def parsed(data: bytes | memoryview, folder: Path | None, outputs: Sequence[str] | None = None) -> Graph:
    """The graph of a file: of it what the outputs need.

    Parameters
    ----------
    data : bytes
    folder : Path, optional
        Where tensors outside of the file stand.
    outputs : list of str, optional
        Values to stop at, in the place of the graph's own outputs.
    """
    model = protobuf.decode(MODEL, data)
    record = model["graph"]
    if record is None:
        raise ValueError("holds no graph")
    opsets = [entry["version"] for entry in model["opset_import"] if entry["domain"] in DOMAINS]
    opset = max(opsets, default=0)
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise ValueError(
            f"is written for version {opset} of ONNX's operators; fastgru reads {OPSETS[0]} to {OPSETS[1]}, and "
            "onnx.version_converter writes one as another"
        )
    if record["sparse_initializer"]:
        raise ValueError("holds sparse tensors, which fastgru does not read; write them as dense ones")
    return _graph(
        record, Beside(folder), opset, f"{model['producer_name']} {model['producer_version']}".strip(), outputs
    )


def fixed(graph: Graph, constants: Mapping[str, Any], shapes: Mapping[str, Sequence[int | None]]) -> Graph:
    """The graph with some of its inputs as constants, and with other shapes of inputs."""
    by_name = {one.name: one for one in graph.inputs}
    for name in (name for name in (*constants, *shapes) if name not in by_name):
        raise ValueError(f"has no input {name!r}; {suggestion(name, by_name)}")
    inputs = []
    known = dict(graph.constants)
    for one in graph.inputs:
        if one.name in constants:
            value = np.asarray(constants[one.name], one.dtype)
            known[one.name] = value.reshape([1] * len(one.sizes)) if value.ndim == 0 else value
        else:
            inputs.append(replace(one, sizes=_narrowed(one, shapes.get(one.name))))
    return replace(graph, inputs=inputs, constants=known)


def _narrowed(one: GraphInput, shape: Sequence[int | None] | None) -> tuple[int | str | None, ...]:
    """The sizes of an input of which more is known; ValueError where they contradict the file."""
    if shape is None:
        return one.sizes
    fits = len(shape) == len(one.sizes) and all(
        new is None or not isinstance(old, int) or new == old for new, old in zip(shape, one.sizes, strict=True)
    )
    if not fits:
        raise ValueError(f"its input {one.name!r} has the shape {one.shape}, which {tuple(shape)} does not fit")
    return tuple(old if new is None else new for new, old in zip(shape, one.sizes, strict=True))


def _graph(record: dict[str, Any], beside: Beside, opset: int, producer: str, outputs: Sequence[str] | None) -> Graph:
    nodes = [_node(one, beside) for one in record["node"]]
    ends = list(outputs) if outputs is not None else [one["name"] for one in record["output"]]
    tensors = {tensor["name"]: tensor for tensor in record["initializer"]}
    inputs = [_input(one) for one in record["input"] if one["name"] not in tensors]
    values = _made_once(nodes, [*(tensor["name"] for tensor in record["initializer"]), *(one.name for one in inputs)])
    for absent in (end for end in ends if end not in values):
        raise ValueError(f"has no value {absent!r}, at which it was to end")
    needed = _needed(nodes, ends)
    uses = _uses(needed, ends)
    constants = {name: array_of(tensor, beside) for name, tensor in tensors.items() if uses[name]}
    return Graph(needed, constants, inputs, ends, opset, producer, uses)


def _uses(nodes: Sequence[GraphNode], ends: Sequence[str]) -> Counter[str]:
    """How often each value is read by nodes, or is an end."""
    return Counter([*(value for node in nodes for value in node.reads), *ends])


def _made_once(nodes: Sequence[GraphNode], others: Sequence[str]) -> set[str]:
    """The values that nodes make and others; ValueError where one is made twice."""
    values = Counter([*(value for node in nodes for value in node.outputs if value), *others])
    for twice in (value for value, count in values.items() if count > 1):
        raise ValueError(f"makes the value {twice!r} {values[twice]} times, each of which is made once")
    return set(values)


def _needed(nodes: list[GraphNode], ends: Sequence[str]) -> list[GraphNode]:
    """The nodes on which the ends depend, in an order in which each comes after those that it needs."""
    makers = {value: node for node in nodes for value in node.outputs if value}
    ordered: dict[int, GraphNode] = {}
    opened: set[int] = set()
    todo = [(makers[end], False) for end in reversed(ends) if end in makers]
    while todo:
        node, done = todo.pop()
        if done:
            ordered[id(node)] = node
        elif id(node) not in ordered:
            if id(node) in opened:
                raise ValueError(f"has a circle through {node.where}")
            opened.add(id(node))
            todo.append((node, True))
            before = [makers[value] for value in node.reads if value in makers]
            todo.extend((one, False) for one in reversed(before) if id(one) not in ordered)
    return list(ordered.values())


def _node(record: dict[str, Any], beside: Beside) -> GraphNode:
    attributes = {one["name"]: _attribute(one, beside) for one in record["attribute"]}
    domain = "" if record["domain"] in DOMAINS else record["domain"]
    return GraphNode(
        record["op_type"], record["name"], domain, tuple(record["input"]), tuple(record["output"]), attributes
    )


def _attribute(record: dict[str, Any], beside: Beside) -> Any:
    key = ATTRIBUTE_KINDS.get(record["type"])
    if key is None:
        raise ValueError(f"its attribute {record['name']!r} is of an unknown type {record['type']}")
    value: Any = record.get(key)
    if key == "t" and value is not None:
        return array_of(value, beside)
    if key == "g" and value is not None:
        nodes = [_node(one, beside) for one in value["node"]]
        _made_once(nodes, [tensor["name"] for tensor in value["initializer"]])
        constants = {tensor["name"]: array_of(tensor, beside) for tensor in value["initializer"]}
        return Branch(nodes, constants, [one["name"] for one in value["output"]])
    if key == "s":
        return str(value, "utf-8")
    if key == "strings":
        return [str(one, "utf-8") for one in value or ()]
    return value.tolist() if key == "floats" else value


def _input(record: dict[str, Any]) -> GraphInput:
    tensor = (record["type"] or {}).get("tensor_type")
    if tensor is None or tensor["elem_type"] not in DTYPES:
        raise ValueError(f"its input {record['name']!r} is no tensor of numbers")
    if tensor["shape"] is None:
        raise ValueError(f"its input {record['name']!r} has no shape; export it with the number of its axes")
    sizes = tuple(one["dim_value"] or one["dim_param"] or None for one in tensor["shape"]["dim"])
    dtype = DTYPES[tensor["elem_type"]]
    return GraphInput(record["name"], "float32" if dtype == "float16" else dtype, sizes)
