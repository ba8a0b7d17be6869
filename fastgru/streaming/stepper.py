"""A model step by step from C."""

from __future__ import annotations

from typing import Any

from fastgru import config
from fastgru.layers.workspace import Call
from fastgru.streaming.compiled import NotCompiled, compiled
from fastgru.streaming.plan import plan_of

__all__ = ["stepper"]


def stepper(model: Any) -> Any:
    """A model for programs in C, Cython and others that call C: steps without Python and without its lock.

    The step is that of `Sessions.step` with one session, to the bit; states and all other memory are the caller's.

    Parameters
    ----------
    model : Sequential or Functional
        As for `Sessions`, of layers that the kernels step by themselves, which docs/howto/streaming.md lists.

    Returns
    -------
    PyCapsule
        Named ``"fastgru.stream"``, of a ``fastgru_stream`` as ``fastgru_stream.h`` describes it, in the folder that
        `fastgru.get_include` tells; in Cython ``fastgru.streaming.c_stream`` has it. Several outputs of the model stand
        one behind the other. The weights are those of now: for others ask for another.

    Raises
    ------
    ValueError
        The model cannot stream, or a layer of it runs in numpy; the message names the layer.
    """
    plan = plan_of(model)
    call = Call()
    call.version.values = model.latest_values()
    try:
        with config.tiles_in_this_thread():
            return compiled(plan, call).capsule()
    except NotCompiled as reason:
        raise ValueError(f"stepper: model {model.name!r} runs in Python: {reason}.") from None
