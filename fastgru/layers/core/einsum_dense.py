"""The EinsumDense layer: a product of the input and a kernel over the axes that an equation names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from fastgru import checks, ops
from fastgru.activations import Activation
from fastgru.checks import not_supported
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer, VarianceScaling
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, LayerOptions, RegularizerLike
from fastgru.registry import registered, serialize
from fastgru.regularizers import Regularizer
from fastgru.types import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["EinsumDense"]

_EQUATION = re.compile(r"(\.{3})?([a-zA-Z]+)(\.{3})?,([a-zA-Z]+)->(\.{3})?([a-zA-Z]+)(\.{3})?")


def _shape(value: Any, where: str, name: str) -> Shape:
    sizes = (value,) if isinstance(value, int) else value
    if not isinstance(sizes, (list, tuple)) or any(
        size is not None and (not isinstance(size, int) or size < 1) for size in sizes
    ):
        raise ValueError(f"{where}: {name} must be a size, or a list of sizes and None, got {value!r}.")
    return tuple(sizes)


class _Shapes(NamedTuple):
    """What an equation makes of a shape of the input."""

    kernel: tuple[int, ...]
    bias: tuple[int, ...] | None
    output: Shape
    input_axes: list[int]  # of the kernel: those that are summed over
    output_axes: list[int]


@registered("keras.layers")
class EinsumDense(Layer):
    """``activation(einsum(equation, x, kernel) + bias)``.

    Parameters
    ----------
    equation : str
        ``"ab,bc->ac"`` is a `Dense` layer; the batch comes first, and "..." stands for axes that both input and output
        begin or end with.
    output_shape : int or sequence of int or None
        Of the output without the batch axis and those that "..." stands for; None where a size is the input's.
    activation : str, callable or None
    bias_axes : str, optional
        The letters of the output along which there is a bias.
    kernel_initializer, bias_initializer : str, dict or Initializer
    kernel_regularizer, bias_regularizer, activity_regularizer : optional
    kernel_constraint, bias_constraint : optional
    """

    output_shape: Shape = options.option(_shape)
    equation: str = options.option()
    activation: Activation = options.activation()
    bias_axes: str | None = options.option(checks.optional(checks.text))
    kernel_initializer: Initializer = options.initializer()
    bias_initializer: Initializer = options.initializer()
    kernel_regularizer: Regularizer | None = options.regularizer()
    bias_regularizer: Regularizer | None = options.regularizer()
    kernel_constraint: Constraint | None = options.constraint()
    bias_constraint: Constraint | None = options.constraint()

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: ActivationLike = None,
        bias_axes: str | None = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        not_supported(
            self._where,
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            gptq_unpacked_column_size=gptq_unpacked_column_size,
            quantization_config=quantization_config,
        )
        match = _EQUATION.fullmatch(equation.replace(" ", "")) if isinstance(equation, str) else None
        groups = match.groups("") if match else ("",) * 7
        before, self._input, after, self._kernel, before_output, self._output, after_output = groups
        if not match or before != before_output or after != after_output or (before and after):
            raise ValueError(
                f"{self._where}: expected an equation like 'ab,bc->ac', '...b,bc->...c' or 'ab...,bc->ac...', got "
                f"{equation!r}."
            )
        self._leads = bool(before)  # whether "..." comes first
        strange = [one for one in self._output if one not in self._input + self._kernel]
        strange += [one for one in self._kernel if one not in self._input + self._output]
        strange += [one for one in bias_axes or "" if one not in self._output]
        if strange:
            raise ValueError(
                f"{self._where}: {strange[0]!r} stands in one part of {equation!r} and bias_axes={bias_axes!r} alone; "
                "each letter of the kernel stands in the input or the output, each of the output in the input or the "
                "kernel, and bias_axes names axes of the output."
            )

    def _shapes(self, input_shape: Shape) -> _Shapes:
        shape = tuple(input_shape)
        elided = len(shape) - len(self._input)
        if elided < 0 or (elided and "." not in self.equation):
            raise ValueError(f"{self._where}: expected {len(self._input)} axes for {self.equation!r}, got {shape}.")
        first = elided if self._leads else 0
        sizes: dict[str, int | None] = dict(zip(self._input, shape[first:], strict=False))
        output = [shape[0], *self.output_shape]
        if self._leads:
            output[1:1] = shape[1:elided]
        else:
            output += shape[len(self._input) :]
        if len(output) != len(self._output) + elided:
            raise ValueError(
                f"{self._where}: expected an output_shape for the axes of {self.equation!r} behind the batch, got "
                f"{self.output_shape}."
            )
        named = dict(zip(self._output, output[first:], strict=False))
        for one, size in named.items():
            if one in sizes and size is not None and sizes[one] is not None and sizes[one] != size:
                raise ValueError(
                    f"{self._where}: Input shape and output shape do not match at the axis {one!r}, got {sizes[one]} "
                    f"and {size}."
                )
        sizes = {**sizes, **{one: size for one, size in named.items() if size is not None or one not in sizes}}
        output[first : first + len(self._output)] = [sizes[one] for one in self._output]
        bias = None
        if self.bias_axes:
            begin = min(map(self._output.find, self.bias_axes))
            ends = 0 if self._leads else elided
            bias = (*(sizes[one] if one in self.bias_axes else 1 for one in self._output[begin:]), *[1] * ends)
        kernel = tuple(sizes[one] for one in self._kernel)
        if None in kernel or (bias is not None and None in bias):
            raise ValueError(f"{self._where}: the axes of the weights must be known to build it, got {shape}.")
        summed = [axis for axis, one in enumerate(self._kernel) if one not in self._output]
        shared = [axis for axis, one in enumerate(self._kernel) if one in self._output]
        return _Shapes(kernel, bias, tuple(output), summed, shared)  # type: ignore[arg-type]

    def build(self, input_shape: Shape) -> None:
        shapes = self._shapes(input_shape)
        initializer = self.kernel_initializer
        if isinstance(initializer, VarianceScaling) and None in (initializer.input_axes, initializer.output_axes):
            axes = {"input_axes": shapes.input_axes, "output_axes": shapes.output_axes}
            initializer = type(initializer).from_config({**initializer.get_config(), **axes})
        self.kernel = self.add_weight(
            "kernel", shapes.kernel, initializer, self.kernel_regularizer, self.kernel_constraint
        )
        self.bias = (
            self.add_weight("bias", shapes.bias, self.bias_initializer, self.bias_regularizer, self.bias_constraint)
            if shapes.bias is not None
            else None
        )
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._shapes(input_shape).output

    def call(self, inputs: Any) -> Any:
        kernel, bias, *_ = self._shapes(inputs.shape)
        if (kernel, bias) != (self.kernel.shape, None if self.bias is None else self.bias.shape):  # einsum broadcasts
            raise ValueError(
                f"{self._where}: was built for a kernel of shape {self.kernel.shape}, got input of shape "
                f"{tuple(inputs.shape)}, which needs one of shape {kernel}."
            )
        y = ops.einsum(self.equation, inputs, self.kernel)
        return self.activation(y if self.bias is None else y + self.bias)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activity_regularizer": serialize(self.activity_regularizer)}
