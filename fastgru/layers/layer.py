"""What every layer is: weights, shapes, a forward and a backward pass, a Keras config.

A layer holds weights and options. What one application of it needs besides lives in a `Call`, which belongs to whoever
runs the layer (one to each thread that calls it), so a layer can be used by several threads at once.
"""

from __future__ import annotations

import inspect
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import initializers, kernels, regularizers
from fastgru.constraints import Constraint
from fastgru.layers.symbolic import Masks, Node, SymbolicTensor, is_symbolic, stand_ins
from fastgru.naming import unique_name
from fastgru.registry import serialize
from fastgru.regularizers import Regularizer

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]

DTYPES = ("float32", "float64")
_WHOLE = (-1,)  # no array's shape: where a call keeps the memory that its views are parts of
_VIEWS = 64  # of one memory that a call keeps
_filled = ContextVar("filled", default=True)
_room: ContextVar[list[int] | None] = ContextVar("room", default=None)


class Weight:
    """A named array of a layer.

    Attributes
    ----------
    value : ndarray
        The numbers, to read: who writes them in place, not through `assign`, is not heard by those who keep packed
        copies. A training model makes it a view into its one buffer of parameters.
    gradient : ndarray or None
        Where `Layer.backward` adds the gradient of the loss; same shape as `value`. None outside training.
    version : int
        Grows with every change of the numbers, so that whoever keeps a packed copy knows when to pack anew.
    """

    __slots__ = ("constraint", "gradient", "name", "path", "regularizer", "trainable", "value", "version")

    def __init__(
        self,
        value: Array,
        name: str,
        path: str,
        trainable: bool = True,
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        self.value = value
        self.gradient: Array | None = None
        self.name = name
        self.path = path
        self.trainable = trainable
        self.regularizer = regularizer
        self.constraint = constraint
        self.version = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        return str(self.value.dtype)

    def numpy(self) -> Array:
        """A copy of the numbers."""
        return self.value.copy()

    def assign(self, value: npt.ArrayLike) -> None:
        """Replace the numbers; a ValueError names the weight and both shapes where they do not fit."""
        new = real_numbers(value, f"Weight {self.path!r}")
        if new.shape != self.shape:
            raise ValueError(f"Weight {self.path!r}: expected shape {self.shape}, got {new.shape}.")
        try:
            self.value[...] = new
        finally:  # even if an interrupt comes in between
            self.version += 1

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.value, dtype=dtype, copy=copy is not False)

    def __repr__(self) -> str:
        return f"<Weight {self.path} shape={self.shape} dtype={self.dtype}>"


def aligned_empty(size: int, dtype: npt.DTypeLike) -> Array:
    """A new array of `size` numbers that begins on a cache line: a vector that straddles two costs two reads."""
    line = 64
    memory = np.empty(size + line, dtype)  # enough for numbers of one byte
    begin = -kernels.address(memory) % line // memory.itemsize
    return memory[begin : begin + size]


class Call:
    """One application of a layer: how it runs, what forward leaves for backward, and the memory both reuse.

    Attributes
    ----------
    training : bool
        Keras's `training`: dropout drops, statistics update.
    differentiate : bool
        A backward pass will follow: keep what it needs in `saved`.
    input_gradient : bool
        Somebody wants the gradient of the inputs; `backward` may return None where it is False.
    masks : tuple
        For each input its mask, a (B, T) bool ndarray, True where a step counts, or None; may be shorter than the
        inputs.
    mask : (B, T) bool ndarray or None
        That of the first input.
    saved : dict
        What the last forward pass left for the backward pass.
    """

    __slots__ = ("_buffers", "_children", "differentiate", "input_gradient", "masks", "saved", "training")

    def __init__(self, training: bool = False, differentiate: bool = False) -> None:
        self.training = training
        self.differentiate = differentiate
        self.input_gradient = True
        self.masks: tuple[Array | None, ...] = ()
        self.saved: dict[str, Any] = {}
        self._buffers: dict[tuple[str, str], dict[tuple[int, ...], Array]] = {}
        self._children: dict[int, Call] = {}

    @property
    def mask(self) -> Array | None:
        return self.masks[0] if self.masks else None

    @mask.setter
    def mask(self, mask: Array | None) -> None:
        self.masks = (mask,)

    def buffer(self, name: str, shape: tuple[int, ...], dtype: str) -> Array:
        """Memory that lives as long as the call and is handed out again for the same name: contents undefined.

        Equal shapes get the same array; smaller ones a part of the memory of the largest so far.
        """
        views = self._buffers.get((name, dtype))
        if views is None:
            views = self._buffers[name, dtype] = {}
        array = views.get(shape)
        if array is None:
            size = math.prod(shape)
            memory = views.get(_WHOLE)
            if memory is None or memory.size < size:
                memory = aligned_empty(size, dtype)
                views.clear()
            elif len(views) > _VIEWS:
                views.clear()
            views[_WHOLE] = memory
            array = views[shape] = memory[:size].reshape(shape)
        return array

    def contiguous(self, name: str, x: Array) -> Array:
        """`x` itself where its memory is in one piece and in order, else its copy in memory of that name."""
        if x.flags.c_contiguous:
            return x
        copy = self.buffer(name, x.shape, str(x.dtype))
        copy[...] = x
        return copy

    def child(self, index: int) -> Call:
        """The call of the index-th inner layer, running the way this one runs."""
        call = self._children.get(index)
        if call is None:
            call = self._children[index] = Call()
        call.training = self.training
        call.differentiate = self.differentiate
        return call


