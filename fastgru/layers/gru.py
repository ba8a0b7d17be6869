"""The GRU layer (Cho et al. 2014, arXiv:1406.1078; the `reset_after` form is cuDNN's and Keras's default)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import activations, config, constraints, initializers, kernels, random, regularizers, threads
from fastgru.kernels import reference
from fastgru.layers.dropout import keep_mask
from fastgru.layers.layer import Array, Call, Layer, Shape
from fastgru.layers.packing import Packing
from fastgru.registry import registered, serialize


def _rows(bias: Array) -> Array:
    return bias if bias.ndim == 2 else bias[None]


def _bytes(mask: Array | None) -> Array | None:
    """A boolean mask as the kernels read it."""
    return None if mask is None else mask.view(np.uint8)


@registered("keras.layers")
class GRU(Layer):
    """Gated recurrent unit over sequences (B, T, F).

    ::

        z  = f(x Wz + bz + h Uz + cz)            update gate
        r  = f(x Wr + br + h Ur + cr)            reset gate
        g  = a(x Wh + bh + r * (h Uh + ch))      candidate; reset_after=False: a(x Wh + bh + (r * h) Uh)
        h' = z * h + (1 - z) * g

    Parameters
    ----------
    units : int
        Size H of the state.
    activation, recurrent_activation : str, callable or None
        a and f above; None is linear.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer : str, dict or Initializer
        For `kernel` (F, 3H), `recurrent_kernel` (H, 3H), `bias` ((2, 3H) with `reset_after`, else (3H,)), gates z r h.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer : optional
    kernel_constraint, recurrent_constraint, bias_constraint : optional
    dropout, recurrent_dropout : float
        Rates for the inputs and the state of the gates in training, clamped to [0, 1]. One mask per call serves all
        time steps; with `recurrent_dropout` each gate has masks of its own (Keras's implementation 1).
    seed : int, optional
        For the dropout masks.
    return_sequences : bool
        Return the state after every step (B, T, H) instead of the last one (B, H).
    return_state : bool
        Return ``[output, state]``.
    go_backwards : bool
        Process the sequence from its end; outputs stay in the processed order, as in Keras.
    stateful : bool
        Start each batch from the state the last one ended with; the batch size is then fixed. See `reset_states`.
    reset_after : bool
        Which candidate, see above.
    zero_output_for_mask : bool
        Masked steps put out zeros instead of the last state.
    unroll, use_cudnn, implementation
        Accepted for Keras's sake and without effect.

    Notes
    -----
    A masked step leaves the state as it was and puts it out again; where the first step is masked that is the initial
    state, as in Keras on JAX and numpy (Keras on TensorFlow puts out zeros there).
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        zero_output_for_mask: bool = False,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if not isinstance(units, (int, np.integer)) or isinstance(units, bool) or units <= 0:
            raise ValueError(f"GRU {self.name!r}: units must be a positive integer, got {units!r}.")
        self.units = int(units)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, float(dropout)))
        self.recurrent_dropout = min(1.0, max(0.0, float(recurrent_dropout)))
        self.seed = seed
        self._seeded = None if seed is None else np.random.default_rng(seed)
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.unroll = bool(unroll)
        self.reset_after = bool(reset_after)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        self.states: list[Array] | None = None
        self._packing = Packing()

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"GRU {self.name!r}: the number of features must be known to build it, got {input_shape}.")
        if self.stateful:
            if input_shape[0] is None:
                raise ValueError(
                    f"GRU {self.name!r}: stateful=True needs a fixed batch size, got {input_shape}; "
                    "give batch_shape=(batch, timesteps, features)."
                )
            self.states = [np.zeros((input_shape[0], self.units), self.dtype)]
        width = 3 * self.units
        self.kernel = self._cell_weight(
            "kernel", (features, width), self.kernel_initializer, self.kernel_regularizer, self.kernel_constraint
        )
        self.recurrent_kernel = self._cell_weight(
            "recurrent_kernel",
            (self.units, width),
            self.recurrent_initializer,
            self.recurrent_regularizer,
            self.recurrent_constraint,
        )
        bias_shape = (2, width) if self.reset_after else (width,)
        self.bias = (
            self._cell_weight("bias", bias_shape, self.bias_initializer, self.bias_regularizer, self.bias_constraint)
            if self.use_bias
            else None
        )
        self.built = True

    def _cell_weight(
        self, name: str, shape: tuple[int, ...], initializer: Any, regularizer: Any, constraint: Any
    ) -> Any:
        weight = self.add_weight(name, shape, initializer, regularizer, constraint)
        weight.path = f"{self.name}/gru_cell/{name}"  # where Keras has it
        return weight

    def _check_shape(self, shape: Shape) -> None:
        features = self.kernel.shape[0] if self.built else None
        if len(shape) != 3 or (features is not None and shape[2] != features):
            expected = f"(batch, timesteps, {'features' if features is None else features})"
            raise ValueError(f"GRU {self.name!r}: expected input of shape {expected}, got {tuple(shape)}.")

    def check_inputs(self, *inputs: Array) -> None:
        x, states = inputs[0], inputs[1:]
        self._check_shape(x.shape)
        if 0 in x.shape:
            raise ValueError(f"GRU {self.name!r}: the input is empty, its shape is {x.shape}.")
        if len(states) > 1 or (states and states[0].shape != (x.shape[0], self.units)):
            raise ValueError(
                f"GRU {self.name!r}: expected one initial state of shape {(x.shape[0], self.units)}, "
                f"got {[state.shape for state in states]}."
            )
        if self.stateful and self.states is not None and len(self.states[0]) != x.shape[0]:
            raise ValueError(
                f"GRU {self.name!r}: stateful=True was built for batches of {len(self.states[0])} rows, got {len(x)}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Any:
        last = (input_shape[0], self.units)
        output = (*input_shape[:2], self.units) if self.return_sequences else last
        return (output, last) if self.return_state else output

    def compute_mask(self, call: Call, *inputs: Array) -> Array | None:
        return call.mask if self.return_sequences else None

    def reset_states(self) -> None:
        """Set the stored states of a stateful layer to zero."""
        for state in self.states or []:
            state[...] = 0

    reset_state = reset_states

    def __call__(  # type: ignore[override]  # the order of arguments is Keras's
        self,
        sequences: npt.ArrayLike,
        initial_state: Any = None,
        mask: npt.ArrayLike | None = None,
        training: bool = False,
    ) -> Any:
        """Apply the layer to numpy arrays, building it on first use.

        Parameters
        ----------
        sequences : (B, T, F) array_like
        initial_state : (B, H) array_like, or a list of one, optional
            Zeros, or the stored state of a stateful layer, where absent.
        mask : (B, T) bool array_like, optional
            True where a step counts.
        training : bool
            Whether dropout drops.

        Returns
        -------
        ndarray (B, H) or (B, T, H); with `return_state` a list of it and the last state (B, H).
        """
        states = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
        given = [state for state in states if state is not None]
        return super().__call__(sequences, *given, mask=mask, training=training)

    def forward(self, call: Call, *inputs: Array) -> Any:
        x = inputs[0]
        h0 = inputs[1] if len(inputs) > 1 else self.states[0] if self.stateful and self.states else None
        saved = call.saved
        drops = call.training and (self.dropout or self.recurrent_dropout)
        masks = self._dropout_masks(len(x), x.shape[2]) if drops else (None, None)
        if masks[0] is not None and masks[1] is None:
            x = x * masks[0][0][:, None, :]
        saved["x"], saved["h0"], saved["dropout"] = x, h0, masks
        saved["has_state_input"] = len(inputs) > 1
        saved["in_numpy"] = in_numpy = self._in_numpy(masks)
        y, last = self._forward_in_numpy(call) if in_numpy else self._forward_compiled(call)
        if self.stateful and self.states:
            # a copy: what the layer read as h0 stays as it was for the backward pass
            self.states = [last.copy()]
        output = y if self.return_sequences else self._masked_output(call, last)
        return (output, last) if self.return_state else output

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        masks = call.saved["dropout"]
        gradients = self._output_gradients(call, *d_outputs)
        in_numpy = call.saved["in_numpy"]
        dx, dh0 = self._backward_in_numpy(call, *gradients) if in_numpy else self._backward_compiled(call, *gradients)
        if masks[0] is not None and masks[1] is None and dx is not None:
            dx = dx * masks[0][0][:, None, :]
        return (dx, dh0) if call.saved["has_state_input"] else dx

    def _forward_compiled(self, call: Call) -> tuple[Array | None, Array]:
        x, h0 = call.saved["x"], call.saved["h0"]
        batch, steps, features = x.shape
        compiled = kernels.module(self.dtype)
        packed = self._packed(call) if config.multiplies_with_tiles() else None
        size = compiled.gru_memory(
            batch, steps, features, self.units, self.reset_after, packed is not None, call.differentiate
        )
        memory = call.buffer("memory", (size,), self.dtype)
        y = call.buffer("y", (batch, steps, self.units), self.dtype) if self.return_sequences else None
        last = call.buffer("last", (batch, self.units), self.dtype)
        call.saved["memory"], call.saved["packed"] = memory, packed
        with threads.one_blas_thread(packed is None):
            compiled.gru_forward(
                x, self.kernel.value, self.recurrent_kernel.value, self._bias_rows(), packed, h0, _bytes(call.mask),
                *self._kernel_options(), call.differentiate, memory, y, last, threads.get_num_threads(),
            )  # fmt: skip
        return y, last

    def _backward_compiled(
        self, call: Call, d_y: Array | None, d_last: Array | None
    ) -> tuple[Array | None, Array | None]:
        x, h0 = call.saved["x"], call.saved["h0"]
        kernel, recurrent_kernel = self.kernel.value, self.recurrent_kernel.value
        compiled = kernels.module(self.dtype)
        packed = None
        if call.saved["packed"] is not None:
            packed = call.buffer("packed_back", (compiled.gru_pack_back_size(x.shape[2], self.units),), self.dtype)
            compiled.gru_pack_back(kernel, recurrent_kernel, self.reset_after, packed)
        dx = call.buffer("dx", x.shape, self.dtype) if call.input_gradient else None
        dh0 = call.buffer("dh0", (len(x), self.units), self.dtype) if call.saved["has_state_input"] else None
        with threads.one_blas_thread(packed is None):
            compiled.gru_backward(
                x, kernel, recurrent_kernel, packed, h0, _bytes(call.mask), *self._kernel_options(),
                call.saved["memory"], d_y, d_last, dx, dh0, *self._gradients(), threads.get_num_threads(),
            )  # fmt: skip
        return dx, dh0

    def _packed(self, call: Call) -> Array:
        """The weights as the tiles of the forward pass read them."""
        compiled = kernels.module(self.dtype)

        def pack(packed: Array) -> None:
            kernel, recurrent_kernel = self.kernel.value, self.recurrent_kernel.value
            compiled.gru_pack(kernel, recurrent_kernel, self._bias_rows(), self.reset_after, packed)

        size = compiled.gru_pack_size(self.kernel.shape[0], self.units, self.reset_after)
        return self._packing.packed(call, self._weights, size, self.dtype, pack)

    def _bias_rows(self) -> Array | None:
        """The bias as the kernels read it: (2, 3H) with `reset_after`, else (1, 3H)."""
        return None if self.bias is None else _rows(self.bias.value)

    def _forward_in_numpy(self, call: Call) -> tuple[Array, Array]:
        x, h0, masks = (call.saved[name] for name in ("x", "h0", "dropout"))
        with threads.one_blas_thread():
            y, last, call.saved["steps"] = reference.gru_forward(
                x,
                self.kernel.value,
                self.recurrent_kernel.value,
                self._bias_rows(),
                h0,
                call.mask,
                self._options(masks),
            )
        return y, last

    def _backward_in_numpy(self, call: Call, d_y: Array | None, d_last: Array | None) -> tuple[Array, Array]:
        steps, options = call.saved.pop("steps"), self._options(call.saved["dropout"])
        with threads.one_blas_thread():
            dx, dh0, *found = reference.gru_backward(
                self.kernel.value, self.recurrent_kernel.value, options, steps, d_y, d_last
            )
        for gradient, new in zip(self._gradients(), found, strict=True):
            if gradient is not None:
                gradient += new
        return dx, dh0

    def _gradients(self) -> tuple[Array | None, Array | None, Array | None]:
        """Where the gradients of the weights go: None for a frozen one; the bias in rows."""
        bias = None if self.bias is None else self.bias.gradient
        return self.kernel.gradient, self.recurrent_kernel.gradient, None if bias is None else _rows(bias)

    def _output_gradients(self, call: Call, d_output: Array | None, d_state: Array | None = None) -> Any:
        """Gradients of the sequence (or None) and of the last state (or None) from those of the outputs."""
        if self.return_sequences:
            return d_output, d_state
        if d_output is not None:
            d_output = self._masked_output(call, d_output)
        if d_output is None or d_state is None:
            return None, d_state if d_output is None else d_output
        return None, d_output + d_state

    def _masked_output(self, call: Call, last: Array) -> Array:
        """The last output: zero where the last step is masked and `zero_output_for_mask` says so."""
        if not self.zero_output_for_mask or call.mask is None:
            return last
        return last * call.mask[:, 0 if self.go_backwards else -1, None]

    def _kernel_options(self) -> tuple[int, int, bool, bool, bool]:
        activation, recurrent_activation = self.activation.kernel_id, self.recurrent_activation.kernel_id
        assert activation is not None and recurrent_activation is not None
        return (
            activation,
            recurrent_activation,
            self.reset_after,
            self.go_backwards,
            self.zero_output_for_mask,
        )

    def _in_numpy(self, masks: tuple[Array | None, Array | None]) -> bool:
        """Whether this call is for the numpy twin: recurrent dropout, or an activation that the kernels do not know."""
        unknown = (None, activations.softmax.kernel_id)  # a softmax is not elementwise
        used = (self.activation.kernel_id, self.recurrent_activation.kernel_id)
        return masks[1] is not None or any(number in unknown for number in used)

    def _options(self, masks: tuple[Array | None, Array | None]) -> reference.GRUOptions:
        on_x, on_h = masks if masks[1] is not None else (None, None)
        return reference.GRUOptions(
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            reset_after=self.reset_after,
            go_backwards=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask,
            input_dropout=on_x,
            recurrent_dropout=on_h,
        )

    def _dropout_masks(self, batch: int, features: int) -> tuple[Array | None, Array | None]:
        """What multiplies the inputs (1 or 3, B, F) and the state (3, B, H) of the gates; None: nothing is dropped."""
        generator = self._seeded or random.stream()
        gates = 3 if self.recurrent_dropout else 1
        shapes = ((gates, batch, features), (gates, batch, self.units))
        on_x, on_h = (
            keep_mask(generator, shape, rate, self.dtype) if rate else None
            for shape, rate in zip(shapes, (self.dropout, self.recurrent_dropout), strict=True)
        )
        return on_x, on_h

    def file_items(self) -> Any:
        return [("cell", self._weights)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "kernel_initializer": serialize(self.kernel_initializer),
            "recurrent_initializer": serialize(self.recurrent_initializer),
            "bias_initializer": serialize(self.bias_initializer),
            "kernel_regularizer": serialize(self.kernel_regularizer),
            "recurrent_regularizer": serialize(self.recurrent_regularizer),
            "bias_regularizer": serialize(self.bias_regularizer),
            "activity_regularizer": serialize(self.activity_regularizer),
            "kernel_constraint": serialize(self.kernel_constraint),
            "recurrent_constraint": serialize(self.recurrent_constraint),
            "bias_constraint": serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "reset_after": self.reset_after,
            "seed": self.seed,
        }
