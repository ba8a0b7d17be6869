"""How a recurrent layer runs on the compiled kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastgru import config, kernels, threads
from fastgru.layers.options import LayerOptions
from fastgru.layers.packing import Packing
from fastgru.layers.rnn.recurrent_weights import RecurrentWeights
from fastgru.layers.rnn.run import Run
from fastgru.layers.workspace import Call
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["CompiledRoute"]


def _bytes(mask: Array | None) -> Array | None:
    """A boolean mask as the kernels read it."""
    return None if mask is None else mask.view(np.uint8)


class CompiledRoute(RecurrentWeights):
    """The way of `Recurrent` through rnn.pxi; a layer with kernels of its own overrides what stands at the end."""

    _kernels: ClassVar[tuple[str, str, str]] = ("RNNCall", "rnn_forward", "rnn_backward")
    _no_states: ClassVar[tuple[None, ...]] = (None, None)  # one for each state that the kernels take

    def __init__(self, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._packing = Packing()

    def _padded(self, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """These states, or what is there for each of them, as the kernels and their twin take them."""
        return states + self._no_states[len(states) :]

    def _kernel_call(self, call: Call, run: Run) -> Any:
        """The call of the kernels, ready for its forward pass, which fills `run.y` and `run.lasts`."""
        x, tiles = run.x, config.multiplies_with_tiles()
        # the packing stands for the layer, which a call inside it must not keep alive
        kind = (
            self._packing, x.shape, tiles, call.differentiate, self.return_sequences, self.activation,
            self.recurrent_activation, self.go_backwards, self.zero_output_for_mask,
        )  # fmt: skip
        if run.kind != kind:
            run.kind = None  # an interrupt may come in between
            self._make_kernel_call(call, run, x.shape, tiles)
            run.kind = kind
        kernel_call = run.kernel_call
        if tiles and not call.differentiate:
            weights, kernel_call.packed = self._packing.read(call, self._weights, self._pack_size, self._pack)
        else:
            weights = tuple([call.value(weight) for weight in self._weights])
        kernel_call.x, kernel_call.mask, kernel_call.h0 = x, _bytes(call.mask), run.states[0]
        kernel_call.kernel, kernel_call.recurrent_kernel, kernel_call.bias = self._as_read(weights)
        if self.state_count == 2:
            kernel_call.c0 = run.states[1]
        return kernel_call

    def _make_kernel_call(self, call: Call, run: Run, shape: tuple[int, int, int], tiles: bool) -> None:
        """A call of the kernels with the memory that it works in.

        In training that is also memory where the kernels pack the weights, which change with every batch.
        """
        make = getattr(kernels.module(self.dtype), self._kernels[0])
        run.kernel_call = kernel_call = make(**self._kernel_options(), training=call.differentiate)
        size = self._memory_size(shape, tiles, call.differentiate)
        kernel_call.memory = call.buffer("memory", (size,), self.dtype)
        if tiles and call.differentiate:
            kernel_call.packed = call.buffer("packed", (self._pack_size(),), self.dtype)
        last = shape[0], self.units
        kernel_call.last = call.buffer("last", last, self.dtype)
        run.lasts = (kernel_call.last,)
        if self.state_count == 2:
            kernel_call.last_cell = call.buffer("last_cell", last, self.dtype)
            run.lasts += (kernel_call.last_cell,)
        run.y = call.buffer("y", (*shape[:2], self.units), self.dtype) if self.return_sequences else None
        kernel_call.y = run.y

    def _run_kernel(self, kernel_calls: list[Any]) -> None:
        """Run the forward pass of a call of the kernels, or of two side by side."""
        forward = getattr(kernels.module(self.dtype), self._kernels[1])
        if config.multiplies_with_tiles():  # even a context that does nothing takes a hundredth of a small model's call
            forward(kernel_calls, threads.get_num_threads())
            return
        with threads.one_blas_thread():
            forward(kernel_calls, threads.get_num_threads())

    def _backward_compiled(self, call: Call, run: Run, d_y: Array | None, *d_lasts: Array | None) -> Any:
        """Gradients of the inputs and of the initial states, None where they are not asked for."""
        kernel_call = run.kernel_call
        # a layer of the user's may have made them
        read = [None if d is None else kernels.contiguous(d, self.dtype) for d in (d_y, *d_lasts)]
        kernel_call.dy, kernel_call.d_last = read[:2]
        kernel_call.dx = call.buffer("dx", run.x.shape, self.dtype) if call.input_gradient else None
        d_states: list[Array | None] = [None] * self.state_count
        if run.states_are_inputs:
            names = ("dh0", "dc0")[: self.state_count]
            d_states = [call.buffer(name, (len(run.x), self.units), self.dtype) for name in names]
        kernel_call.dh0 = d_states[0]
        if self.state_count == 2:
            kernel_call.d_last_cell, kernel_call.dc0 = read[2], d_states[1]
        kernel_call.d_kernel, kernel_call.d_recurrent_kernel, kernel_call.d_bias = self._gradients()
        with threads.one_blas_thread(kernel_call.packed is None):
            getattr(kernels.module(self.dtype), self._kernels[2])(kernel_call, threads.get_num_threads())
        return kernel_call.dx, *(d_states if run.states_are_inputs else ())

    # --- what a layer with kernels of its own overrides -------------------------------------------

    def _pack_size(self) -> int:
        features, columns = self.kernel.shape
        return kernels.module(self.dtype).rnn_pack_size(features, self.units, columns)

    def _pack(self, packed: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None) -> None:
        kernels.module(self.dtype).rnn_pack(kernel, recurrent_kernel, packed)

    def _memory_size(self, shape: tuple[int, int, int], packed: bool, differentiate: bool) -> int:
        return kernels.module(self.dtype).rnn_memory(*shape, self.units, self.gate_count * self.units, differentiate)

    def _kernel_options(self) -> dict[str, Any]:
        return {
            "activation": self.activation.kernel_id,
            "recurrent_activation": self.recurrent_activation.kernel_id,
            "go_backwards": self.go_backwards,
            "zero_output_for_mask": self.zero_output_for_mask,
        }
