"""The `.keras` archive of Keras 2.12 and later: config, metadata and weights in a zip or a folder."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from fastgru.layers.layer import Layer
from fastgru.saving import configs, hdf5, npz, weights_h5
from fastgru.saving.configs import Version
from fastgru.saving.errors import reading
from fastgru.saving.matching import Matching, Pair, Stored
from fastgru.saving.weights_h5 import WeightsFile

CONFIG, METADATA, WEIGHTS, ARRAYS = "config.json", "metadata.json", "model.weights.h5", "model.weights.npz"
# a member may unpack to this size, or to this multiple of what it takes in the archive
MAX_UNPACKED = 1 << 28
MAX_EXPANSION = 100
MAX_MEMBERS = 10_000


class KerasFile:
    """An open `.keras` file; the attributes are those of `legacy_h5.LegacyFile`."""

    kind = ".keras"

    def __init__(self, file: str, config: bytes, metadata: bytes, weights: WeightsFile) -> None:
        self.file = file
        self.model = configs.parsed(config, file, CONFIG)
        written = configs.parsed(metadata, file, METADATA) or {}
        self.version: Version = configs.version(str(written.get("keras_version")))
        self.written_by = f"Keras {written.get('keras_version')}"
        self.training = (self.model or {}).get("compile_config") or None
        self._weights = weights

    @property
    def numbers(self) -> int:
        """How many numbers all arrays hold."""
        return self._weights.numbers

    def stored(self) -> dict[str, list[Stored]]:
        """The arrays by the paths of their owners."""
        return self._weights.stored()

    def pairs(self, model: Layer, how: Matching) -> list[Pair]:
        """All weights of a model with their arrays."""
        return self._weights.pairs(model, how)

    def optimizer_state(self) -> list[Stored]:
        """The optimizer's arrays in their order."""
        return self._weights.optimizer_state()


@contextmanager
def opened(file: str, path: Path) -> Iterator[KerasFile]:
    """The `.keras` file at `path`, an archive or a folder; `file` is its name in error messages."""
    if path.is_dir():
        with _with_members(
            file, {entry.name for entry in path.iterdir()}, lambda name: _in_folder(path, name)
        ) as found:
            yield found
        return
    with reading(file):
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
        if len(names) > MAX_MEMBERS:
            raise ValueError(f"holds {len(names)} members; at most {MAX_MEMBERS} are accepted")
        strange = next((name for name in names if _leads_out(name)), None)
        if strange is not None:
            raise ValueError(f"holds a member {strange[:80]!r}, whose path is absolute or leads out of the archive")
    with archive, _with_members(file, set(names), lambda name: _in_archive(archive, name)) as found:
        yield found


@contextmanager
def _with_members(file: str, names: set[str], member: Callable[[str], bytes]) -> Iterator[KerasFile]:
    parts = []
    for name in (CONFIG, METADATA, ARRAYS if ARRAYS in names and WEIGHTS not in names else WEIGHTS):
        with reading(file, name):
            if name not in names:
                held = ", ".join(sorted(names)[:8])
                raise ValueError(f"is missing from the archive, which holds {held or 'nothing'}")
            parts.append(member(name))
    config, metadata, weights = parts
    if WEIGHTS not in names:
        yield KerasFile(file, config, metadata, WeightsFile(file, npz.arrays(f"{file}/{ARRAYS}", weights)))
        return
    with hdf5.opened(f"{file}/{WEIGHTS}", weights) as root:
        yield KerasFile(file, config, metadata, WeightsFile(root.file, root.arrays()))


def _leads_out(name: str) -> bool:
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    return ".." in parts or PurePosixPath(name).is_absolute() or bool(PureWindowsPath(name).anchor)


def _in_archive(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > max(MAX_UNPACKED, MAX_EXPANSION * info.compress_size):
        raise ValueError(
            f"would unpack from {info.compress_size} to {info.file_size} bytes; at most {MAX_EXPANSION} times its "
            f"size or {MAX_UNPACKED} bytes are accepted"
        )
    return archive.read(info)


def _in_folder(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink():
        raise ValueError("is a link, which fastgru does not follow")
    return path.read_bytes()


def image(model: Any, config: Mapping[str, Any], training: Mapping[str, Any] | None, version: str) -> bytes:
    """The bytes of the `.keras` file of a model, with the optimizer's state where `training` is given."""
    metadata = {"keras_version": version, "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S")}
    optimizer = None if training is None else model.optimizer
    weights = hdf5.image(lambda file: weights_h5.write(file, model, optimizer))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps({**config, "compile_config": training}))
        archive.writestr(WEIGHTS, weights)
    return buffer.getvalue()
