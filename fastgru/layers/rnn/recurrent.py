"""What the recurrent layers share: everything but their equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.autodiff.tensor import tensor
from fastgru.layers.regularization.dropout import keep_mask
from fastgru.layers.rnn.numpy_route import NumpyRoute
from fastgru.layers.rnn.run import DropoutMasks, Run
from fastgru.layers.workspace import Call
from fastgru.moved import attributes
from fastgru.types import Array

__all__ = ["Recurrent", "forward_side_by_side"]


class Recurrent(NumpyRoute):
    """Base of the layers that carry a state over sequences (B, T, F).

    Options, weights and shapes are those of `RecurrentWeights`; a call takes the `CompiledRoute` or the `NumpyRoute`.
    """

    def __call__(  # type: ignore[override]  # the order of arguments is Keras's
        self,
        sequences: npt.ArrayLike,
        initial_state: Any = None,
        mask: npt.ArrayLike | None = None,
        training: bool | None = None,
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
        return super().__call__(sequences, *self._as_states(initial_state), mask=mask, training=training)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states (B, H), zeros, that a sequence begins with where none are handed over."""
        return [tensor(np.zeros((batch_size, self.units), self.dtype)) for _ in range(self.state_count)]

    def forward(self, call: Call, *inputs: Array) -> Any:
        if (kernel_call := self._prepare(call, *inputs)) is not None:
            self._run_kernel([kernel_call])
        return self._outputs(call)

    def _prepare(self, call: Call, *inputs: Array) -> Any:
        """The call of the kernels that is to run; None where numpy computes, and has."""
        x, states = inputs[0], inputs[1:]
        run = Run.of(call)
        run.states_are_inputs = bool(states)
        if not states and self.stateful:
            states = tuple(self._stored(call))
            self._check_rows(x, states)
        drops = call.training and (self.dropout or self.recurrent_dropout)
        run.dropout = dropout = self._dropout_masks(len(x), x.shape[2]) if drops else (None, None)
        run.x = x if (mask := self._one_mask(dropout)) is None else x * mask
        run.states = self._padded(states) if states else self._no_states
        run.in_numpy = self._is_for_numpy(dropout)
        if run.in_numpy:
            self._forward_in_numpy(call, run)
            return None
        return self._kernel_call(call, run)

    def _outputs(self, call: Call) -> Any:
        """What a call that has run returns."""
        run = Run.of(call)
        if self.stateful:
            self._store(call, [last.copy() for last in run.lasts])
        output: Any = run.y if self.return_sequences else self._masked_output(call, run.lasts[0])
        run.started = None
        if self.zero_until_used and run.states[0] is not None and call.mask is not None:
            run.started = self._started(call.mask)
            output = np.where(run.started, output, 0)
        return (output, *run.lasts) if self.return_state else output

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        run = Run.of(call)
        if run.started is not None and d_outputs[0] is not None:
            d_outputs = (np.where(run.started, d_outputs[0], 0), *d_outputs[1:])
        backward = self._backward_in_numpy if run.in_numpy else self._backward_compiled
        dx, *d_states = backward(call, run, *self._output_gradients(call, *d_outputs))
        if dx is not None and (mask := self._one_mask(run.dropout)) is not None:
            dx = dx * mask
        return (dx, *d_states) if run.states_are_inputs else dx

    def gates_left(self, call: Call) -> dict[str, Array]:
        if "run" not in call.saved:  # a class that is derived from this one, with a call of its own
            super().gates_left(call)
        run = Run.of(call)
        values = np.empty((len(self.gate_names), *run.x.shape[:2], self.units), self.dtype)
        if run.in_numpy:
            in_order = self._twin.gates(run.steps, *run.lasts)
            values[...] = in_order[:, :, ::-1] if self.go_backwards else in_order
        else:
            run.kernel_call.put_gates(values)
        gates = len(values) - self.state_count
        if gates and call.mask is not None and not call.mask.all():
            masked = ~call.mask  # steps that leave the states as they are: those before are those after
            states = values[gates:][::-1, masked]
            values[:gates, masked] = self._gates_of_steps(call, run.x[masked], *states)[:gates, :, 0]
        return dict(zip(self.gate_names, values, strict=True))

    # --- masks and dropout ------------------------------------------------------------------------

    def _started(self, mask: Array) -> Array:
        """For each output whether a step was used so far, in the order in which the steps are processed."""
        if not self.return_sequences:
            return np.asarray(mask.any(axis=1, keepdims=True))
        return np.asarray(np.logical_or.accumulate(mask[:, ::-1] if self.go_backwards else mask, axis=1)[..., None])

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

    def _dropout_masks(self, batch: int, features: int) -> DropoutMasks:
        """What multiplies the inputs (1 or G, B, F) and the state (G, B, H) of G gates; None: nothing is dropped."""
        generator = self._generator
        gates = self.gate_count if self.recurrent_dropout else 1
        shapes = ((gates, batch, features), (gates, batch, self.units))
        on_x, on_h = (
            keep_mask(generator, shape, rate, self.dtype, axis=1) if rate else None
            for shape, rate in zip(shapes, (self.dropout, self.recurrent_dropout), strict=True)
        )
        return on_x, on_h

    @staticmethod
    def _one_mask(dropout: DropoutMasks) -> Array | None:
        """The mask (B, 1, F) of the inputs where it serves all gates and steps."""
        on_x, on_h = dropout
        return None if on_x is None or on_h is not None else on_x[0][:, None, :]


def forward_side_by_side(
    first: Recurrent,
    second: Recurrent,
    calls: tuple[Call, Call],
    inputs: tuple[Array, ...],
    other_inputs: tuple[Array, ...],
) -> tuple[Any, Any]:
    """Outputs of two layers with the same kernels, which share the threads: a single row keeps two of them busy."""
    prepared = first._prepare(calls[0], *inputs), second._prepare(calls[1], *other_inputs)
    if kernel_calls := [kernel_call for kernel_call in prepared if kernel_call is not None]:
        first._run_kernel(kernel_calls)
    return first._outputs(calls[0]), second._outputs(calls[1])


__getattr__ = attributes(__name__)
