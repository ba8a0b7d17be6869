"""Sequences of unequal length as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.types import Array

__all__ = ["pad_sequences"]


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: npt.DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float | str = 0.0,
) -> Array:
    """Bring sequences to one length: short ones are filled up, long ones are cut.

    Parameters
    ----------
    sequences : list of sequences
        Of numbers, or of arrays of one shape (a sequence of vectors is of the shape (steps, features)).
    maxlen : int, optional
        The length; that of the longest sequence where absent.
    dtype : dtype
        Of the result; `object` for texts of any length.
    padding, truncating : {"pre", "post"}
        At which end a sequence is filled up, and at which it is cut.
    value : float or str
        With which it is filled up.

    Returns
    -------
    (len(sequences), maxlen, ...) ndarray

    Raises
    ------
    ValueError
        What is to be padded is no list of sequences, or these are of different inner shapes.
    """
    _check(sequences, dtype, padding, truncating, value)
    if maxlen is not None:
        maxlen = checks.count(maxlen, "pad_sequences", "maxlen")
    first = next((sequence for sequence in sequences if len(sequence)), ())
    inner_shape = np.asarray(first).shape[1:]
    if maxlen is None:
        maxlen = max(map(len, sequences), default=0)
    padded = np.full((len(sequences), maxlen, *inner_shape), value, dtype)
    for row, sequence in enumerate(sequences):
        if not len(sequence) or not maxlen:
            continue
        steps = np.asarray(sequence[-maxlen:] if truncating == "pre" else sequence[:maxlen], dtype)
        if steps.shape[1:] != inner_shape:
            raise ValueError(
                f"pad_sequences: Shape of sample {steps.shape[1:]} of sequence at position {row} is different from "
                f"expected shape {inner_shape}."
            )
        padded[row, slice(len(steps)) if padding == "post" else slice(-len(steps), None)] = steps
    return padded


def _check(sequences: Any, dtype: npt.DTypeLike, padding: str, truncating: str, value: float | str) -> None:
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences: `sequences` must be iterable, a list of lists, got {sequences!r}.")
    for name, side in (("Truncating", truncating), ("Padding", padding)):
        if side not in ("pre", "post"):
            raise ValueError(f'pad_sequences: {name} type "{side}" not understood; it is "pre" or "post".')
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(
                "pad_sequences: `sequences` must be a list of iterables. Found non-iterable: "
                f"{sequence}; a single sequence goes in as [sequence]."
            )
    if isinstance(value, str) and np.dtype(dtype).kind not in "OUS":
        raise ValueError(
            f"pad_sequences: `dtype` {dtype} is not compatible with `value`'s type: {type(value)}; "
            "set `dtype=object` for variable length strings."
        )
