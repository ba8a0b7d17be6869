"""The Dense layer: y = f(x W + b) on the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import activations, config, constraints, initializers, kernels, regularizers, threads
from fastgru.layers.layer import Array, Call, Layer, Shape
from fastgru.layers.packing import Packing
from fastgru.registry import registered, serialize


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

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if not isinstance(units, (int, np.integer)) or isinstance(units, bool) or units <= 0:
            raise ValueError(f"Dense {self.name!r}: units must be a positive integer, got {units!r}.")
        for argument, value in (("lora_rank", lora_rank), ("quantization_config", quantization_config)):
            if value is not None:
                raise ValueError(f"Dense {self.name!r}: {argument} is not supported by fastgru, got {value!r}.")
        self.units = int(units)
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
        self._check_shape(input_shape)
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"Dense {self.name!r}: the last axis must be known to build it, got {input_shape}.")
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
            raise ValueError(f"Dense {self.name!r}: expected input of shape {expected}, got {tuple(shape)}.")

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._check_shape(inputs[0].shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        y = call.buffer("y", (len(rows), self.units), self.dtype)
        bias = None if self.bias is None else self.bias.value
        compiled, in_kernel = kernels.module(self.dtype), self.activation.kernel_id
        number = compiled.activation_ids["linear"] if in_kernel is None else in_kernel
        packed = self._packed(call) if config.multiplies_with_tiles() else None
        with threads.one_blas_thread(packed is None):
            compiled.dense_forward(
                rows, self.kernel.value, packed, call.differentiate, bias, number, y, threads.get_num_threads()
            )
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
                rows, self.kernel.value, packed, number, before, d_rows, d, dx, self.kernel.gradient, d_bias,
                threads.get_num_threads(),
            )  # fmt: skip
        return None if dx is None else dx.reshape(*dy.shape[:-1], rows.shape[1])

    def _packed(self, call: Call) -> Array:
        """The kernel as the tiles of the forward pass read it, or memory where that packs it."""
        if call.differentiate:
            return call.buffer("packed", (self._pack_size(),), self.dtype)
        return self._packing.packed(self._weights, self._pack_size, self._pack)

    def _pack_size(self) -> int:
        return kernels.module(self.dtype).dense_pack_size(*self.kernel.value.shape)

    def _pack(self, packed: Array) -> None:
        kernels.module(self.dtype).dense_pack(self.kernel.value, packed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
            "bias_initializer": serialize(self.bias_initializer),
            "kernel_regularizer": serialize(self.kernel_regularizer),
            "bias_regularizer": serialize(self.bias_regularizer),
            "kernel_constraint": serialize(self.kernel_constraint),
            "bias_constraint": serialize(self.bias_constraint),
        }
