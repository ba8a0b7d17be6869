"""What every layer is: weights, shapes, a forward and a backward pass, a Keras config.

A layer holds weights and options. What one application of it needs besides lives in a `Call`, which belongs to whoever
runs the layer (one to each thread that calls it), so a layer can be used by several threads at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from fastgru import checks, kernels, regularizers
from fastgru.autodiff.recording import is_recorded, recorders
from fastgru.autodiff.tensor import plain, tensor
from fastgru.layers import no_rows, penalties
from fastgru.layers.context import context
from fastgru.layers.options import DTypeLike, Optioned, RegularizerLike
from fastgru.layers.own_layer import OwnLayer
from fastgru.layers.recorded import run_recorded
from fastgru.layers.symbolic import Node, SymbolicTensor, draw, is_symbolic
from fastgru.layers.tracking import tracked
from fastgru.layers.weight import Publication, Weight, capture, published
from fastgru.layers.weighted import Weighted
from fastgru.layers.workspace import Call, Workspaces
from fastgru.moved import attributes
from fastgru.naming import unique_name
from fastgru.registry import object_form, serialize
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

__all__ = ["Layer", "dtype_name"]


def dtype_name(dtype: Any) -> str:
    """The dtype of a layer from what Keras accepts for it: a name, a numpy dtype or a serialized DTypePolicy."""
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name")
    name = np.dtype(dtype).name if isinstance(dtype, (type, np.dtype)) else dtype
    name = "float32" if name is None else name
    if name not in kernels.DTYPES:
        raise ValueError(f"dtype {name!r} is not supported; fastgru computes in {' or '.join(kernels.DTYPES)}.")
    return name


class Layer(Optioned, OwnLayer, Weighted):
    """Base of all layers.

    A layer of your own defines (docs/own-layers.md has examples):

    - ``build(input_shape)``, if it has weights: makes them with `add_weight`
    - ``call(inputs)``: the outputs, computed with `fastgru.ops`, operators, numpy's functions and other layers;
      gradients follow. It may take ``training`` and ``mask``
    - ``get_config()``, if it is saved and has options that are no plain arguments of the constructor

    One that is to be as quick as those of the package defines, in the place of ``call``:

    - ``compute_output_shape(input_shape)``, if it is not the input's
    - ``forward(call, *inputs)``: the outputs, with the weights as ``call.value(weight)`` reads them; what the backward
      pass needs goes into ``call.saved``, see `fastgru.layers.workspace.Call`
    - ``backward(call, *d_outputs)``, for training: the gradients of the inputs; those of the weights are added to
      `Weight.gradient`, which is None for a weight that is not trained

    One that merges several inputs sets `takes_list`: its `build` and `compute_output_shape` get a list of shapes, and
    users may give it a list.

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
    takes_tokens = False  # whether inputs are whole numbers that stand for something: they stay of the dtype they have
    takes_no_nan = True  # whether NaN in what comes in can only be an oversight
    takes_text = False  # whether inputs may be strings
    couples_rows = False  # whether what a row gives depends on the rows beside it, outside of training, too
    stateful = False  # whether the layer itself goes on from the state that the last batch left
    input_rank = 3  # axes of a batch of inputs, where a layer takes several numbers of them the usual one
    # `fastgru convert` multiplies the weights before an old hard_sigmoid, where these say that it comes to the same
    homogeneous = False  # f(c x) = c f(x)
    linear_in_weights = False  # scaling all weights by c scales what goes into the activation by c
    _version: tuple[Publication, dict[Weight, Array]] | None = None  # of the weights, as the last call captured it

    def __init__(
        self,
        *,
        name: str | None = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        batch_shape: Sequence[int | None] | None = None,
        activity_regularizer: RegularizerLike = None,
        autocast: bool = True,
        **unknown: NoReturn,
    ) -> None:
        if unknown:
            raise ValueError(f"{type(self).__name__}: unrecognized keyword arguments {sorted(unknown)}.")
        where = type(self).__name__
        self.name = checks.optional(checks.text)(name, where, "name") or unique_name(where)
        self.dtype = dtype_name(dtype)
        self._trainable, _ = checks.flag(trainable, where, "trainable"), checks.flag(autocast, where, "autocast")
        self.activity_regularizer: Regularizer | None = regularizers.get(activity_regularizer)
        self.built = type(self).build is Layer.build and not type(self).is_own  # without weights nothing is to be done
        self._weights: list[Weight] = []
        self.nodes: list[Node] = []  # its applications in graphs
        self._workspaces = Workspaces()
        if input_dim is not None:
            input_shape = (checks.positive_integer(input_dim, where, "input_dim"),)
        if batch_shape is None and input_shape is not None:
            batch_shape = (None, *checks.sizes(input_shape, where, "input_shape"))
        self.batch_shape: Shape | None = checks.optional(checks.sizes)(batch_shape, where, "batch_shape")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_version"}

    # --- what a subclass writes -------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of this shape (batch axis first)."""
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output (batch axis first) for an input shape; a tuple of shapes for several outputs."""
        return input_shape

    def outgoing_mask(self, call: Call, *inputs: Array) -> Any:
        """The mask of the first output (a tuple of masks for a model with several), which is read after `forward`.

        A layer that treats every step alike passes its input's on; one whose output has other steps returns None.
        """
        if self.makes_masks:
            return self.mask_of_own(call, *inputs)
        return call.mask

    def check_inputs(self, *inputs: Array) -> None:
        """ValueError, in one sentence, where inputs of these shapes cannot go through the built layer."""
        if len(inputs) != 1:
            raise ValueError(
                f"Layer {self.name!r}: expected one input, got {len(inputs)}; give mask and training by name."
            )
        self._check_not_empty(*inputs)

    def _check_not_empty(self, *inputs: Array) -> None:
        if all(x.size for x in inputs):
            return
        if len(inputs) == 1:
            raise ValueError(f"Layer {self.name!r}: the input is empty, its shape is {inputs[0].shape}.")
        raise ValueError(f"Layer {self.name!r}: an input is empty, the shapes are {[x.shape for x in inputs]}.")

    def forward(self, call: Call, *inputs: Array) -> Any:
        """Outputs for inputs: an array, or a tuple of arrays. Inputs are C-contiguous, of the layer's dtype, checked.

        The result may live in a buffer of `call` and is overwritten by the next forward pass with it.
        """
        raise NotImplementedError(f"{self._where} defines neither call nor forward.")

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        """Gradients of the inputs from those of the outputs; adds those of the weights to `Weight.gradient`.

        Returns an array for one input, a tuple for several; may be None where `call.input_gradient` is False.
        """
        raise NotImplementedError(
            f"{self._where} defines forward and no backward; define both, or call, whose gradients follow."
        )

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
        return {**config, **self._config_of_options(), **self.config_of_arguments()}

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        """Keras 3's JSON form of the layer, with the shape it was built for where building does something.

        The shape is that of its first application in a graph, or its first eager call, where it is not an argument.
        """
        if input_shape is None and self.nodes and self.nodes[0].inputs:
            shapes = [tensor.shape for tensor in self.nodes[0].inputs]
            input_shape = shapes if self.takes_list else shapes[0]
        input_shape = self._first_shape if input_shape is None else input_shape
        built = input_shape is not None and (type(self).build is not Layer.build or self.runs_call)
        return object_form(self, {"input_shape": input_shape} if built else None)

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Build the layer for the shape, or the list of shapes, that stands in its JSON form."""
        shape = config["input_shape"]
        several = any(isinstance(one, (list, tuple)) for one in shape)
        self.build([tuple(one) for one in shape] if several else tuple(shape))

    def file_items(self) -> list[tuple[str, Sequence[Weight] | Sequence[Layer] | Layer]]:
        """What Keras's weight files keep of this layer, each under the path of attributes where Keras has it.

        ``("", weights)`` are those of the layer itself; an inner layer (``("forward_layer", layer)``) or a list of them
        (``("layers", layers)``) describes itself further.
        """
        return [("", self.own_weights), *self.tracked_items(Layer)]

    # --- what every layer has ---------------------------------------------------------------------

    @property
    def sublayers(self) -> list[Layer]:
        """The layers inside this one: those of models and wrappers, and what a layer of one's own has as attributes."""
        return tracked(self, Layer) if type(self).is_own else []

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The layer that `get_config` described."""
        return cls(**config)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for inputs: what ``super().call`` is in a class that is derived from a layer of the package."""
        return self.of_package()(*args, **kwargs)

    def __call__(self, inputs: Any, *more: Any, mask: Any = None, training: bool | None = None) -> Any:
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
        training : bool, optional
            Whether dropout drops. In a graph the model says so, and in the `call` of another layer that one where this
            is absent.

        Returns
        -------
        Tensor or SymbolicTensor, or a list of them where the layer has several outputs.
        """
        if type(inputs) is not np.ndarray and is_symbolic(inputs):
            return draw(self, inputs, more, mask)
        if self.takes_list and isinstance(inputs, (list, tuple)):
            inputs, more = inputs[0], tuple(inputs[1:])
        arrays = self.as_inputs((inputs, *more))
        if no_rows.without_rows(arrays) and not (self.runs_call or self.stateful):
            return no_rows.outputs_without_rows(lambda *rows: Layer.__call__(self, *rows, training=False), arrays)
        if not self.built:
            shapes = [array.shape for array in arrays]
            self.build(shapes if self.takes_list else shapes[0])
        self.check_inputs(*arrays)
        as_read: tuple[Array | None, ...] = ()
        carried: Array | None = None
        if mask is not None:
            masks = mask if isinstance(mask, (list, tuple)) and self.takes_list else [mask]
            pairs = zip(masks, arrays, strict=False)
            as_read = tuple([None if one is None else self.as_mask(one, array) for one, array in pairs])
        elif more and not self.takes_list:  # as in a graph: beside initial states, the layer sees no mask
            carried = getattr(inputs, "_keras_mask", None)
        else:
            as_read = tuple([getattr(one, "_keras_mask", None) for one in (inputs, *more)])
        return self._new_tensors((inputs, *more), arrays, training, as_read, carried)

    def _new_tensors(
        self,
        sources: Sequence[Any],
        arrays: Sequence[Array],
        training: bool | None,
        masks: tuple[Array | None, ...],
        carried: Array | None = None,
    ) -> Any:
        """Outputs as new tensors with their masks, a list where `forward` returns several.

        Parameters
        ----------
        sources, arrays : sequence
            The inputs as they came, which a gradient tape may follow, and as the layer computes on them.
        training, masks
        carried : (B, T) bool ndarray, optional
            A mask that the layer does not see, and hands on.
        """
        training = bool(context.training if training is None else training)
        weights = self.trainable_weights if recorders() else []
        recorded = bool(recorders()) and is_recorded((*sources, *weights))
        call = self._acquired_call(training, masks, recorded or context.watch is not None)
        try:
            if recorded:
                outputs = run_recorded(self, call, sources, arrays, weights)
            else:
                results = self.forward(call, *arrays)
                parts = results if isinstance(results, (tuple, list)) else [results]
                ys: list[Any] = [None if y is None else tensor(np.array(y)) for y in parts]
                outputs = ys if parts is results else ys[0]
            context.called(self, call)
            ys = outputs if isinstance(outputs, list) else [outputs]
            self._losses = [tensor(call.penalty)] if call.penalty else []
            if self.activity_regularizer is not None:  # whose gradient the layer's way back adds
                penalty = penalties.activity_penalty(self, call, tuple(np.asarray(plain(y)) for y in ys))
                self._losses.append(tensor(penalty))
            behind = call if carried is None else Call.handing_on(carried)
            if (mask := self.outgoing_mask(behind, *arrays)) is not None:
                for y, one in zip(ys, mask if isinstance(mask, tuple) else (mask,), strict=False):
                    y._keras_mask = one
            call.version.commit()
        finally:
            if recorded:  # the way back has the call
                call.version.forget()
            else:
                self._release(call)
        return outputs

    def _acquired_call(
        self, training: bool = False, masks: tuple[Array | None, ...] = (), differentiate: bool = False
    ) -> Call:
        """The calling thread's memory for this layer, with one version of the weights to read, until `_release`.

        Nobody else gets it meanwhile: whoever calls the layer inside, a callback or a signal handler, works elsewhere.
        """
        workspaces = self._workspaces
        if differentiate:
            call = workspaces.recorded.pop() if workspaces.recorded else Call(differentiate=True)
        else:
            call, workspaces.call = workspaces.call or Call(), None
        call.training, call.masks = training, masks
        values, around = self.latest_values(), context.version
        if around is not None and around.values is not None and values.keys() <= around.values.keys():
            values = around.values
        call.version.values, call.version.outer = values, around
        return call

    def latest_values(self) -> Mapping[Weight, Array]:
        """The numbers of all weights, of one version: that of now."""
        version = self._version
        if version is None or version[0] is not published.current:
            self._version = version = capture(self.weights)
        return version[1]

    def _release(self, call: Call) -> None:
        if call.version.transaction is not None:  # a call of `forget` is one percent of a prediction
            call.version.forget()
        call.version.values = None
        self._workspaces.call = self._workspaces.call if call.differentiate else call

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        written = vars(cls)
        cls.says_build = cls.build is not Layer.build
        cls.says_shapes = cls.says_shapes or "compute_output_shape" in written
        cls.makes_masks = cls.compute_mask is not Layer.compute_mask
        if "call" in written:
            from fastgru.layers import own_call  # which no layer of the package needs

            own_call.install(cls)
        base: Any = next(one for one in cls.__mro__ if not getattr(one, "runs_call", False))
        cls.extends_package = cls.runs_call and base.forward is not Layer.forward

    # --- graphs -------------------------------------------------------------------------------------

    def in_order(self, inputs: Any) -> list[Any]:
        """The inputs, as users nest them, in the order in which `forward` takes them."""
        return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]

    def as_structure(self, outputs: Sequence[Any]) -> Any:
        """The outputs as users get them: one, or a list of several."""
        return list(outputs) if len(outputs) > 1 else outputs[0]

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        """Shape and dtype of each output for symbolic inputs."""
        shapes = [tensor.shape for tensor in inputs]
        computed = self.compute_output_shape(shapes if self.takes_list else shapes[0])
        several = computed and isinstance(computed[0], (tuple, list))
        return [(tuple(shape), self.dtype) for shape in (computed if several else [computed])]

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
        return self.as_structure(self._first_node("output").outputs)

    def as_input(self, x: npt.ArrayLike) -> Array:
        """`x` of the layer's dtype, as the kernels read it; ValueError where it holds no real numbers."""
        return kernels.contiguous(checks.real_numbers(x, f"Layer {self.name!r}"), self.input_dtype)

    @property
    def input_dtype(self) -> str | None:
        """The dtype that `forward` takes inputs of; None for any."""
        return None if self.takes_tokens else self.dtype

    def as_inputs(self, arrays: Sequence[npt.ArrayLike]) -> list[Array]:
        """All inputs as the layer computes on them."""
        return [self.as_input(array) for array in arrays]

    def as_mask(self, mask: npt.ArrayLike, x: Array) -> Array:
        """The mask of `x` as the layers read it: bool and C-contiguous; ValueError where its shape is not (B, T)."""
        array = checks.real_numbers(mask, f"Layer {self.name!r}, mask")
        if array.shape != x.shape[:2]:
            raise ValueError(
                f"Layer {self.name!r}: expected a mask of shape {x.shape[:2]} (batch, timesteps), got {array.shape}."
            )
        return np.ascontiguousarray(array, dtype=bool)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


__getattr__ = attributes(__name__)
