"""What a model is read from and written to: a path, an open file, an open HDF5 file of h5py."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from fastgru.saving.stored import FilePath

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class HDF5Group(Protocol):
    """An open file of h5py or a group of one, by what is used of it: h5py tells type checkers nothing of its own."""

    name: Any
    file: Any
    attrs: Any

    def __contains__(self, name: Any) -> bool: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __delitem__(self, name: Any) -> None: ...
    def copy(self, source: Any, dest: Any) -> Any: ...


FileLike = FilePath | BinaryIO | HDF5Group


def name_of(file: FileLike) -> str:
    """How error messages call a file."""
    if isinstance(file, (str, os.PathLike)):
        return os.fspath(file)
    if is_hdf5(file):
        return f"{file.file.filename}, {file.name}" if file.name != "/" else str(file.file.filename)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else f"<{type(file).__name__}>"


def is_hdf5(file: Any) -> TypeIs[HDF5Group]:
    """Whether it is an open file, or a group of one, of h5py, which is not imported to see that."""
    return type(file).__module__.partition(".")[0] == "h5py"


def source_of(file: FileLike) -> str | bytes:
    """Where the bytes of a file are: at a path, or here, of one that is open.

    Of an open file all bytes are read, wherever it stands, and it stands there again afterwards.

    Raises
    ------
    ValueError
        The file is open as text, or is nothing of the kind.
    """
    if isinstance(file, (str, os.PathLike)):
        return os.fspath(file)
    if is_hdf5(file):
        return _bytes_of_hdf5(file)
    if not hasattr(file, "read"):
        raise ValueError(f"expected a path, an open file or an h5py.File, got {type(file).__name__}")
    if isinstance(file, io.TextIOBase):  # type: ignore[unreachable]  # which a type checker refuses and a program hands over
        raise ValueError("is open as text; open it with mode 'rb'")
    if not file.seekable():
        return file.read()
    place = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(place)
    return data


def _bytes_of_hdf5(group: HDF5Group) -> bytes:
    if group.name == "/":
        group.file.flush()
        return bytes(group.file.id.get_file_image())
    from fastgru.saving.formats import hdf5

    return hdf5.image(lambda root: copy(group, root))


def copy(group: HDF5Group, target: HDF5Group) -> None:
    """Put what is in a group of HDF5, attributes included, into another, in the place of what has the same names."""
    for name in group:
        if name in target:
            del target[name]
        group.copy(name, target)
    target.attrs.update(group.attrs)


def write(target: FileLike, data: bytes) -> None:
    """Write a file whole: to a path in one step, or to what is open, from where it stands."""
    if isinstance(target, (str, os.PathLike)):
        from fastgru import atomic

        atomic.write(target, data)
    elif is_hdf5(target):
        import h5py

        with h5py.File(io.BytesIO(data), "r") as root:
            copy(root, target)
    else:
        target.write(data)


def ending(target: FileLike, endings: tuple[str, ...], overwrite: bool, of_stream: str) -> str:
    """Which of the endings, each of which stands for a format, says what is written; the last for an HDF5 file.

    ValueError where a path has none of them, or leads to a file that must stay.
    """
    if is_hdf5(target):
        return endings[-1]
    if hasattr(target, "write"):
        return of_stream
    path = os.fspath(target)
    suffix = next((ending for ending in endings if path.endswith(ending)), None)
    if suffix is None:
        raise ValueError(
            f"Invalid filepath extension for saving to {path}: the name must end in {' or '.join(endings)}."
        )
    if os.path.exists(path) and not overwrite:
        raise ValueError(f"Cannot save to {path}: the file exists and overwrite is False.")
    return suffix
