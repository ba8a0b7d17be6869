"""What can be looked at in a recurrent layer: its gates and states at every step."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from fastgru.layers.layer import Layer
from fastgru.layers.workspace import Call

__all__ = ["Gated"]


def _depth(value: Any) -> int:
    """Axes of an array, or of the array that nested lists would make."""
    if isinstance(value, (list, tuple)):
        return 1 + (_depth(value[0]) if value else 0)
    return len(getattr(value, "shape", ()))


class Gated(Layer):
    """Base of the layers over sequences.

    A layer that can show its gates defines `gates_left`.
    """

    def gates(self, sequences: npt.ArrayLike, initial_state: Any = None, mask: npt.ArrayLike | None = None) -> Any:
        """The gates and states of every step, dropout off; the layer, its stored states included, stays as it is.

        Parameters
        ----------
        sequences : (B, T, F) array_like
            A layer that is not built is built for them.
        initial_state : (B, H) array_like, or a list of as many as the layer has states, optional
            Zeros, or the stored states of a stateful layer, where absent.
        mask : (B, T) bool array_like, optional
            True where a step counts.

        Returns
        -------
        dict of str to (B, T, H) ndarray
            In the layer's dtype, and in the order of the input: what stands at ``[:, t]`` belongs to ``sequences[:,
            t]``. A layer that goes backwards comes there from ``t + 1``, and its last state stands at ``[:, 0]``.

            - `GRU`: ``update`` (the share of the state that stays), ``reset``, ``candidate``, ``state``
            - `LSTM`: ``input``, ``forget``, ``candidate``, ``output``, ``cell``, ``state``
            - `SimpleRNN`: ``state``
            - `Bidirectional`: ``forward`` and ``backward``, each a dict of these
            - `RNN`: the dict of its cell; of several cells a dict of these by the cells' names

            ``state`` is the state after the step; a masked step repeats the state, and the cell, before it, and its
            gates are what they would have been.

        Raises
        ------
        ValueError
            The inputs do not fit the layer, or its steps run in Python: a cell of one's own, or ConvLSTM1D.
        """
        states = self._as_states(initial_state)
        arrays = self.as_inputs((sequences, *states))
        if not self.built:
            self.build(arrays[0].shape)
        self.check_inputs(*arrays)
        if mask is None and not states:
            mask = getattr(sequences, "_keras_mask", None)
        masks = () if mask is None else (self.as_mask(mask, arrays[0]),)
        call = self._acquired_call(False, masks, differentiate=True)
        call.version.outer = None
        try:
            self.forward(call, *arrays)
        finally:
            call.version.forget()
        return self.gates_left(call)

    @staticmethod
    def _as_states(initial_state: Any) -> list[Any]:
        """The states in an `initial_state`, which may be None."""
        several = isinstance(initial_state, (list, tuple)) and _depth(initial_state) != 2  # else rows of one state
        return [state for state in (initial_state if several else [initial_state]) if state is not None]

    def gates_left(self, call: Call) -> Any:
        """What `gates` returns, of the last forward pass with a call that is to `differentiate`."""
        raise ValueError(f"{self._where}: its steps run op by op in Python, and leave no gates that could be shown.")
