"""What layers over sequences share, whether the equations are theirs or those of cells: options and stored states."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastgru.layers import options
from fastgru.layers.gated import Gated
from fastgru.layers.workspace import Call
from fastgru.types import Array, Shape

__all__ = ["SequenceLayer"]


class SequenceLayer(Gated):
    """Base of `GRU`, `LSTM`, `SimpleRNN` and `RNN`.

    Attributes
    ----------
    states : list of (B, H) ndarray or None
        Those that the last batch left, in a stateful layer that is built.
    """

    return_sequences: bool = options.flag()
    return_state: bool = options.flag()
    go_backwards: bool = options.flag()
    stateful: bool = options.flag()
    unroll: bool = options.flag()
    zero_output_for_mask: bool = options.flag()

    # TensorFlow's rule: steps masked before the first used one put out 0, not the initial state
    zero_until_used = False
    states: list[Array] | None = None

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        return call.mask if self.return_sequences else None

    def _check_batch(self, input_shape: Shape) -> None:
        if self.stateful and input_shape[0] is None:
            raise ValueError(
                f"{self._where}: stateful=True needs a fixed batch size, got {input_shape}; "
                "give batch_shape=(batch, timesteps, features)."
            )

    def _store_zeros(self, batch: int | None, sizes: Iterable[int]) -> None:
        """Make the stored states of a stateful layer."""
        if self.stateful and batch is not None:
            self.states = [np.zeros((batch, size), self.dtype) for size in sizes]

    def _check_rows(self, x: Array) -> None:
        """ValueError where the stored states are of another number of rows: the kernels trust that they fit."""
        if self.stateful and self.states is not None and len(self.states[0]) != len(x):
            raise ValueError(
                f"{self._where}: stateful=True was built for batches of {len(self.states[0])} rows, got {len(x)}."
            )

    def reset_states(self) -> None:
        """Set the stored states of a stateful layer to zero."""
        for state in self.states or []:
            state[...] = 0

    def reset_state(self) -> None:
        """The same under Keras 3's name."""
        self.reset_states()
