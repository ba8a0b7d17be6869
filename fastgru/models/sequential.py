"""Layers in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastgru.layers.core.input_layer import InputLayer
from fastgru.layers.layer import Layer
from fastgru.layers.penalties import run_backward, run_forward
from fastgru.layers.symbolic import TEXT, SymbolicTensor, flattened
from fastgru.layers.workspace import Call
from fastgru.models.model import Model
from fastgru.registry import deserialize_layer, registered
from fastgru.types import Array, Shape


@registered("keras.models")
class Sequential(Model):
    """A model whose layers run one after the other.

    It is built, which means that its weights exist, as soon as the input's shape is known: from an `Input` as its first
    entry, from `input_shape` of its first layer, from `build`, or from the first data.

    Parameters
    ----------
    layers : list of Layer, optional
        The first may be an `Input`.
    trainable : bool
    name : str, optional
    """

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(name=name, trainable=trainable)
        self._input: InputLayer | None = None
        self._stack: list[Layer] = []
        # the tensor before each layer and the one after the last, in a graph of their own; none before it is built
        self._tensors: list[Any] = []
        self._casting: set[Layer] = set()  # the layers whose input comes of another dtype than theirs
        for layer in layers or ():
            self._append(layer)
        self._build_if_known()

    # --- the row ------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers without the input."""
        return self._stack[:]

    @layers.setter
    def layers(self, layers: Any) -> None:
        raise AttributeError("`Sequential.layers` cannot be set. Use `add()` and `pop()` to change the layers.")

    def add(self, layer: Any) -> None:
        """Put a layer at the end.

        Raises
        ------
        ValueError
            It is no layer, its name is taken, or it does not fit what is there, which then stays as it was.
        """
        before = self._input, self._stack[:], self._tensors
        try:
            self._append(layer)
            self._build_if_known()
        except Exception:
            self._input, self._stack, self._tensors = before
            self.built = bool(self._tensors)
            raise

    def pop(self) -> Layer:
        """Take the last layer off and return it."""
        if not self._stack:
            raise ValueError(f"Model {self.name!r} has no layers to pop.")
        layer = self._stack.pop()
        self._tensors = self._tensors[: len(self._stack) + 1] if self._stack else []
        self.built = bool(self._tensors)
        return layer

    def _append(self, layer: Any) -> None:
        if isinstance(layer, SymbolicTensor) and isinstance(layer.layer, InputLayer):
            layer = layer.layer
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Model {self.name!r}: expected a layer to add, got {layer!r}. Only instances of Layer can be added."
            )
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(f"Model {self.name!r}: the name {layer.name!r} is taken; give the new layer another.")
        if isinstance(layer, InputLayer):
            if self._input is not None or self._stack:
                has = "layers" if self._input is None else f"the input shape {self._input.batch_shape}"
                raise ValueError(
                    f"Model {self.name!r}: the Input comes first, but the model has already been configured with {has}."
                )
            self._input = layer
            return
        if not self._stack:
            self.dtype, self.takes_text = layer.dtype, layer.takes_text
        if not self._stack and self._input is None:
            shape = layer.batch_shape or getattr(layer, "input_shape", None)
            if shape is not None:
                self._input = InputLayer(batch_shape=shape, dtype=TEXT if layer.takes_text else layer.dtype)
        self._stack.append(layer)

    def _build_if_known(self) -> None:
        if self._input is not None and self._stack:
            self.build(self._input.batch_shape)

    # --- shapes -------------------------------------------------------------------------------------

    def build(self, input_shape: Shape | None = None) -> None:
        """Create the weights for inputs of a shape with the batch axis first.

        Raises
        ------
        ValueError
            There are no layers, the shape does not fit them, or the model has another input shape already.
        """
        if not self._stack and self._input is None:
            raise ValueError(f"Model {self.name!r} has no layers to build; add some first.")
        if input_shape is None:
            return
        shape = tuple(input_shape)
        if self._input is not None and self._input.batch_shape != shape:
            raise ValueError(
                f"Model {self.name!r} has the input shape {self._input.batch_shape} and cannot be built for {shape}."
            )
        dtypes = sorted({layer.dtype for layer in self._stack})
        if len(dtypes) > 1:
            raise ValueError(f"Model {self.name!r}: the layers must have one dtype, got {' and '.join(dtypes)}.")
        self._input = self._input or InputLayer(batch_shape=shape, dtype=TEXT if self.takes_text else self.dtype)
        tensors = self._tensors or [self._input.output]
        for layer in self._stack[len(tensors) - 1 :]:
            if not isinstance(tensors[-1], SymbolicTensor):
                raise ValueError(f"Layer {layer.name!r}: the layer before it has several outputs, not one.")
            tensors = [*tensors, layer(tensors[-1])]
        self._tensors = tensors
        pairs = zip(tensors[1:], self._stack[1:], strict=False)
        self._casting = {layer for tensor, layer in pairs if layer.input_dtype not in (None, tensor.dtype)}
        self.built = True

    def first_layers(self) -> list[list[Layer]]:
        first = self._stack[0] if self._stack else self
        return first.first_layers() if isinstance(first, Model) and first is not self else [[first]]

    def _known(self, index: int, what: str) -> Any:
        if not self._tensors:
            raise AttributeError(f"Model {self.name!r} has no {what} yet; build it or call it on data.")
        return self._tensors[index]

    @property
    def input(self) -> Any:
        """The symbolic tensor that goes in; an AttributeError before the model is built."""
        return self._known(0, "input")

    @property
    def output(self) -> Any:
        """The symbolic tensor that comes out, or a list of them; an AttributeError before the model is built."""
        return self._known(-1, "output")

    @property
    def inputs(self) -> list[SymbolicTensor]:
        return flattened(self.input)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        return flattened(self.output)

    @property
    def input_shape(self) -> Any:
        return _shape(self._known(0, "input shape"))

    @property
    def output_shape(self) -> Any:
        """Shape of a batch of outputs, the batch axis first; an AttributeError before the model is built."""
        return _shape(self._known(-1, "output shape"))

    @property
    def run_order(self) -> list[Layer]:
        """The layers as they run, the index-th with ``call.child(index)``."""
        return self._stack

    @property
    def output_shapes(self) -> list[Any]:
        return [_shape(tensor) for tensor in self._tensors[1:]] or [None] * len(self._stack)

    @property
    def input_dtype(self) -> str | None:
        return self._stack[0].input_dtype if self._stack else super().input_dtype

    def compute_output_shape(self, input_shape: Shape) -> Any:
        shape: Any = tuple(input_shape)
        for layer in self._stack:
            shape = layer.compute_output_shape(shape)
        return shape

    def outgoing_mask(self, call: Call, *inputs: Array) -> Any:
        return call.output_mask

    if TYPE_CHECKING:  # with one output, as nearly every row of layers has it

        def predict(
            self,
            x: Any,
            batch_size: int | None = None,
            verbose: Any = "auto",
            steps: int | None = None,
            callbacks: Any = None,
        ) -> Array: ...

    # --- the two passes -----------------------------------------------------------------------------

    def forward(self, call: Call, *inputs: Array) -> Any:
        (x,) = inputs
        mask, total = call.mask, 0.0
        for index, layer in enumerate(self._stack):
            child = call.child(index)
            child.mask = mask
            if layer in self._casting:  # behind one that puts out whole numbers
                x = layer.as_input(x)
            y, penalty = run_forward(layer, child, x)
            total += penalty
            mask = layer.outgoing_mask(child, x)
            x = y
        call.penalty, call.output_mask = total, mask
        return x

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        first = call.saved.get("first")
        if first is None:
            # the first layer that learns: none before it needs a gradient
            learns = [index for index, layer in enumerate(self._stack) if layer.trainable_weights]
            call.saved["first"] = first = min(learns, default=len(self._stack))
        lowest = 0 if call.input_gradient else first
        gradients: tuple[Array | None, ...] = d_outputs
        for index in reversed(range(lowest, len(self._stack))):
            child = call.child(index)
            child.input_gradient = index > lowest or call.input_gradient
            gradients = (run_backward(self._stack[index], child, *gradients),)
        return gradients[0] if call.input_gradient else None

    # --- config -------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        shapes = [*map(_shape, self._tensors)] or [None] * len(self._stack)
        layers = [layer.serialized(shape) for layer, shape in zip(self._stack, shapes, strict=False)]
        if self._input is not None:
            layers.insert(0, self._input.serialized())
        built = {"build_input_shape": self.input_shape} if self._tensors else {}
        return {**super().get_config(), "layers": layers, **built}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Sequential:
        """The model that `get_config` described, with new weights.

        Raises
        ------
        ValueError
            The config is not that of a Sequential, or a layer of it is unknown.
        """
        if "name" not in config or "layers" not in config:
            raise ValueError(
                f"Sequential: expected a config with name and layers, got the keys {sorted(config)}. A Sequential "
                "model configuration must be a dictionary containing the 'name' and 'layers' keys."
            )
        if not isinstance(config["layers"], (list, tuple)):
            raise ValueError(f"Sequential: expected layers to be a list of configs, got {config['layers']!r}.")
        layers = [deserialize_layer(form, custom_objects) for form in config["layers"]]
        model = cls(layers, trainable=config.get("trainable", True), name=config["name"])
        if not model.built and config.get("build_input_shape"):
            model.build(config["build_input_shape"])
        return model


def _shape(tensors: Any) -> Any:
    """The shape of a tensor, or those of several."""
    return tensors.shape if isinstance(tensors, SymbolicTensor) else tuple(one.shape for one in flattened(tensors))
