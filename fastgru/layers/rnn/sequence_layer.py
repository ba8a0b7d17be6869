"""What layers over sequences share, whether the equations are theirs or those of cells: options and stored states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import tree
from fastgru.layers import options
from fastgru.layers.context import Context
from fastgru.layers.gated import Gated
from fastgru.layers.workspace import Call
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from fastgru.layers.rnn.session import Part

__all__ = ["SequenceLayer"]


class SequenceLayer(Gated):
    """Base of `GRU`, `LSTM`, `SimpleRNN` and `RNN`.

    A layer has no states of its own: those of a stateful one are its part of a `fastgru.layers.rnn.session.Session`.
    """

    return_sequences: bool = options.flag()
    return_state: bool = options.flag()
    go_backwards: bool = options.flag()
    stateful: bool = options.flag()
    unroll: bool = options.flag()
    zero_output_for_mask: bool = options.flag()

    # TensorFlow's rule: steps masked before the first used one put out 0, not the initial state
    zero_until_used = False
    _part: Part | None = None  # of a session, in a stateful layer that is built

    def get_initial_state(self, batch_size: int) -> Any:
        """The states that a sequence begins with where none are handed over."""
        raise NotImplementedError

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        return call.mask if self.return_sequences else None

    def _check_batch(self, input_shape: Shape) -> None:
        if self.stateful and input_shape[0] is None:
            raise ValueError(
                f"{self._where}: stateful=True needs a fixed batch size, got {input_shape}; "
                "give batch_shape=(batch, timesteps, features)."
            )

    @property
    def states(self) -> Any:
        """The states (B, H) that the last batch left, in a stateful layer that is built, as a list; else None."""
        return None if self._part is None else self._part.states

    @states.setter
    def states(self, states: Any) -> None:
        if self._part is None:
            raise AttributeError(f"{self._where}: there are no stored states to set, it is not stateful or not built.")
        shapes, new_shapes = (tree.map_structure(np.shape, one) for one in (self._part.states, states))
        if new_shapes != shapes:
            raise ValueError(f"{self._where}: expected states of shapes {shapes}, got {new_shapes}.")
        self._part.show(tree.map_structure(lambda state: np.array(state, self.dtype), states))

    def _begin(self, batch: int | None, first: Callable[[int], Any] | None = None) -> None:
        """Have the first states as the stored ones of a stateful layer that is built for a number of rows."""
        if self.stateful and batch is not None:
            from fastgru.layers.rnn.session import Part  # which most models do without

            states = (first or self.get_initial_state)(batch)
            self._part = Part(tree.map_structure(np.array, states), self._where)

    def _stored(self, run: Call | Context) -> Any:
        """The stored states that a call goes on from, by the `Call` or by the context it runs in; empty for none."""
        return self._part.read(run.version) if self.stateful and self._part is not None else ()

    def _store(self, run: Call | Context, states: Any) -> None:
        """Leave states, which nobody writes into any more, for the next call."""
        if self.stateful and self._part is not None:
            self._part.write(run.version, states)

    def _check_rows(self, x: Array, states: Sequence[Array] | None = None) -> None:
        """ValueError where stored states are of another number of rows: the kernels trust that they fit."""
        if states is None and self.stateful:
            states = self.states
        if states and len(states[0]) != len(x):
            raise ValueError(
                f"{self._where}: stateful=True was built for batches of {len(states[0])} rows, got {len(x)}."
            )

    def reset_states(self, states: Any = None) -> None:
        """Set the stored states of a stateful layer to zero, or to arrays as Keras 2 takes them."""
        if states is not None:
            self.states = states
        elif self._part is not None:
            self._part.show(tree.map_structure(np.zeros_like, self._part.states))

    def reset_state(self) -> None:
        """The same under Keras 3's name."""
        self.reset_states()
