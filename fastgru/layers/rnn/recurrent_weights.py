"""What a recurrent layer is before it computes: options, weights, shapes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru import activations, checks, registry
from fastgru.activations import Activation
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.rnn.sequence_layer import SequenceLayer
from fastgru.layers.seeded import Seeded
from fastgru.layers.weight import Weight
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

__all__ = ["CellWeights", "RecurrentWeights", "cudnn", "forget_gate_first", "implementation"]


def forget_gate_first(initializer: Any, size: int) -> Any:
    """The initializer of the bias of an LSTM's gates i f c o, each of that size: ones for the forget gate."""

    def first(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        of_i = initializer((size,), dtype=dtype)
        of_c_and_o = initializer((2 * size,), dtype=dtype)
        return np.concatenate([of_i, np.ones(size, dtype), of_c_and_o])

    return first


def cudnn(value: Any, where: str, name: str) -> Any:
    """`use_cudnn`: there is no cuDNN to use."""
    if value not in ("auto", True, False):
        raise ValueError(
            f"{where}: Invalid valid received for argument `{name}`. Expected 'auto', True or False, got {value!r}."
        )
    if value is True:
        raise ValueError(f"{where}: {name}=True was specified, and there is no cuDNN on a CPU; leave it at 'auto'.")
    return value


def implementation(value: Any, where: str, name: str) -> Any:
    """Keras's choice among ways to compute the same."""
    return checks.choice(value, (0, 1, 2), where, name)


class CellWeights(SequenceLayer, Seeded):
    """Base of the layers with a kernel, a recurrent kernel and a bias, which Keras keeps in a cell."""

    cell_name: ClassVar[str]

    activation: Activation = options.activation()
    use_bias: bool = options.flag()
    kernel_initializer: Initializer = options.initializer()
    recurrent_initializer: Initializer = options.initializer()
    bias_initializer: Initializer = options.initializer()
    kernel_regularizer: Regularizer | None = options.regularizer()
    recurrent_regularizer: Regularizer | None = options.regularizer()
    bias_regularizer: Regularizer | None = options.regularizer()
    activity_regularizer: Regularizer | None = options.regularizer()
    kernel_constraint: Constraint | None = options.constraint()
    recurrent_constraint: Constraint | None = options.constraint()
    bias_constraint: Constraint | None = options.constraint()
    dropout: float = options.option(checks.rate)
    recurrent_dropout: float = options.option(checks.rate)

    kernel: Weight
    recurrent_kernel: Weight
    bias: Weight | None

    def _add_weights(
        self, kernel: tuple[int, ...], recurrent_kernel: tuple[int, ...], bias: tuple[int, ...], bias_initializer: Any
    ) -> None:
        """Make weights of these shapes."""
        self.kernel = self._cell_weight(
            "kernel", kernel, self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint
        )
        self.recurrent_kernel = self._cell_weight(
            "recurrent_kernel",
            recurrent_kernel,
            self.recurrent_initializer,
            self.recurrent_regularizer,
            self.recurrent_constraint,
        )
        self.bias = (
            self._cell_weight("bias", bias, bias_initializer, self.bias_regularizer, self.bias_constraint)
            if self.use_bias
            else None
        )

    def _cell_weight(
        self, name: str, shape: tuple[int, ...], initializer: Any, regularizer: Any, constraint: Any
    ) -> Weight:
        weight = self.add_weight(name, shape, initializer, regularizer, constraint)
        weight.path = f"{self.name}/{self.cell_name}/{name}"  # where Keras has it
        return weight

    def file_items(self) -> Any:
        return [("cell", self._weights)]


class RecurrentWeights(CellWeights):
    """Base of `Recurrent`.

    A layer says how many gates and states it has, and where Keras keeps its weights.
    """

    gate_count: ClassVar[int]
    gate_names: ClassVar[tuple[str, ...]]  # as `gates` has them, states after gates, that of the layer last
    # which gates are sums with the weights behind that activation, where it stands nowhere else
    activation_gates: ClassVar[tuple[int, ...]] = ()
    recurrent_activation_gates: ClassVar[tuple[int, ...]] = ()
    state_count: ClassVar[int] = 1
    cell_class: ClassVar[str]

    units: int = options.size()
    _cell: Any = None
    recurrent_activation: Activation = activations.linear  # the kernels ask layers without gates, and do not use it

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"{self._where}: the number of features must be known to build it, got {input_shape}.")
        self._check_batch(input_shape)
        try:
            width = self.gate_count * self.units
            shapes = (features, width), (self.units, width), self._bias_shape()
            self._add_weights(*shapes, self._whole_bias_initializer())
        except Exception:
            if not self.built:  # the next attempt begins anew
                self._weights.clear()
            raise
        self._begin(input_shape[0])
        self.built = True
        if self._cell is not None:
            self._cell.take_weights()

    @property
    def cell(self) -> Any:
        """The cell of one step, with the layer's options and weights, for programs that look there as in Keras."""
        if self._cell is None:
            self._cell = registry.lookup("keras.layers", self.cell_class).of(self)
        return self._cell

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gate_count * self.units,)

    def _whole_bias_initializer(self) -> Any:
        """That of the bias of all gates."""
        return self.bias_initializer

    def _check_shape(self, shape: Shape) -> None:
        features = self.kernel.shape[0] if self.built else None
        if len(shape) != 3 or (features is not None and shape[2] != features):
            expected = f"(batch, timesteps, {'features' if features is None else features})"
            remedy = checks.missing_axis(shape, (None, None, features))
            raise ValueError(f"{self._where}: expected input of shape {expected}, got {tuple(shape)}{remedy}.")

    def check_inputs(self, *inputs: Array) -> None:
        x, states = inputs[0], inputs[1:]
        self._check_shape(x.shape)
        self._check_not_empty(x)
        shape = (x.shape[0], self.units)
        if states and (len(states) != self.state_count or any(state.shape != shape for state in states)):
            expected = "one initial state" if self.state_count == 1 else f"{self.state_count} initial states"
            raise ValueError(
                f"{self._where}: expected {expected} of shape {shape}, got {[state.shape for state in states]}."
            )
        self._check_rows(x)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        last = (input_shape[0], self.units)
        output = (*input_shape[:2], self.units) if self.return_sequences else last
        return (output, *[last] * self.state_count) if self.return_state else output

    def _bias_rows(self, bias: Array) -> Array:
        """The bias, or its gradient, in the shape in which the kernels and their twin read it."""
        return bias

    def _as_read(self, weights: tuple[Array, ...]) -> tuple[Array, Array, Array | None]:
        """Kernel, recurrent kernel and, where there is one, bias, as the kernels and their twin read them."""
        return weights[0], weights[1], self._bias_rows(weights[2]) if self.use_bias else None

    def _gradients(self) -> tuple[Array | None, Array | None, Array | None]:
        """Where the gradients of the weights go: None for a frozen one."""
        bias = None if self.bias is None else self.bias.gradient
        return self.kernel.gradient, self.recurrent_kernel.gradient, None if bias is None else self._bias_rows(bias)
