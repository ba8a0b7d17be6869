"""Which format a file has: its first bytes say it, not its name. And what those seem to be that are no model files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastgru.saving.endpoints import FileLike, name_of, source_of
from fastgru.saving.formats import keras_zip
from fastgru.saving.report import ModelFileMissing, reading
from fastgru.saving.stored import WRITER, StoredModel

HDF5_START = b"\x89HDF\r\n\x1a\n"
ZIP_START = b"PK\x03\x04"
INDEX_ENDING = ".weights.json"  # of what lists the files that hold the weights
_PICKLE = "is a Python pickle, which can run any code and is never opened"
_SAVE_AGAIN = "open it with the TensorFlow that wrote it and save the model as .h5 or its weights as .weights.h5"
# what stands in files that are called models and are none
FOREIGN = (
    (b"\x93NUMPY", "is an array of numpy, not a model"),
    (b"Rar!", "is compressed with RAR; unpack it first"),
    (b"7z\xbc\xaf", "is compressed with 7-Zip; unpack it first"),
    (b"model_checkpoint_path", f"is the index of TensorFlow checkpoints; {_SAVE_AGAIN}"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"),
    (b"\x80", _PICKLE),
    (b"<", "is a page of HTML or XML, probably an error page saved in the place of a download"),
    (b"{", "is JSON: a config without weights; give its text to model_from_json"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
)
# what the ending says of those whose first bytes say nothing
FOREIGN_ENDINGS = (
    (".pb", f"is a graph of TensorFlow; {_SAVE_AGAIN}"),
    (".index", f"is part of a TensorFlow checkpoint; {_SAVE_AGAIN}"),
    (".ckpt", f"is a TensorFlow checkpoint; {_SAVE_AGAIN}"),
    (".meta", f"is part of a TensorFlow checkpoint; {_SAVE_AGAIN}"),
    (".onnx", "is an ONNX model; give the Keras file from which it was made"),
    (".pkl", _PICKLE),
    (".pickle", _PICKLE),
    (".joblib", _PICKLE),
)


@contextmanager
def stored_model(filepath: FileLike) -> Iterator[StoredModel]:
    """What a model file of any format holds; its arrays can be read as long as the context lasts."""
    file = name_of(filepath)
    with reading(file):
        source = source_of(filepath)
        if isinstance(source, Path) and not source.exists():
            raise ModelFileMissing(f"{file}: File not found.")
        start = _first_bytes(source) if isinstance(source, Path) else source[:64]
        is_index = file.endswith(INDEX_ENDING) and start.lstrip().startswith(b"{")
        if not is_index and not start.startswith((ZIP_START, HDF5_START)):
            raise ValueError(_foreign(start, Path(file).name))
        if is_index and not isinstance(source, Path):
            raise ValueError("names files that lie beside it; give its path")
    if start.startswith(ZIP_START):
        with keras_zip.stored_model(file, source) as stored:
            yield stored
    elif is_index:
        from fastgru.saving.formats import weight_shards

        assert isinstance(source, Path)
        with weight_shards.stored_model(file, source) as stored:
            yield stored
    else:
        from fastgru.saving.formats import hdf5, legacy_h5, weights_h5

        with hdf5.opened(file, source) as root:
            if legacy_h5.is_legacy(root):
                yield legacy_h5.stored_model(root)
            else:
                yield weights_h5.stored_weights(file, root.arrays(), root.text(WRITER))


def _first_bytes(path: Path) -> bytes:
    """Those of a file, or of the archive of which a folder holds the members."""
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            raise ValueError(f"is a SavedModel of TensorFlow, which holds code; {_SAVE_AGAIN}")
        if not (path / keras_zip.CONFIG).is_file():
            raise ValueError(f"is a folder without a {keras_zip.CONFIG}; give a .keras, .h5 or .weights.h5 file")
        return ZIP_START
    if not path.is_file():
        raise ValueError("is neither a file nor a folder")
    with path.open("rb") as stream:
        return stream.read(64)


def _foreign(start: bytes, name: str) -> str:
    """What a file that is no model seems to be, and what to do."""
    if not start:
        return "is empty"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    reason = next((reason for beginning, reason in FOREIGN if text.startswith(beginning)), None)
    if start[4:8] == b"TFL3":
        reason = "is a TensorFlow Lite model; give the Keras file from which it was made"
    if ".data-0" in name:
        name = ".ckpt"
    reason = reason or next((reason for ending, reason in FOREIGN_ENDINGS if name.lower().endswith(ending)), None)
    return reason or f"is neither an HDF5 file nor a .keras archive; it starts with {start[:8]!r}"
