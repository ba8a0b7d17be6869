"""Keras 3's operations, which stand between the layers of a graph: an op of `fastgru.ops` on symbolic tensors.

They have no weights and carry no mask. Each is drawn once, by its call, which also gives it its constants: the 2 of
``x * 2``, the slices of ``x[:, -1]``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru import ops, tree
from fastgru.autodiff.recording import nobody_records, recorders
from fastgru.autodiff.tape import with_pullback
from fastgru.autodiff.tensor import plain
from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import Node, Place, SymbolicTensor
from fastgru.layers.workspace import Call
from fastgru.moved import attributes
from fastgru.naming import suggestion
from fastgru.operations.names import CALLED_WITH, OP_OF_CLASS, SAME, module_of
from fastgru.registry import OPERATIONS, registered
from fastgru.types import Array, Shape

__all__ = ["Operation", "draw", "operation"]

_FREE = (24, 48)  # lengths of a free axis in two runs that tell it from others


@cache
def operation(name: str) -> Any:
    """The class of an operation; ValueError with the nearest name for one that is not known."""
    if name not in OP_OF_CLASS:
        raise ValueError(f"{OPERATIONS}: {name!r} is not known to fastgru; {suggestion(name, OP_OF_CLASS)}")
    op_name = OP_OF_CLASS[name]
    op = getattr(ops, op_name)
    parameters = inspect.signature(op).parameters
    called = CALLED_WITH.get(op_name) or tuple(parameters)[: op.arrays if op.arrays >= 0 else 0]
    options = {
        key: parameter.default
        for key, parameter in parameters.items()
        if key not in called and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    module = f"{OPERATIONS}.{module_of(op_name)}"
    members = {"op": staticmethod(op), "called_with": called, "options": options, "module": module, "listed": op.listed}
    return registered(OPERATIONS)(type(name, (Operation,), members))


@cache
def _class_of(op_name: str) -> Any:
    op_name = SAME.get(op_name, op_name)
    name = next((one for one, other in OP_OF_CLASS.items() if other == op_name), None)
    if name is None:
        raise TypeError(f"ops.{op_name}: takes arrays, and no symbolic tensors; call it in a layer's call or a Lambda.")
    return operation(name)


def draw(op_name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What an op puts out for symbolic tensors among its arguments: the outputs of a new operation."""
    cls = _class_of(op_name)
    if op_name == "get_item":  # in a file a list is a tuple
        args = [args[0], _with_arrays(args[1])]
    signature = inspect.signature(getattr(ops, op_name))
    settings: dict[str, Any] = {}
    positional: list[Any] = []
    named: dict[str, Any] = {}
    in_order = True  # whether all arguments of the call so far came, so that the next may come by its position
    values = signature.bind(*args, **kwargs).arguments
    for key, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(values.get(key, ()))
        elif key not in values:
            in_order = in_order and key in cls.options
        elif key in cls.options and not any(isinstance(leaf, SymbolicTensor) for leaf in tree.flatten(values[key])):
            settings[key] = values[key]
        elif in_order and key not in cls.options:
            positional.append(values[key])
        else:
            named[key] = values[key]
    return cls(**settings)(*positional, **named)


def _with_arrays(key: Any) -> Any:
    """What stands between brackets, with arrays in the place of lists of places."""
    if isinstance(key, tuple):
        return tuple(map(_with_arrays, key))
    return np.asarray(key) if isinstance(key, list) else key


def _unfilled(name: str) -> Operation:
    """An operation as pickle makes it before it fills it."""
    cls: type[Operation] = operation(name)
    return cls.__new__(cls)


