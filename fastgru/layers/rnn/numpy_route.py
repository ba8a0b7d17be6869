"""How a recurrent layer runs in numpy: with recurrent dropout, and with activations that the kernels do not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fastgru import threads
from fastgru.activations import Activation
from fastgru.layers.rnn.compiled_route import CompiledRoute
from fastgru.layers.rnn.run import DropoutMasks, Run
from fastgru.layers.workspace import Call
from fastgru.types import Array

__all__ = ["NumpyRoute", "Twin"]


def _in_kernels(activation: Activation) -> bool:
    """Whether the kernels know it as a function of one number, as a gate's must be; softmax is one of a row."""
    return activation.kernel_id is not None and activation.name != "softmax"


class Twin(NamedTuple):
    """What the kernels' numpy twin of a layer offers."""

    options: Callable[..., Any]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    gates: Callable[..., Any]


class NumpyRoute(CompiledRoute):
    """The way of `Recurrent` through the kernels' numpy twin, which takes and returns what they do."""

    @property
    def _twin(self) -> Twin:
        # few layers run in numpy: what they run on is loaded when one does
        from fastgru.kernels.reference import rnn as reference

        return Twin(reference.RNNOptions, reference.rnn_forward, reference.rnn_backward, reference.rnn_gates)

    def _is_for_numpy(self, dropout: DropoutMasks) -> bool:
        in_kernels = _in_kernels(self.activation) and _in_kernels(self.recurrent_activation)
        return dropout[1] is not None or not in_kernels

    def _forward_in_numpy(self, call: Call, run: Run) -> None:
        weights = tuple([call.value(weight) for weight in self._weights])
        with threads.one_blas_thread():
            run.y, *lasts, run.steps = self._twin.forward(
                run.x, *self._as_read(weights), *run.states, call.mask, self._options(run.dropout)
            )
        run.lasts, run.kind = tuple(lasts[: self.state_count]), None

    def _backward_in_numpy(self, call: Call, run: Run, d_y: Array | None, *d_lasts: Array | None) -> Any:
        kernel, recurrent_kernel = call.value(self.kernel), call.value(self.recurrent_kernel)
        with threads.one_blas_thread():
            dx, *d_states, d_kernel, d_recurrent_kernel, d_bias = self._twin.backward(
                kernel, recurrent_kernel, self._options(run.dropout), run.steps, d_y, *self._padded(d_lasts)
            )
        run.steps = None
        for gradient, new in zip(self._gradients(), (d_kernel, d_recurrent_kernel, d_bias), strict=True):
            if gradient is not None:
                gradient += new
        return dx, *d_states[: self.state_count]

    def _gates_of_steps(self, call: Call, x: Array, *states: Array) -> Array:
        """What `gates_left` holds (G, N, 1, H) of N single steps from x (N, F) and the states before (N, H)."""
        weights = tuple([call.value(weight) for weight in self._weights])
        options = self._options((None, None))
        with threads.one_blas_thread():
            _, *lasts, steps = self._twin.forward(
                x[:, None], *self._as_read(weights), *self._padded(states), None, options
            )
            return self._twin.gates(steps, *lasts)

    def _options(self, dropout: DropoutMasks) -> Any:
        """How the twin runs."""
        return self._twin.options(**self._twin_options(dropout))

    def _twin_options(self, dropout: DropoutMasks) -> dict[str, Any]:
        on_x, on_h = dropout if dropout[1] is not None else (None, None)
        return {
            "activation": self.activation,
            "recurrent_activation": self.recurrent_activation,
            "go_backwards": self.go_backwards,
            "zero_output_for_mask": self.zero_output_for_mask,
            "input_dropout": on_x,
            "recurrent_dropout": on_h,
        }
