"""Convolutions of each channel by itself, alone and followed by a product over the channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.activations import Activation
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.convolutional.windows import CAUSAL, WindowLayer, Windows, padding, per_axis
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike, Sizes
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Depthwise",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "DepthwiseConvolution",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution",
]


class Depthwise(WindowLayer):
    """Base: each channel has `depth_multiplier` filters of its own; a subclass says what follows."""

    depth_multiplier: int = options.option(checks.integer_from_one)
    kernel_size: tuple[int, ...] = per_axis("size")
    strides: tuple[int, ...] = per_axis("strides")
    padding: str = padding()
    dilation_rate: tuple[int, ...] = per_axis("dilation")
    activation: Activation = options.activation()
    use_bias: bool = options.flag()
    depthwise_initializer: Initializer = options.initializer()
    bias_initializer: Initializer = options.initializer()
    depthwise_regularizer: Regularizer | None = options.regularizer()
    bias_regularizer: Regularizer | None = options.regularizer()
    activity_regularizer: Regularizer | None = options.regularizer()
    depthwise_constraint: Constraint | None = options.constraint()
    bias_constraint: Constraint | None = options.constraint()
    kernel_name = "kernel"

    def _set_options(self, arguments: Mapping[str, Any]) -> None:
        super()._set_options(arguments)
        self.windows = Windows(self.kernel_size, self.strides, self.dilation_rate, self.padding)

    def _width(self, channels: int) -> int:
        """Channels of the output."""
        return channels * self.depth_multiplier

    def _build_rest(self, channels: int) -> None:
        """The weights between the kernel and the bias."""

    def build(self, input_shape: Shape) -> None:
        _, channels = self._parts(input_shape)
        if channels is None:
            raise ValueError(f"{self._where}: the channels must be known to build it, got {tuple(input_shape)}.")
        self._counts(input_shape)
        self.kernel = self.add_weight(
            self.kernel_name,
            (*self.windows.size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            self.depthwise_regularizer,
            self.depthwise_constraint,
        )
        self._build_rest(channels)
        options = (self.bias_initializer, self.bias_regularizer, self.bias_constraint)
        self.bias = self.add_weight("bias", (self._width(channels),), *options) if self.use_bias else None
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        counts = self._counts(input_shape)
        channels = self._parts(input_shape)[1]
        if channels is None or (self.built and channels != self.kernel.shape[-2]):
            raise ValueError(
                f"{self._where}: input of shape {tuple(input_shape)} has other channels than it is built for."
            )
        return self._joined(input_shape[0], counts, self._width(channels))

    def _of_channels(self, call: Call, x: Array) -> Array:
        """(B, *windows, C * depth_multiplier): the filters of the channels, without bias."""
        call.saved["shape"] = x.shape
        call.saved["windows"] = windows = self._windows_of(call, x, 0)
        counts, channels = windows.shape[: self.rank + 1], windows.shape[-1]
        filtered = call.buffer("filtered", (*counts, channels, self.depth_multiplier), self.dtype)
        filtered.fill(0)
        kernel = call.value(self.kernel)
        for position in self.windows.positions:
            filtered += windows[position][..., None] * kernel[position[1:-1]]
        return filtered.reshape(*counts, -1)

    def _of_channels_back(self, call: Call, d: Array) -> Array | None:
        windows = call.saved["windows"]
        d = d.reshape(*d.shape[:-1], windows.shape[-1], self.depth_multiplier)
        if self.kernel.gradient is not None:
            for position in self.windows.positions:
                cells = windows[position].reshape(-1, *d.shape[-2:-1])
                self.kernel.gradient[position[1:-1]] += np.einsum("nc,ncm->cm", cells, d.reshape(-1, *d.shape[-2:]))
        if not call.input_gradient:
            return None

        def part(position: Any) -> Array:
            return np.asarray(np.einsum("...cm,cm->...c", d, call.value(self.kernel)[position[1:-1]]))

        return self._summed_windows(call, call.saved["shape"], part)

    def _ended(self, call: Call, out: Array) -> Array:
        """The output of sums: bias, activation and the order of the axes."""
        if self.bias is not None:
            out = out + call.value(self.bias)
        y = self.activation(out)
        call.saved["out"], call.saved["y"] = out, y
        return y if self.data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(y, -1, 1))

    def _ended_back(self, call: Call, dy: Array) -> Array:
        d = np.asarray(
            self.activation.backward(self._channels_last(dy), call.saved["y"], call.saved["out"]), self.dtype
        )
        if self.bias is not None and self.bias.gradient is not None:
            self.bias.gradient += d.reshape(-1, d.shape[-1]).sum(0)
        return d


class DepthwiseConvolution(Depthwise):
    """Base of the convolutions of each channel by itself; arguments as in `Convolution`."""

    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def forward(self, call: Call, *inputs: Array) -> Array:
        return self._ended(call, self._of_channels(call, inputs[0]))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        return self._of_channels_back(call, self._ended_back(call, dy))


class SeparableConvolution(Depthwise):
    """Base of the convolutions of each channel by itself with a product over the channels; see `Convolution`."""

    kernel_name = "depthwise_kernel"

    filters: int = options.option(checks.integer_from_one)
    pointwise_initializer: Initializer = options.initializer()
    pointwise_regularizer: Regularizer | None = options.regularizer()
    pointwise_constraint: Constraint | None = options.constraint()

    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        depth_multiplier: int = 1,
        activation: ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: InitializerLike = "glorot_uniform",
        pointwise_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        depthwise_regularizer: RegularizerLike = None,
        pointwise_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        depthwise_constraint: ConstraintLike = None,
        pointwise_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    @property
    def depthwise_kernel(self) -> Weight:
        """The windows of each channel, (*kernel_size, C, depth_multiplier)."""
        return self.kernel

    @property
    def pointwise_kernel(self) -> Weight:
        """The product over the channels, (1, ..., C depth_multiplier, filters)."""
        return self.pointwise

    def _width(self, channels: int) -> int:
        return self.filters

    def _build_rest(self, channels: int) -> None:
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        options = (self.pointwise_initializer, self.pointwise_regularizer, self.pointwise_constraint)
        self.pointwise = self.add_weight("pointwise_kernel", shape, *options)

    def forward(self, call: Call, *inputs: Array) -> Array:
        call.saved["filters"] = filtered = self._of_channels(call, inputs[0])
        return self._ended(call, filtered @ call.value(self.pointwise).reshape(-1, self.filters))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        d = self._ended_back(call, dy)
        if self.pointwise.gradient is not None:
            rows = call.saved["filters"].reshape(-1, self.pointwise.shape[-2])
            self.pointwise.gradient += (rows.T @ d.reshape(-1, self.filters)).reshape(self.pointwise.shape)
        return self._of_channels_back(call, d @ call.value(self.pointwise).reshape(-1, self.filters).T)


@registered("keras.layers")
class DepthwiseConv1D(DepthwiseConvolution):
    """Convolution of each channel of (B, T, C) by itself."""

    rank = 1
    paddings = CAUSAL


@registered("keras.layers")
class DepthwiseConv2D(DepthwiseConvolution):
    """Convolution of each channel of (B, H, W, C) by itself."""

    rank = 2
    input_rank = 4


@registered("keras.layers", "SeparableConvolution1D")
class SeparableConv1D(SeparableConvolution):
    """Convolution of each channel of (B, T, C) by itself, then a product over the channels."""

    rank = 1
    paddings = CAUSAL


@registered("keras.layers", "SeparableConvolution2D")
class SeparableConv2D(SeparableConvolution):
    """Convolution of each channel of (B, H, W, C) by itself, then a product over the channels."""

    rank = 2
    input_rank = 4
