"""CRC-32C, the checksum of TensorFlow's files, for many bytes at a time.

Python's `zlib` has another polynomial. A checksum is linear in the bits: what stands before others only adds its own
state, moved on by as many zero bytes as follow. So the bytes are cut into lanes, numpy moves all lanes on byte by byte,
and neighbours are joined. RFC 3720, appendix B.4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POLYNOMIAL = 0x82F63B78  # of Castagnoli, its bits reversed
LANE = 512  # bytes, at most; of one lane when there are few
ONES = 0xFFFFFFFF

States = npt.NDArray[np.uint32]


def _table() -> States:
    states = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        states = np.bitwise_xor(states >> 1, np.uint32(POLYNOMIAL) * (states & 1), dtype=np.uint32)
    return states


_TABLE = _table()


def checksum(data: bytes | memoryview, before: int = 0) -> int:
    """The checksum of bytes that stand behind others whose checksum is `before`."""
    values = np.frombuffer(data, np.uint8)
    start = np.array([before ^ ONES], np.uint32)
    return int((_moved(start, len(values)) ^ _from_zero(values))[0]) ^ ONES


def masked(crc: int) -> int:
    """A checksum as TensorFlow stores it, so that one of bytes that hold checksums is sound too."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & ONES


def _from_zero(values: npt.NDArray[np.uint8]) -> States:
    """The state after these bytes where it was 0 before them."""
    lanes = 1 << max(0, (len(values) - 1) // LANE).bit_length()
    length = -(-len(values) // lanes)
    padded = np.zeros(lanes * length, np.uint8)  # zero bytes in front leave a state of 0 as it is
    padded[len(padded) - len(values) :] = values
    states = np.zeros(lanes, np.uint32)
    for column in np.ascontiguousarray(padded.reshape(lanes, length).T):
        states = _TABLE[(states ^ column) & 0xFF] ^ (states >> 8)
    while len(states) > 1:
        states = _moved(states[::2], length) ^ states[1::2]
        length *= 2
    return states


def _moved(states: States, count: int) -> States:
    """The states after that many zero bytes."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    step = _TABLE[bits & 0xFF] ^ (bits >> 8)  # what one zero byte makes of each bit
    while count:
        if count & 1:
            states = _applied(step, states)
        step = _applied(step, step)
        count >>= 1
    return states


def _applied(step: States, states: States) -> States:
    """States after a step that is told by what it makes of each bit."""
    bits = states[:, None] >> np.arange(32, dtype=np.uint32) & 1
    return np.bitwise_xor.reduce(bits * step, axis=1)
