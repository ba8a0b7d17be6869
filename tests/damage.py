"""Damaged model files, each made from its number alone, and what must hold when one is opened.

Run as a program it opens one of them in this process, and keeps the file: ``python tests/damage.py NUMBER [FOLDER]``.
`tools/fuzz_loader.py` takes the same ways of damaging.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import os
import re
import shutil
import signal
import struct
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bundles
import h5py
import numpy as np
from paths import FILES

from fastgru import cli, layers, naming, random, saving
from fastgru.models import Functional, Sequential, load_model
from fastgru.saving.formats import keras_zip, protobuf, saved_model, tensor_bundle

MEGABYTE = 1 << 20
MEMORY = 1024 * MEGABYTE  # above what the process has when it begins
SECONDS = 10
MAX_NUMBERS = 1_000_000  # a model whose outputs hold more is opened, not run

Rng = np.random.Generator
Damage = Callable[[bytes, Rng], bytes]


TORCH = ("torch_gru.pt", "torch_gru_old.pt", "torch_gru.safetensors")
TENSORFLOW = ("saved_model", "saved_graph", "saved_module", "saved_model_weights")
SEVERAL = ".files"

# --- the sound files ------------------------------------------------------------------------------------------------


def _models() -> dict[str, Any]:
    x = layers.Input((5, 3), name="x")
    words = layers.Input((4,), dtype="int32", name="words")
    seen = layers.GRU(3, return_sequences=True, return_state=True, name="seen")(x)
    read = layers.GRU(3, name="read")(layers.Embedding(7, 2, mask_zero=True)(words), initial_state=seen[1])
    graph = Functional({"x": x, "words": words}, layers.Dense(2)(layers.Concatenate()([seen[1], read])), name="graph")
    inner = Sequential([layers.Input((5, 3)), layers.GRU(4, return_sequences=True), layers.Dense(3)], name="inner")
    y = layers.Input((5, 3), name="y")
    nested = Functional(y, layers.GlobalAveragePooling1D()(inner(layers.Add()([y, inner(y)]))), name="nested")
    both = Sequential(
        [
            layers.Input((None, 3)),
            layers.Masking(-1.0),
            layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"),
            layers.TimeDistributed(layers.Dense(2)),
            layers.LSTM(2),
        ]
    )
    stacked = Sequential(
        [
            layers.Input((8, 2)),
            layers.Conv1D(4, 3, padding="same"),
            layers.BatchNormalization(),
            layers.RNN([layers.GRUCell(3), layers.GRUCell(2)], return_sequences=True),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    stacked.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    stacked.fit(rng.normal(size=(4, 8, 2)), np.eye(4)[:, :3], verbose=0)
    return {"graph": graph, "nested": nested, "both": both, "stacked": stacked}


@functools.cache
def sources() -> dict[str, bytes]:
    """The sound files by name: golden ones of real Keras, and those that fastgru writes."""
    names = sorted(path.name for path in FILES.iterdir() if path.suffix in (".keras", ".h5"))
    files = {name: (FILES / name).read_bytes() for name in names}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        naming.forget_names()
        random.seed_stream(0)
        for name, model in _models().items():
            for ending in (".keras", ".h5", ".weights.h5"):
                path = Path(folder) / (name + ending)
                model.save_weights(path) if ending == ".weights.h5" else model.save(path)
                files[path.name] = path.read_bytes()
    for name in [name for name in files if name.endswith(".keras")]:
        files[name] = zipped(unzipped(files[name]))  # without the time of writing
    small = unzipped(files["reset_after.keras"])
    files["packed.keras"] = zipped(small, zipfile.ZIP_DEFLATED)
    model = load_model(FILES / "reset_after.keras", compile=False)
    arrays = {}
    for path, layer in (("layers/gru/cell", model.layers[0]), ("layers/dense", model.layers[-1])):
        arrays[path] = {str(number): value for number, value in enumerate(layer.get_weights())}
    buffer = io.BytesIO()
    np.savez(buffer, **{"__root__": {}, **arrays})  # type: ignore[arg-type]
    del small[keras_zip.WEIGHTS]
    files["npz.keras"] = zipped({**small, keras_zip.ARRAYS: zipped(unzipped(buffer.getvalue()))})
    return files | _of_others()


def _of_others() -> dict[str, bytes]:
    """Files of TensorFlow, PyTorch and ONNX; what is several files is an archive of them, `placed` unpacked."""
    files = {name: (FILES / name).read_bytes() for name in TORCH}
    files |= {path.name: path.read_bytes() for path in sorted((FILES / "onnx").glob("*.onnx"))}
    for name in TENSORFLOW:
        paths = FILES.glob(f"{name}.*") if name.endswith("_weights") else (FILES / name).rglob("*.*")
        start = FILES if name.endswith("_weights") else FILES / name
        members = {path.relative_to(start).as_posix(): path.read_bytes() for path in sorted(paths) if path.is_file()}
        files[name + SEVERAL] = zipped(members)
    return files


def placed(folder: Path, name: str, data: bytes) -> Path:
    """Write a file, or what its archive holds, into a folder; the path to be opened."""
    path = folder / f"damaged{Path(name).suffix}"
    if not name.endswith(SEVERAL):
        path.write_bytes(data)
        return path
    shutil.rmtree(path, ignore_errors=True)
    for member, content in unzipped(data).items():
        (path / member).parent.mkdir(parents=True, exist_ok=True)
        (path / member).write_bytes(content)
    stem = name.removesuffix(SEVERAL)
    return path / f"{stem}.index" if stem.endswith("_weights") else path


def unzipped(data: bytes) -> dict[str, bytes]:
    """The members of an archive by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: dict[str, bytes] | list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive whose bytes depend on its members alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names may be there twice
        for name, content in members.items() if isinstance(members, dict) else members:
            if name == keras_zip.METADATA:
                content = re.sub(rb'"date_saved": "[^"]*"', b'"date_saved": "2026-01-01@00:00:00"', content)
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return buffer.getvalue()


