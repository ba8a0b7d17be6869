"""What one run of a recurrent layer works on."""

from __future__ import annotations

from typing import Any

from fastgru.layers.workspace import Call
from fastgru.types import Array

__all__ = ["DropoutMasks", "Run"]

DropoutMasks = tuple[Array | None, Array | None]  # what multiplies the inputs and the state of the gates


class Run:
    """What the forward pass of a recurrent layer sets, for the backward pass and for the next call of its kind.

    Attributes
    ----------
    x : (B, T, F) ndarray
        The inputs, after dropout where one mask serves all gates.
    states : tuple of (B, H) ndarray or None
        The initial states, one for each that the kernels take; None for zeros and for one that the layer does not have.
    states_are_inputs : bool
        They came with the call, and their gradients are asked for.
    dropout : tuple
    in_numpy : bool
        It ran in numpy, not on the kernels.
    y : (B, T, H) ndarray or None
        The states after all steps; None where only the last ones are returned.
    lasts : tuple of (B, H) ndarray
        The last states.
    started : (B, T, 1) or (B, 1) bool ndarray or None
        For each output whether a step was used so far; None where that makes no difference.
    steps
        What the numpy twin left of each step.
    kernel_call
        A `GRUCall` or an `RNNCall` of the kernels.
    kind : tuple or None
        What decides its options and the sizes of its memory, of `y` and of `lasts`: they stay for calls of one kind.
    """

    __slots__ = (
        "dropout", "in_numpy", "kernel_call", "kind", "lasts", "started", "states", "states_are_inputs", "steps",
        "x", "y",
    )  # fmt: skip
    x: Array
    states: tuple[Array | None, ...]
    states_are_inputs: bool
    dropout: DropoutMasks
    in_numpy: bool
    y: Array | None
    lasts: tuple[Array, ...]
    started: Array | None
    steps: Any
    kernel_call: Any
    kind: tuple[Any, ...] | None

    def __init__(self) -> None:
        self.kind = None

    @staticmethod
    def of(call: Call) -> Run:
        """The run that belongs to a call."""
        run: Run | None = call.saved.get("run")
        if run is None:
            run = call.saved["run"] = Run()
        return run