class Operation(Layer):
    """Base of the operations; `operation` makes the class of each.

    Attributes
    ----------
    op : callable
        Of `fastgru.ops`.
    called_with : tuple of str
        The arguments of it that stand in a call; none for an op of any number of arrays.
    options : dict
        Those of its arguments that Keras keeps in its config, with their defaults; the values are in `settings`.
    listed : bool
        Whether its tensors come as one list.
    """

    takes_list = True
    takes_no_nan = False
    module = f"{OPERATIONS}.numpy"
    op: ClassVar[Callable[..., Any]]
    called_with: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[dict[str, Any]] = {}
    listed: ClassVar[bool] = False
    _arguments: Any = None  # by position and by name, with a `Place` for each tensor; None in pickles before 0.2
    _structure: Any = None  # of several outputs
    _row: Any = None  # the arguments by position, where there are no others, and `op` with its settings
    _bound: Any = None

    def __init__(self, *arguments: Any, name: str | None = None, **options: Any) -> None:
        named = {**dict(zip(self.options, arguments, strict=False)), **options}
        super().__init__(name=name, **{key: value for key, value in named.items() if key not in self.options})
        defaults = {key: value for key, value in self.options.items() if value is not inspect.Parameter.empty}
        self.settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in {**defaults, **named}.items()
        }

    def __reduce__(self) -> Any:
        # the classes are made of a table, and no module has their names
        state = {**self.__getstate__(), "_row": None, "_bound": None}
        return _unfilled, (type(self).__name__,), state

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        form = super().serialized(input_shape)
        return {**form, "module": self.module, "registered_name": form["class_name"]}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Draw the operation: its tensors and constants in the order of Keras's call."""
        if isinstance(self, operation("GetItem")) and isinstance(arguments[-1], list):
            arguments = (arguments[0], tuple(arguments[-1]))
        leaves = tree.flatten([arguments, named])
        tensors = [leaf for leaf in leaves if isinstance(leaf, SymbolicTensor)]
        if self.nodes or not tensors:
            raise ValueError(f"Operation {self.name!r}: expected to be called once, and on symbolic tensors.")
        places = iter(map(Place, range(len(tensors))))
        marked = [next(places) if isinstance(leaf, SymbolicTensor) else leaf for leaf in leaves]
        self._arguments = tree.pack_sequence_as([arguments, named], marked)
        self._settle()
        self.built = True
        outputs = Node(self, tensors, None, self.compute_output_spec(*tensors)).outputs
        return outputs[0] if self._structure is None else tree.pack_sequence_as(self._structure, list(outputs))

    def _settle(self) -> None:
        """Make the call quick where its arguments are a row of tensors and constants, as nearly all are."""
        args, kwargs = self._arguments
        leading = tuple(inspect.signature(type(self).op).parameters)[: len(args)]
        is_row = not any(isinstance(leaf, Place) for one in args if tree.is_nested(one) for leaf in tree.flatten(one))
        if is_row and not kwargs and self.called_with[: len(args)] == leading:
            self._row, self._bound = args, partial(type(self).op, **self.settings)

    def call_arguments(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        if self._arguments is None:  # as an older release kept them
            constants: dict[int, Any] = vars(self)["_constants"]
            tensors = iter(inputs)
            count = len(inputs) + len(constants)
            operands = [constants[place] if place in constants else next(tensors) for place in range(count)]
            return ([operands] if self.listed else operands), {}
        leaves = [inputs[leaf.index] if isinstance(leaf, Place) else leaf for leaf in tree.flatten(self._arguments)]
        args, kwargs = tree.pack_sequence_as(self._arguments, leaves)
        return list(args), kwargs

    def _applied(self, *inputs: Any) -> Any:
        if self._row is not None:
            return self._bound(*[inputs[one.index] if type(one) is Place else one for one in self._row])
        args, kwargs = self.call_arguments(inputs)
        settings = {**self.settings, **kwargs}
        if not self.called_with:  # einsum has its subscripts before the arrays
            subscripts = [settings.pop("subscripts")] if "subscripts" in settings else []
            return type(self).op(*subscripts, *args, **settings)
        if len(args) > len(self.called_with):  # of an older release, which had the bounds of clip in the call
            return type(self).op(*args, **kwargs)
        return type(self).op(**dict(zip(self.called_with, args, strict=False)), **settings)

    @property
    def moves_rows(self) -> bool:
        """Whether samples of a batch may mix or come to stand along another axis, so that its size tells."""
        if type(self) is operation("Transpose"):
            return self.settings["axes"] is None or self.settings["axes"][0] != 0
        axes = self.settings.get("axis", -1)
        return axes is None or 0 in np.atleast_1d(axes)

    # --- the layer ----------------------------------------------------------------------------------

    def check_inputs(self, *inputs: Array) -> None:
        """What does not fit, the op refuses."""

    def as_input(self, x: npt.ArrayLike) -> Array:
        return np.asarray(x)

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Any:
        shapes = [shape for shape, _ in self.compute_output_spec(*(SymbolicTensor(tuple(one)) for one in input_shape))]
        return tuple(shapes) if len(shapes) > 1 else shapes[0]

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        runs = []
        try:
            for free in _FREE:
                with nobody_records(), np.errstate(all="ignore"):
                    runs.append(self._applied(*_stand_ins(inputs, free)))
        except (ValueError, IndexError, TypeError) as error:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in inputs)
            raise ValueError(f"Operation {self.name!r}: does not fit inputs of shapes {shapes}: {error}") from None
        self._structure = runs[0] if tree.is_nested(runs[0]) else None
        pairs = list(zip(*map(tree.flatten, runs), strict=True))
        self.dtype = pairs[0][0].dtype.name
        return [
            (tuple(size if size == other else None for size, other in zip(a.shape, b.shape, strict=True)), a.dtype.name)
            for a, b in pairs
        ]

    def outgoing_mask(self, call: Call, *inputs: Array) -> None:
        return None

    def forward(self, call: Call, *inputs: Array) -> Any:
        if call.differentiate:
            outputs, call.saved["pull"] = with_pullback(self._applied, *inputs)
        elif recorders():
            with nobody_records():
                outputs = self._applied(*inputs)
        else:
            outputs = self._applied(*inputs)
        call.saved["inputs"] = inputs
        if self._structure is None:
            return np.ascontiguousarray(plain(outputs))
        return tuple([np.ascontiguousarray(plain(y)) for y in tree.flatten(outputs)])

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        gradients = call.saved["pull"](*d_outputs)
        return tuple(
            None if gradient is None else np.ascontiguousarray(gradient, x.dtype)
            for gradient, x in zip(gradients, call.saved["inputs"], strict=True)
        )

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **self.settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The operation that `get_config` described, arrays among its options as files have them."""
        return cls(**{key: _array_of_file(value) for key, value in config.items()})


def _array_of_file(value: Any) -> Any:
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        return np.asarray(value["config"]["value"], value["config"]["dtype"])
    return value


def _stand_ins(tensors: Sequence[SymbolicTensor], free: int) -> list[Array]:
    """Arrays of the tensors' shapes; a free axis has the length that another tensor of as many axes knows."""
    arrays = []
    for tensor in tensors:
        others = [other.shape for other in tensors if len(other.shape) == len(tensor.shape)]
        fixed = [{shape[axis] for shape in others} - {None, 1} for axis in range(len(tensor.shape))]
        sizes = [
            size if size is not None else fixed[axis].pop() if fixed[axis] else free
            for axis, size in enumerate(tensor.shape)
        ]
        arrays.append(np.zeros(sizes, tensor.dtype))  # type: ignore[arg-type]
    return arrays


__getattr__ = attributes(__name__)
