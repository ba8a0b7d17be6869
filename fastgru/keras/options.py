"""What of a Keras layer the kernels are told, whatever computes beside them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PassOptions"]


class PassOptions(NamedTuple):
    """What of a recurrent layer stays the same from call to call.

    Attributes
    ----------
    kernels : {"gru", "rnn"}
        Those of the GRU, or those that the LSTM is computed with.
    activation, recurrent_activation : int
        Their numbers in `activation_ids`.
    sequences : bool
        Whether the states after all steps are asked for.
    """

    kernels: str
    activation: int
    recurrent_activation: int
    go_backwards: bool
    zero_output_for_mask: bool
    reset_after: bool
    sequences: bool
