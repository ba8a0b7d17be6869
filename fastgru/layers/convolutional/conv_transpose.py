"""Transposed convolution over steps: each step of the input is spread over a window of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from fastgru import checks, ops
from fastgru.activations import Activation
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.convolutional.windows import SpatialLayer, padding, per_axis
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike, Sizes
from fastgru.registry import registered
from fastgru.regularizers import Regularizer
from fastgru.types import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Conv1DTranspose", "Convolution1DTranspose"]


def _steps(value: Any, where: str, name: str) -> tuple[int, ...] | None:
    return None if value is None else checks.integers(value, 1, where, name, least=0)


@registered("keras.layers", "Convolution1DTranspose")
class Conv1DTranspose(SpatialLayer):
    """The gradient of `Conv1D` as a layer, which makes a sequence longer::

        y[t strides + k dilation_rate] += x[t] kernel[k]^T          for each step t and cell k of the kernel
        output = activation(y, cut as `padding` says, + bias)

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of int
        strides and dilation_rate cannot both exceed 1.
    padding : {"valid", "same"}
        Whether all of y is the output, at least ``T strides`` steps, or as many of its middle.
    output_padding : int or tuple of int, optional
        Steps that come after ``(T - 1) strides + kernel`` ("valid") or ``(T - 1) strides + kernel % 2`` ("same"); less
        than strides.
    data_format : {"channels_last", "channels_first"}, optional
    activation : str, callable or None
    use_bias : bool
    kernel_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (kernel_size, filters, C) and `bias` (filters,).
    kernel_regularizer, bias_regularizer, activity_regularizer : optional
    kernel_constraint, bias_constraint : optional
    """

    rank = 1
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")

    filters: int = options.option(checks.integer_from_one)
    kernel_size: tuple[int, ...] = per_axis()
    strides: tuple[int, ...] = per_axis()
    padding: str = padding()
    output_padding: tuple[int, ...] | None = options.option(_steps)
    dilation_rate: tuple[int, ...] = per_axis()
    activation: Activation = options.activation()
    use_bias: bool = options.flag()
    kernel_initializer: Initializer = options.initializer()
    bias_initializer: Initializer = options.initializer()
    kernel_regularizer: Regularizer | None = options.regularizer()
    bias_regularizer: Regularizer | None = options.regularizer()
    activity_regularizer: Regularizer | None = options.regularizer()
    kernel_constraint: Constraint | None = options.constraint()
    bias_constraint: Constraint | None = options.constraint()

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        output_padding: Sizes | None = None,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self._where}: strides and dilation_rate cannot both exceed 1, got {strides} and {dilation_rate}."
            )
        if self.output_padding is not None and self.output_padding[0] >= self.strides[0]:
            raise ValueError(
                f"{self._where}: output_padding must be less than strides, got {output_padding} and {strides}."
            )

    @property
    def _span(self) -> int:
        """Steps from a window's first to its last."""
        return (self.kernel_size[0] - 1) * self.dilation_rate[0] + 1

    def _length(self, steps: int) -> int:
        (stride,), span = self.strides, self._span
        if self.output_padding is None:
            return steps * stride + (max(span - stride, 0) if self.padding == "valid" else 0)
        return (steps - 1) * stride + (span if self.padding == "valid" else span % 2) + self.output_padding[0]

    def _begin(self) -> int:
        """The first step of y that is put out."""
        if self.padding == "valid":
            return 0
        (stride,), span = self.strides, self._span
        added = stride - 2 if self.output_padding is None else span % 2 - 2 + self.output_padding[0]
        return span - 1 - min(-(-(span + added) // 2), span - 1)

    def build(self, input_shape: Shape) -> None:
        _, channels = self._parts(input_shape)
        if channels is None:
            raise ValueError(f"{self._where}: the channels must be known to build it, got {tuple(input_shape)}.")
        self.kernel = self.add_weight(
            "kernel",
            (*self.kernel_size, self.filters, channels),
            self.kernel_initializer,
            self.kernel_regularizer,
            self.kernel_constraint,
        )
        self.bias = (
            self.add_weight("bias", (self.filters,), self.bias_initializer, self.bias_regularizer, self.bias_constraint)
            if self.use_bias
            else None
        )
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        (steps,), channels = self._parts(input_shape)
        if self.built and channels != self.kernel.shape[-1]:
            raise ValueError(
                f"{self._where}: expected input with {self.kernel.shape[-1]} channels ({self.data_format}), got shape "
                f"{tuple(input_shape)}."
            )
        return self._joined(input_shape[0], [None if steps is None else self._length(steps)], self.filters)

    def call(self, inputs: Any) -> Any:
        self.compute_output_shape(inputs.shape)
        x = inputs if self.data_format == "channels_last" else ops.swapaxes(inputs, 1, 2)
        (stride,), begin = self.strides, self._begin()
        batch, steps, _ = x.shape
        products = ops.einsum("btc,kfc->kbtf", x, self.kernel)
        spread = ops.pad(products[..., None, :], [(0, 0)] * 3 + [(0, stride - 1), (0, 0)])
        spread = ops.reshape(spread, (-1, batch, steps * stride, self.filters))
        end = begin + self._length(steps)
        behind = max(self._span - 1, end - steps * stride)
        y: Any = 0.0
        for cell in range(self.kernel_size[0]):
            first = cell * self.dilation_rate[0]
            y = y + ops.pad(spread[cell], [(0, 0), (first, behind - first), (0, 0)])
        y = y[:, begin:end]
        y = self.activation(y if self.bias is None else y + self.bias)
        return y if self.data_format == "channels_last" else ops.swapaxes(y, 1, 2)


# Keras's other name
Convolution1DTranspose = Conv1DTranspose
