"""Convolution over one or two spatial axes: windows laid out as rows, and Dense's product with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import activations, config, constraints, initializers, kernels, regularizers, threads
from fastgru.layers.layer import Array, Call, Shape
from fastgru.layers.packing import Packing
from fastgru.layers.spatial import WindowLayer, whole_numbers
from fastgru.registry import registered, serialize

# numpy copies runs of numbers; shorter ones cost less when each cell of the windows is copied for all windows at once
_SHORT_RUN = 8


class Convolution(WindowLayer):
    """Base of the convolutions: ``activation(sum over the window of x * kernel + bias)``, for each filter and window.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of int
        One for each spatial axis; strides and dilation_rate cannot both exceed 1.
    padding : {"valid", "same", "causal"}
        "causal" (1D only) lets no window see what comes after its step.
    data_format : {"channels_last", "channels_first"}, optional
    groups : int
        The channels are cut into so many parts, each with its own filters.
    activation : str, callable or None
        None is linear.
    use_bias : bool
    kernel_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (*kernel_size, C / groups, filters) and `bias` (filters,).
    kernel_regularizer, bias_regularizer, activity_regularizer : optional
    kernel_constraint, bias_constraint : optional
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, activity_regularizer=activity_regularizer, **kwargs)
        paddings = ("valid", "same", "causal") if self.rank == 1 else ("valid", "same")
        self._set_windows("kernel_size", kernel_size, strides, padding, dilation_rate, paddings)
        (self.filters,) = whole_numbers(filters, 1, f"{self._where}, filters")
        (self.groups,) = whole_numbers(groups, 1, f"{self._where}, groups")
        if self.filters % self.groups:
            raise ValueError(
                f"{self._where}: filters must be a multiple of groups, got {self.filters} and {self.groups}."
            )
        if max(self.windows.strides) > 1 and max(self.windows.dilation) > 1:
            raise ValueError(
                f"{self._where}: strides and dilation_rate cannot both exceed 1, got {strides} and {dilation_rate}."
            )
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._packing = Packing()

    def build(self, input_shape: Shape) -> None:
        _, channels = self._parts(input_shape)
        if channels is None or channels % self.groups:
            raise ValueError(
                f"{self._where}: the channels must be known and a multiple of groups={self.groups} to build it, got "
                f"input of shape {tuple(input_shape)}."
            )
        self._counts(input_shape)
        self.kernel = self.add_weight(
            "kernel",
            (*self.windows.size, channels // self.groups, self.filters),
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
        counts = self._counts(input_shape)
        channels = self._parts(input_shape)[1]
        if self.built and channels != (expected := self.kernel.shape[-2] * self.groups):
            raise ValueError(
                f"{self._where}: expected input with {expected} channels ({self.data_format}), got shape "
                f"{tuple(input_shape)}."
            )
        return self._joined(input_shape[0], counts, self.filters)

    @property
    def _is_plain(self) -> bool:
        """Whether the products are the output as they come, and not its parts in another order."""
        return self.groups == 1 and self.data_format == "channels_last"

    def _grouped(self, x: Array) -> Array:
        """A view (groups, ..., C / groups) of x (..., C)."""
        return x[None] if self.groups == 1 else np.moveaxis(x.reshape(*x.shape[:-1], self.groups, -1), -2, 0)

    def _matrices(self) -> Array:
        """The kernel of each group: (groups, cells of a window and channels, filters / groups)."""
        return np.ascontiguousarray(self._grouped(self.kernel.value)).reshape(
            self.groups, -1, self.filters // self.groups
        )

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        windows = self._windows_of(call, x, 0)
        counts = windows.shape[1 : self.rank + 1]
        rows = self._rows(call, windows)
        out = call.buffer("out", self._joined(len(x), counts, self.filters), self.dtype)
        grouped = self._grouped(self._channels_last(out))
        products = grouped if self._is_plain else call.buffer("products", grouped.shape, self.dtype)
        sums = products.reshape(self.groups, rows.shape[1], -1)
        # the kernels see the rows of a group, on which softmax would be another function
        compiled, in_kernel = kernels.module(self.dtype), self.activation.kernel_id if self._is_plain else None
        matrices = self._matrices()
        bias = None if self.bias is None else self._grouped(self.bias.value)
        packed = self._packed(call, matrices) if config.multiplies_with_tiles() else None
        with threads.one_blas_thread(packed is None):
            for group in range(self.groups):
                compiled.dense_forward(
                    rows[group],
                    matrices[group],
                    None if packed is None else packed[group],
                    call.differentiate,
                    None if bias is None else bias[group],
                    compiled.activation_ids["linear"] if in_kernel is None else in_kernel,
                    sums[group],
                    threads.get_num_threads(),
                )
        if products is not grouped:
            np.copyto(grouped, products)
        y = out if in_kernel is not None else self.activation(out)
        call.saved.update(shape=x.shape, rows=rows, sums=sums, out=out, y=y, in_kernel=in_kernel, packed=packed)
        return y

    def _rows(self, call: Call, windows: Array) -> Array:
        """The windows as rows (groups, B * windows, cells * C / groups)."""
        grouped = self._grouped(windows)
        patches = grouped
        if not grouped.flags.c_contiguous:
            patches = call.buffer("patches", grouped.shape, self.dtype)
            if self.windows.size[-1] * grouped.shape[-1] < _SHORT_RUN:
                for position in self.windows.positions:
                    patches[position] = grouped[position]
            else:
                np.copyto(patches, grouped)
        return patches.reshape(self.groups, -1, self._cells * grouped.shape[-1])

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        saved, compiled = call.saved, kernels.module(self.dtype)
        shape, rows, sums, in_kernel, packed = (
            saved[name] for name in ("shape", "rows", "sums", "in_kernel", "packed")
        )
        if in_kernel is None:
            dy = self.activation.backward(dy, saved["y"], saved["out"])
        grouped = call.contiguous("turned", self._grouped(self._channels_last(dy)))
        d_sums = kernels.contiguous(grouped, self.dtype).reshape(sums.shape)
        d = call.buffer("d", (sums[0].size + compiled.read_padding,), self.dtype)
        d_rows = call.buffer("d_rows", rows.shape, self.dtype) if call.input_gradient else None
        matrices = self._matrices()
        d_matrices = None
        if self.kernel.gradient is not None:
            d_kernel = self._grouped(self.kernel.gradient)
            d_matrices = d_kernel.reshape(matrices.shape) if self.groups == 1 else np.zeros_like(matrices)
        d_bias = None if self.bias is None or self.bias.gradient is None else self._grouped(self.bias.gradient)
        with threads.one_blas_thread(packed is None):
            for group in range(self.groups):
                compiled.dense_backward(
                    rows[group],
                    matrices[group],
                    None if packed is None else packed[group],
                    compiled.activation_ids["linear"] if in_kernel is None else in_kernel,
                    sums[group],
                    d_sums[group],
                    d,
                    None if d_rows is None else d_rows[group],
                    None if d_matrices is None else d_matrices[group],
                    None if d_bias is None else d_bias[group],
                    threads.get_num_threads(),
                )
        if d_matrices is not None and self.groups > 1:
            d_kernel += d_matrices.reshape(d_kernel.shape)
        if d_rows is None:
            return None
        d_windows = d_rows.reshape(*grouped.shape[:-1], *self.windows.size, -1)
        per_window = (*grouped.shape[1:-1], -1)
        return self._summed_windows(
            call, shape, lambda position: np.moveaxis(d_windows[position], 0, -2).reshape(per_window)
        )

    def _packed(self, call: Call, matrices: Array) -> Array:
        """The matrices as the tiles of the forward pass read them, or memory where that packs them."""
        compiled = kernels.module(self.dtype)
        size = compiled.dense_pack_size(*matrices.shape[1:])
        if call.differentiate:
            return call.buffer("packed", (self.groups, size), self.dtype)

        def pack(packed: Array) -> None:
            for matrix, part in zip(matrices, packed.reshape(self.groups, size), strict=True):
                compiled.dense_pack(matrix, part)

        packed = self._packing.packed([self.kernel], lambda: self.groups * size, pack)
        return packed.reshape(self.groups, size)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.windows.size,
            "strides": self.windows.strides,
            "padding": self.windows.padding,
            "dilation_rate": self.windows.dilation,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
            "bias_initializer": serialize(self.bias_initializer),
            "kernel_regularizer": serialize(self.kernel_regularizer),
            "bias_regularizer": serialize(self.bias_regularizer),
            "activity_regularizer": serialize(self.activity_regularizer),
            "kernel_constraint": serialize(self.kernel_constraint),
            "bias_constraint": serialize(self.bias_constraint),
        }


@registered("keras.layers", "Convolution1D")
class Conv1D(Convolution):
    """Convolution over the steps of (B, T, C); arguments as in `Convolution`."""

    rank = 1


@registered("keras.layers", "Convolution2D")
class Conv2D(Convolution):
    """Convolution over the rows and columns of (B, H, W, C); arguments as in `Convolution`."""

    rank = 2