class Workspaces(threading.local):
    """A call for each thread; a copy of it starts without, for memory cannot be shared."""

    call: Call | None = None

    def __reduce__(self) -> tuple[type[Workspaces], tuple[()]]:
        return Workspaces, ()


def real_numbers(values: Any, where: str) -> Array:
    """`values` as an array of real numbers; a ValueError that begins with `where` for anything else.

    Iterators and data sets are refused before numpy iterates over them, perhaps without an end.
    """
    if type(values) is np.ndarray and values.dtype.kind in "fiub":
        return values
    if not (isinstance(values, (int, float, Sequence)) or hasattr(values, "__array__")):
        raise ValueError(f"{where}: expected real numbers, got {type(values).__name__}; give an array.")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{where}: expected an array, got nested lists of unequal lengths.") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{where}: expected real numbers, got {type(values).__name__} of dtype {array.dtype}.")
    return array


def _unique(weights: list[Weight]) -> list[Weight]:
    """Each weight where it is met first: a layer may stand in two models, one inside the other."""
    return list({id(weight): weight for weight in weights}.values())


@contextmanager
def unfilled_weights(limit: int | None = None) -> Iterator[None]:
    """Inside, new weights are zeros and nothing is drawn from the random stream: their numbers come from a file.

    ValueError, before memory is taken, where the new weights are more than `limit` numbers in all.
    """
    before = _filled.set(False), _room.set(None if limit is None else [limit])
    try:
        yield
    finally:
        _filled.reset(before[0])
        _room.reset(before[1])


def dtype_name(dtype: Any) -> str:
    """The dtype of a layer from what Keras accepts for it: a name, a numpy dtype or a serialized DTypePolicy."""
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    name = "float32" if dtype is None else dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name not in DTYPES:
        raise ValueError(f"dtype {name!r} is not supported; fastgru computes in {' or '.join(DTYPES)}.")
    return name


