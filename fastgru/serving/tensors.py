"""Tensors as the open inference protocol v2 writes them, in JSON and in bytes.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, and for bytes the extension
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/protocol/extension_binary_data.html
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from fastgru.serving.refusal import Refusal
from fastgru.types import Array

__all__ = ["DATATYPES", "as_json", "binary_size", "datatype_of", "of_json", "read", "written"]

# little-endian, whatever the machine is
DATATYPES = {
    "BOOL": np.dtype("?"),
    **{f"{'U' * unsigned}INT{8 * size}": np.dtype(f"<{'ui'[not unsigned]}{size}")
       for unsigned in (False, True) for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    "BYTES": np.dtype(object),
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}
MAX_AXES = 32
_LENGTH = struct.Struct("<I")


@cache
def datatype_of(dtype: Any) -> str:
    """The protocol's name of a dtype; strings of any kind are BYTES."""
    return "BYTES" if str(dtype) == "string" else _NAMES.get(np.dtype(dtype).newbyteorder("<"), "BYTES")


def binary_size(entry: Mapping[str, Any], where: str) -> int | None:
    """How many bytes behind the JSON are this tensor's; None where the JSON has its numbers."""
    parameters = entry.get("parameters") or {}
    if not isinstance(parameters, dict) or parameters.keys() - {"binary_data_size"}:
        raise Refusal(400, f"{where}: of parameters only 'binary_data_size' is supported, got {_short(parameters)}.")
    size = parameters.get("binary_data_size")
    if (size is None) == ("data" not in entry):
        raise Refusal(400, f"{where}: expected either 'data' or the parameter 'binary_data_size'.")
    if size is not None and not _is_count(size):
        raise Refusal(400, f"{where}: expected binary_data_size to be a number of bytes, got {_short(size)}.")
    return size


def read(entry: Mapping[str, Any], content: memoryview | None, where: str) -> Array:
    """The array of a tensor, from its bytes or, where there are none, from ``entry["data"]``.

    An array of bytes is read-only and shares their memory. BYTES are an array of str.

    Raises
    ------
    Refusal
        Shape, datatype and content do not agree, or a number does not fit into its datatype.
    """
    shape, datatype = entry.get("shape"), entry.get("datatype")
    if not isinstance(shape, list) or len(shape) > MAX_AXES or not all(map(_is_count, shape)):
        raise Refusal(400, f"{where}: expected shape to be a list of sizes, got {_short(shape)}.")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise Refusal(400, f"{where}: expected a datatype of {', '.join(DATATYPES)}, got {_short(datatype)}.")
    count = math.prod(shape)
    if content is None:
        values = of_json(entry["data"], datatype, where)
    elif datatype == "BYTES":
        values = _strings(content, count, where)
    elif len(content) == count * DATATYPES[datatype].itemsize:
        values = np.frombuffer(content, DATATYPES[datatype])
    else:
        raise Refusal(
            400,
            f"{where}: shape {shape} of {datatype} takes {count * DATATYPES[datatype].itemsize} bytes, "
            f"got {len(content)}.",
        )
    if values.size != count:
        raise Refusal(400, f"{where}: shape {shape} has {count} values, got {values.size}.")
    return values.reshape(shape)


def written(array: Array) -> bytes:
    """The bytes of an array."""
    if array.dtype.kind in "OUS":
        texts = [text if isinstance(text, bytes) else str(text).encode() for text in array.ravel().tolist()]
        return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))
    return array.astype(DATATYPES[datatype_of(array.dtype)], copy=False).tobytes()


def as_json(array: Array, where: str) -> list[Any]:
    """The flat list of an array's values.

    Raises
    ------
    Refusal
        There is a NaN or an infinity, for which JSON has no word.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Refusal(400, f"{where}: it has NaN or infinity, for which JSON has no word; ask for binary data.")
    values = array.ravel().tolist()
    return [value.decode() if isinstance(value, bytes) else value for value in values]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, (list, dict)) or len(value) < 20 else f"a {type(value).__name__}"
    return text if len(text) < 100 else f"{text[:100]}..."


def of_json(values: Any, datatype: str, where: str) -> Array:
    """Values of JSON, flat or nested in lists of equal lengths, each as it is in the datatype.

    Raises
    ------
    Refusal
        They are none.
    """
    if not isinstance(values, list):
        raise Refusal(400, f"{where}: expected data to be a list, got {_short(values)}.")
    try:
        array = np.array(values, object if datatype == "BYTES" else None)
    except (ValueError, OverflowError):  # lists of unequal lengths, or too deep
        array = np.array(None)
    if array.size == 0:
        return array.astype(DATATYPES[datatype])
    if datatype == "BYTES":
        is_right = all(isinstance(value, str) for value in array.ravel().tolist())
    else:
        is_right = array.dtype.kind in ("b" if datatype == "BOOL" else "iuf" if datatype[:2] == "FP" else "iu")
    typed = _converted(array, datatype) if is_right else array
    if not is_right or (datatype[:2] != "FP" and not (typed == array).all()):
        raise Refusal(
            400, f"{where}: expected data to be values of {datatype}, flat or nested in lists of equal lengths."
        )
    return typed


def _converted(array: Array, datatype: str) -> Array:
    with np.errstate(over="ignore"):  # a number beyond FP16 is its infinity, as in numpy
        return array.astype(DATATYPES[datatype])


def _strings(content: memoryview, count: int, where: str) -> Array:
    """Texts, each behind its number of bytes."""
    texts: list[str] = []
    start = 0
    while start < len(content) and len(texts) < count:
        stop = start + _LENGTH.size
        if stop <= len(content):
            (length,) = _LENGTH.unpack_from(content, start)
            start, stop = stop, stop + length
        if stop > len(content):
            raise Refusal(400, f"{where}: the bytes end inside of text {len(texts)}.")
        try:
            texts.append(str(content[start:stop], "utf-8"))
        except UnicodeDecodeError:
            raise Refusal(400, f"{where}: text {len(texts)} is not UTF-8.") from None
        start = stop
    if start < len(content):
        raise Refusal(400, f"{where}: there are {len(content) - start} bytes behind the {count} texts of its shape.")
    values = np.empty(len(texts), object)
    values[:] = texts
    return values
