"""Convolutions of each channel by itself, alone and followed by a product over the channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import activations, constraints, initializers, regularizers
from fastgru.layers.convolutional.windows import WindowLayer, whole_numbers
from fastgru.layers.layer import Array, Call, Shape
from fastgru.registry import registered, serialize


class Depthwise(WindowLayer):
    """Base: each channel has `depth_multiplier` filters of its own; a subclass says what follows."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        depth_multiplier: int,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        depthwise_initializer: Any,
        bias_initializer: Any,
        depthwise_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        depthwise_constraint: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, activity_regularizer=activity_regularizer, **kwargs)
        paddings = ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")
        self._set_windows("kernel_size", kernel_size, strides, padding, dilation_rate, paddings)
        (self.depth_multiplier,) = whole_numbers(depth_multiplier, 1, f"{self._where}, depth_multiplier")
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    kernel_name = "kernel"

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
        found = call.buffer("filtered", (*counts, channels, self.depth_multiplier), self.dtype)
        found.fill(0)
        for position in self.windows.positions:
            found += windows[position][..., None] * self.kernel.value[position[1:-1]]
        return found.reshape(*counts, -1)

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
            found: Array = np.einsum("...cm,cm->...c", d, self.kernel.value[position[1:-1]])
            return found

        return self._summed_windows(call, call.saved["shape"], part)

    def _ended(self, call: Call, out: Array) -> Array:
        """The output of sums: bias, activation and the order of the axes."""
        if self.bias is not None:
            out = out + self.bias.value
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

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            "kernel_size": self.windows.size,
            "strides": self.windows.strides,
            "padding": self.windows.padding,
            "dilation_rate": self.windows.dilation,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "depthwise_initializer": serialize(self.depthwise_initializer),
            "bias_initializer": serialize(self.bias_initializer),
            "depthwise_regularizer": serialize(self.depthwise_regularizer),
            "bias_regularizer": serialize(self.bias_regularizer),
            "activity_regularizer": serialize(self.activity_regularizer),
            "depthwise_constraint": serialize(self.depthwise_constraint),
            "bias_constraint": serialize(self.bias_constraint),
        }


class DepthwiseConvolution(Depthwise):
    """Base of the convolutions of each channel by itself; arguments as in `Convolution`."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
            depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, activity_regularizer,
            depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip

    def forward(self, call: Call, *inputs: Array) -> Array:
        return self._ended(call, self._of_channels(call, inputs[0]))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        return self._of_channels_back(call, self._ended_back(call, dy))


class SeparableConvolution(Depthwise):
    """Base of the convolutions of each channel by itself with a product over the channels; see `Convolution`."""

    kernel_name = "depthwise_kernel"

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
            depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, activity_regularizer,
            depthwise_constraint, bias_constraint, **kwargs,
        )  # fmt: skip
        (self.filters,) = whole_numbers(filters, 1, f"{self._where}, filters")
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.pointwise_constraint = constraints.get(pointwise_constraint)

    def _width(self, channels: int) -> int:
        return self.filters

    def _build_rest(self, channels: int) -> None:
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        options = (self.pointwise_initializer, self.pointwise_regularizer, self.pointwise_constraint)
        self.pointwise = self.add_weight("pointwise_kernel", shape, *options)

    def forward(self, call: Call, *inputs: Array) -> Array:
        call.saved["filters"] = filtered = self._of_channels(call, inputs[0])
        return self._ended(call, filtered @ self.pointwise.value.reshape(-1, self.filters))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        d = self._ended_back(call, dy)
        if self.pointwise.gradient is not None:
            rows = call.saved["filters"].reshape(-1, self.pointwise.shape[-2])
            self.pointwise.gradient += (rows.T @ d.reshape(-1, self.filters)).reshape(self.pointwise.shape)
        return self._of_channels_back(call, d @ self.pointwise.value.reshape(-1, self.filters).T)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "pointwise_initializer": serialize(self.pointwise_initializer),
            "pointwise_regularizer": serialize(self.pointwise_regularizer),
            "pointwise_constraint": serialize(self.pointwise_constraint),
        }


@registered("keras.layers")
class DepthwiseConv1D(DepthwiseConvolution):
    """Convolution of each channel of (B, T, C) by itself."""

    rank = 1


@registered("keras.layers")
class DepthwiseConv2D(DepthwiseConvolution):
    """Convolution of each channel of (B, H, W, C) by itself."""

    rank = 2
    input_rank = 4


@registered("keras.layers", "SeparableConvolution1D")
class SeparableConv1D(SeparableConvolution):
    """Convolution of each channel of (B, T, C) by itself, then a product over the channels."""

    rank = 1


@registered("keras.layers", "SeparableConvolution2D")
class SeparableConv2D(SeparableConvolution):
    """Convolution of each channel of (B, H, W, C) by itself, then a product over the channels."""

    rank = 2
    input_rank = 4
