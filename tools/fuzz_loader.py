"""Fuzz the loader: ``pip install .[fuzz]``, then ``python tools/fuzz_loader.py CORPUS [-max_total_time=600]``.

CORPUS is a folder that keeps the inputs that led somewhere new; it begins with the sound files of tests/damage.py. A
file that is neither opened nor refused cleanly is left as ``crash-...``, one that takes too long or too much memory as
``timeout-...`` or ``oom-...``; ``python tools/fuzz_loader.py crash-...`` opens it again. ``--without-atheris N`` opens
N files without it.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
KINDS = {b"PK": ".keras", b"\x89H": ".h5"}


def main() -> None:
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--without-atheris"]:
        import damage

        rng = np.random.default_rng(0)
        for _ in range(int(sys.argv[2])):
            sound = list(damage.sources().values())
            open_one(mutated(sound[rng.integers(len(sound))], int(rng.integers(1 << 31))))
        return
    import atheris

    with atheris.instrument_imports(include=["fastgru", "zipfile", "json", "pickletools"]):
        import damage

    for name, content in damage.sources().items():
        folders = [Path(one) for one in sys.argv[1:] if not one.startswith("-") and not Path(one).is_file()]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    memory = damage.MEMORY // damage.MEGABYTE + 512
    limits = [f"-timeout={damage.SECONDS}", f"-rss_limit_mb={memory}", "-max_len=200000"]

    def custom_mutator(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 4 == 0:  # libFuzzer's own bytes, which its comparisons guide
            return bytes(atheris.Mutate(data, max_size))
        return mutated(data, seed)[:max_size]

    atheris.Setup([sys.argv[0], *limits, *sys.argv[1:]], open_one, custom_mutator=custom_mutator)
    atheris.Fuzz()


def mutated(content: bytes, seed: int) -> bytes:
    """The file damaged once more, as what it is as far as that can still be told.

    HDF5 that is damaged already is changed as bytes alone: h5py itself hangs on some of it.
    """
    import damage

    rng = np.random.default_rng(seed)
    name = next((name for name, sound in damage.sources().items() if content == sound), None)
    if name is not None:
        return damage.damaged_as(name, content, rng)
    try:
        members = damage.unzipped(content)
        if rng.random() < 0.3:
            return damage.zip_damaged(content, rng)
        name = sorted(members)[rng.integers(len(members))]
        damaged = damage.json_damaged if name.endswith(".json") else damage.bytes_damaged
        return damage.zipped({**members, name: damaged(members[name], rng)})
    except Exception:  # no archive, or one that cannot be taken apart any more
        return damage.bytes_damaged(content, rng)


def open_one(content: bytes) -> None:
    """Open the file in one of the ways there are; whatever is not allowed is raised."""
    import damage

    choice = hashlib.sha256(content).digest()[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"damaged{_kind(content)}"
        path.write_bytes(content)
        damage.try_open(path, "reset_after.keras", choice)


def _kind(content: bytes) -> str:
    return KINDS.get(content[:2], ".h5")


if __name__ == "__main__":
    main()
