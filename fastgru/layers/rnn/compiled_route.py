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

__all__ = ["CompiledRoute", "KernelCall"]

KernelCall = tuple[Any, ...]  # the arguments of a kernel's forward pass


def _bytes(mask: Array | None) -> Array | None:
    """A boolean mask as the kernels read it."""
    return None if mask is None else mask.view(np.uint8)


class CompiledRoute(RecurrentWeights):
    """The way of `Recurrent` through rnn.pxi; a layer with kernels of its own overrides what stands at the end."""

    _kernels: ClassVar[tuple[str, str]] = ("rnn_forward", "rnn_backward")
    _absent: ClassVar[tuple[None, ...]] = (None, None)  # one for each state that the kernels take

    def __init__(self, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._packing = Packing()

    def _padded(self, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """These states, or what is there for each of them, as the kernels and their twin take them."""
        return states + self._absent[len(states) :]

    def _kernel_call(self, call: Call, run: Run) -> KernelCall:
        """The arguments of the compiled forward pass, which fills `run.y` and `run.lasts`."""
        x = run.x
        tiles = config.multiplies_with_tiles()
        # the packing stands for the layer, which a call inside it must not keep alive
        kind = self._packing, x.shape, tiles, call.differentiate, self.return_sequences
        if run.kind != kind:
            run.kind = None  # an interrupt may come in between
            self._allocate(call, run, *kind[1:])
            run.kind = kind
        if tiles and not call.differentiate:
            weights, run.packed = self._packing.read(call, self._weights, self._pack_size, self._pack)
        else:
            weights = tuple([call.value(weight) for weight in self._weights])
        return (
            x, *self._as_read(weights), run.packed, *run.states, _bytes(call.mask), *self._kernel_options(),
            call.differentiate, run.memory, run.y, *self._padded(run.lasts),
        )  # fmt: skip

    def _allocate(
        self, call: Call, run: Run, shape: tuple[int, int, int], tiles: bool, differentiate: bool, sequences: bool
    ) -> None:
        """The memory of a compiled forward pass.

        In training that is also memory where the kernels pack the weights, which change with every batch.
        """
        last = shape[0], self.units
        size = self._memory_size(shape, tiles, differentiate)
        packs = tiles and differentiate
        run.packed = call.buffer("packed", (self._pack_size(),), self.dtype) if packs else None
        run.lasts = (call.buffer("last", last, self.dtype),)
        if self.state_count == 2:
            run.lasts += (call.buffer("last_cell", last, self.dtype),)
        run.memory = call.buffer("memory", (size,), self.dtype)
        run.y = call.buffer("y", (*shape[:2], self.units), self.dtype) if sequences else None

    def _run_kernel(self, kernel_calls: list[KernelCall]) -> None:
        """Run the forward pass of a call, or of two side by side."""
        forward = getattr(kernels.module(self.dtype), self._kernels[0])
        if config.multiplies_with_tiles():  # even a context that does nothing takes a hundredth of a small model's call
            forward(kernel_calls, threads.get_num_threads())
            return
        with threads.one_blas_thread():
            forward(kernel_calls, threads.get_num_threads())

    def _backward_compiled(self, call: Call, run: Run, d_y: Array | None, *d_lasts: Array | None) -> Any:
        """Gradients of the inputs and of the initial states, None where they are not asked for."""
        # a layer of the user's may have made them
        read = tuple([None if d is None else kernels.contiguous(d, self.dtype) for d in (d_y, *d_lasts)])
        dx = call.buffer("dx", run.x.shape, self.dtype) if call.input_gradient else None
        d_states: tuple[Array, ...] = ()
        if run.states_are_inputs:
            names = ("dh0", "dc0")[: self.state_count]
            d_states = tuple(call.buffer(name, (len(run.x), self.units), self.dtype) for name in names)
        with threads.one_blas_thread(run.packed is None):
            getattr(kernels.module(self.dtype), self._kernels[1])(
                run.x, call.value(self.kernel), call.value(self.recurrent_kernel), run.packed, *run.states,
                _bytes(call.mask), *self._kernel_options(), run.memory, read[0], *self._padded(read[1:]), dx,
                *self._padded(d_states), *self._gradients(), threads.get_num_threads(),
            )  # fmt: skip
        return dx, *d_states

    # --- what a layer with kernels of its own overrides -------------------------------------------

    def _pack_size(self) -> int:
        features, columns = self.kernel.shape
        return kernels.module(self.dtype).rnn_pack_size(features, self.units, columns)

    def _pack(self, packed: Array, kernel: Array, recurrent_kernel: Array, bias: Array | None = None) -> None:
        kernels.module(self.dtype).rnn_pack(kernel, recurrent_kernel, packed)

    def _memory_size(self, shape: tuple[int, int, int], packed: bool, differentiate: bool) -> int:
        return kernels.module(self.dtype).rnn_memory(*shape, self.units, self.gates * self.units, differentiate)

    def _kernel_options(self) -> tuple[Any, ...]:
        activation, recurrent_activation = self.activation.kernel_id, self.recurrent_activation.kernel_id
        return activation, recurrent_activation, self.go_backwards, self.zero_output_for_mask
