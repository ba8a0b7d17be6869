"""The `.keras` archive of Keras 2.12 and later: config, metadata and weights in a zip or a folder."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import NoneType
from typing import Any

from fastgru.layers.layer import Layer
from fastgru.saving import archives, configs, hdf5, npz, weights_h5
from fastgru.saving.configs import Version
from fastgru.saving.errors import ModelFileError, reading
from fastgru.saving.matching import Matching, Pair, Stored
from fastgru.saving.weights_h5 import WeightsFile

CONFIG, METADATA, WEIGHTS, ARRAYS = "config.json", "metadata.json", "model.weights.h5", "model.weights.npz"


class KerasFile:
    """An open `.keras` file; the attributes are those of `legacy_h5.LegacyFile`."""

    kind = ".keras"

    def __init__(self, file: str, config: bytes, metadata: bytes, weights: WeightsFile) -> None:
        self.file = file
        self.model = configs.parsed(config, file, CONFIG)
        written = configs.parsed(metadata, file, METADATA) or {}
        self.version: Version = configs.version(str(written.get("keras_version")))
        self.written_by = f"Keras {written.get('keras_version')}"
        self.tensorflow = self.version < (3, 0)  # Keras 3 does not say in an archive who computes
        self.training = (self.model or {}).get("compile_config") or None
        if not isinstance(self.training, (dict, NoneType)):
            raise ModelFileError(
                f"{file}, {CONFIG}: expected compile_config to be a JSON object, got {self.training!r}."
            )
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
        with reading(file):
            entries = {entry.name: entry.lstat().st_size for entry in path.iterdir()}
        with _with_members(file, set(entries), lambda name: _in_folder(path, name), sum(entries.values())) as found:
            yield found
        return
    with ExitStack() as stack:
        with reading(file):
            archive = stack.enter_context(archives.opened(path))
            names = set(archive.namelist())
            size = path.stat().st_size
        yield stack.enter_context(
            _with_members(file, names, lambda name: archives.content(archive, archive.getinfo(name)), size)
        )


@contextmanager
def _with_members(file: str, names: set[str], member: Callable[[str], bytes], size: int) -> Iterator[KerasFile]:
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
    with hdf5.opened(f"{file}/{WEIGHTS}", weights, size) as root:
        yield KerasFile(file, config, metadata, WeightsFile(root.file, root.arrays()))


def _in_folder(folder: Path, name: str) -> bytes:
    path = folder / name
    if path.is_symlink():
        raise ValueError("is a link, which fastgru does not follow")
    if not path.is_file():
        raise ValueError("is no file")
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
