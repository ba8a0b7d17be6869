"""`.safetensors`: the length of a header (8 bytes), the header (JSON: each array's dtype, shape, place), the numbers.

The format: https://github.com/huggingface/safetensors#format. fastgru writes an array under the path of its owner in a
`.weights.h5` file and the weight's name, `layers/gru/cell/kernel`, and says so in the header; other files are taken for
state dicts of PyTorch, whose arrays the format sorts by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import fastgru
from fastgru import atomic
from fastgru.saving.formats import json_text, numbers, state_dict, weights_h5
from fastgru.saving.report import reading
from fastgru.saving.stored import WRITER, Array, ArrayInMemory, FilePath, StoredArray, StoredModel, writer

METADATA = "__metadata__"
MAX_AXES = 16
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": numbers.BFLOAT16, "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def stored_model(file: str, source: FilePath | bytes) -> StoredModel:
    """The weights in the file at a path, or of these bytes; `file` is its name in error messages."""
    with reading(file):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        size = int.from_bytes(data[:8], "little")
        if size > min(len(data) - 8, json_text.MAX_TEXT):
            raise ValueError(f"its header of {size} bytes is larger than the file, or than {json_text.MAX_TEXT} bytes")
        header = json_text.parsed(data[8 : 8 + size], file, "header") or {}
        metadata = header.pop(METADATA, {})
        arrays = list(_arrays(file, header, memoryview(data)[8 + size :]))
        if not isinstance(metadata, dict) or WRITER not in metadata:
            return state_dict.stored(file, ".safetensors", arrays, in_order=False)
        owners: dict[str, list[StoredArray]] = {}
        for name, array in arrays:
            owners.setdefault(name.rpartition("/")[0], []).append(array)
        return StoredModel(
            file=file,
            format=".safetensors",
            written_by=f"{writer(metadata[WRITER], 'safetensors')} (weights alone)",
            arrays=owners,
            by_weight_name=True,
            weights_file=file,
        )


def _arrays(file: str, header: Mapping[str, Any], data: memoryview) -> Iterator[tuple[str, StoredArray]]:
    """The arrays of real numbers, each with its name; all places are checked, also those of others."""
    end = 0
    for name, entry in sorted(header.items(), key=_place):
        with reading(file, name):
            if entry.get("dtype") not in DTYPES:
                raise ValueError(f"has the dtype {str(entry.get('dtype'))[:40]!r}, which fastgru does not read")
            dtype, shape, (start, stop) = DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
            if len(shape) > MAX_AXES or not all(type(axis) is int and axis >= 0 for axis in shape):
                raise ValueError("has a shape that no array has")
            if not end == start <= stop <= len(data):
                raise ValueError(f"stands at bytes {start} to {stop}, where byte {end} comes next of {len(data)}")
            if stop - start != math.prod(shape) * numbers.item_size(dtype):
                raise ValueError(f"has the shape {shape} and {stop - start} bytes, which do not fit")
            end = stop
            if numbers.is_real(dtype):
                yield name, ArrayInMemory(file, name, numbers.from_bytes(data[start:stop], dtype, shape))


def _place(item: tuple[str, Any]) -> tuple[int, int]:
    name, entry = item
    place = entry.get("data_offsets") if isinstance(entry, dict) else None
    if not isinstance(place, list) or len(place) != 2 or not all(type(number) is int for number in place):
        raise ValueError(f"the array {name[:80]!r} has no place, which is two numbers")
    return place[0], place[1]


# --- writing ----------------------------------------------------------------------------------------------------------


def write_safetensors(path: FilePath, arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays under their names, and texts about them, to a path in one step.

    Parameters
    ----------
    path : str or path
    arrays : mapping
        Of float16, float32, float64, integers or bool.
    metadata : mapping of str to str
    """
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items() if dtype != numbers.BFLOAT16}
    header: dict[str, Any] = {METADATA: dict(metadata)}
    blocks: list[bytes] = []
    end = 0
    # the format's own writer puts the widest numbers first, so that all are aligned
    for name, value in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        if value.dtype not in names:
            raise ValueError(
                f"{path}: the array {name!r} has the dtype {value.dtype}, which .safetensors does not have"
            )
        blocks.append(np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes())
        place = [end, end := end + len(blocks[-1])]
        header[name] = {"dtype": names[value.dtype], "shape": list(value.shape), "data_offsets": place}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    atomic.write(path, [len(text).to_bytes(8, "little"), text, *blocks])


def write_model(path: FilePath, model: Any, skipped: frozenset[int] = frozenset()) -> None:
    """Write the weights of a model; layers whose `id` is in `skipped` are left out."""
    arrays = {}
    for owner, layer, weights in weights_h5.places(model):
        if id(layer) not in skipped:
            for name, weight in zip(weights_h5.weight_names(weights), weights, strict=True):
                arrays[f"{owner}/{name}".lstrip("/")] = weight.value
    write_safetensors(path, arrays, {WRITER: fastgru.__version__})