class Layer:
    """Base of all layers.

    A subclass writes `build`, `forward`, `backward`, `compute_output_shape` and `get_config`. One that merges several
    inputs sets `takes_list`: its `build` and `compute_output_shape` get a list of shapes, and users may give it a list.

    Parameters
    ----------
    name : str, optional
        Unique within a model; made from the class name where absent.
    dtype : {"float32", "float64"}
        Of the weights and of the arithmetic.
    trainable : bool
        Whether `fit` changes the weights.
    input_shape, batch_shape : tuple, optional
        Shape of the input without (with) the batch axis; makes a `Sequential` build at once.
    input_dim : int, optional
        The same as ``input_shape=(input_dim,)``.
    activity_regularizer : str, dict or Regularizer, optional
        Adds its value for the layer's outputs to the loss.
    """

    takes_list = False
    stateful = False  # whether the layer itself goes on from the state that the last batch left
    input_rank = 3  # axes of a batch of inputs, where a layer takes several numbers of them the usual one
    takes_tokens = False  # whether the last axis of the inputs is one of tokens, not of features
    homogeneous = False  # whether the outputs have a factor that the inputs have
    linear_in_weights = False  # whether the weights' factor is one of what goes into the activation

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        batch_shape: Sequence[int | None] | None = None,
        activity_regularizer: Any = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise ValueError(f"{type(self).__name__}: unrecognized keyword arguments {sorted(unknown)}.")
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{type(self).__name__}: expected name to be a string, got {name!r}.")
        self.name = name or unique_name(type(self).__name__)
        self.dtype = dtype_name(dtype)
        self._trainable = bool(trainable)
        self.activity_regularizer: Regularizer | None = regularizers.get(activity_regularizer)
        self.built = False
        self._weights: list[Weight] = []
        self.nodes: list[Node] = []  # its applications in graphs
        self._workspaces = Workspaces()
        if input_dim is not None:
            input_shape = (input_dim,)
        if batch_shape is None and input_shape is not None:
            batch_shape = (None, *input_shape)
        self.batch_shape: Shape | None = None if batch_shape is None else tuple(batch_shape)

    # --- what a subclass writes -------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of this shape (batch axis first)."""
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output (batch axis first) for an input shape; a tuple of shapes for several outputs."""
        return input_shape

    def compute_mask(self, call: Call, *inputs: Array) -> Any:
        """The mask of the first output (a tuple of masks for a model with several), asked for after `forward`.

        A layer that treats every step alike passes its input's on; one whose output has other steps returns None.
        """
        return call.mask

    def check_inputs(self, *inputs: Array) -> None:
        """ValueError, in one sentence, where inputs of these shapes cannot go through the built layer."""
        if len(inputs) != 1:
            raise ValueError(
                f"Layer {self.name!r}: expected one input, got {len(inputs)}; give mask and training by name."
            )
        if inputs[0].size == 0:
            raise ValueError(f"Layer {self.name!r}: the input is empty, its shape is {inputs[0].shape}.")

    def forward(self, call: Call, *inputs: Array) -> Any:
        """Outputs for inputs: an array, or a tuple of arrays. Inputs are C-contiguous, of the layer's dtype, checked.

        The result may live in a buffer of `call` and is overwritten by the next forward pass with it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} {self.name!r} does not define forward; fastgru runs forward and backward, "
            "not Keras's call."
        )

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        """Gradients of the inputs, given those of the outputs; adds the weights' own into `Weight.gradient`.

        Returns an array for one input, a tuple for several; may be None where `call.input_gradient` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define backward.")

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config of the layer."""
        policy = {
            "module": "keras",
            "class_name": "DTypePolicy",
            "config": {"name": self.dtype},
            "registered_name": None,
        }
        config = {"name": self.name, "trainable": self.trainable, "dtype": policy}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialize(self.activity_regularizer)
        return config

    def file_items(self) -> list[tuple[str, Sequence[Weight] | Sequence[Layer] | Layer]]:
        """What Keras's weight files keep of this layer, each under the path of attributes where Keras has it.

        ``("", weights)`` are the layer's own; an inner layer (``("forward_layer", layer)``) or a list of them
        (``("layers", layers)``) describes itself further.
        """
        return [("", self._weights)]

    # --- what every layer has ---------------------------------------------------------------------

    def add_weight(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any = "glorot_uniform",
        regularizer: Regularizer | None = None,
        constraint: Constraint | None = None,
        trainable: bool = True,
    ) -> Weight:
        """Create a weight, in the order in which Keras lists them; ValueError once the layer is built."""
        if self.built:
            raise ValueError(f"Layer {self.name!r} is built already and takes no further weight {name!r}.")
        room = _room.get()
        if room is not None:
            room[0] -= math.prod(shape)
            if room[0] < 0:
                raise ValueError(
                    f"Layer {self.name!r}: its weight {name!r} of shape {shape} is larger than what the file holds."
                )
        first = initializers.get(initializer if _filled.get() else "zeros")
        value = np.asarray(first(shape, dtype=self.dtype), order="C")
        weight = Weight(value, name, f"{self.name}/{name}", trainable, regularizer, constraint)
        self._weights.append(weight)
        return weight

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.sublayers:
            layer.trainable = self._trainable

    @property
    def sublayers(self) -> list[Layer]:
        """The layers inside this one (none, but for models and wrappers)."""
        return []

    @property
    def weights(self) -> list[Weight]:
        """All weights in Keras's order, each once."""
        return _unique(self._weights + [weight for layer in self.sublayers for weight in layer.weights])

    @property
    def trainable_weights(self) -> list[Weight]:
        if not self.trainable:
            return []
        own = [weight for weight in self._weights if weight.trainable]
        return _unique(own + [weight for layer in self.sublayers for weight in layer.trainable_weights])

    @property
    def non_trainable_weights(self) -> list[Weight]:
        trained = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trained]

    def get_weights(self) -> list[Array]:
        """Copies of all weights."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[npt.ArrayLike]) -> None:
        """Replace all weights, or none where a number or a shape does not fit."""
        own = self.weights
        weights = list(weights)
        if len(weights) != len(own):
            raise ValueError(f"Layer {self.name!r}: expected {len(own)} weight arrays, got {len(weights)}.")
        arrays = [
            real_numbers(new, f"Layer {self.name!r}, weight {weight.name!r}")
            for weight, new in zip(own, weights, strict=True)
        ]
        for weight, new in zip(own, arrays, strict=True):
            if new.shape != weight.shape:
                raise ValueError(
                    f"Layer {self.name!r}, weight {weight.name!r}: expected shape {weight.shape}, got {new.shape}."
                )
        converted = [new.astype(weight.value.dtype) for weight, new in zip(own, arrays, strict=True)]
        for weight, new in zip(own, converted, strict=True):
            weight.assign(new)

    def count_params(self) -> int:
        """Number of numbers in the weights."""
        if not self.built:
            raise ValueError(
                f"Layer {self.name!r} is not built yet and has no weights to count; call it on data or build it."
            )
        return sum(weight.value.size for weight in self.weights)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described."""
        return cls(**config)

    def __call__(self, inputs: Any, *more: Any, mask: Any = None, training: bool = False) -> Any:
        """Apply the layer to numpy arrays, or draw it into a graph of symbolic tensors, building it on first use.

        Parameters
        ----------
        inputs : array_like or SymbolicTensor, or a list of them for a layer that merges its inputs
        *more : array_like or SymbolicTensor
            Further inputs, for a layer that takes several.
        mask : (B, T) bool array_like or SymbolicTensor, optional
            True where a step counts; for a layer that merges its inputs a list, one or None for each. In a graph masks
            also come with the inputs; as in Keras 3, one that comes so does not reach a recurrent layer with an
            `initial_state`.
        training : bool
            Whether dropout drops. In a graph the model says so.

        Returns
        -------
        ndarray or SymbolicTensor, or a list of them where the layer has several outputs.
        """
        if type(inputs) is not np.ndarray and is_symbolic(inputs):
            return self._drawn(inputs, more, mask)
        if self.takes_list and isinstance(inputs, (list, tuple)):
            inputs, more = inputs[0], tuple(inputs[1:])
        arrays = self.as_inputs((inputs, *more))
        if not self.built:
            shapes = [array.shape for array in arrays]
            self.build(shapes if self.takes_list else shapes[0])
        self.check_inputs(*arrays)
        given: tuple[Array | None, ...] = ()
        if mask is not None:
            masks = mask if isinstance(mask, (list, tuple)) and self.takes_list else [mask]
            pairs = zip(masks, arrays, strict=False)
            given = tuple([None if one is None else self.as_mask(one, array) for one, array in pairs])
        return self._new_outputs(arrays, bool(training), given)

    def _new_outputs(self, arrays: Sequence[Array], training: bool, masks: tuple[Array | None, ...]) -> Any:
        """Outputs in new arrays, a list where `forward` returns several, by the memory of the calling thread.

        That is taken away meanwhile: a layer that calls itself gets other memory inside.
        """
        workspaces = self._workspaces
        call, workspaces.call = workspaces.call or Call(), None
        call.training, call.masks = training, masks
        try:
            outputs = self.forward(call, *arrays)
            if isinstance(outputs, (tuple, list)):
                return [None if part is None else np.array(part) for part in outputs]
            return np.array(outputs)
        finally:
            workspaces.call = call

    # --- graphs -------------------------------------------------------------------------------------

    def _drawn(self, inputs: Any, more: Sequence[Any], mask: Any) -> Any:
        """The outputs of a new node."""
        tensors = [*self.in_order(inputs), *more]
        masks: Masks = None if mask is None else tuple(self.in_order(mask))
        for given in (*tensors, *(one for one in masks or () if one is not None)):
            if not isinstance(given, SymbolicTensor):
                raise ValueError(
                    f"Layer {self.name!r}: expected symbolic tensors, got {type(given).__name__}; give the layer "
                    "either these or arrays."
                )
        if not self.built:
            shapes = [tensor.shape for tensor in tensors]
            self.build(shapes if self.takes_list else shapes[0])
        # the layer may be built for other shapes, and the kernels trust what was checked here
        self.check_inputs(*stand_ins(tensors))
        if masks is None and more and not self.takes_list:
            masks = ()
        return self.packed(Node(self, tensors, masks, self.compute_output_spec(*tensors)).outputs)

    def in_order(self, inputs: Any) -> list[Any]:
        """The inputs, as users nest them, in the order in which `forward` takes them."""
        return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]

    def packed(self, outputs: Sequence[Any]) -> Any:
        """The outputs as users get them: one, or a list of several."""
        return list(outputs) if len(outputs) > 1 else outputs[0]

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        """Shape and dtype of each output for symbolic inputs."""
        shapes = [tensor.shape for tensor in inputs]
        found = self.compute_output_shape(shapes if self.takes_list else shapes[0])
        several = found and isinstance(found[0], (tuple, list))
        return [(tuple(shape), self.dtype) for shape in (found if several else [found])]

    def call_arguments(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments, by position and by name, with which Keras's layer is called for these inputs."""
        if self.takes_list:
            return [list(inputs)], {}
        first, *more = inputs
        # `initial_state` of recurrent layers
        second = [*inspect.signature(self.__call__).parameters.values()][1]
        if not more or second.kind is second.VAR_POSITIONAL:
            return [*inputs], {}
        return [first], {second.name: more if len(more) > 1 else more[0]}

    def _first_node(self, attribute: str) -> Node:
        if not self.nodes:
            raise AttributeError(f"Layer {self.name!r} stands in no graph and has no {attribute}.")
        return self.nodes[0]

    @property
    def input(self) -> Any:
        """What the layer's first application in a graph takes: a symbolic tensor or a list of them."""
        sources = self._first_node("input").sources
        return list(sources) if len(sources) > 1 else sources[0]

    @property
    def output(self) -> Any:
        """What the layer's first application in a graph puts out: a symbolic tensor or a list of them."""
        return self.packed(self._first_node("output").outputs)

    def as_input(self, x: npt.ArrayLike) -> Array:
        """`x` of the layer's dtype, as the kernels read it; ValueError where it holds no real numbers."""
        return kernels.contiguous(real_numbers(x, f"Layer {self.name!r}"), self.dtype)

    def as_inputs(self, arrays: Sequence[npt.ArrayLike]) -> list[Array]:
        """All inputs as the layer computes on them."""
        return [self.as_input(array) for array in arrays]

    def as_mask(self, mask: npt.ArrayLike, x: Array) -> Array:
        """The mask of `x` as the layers read it: bool and C-contiguous; ValueError where its shape is not (B, T)."""
        found = real_numbers(mask, f"Layer {self.name!r}, mask")
        if found.shape != x.shape[:2]:
            raise ValueError(
                f"Layer {self.name!r}: expected a mask of shape {x.shape[:2]} (batch, timesteps), got {found.shape}."
            )
        return np.ascontiguousarray(found, dtype=bool)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def run_forward(layer: Layer, call: Call, *inputs: Array) -> tuple[Any, float]:
    """Outputs of a layer in a model or a wrapper, and the penalties of the activity regularizers in it."""
    call.saved["penalty"] = 0.0
    outputs = layer.forward(call, *inputs)
    inside: float = call.saved["penalty"]
    if layer.activity_regularizer is None:
        return outputs, inside
    return outputs, inside + activity_penalty(layer, call, outputs)


def activity_penalty(layer: Layer, call: Call, outputs: Any) -> float:
    """That of the layer's own regularizer, besides those of the layers inside."""
    penalty = 0.0
    if layer.activity_regularizer is not None:
        call.saved["regularized"] = parts = outputs if isinstance(outputs, tuple) else (outputs,)
        penalty = sum(layer.activity_regularizer(part) / len(part) for part in parts)
    return penalty


def run_backward(layer: Layer, call: Call, *d_outputs: Array | None) -> Any:
    """Gradients of a layer's inputs from those of its outputs, to which its activity regularizer adds."""
    regularizer = layer.activity_regularizer
    if regularizer is not None:
        own = [regularizer.gradient(part) / len(part) for part in call.saved["regularized"]]
        d_outputs = tuple(new if d is None else d + new for d, new in zip(d_outputs, own, strict=True))
    return layer.backward(call, *d_outputs)
