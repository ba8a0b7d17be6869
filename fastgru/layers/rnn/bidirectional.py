"""A recurrent layer that reads the sequence in both directions (Schuster and Paliwal 1997)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.layers import options
from fastgru.layers.core.wrapper import SequenceWrapper
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.penalties import activity_penalty, run_backward, run_forward
from fastgru.layers.rnn.recurrent import Recurrent, forward_side_by_side
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["MERGE_MODES", "SAME", "Bidirectional"]

MERGE_MODES = ("concat", "sum", "mul", "ave", None)
SAME = ("stateful", "return_sequences", "return_state")


def _merge_mode(value: Any, where: str, name: str) -> Any:
    return checks.choice(value, MERGE_MODES, where, name)


@registered("keras.layers")
class Bidirectional(SequenceWrapper):
    """Run a recurrent layer over the sequence and a second one over the reversed sequence, and merge their outputs.

    Parameters
    ----------
    layer : GRU, LSTM, SimpleRNN or RNN
        Both directions are new layers with its options, called ``forward_<name>`` and ``backward_<name>``.
    merge_mode : {"concat", "sum", "mul", "ave", None}
        How the outputs are merged; None returns both.
    weights : list of array_like, optional
        First values of the weights, the forward layer's before the backward layer's.
    backward_layer : layer, optional
        To run backwards instead of a copy of `layer`; has the opposite `go_backwards`.

    Notes
    -----
    The outputs of the backward layer are put in the order of the input before they are merged. With
    `return_sequences` masked steps put out zeros, whatever the layer's `zero_output_for_mask` says, as in Keras.
    """

    inner = ("forward_layer", "backward_layer")

    merge_mode: str | None = options.option(_merge_mode)

    def __init__(
        self,
        layer: Layer,
        merge_mode: str | None = "concat",
        weights: Sequence[npt.ArrayLike] | None = None,
        backward_layer: Any = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        for inner in (layer, backward_layer or layer):
            if not isinstance(inner, Layer) or not all(hasattr(inner, option) for option in (*SAME, "go_backwards")):
                raise ValueError(f"{self._where}: expected a recurrent layer to wrap, got {inner!r}.")
        self._set_options(locals())
        self.forward_layer = _renewed(layer, "forward_")
        self.backward_layer = backward_layer or _renewed(layer, "backward_", go_backwards=True)
        if self.forward_layer.go_backwards == self.backward_layer.go_backwards:
            raise ValueError(
                f"{self._where}: the two layers must run in opposite directions, but both have "
                f"go_backwards={self.forward_layer.go_backwards}."
            )
        for option in SAME:
            forward, backward = (getattr(one, option) for one in (self.forward_layer, self.backward_layer))
            if forward != backward:
                raise ValueError(
                    f"{self._where}: the two layers must have the same {option}, got {forward} and {backward}."
                )
        self.stateful: bool = self.forward_layer.stateful
        self.return_sequences: bool = self.forward_layer.return_sequences
        self.return_state: bool = self.forward_layer.return_state
        self.forward_layer.zero_output_for_mask = self.return_sequences
        self.backward_layer.zero_output_for_mask = self.return_sequences
        self._settle_dtype(kwargs.get("dtype"))
        if weights is not None and not isinstance(weights, (list, tuple)):
            raise ValueError(f"{self._where}: expected a list of arrays as weights, got {weights!r}.")
        self._first_weights = weights

    def build(self, input_shape: Shape) -> None:
        for layer in self.sublayers:
            self._build_inner(layer, input_shape)
        shapes = [self._split(layer.compute_output_shape(input_shape))[0] for layer in self.sublayers]
        if self.merge_mode in ("sum", "mul", "ave") and shapes[0] != shapes[1]:
            raise ValueError(
                f"{self._where}: merge_mode {self.merge_mode!r} needs outputs of one shape, "
                f"got {shapes[0]} and {shapes[1]}."
            )
        if self._first_weights:
            self.set_weights(self._first_weights)
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Any:
        forward, backward = (self._split(layer.compute_output_shape(input_shape)) for layer in self.sublayers)
        return self._outputs(forward, backward, self._merged_shape(forward[0], backward[0]))

    def _merged_shape(self, forward: Shape, backward: Shape) -> Any:
        if self.merge_mode is None:
            return forward, backward
        last, other = forward[-1], backward[-1]
        assert last is not None and other is not None
        return (*forward[:-1], last + other) if self.merge_mode == "concat" else forward

    def _split(self, outputs: Any) -> tuple[Any, tuple[Any, ...]]:
        """The output of one direction and its states."""
        return (outputs[0], tuple(outputs[1:])) if self.return_state else (outputs, ())

    def _outputs(self, forward: Any, backward: Any, merged: Any) -> Any:
        """What the layer returns of both directions, each an output and its states."""
        outputs = (*(merged if self.merge_mode is None else (merged,)), *forward[1], *backward[1])
        return outputs if len(outputs) > 1 else outputs[0]

    def outgoing_mask(self, call: Call, *inputs: Array) -> Any:
        mask = call.mask if self.return_sequences else None
        return (mask, mask) if self.merge_mode is None else mask

    def check_inputs(self, *inputs: Array) -> None:
        if len(inputs) % 2 == 0:
            raise ValueError(
                f"{self._where}: expected as many initial states for either direction, got {len(inputs) - 1} in all."
            )
        forward, backward = _halves(inputs[1:])
        self.forward_layer.check_inputs(inputs[0], *forward)
        self.backward_layer.check_inputs(inputs[0], *backward)

    @property
    def sublayers(self) -> list[Layer]:
        return [self.forward_layer, self.backward_layer]

    @property
    def states(self) -> list[Array] | None:
        """The stored states of a stateful layer, the forward layer's first."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return [*forward, *backward] if forward and backward else None

    def reset_states(self) -> None:
        """Set the stored states to zero; an AttributeError where the layer is not stateful."""
        if not self.stateful:
            raise AttributeError(f"{self._where} is not stateful and has no states to reset.")
        super().reset_states()

    def forward(self, call: Call, *inputs: Array) -> Any:
        one, other = call.child(0), call.child(1)
        one.masks = other.masks = call.masks[:1]
        states, other_states = _halves(inputs[1:])
        first, second = self.forward_layer, self.backward_layer
        if isinstance(first, Recurrent) and type(first) is type(second):
            results = forward_side_by_side(
                first, second, (one, other), (inputs[0], *states), (inputs[0], *other_states)
            )
            penalty = activity_penalty(first, one, results[0]) + activity_penalty(second, other, results[1])
        else:
            ran = run_forward(first, one, inputs[0], *states), run_forward(second, other, inputs[0], *other_states)
            results, penalty = (ran[0][0], ran[1][0]), ran[0][1] + ran[1][1]
        forward, backward = self._split(results[0]), self._split(results[1])
        saved = call.saved
        call.penalty = penalty
        saved["states_are_inputs"] = len(inputs) > 1
        saved["states"] = len(forward[1]), len(backward[1])
        saved["outputs"] = both = forward[0], self._in_input_order(backward[0])
        return self._outputs(forward, backward, self._merged(call, *both))

    def gates_left(self, call: Call) -> Any:
        both: Any = self.forward_layer, self.backward_layer
        left = [layer.gates_left(call.child(index)) for index, layer in enumerate(both)]
        return dict(zip(("forward", "backward"), left, strict=True))

    def _in_input_order(self, y: Array) -> Array:
        """A sequence from the order of the backward layer to that of the input, or back."""
        return y[:, ::-1] if self.return_sequences else y

    def _merged(self, call: Call, forward: Array, backward: Array) -> Any:
        if self.merge_mode is None:
            return forward, call.contiguous("reversed", backward)
        if self.merge_mode == "concat":
            shape = (*forward.shape[:-1], forward.shape[-1] + backward.shape[-1])
            return np.concatenate((forward, backward), axis=-1, out=call.buffer("y", shape, self.dtype))
        y = call.buffer("y", forward.shape, self.dtype)
        if self.merge_mode == "mul":
            return np.multiply(forward, backward, out=y)
        np.add(forward, backward, out=y)
        return np.multiply(y, 0.5, out=y) if self.merge_mode == "ave" else y

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        count = 2 if self.merge_mode is None else 1
        number, number_backward = call.saved["states"]
        d_states = d_outputs[count:] or (None,) * (number + number_backward)
        d_both = zip(self._unmerged(call, *d_outputs[:count]), _at(d_states, number), strict=True)
        gradients = []
        for index, (d_output, d_lasts) in enumerate(d_both):
            child = call.child(index)
            child.input_gradient = call.input_gradient
            inner = run_backward(self.sublayers[index], child, d_output, *d_lasts)
            gradients.append(inner if call.saved["states_are_inputs"] else (inner,))
        (dx, *d_first), (dx_backward, *d_second) = gradients
        if call.input_gradient:
            dx += dx_backward
        return (dx, *d_first, *d_second) if call.saved["states_are_inputs"] else dx

    def _unmerged(
        self, call: Call, dy: Array | None, d_second: Array | None = None
    ) -> tuple[Array | None, Array | None]:
        """Gradients of the outputs of the forward and of the backward layer, each in its order."""
        forward, backward = call.saved["outputs"]
        if self.merge_mode is None:
            d_forward, d_backward = dy, d_second
        elif dy is None:
            return None, None
        elif self.merge_mode == "concat":
            d_forward, d_backward = dy[..., : forward.shape[-1]], dy[..., forward.shape[-1] :]
        elif self.merge_mode == "mul":
            d_forward, d_backward = dy * backward, dy * forward
        else:
            d_forward = d_backward = dy * 0.5 if self.merge_mode == "ave" else dy
        return (
            None if d_forward is None else call.contiguous("d_forward", d_forward),
            None if d_backward is None else call.contiguous("d_backward", self._in_input_order(d_backward)),
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        layer, merge_mode = config.pop("forward_layer"), config.pop("merge_mode")
        return {**config, "layer": layer, "merge_mode": merge_mode}  # `layer` is the name of the argument


def _halves(states: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return _at(states, len(states) // 2)


def _at(row: Sequence[Any], index: int) -> tuple[Sequence[Any], Sequence[Any]]:
    return row[:index], row[index:]


def _renewed(layer: Layer, prefix: str, **changes: Any) -> Any:
    """A layer with the options of another one and without its weights."""
    name = prefix + layer.name.removeprefix(prefix)
    new: Any = type(layer).from_config({**layer.get_config(), "name": name, **changes})
    new.zero_until_used = getattr(layer, "zero_until_used", False)  # which no config of Keras has
    return new
