"""The Dense layer: y = f(x W + b) on the last axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru import config, kernels, threads
from fastgru.activations import Activation
from fastgru.checks import not_supported
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import ActivationLike, ConstraintLike, InitializerLike, PlainOptions, RegularizerLike
from fastgru.layers.packing import Packing
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Dense"]


@registered("keras.layers")
class Dense(Layer):
    """Fully connected layer: ``activation(x @ kernel + bias)`` over the last axis of an input of any rank above 1.

    Parameters
    ----------
    units : int
        Size of the last axis of the output.
    activation : str, callable or None
        None is linear.
    use_bias : bool
    kernel_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (F, units) and `bias` (units,).
    kernel_regularizer, bias_regularizer, activity_regularizer : optional
    kernel_constraint, bias_constraint : optional
    """

    input_rank = 2
    linear_in_weights = True

    units: int = options.size()
    activation: Activation = options.activation()
    use_bias: bool = options.flag()
    kernel_initializer: Initializer = options.initializer()
    bias_initializer: Initializer = options.initializer()
    kernel_regularizer: Regularizer | None = options.regularizer()
    bias_regularizer: Regularizer | None = options.regularizer()
    kernel_constraint: Constraint | None = options.constraint()
    bias_constraint: Constraint | None = options.constraint()

    def __init__(
        self,
        units: int,
        activation: ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._set_options(locals())
        not_supported(self._where, lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        self._packing = Packing()

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"{self._where}: the last axis must be known to build it, got {input_shape}.")
        self.kernel = self.add_weight(
            "kernel", (features, self.units), self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint
        )
        self.bias = (
            self.add_weight("bias", (self.units,), self.bias_initializer, self.bias_regularizer, self.bias_constraint)
            if self.use_bias
            else None
        )
        self.built = True

    def _check_shape(self, shape: Shape) -> None:
        features = self.kernel.shape[0] if self.built else None
        if len(shape) < 2 or (features is not None and shape[-1] != features):
            expected = f"(batch, ..., {'features' if features is None else features})"
            raise ValueError(f"{self._where}: expected input of shape {expected}, got {tuple(shape)}.")

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._check_shape(inputs[0].shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        y = call.buffer("y", (len(rows), self.units), self.dtype)
        compiled, in_kernel = kernels.module(self.dtype), self.activation.kernel_id
        number = compiled.activation_ids["linear"] if in_kernel is None else in_kernel
        kernel, packed = self._kernel(call)
        bias = None if self.bias is None else call.value(self.bias)
        with threads.one_blas_thread(packed is None):
            compiled.dense_forward(rows, kernel, packed, call.differentiate, bias, number, y, threads.get_num_threads())
        saved = call.saved
        saved["rows"], saved["before"], saved["packed"] = rows, y, packed
        if x.ndim > 2:
            y = y.reshape(*x.shape[:-1], self.units)
        if in_kernel is None:
            y = self.activation(y)
        saved["y"] = y
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        rows, before, y = (call.saved[name] for name in ("rows", "before", "y"))
        compiled = kernels.module(self.dtype)
        number = self.activation.kernel_id
        if number is None:
            number = compiled.activation_ids["linear"]
            dy = self.activation.backward(dy, y.reshape(dy.shape), before.reshape(dy.shape))
        d = call.buffer("d", (dy.size + compiled.read_padding,), self.dtype)
        d_rows = kernels.contiguous(dy, self.dtype).reshape(before.shape)
        dx = call.buffer("dx", rows.shape, self.dtype) if call.input_gradient else None
        packed = call.saved["packed"]
        d_bias = None if self.bias is None else self.bias.gradient
        with threads.one_blas_thread(packed is None):
            compiled.dense_backward(
                rows, call.value(self.kernel), packed, number, before, d_rows, d, dx, self.kernel.gradient, d_bias,
                threads.get_num_threads(),
            )  # fmt: skip
        return None if dx is None else dx.reshape(*dy.shape[:-1], rows.shape[1])

    def _kernel(self, call: Call) -> tuple[Array, Array | None]:
        """The kernel, and how the tiles of the forward pass read it: packed, or memory where that packs it."""
        if not config.multiplies_with_tiles():
            return call.value(self.kernel), None
        if call.differentiate:
            return call.value(self.kernel), call.buffer("packed", (self._pack_size(),), self.dtype)
        (kernel,), packed = self._packing.read(call, (self.kernel,), self._pack_size, self._pack)
        return kernel, packed

    def _pack_size(self) -> int:
        return kernels.module(self.dtype).dense_pack_size(*self.kernel.shape)

    def _pack(self, packed: Array, kernel: Array) -> None:
        kernels.module(self.dtype).dense_pack(kernel, packed)
