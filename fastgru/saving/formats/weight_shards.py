"""Keras 3's weights in several files: `model.weights.json` tells which `model_00000.weights.h5` holds what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fastgru.saving.formats import hdf5, json_text, weights_h5
from fastgru.saving.report import reading
from fastgru.saving.stored import FilePath, StoredModel

MAX_SHARDS = 1000


@contextmanager
def stored_model(file: str, index_file: FilePath) -> Iterator[StoredModel]:
    """The weights that the index at a path leads to; `file` is its name in error messages."""
    path = Path(index_file)
    with reading(file):
        if path.stat().st_size > json_text.MAX_TEXT:
            raise ValueError(f"is larger than {json_text.MAX_TEXT} bytes")
        index = json_text.parsed(path.read_bytes(), file, "weight_map") or {}
        shards_of_paths = index.get("weight_map")
        if not isinstance(shards_of_paths, dict):
            raise ValueError("expected a JSON object with a 'weight_map'")
        entries = shards_of_paths.values()
        names = {name for entry in entries for name in (entry if isinstance(entry, list) else [entry])}
        for name in names:
            if not isinstance(name, str) or Path(name).name != name or "\\" in name or name.startswith("."):
                raise ValueError(f"names a part {name!r}; parts stand in the same folder, under plain names")
            if not (path.parent / name).is_file() or (path.parent / name).is_symlink():
                raise ValueError(f"its part {name!r} is missing")
        if len(names) > MAX_SHARDS:
            raise ValueError(f"names {len(names)} parts; at most {MAX_SHARDS} are accepted")
    with ExitStack() as stack:
        shards = [path.parent / name for name in sorted(names)]
        roots = [stack.enter_context(hdf5.opened(str(shard), shard)) for shard in shards]
        yield weights_h5.stored_weights(file, (array for root in roots for array in root.arrays()))
