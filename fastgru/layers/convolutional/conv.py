"""Convolution over one or two spatial axes: windows laid out as rows, and Dense's product with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastgru import checks, config, kernels, threads
from fastgru.activations import Activation
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.convolutional.windows import CAUSAL, WindowLayer, Windows, padding, per_axis
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike, Sizes
from fastgru.layers.packing import Packing
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Conv1D",
    "Conv2D",
    "Convolution",
    "Convolution1D",
    "Convolution2D",
]

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

    linear_in_weights = True

    filters: int = options.option(checks.integer_from_one)
    kernel_size: tuple[int, ...] = per_axis("size")
    strides: tuple[int, ...] = per_axis("strides")
    padding: str = padding()
    dilation_rate: tuple[int, ...] = per_axis("dilation")
    groups: int = options.option(checks.integer_from_one)
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
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        groups: int = 1,
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
        if self.filters % self.groups:
            raise ValueError(
                f"{self._where}: filters must be a multiple of groups, got {self.filters} and {self.groups}."
            )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self._where}: strides and dilation_rate cannot both exceed 1, got {strides} and {dilation_rate}."
            )
        self.windows = Windows(self.kernel_size, self.strides, self.dilation_rate, self.padding)
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

    def _matrices(self, kernel: Array) -> Array:
        """The kernel of each group: (groups, cells of a window and channels, filters / groups)."""
        return np.ascontiguousarray(self._grouped(kernel)).reshape(self.groups, -1, self.filters // self.groups)

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
        matrices = self._matrices(call.value(self.kernel))
        bias = None if self.bias is None else self._grouped(call.value(self.bias))
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
        grouped = call.contiguous("d_products", self._grouped(self._channels_last(dy)))
        d_sums = kernels.contiguous(grouped, self.dtype).reshape(sums.shape)
        d = call.buffer("d", (sums[0].size + compiled.read_padding,), self.dtype)
        d_rows = call.buffer("d_rows", rows.shape, self.dtype) if call.input_gradient else None
        matrices = self._matrices(call.value(self.kernel))
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

        def pack(packed: Array, kernel: Array) -> None:
            for matrix, part in zip(self._matrices(kernel), packed.reshape(self.groups, size), strict=True):
                compiled.dense_pack(matrix, part)

        _, packed = self._packing.read(call, (self.kernel,), lambda: self.groups * size, pack)
        return packed.reshape(self.groups, size)


@registered("keras.layers", "Convolution1D")
class Conv1D(Convolution):
    """Convolution over the steps of (B, T, C); arguments as in `Convolution`."""

    rank = 1
    paddings = CAUSAL


@registered("keras.layers", "Convolution2D")
class Conv2D(Convolution):
    """Convolution over the rows and columns of (B, H, W, C); arguments as in `Convolution`."""

    rank = 2
    input_rank = 4


# Keras's other names
Convolution1D, Convolution2D = Conv1D, Conv2D
