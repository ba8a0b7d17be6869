"""What layers pass on while a graph of them is drawn: tensors without numbers, which know where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

import fastgru
from fastgru.autodiff.operators import Symbolic
from fastgru.types import Shape

__all__ = [
    "TEXT",
    "Drawn",
    "KerasTensor",
    "Masks",
    "Node",
    "Place",
    "SymbolicTensor",
    "arranged",
    "draw",
    "flattened",
    "is_symbolic",
    "stand_ins",
]

TEXT = "string"  # Keras's name of the dtype of texts
_ANY_SIZE = 4096  # for an axis of free length, where a check asks for a number: long enough for every window

Masks = tuple["SymbolicTensor | None", ...] | None


class Drawn(Protocol):
    """What a graph knows of a layer."""

    name: str
    nodes: list[Node]


class SymbolicTensor(Symbolic):
    """What a layer puts out in a graph; Keras calls it KerasTensor.

    ``+ - * / **``, comparisons and slices of it draw the operation of that name.

    Attributes
    ----------
    shape : tuple
        The batch axis first; None where a size is free.
    dtype : str
    node : Node
        The application of a layer that puts it out.
    index : int
        Which of the layer's outputs it is.
    """

    __slots__ = ("dtype", "index", "node", "shape")
    __array_ufunc__ = None  # numpy leaves `array + tensor` to the tensor

    sparse = ragged = False

    def __init__(
        self,
        shape: Shape,
        dtype: str = "float32",
        node: Node | None = None,
        index: int = 0,
        *,
        sparse: bool = False,
        ragged: bool = False,
    ) -> None:
        if sparse or ragged:
            raise ValueError("KerasTensor: sparse and ragged tensors are not supported by fastgru.")
        self.shape = shape
        self.dtype = dtype
        self.node: Node = node  # type: ignore[assignment]  # None for a mere shape, on which nobody draws
        self.index = index

    @property
    def layer(self) -> Any:
        """The layer that puts it out."""
        return self.node.layer

    @property
    def name(self) -> str:
        """That of its layer, with a number for a further output."""
        return f"{self.layer.name}_{self.index}" if self.index else self.layer.name

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def draw(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        # through the package's lazy door: operations are layers, which stand on this module
        return fastgru.operations.draw(name, arguments, options)

    def __ne__(self, other: Any) -> Any:  # == is identity, as in Keras: tensors are keys
        return self.draw("not_equal", (self, other), {})

    __hash__ = object.__hash__

    def serialized(self) -> dict[str, Any]:
        """Keras's JSON form: shape, dtype, and which output of which layer it is."""
        history = None if self.node is None else [self.layer.name, self.node.index, self.index]
        config = {"shape": self.shape, "dtype": self.dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{self!r} holds no numbers to iterate over; take slices of it.")

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} holds no numbers and is neither true nor false.")

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.name} shape={self.shape} dtype={self.dtype}>"


KerasTensor = SymbolicTensor  # Keras's name


class Place:
    """Where an input stands among the arguments of a call."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class Node:
    """One application of a layer in a graph.

    Attributes
    ----------
    layer : Layer
    inputs : tuple of SymbolicTensor
        In the order in which `Layer.forward` takes them; none for an `InputLayer`.
    masks : tuple or None
        The tensors passed as masks, one or None for each input; None: the masks that the inputs carry. Empty: the layer
        sees no mask, but its output carries on that of the first input.
    outputs : tuple of SymbolicTensor
    index : int
        The how-manieth application of the layer it is.
    arguments : (tuple, dict) or None
        How a layer with a `call` is called, by position and by name, with a `Place` for each input; None: on the inputs
        alone.
    """

    __slots__ = ("arguments", "index", "inputs", "layer", "masks", "outputs")

    def __init__(
        self,
        layer: Drawn,
        inputs: Sequence[SymbolicTensor],
        masks: Masks,
        outputs: Sequence[tuple[Shape, str]],
        arguments: Any = None,
    ) -> None:
        self.arguments = arguments
        self.layer: Any = layer
        self.inputs = tuple(inputs)
        self.masks = masks
        self.outputs = tuple(SymbolicTensor(shape, dtype, self, index) for index, (shape, dtype) in enumerate(outputs))
        self.index = len(layer.nodes)
        layer.nodes.append(self)

    def __setstate__(self, state: Any) -> None:
        self.arguments = None  # which was not there before 0.2
        for name, value in state[1].items():
            setattr(self, name, value)

    def call_arguments(self, inputs: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """The arguments, by position and by name, with which Keras's layer is called for these inputs."""
        if self.arguments is None:
            args, kwargs = self.layer.call_arguments(inputs)
            return args, dict(kwargs)
        leaves = [inputs[leaf.index] if isinstance(leaf, Place) else leaf for leaf in flattened(self.arguments)]
        args, kwargs = arranged(self.arguments, iter(leaves))
        return args, kwargs

    @property
    def sources(self) -> tuple[SymbolicTensor, ...]:
        """All the tensors that it needs: inputs, then masks."""
        return self.inputs + tuple(mask for mask in self.masks or () if mask is not None)


