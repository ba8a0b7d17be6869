"""What the nodes of an ONNX graph put out, while they are drawn as layers and operations of fastgru."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from fastgru import ops
from fastgru.autodiff.tensor import plain
from fastgru.layers.core.input_layer import Input
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.naming import suggestion
from fastgru.onnx.graph import Branch, Graph, GraphNode
from fastgru.onnx.layout import Laid
from fastgru.onnx.sized import sized
from fastgru.onnx.sizes import Size
from fastgru.types import Array

__all__ = ["OPERATORS", "Drawing", "Filled", "Handler", "Value", "bounded", "broadcast", "is_constant", "operator"]


@dataclass(frozen=True)
class Filled:
    """An array of one number, in a shape that is not known before the model runs."""

    sizes: tuple[Any, ...]
    value: Any


#: an array (of sizes, where its dtype is object), an array of one number, or a tensor
Value = Any
Handler = Callable[..., Any]  # of a drawing, a node and its values, None for an absent one: the values it puts out

OPERATORS: dict[str, Handler] = {}
MAX_NUMBERS = 1 << 26  # of one value, with free sizes of 48: what an operation is tried with while it is drawn
MAX_VALUES = 10_000  # that nodes put out: each is drawn in about a millisecond
_RECURRENCE = "export the recurrence as GRU, LSTM or RNN, or where tf2onnx wrote it, open the .keras file that it was"
# the way round for operators that are none of fastgru's
_WAYS = {
    "Loop": _RECURRENCE,
    "Scan": _RECURRENCE,
    "QuantizeLinear": "give the model as it was before quantization",
    "DequantizeLinear": "give the model as it was before quantization",
    "DynamicQuantizeLinear": "give the model as it was before quantization",
    "DynamicQuantizeLSTM": "give the model as it was before quantization",
    "MatMulInteger": "give the model as it was before quantization",
}


def operator(*names: str) -> Callable[[Handler], Handler]:
    """Decorator: the function draws the operators of these names."""

    def add(handler: Handler) -> Handler:
        OPERATORS.update(dict.fromkeys(names, handler))
        return handler

    return add


def is_constant(*values: Value) -> bool:
    """Whether values are known arrays of numbers."""
    return all(isinstance(value, np.ndarray) and value.dtype != object for value in values)


def bounded(sizes: Sequence[Any]) -> Sequence[Any]:
    """Sizes of a value that is to be made; ValueError where a small file asks for more than memory should hold."""
    known = [size.value(lambda axis: 48) if isinstance(size, Size) else size for size in sizes if size is not None]
    numbers = math.prod(max(int(size), 1) for size in known)
    if numbers > MAX_NUMBERS:
        raise ValueError(f"makes {numbers} numbers, more than {MAX_NUMBERS}, which are not accepted in one value")
    return sizes


class Drawing:
    """A graph of layers in the making.

    Attributes
    ----------
    graph : Graph
    values : dict
        What is known of each value of the graph by its name.
    inputs : list of SymbolicTensor
    products : dict
        The Dense layers whose output is a value of the graph, by its name: an activation may become theirs.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[str, Value] = dict(graph.constants)
        self.inputs: list[SymbolicTensor] = []
        self.products: dict[str, Any] = {}
        self._drawn = 0
        named: dict[str, Any] = {}
        for one in graph.inputs:
            bounded([size for size in one.sizes if isinstance(size, int)])
            tensor = Input(batch_shape=one.shape, dtype=one.dtype, name=one.name.replace("/", "_"))
            sizes = [size if isinstance(size, int) else Size.of(tensor, axis) for axis, size in enumerate(one.sizes)]
            # axes of one name have one size
            names = [size if isinstance(size, str) else None for size in one.sizes]
            sizes = [named.setdefault(name, size) if name else size for name, size in zip(names, sizes, strict=True)]
            self.inputs.append(tensor)
            self.values[one.name] = self.laid_out(tensor, sizes)

    # --- nodes --------------------------------------------------------------------------------------

    def draw(self, node: GraphNode) -> None:
        """Run one node, but for one whose outputs another has made with its own."""
        if node.outputs and all(name in self.values or not name for name in node.outputs):
            return
        self._drawn += len(node.outputs)
        if self._drawn > MAX_VALUES:
            raise ValueError(
                f"{node.where}: the graph has more than {MAX_VALUES} values, which are not accepted; export a "
                "recurrence as GRU, LSTM or RNN, not unrolled, or end before by outputs=[...]"
            )
        handler = OPERATORS.get(node.op) if not node.domain else None
        if handler is None:
            domain = f" of {node.domain!r}" if node.domain else ""
            way = _WAYS.get(node.op) or f"{suggestion(node.op, OPERATORS)}; or stop before it by outputs=[...]"
            raise ValueError(f"{node.where}: the operator {node.op}{domain} is none that fastgru knows; {way}")
        try:
            made: Any = handler(self, node, *self.arguments(node))
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise ValueError(f"{node.where}: has inputs or attributes that do not fit it: {error}") from error
        except ValueError as error:
            raise ValueError(str(error) if node.where in str(error) else f"{node.where}: {error}") from error
        values = made if isinstance(made, tuple) else (made,)
        for name, value in zip(node.outputs, values, strict=False):
            if name:
                self.values[name] = _settled(value)

    def draw_branch(self, branch: Branch) -> tuple[Value, ...]:
        """Run a graph inside of this one, whose own values end with it: its outputs."""
        graph, products = self.graph, self.products
        hidden = {name: self.values.pop(name) for name in branch.own if name in self.values}
        self.graph, self.products = replace(graph, nodes=branch.nodes, uses=branch.uses), {}
        self.values.update(branch.constants)
        for node in branch.nodes:
            self.draw(node)
        ends = tuple(self.values[name] for name in branch.outputs)
        for name in branch.own:
            self.values.pop(name, None)
        self.values.update(hidden)
        self.graph, self.products = graph, products
        return ends

    # --- values -------------------------------------------------------------------------------------

    def arguments(self, node: GraphNode) -> list[Value]:
        """The values that go into a node, None for an absent one."""
        return [self.values[name] if name else None for name in node.inputs]

    def refuse(self, node: GraphNode, reason: str) -> NoReturn:
        raise ValueError(f"{node.where}: {reason}")

    def sizes_of(self, value: Value) -> tuple[Any, ...]:
        """The sizes of a value's axes."""
        if isinstance(value, np.ndarray):
            return value.shape
        return value.sizes

    def laid_out(self, tensor: SymbolicTensor, sizes: Sequence[Any] | None = None) -> Laid:
        """A new tensor as a value; `sizes` says what its free axes are, where that is known."""
        if sizes is None or len(sizes) != len(tensor.shape):
            sizes = [None] * len(tensor.shape)
        known = [
            fixed if fixed is not None else Size.of(tensor, axis) if size is None else size
            for axis, (fixed, size) in enumerate(zip(tensor.shape, sizes, strict=True))
        ]
        return Laid.plain(tensor, known)

    def constant(self, node: GraphNode, value: Value, what: str) -> Array:
        """A value that must be known before the model runs."""
        if not is_constant(value):
            self.refuse(node, f"expected its {what} to be a constant of the file; it is computed while the model runs")
        return value

    def whole_numbers(self, node: GraphNode, value: Value, what: str) -> list[Any]:
        """Whole numbers, among which there may be sizes."""
        if isinstance(value, np.ndarray):
            return [one if isinstance(one, Size) else int(one) for one in value.reshape(-1).tolist()]
        if isinstance(value, Filled):
            return [int(value.value)] * int(np.prod([int(size) for size in value.sizes]))
        self.refuse(node, f"expected its {what} to follow from shapes alone; it depends on the numbers that come in")

    # --- tensors ------------------------------------------------------------------------------------

    def tensor(self, value: Value, beside: Value = None) -> SymbolicTensor:
        """A value as a symbolic tensor; a constant becomes one that depends on the model's input."""
        if isinstance(value, Laid):
            return value.tensor()
        if isinstance(value, Filled):
            fill = np.asarray(value.value)
            return sized("fill", None if self._depends(value.sizes) else self._anchor(beside), value.sizes, fill,
                         fill.dtype.name)  # fmt: skip
        if value.dtype == object:
            numbers = sized("numbers", None, value.reshape(-1).tolist(), kind="int64")
            return numbers if value.ndim == 1 else ops.reshape(numbers, value.shape)
        zero = sized("fill", self._anchor(beside), (1,) * value.ndim, np.zeros((), value.dtype), value.dtype.name)
        return ops.logical_or(zero, value) if value.dtype == bool else ops.add(zero, value)

    @staticmethod
    def _depends(sizes: Sequence[Any]) -> bool:
        return any(isinstance(size, Size) for size in sizes)

    def _anchor(self, beside: Value) -> SymbolicTensor:
        return beside.base if isinstance(beside, Laid) else self.inputs[0]

    def as_laid(self, value: Value) -> Laid:
        """A value as a tensor, in the order in which it is computed."""
        return value if isinstance(value, Laid) else self.laid_out(self.tensor(value), self.sizes_of(value))

    def applied(self, function: Callable[..., Any], *values: Value, sizes: Sequence[Any] | None = None) -> Value:
        """A function of `fastgru.ops` on values, of which constants stay what they are."""
        bounded(sizes or ())
        if is_constant(*values):
            with np.errstate(all="ignore"):
                return _as_array(function(*values))
        arguments = [value if is_constant(value) else self.tensor(value) for value in values]
        result = function(*arguments)
        if isinstance(result, (list, tuple)):
            return tuple(self.laid_out(one) for one in result)
        return self.laid_out(result, sizes)

    def elementwise(self, function: Callable[..., Any], *values: Value) -> Value:
        """A function of each number of values that are broadcast; the order of their axes stays as it is."""
        values = tuple(self.tensor(value) if _must_be_made(value) else value for value in values)
        values = tuple(self.laid_out(value) if isinstance(value, SymbolicTensor) else value for value in values)
        laid = [value for value in values if isinstance(value, Laid)]
        sizes = bounded(broadcast([self.sizes_of(value) for value in values]))
        if laid:  # an operation is tried with lengths of free axes, which those of a constant would contradict
            values = tuple(
                self.laid_out(self.tensor(value, laid[0])) if _fixes(value, laid) else value for value in values
            )
            laid = [value for value in values if isinstance(value, Laid)]
        if not laid:
            return self.applied(function, *values)
        if len(laid) == 1 and all(value.size == 1 and value.ndim == 0 for value in values if value is not laid[0]):
            arguments = [value.base if isinstance(value, Laid) else value for value in values]
            return laid[0].on(function(*arguments))
        order = laid[0].order
        if order is None or any(one.order != order for one in laid) or len(order) != len(sizes):
            return self.applied(function, *values, sizes=sizes)
        places = [order.index(axis) for axis in range(len(order))]
        arguments = [value.base if isinstance(value, Laid) else _in_order(value, places) for value in values]
        base = self.laid_out(function(*arguments), [sizes[place] for place in places])
        return base.transposed(order)


