"""Recurrent cells: one time step of the recurrent layers, whose options, weights and kernels they have."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.layers.core.wrapper import Wrapper
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.rnn.gru import GRU
from fastgru.layers.rnn.lstm import LSTM
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.recurrent_weights import implementation
from fastgru.layers.rnn.simple_rnn import SimpleRNN
from fastgru.layers.symbolic import arranged, flattened
from fastgru.layers.workspace import Call
from fastgru.moved import attributes
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Cell",
    "GRUCell",
    "LSTMCell",
    "SimpleRNNCell",
    "StackedRNNCells",
    "StepLayer",
    "backward_in_row",
    "by_cell",
    "forward_in_row",
]

_OF_SEQUENCES = frozenset(  # the arguments of a layer that mean nothing to a single step
    {
        *("activity_regularizer", "return_sequences", "return_state", "go_backwards", "stateful", "unroll"),
        *("zero_output_for_mask", "use_cudnn", "implementation", "kwargs"),
    }
)


class StepLayer(Layer):
    """Base of what makes one time step: inputs and states go in, an output and new states come out."""

    _supports_masking = False

    @property
    def cells(self) -> list[Cell]:
        """The cells, in the order in which they run."""
        raise NotImplementedError(f"{type(self).__name__} does not define cells.")

    @property
    def state_sizes(self) -> list[int]:
        """The sizes of the states of all cells in a row."""
        return [cell.units for cell in self.cells for _ in range(cell.state_count)]

    @property
    def output_size(self) -> int:
        return self.cells[-1].units

    def compute_output_shape(self, input_shape: Shape) -> Any:
        return tuple((input_shape[0], size) for size in (self.output_size, *self.state_sizes))

    def outgoing_mask(self, call: Call, *inputs: Array) -> None:
        return None

    def check_inputs(self, *inputs: Array) -> None:
        shapes = [array.shape for array in inputs]
        batch = shapes[0][0] if shapes[0] else 0
        expected = [(batch, size) for size in (self.cells[0].kernel.shape[0], *self.state_sizes)]
        if shapes != expected or batch == 0:
            raise ValueError(
                f"{self._where}: expected the inputs of one step and the states of shapes {expected}, got {shapes}."
            )

    def __call__(  # type: ignore[override]  # Keras's arguments
        self, inputs: npt.ArrayLike, states: Any, training: bool | None = None
    ) -> tuple[Array, Any]:
        """Make one step with numpy arrays, building the weights on first use.

        Parameters
        ----------
        inputs : (B, F) array_like
        states : (B, H) array_like, or a list of them, or of lists of them for stacked cells
        training : bool
            Whether dropout drops; every call draws anew.

        Returns
        -------
        The output (B, H), and the new states in the form of `states`.
        """
        output, *new = super().__call__(inputs, *flattened(states), training=training)
        return output, arranged(states, iter(new))


class Cell(StepLayer):
    """Base of the cells.

    A subclass names the layer of which it is one step: its arguments are the layer's that are not of whole sequences,
    with the same defaults.
    """

    layer_class: ClassVar[type[Recurrent]]
    arguments: ClassVar[tuple[str, ...]]
    state_count: ClassVar[int]
    __signature__: ClassVar[inspect.Signature]
    _source: Any = None  # the layer whose cell this is

    def __init_subclass__(cls) -> None:
        cls.state_count = cls.layer_class.state_count
        of_layer = inspect.signature(cls.layer_class).parameters
        # Keras has the seed last
        cls.arguments = tuple([name for name in of_layer if name not in {*_OF_SEQUENCES, "seed"}] + ["seed"])
        of_base = inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)
        cls.__signature__ = inspect.Signature([*(of_layer[name] for name in cls.arguments), of_base])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        arguments = self.__signature__.bind(*args, **kwargs).arguments
        of_base = arguments.pop("kwargs", {})
        chosen = of_base.pop("implementation", 2)
        super().__init__(**of_base)
        self.implementation = implementation(chosen, self._where, "implementation")
        of_layer: dict[str, Any] = {**arguments, "name": self.name, "dtype": self.dtype, "return_state": True}
        self._layer = self.layer_class(**of_layer)

    @property
    def units(self) -> int:
        """How many there are, for good: the kernels and the weights are for so many."""
        return int(self._layer.units)

    @units.setter
    def units(self, units: int) -> None:
        raise AttributeError(f"{self._where}: has {self.units} units, and cannot get {units!r}; make another.")

    @classmethod
    def of(cls, layer: Any) -> Cell:
        """The cell of a layer, whose weights are the layer's."""
        options = {name: getattr(layer, name) for name in cls.arguments}
        cell = cls(**options, name=layer.cell_name, dtype=layer.dtype, trainable=layer.trainable)
        cell._source = layer
        if layer.built:
            cell.take_weights()
        return cell

    def take_weights(self) -> None:
        """Have the weights of the layer whose cell this is."""
        source, layer = self._source, self._layer
        self._weights = layer._weights = source._weights
        for one in (self, layer):
            one.kernel, one.recurrent_kernel, one.bias = source.kernel, source.recurrent_kernel, source.bias
            one.built = True

    def __getattr__(self, name: str) -> Any:
        if name in type(self).arguments and "_layer" in vars(self):
            return getattr(self._layer, name)
        return super().__getattribute__(name)

    @property
    def cells(self) -> list[Cell]:
        return [self]

    @property
    def state_size(self) -> int | list[int]:
        return self.units if self.state_count == 1 else self.state_sizes

    def build(self, input_shape: Shape) -> None:
        if self._source is not None:
            self._source.build((input_shape[0], None, *input_shape[1:]))
            return
        self._layer.build((input_shape[0], None, *input_shape[1:]))
        self._weights = self._layer.weights
        for weight in self._weights:
            weight.path = f"{self.name}/{weight.name}"
        layer = self._layer
        self.kernel, self.recurrent_kernel, self.bias = layer.kernel, layer.recurrent_kernel, layer.bias
        self.built = True

    def over_sequences(self, **options: Any) -> Any:
        """The layer that runs this cell, with the cell's weights, over sequences."""
        layer = object.__new__(self.layer_class)  # copy.copy, in a third of the time
        layer.__dict__.update(self._layer.__dict__, **options)
        return layer

    def get_initial_state(self, batch_size: int) -> list[Array]:
        """The states at the start: zeros (B, H)."""
        return [np.zeros((batch_size, size), self.dtype) for size in self.state_sizes]

    def forward(self, call: Call, *inputs: Array) -> Any:
        return self._layer.forward(call, inputs[0][:, None], *inputs[1:])

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        dx, *d_states = self._layer.backward(call, *d_outputs)
        return (None if dx is None else dx[:, 0], *d_states)

    def get_config(self) -> dict[str, Any]:
        of_layer = {**self._layer.get_config(), "seed": self._layer.seed}  # which a SimpleRNN's config leaves out
        return {**super().get_config(), **{name: of_layer[name] for name in self.arguments}}


