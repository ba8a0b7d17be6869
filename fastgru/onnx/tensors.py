"""The arrays of an ONNX file: inside it, or in a file beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.onnx.schema import DTYPES, EXTERNAL, NUMBERS
from fastgru.types import Array

__all__ = ["Beside", "array_of", "tensor_of"]

_MAX_AXES = 32
# where the numbers of a tensor stand that are not raw bytes, by its dtype
_FIELDS = {"float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint32": "uint64_data",
           "uint64": "uint64_data"}  # fmt: skip


class Beside:
    """The files beside an ONNX file, of which its external tensors may read as many bytes as there are, together.

    Parameters
    ----------
    folder : Path, optional
        That of the ONNX file; without it no tensor is read.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._sizes: dict[Path, int] = {}  # of the files of which tensors were read
        self._read = 0

    def data(self, tensor: dict[str, Any], size: int, where: str) -> bytes:
        """The bytes of a TensorProto, `size` of them; `where` is how error messages call it."""
        entries = {entry["key"]: entry["value"] for entry in tensor["external_data"]}
        location = entries.get("location", "")
        path = self._path(location, where)
        available = self._sizes.setdefault(path, path.stat().st_size)
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
        if length != size or offset < 0 or offset + size > available:
            raise ValueError(f"{where} needs {size} bytes from place {offset} of {location!r}, which has {available}")
        self._read += size
        if self._read > sum(self._sizes.values()):
            raise ValueError(
                f"{where} and those before it need {self._read} bytes of files that hold {sum(self._sizes.values())}; "
                "give each tensor bytes of its own"
            )
        with path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)

    def _path(self, location: str, where: str) -> Path:
        """The file of a tensor, in the folder."""
        if self._folder is None:
            raise ValueError(
                f"{where} stands in the file {location!r} beside it; give the path of the model, not its bytes"
            )
        path = (self._folder / location).resolve()
        if not location or not path.is_relative_to(self._folder.resolve()):
            raise ValueError(
                f"{where} stands in {location!r}, which is outside of the model's folder and is not opened"
            )
        if not path.is_file():
            raise ValueError(
                f"{where} stands in {location!r}, which is not beside the model; copy both into one folder"
            )
        return path


def array_of(tensor: dict[str, Any], beside: Beside) -> Array:
    """The numbers of a TensorProto; float16 as float32.

    Parameters
    ----------
    tensor : dict
    beside : Beside
        Where the numbers of external tensors stand.

    Raises
    ------
    ValueError
        The tensor holds another number of bytes than its shape says, its file lies elsewhere, or external tensors read
        the same bytes again.
    """
    name, shape = tensor["name"], tuple(tensor["dims"])
    where = f"its tensor {name!r}"
    if tensor["data_type"] not in DTYPES:
        raise ValueError(f"{where} is of the data type {tensor['data_type']}, which fastgru does not read")
    if len(shape) > _MAX_AXES or any(size < 0 for size in shape):
        raise ValueError(f"{where} has the impossible shape {shape}")
    dtype = np.dtype(DTYPES[tensor["data_type"]])
    count = math.prod(shape)
    if tensor["data_location"] == EXTERNAL:
        data = beside.data(tensor, count * dtype.itemsize, where)
    elif len(tensor["raw_data"]) or not _listed(tensor, dtype.name):
        data = tensor["raw_data"]
    else:
        return _from_list(tensor, dtype, shape, where)
    if len(data) != count * dtype.itemsize:
        raise ValueError(f"{where} of shape {shape} holds {len(data)} bytes, expected {count * dtype.itemsize}")
    return _as_computed(np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(shape))


def _listed(tensor: dict[str, Any], dtype: str) -> Any:
    return len(tensor[_FIELDS.get(dtype, "int32_data")])


def _from_list(tensor: dict[str, Any], dtype: np.dtype[Any], shape: tuple[int, ...], where: str) -> Array:
    """Numbers that stand one by one; of float16 their bits."""
    numbers = tensor[_FIELDS.get(dtype.name, "int32_data")]
    if len(numbers) != math.prod(shape):
        raise ValueError(f"{where} of shape {shape} holds {len(numbers)} numbers")
    if dtype.name == "float16":
        return _as_computed(np.asarray(numbers, "uint16").view("float16").reshape(shape))
    return np.asarray(numbers).astype(dtype).reshape(shape)


def _as_computed(array: Array) -> Array:
    return array.astype("float32") if array.dtype == np.float16 else array


def tensor_of(name: str, array: Array) -> dict[str, Any]:
    """The TensorProto of an array."""
    data = np.ascontiguousarray(array)
    return {
        "name": name,
        "dims": list(array.shape),
        "data_type": NUMBERS[data.dtype.name],
        "raw_data": data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes(),
    }
