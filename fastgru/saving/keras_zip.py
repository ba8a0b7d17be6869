"""The `.keras` archive of Keras 2.12 and later: config.json, metadata.json and model.weights.h5 in a zip."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastgru.layers.layer import Layer
from fastgru.saving import configs, hdf5, weights_h5
from fastgru.saving.configs import Version
from fastgru.saving.errors import reading
from fastgru.saving.matching import Pair, Stored
from fastgru.saving.weights_h5 import WeightsFile

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
# a member may unpack to this size, or to this multiple of what it takes in the archive
MAX_UNPACKED = 1 << 28
MAX_EXPANSION = 100


class KerasFile:
    """An open `.keras` file; the attributes are those of `legacy_h5.LegacyFile`."""

    def __init__(self, file: str, config: bytes, metadata: bytes, weights: WeightsFile) -> None:
        self.file = file
        self.model = configs.parsed(config, file, CONFIG)
        written = configs.parsed(metadata, file, METADATA) or {}
        self.version: Version = configs.version(str(written.get("keras_version")))
        self.training = (self.model or {}).get("compile_config") or None
        self._weights = weights

    def pairs(self, model: Layer, skip_mismatch: bool = False, by_name: bool = False) -> list[Pair]:
        """All weights of a model with their arrays."""
        return self._weights.pairs(model, skip_mismatch, by_name)

    def optimizer_state(self) -> list[Stored]:
        """The optimizer's arrays in their order."""
        return self._weights.optimizer_state()


@contextmanager
def opened(file: str, path: Path) -> Iterator[KerasFile]:
    """The `.keras` file at `path`; `file` is its name in error messages."""
    with reading(file):
        archive = zipfile.ZipFile(path)
    with archive:
        config, metadata, weights = (_member(archive, file, name) for name in (CONFIG, METADATA, WEIGHTS))
        with hdf5.opened(f"{file}/{WEIGHTS}", weights) as root:
            yield KerasFile(file, config, metadata, WeightsFile(root))


def _member(archive: zipfile.ZipFile, file: str, name: str) -> bytes:
    with reading(file, name):
        if name not in archive.NameToInfo:
            members = ", ".join(archive.namelist()[:8])
            raise ValueError(f"is missing from the archive, which holds {members or 'nothing'}")
        info = archive.getinfo(name)
        if info.file_size > max(MAX_UNPACKED, MAX_EXPANSION * info.compress_size):
            raise ValueError(
                f"would unpack from {info.compress_size} to {info.file_size} bytes; at most {MAX_EXPANSION} times its "
                f"size or {MAX_UNPACKED} bytes are accepted"
            )
        return archive.read(info)


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
