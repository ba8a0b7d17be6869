"""What the recurrent layers share: everything but their equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastgru import activations, config, constraints, initializers, kernels, random, regularizers, threads
from fastgru.kernels.reference import rnn as reference
from fastgru.layers.dropout import keep_mask
from fastgru.layers.layer import Array, Call, Layer, Shape, Weight
from fastgru.layers.packing import Packing
from fastgru.registry import serialize

Dropped = tuple[Array | None, Array | None]  # what multiplies the inputs and the state of the gates


def _bytes(mask: Array | None) -> Array | None:
    """A boolean mask as the kernels read it."""
    return None if mask is None else mask.view(np.uint8)


def _in_kernels(activation: activations.Activation) -> bool:
    """Whether the kernels know it as a function of one number, as a gate's must be; softmax is one of a row."""
    return activation.kernel_id is not None and activation.name != "softmax"


def _depth(value: Any) -> int:
    """Axes of an array, or of the array that nested lists would make."""
    if isinstance(value, (list, tuple)):
        return 1 + (_depth(value[0]) if value else 0)
    return len(getattr(value, "shape", ()))


class Recurrent(Layer):
    """Base of the layers that carry a state over sequences (B, T, F).

    A subclass says how many gates and states it has and where Keras keeps its weights. Its kernels are those of rnn.pxi
    unless it names others.
    """

    gates: ClassVar[int]
    state_count: ClassVar[int] = 1
    cell_name: ClassVar[str]
    _kernels: ClassVar[tuple[str, str]] = ("rnn_forward", "rnn_backward")
    # TensorFlow's rule: steps masked before the first used one put out 0, not the initial state
    zero_until_used = False
    _absent: ClassVar[tuple[None, ...]] = (None, None)  # one for each state that the kernels take
    _twin: ClassVar[tuple[Callable[..., Any], Callable[..., Any]]] = (
        reference.rnn_forward,
        reference.rnn_backward,
    )

    def __init__(
        self,
        *,
        units: int,
        activation: Any,
        recurrent_activation: Any = None,  # None in layers without gates: the kernels ask for one and do not use it
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        stateful: bool,
        unroll: bool,
        zero_output_for_mask: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(units, (int, np.integer)) or isinstance(units, bool) or units <= 0:
            raise ValueError(f"{self._where}: units must be a positive integer, got {units!r}.")
        self.units = int(units)
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = self._flag("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = self._rate("dropout", dropout)
        self.recurrent_dropout = self._rate("recurrent_dropout", recurrent_dropout)
        if seed is not None and (not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0):
            raise ValueError(f"{self._where}: seed must be None or a whole number of at least 0, got {seed!r}.")
        self.seed = None if seed is None else int(seed)
        self._seeded = None if seed is None else np.random.default_rng(seed)
        self.return_sequences = self._flag("return_sequences", return_sequences)
        self.return_state = self._flag("return_state", return_state)
        self.go_backwards = self._flag("go_backwards", go_backwards)
        self.stateful = self._flag("stateful", stateful)
        self.unroll = self._flag("unroll", unroll)
        self.zero_output_for_mask = self._flag("zero_output_for_mask", zero_output_for_mask)
        self.states: list[Array] | None = None
        self._packing = Packing()

    @property
    def _where(self) -> str:
        """How an error names the layer."""
        return f"{type(self).__name__} {self.name!r}"

    def _flag(self, name: str, value: Any) -> bool:
        if not isinstance(value, (bool, np.bool_, int, np.integer)) or value not in (0, 1):
            raise ValueError(f"{self._where}: {name} must be True or False, got {value!r}.")
        return bool(value)

    def _rate(self, name: str, value: Any) -> float:
        """A dropout rate, clamped to [0, 1] as in Keras."""
        numbers = (int, float, np.integer, np.floating)
        if not isinstance(value, numbers) or isinstance(value, bool) or np.isnan(value):
            raise ValueError(f"{self._where}: {name} must be a number from 0 to 1, got {value!r}.")
        return min(1.0, max(0.0, float(value)))

    # --- weights and shapes -----------------------------------------------------------------------

    def build(self, input_shape: Shape) -> None:
        self._check_shape(input_shape)
        features = input_shape[-1]
        if features is None:
            raise ValueError(f"{self._where}: the number of features must be known to build it, got {input_shape}.")
        batch = input_shape[0]
        if self.stateful and batch is None:
            raise ValueError(
                f"{self._where}: stateful=True needs a fixed batch size, got {input_shape}; "
                "give batch_shape=(batch, timesteps, features)."
            )
        try:
            self._add_weights(features, self.gates * self.units)
        except Exception:
            if not self.built:  # the next attempt begins anew
                self._weights.clear()
            raise
        if self.stateful and batch is not None:
            self.states = [np.zeros((batch, self.units), self.dtype) for _ in range(self.state_count)]
        self.built = True

    def _add_weights(self, features: int, width: int) -> None:
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
        self.bias = (
            self._cell_weight(
                "bias", self._bias_shape(), self._first_bias(), self.bias_regularizer, self.bias_constraint
            )
            if self.use_bias
            else None
        )

    def _cell_weight(
        self, name: str, shape: tuple[int, ...], initializer: Any, regularizer: Any, constraint: Any
    ) -> Weight:
        weight = self.add_weight(name, shape, initializer, regularizer, constraint)
        weight.path = f"{self.name}/{self.cell_name}/{name}"  # where Keras has it
        return weight

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _first_bias(self) -> Any:
        """The initializer of the whole bias."""
        return self.bias_initializer

    def _check_shape(self, shape: Shape) -> None:
        features = self.kernel.value.shape[0] if self.built else None
        if len(shape) != 3 or (features is not None and shape[2] != features):
            expected = f"(batch, timesteps, {'features' if features is None else features})"
            raise ValueError(f"{self._where}: expected input of shape {expected}, got {tuple(shape)}.")

    def check_inputs(self, *inputs: Array) -> None:
        x, states = inputs[0], inputs[1:]
        self._check_shape(x.shape)
        if 0 in x.shape:
            raise ValueError(f"{self._where}: the input is empty, its shape is {x.shape}.")
        shape = (x.shape[0], self.units)
        if states and (len(states) != self.state_count or any(state.shape != shape for state in states)):
            expected = "one initial state" if self.state_count == 1 else f"{self.state_count} initial states"
            raise ValueError(
                f"{self._where}: expected {expected} of shape {shape}, got {[state.shape for state in states]}."
            )
        self._check_rows(x)

    def _check_rows(self, x: Array) -> None:
        """ValueError where the stored states are of another number of rows: the kernels trust that they fit."""
        if self.stateful and self.states is not None and len(self.states[0]) != x.shape[0]:
            raise ValueError(
                f"{self._where}: stateful=True was built for batches of {len(self.states[0])} rows, got {len(x)}."
            )

    def compute_output_shape(self, input_shape: Shape) -> Any:
        last = (input_shape[0], self.units)
        output = (*input_shape[:2], self.units) if self.return_sequences else last
        return (output, *[last] * self.state_count) if self.return_state else output

    def compute_mask(self, call: Call, *inputs: Array) -> Array | None:
        return call.mask if self.return_sequences else None

    def reset_states(self) -> None:
        """Set the stored states of a stateful layer to zero."""
        for state in self.states or []:
            state[...] = 0

    reset_state = reset_states

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
        }

    # --- calls ------------------------------------------------------------------------------------

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
        initial_state : (B, H) array_like, or a list of as many as the layer has states, optional
            Zeros, or the stored states of a stateful layer, where absent.
        mask : (B, T) bool array_like, optional
            True where a step counts.
        training : bool
            Whether dropout drops.

        Returns
        -------
        ndarray (B, H) or (B, T, H); with `return_state` a list of it and the last states (B, H).
        """
        if initial_state is None:
            return super().__call__(sequences, mask=mask, training=training)
        several = isinstance(initial_state, (list, tuple)) and _depth(initial_state) != 2  # else rows of one state
        given = [state for state in (initial_state if several else [initial_state]) if state is not None]
        return super().__call__(sequences, *given, mask=mask, training=training)

    def forward(self, call: Call, *inputs: Array) -> Any:
        if (waiting := self._begin(call, *inputs)) is not None:
            self._run([waiting])
        return self._end(call)

    def _begin(self, call: Call, *inputs: Array) -> tuple[Any, ...] | None:
        """What `_run` wants to know of a call; None where numpy computes, and has."""
        x, states = inputs[0], inputs[1:]
        saved = call.saved
        saved["has_state_input"] = bool(states)
        if not states and self.stateful and self.states:
            states = tuple(self.states)
            self._check_rows(x)
        drops = call.training and (self.dropout or self.recurrent_dropout)
        masks = self._dropout_masks(len(x), x.shape[2]) if drops else (None, None)
        if masks[0] is not None and masks[1] is None:
            x = x * masks[0][0][:, None, :]
        saved["x"], saved["states"], saved["dropout"] = x, self._padded(states) if states else self._absent, masks
        saved["in_numpy"] = in_numpy = self._in_numpy(masks)
        if in_numpy:
            self._forward_in_numpy(call)
            return None
        return self._compiled_call(call)

    def _run(self, waiting: list[tuple[Any, ...]]) -> None:
        """Run the layer's kernel for a call, or for two side by side."""
        forward = getattr(kernels.module(self.dtype), self._kernels[0])
        if config.multiplies_with_tiles():  # even a context that does nothing takes a hundredth of a small model's call
            forward(waiting, threads.get_num_threads())
            return
        with threads.one_blas_thread():
            forward(waiting, threads.get_num_threads())

    def _end(self, call: Call) -> Any:
        """The outputs of a call that has run."""
        saved = call.saved
        y, lasts = saved["y"], saved["lasts"]
        if self.stateful and self.states:
            # copies: what the layer read as its initial state stays as it was for the backward pass
            self.states = [last.copy() for last in lasts]
        output = y if self.return_sequences else self._masked_output(call, lasts[0])
        saved["used"] = None
        if self.zero_until_used and saved["states"][0] is not None and call.mask is not None:
            saved["used"] = used = self._used(call.mask)
            output = np.where(used, output, 0)
        return (output, *lasts) if self.return_state else output

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        masks, used = call.saved["dropout"], call.saved["used"]
        if used is not None and d_outputs[0] is not None:
            d_outputs = (np.where(used, d_outputs[0], 0), *d_outputs[1:])
        gradients = self._output_gradients(call, *d_outputs)
        in_numpy = call.saved["in_numpy"]
        dx, *d_states = (self._backward_in_numpy if in_numpy else self._backward_compiled)(call, *gradients)
        if masks[0] is not None and masks[1] is None and dx is not None:
            dx = dx * masks[0][0][:, None, :]
        return (dx, *d_states) if call.saved["has_state_input"] else dx

    def _used(self, mask: Array) -> Array:
        """Whether a step was used so far, for each output, in the order in which the steps are processed."""
        if not self.return_sequences:
            return np.asarray(mask.any(axis=1, keepdims=True))
        found: Array = np.logical_or.accumulate(mask[:, ::-1] if self.go_backwards else mask, axis=1)[..., None]
        return found

    def _padded(self, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """These states, or what is there for each of them, as the kernels and their twin take them."""
        return states + self._absent[len(states) :]

    def _compiled_call(self, call: Call) -> tuple[Any, ...]:
        """The arguments of the compiled forward pass, which fills the sequence "y" and the last states "lasts"."""
        saved = call.saved
        x = saved["x"]
        tiles = config.multiplies_with_tiles()
        # the packing stands for the layer, which a call inside it must not keep alive
        room = self._packing, x.shape, tiles, call.differentiate, self.return_sequences
        if saved.get("room") != room:
            saved["room"] = None  # an interrupt may come in between
            self._take_room(call, *room[1:])
            saved["room"] = room
        if tiles and not call.differentiate:
            saved["packed"] = self._packing.packed(self._weights, self._pack_size, self._pack)
        return (
            x, self.kernel.value, self.recurrent_kernel.value, self._bias_read(), saved["packed"], *saved["states"],
            _bytes(call.mask), *self._kernel_options(), call.differentiate, saved["memory"], saved["y"],
            *self._padded(saved["lasts"]),
        )  # fmt: skip

    def _take_room(self, call: Call, shape: tuple[int, int, int], tiles: bool, keep: bool, sequences: bool) -> None:
        """The memory of a compiled forward pass, which stays for calls of the same kind.

        In training that is also memory where the kernels pack the weights, which change with every batch.
        """
        last = shape[0], self.units
        size = self._memory_size(shape, tiles, keep)
        call.saved["packed"] = call.buffer("packed", (self._pack_size(),), self.dtype) if tiles and keep else None
        lasts: tuple[Array, ...] = (call.buffer("last", last, self.dtype),)
        if self.state_count == 2:
            lasts += (call.buffer("last_cell", last, self.dtype),)
        call.saved["memory"] = call.buffer("memory", (size,), self.dtype)
        call.saved["y"] = call.buffer("y", (*shape[:2], self.units), self.dtype) if sequences else None
        call.saved["lasts"] = lasts

    def _backward_compiled(self, call: Call, d_y: Array | None, *d_lasts: Array | None) -> Any:
        """Gradients of the inputs and of the initial states, None where nobody wants them."""
        x, packed = call.saved["x"], call.saved["packed"]
        # a layer of the user's may have made them
        read = tuple([None if d is None else kernels.contiguous(d, self.dtype) for d in (d_y, *d_lasts)])
        dx = call.buffer("dx", x.shape, self.dtype) if call.input_gradient else None
        d_states: tuple[Array, ...] = ()
        if call.saved["has_state_input"]:
            names = ("dh0", "dc0")[: self.state_count]
            d_states = tuple(call.buffer(name, (len(x), self.units), self.dtype) for name in names)
        with threads.one_blas_thread(packed is None):
            getattr(kernels.module(self.dtype), self._kernels[1])(
                x, self.kernel.value, self.recurrent_kernel.value, packed, *call.saved["states"], _bytes(call.mask),
                *self._kernel_options(), call.saved["memory"], read[0], *self._padded(read[1:]), dx,
                *self._padded(d_states), *self._gradients(), threads.get_num_threads(),
            )  # fmt: skip
        return dx, *d_states

    # what the next four methods say of rnn.pxi, a layer with kernels of its own says of those

    def _pack_size(self) -> int:
        features, columns = self.kernel.value.shape
        return kernels.module(self.dtype).rnn_pack_size(features, self.units, columns)

    def _pack(self, packed: Array) -> None:
        kernels.module(self.dtype).rnn_pack(self.kernel.value, self.recurrent_kernel.value, packed)

    def _memory_size(self, shape: tuple[int, int, int], packed: bool, keep: bool) -> int:
        return kernels.module(self.dtype).rnn_memory(*shape, self.units, self.gates * self.units, keep)

    def _kernel_options(self) -> tuple[Any, ...]:
        activation, recurrent_activation = self.activation.kernel_id, self.recurrent_activation.kernel_id
        return activation, recurrent_activation, self.go_backwards, self.zero_output_for_mask

    def _shaped(self, bias: Array) -> Array:
        """The bias, or its gradient, in the shape in which the kernels read it."""
        return bias

    def _bias_read(self) -> Array | None:
        return None if self.bias is None else self._shaped(self.bias.value)

    def _gradients(self) -> tuple[Array | None, Array | None, Array | None]:
        """Where the gradients of the weights go: None for a frozen one."""
        bias = None if self.bias is None else self.bias.gradient
        return self.kernel.gradient, self.recurrent_kernel.gradient, None if bias is None else self._shaped(bias)

    def _forward_in_numpy(self, call: Call) -> None:
        x, states, masks = (call.saved[name] for name in ("x", "states", "dropout"))
        with threads.one_blas_thread():
            y, *lasts, call.saved["steps"] = self._twin[0](
                x, self.kernel.value, self.recurrent_kernel.value, self._bias_read(), *states, call.mask,
                self._options(masks),
            )  # fmt: skip
        call.saved.update(y=y, lasts=tuple(lasts[: self.state_count]), room=None)

    def _backward_in_numpy(self, call: Call, d_y: Array | None, *d_lasts: Array | None) -> Any:
        steps, options = call.saved.pop("steps"), self._options(call.saved["dropout"])
        with threads.one_blas_thread():
            dx, *d_states, d_kernel, d_recurrent_kernel, d_bias = self._twin[1](
                self.kernel.value, self.recurrent_kernel.value, options, steps, d_y, *self._padded(d_lasts)
            )
        for gradient, new in zip(self._gradients(), (d_kernel, d_recurrent_kernel, d_bias), strict=True):
            if gradient is not None:
                gradient += new
        return dx, *d_states[: self.state_count]

    def _options(self, masks: Dropped) -> Any:
        """How the twin runs."""
        return reference.RNNOptions(**self._common_options(masks))

    def _common_options(self, masks: Dropped) -> dict[str, Any]:
        on_x, on_h = masks if masks[1] is not None else (None, None)
        return {
            "activation": self.activation,
            "recurrent_activation": self.recurrent_activation,
            "go_backwards": self.go_backwards,
            "zero_output_for_mask": self.zero_output_for_mask,
            "input_dropout": on_x,
            "recurrent_dropout": on_h,
        }

    def _output_gradients(self, call: Call, d_output: Array | None, *d_states: Array | None) -> Any:
        """Gradients of the sequence (or None) and of the last states (or None) from those of the outputs."""
        d_last, *others = d_states or (None,) * self.state_count
        if self.return_sequences:
            return d_output, d_last, *others
        if d_output is not None:
            d_output = self._masked_output(call, d_output)
        if d_output is None or d_last is None:
            return None, d_last if d_output is None else d_output, *others
        return None, d_output + d_last, *others

    def _masked_output(self, call: Call, last: Array) -> Array:
        """The last output: zero where the last step is masked and `zero_output_for_mask` says so."""
        if not self.zero_output_for_mask or call.mask is None:
            return last
        return np.where(call.mask[:, 0 if self.go_backwards else -1, None], last, 0)

    def _in_numpy(self, masks: Dropped) -> bool:
        """Whether this call is for the numpy twin: recurrent dropout, or an activation that the kernels do not know."""
        return masks[1] is not None or not _in_kernels(self.activation) or not _in_kernels(self.recurrent_activation)

    def _dropout_masks(self, batch: int, features: int) -> Dropped:
        """What multiplies the inputs (1 or G, B, F) and the state (G, B, H) of G gates; None: nothing is dropped."""
        generator = self._seeded or random.stream()
        gates = self.gates if self.recurrent_dropout else 1
        shapes = ((gates, batch, features), (gates, batch, self.units))
        on_x, on_h = (
            keep_mask(generator, shape, rate, self.dtype) if rate else None
            for shape, rate in zip(shapes, (self.dropout, self.recurrent_dropout), strict=True)
        )
        return on_x, on_h


def forward_side_by_side(
    first: Recurrent,
    second: Recurrent,
    calls: tuple[Call, Call],
    inputs: tuple[Array, ...],
    other_inputs: tuple[Array, ...],
) -> tuple[Any, Any]:
    """Outputs of two layers with the same kernels, which share the threads: a single row keeps two of them busy."""
    begun = first._begin(calls[0], *inputs), second._begin(calls[1], *other_inputs)
    if waiting := [arguments for arguments in begun if arguments is not None]:
        first._run(waiting)
    return first._end(calls[0]), second._end(calls[1])
