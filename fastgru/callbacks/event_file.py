"""Event files, which TensorBoard reads: records with checksums, each one message of Protocol Buffers.

Only what is written here is described here; the messages are TensorFlow's event.proto, summary.proto and tensor.proto.
"""

from __future__ import annotations

import os
import platform
import struct
import time
import zlib
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np

from fastgru.types import Array

__all__ = ["EventFile", "histogram", "images", "scalar", "text"]

_files = count()  # of this process

# --- records ----------------------------------------------------------------------------------------------------------


def _table() -> list[int]:
    """The remainders of single bytes by Castagnoli's polynomial, bits reversed."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC32C = _table()


def _masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    # TensorFlow's mask: a checksum of data that hold checksums of their own would be a weak one
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


class EventFile:
    """A new event file in a folder, which is made where it is absent.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{platform.node()}.{os.getpid()}.{next(_files)}.v2"
        self._file = (folder / name).open("xb")
        self._write(_message((1, time.time()), (3, "brain.Event:2")))

    def add(self, step: int, value: bytes) -> None:
        """Write what one of the functions below made."""
        self._write(_message((1, time.time()), (2, int(step)), (5, _message((1, value)))))

    def flush(self) -> None:
        """Let readers see what was written."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._file.write(length + _masked_crc(length) + event + _masked_crc(event))


# --- messages ---------------------------------------------------------------------------------------------------------


def _varint(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def _message(*fields: tuple[int, int | float | str | bytes]) -> bytes:
    """Fields by their numbers: whole numbers, doubles, text, and messages or bytes."""
    data = b""
    for number, value in fields:
        if isinstance(value, int):
            data += _varint(number << 3) + _varint(value)
        elif isinstance(value, float):
            data += _varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            content = value.encode() if isinstance(value, str) else value
            data += _varint(number << 3 | 2) + _varint(len(content)) + content
    return data


def _value(tag: str, plugin: str, tensor: bytes, data_class: int, content: bytes = b"") -> bytes:
    """A tensor, and which part of TensorBoard shows it."""
    plugin_data = _message((1, plugin), *([(2, content)] if content else []))
    return _message((1, tag), (9, _message((1, plugin_data), (4, data_class))), (8, tensor))


_SCALAR, _TENSOR, _BLOBS = 1, 2, 3  # classes of data
_FLOAT, _DOUBLE, _STRING = 1, 2, 7  # types


def _tensor(kind: int, array: Array) -> bytes:
    shape = b"".join(_message((2, _message((1, size)))) for size in array.shape)
    return _message((1, kind), (2, shape), (4, array.tobytes()))


def _strings(values: Sequence[bytes], shape: bytes) -> bytes:
    return _message((1, _STRING), (2, shape), *((8, value) for value in values))


def scalar(tag: str, value: float) -> bytes:
    """A number."""
    return _value(tag, "scalars", _tensor(_FLOAT, np.asarray(value, "<f4")), _SCALAR)


def text(tag: str, plugin: str, value: str, version: bytes) -> bytes:
    """A text for a part of TensorBoard."""
    return _value(tag, plugin, _strings([value.encode()], b""), _TENSOR, version)


def histogram(tag: str, values: Array, buckets: int = 30) -> bytes:
    """How many of the values lie in each of as many equal parts of their range."""
    numbers = np.asarray(values, "f8").ravel()
    numbers = numbers[np.isfinite(numbers)]
    rows = np.zeros((buckets, 3))
    if numbers.size and numbers.min() == numbers.max():
        rows[:, :2] = numbers[0]
        rows[-1, 2] = numbers.size
    elif numbers.size:
        counts, edges = np.histogram(numbers, buckets)
        rows = np.stack([edges[:-1], edges[1:], counts], axis=1)
    return _value(tag, "histograms", _tensor(_DOUBLE, rows.astype("<f8")), _TENSOR)


def images(tag: str, batch: Array) -> bytes:
    """The first three of images (N, height, width, 1 or 3 or 4) of numbers from 0 to 1."""
    pixels = np.clip(batch[:3] * 255.5, 0, 255).astype(np.uint8)  # as TensorFlow rounds
    _, height, width, _ = pixels.shape
    strings = [str(width).encode(), str(height).encode(), *map(_png, pixels)]
    return _value(tag, "images", _strings(strings, _message((2, _message((1, len(strings)))))), _BLOBS)


def _png(pixels: Array) -> bytes:
    height, width, channels = pixels.shape
    colors = {1: 0, 3: 2, 4: 6}[channels]
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # 0: unfiltered

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, colors, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows.tobytes())), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
