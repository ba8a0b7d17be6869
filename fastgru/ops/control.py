"""Loops and branches, in plain Python: a gradient goes through what was run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.ops import shaping
from fastgru.ops.op import values

__all__ = [
    "associative_scan",
    "cond",
    "fori_loop",
    "map",
    "scan",
    "switch",
    "vectorize",
    "vectorized_map",
    "while_loop",
]


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """``true_fn()`` where `pred`, one truth value, is true, else ``false_fn()``."""
    return true_fn() if bool(values(pred)) else false_fn()


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """What the branch at `index`, set to the nearest there is, makes of the operands."""
    place = min(max(int(values(index)), 0), len(branches) - 1)
    return branches[place](*operands)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[int, Any], Any], init_val: Any) -> Any:
    """``body_fun(i, value)`` of the last value, for i from `lower` to before `upper`."""
    value = init_val
    for i in range(int(values(lower)), int(values(upper))):
        value = body_fun(i, value)
    return value


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """`loop_vars` as `body` makes them of the last ones, while `cond` of them is true.

    Parameters
    ----------
    cond, body : callable
        Of the loop variables.
    loop_vars : a tuple or list of them, or one
    maximum_iterations : int, optional
    """
    is_nested = isinstance(loop_vars, (tuple, list))
    state = tuple(loop_vars) if is_nested else (loop_vars,)
    count = 0
    while bool(values(cond(*state))) and (maximum_iterations is None or count < maximum_iterations):
        new = body(*state)
        state = tuple(new) if isinstance(new, (tuple, list)) else (new,)
        count += 1
    return state if is_nested else state[0]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
) -> tuple[Any, Any]:
    """``carry, y = f(carry, x)`` for the entries along the first axis of `xs`.

    Parameters
    ----------
    f : callable
    init : a structure of arrays
        The first carry.
    xs : a structure of arrays, optional
        None: `f` is called with None, `length` times.
    length : int, optional
    reverse : bool
        Whether the last entry comes first.
    unroll
        Accepted for Keras's sake: a way to compute the same.

    Returns
    -------
    The last carry, and the outputs stacked along a new first axis (None where they are None).
    """
    if not callable(f):
        raise TypeError(f"scan: expected a function first, got {f!r}.")
    leaves = [] if xs is None else [shaping.as_tensor(x) for x in tree.flatten(xs)]
    if xs is None and length is None:
        raise ValueError("scan: expected xs or length, got neither.")
    count = len(leaves[0]) if length is None else int(length)
    if any(len(x) != count for x in leaves):
        raise ValueError(f"scan: expected {count} entries in each of xs, got {[len(x) for x in leaves]}.")
    carry, outputs = init, []
    columns = [shaping.unstack(x) for x in leaves]
    for step in reversed(range(count)) if reverse else range(count):
        entry = None if xs is None else tree.pack_sequence_as(xs, [column[step] for column in columns])
        carry, y = f(carry, entry)
        outputs.append(y)
    return carry, _stacked(outputs[::-1] if reverse else outputs)


def _stacked(outputs: list[Any]) -> Any:
    """Structures of one form as one structure of arrays, stacked along a new first axis."""
    if not outputs or outputs[0] is None:
        return None
    columns = zip(*[tree.flatten(y) for y in outputs], strict=True)
    return tree.pack_sequence_as(
        outputs[0],
        [None if column[0] is None else shaping.stack([shaping.as_tensor(x) for x in column]) for column in columns],
    )


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` of each entry along the first axis, stacked."""
    return scan(lambda _, x: (None, f(x)), None, xs)[1]


def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """`map`, whose entries do not depend on each other."""
    return map(function, elements)


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    """`pyfunc`, made for single numbers, as a function of arrays that are broadcast against each other."""
    if excluded is not None or signature is not None:
        raise ValueError("vectorize: excluded and signature are not supported by fastgru; write a loop with ops.map.")

    def function(*arguments: Any) -> Any:
        arrays = [shaping.as_tensor(x) for x in arguments]
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
        rows = [shaping.ravel(shaping.broadcast_to(x, shape)) for x in arrays]
        y = map(lambda entry: pyfunc(*entry), tuple(rows))
        return shaping.reshape(y, shape)

    return function


def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The results so far along an axis of an associative function of two entries."""
    moved = tree.map_structure(lambda x: shaping.moveaxis(shaping.as_tensor(x), axis, 0), elems)
    rows = [shaping.unstack(x) for x in tree.flatten(moved)]
    entries = [tree.pack_sequence_as(elems, list(row)) for row in zip(*rows, strict=True)]
    if reverse:
        entries.reverse()
    results = entries[:1]
    for entry in entries[1:]:
        # as in JAX, the function sees slices that still have the axis
        with_axis = [tree.map_structure(lambda x: shaping.expand_dims(x, 0), one) for one in (results[-1], entry)]
        results.append(tree.map_structure(lambda x: shaping.squeeze(x, 0), f(*with_axis)))
    if reverse:
        results.reverse()
    return tree.map_structure(lambda x: shaping.moveaxis(x, 0, axis), _stacked(results))