# --- nested lists, tuples and dicts, in Keras's order ---------------------------------------------------


def flattened(structure: Any) -> list[Any]:
    """What nested lists, tuples and dicts hold, in a row; dicts in the order of their sorted keys."""
    if isinstance(structure, dict):
        structure = [structure[key] for key in sorted(structure)]
    if isinstance(structure, (list, tuple)):
        return [leaf for entry in structure for leaf in flattened(entry)]
    return [structure]


def arranged(structure: Any, leaves: Iterator[Any]) -> Any:
    """`leaves`, in the order of `flattened`, in the place of what the structure holds."""
    if isinstance(structure, dict):
        filled = {key: arranged(structure[key], leaves) for key in sorted(structure)}
        return {key: filled[key] for key in structure}
    if isinstance(structure, (list, tuple)):
        entries = [arranged(entry, leaves) for entry in structure]
        return type(structure)(*entries) if hasattr(structure, "_fields") else type(structure)(entries)
    return next(leaves)


def is_symbolic(inputs: Any) -> bool:
    """Whether inputs, or lists or dicts of them, are symbolic tensors; the first one tells."""
    while isinstance(inputs, (list, tuple, dict)) and inputs:
        inputs = next(iter(inputs.values() if isinstance(inputs, dict) else inputs))
    return isinstance(inputs, SymbolicTensor)


def stand_ins(tensors: Sequence[SymbolicTensor]) -> list[npt.NDArray[Any]]:
    """Arrays of the tensors' shapes, for checks of shapes; they take no memory.

    An axis of free length has that of another tensor where there is one.
    """
    fixed = {axis: size for tensor in tensors for axis, size in enumerate(tensor.shape) if size is not None}
    sizes = {0: 1, **fixed}
    return [
        np.broadcast_to(
            np.zeros((), object if tensor.dtype == TEXT else tensor.dtype),
            [sizes.get(axis, _ANY_SIZE) if size is None else size for axis, size in enumerate(tensor.shape)],
        )
        for tensor in tensors
    ]


def draw(layer: Any, inputs: Any, more: Sequence[Any], mask: Any) -> Any:
    """Apply a layer to symbolic tensors: the outputs of a new node, as `Layer.as_structure` gives them."""
    tensors = [*layer.in_order(inputs), *more]
    masks: Masks = None if mask is None else tuple(layer.in_order(mask))
    for tensor in (*tensors, *(one for one in masks or () if one is not None)):
        if not isinstance(tensor, SymbolicTensor):
            raise ValueError(
                f"Layer {layer.name!r}: expected symbolic tensors, got {type(tensor).__name__}; give the layer "
                "either these or arrays."
            )
    if not layer.built:
        shapes = [tensor.shape for tensor in tensors]
        layer.build(shapes if layer.takes_list else shapes[0])
    # the layer may be built for other shapes, and the kernels trust what was checked here
    layer.check_inputs(*stand_ins(tensors))
    if masks is None and more and not layer.takes_list:
        masks = ()
    return layer.as_structure(Node(layer, tensors, masks, layer.compute_output_spec(*tensors)).outputs)
