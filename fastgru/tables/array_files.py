"""Tables in files of arrays: `.npz`, `.npy` and Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.tables.table import Table, Wording, listed
from fastgru.tables.times import UnreadableTime, stamps
from fastgru.types import Array


def loaded(path: Path) -> Any:
    """What numpy has in a file: an array, or a dict of them; ValueError where it holds no plain arrays."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name} is not a numpy {path.suffix} file of plain arrays ({error}).") from None


def read_arrays(path: Path, wording: Wording) -> Table:
    """One column for each array of an `.npz`, for each field or column of an `.npy`."""
    content = loaded(path)
    if isinstance(content, np.ndarray):
        if content.dtype.names:
            content = {name: content[name] for name in content.dtype.names}
        else:
            content = {"column" if content.ndim == 2 else "values": content}
    content = dict(_by_columns(content))
    uneven = next((name for name, array in content.items() if array.ndim != 1), None)
    if uneven is not None or len({len(array) for array in content.values()}) != 1:
        shapes = listed([f"{name} {array.shape}" for name, array in content.items()])
        raise ValueError(
            f"{path.name}: expected columns of equal length, got {shapes or 'none'}; "
            "samples of several steps and features are for --data."
        )
    return Table(path.name, {name: _column(array, name, path.name, wording) for name, array in content.items()})


def _by_columns(arrays: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Arrays of one axis as they are, the columns of those of two by their numbers."""
    for name, array in arrays.items():
        if array.ndim == 2:
            yield from ((f"{name}{index}", column) for index, column in enumerate(array.T))
        else:
            yield name, array


def read_parquet(path: Path, wording: Wording) -> Table:
    try:
        from pyarrow import ArrowInvalid, parquet, types
    except ImportError:
        raise ValueError(f"{path.name}: Parquet is read by pyarrow; pip install 'fastgru[parquet]'.") from None
    try:
        content = parquet.read_table(path)
    except ArrowInvalid as error:
        raise ValueError(f"{path.name} is not a Parquet file ({error}).") from None
    columns, notes = {}, []
    for field, values in zip(content.schema, content.columns, strict=True):
        if field.name.startswith("__index_level_"):
            continue
        if types.is_timestamp(field.type) and field.type.tz is not None:
            notes.append(f"{path.name}: the times of {field.name!r} say their zone and are taken in UTC")
        if types.is_dictionary(field.type) or types.is_string(field.type) or types.is_large_string(field.type):
            array = np.array([value or "" for value in values.to_pylist()], object)
        else:
            array = values.to_numpy()
        columns[field.name] = _column(array, field.name, path.name, wording)
    return Table(path.name, columns, notes=notes)


def _column(array: Array, name: str, file: str, wording: Wording) -> Array:
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]")
    if array.dtype.kind in "SUT":
        array = array.astype(str).astype(object)
    elif array.dtype.kind in "fiub" and name in wording.text:
        array = np.array([*map(_cell, array.tolist())], object)
    elif array.dtype.kind in "fiub":
        array = array.astype(np.float64)
    elif array.dtype == object and all(isinstance(value, (str, type(None))) for value in array.flat):
        array = np.array([value or "" for value in array], object)
    else:
        raise ValueError(f"{file}, column {name!r}: expected numbers, text or times, got dtype {array.dtype}.")
    if name == wording.time:
        try:
            return stamps([*map(_cell, array.tolist())], wording.time_format)[0]
        except UnreadableTime as error:
            raise ValueError(f"{file}, row {error.index:,}, column {name!r}: {error}.") from None
    return array


def _cell(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