def _settled(value: Value) -> Value:
    """An array of sizes that are all known as one of numbers."""
    if isinstance(value, np.ndarray) and value.dtype == object and not any(isinstance(one, Size) for one in value.flat):
        return value.astype("int64")
    return value


def _must_be_made(value: Value) -> bool:
    """Whether a value among those of an operator is neither an array of numbers nor a tensor yet."""
    return isinstance(value, Filled) or (isinstance(value, np.ndarray) and value.dtype == object)


def _fixes(value: Value, laid: Sequence[Laid]) -> bool:
    """Whether a constant has a length along an axis that is free in a tensor which it is broadcast with."""
    if not isinstance(value, np.ndarray):
        return False
    pairs = (pair for one in laid for pair in zip(value.shape[::-1], one.sizes[::-1], strict=False))
    return any(length != 1 and isinstance(size, Size) for length, size in pairs)


def _as_array(result: Any) -> Any:
    if isinstance(result, (list, tuple)):
        return tuple(np.asarray(plain(one)) for one in result)
    return np.asarray(plain(result))


def _in_order(value: Array, places: Sequence[int]) -> Array:
    """An array with as many axes as there are places, in their order."""
    whole = value.reshape((1,) * (len(places) - value.ndim) + value.shape)
    return whole.transpose(places)


def broadcast(shapes: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The sizes that arrays of these sizes have together."""
    rank = max(map(len, shapes), default=0)
    whole = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return [
        next((size for size in sizes if isinstance(size, Size) or size != 1), 1) for sizes in zip(*whole, strict=True)
    ]
