"""Which format a file has: its first bytes say it, not its name. And what those seem to be that are no model files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from fastgru.saving.endpoints import FileLike, is_hdf5, name_of, source_of
from fastgru.saving.formats import keras_zip, zip_archive
from fastgru.saving.report import ModelFileMissing, reading
from fastgru.saving.stored import WRITER, StoredModel

HDF5_START = b"\x89HDF\r\n\x1a\n"
ZIP_START = b"PK\x03\x04"
# protobuf: the field 1 as a number from 3 to 15, then a text (2 to 6), a number (5), a graph (7) or opsets (8)
ONNX_VERSIONS, ONNX_FIELDS = range(3, 16), b"\x12\x1a\x22\x28\x32\x3a\x42"
# a message (field 1) that begins with two texts, of which the second is an operator: the nodes of a GraphDef
FROZEN = rb"(?s)\n..?\n.[\x21-\x7e]+\x12.[A-Z]"
TORCH_PICKLE = "data.pkl"  # in an archive of PyTorch's
LEGACY_TORCH_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a pickle of the number that marks its older files
START = 64  # bytes that are looked at
SAVED_MODEL = "saved_model.pb"  # in a folder of TensorFlow's
CHECKPOINT = ".index"  # the ending of one of a checkpoint's files
INDEX_ENDING = ".weights.json"  # of what lists the files that hold the weights
Reader = AbstractContextManager[StoredModel]
_PICKLE = "is a Python pickle, which can run any code and is never opened"
_SAVE_AGAIN = "open it with the TensorFlow that wrote it and save the model as .h5 or its weights as .weights.h5"
# what stands in files that are called models and are none
FOREIGN = (
    (b"\x93NUMPY", "is an array of numpy, not a model"),
    (b"Rar!", "is compressed with RAR; unpack it first"),
    (b"7z\xbc\xaf", "is compressed with 7-Zip; unpack it first"),
    (b"model_checkpoint_path", "says which checkpoint of TensorFlow is the newest; give the name that stands in it"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"),
    (b"\x80", _PICKLE),
    (b"<", "is a page of HTML or XML, probably an error page saved in the place of a download"),
    (b"{", "is JSON: a config without weights; give its text to model_from_json"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
)
_FROZEN = (
    "is a frozen graph of TensorFlow, which names no layers; `python -m tf2onnx.convert --graphdef FILE --inputs x:0 "
    "--outputs y:0 --output m.onnx` makes an ONNX file of it, which fastgru opens"
)
_LITE = (
    "is a TensorFlow Lite model; give the Keras file from which it was made, or what `python -m tf2onnx.convert "
    "--tflite FILE --output m.onnx` makes of it"
)
# what the ending says of those whose first bytes say nothing
FOREIGN_ENDINGS = (
    (".pb", f"is a graph of TensorFlow; {_SAVE_AGAIN}"),
    (".tflite", _LITE),
    (".ckpt", "is a TensorFlow checkpoint without its index; give the name of one that has both"),
    (".meta", f"is part of a TensorFlow checkpoint; {_SAVE_AGAIN}"),
    (".onnx", "is an ONNX model, which load_model alone opens, or is damaged"),
    (".pkl", _PICKLE),
    (".pickle", _PICKLE),
    (".joblib", _PICKLE),
)


def is_onnx(filepath: FileLike) -> bool:
    """Whether a file is an ONNX model: it begins with the version of its form, then says who wrote it, or its graph.

    A SavedModel of TensorFlow begins in the same way, with version 1, which ONNX has left behind.
    """
    if isinstance(filepath, (str, os.PathLike)):
        path = os.fspath(filepath)
        return os.path.isfile(path) and _begins_onnx(_first_bytes(path))
    if is_hdf5(filepath) or not hasattr(filepath, "seekable") or not filepath.seekable():
        return False
    place = filepath.tell()
    filepath.seek(0)
    start = filepath.read(START)
    filepath.seek(place)
    return isinstance(start, bytes) and _begins_onnx(start)


def _begins_onnx(start: bytes) -> bool:
    return len(start) > 2 and start[0] == 8 and start[1] in ONNX_VERSIONS and start[2] in ONNX_FIELDS


@contextmanager
def stored_model(filepath: FileLike) -> Iterator[StoredModel]:
    """What a model file of any format holds; its arrays can be read as long as the context lasts."""
    file = name_of(filepath)
    with reading(file):
        source = source_of(filepath)
        reader = _reader_at(file, source) if isinstance(source, str) else None
        start = b"" if reader else _first_bytes(source)
        reader = reader or _reader(file, start, source)
    with reader as stored:
        yield stored


def _reader_at(file: str, path: str) -> Reader | None:
    """The reader of what is known by its path: folders, and files that stand for several."""
    is_file, is_folder = os.path.isfile(path), os.path.isdir(path)
    if is_folder and os.path.isfile(os.path.join(path, SAVED_MODEL)):
        from fastgru.saving.formats import saved_model

        return nullcontext(saved_model.stored_model(file, path))
    if is_folder and not os.path.isfile(os.path.join(path, keras_zip.CONFIG)):
        raise ValueError(
            f"is a folder without a {keras_zip.CONFIG} or {SAVED_MODEL}; give a file or a folder of a model"
        )
    if is_folder:
        return keras_zip.stored_model(file, path)
    if (path.endswith(CHECKPOINT) and is_file) or os.path.isfile(path + CHECKPOINT):
        from fastgru.saving.formats import saved_model

        return nullcontext(saved_model.checkpoint(file, path.removesuffix(CHECKPOINT) if is_file else path))
    if not os.path.exists(path):
        raise ModelFileMissing(f"{file}: File not found.")
    if not is_file:
        raise ValueError("is neither a file nor a folder")
    return None


def _first_bytes(source: str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:START]
    with open(source, "rb") as stream:
        return stream.read(START)


def _reader(file: str, start: bytes, source: str | bytes) -> Reader:
    """The reader of a file that begins like this; ValueError where there is none."""
    if start.startswith(ZIP_START):
        return _of_archive(file, source)
    if file.endswith(INDEX_ENDING) and start.lstrip().startswith(b"{"):
        from fastgru.saving.formats import weight_shards

        if isinstance(source, bytes):
            raise ValueError("names files that lie beside it; give its path")
        return weight_shards.stored_model(file, source)
    if start.startswith(LEGACY_TORCH_START):
        from fastgru.saving.formats import torch_file

        return nullcontext(torch_file.stored_legacy(file, source))
    if start[8:9] == b"{":
        from fastgru.saving.formats import safetensors

        return nullcontext(safetensors.stored_model(file, source))
    if start.startswith(HDF5_START):
        return _of_hdf5(file, source)
    raise ValueError(_foreign(start, os.path.basename(file)))


def _of_archive(file: str, source: str | bytes) -> Reader:
    """The reader of a zip archive, which Keras and PyTorch both write."""
    with zip_archive.opened(source) as archive:
        names = archive.names
    ends = {name.rpartition("/")[2] for name in names}
    if keras_zip.CONFIG not in names and TORCH_PICKLE in ends:
        from fastgru.saving.formats import torch_file

        return torch_file.stored_archive(file, source)
    if keras_zip.CONFIG not in names and SAVED_MODEL in ends:
        raise ValueError("is an archive of a SavedModel of TensorFlow; unpack it and give the folder")
    return keras_zip.stored_model(file, source)


@contextmanager
def _of_hdf5(file: str, source: str | bytes) -> Iterator[StoredModel]:
    from fastgru.saving.formats import hdf5, legacy_h5, weights_h5

    with hdf5.opened(file, source) as root:
        if legacy_h5.is_legacy(root):
            yield legacy_h5.stored_model(root)
        else:
            yield weights_h5.stored_weights(file, root.arrays(), root.text(WRITER))


def _foreign(start: bytes, name: str) -> str:
    """What a file that is no model seems to be, and what to do."""
    if not start:
        return "is empty"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    reason = next((reason for beginning, reason in FOREIGN if text.startswith(beginning)), None)
    if start[4:8] == b"TFL3":
        reason = _LITE
    if re.match(FROZEN, start):
        reason = _FROZEN
    if ".data-0" in name:
        name = ".ckpt"
    reason = reason or next((reason for ending, reason in FOREIGN_ENDINGS if name.lower().endswith(ending)), None)
    return reason or f"is neither an HDF5 file nor a .keras archive; it starts with {start[:8]!r}"
