"""Keras 3's weights in several files: `model.weights.json` tells which `model_00000.weights.h5` holds what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fastgru.saving import configs, hdf5
from fastgru.saving.errors import reading
from fastgru.saving.weights_h5 import WeightsFile

ENDING = ".weights.json"
MAX_SHARDS = 1000


@contextmanager
def opened(file: str, path: Path) -> Iterator[WeightsFile]:
    """The weights that the index at `path` leads to; `file` is its name in error messages."""
    with reading(file):
        if path.stat().st_size > configs.MAX_TEXT:
            raise ValueError(f"is larger than {configs.MAX_TEXT} bytes")
        index = configs.parsed(path.read_bytes(), file, "weight_map") or {}
        held = index.get("weight_map")
        if not isinstance(held, dict):
            raise ValueError("expected a JSON object with a 'weight_map'")
        names = {name for entry in held.values() for name in (entry if isinstance(entry, list) else [entry])}
        for name in names:
            if not isinstance(name, str) or Path(name).name != name or "\\" in name or name.startswith("."):
                raise ValueError(f"names a part {name!r}; parts stand in the same folder, under plain names")
            if not (path.parent / name).is_file() or (path.parent / name).is_symlink():
                raise ValueError(f"its part {name!r} is missing")
        if len(names) > MAX_SHARDS:
            raise ValueError(f"names {len(names)} parts; at most {MAX_SHARDS} are accepted")
    with ExitStack() as stack:
        parts = [path.parent / name for name in sorted(names)]
        roots = [stack.enter_context(hdf5.opened(str(part), part)) for part in parts]
        yield WeightsFile(file, (found for root in roots for found in root.arrays()))