# --- bytes ----------------------------------------------------------------------------------------------------------

# where the structure of HDF5 and zip files begins
MARKS = re.compile(
    rb"TREE|HEAP|SNOD|GCOL|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTLF|\x89HDF|PK\x01\x02|PK\x03\x04|PK\x05\x06|"
    rb"[\x01\x03\x05\x08\x0b\x0c\x10\x11]\x00[\x08-\x80]\x00[\x00-\x07]\x00\x00\x00"  # messages in headers of objects
)
ABSURD = (0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFF0, 1 << 32, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def _absurd(size: int, rng: Rng) -> bytes:
    """An absurd number in so many bytes."""
    return (ABSURD[rng.integers(len(ABSURD))] & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def _place(data: bytes | bytearray, rng: Rng) -> int:
    """A place in the data, more often than not near where some structure begins."""
    marks = [match.start() for match in MARKS.finditer(data)] if rng.random() < 0.7 else []
    if not marks:
        return int(rng.integers(0, max(1, len(data))))
    return min(marks[rng.integers(len(marks))] + int(rng.integers(0, 64)), len(data) - 1)


def cut(data: bytes, rng: Rng) -> bytes:
    return data[: _place(data, rng)]


def flipped(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for _ in range(1 + int(rng.exponential(4))):
        changed[_place(data, rng)] ^= 1 << int(rng.integers(8)) if rng.random() < 0.5 else int(rng.integers(1, 256))
    return bytes(changed)


def _range(data: bytes, rng: Rng) -> tuple[int, int]:
    start = _place(data, rng)
    return start, min(len(data), start + int(rng.choice([1, 2, 4, 8, 16, 64, 512, 4096])))


def zeroed(data: bytes, rng: Rng) -> bytes:
    start, stop = _range(data, rng)
    return data[:start] + bytes([int(rng.choice([0, 0xFF]))]) * (stop - start) + data[stop:]


def copied(data: bytes, rng: Rng) -> bytes:
    start, stop = _range(data, rng)
    target = _place(data, rng)
    return data[:target] + data[start:stop] + data[target + stop - start :]


def swapped(data: bytes, rng: Rng) -> bytes:
    (a, b), (c, d) = sorted((_range(data, rng), _range(data, rng)))
    c, b = max(b, c), min(b, max(a, c))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def moved(data: bytes, rng: Rng) -> bytes:
    """Bytes taken out or put in, so that all behind them stand elsewhere."""
    start, stop = _range(data, rng)
    return data[:start] + data[stop:] if rng.random() < 0.5 else data[:stop] + data[start:]


def overwritten(data: bytes, rng: Rng) -> bytes:
    """An absurd number in the place of another."""
    place, size = _place(data, rng), int(rng.choice([1, 2, 4, 8]))
    return data[:place] + _absurd(size, rng) + data[place + size :]


def inflated(data: bytes, rng: Rng) -> bytes:
    """A number that could be a size or an axis, where it stands as 4 or 8 bytes, made large; perhaps everywhere."""
    form = "<I" if rng.random() < 0.5 else "<Q"
    size = struct.calcsize(form)
    numbers = [2, 3, 4, 5, 6, 8, 9, 12, 15, 16, 20, 24, 32, 64, 96, 128, 512, 2048, 4096]
    number = struct.pack(form, numbers[rng.integers(len(numbers))])
    places = [place for match in re.finditer(re.escape(number), data) if (place := match.start()) % 2 == 0]
    if not places:
        return overwritten(data, rng)
    if rng.random() < 0.8:
        places = [places[rng.integers(len(places))]]
    changed = bytearray(data)
    for place in places:
        changed[place : place + size] = _absurd(size, rng)
    return bytes(changed)


BYTES: tuple[Damage, ...] = (cut, flipped, flipped, zeroed, copied, swapped, moved, overwritten, overwritten, inflated)


def bytes_damaged(data: bytes, rng: Rng) -> bytes:
    return BYTES[rng.integers(len(BYTES))](data, rng) if data else data


# --- JSON -----------------------------------------------------------------------------------------------------------


DEEP = "very deep"
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 10**9, -(10**9), 10**30, 2**31, 2**63, 0.5, -0.5, 1e308, math.nan, math.inf,
    -math.inf, "", "x", "gru", "linear", "Lambda", "os.system", "\ud800", "a\nb\x1b[31m", "../../x", "x" * 5000,
    [], {}, [[]], [None], [0], [1, 2, 3], [-1, 0], [None, None, None], [10**9, 10**9], [1e400], ["a", 0, 0],
    {"a": 1}, {"class_name": "GRU"}, {"class_name": "GRU", "config": {}}, {"class_name": "Lambda", "config": {}},
    {"class_name": 3, "config": []}, {"class_name": "__lambda__", "config": {"value": "x"}},
    {"class_name": "__tensor__", "config": {"value": [1], "dtype": "float32"}}, {"class_name": "__tuple__", "items": 3},
    {"class_name": "function", "config": "system", "module": "os", "registered_name": "system"},
    {"class_name": "__keras_tensor__", "config": {"keras_history": ["gru", 0, 0]}},
)  # fmt: skip


def _places(value: Any, places: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every container in JSON with each of its keys."""
    for key, entry in list(value.items() if isinstance(value, dict) else enumerate(value)):
        places.append((value, key))
        if isinstance(entry, (dict, list)):
            _places(entry, places)
    return places


def _odd(value: Any, places: list[tuple[Any, Any]], rng: Rng) -> Any:
    """Something in the place of a value."""
    way = rng.integers(8)
    number = type(value) in (int, float)
    if way == 0 and number:
        return [-value, value + 1, value * 1000, value * 10**9, str(value), float(value), [value]][rng.integers(7)]
    if way == 1:
        return [value]
    if way == 2:
        holder, key = places[rng.integers(len(places))]
        return json.loads(json.dumps(holder[key]))
    if way == 3 and isinstance(value, list):
        return value * int(rng.choice([2, 3, 50])) if rng.random() < 0.5 else value[::-1]
    if way == 4 and rng.random() < 0.3:
        return DEEP
    return ODD[rng.integers(len(ODD))]


def json_damaged(data: bytes, rng: Rng) -> bytes:
    """JSON with keys removed, values replaced, references sent elsewhere."""
    value = json.loads(data)
    for _ in range(1 + int(rng.exponential(0.8))):
        places = _places(value, [])
        if not places:
            break
        way = rng.integers(8)
        if way < 2:
            candidates = [place for place in places if place[1] in INTERESTING] or places
            holder, key = candidates[rng.integers(len(candidates))]
        else:
            holder, key = places[rng.integers(len(places))]
        if way == 7:
            del holder[key]
        elif way == 6:
            references = [place for place in places if _is_reference(place[0][place[1]])]
            if references:
                (one, i), (other, j) = (references[k] for k in rng.integers(len(references), size=2))
                one[i], other[j] = other[j], one[i]
                if rng.random() < 0.5:
                    one[i][int(rng.integers(1, 3))] = int(rng.choice([-1, 0, 1, 2, 99]))
        elif way == 5 and isinstance(holder, dict):
            odd = _odd(holder[key], places, rng)
            del holder[key]
            holder[sorted(KEYS)[rng.integers(len(KEYS))]] = odd
        else:
            holder[key] = _odd(holder[key], places, rng)
    text = json.dumps(value)
    if rng.random() < 0.03:  # the same key twice
        text = text.replace('"config":', '"config": 3, "config":', 1)
    depth = int(rng.choice([5, 60, 99, 101, 900, 100_000]))
    return text.replace(f'"{DEEP}"', "[" * depth + "]" * depth).encode()


KEYS = {
    "units", "name", "class_name", "config", "layers", "module", "registered_name", "layer", "cell", "cells", "dtype",
    "batch_shape", "batch_input_shape", "input_shape", "activation", "recurrent_activation", "build_config",
    "inbound_nodes", "input_layers", "output_layers", "trainable", "kernel_initializer", "fn", "function", "axis",
    "compile_config", "optimizer_config", "build_input_shape", "time_major", "go_backwards", "stateful", "merge_mode",
}  # fmt: skip
INTERESTING = KEYS | {
    "filters", "kernel_size", "strides", "rate", "padding", "input_dim", "output_dim", "learning_rate", "loss",
    "metrics", "args", "kwargs", "keras_history", "shape", "optimizer", "mask_zero", "return_sequences", "return_state",
}  # fmt: skip


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)


# --- HDF5 through h5py ----------------------------------------------------------------------------------------------


def _everything(file: h5py.File) -> list[Any]:
    items = [file]
    file.visititems(lambda name, item: items.append(item))
    return items


def _odd_attribute(rng: Rng) -> Any:
    odd: tuple[Any, ...] = (
        3, -1, 10**12, 0.5, "", "x", "2.9.0", "1.2.2", "0.3", "theano", "{", "[]", b"\xff\xfe", np.zeros(3), "y" * 3000,
        np.array([b"a", b"b"]), np.array([b"gru"] * 40), np.zeros((2, 2), "S3"), np.array([], "S1"), h5py.Empty("f4"),
        np.array(["gru", "dense"], h5py.string_dtype()), np.bool_(True), np.array([1 + 2j]),
    )  # fmt: skip
    return odd[rng.integers(len(odd))]


def h5_damaged(data: bytes, rng: Rng) -> bytes:
    """Well-formed HDF5 with other attributes, groups, datasets and links."""
    memory = io.BytesIO(data)
    with h5py.File(memory, "r+") as file:
        for _ in range(1 + int(rng.exponential(1))):
            _change(file, rng)
    return memory.getvalue()


def _change(file: h5py.File, rng: Rng) -> None:
    with contextlib.suppress(KeyError, ValueError, OSError, RuntimeError, TypeError):  # not every change can be made
        _try_change(file, rng)


def _try_change(file: h5py.File, rng: Rng) -> None:
    items = _everything(file)
    way = rng.integers(10)
    if way < 4:
        items = [item for item in items if len(item.attrs)] or items
        item = items[rng.integers(len(items))]
        names = [*item.attrs, "layer_names", "weight_names", "layer_names0", "nb_layers", "nb_params", "keras_version"]
        name = names[rng.integers(len(names))]
        value = item.attrs.get(name)
        if way == 0 and name in item.attrs:
            del item.attrs[name]
        elif way == 1 and isinstance(value, str) and value.startswith("{"):
            item.attrs[name] = json_damaged(value.encode(), rng).decode()
        elif way == 2 and isinstance(value, np.ndarray) and value.size:
            item.attrs[name] = [value[::-1], value[:-1], np.concatenate([value, value])][rng.integers(3)]
        else:
            item.attrs[name] = _odd_attribute(rng)
        return
    item = items[1:][rng.integers(len(items) - 1)]
    name, other = item.name, items[rng.integers(len(items))].name
    if way == 4:
        del file[name]
    elif way == 5:
        file.move(name, name + "x" if rng.random() < 0.5 else name.rsplit("/", 1)[0] + "/0")
    elif way == 6:
        del file[name]
        links: list[Any] = [h5py.SoftLink(other), h5py.SoftLink(name), h5py.ExternalLink("x.h5", other), file[other]]
        file[name] = links[rng.integers(len(links))]
    elif way == 7:
        file[f"{other.rstrip('/')}/x{rng.integers(3)}"] = item  # perhaps a circle
    else:
        datasets = [item for item in items if isinstance(item, h5py.Dataset)]
        if datasets:
            dataset = datasets[rng.integers(len(datasets))]
            name, shape, value = dataset.name, list(dataset.shape), dataset[()]
            del file[name]
            _odd_dataset(file, name, shape, value, rng)


def _odd_dataset(file: h5py.File, name: str, shape: list[int], value: Any, rng: Rng) -> None:
    dtypes: list[Any] = ["f8", "f2", "i1", "u8", ">f4", "c8", "S4", "V2", "?", h5py.string_dtype(), h5py.ref_dtype]
    dtypes += [np.dtype([("a", "f4"), ("b", "i2")]), h5py.vlen_dtype("f4"), h5py.enum_dtype({"a": 1})]
    way = rng.integers(6)
    if way == 0:
        file.create_dataset(name, shape, dtypes[rng.integers(len(dtypes))])
    elif way == 1 and shape:
        shape[rng.integers(len(shape))] = int(rng.choice([0, 1, 2, 1000, 1 << 20]))
        file.create_dataset(name, shape, "f4", chunks=tuple(min(axis, 64) or 1 for axis in shape))
    elif way == 2:
        file.create_dataset(name, [1 << 20] * int(rng.integers(1, 4)), "f4", chunks=True, compression="gzip")
    elif way == 3 and shape:
        file.create_dataset(name, data=value, chunks=True, compression=["gzip", "lzf"][rng.integers(2)], shuffle=True)
    elif way == 4:
        file.create_dataset(name, [*shape, 1][int(rng.integers(2)) :], "f4")
    else:
        file.create_dataset(name, data=h5py.Empty("f4"))


# --- archives -------------------------------------------------------------------------------------------------------


def zip_damaged(data: bytes, rng: Rng) -> bytes:
    """An archive with other members, or with numbers in its directory that are not true."""
    members = list(unzipped(data).items())
    way = rng.integers(7)
    one, other = (int(place) for place in rng.integers(len(members), size=2))
    if way == 0:
        members[one], members[other] = (members[one][0], members[other][1]), (members[other][0], members[one][1])
    elif way == 1:
        del members[one]
    elif way == 2:
        members.append((members[one][0], members[other][1]))
    elif way == 3:
        names = ["../x", "/x", "C:\\x", "config.json", "CONFIG.JSON", "a/config.json", "", "\x1b[2J", keras_zip.WEIGHTS]
        members[one] = (names[rng.integers(len(names))], members[one][1])
    elif way == 4:
        members[one] = (members[one][0], bytes_damaged(members[one][1], rng))
    if way < 5:
        return zipped(members, zipfile.ZIP_DEFLATED if rng.random() < 0.3 else zipfile.ZIP_STORED)
    changed = bytearray(data)
    # method, flags, sizes, lengths of names and extras, offsets; in a local header (4) or in the directory (2)
    starts = [place.start() for place in re.finditer(rb"PK\x01\x02|PK\x05\x06|PK\x03\x04", data)]
    for _ in range(int(rng.integers(1, 4))):
        place = starts[rng.integers(len(starts))] + int(rng.integers(4, 46))
        size = int(rng.choice([1, 2, 4]))
        changed[place : place + size] = _absurd(size, rng)
    return bytes(changed)


def member_damaged(data: bytes, rng: Rng) -> bytes:
    """An archive in which a member is damaged as what it is, and sound as a member."""
    members = unzipped(data)
    name = [keras_zip.CONFIG] * 5 + [keras_zip.METADATA] + [name for name in members if "weights" in name] * 6
    chosen = name[rng.integers(len(name))]
    members[chosen] = damaged_as(chosen, members[chosen], rng)
    return zipped(members, zipfile.ZIP_DEFLATED if rng.random() < 0.3 else zipfile.ZIP_STORED)


def config_damaged(data: bytes, rng: Rng) -> bytes:
    """HDF5 in which the texts of JSON are damaged as JSON."""
    memory = io.BytesIO(data)
    with h5py.File(memory, "r+") as file:
        names = [name for name in ("model_config", "model_config", "training_config") if name in file.attrs]
        if names:
            name = names[rng.integers(len(names))]
            text = file.attrs[name]
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                changed = json_damaged(text.encode() if isinstance(text, str) else text, rng)
                as_bytes = rng.random() < 0.2 and len(changed) < 60_000
                file.attrs[name] = np.bytes_(changed) if as_bytes else changed.decode()
        else:
            _change(file, rng)
    return memory.getvalue()


HDF5: tuple[Damage, ...] = (bytes_damaged, bytes_damaged, bytes_damaged, h5_damaged, config_damaged, config_damaged)
ARCHIVES: tuple[Damage, ...] = (bytes_damaged, zip_damaged, member_damaged, member_damaged, member_damaged)
NPZ: tuple[Damage, ...] = (bytes_damaged, zip_damaged, lambda data, rng: npz_damaged(data, rng))


def npz_damaged(data: bytes, rng: Rng) -> bytes:
    """An npz in which one array is damaged: its header, or the pickle in it."""
    members = unzipped(data)
    name = sorted(members)[rng.integers(len(members))]
    return zipped({**members, name: bytes_damaged(members[name], rng)})


def files_damaged(data: bytes, rng: Rng) -> bytes:
    """Several files of which one is damaged, or gone, or has the content of another."""
    members = unzipped(data)
    names = sorted(members)
    name, other = (names[place] for place in rng.integers(len(names), size=2))
    way = rng.integers(8)
    if way == 0:
        del members[name]
    elif way == 1:
        members[name] = members[other]
    elif way < 5:
        members[name] = damaged_as(name, members[name], rng)
    else:
        index = next(member for member in names if member.endswith(".index"))
        members[index] = index_damaged(members[index], rng)
    return zipped(members)


def index_damaged(data: bytes, rng: Rng) -> bytes:
    """An index of TensorFlow's in which entries are damaged, and the checksums are right."""
    entries = {key: bytes(value) for key, value in tensor_bundle.table(memoryview(data))}
    keys = sorted(entries)
    for key in rng.choice(np.array(keys, object), size=int(rng.integers(1, 4))):
        entries[key] = bytes_damaged(entries[key], rng)
    return bundles.table(entries)


def metadata_damaged(data: bytes, rng: Rng) -> bytes:
    """Metadata of Keras's in which one text of JSON is damaged as JSON."""
    nodes = protobuf.decode(saved_model.KERAS_METADATA, data)["nodes"]
    node = nodes[rng.integers(len(nodes)) if rng.random() < 0.3 else 0]
    with contextlib.suppress(UnicodeDecodeError):
        node["metadata"] = json_damaged(node["metadata"].encode(), rng).decode()
    return protobuf.encode(saved_model.KERAS_METADATA, {"nodes": nodes})


def header_damaged(data: bytes, rng: Rng) -> bytes:
    """A file of safetensors whose header is damaged as JSON."""
    size = int.from_bytes(data[:8], "little")
    header = json_damaged(data[8 : 8 + size], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


TORCH_ARCHIVES: tuple[Damage, ...] = (bytes_damaged, zip_damaged, npz_damaged, npz_damaged)


def damaged_as(name: str, data: bytes, rng: Rng) -> bytes:
    """One damage to a file, of a kind that goes with what the file is by its name."""
    ways: tuple[Damage, ...] = HDF5
    if name.endswith(SEVERAL):
        ways = (files_damaged,)
    elif name.endswith("keras_metadata.pb"):
        ways = (bytes_damaged, metadata_damaged, metadata_damaged)
    elif name.endswith(".safetensors"):
        ways = (bytes_damaged, header_damaged)
    elif name.endswith(".pt") and data.startswith(b"PK"):
        ways = TORCH_ARCHIVES
    elif name.endswith((".pt", ".pb", ".index", ".onnx")) or ".data-" in name:
        ways = (bytes_damaged,)
    elif name.endswith(".keras"):
        ways = ARCHIVES
    elif name.endswith(".json"):
        ways = (json_damaged,) * 9 + (bytes_damaged,)
    elif name.endswith(".npz"):
        ways = NPZ
    return ways[rng.integers(len(ways))](data, rng)


def damaged(number: int) -> tuple[str, bytes]:
    """The damaged file of a number, and the name of the sound one."""
    rng = np.random.default_rng([20261124, number])
    name = list(sources())[number % len(sources())]
    return name, damaged_as(name, sources()[name], rng)


# --- opening --------------------------------------------------------------------------------------------------------


@functools.cache
def _sound_model(name: str) -> Any:
    """The model of a sound file, for weights to be loaded into."""
    if name.startswith("torch_gru"):
        twice = [layers.Bidirectional(layers.GRU(4, return_sequences=True)) for _ in range(2)]
        return Sequential([layers.Input((5, 3)), *twice, layers.Dense(2)])
    if name.startswith("saved_module"):
        return Sequential([layers.Input((5, 3)), layers.GRU(2), layers.Dense(1)])
    if name.endswith(SEVERAL):
        return load_model(FILES / name.removesuffix(SEVERAL).removesuffix("_weights"))
    stem = name.split(".")[0].removesuffix("_weights")
    stem = {"packed": "reset_after", "npz": "reset_after"}.get(stem, stem)
    whole = next(other for other in (f"{stem}.keras", f"{stem}.h5") if other in sources())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / whole
        path.write_bytes(sources()[whole])
        return load_model(path)


def try_open(path: Path, name: str, choice: int) -> str:
    """Open a damaged file in one of the ways there are; "opened" or the error's sentence.

    Whatever is not allowed is raised: AssertionError where an error is no clean sentence, else the exception itself.
    """
    ways = [_load, _load, _load, _load_weights, _inspect, _convert]
    try:
        ways[choice % len(ways)](path, name)
    except saving.ModelFileError as error:
        _check_sentence(error)
        return str(error)
    return "opened"


def _check_sentence(error: BaseException) -> None:
    text = str(error)
    assert text.isprintable(), f"not printable: {text!r}"
    assert text.endswith((".", "?")), f"no sentence: {text!r}"
    assert len(text) < 3000, f"too long: {len(text)} characters, {text[:300]!r}"
    known: BaseException | None = error
    while known is not None:
        assert not isinstance(known, MemoryError), f"memory ran out: {text!r}"
        known = known.__cause__ or known.__context__


def _load(path: Path, name: str) -> None:
    _run(load_model(path))


def _run(model: Any) -> None:
    """Predict a little, where that takes little."""
    if not model.built:
        return
    shape = model.input_shape
    shapes = shape if isinstance(shape, list) else [shape]
    sizes = _flat([shapes, *model.output_shapes])
    if any(math.prod(3 if axis is None else axis for axis in shape) > MAX_NUMBERS for shape in sizes):
        return
    inputs = [np.zeros([3 if axis is None else axis for axis in (3, *shape[1:])]) for shape in shapes]
    try:
        model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    except ValueError as error:
        _check_sentence(error)


def _flat(shapes: Any) -> Iterator[tuple[int | None, ...]]:
    """The shapes in nested lists of shapes."""
    if not isinstance(shapes, (list, tuple)):
        return
    if shapes and all(axis is None or isinstance(axis, int) for axis in shapes):
        yield tuple(shapes)
        return
    for entry in shapes:
        yield from _flat(entry)


def _load_weights(path: Path, name: str) -> None:
    if name.endswith(".onnx"):  # which holds a graph, and no layers whose weights could be told apart
        return _load(path, name)
    _sound_model(name).load_weights(path)


def _inspect(path: Path, name: str) -> None:
    _command("inspect", str(path), *(["--json"] if len(path.name) % 2 else []))


def _convert(path: Path, name: str) -> None:
    odd = path.exists() and path.stat().st_size % 2
    new = path.with_name("converted.keras" if odd else "converted.h5")
    _command("convert", str(path), str(new))
    new.unlink(missing_ok=True)


def _command(*arguments: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(arguments)
    message = err.getvalue().removesuffix("\n")
    assert message.isprintable() and len(message) < 3000, f"said {message[:300]!r}"
    assert status == 0 or message.endswith((".", "?")), f"status {status}, said {message!r}"
    assert all(line.isprintable() for line in out.getvalue().splitlines()), "printed what is not printable"


# --- a process that opens many --------------------------------------------------------------------------------------


def limit_memory() -> None:
    """No more memory than the process has now and `MEMORY`; Linux and other Unixes."""
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY,) * 2)


def serve(folder: Path) -> None:
    """Open the files whose numbers come in, one a line; say before each which, and after it what came of it."""
    import faulthandler

    faulthandler.enable()
    warnings.simplefilter("ignore")
    _warm_up()
    limit_memory()
    for line in sys.stdin:
        number = int(line)
        print("begin", number, flush=True)
        signal.alarm(SECONDS)
        print("end", number, _outcome(number, folder), flush=True)
        signal.alarm(0)


def _warm_up() -> None:
    """What is imported late, and the threads' memory, does not count."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in sources().items():
            path = placed(Path(folder), name, data)
            if ".weights" not in name and "_weights" not in name and not name.startswith(("torch_", "saved_module")):
                _load(path, name)
                _inspect(path, name)
            _load_weights(path, name)


def _outcome(number: int, folder: Path) -> str:
    """A word: opened, refused, or the wrong that was done, on one line."""
    import traceback

    name, data = damaged(number)
    path = placed(folder, name, data)
    try:
        return "opened" if try_open(path, name, number // len(sources())) == "opened" else "refused"
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return f"WRONG {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})".replace("\n", " ")


def main() -> None:
    number = int(sys.argv[1])
    name, data = damaged(number)
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else f"damaged{number}")
    folder.mkdir(exist_ok=True)
    path = placed(folder, name, data)
    print(f"{name}, damaged, is kept as {path}", flush=True)
    print(try_open(path, name, number // len(sources())))


if __name__ == "__main__":
    serve(Path(sys.argv[2])) if sys.argv[1] == "--serve" else main()
