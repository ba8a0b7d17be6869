"""The `.keras` archive of Keras 2.12 and later: config, metadata and weights in a zip or a folder."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import fastgru
from fastgru.saving.formats import hdf5_plain, json_text, weights_h5, zip_archive
from fastgru.saving.report import ModelFileError, reading
from fastgru.saving.stored import KERAS_3, WRITER, FilePath, StoredArray, StoredModel, short_version, writer

CONFIG, METADATA, WEIGHTS, ARRAYS = "config.json", "metadata.json", "model.weights.h5", "model.weights.npz"
PLAN = "fastgru.json"  # Keras asks for its own members by their names, and leaves this one alone
ASSETS = "assets/"  # before the paths of layers whose vocabularies stand in files of their own


@contextmanager
def stored_model(file: str, source: FilePath | bytes) -> Iterator[StoredModel]:
    """The `.keras` file at a path, an archive or a folder, or of these bytes; `file` is its name in error messages."""
    with ExitStack() as stack:
        with reading(file):
            if not isinstance(source, bytes) and os.path.isdir(source):
                from fastgru.saving.formats.folder import Folder

                folder = Folder(source, ASSETS)
                names, member, size = set(folder.sizes), folder.content, sum(folder.sizes.values())
            else:
                archive = stack.enter_context(zip_archive.opened(source))
                size = len(source) if isinstance(source, bytes) else os.path.getsize(source)
                names = archive.names

                def member(name: str) -> bytes:
                    return archive.content(archive.member(name))

        yield stack.enter_context(_of_members(file, names, member, size))


@contextmanager
def _of_members(file: str, names: set[str], member: Callable[[str], bytes], size: int) -> Iterator[StoredModel]:
    parts = []
    weights_name = ARRAYS if ARRAYS in names and WEIGHTS not in names else WEIGHTS
    for name in (CONFIG, METADATA, weights_name):
        with reading(file, name):
            if name not in names:
                listed = ", ".join(sorted(names)[:8])
                raise ValueError(f"is missing from the archive, which holds {listed or 'nothing'}")
            parts.append(member(name))
    config, metadata, weights = parts
    place = f"{file}/{weights_name}"
    paths = {name: "/".join(weights_h5.path_of(name)) for name in names}
    assets = {
        path.removeprefix(ASSETS): partial(member, name) for name, path in paths.items() if path.startswith(ASSETS)
    }
    with _arrays(place, weights, size, weights_name == ARRAYS) as arrays:
        stored = weights_h5.stored_weights(place, arrays)
        plan = None
        if PLAN in names:
            with reading(file, PLAN):
                plan = member(PLAN)
        yield _with_config(file, config, metadata, stored._replace(assets=assets, table_plan=plan))


@contextmanager
def _arrays(place: str, weights: bytes, size: int, is_npz: bool) -> Iterator[Iterable[tuple[list[str], StoredArray]]]:
    """All arrays of the member that holds the weights, each with the names on the way to it."""
    if is_npz:
        from fastgru.saving.formats import npz

        yield npz.arrays(place, weights)
    elif (plain := hdf5_plain.arrays(place, weights)) is not None:
        yield plain
    else:
        from fastgru.saving.formats import hdf5

        with hdf5.opened(place, weights, size) as root:
            yield root.arrays()


def _with_config(file: str, config_text: bytes, metadata_text: bytes, weights: StoredModel) -> StoredModel:
    config = json_text.parsed(config_text, file, CONFIG) or {}
    metadata = json_text.parsed(metadata_text, file, METADATA) or {}
    version = json_text.version(str(metadata.get("keras_version")))
    training = config.get("compile_config") or None
    if training is not None and not isinstance(training, dict):
        raise ModelFileError(f"{file}, {CONFIG}: expected compile_config to be a JSON object, got {training!r}.")
    return weights._replace(
        file=file,
        format=".keras",
        written_by=writer(metadata.get(WRITER), f"Keras {short_version(metadata.get('keras_version'))}"),
        version=version,
        backend="tensorflow" if version < KERAS_3 else None,  # Keras 3 does not say in an archive who computes
        config=config,
        training=training,
    )


def image(model: Any, config: Mapping[str, Any], training: Mapping[str, Any] | None, version: str) -> bytes:
    """The bytes of the `.keras` file of a model, with the optimizer's state where there is a `training` setup."""
    import zipfile  # which opening a file does without, as it does without h5py

    from fastgru.saving.formats import hdf5

    metadata = {
        "keras_version": version,
        "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S"),
        WRITER: fastgru.__version__,
    }
    optimizer = None if training is None else model.optimizer
    weights = hdf5.image(lambda file: weights_h5.write(file, model, optimizer))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(METADATA, json.dumps(metadata))
        archive.writestr(CONFIG, json.dumps({**config, "compile_config": training}))
        archive.writestr(WEIGHTS, weights)
        if model.table_plan is not None:
            archive.writestr(PLAN, model.table_plan)
        for path, layer in weights_h5.owners(model):
            for name, content in layer.stored_files().items():  # type: ignore[attr-defined]
                archive.writestr(f"{ASSETS}{path}/{name}", content)
    return buffer.getvalue()
