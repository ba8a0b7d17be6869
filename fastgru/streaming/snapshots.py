"""Sessions as bytes.

::

    magic               15 bytes  FASTGRUSESSIONS
    version             1 byte    1
    model               32 bytes  `Plan.fingerprint`
    sessions            uint64    k, below 2 ** 32
    states              k * state_numbers numbers of the plan's dtype
    checksum            32 bytes  SHA-256 of all that is before it

Numbers are little-endian. A snapshot is data: what is read from it is numbers, after all of it has been checked.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from fastgru import kernels
from fastgru.streaming.plan import Plan
from fastgru.types import Array

__all__ = ["read", "written"]

_MAGIC = b"FASTGRUSESSIONS"
_VERSION = 1
_DIGEST = 32
_COUNT = 8
_HEAD = len(_MAGIC) + 1 + _DIGEST + _COUNT


def written(plan: Plan, states: Array) -> bytes:
    """The bytes of sessions with these states (k, state_numbers)."""
    count = len(states).to_bytes(_COUNT, "little")
    numbers = states.astype(np.dtype(plan.dtype).newbyteorder("<"), copy=False).tobytes()
    body = b"".join((_MAGIC, bytes([_VERSION]), plan.fingerprint, count, numbers))
    return body + sha256(body).digest()


def read(plan: Plan, snapshot: bytes | bytearray | memoryview) -> Array:
    """The states (k, state_numbers) in a snapshot.

    Raises
    ------
    ValueError
        These are no bytes of a snapshot, or they are damaged, of another version or another model.
    """
    where = "Sessions.restore"
    if not isinstance(snapshot, (bytes, bytearray, memoryview)):
        raise ValueError(f"{where}: expected the bytes of `snapshot`, got {type(snapshot).__name__}.")
    view = memoryview(bytes(snapshot))  # those of a view, whatever its items and strides; nobody writes them meanwhile
    if view[: len(_MAGIC)] != _MAGIC or len(view) < _HEAD + _DIGEST:
        raise ValueError(f"{where}: these {len(view)} bytes are no snapshot of sessions, or only the beginning of one.")
    if view[len(_MAGIC)] != _VERSION:
        raise ValueError(f"{where}: the snapshot is of version {view[len(_MAGIC)]}, and {_VERSION} is read here.")
    if view[len(_MAGIC) + 1 : _HEAD - _COUNT] != plan.fingerprint:
        raise ValueError(
            f"{where}: the snapshot is of a model with other layers or other shapes than {plan.model.name!r}."
        )
    count = int.from_bytes(view[_HEAD - _COUNT : _HEAD], "little")
    numbers = np.dtype(plan.dtype).newbyteorder("<")
    expected = _HEAD + count * plan.state_numbers * numbers.itemsize + _DIGEST
    if len(view) != expected or count >> 32 or sha256(view[:-_DIGEST]).digest() != view[-_DIGEST:]:
        raise ValueError(f"{where}: the snapshot is damaged: expected {expected} bytes with their checksum.")
    states = np.frombuffer(view[_HEAD:-_DIGEST], numbers).reshape(count, plan.state_numbers)
    return kernels.contiguous(states, plan.dtype)