@registered("keras.layers")
class GRUCell(Cell):
    """One step of a `GRU`, where the parameters are explained; `RNN` runs it over sequences."""

    layer_class = GRU


@registered("keras.layers")
class LSTMCell(Cell):
    """One step of an `LSTM`, where the parameters are explained; its states are ``[h, c]``."""

    layer_class = LSTM


@registered("keras.layers")
class SimpleRNNCell(Cell):
    """One step of a `SimpleRNN`, where the parameters are explained."""

    layer_class = SimpleRNN


@registered("keras.layers")
class StackedRNNCells(StepLayer, Wrapper):
    """Cells of which each reads the output of the one before; `RNN` makes it of a list of cells.

    Parameters
    ----------
    cells : list of GRUCell, LSTMCell or SimpleRNNCell
    """

    inner = ("cells",)

    def __init__(self, cells: Sequence[Cell], **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        strangers = [cell for cell in checks.listed(cells, self._where, "cells") if not isinstance(cell, Cell)]
        if strangers or not cells:
            raise ValueError(
                f"{self._where}: expected fastgru's cells, got {strangers or cells!r}; give RNN the list of others."
            )
        self._cells = list(cells)
        self._settle_dtype(kwargs.get("dtype"))

    @property
    def cells(self) -> list[Cell]:
        return self._cells

    @property
    def state_size(self) -> list[int | list[int]]:
        return [cell.state_size for cell in self.cells]

    def get_initial_state(self, batch_size: int) -> list[list[Array]]:
        """The states at the start: zeros (B, H), a list for each cell."""
        return [cell.get_initial_state(batch_size) for cell in self.cells]

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            self._build_inner(cell, input_shape)
            input_shape = (input_shape[0], cell.units)
        self.built = True

    def forward(self, call: Call, *inputs: Array) -> Any:
        return forward_in_row(call, self.cells, self.cells, inputs[0], inputs[1:])

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        return backward_in_row(call, self.cells, self.cells, *d_outputs)


def forward_in_row(
    call: Call, cells: Sequence[Cell], layers: Sequence[Any], x: Array, states: Sequence[Array]
) -> tuple[Array, ...]:
    """Output and new states of layers of which each reads the output of the one before.

    Parameters
    ----------
    call : Call
        Its children are those of the layers, and have their masks already.
    cells : sequence of Cell
    layers : sequence
        For each cell itself, or the layer that runs it over sequences.
    x : ndarray
    states : sequence of ndarray
        Of all cells in a row; empty for zeros.
    """
    call.saved["states_are_inputs"] = bool(states)
    new: list[Array] = []
    for index, (layer, before) in enumerate(zip(layers, by_cell(cells, states), strict=True)):
        x, *after = layer.forward(call.child(index), x, *before)
        new += after
    return (x, *new)


def backward_in_row(
    call: Call, cells: Sequence[Cell], layers: Sequence[Any], d_y: Array | None, *d_states: Array | None
) -> tuple[Array | None, ...]:
    """Gradients of the input and, where states came as inputs, of them."""
    d_states = d_states or (None,) * sum(cell.state_count for cell in cells)
    d_before: list[Array | None] = []
    for index, d_after in reversed(list(enumerate(by_cell(cells, d_states)))):
        child = call.child(index)
        child.input_gradient = index > 0 or call.input_gradient
        gradients = layers[index].backward(child, d_y, *d_after)
        d_y, *d_states_in = gradients if call.saved["states_are_inputs"] else (gradients,)
        d_before = d_states_in + d_before
    return (d_y, *d_before)


def by_cell(cells: Sequence[Cell], states: Sequence[Any]) -> list[Sequence[Any]]:
    """The states of all cells in a row, those of each beside each other."""
    ends = accumulate(cell.state_count for cell in cells)
    return [states[end - cell.state_count : end] for cell, end in zip(cells, ends, strict=True)]


__getattr__ = attributes(__name__)
