"""A model file cannot attack: each bomb, trap and lie is refused quickly, in one sentence, before memory is taken."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import resource
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import FILES

from fastgru.cli import main
from fastgru.layers import GRU, Dense, Input
from fastgru.models import Functional, Sequential, load_model
from fastgru.saving import ModelFileError
from fastgru.saving.formats import hdf5, hdf5_limits

MEGABYTE = 1 << 20


@pytest.fixture
def cheap() -> Iterator[None]:
    """The test takes neither long nor much memory through numpy and Python."""
    load_model(FILES / "reset_after.keras")  # what is imported late does not count
    tracemalloc.start()
    began = time.process_time()  # work, not waiting: how busy the machine is else does not count
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - began < 5
    assert peak < 100 * MEGABYTE


def assert_refused(path: Path, reason: str, **options: Any) -> None:
    with pytest.raises(ModelFileError, match=reason) as caught:
        load_model(path, **options)
    assert str(caught.value).startswith(str(path)) or str(caught.value).startswith("layer")
    assert "\n" not in str(caught.value)


def archive(path: Path, **members: bytes) -> Path:
    """A copy of a golden archive with other members."""
    names = {"config": "config.json", "metadata": "metadata.json", "weights": "model.weights.h5"}
    with zipfile.ZipFile(FILES / "reset_after.keras") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for key, name in names.items():
            new.writestr(name, members.pop(key, None) or old.read(name))
        for name, data in members.items():
            new.writestr(name, data)
    return path


def config_of(change: Callable[[Any], None], source: str = "reset_after.keras") -> bytes:
    with zipfile.ZipFile(FILES / source) as file:
        config = json.loads(file.read("config.json"))
    change(config)
    return json.dumps(config).encode()


# --- configs --------------------------------------------------------------------------------------------------------


def test_units_beyond_what_the_file_holds_are_refused(cheap: None, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"][1]["config"]["units"] = 10**9

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "is larger than what the file holds")


def test_many_large_layers_are_refused_together(cheap: None, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        dense = config["config"]["layers"][2]
        for number in range(1000):
            inner = {**dense["config"], "units": 5000, "name": f"d{number}"}
            config["config"]["layers"].append({**dense, "config": inner})

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "is larger than what the file holds")


@pytest.mark.parametrize("depth", [200, 100_000])
def test_deep_nesting_is_refused(depth: int, cheap: None, tmp_path: Path) -> None:
    form = '{"class_name": "Sequential", "config": {"name": "m", "layers": ['
    assert_refused(archive(tmp_path / "m.keras", config=(form * depth + "]}}" * depth).encode()), "nested|deep|depth")


def test_too_many_layers_are_refused(tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"] *= 2000

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "more than 2000 layers")


def test_as_many_layers_as_are_allowed_open_in_time(tmp_path: Path) -> None:
    def change(config: Any) -> None:
        dropout = {"module": "keras.layers", "class_name": "Dropout", "registered_name": None}
        config["config"]["layers"] += [{**dropout, "config": {"name": f"d{n}", "rate": 0.1}} for n in range(1900)]

    assert len(load_model(archive(tmp_path / "m.keras", config=config_of(change)), compile=False).layers) > 1900


def circle(layers: list[Any]) -> None:
    history = layers[1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"]
    history[0] = layers[1]["name"]


def to_nowhere(layers: list[Any]) -> None:
    layers[1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "nowhere"


def to_another_application(layers: list[Any]) -> None:
    layers[1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][1] = 10**9


def to_another_output(layers: list[Any]) -> None:
    layers[2]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][2] = 7


def to_the_last_application(layers: list[Any]) -> None:
    layers[2]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][1] = -1


def to_the_last_output(layers: list[Any]) -> None:
    layers[2]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][2] = -1


def not_a_list(layers: list[Any]) -> None:
    layers[1]["inbound_nodes"] = {"args": 1}


NO_GRAPHS = [
    circle, to_nowhere, to_another_application, to_another_output, to_the_last_application, to_the_last_output,
    not_a_list,
]  # fmt: skip


@pytest.mark.parametrize("change", NO_GRAPHS)
@pytest.mark.parametrize("outputs", [None, ["end"]])
def test_a_graph_that_is_none_is_told(
    change: Callable[[list[Any]], None], outputs: list[str] | None, tmp_path: Path
) -> None:
    x = Input((4, 3), name="x")
    model = Functional(x, Dense(2, name="end")(GRU(2, name="gru")(x)))
    model.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "m.keras", "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            if name == "config.json":
                config = json.loads(data)
                change(config["config"]["layers"])
                data = json.dumps(config).encode()
            bad.writestr(name, data)
    assert_refused(tmp_path / "m.keras", "model config", outputs=outputs)


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("ends", ["input_layers", "output_layers"])
def test_the_ends_of_a_graph_are_not_counted_from_behind(ends: str, place: int, tmp_path: Path) -> None:
    x = Input((4, 3), name="x")
    form = Functional(x, Dense(2, name="end")(GRU(2, name="gru")(x))).get_config()
    end = form[ends] if isinstance(form[ends][0], str) else form[ends][0]
    end[place] = -1
    with pytest.raises(ValueError, match=r"layer '\w+' has no output -?\d+ of a call -?\d+"):
        Functional.from_config(form)


@pytest.mark.parametrize("name", [5, ["adam"], {"a": 1}, True])
def test_an_optimizer_has_a_name_of_letters(name: Any, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["compile_config"]["optimizer"]["config"]["name"] = name

    path = archive(tmp_path / "m.keras", config=config_of(change))
    with pytest.warns(UserWarning, match="not compiled: Adam: expected name to be a string, got"):
        assert not load_model(path).compiled


# --- HDF5 -----------------------------------------------------------------------------------------------------------


def test_a_text_that_claims_gigabytes_is_refused(cheap: None, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "x" * 5000
    content = bytearray((tmp_path / "m.h5").read_bytes())
    for match in re.finditer(re.escape(struct.pack("<I", 5000)), bytes(content)):
        content[match.start() : match.start() + 4] = b"\xf0\xff\xff\xff"
        (tmp_path / "m.h5").write_bytes(content)
        assert_refused(tmp_path / "m.h5", "damaged|attribute")


def test_an_array_that_claims_gigabytes_is_refused(cheap: None, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes((FILES / "reset_after.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        name = "model_weights/dense/sequential/dense/kernel"
        del file[name]
        file.create_dataset(name, (1 << 16, 1 << 14), "float32", chunks=(1024, 1024), compression="gzip")
    assert_refused(path, r"declares 4294967296 bytes, .* at most 100 times")


@pytest.mark.parametrize("count", [-1, 10**9])
def test_an_absurd_number_of_layers_is_refused(count: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["nb_layers"] = count
    assert_refused(tmp_path / "m.h5", "expected a number from 0 to")


# --- archives, folders, parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "assets/../../evil", "C:\\evil", "..\\evil"])
def test_members_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", **{name: b"x"})
    assert_refused(path, "whose path is absolute or leads out")
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]


def test_an_unpacked_archive_opens_but_links_in_it_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "m.keras"
    with zipfile.ZipFile(FILES / "reset_after.keras") as file:
        file.extractall(folder)
    with np.load(FILES / "reset_after.npz") as stored:
        np.testing.assert_allclose(load_model(folder).predict(stored["x"], verbose=0), stored["y"], atol=1e-5)
    (folder / "model.weights.h5").rename(tmp_path / "elsewhere")
    (folder / "model.weights.h5").symlink_to(tmp_path / "elsewhere")
    assert_refused(folder, "is a link")


def npz(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def as_npz(path: Path, data: bytes) -> Path:
    """The golden archive with its weights as an `.npz`."""
    with zipfile.ZipFile(FILES / "reset_after.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in ("config.json", "metadata.json"):
            new.writestr(name, old.read(name))
        new.writestr("model.weights.npz", data)
    return path


def test_weights_in_an_npz_are_read_without_unpickling(tmp_path: Path) -> None:
    model = load_model(FILES / "reset_after.keras")
    first, last = (
        {str(i): w for i, w in enumerate(layer.get_weights())} for layer in (model.layers[0], model.layers[-1])
    )
    path = as_npz(tmp_path / "m.keras", npz({"__root__": {}, "layers/gru/cell": first, "layers/dense": last}))
    with np.load(FILES / "reset_after.npz") as stored:
        np.testing.assert_allclose(
            load_model(path, compile=False).predict(stored["x"], verbose=0), stored["y"], atol=1e-5
        )


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('the pickle was run')",))


@pytest.mark.parametrize("content", [{"0": Evil()}, Evil(), {"0": [np.zeros(2)]}, {"0": np.array([Evil()])}])
def test_a_pickle_is_never_run(content: Any, tmp_path: Path) -> None:
    assert_refused(as_npz(tmp_path / "m.keras", npz({"layers/dense": content})), "model.weights.npz, layers/dense")


def test_a_bomb_in_an_npz_is_refused(cheap: None, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 20, 1 << 15)}
        )
        file.writestr("layers/dense.npy", header.getvalue())
    assert_refused(as_npz(tmp_path / "m.keras", buffer.getvalue()), r"declares \d+ bytes of numbers and holds 0")


@pytest.mark.parametrize("name", ["../w.weights.h5", "/tmp/w.weights.h5", "a\\w.weights.h5", ".hidden", 3])
def test_parts_of_weights_stand_beside_their_index(name: Any, tmp_path: Path) -> None:
    model = Sequential([Input((4, 3)), GRU(2)])
    (tmp_path / "m.weights.json").write_text(json.dumps({"metadata": {}, "weight_map": {"/layers/gru": name}}))
    with pytest.raises(ModelFileError, match=r"parts stand in the same folder|expected"):
        model.load_weights(tmp_path / "m.weights.json")


@pytest.mark.keras
def test_weights_in_parts_are_read(keras: Any, tmp_path: Path) -> None:
    theirs = keras.Sequential([keras.Input((4, 3)), keras.layers.GRU(2, return_sequences=True), keras.layers.Dense(3)])
    theirs.save_weights(tmp_path / "m.weights.json", max_shard_size=1e-7)
    assert len(list(tmp_path.glob("*.weights.h5"))) > 1
    model = Sequential([Input((4, 3)), GRU(2, return_sequences=True), Dense(3)])
    model.load_weights(tmp_path / "m.weights.json")
    for one, other in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pickles_of_other_programs_are_told(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(pickle.dumps({"model": 1}))
    assert_refused(tmp_path / "m.h5", "is a Python pickle")


# --- what a reviewer would try ---------------------------------------------------------------------------------------


def crafted_pickle(*code: bytes) -> bytes:
    """A member of an npz that is a pickle of the given instructions."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    return header.getvalue() + b"\x80\x04" + b"".join(code) + b"."


# put, get, get, TUPLE2, again and again: whoever hashes it takes 2**80 steps
DOUBLED = b"K\x01" + b"q\x00h\x00\x86" * 80


@pytest.mark.parametrize("code", [b"}" + DOUBLED + b"K\x01s", b"\x8c\x05numpy" + DOUBLED + b"\x93"])
def test_a_pickle_of_doubled_tuples_takes_no_time(code: bytes, cheap: None, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("layers/dense.npy", crafted_pickle(code))
    assert_refused(as_npz(tmp_path / "m.keras", buffer.getvalue()), "layers/dense: holds a pickle with")


def test_members_over_one_another_count_each(cheap: None, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("layers/dense.npy", bytes(1 << 20))
        info = file.filelist[0]
        for number in range(3000):
            again = zipfile.ZipInfo(f"layers/dense_{number}.npy")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset"):
                setattr(again, name, getattr(info, name))
            file.filelist.append(again)
    assert_refused(as_npz(tmp_path / "m.keras", buffer.getvalue()), r"declares \d+ bytes but takes")


def deflated(members: dict[str, bytes | int]) -> bytes:
    """An archive of members, each with its content or with so many megabytes of zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            with file.open(name, "w") as member:
                for block in [content] if isinstance(content, bytes) else [bytes(MEGABYTE)] * content:
                    member.write(block)
    return buffer.getvalue()


def lying(data: bytes, name: str, declared: int) -> bytes:
    """An archive that says of a member that it unpacks to so many bytes."""
    changed = bytearray(data)
    for mark, size, length, start in ((b"PK\x03\x04", 22, 26, 30), (b"PK\x01\x02", 24, 28, 46)):
        for match in re.finditer(re.escape(mark), data):
            place = match.start()
            (letters,) = struct.unpack_from("<H", data, place + length)
            if data[place + start : place + start + letters] == name.encode():
                struct.pack_into("<I", changed, place + size, declared)
    return bytes(changed)


def golden_members() -> dict[str, bytes | int]:
    with zipfile.ZipFile(FILES / "reset_after.keras") as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
@pytest.mark.parametrize("declared", [0, 20 * MEGABYTE])
def test_a_member_unpacks_to_no_more_than_its_archive_says(
    name: str, declared: int, cheap: None, tmp_path: Path
) -> None:
    data = deflated({**golden_members(), name: 120})
    (tmp_path / "m.keras").write_bytes(lying(data, name, declared))
    assert_refused(tmp_path / "m.keras", f"{name}: is said to unpack to {declared} bytes and unpacks to more")


@pytest.mark.parametrize("declared", [0, MEGABYTE])
def test_a_member_of_an_npz_unpacks_to_no_more_than_it_says(declared: int, cheap: None, tmp_path: Path) -> None:
    data = lying(deflated({"layers/dense.npy": 120}), "layers/dense.npy", declared)
    path = as_npz(tmp_path / "m.keras", data)
    assert_refused(path, f"layers/dense: is said to unpack to {declared} bytes and unpacks to more")


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_member_unpacks_to_as_much_as_its_archive_says(difference: int, tmp_path: Path) -> None:
    members = golden_members()
    declared = len(members["config.json"]) + difference
    (tmp_path / "m.keras").write_bytes(lying(deflated(members), "config.json", declared))
    assert_refused(tmp_path / "m.keras", f"config.json: is said to unpack to {declared} bytes and unpacks to")


def test_a_long_list_of_members_is_not_read(cheap: None, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as file:
        info = zipfile.ZipInfo("x")
        file.filelist = [info] * 10
        file.writestr("config.json", "{}")
        info.header_offset = info.file_size = info.compress_size = info.CRC = 0
        info.extra = bytes(60_000)
        file.filelist = [info] * 100
    assert_refused(tmp_path / "m.keras", r"has a list of members of \d+ bytes; at most 4194304")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_stored_or_deflated(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.keras", "w", method) as file:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            file.writestr(name, "{}")
    assert_refused(tmp_path / "m.keras", "config.json: is packed by method")


@pytest.mark.parametrize(("place", "value"), [(6, 1), (6, 0x41), (8, 99)])
def test_encrypted_and_unknown_members_are_told(place: int, value: int, tmp_path: Path) -> None:
    content = bytearray((FILES / "reset_after.keras").read_bytes())
    for mark, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        for match in re.finditer(re.escape(mark), bytes(content)):
            content[match.start() + place + shift] = value
    (tmp_path / "m.keras").write_bytes(content)
    assert_refused(tmp_path / "m.keras", "encrypted|packed by method|patched")


def test_a_config_of_empty_lists_is_not_parsed(cheap: None, tmp_path: Path) -> None:
    assert_refused(archive(tmp_path / "m.keras", config=b"[" + b"[]," * (10 << 20) + b"[]]"), "is a text of")


def test_arrays_count_together(cheap: None, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for number in range(20):
            file.create_dataset(f"layers/dense_{number}/vars/0", (4096, 4096), "float32")
    with pytest.raises(ModelFileError, match=r"declares 67108864 bytes, \d+ with those before it"):
        Sequential([Input((4, 3)), GRU(2)]).load_weights(tmp_path / "m.weights.h5")


def weights_with(path: Path, fill: Callable[[h5py.Group], Any]) -> Path:
    """Weights of a GRU and a Dense layer, the dense layer's kernel made otherwise."""
    small().save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        fill(file["layers/dense/vars"])
    return path


def small() -> Sequential:
    return Sequential([Input((4, 3)), GRU(2), Dense(3)])


def gzip_bomb(group: h5py.Group) -> None:
    dataset = group.create_dataset("0", (2, 3), "float32", chunks=(2, 3), compression="gzip")
    dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(20 * MEGABYTE)))


def filtered_bomb(group: h5py.Group) -> None:
    dataset = group.create_dataset("0", (2, 3), "float32", chunks=(2, 3), compression="gzip")
    dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(20_000)))


def bomb_without_shuffle(group: h5py.Group) -> None:
    dataset = group.create_dataset("0", (2, 3), "float32", chunks=(2, 3), compression="gzip", shuffle=True)
    dataset.id.write_direct_chunk((0, 0), zlib.compress(bytes(900_000)), filter_mask=1)


def enumeration(group: h5py.Group) -> None:
    group.create_dataset("0", data=np.ones((2, 3), "i1"), dtype=h5py.enum_dtype({"OFF": 0, "ON": 1}, "i1"))


def plugin(group: h5py.Group) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((2, 3))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2, 3)), plan)


def huge_chunk(group: h5py.Group) -> None:
    group.create_dataset("0", (2, 3), "float32", maxshape=(None, None), chunks=(1 << 15, 1 << 14))


def chunk_dust(group: h5py.Group) -> None:
    group.create_dataset("0", (1 << 13, 1 << 11), "int8", chunks=(1, 1))


def references(group: h5py.Group) -> None:
    group.create_dataset("0", (2, 3), h5py.ref_dtype)


def committed(group: h5py.Group) -> None:
    group["type"] = np.dtype([("a", "f4"), ("b", "f4")])
    group.create_dataset("0", (2, 3), dtype=group["type"])


def a_type(group: h5py.Group) -> None:
    group["0"] = np.dtype("f4")


def region(group: h5py.Group) -> None:
    group.create_dataset("0", (2, 3), h5py.regionref_dtype)


def circle_of_groups(group: h5py.Group) -> None:
    group["0"] = group.file["layers"]


@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (gzip_bomb, "has a chunk of 24 bytes that takes"),
        (filtered_bomb, "does not unpack to 24 bytes"),
        (bomb_without_shuffle, "does not unpack to 24 bytes"),
        (enumeration, "expected an array of numbers, got an enumeration"),
        (plugin, r"went through filters \(32015,\)"),
        (huge_chunk, r"declares \d+ bytes"),
        (chunk_dust, r"is cut into \d+ chunks"),
        (references, "expected an array of numbers"),
        (region, "expected an array of numbers"),
        (committed, "expected an array of numbers"),
        (a_type, "expects 2 arrays"),
        (circle_of_groups, "is nested deeper than 64"),
    ],
)
def test_a_dataset_that_is_a_trap_is_refused(
    fill: Callable[[h5py.Group], Any], reason: str, cheap: None, tmp_path: Path
) -> None:
    path = weights_with(tmp_path / "m.weights.h5", fill)
    with pytest.raises(ModelFileError, match=reason):
        small().load_weights(path)


def test_gzip_is_read_with_shuffle_and_without(tmp_path: Path, rng: np.random.Generator) -> None:
    kernel = rng.normal(size=(2, 3)).astype("float32")
    for shuffle in (False, True):
        path = weights_with(
            tmp_path / "m.weights.h5",
            lambda group, shuffle=shuffle: group.create_dataset(
                "0", data=kernel, chunks=(1, 2), compression="gzip", shuffle=shuffle
            ),
        )
        model = small()
        model.load_weights(path)
        np.testing.assert_array_equal(model.layers[-1].get_weights()[0], kernel)


def test_groups_that_multiply_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_limits, "MAX_OBJECTS", 2000)
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for number in range(20):  # each has the next one twice
            group = file.require_group(f"g{number}")
            group["a"] = group["b"] = file.require_group(f"g{number + 1}")
    with pytest.raises(ModelFileError, match="more than 2000 objects"):
        small().load_weights(tmp_path / "m.weights.h5")


@pytest.mark.parametrize(("number", "reason"), [(2000, "at a depth of 2001"), (60, "a/a: expected an array")])
def test_paths_that_go_round_are_refused(number: int, reason: str, cheap: None, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        group = file.create_group("a")
        group["a"] = group
        file.attrs["layer_names"] = np.array([b"a"])
        group.attrs["weight_names"] = np.array(["a/" * number + "a"] * 1000, h5py.string_dtype())
    with pytest.raises(ModelFileError, match=reason):
        small().load_weights(tmp_path / "m.h5")


def test_a_user_block_before_the_file_is_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w", userblock_size=512) as file:
        file.attrs["model_config"] = "{}"
    assert_refused(tmp_path / "m.h5", "neither an HDF5 file nor")


ODD_NAME = "\x1b[31m\x1b]0;title\x07red\nFAKE LINE\u202e\ud800"


def named(path: Path) -> Path:
    def change(config: Any) -> None:
        config["config"]["layers"][1]["config"]["name"] = ODD_NAME
        config["config"]["layers"][2]["config"][ODD_NAME] = ODD_NAME

    return archive(path, config=config_of(change))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", [["inspect"], ["inspect", "--json"], ["summary"], ["convert"]])
def test_names_do_not_steer_a_terminal(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = named(tmp_path / "m.keras")
    monkeypatch.setenv("COLUMNS", "200")
    last = [str(tmp_path / "new.h5")] if command == ["convert"] else []
    status = main([command[0], str(path), *last, *command[1:]])
    captured = capsys.readouterr()
    assert status == 0 or command == ["convert"]
    assert all(line.isprintable() for line in (captured.out + captured.err).splitlines())
    assert not any(line.strip().startswith("FAKE LINE") for line in captured.out.splitlines())


def test_names_in_errors_and_reports_are_escaped(tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as caught:
        model = load_model(named(tmp_path / "m.keras"))
    assert all(text.isprintable() for text in [*model.load_report, *(str(one.message) for one in caught)])

    def change(config: Any) -> None:
        config["config"]["layers"][2]["class_name"] = ODD_NAME

    with pytest.raises(ModelFileError) as caught:
        load_model(archive(tmp_path / "m.keras", config=config_of(change)))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "form",
    [
        {"module": "os", "class_name": "system", "config": {"command": "x"}, "registered_name": "system"},
        {"module": "evil_module", "class_name": "Evil", "config": {}, "registered_name": "evil_module>Evil"},
        {"module": "builtins", "class_name": "eval", "config": {"source": "1"}},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "x", "function": ["4wEA", None, None]}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"name": "x", "filepath": "/"}},
    ],
)
def test_no_module_is_imported_for_a_file(form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    def as_layer(config: Any) -> None:
        config["config"]["layers"][2] = form

    def as_activation(config: Any) -> None:
        config["config"]["layers"][2]["config"]["activation"] = form

    for change in (as_layer, as_activation):
        assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "not known|never run|expected")
    assert "evil_module" not in sys.modules


@pytest.mark.parametrize("value", [None, 3, "tanh", object(), [1], np.zeros(2)])
def test_custom_objects_that_are_none_are_told(value: Any, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"][2]["class_name"] = "Mine"

    path = archive(tmp_path / "m.keras", config=config_of(change))
    with pytest.raises(ValueError):
        load_model(path, custom_objects={"Mine": value})


@pytest.mark.parametrize("text", ['"units": 1e400', '"units": NaN', '"units": 12, "units": {}', '"units": -0.5'])
def test_numbers_that_are_none_are_told(text: str, tmp_path: Path) -> None:
    config = config_of(lambda config: None).decode()
    config = re.sub(r'"units": \d+', text, config, count=1)
    assert_refused(archive(tmp_path / "m.keras", config=config.encode()), "units")


@pytest.mark.parametrize("length", [(1 << 64) - 1, 0, 100_000])
def test_a_heap_with_a_wild_length_is_refused(length: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "3.15.0", "numpy"
    content = bytearray((tmp_path / "m.h5").read_bytes())
    place = content.find(b"3.15.0\x00\x00") - 8
    content[place : place + 8] = struct.pack("<Q", length)
    (tmp_path / "m.h5").write_bytes(content)
    assert_refused(tmp_path / "m.h5", "global heap|text|damaged|holds weights without a model")


def test_many_references_to_one_text_count_each(cheap: None, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("layer", (600,), h5py.string_dtype())
        file.attrs["layer_names"] = ["x" * 999_983, *["y"] * 600]
    content = bytearray((tmp_path / "m.h5").read_bytes())
    place = next(match.start() for match in re.finditer(re.escape(struct.pack("<I", 999_983)), bytes(content)))
    reference = bytes(content[place : place + 16])
    for number in range(600):
        content[place + 16 * number : place + 16 * number + 16] = reference
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"layer_names.*declares \d+ bytes"):
        small().load_weights(tmp_path / "m.h5")


def test_attributes_of_one_name_in_many_groups_each_count_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for number in range(600):
            file.create_group(f"g{number}").attrs["weight_names"] = [f"{number}" + "x" * 1000]
    path = tmp_path / "m.h5"
    with hdf5.opened("m.h5", path, path.stat().st_size) as root:
        names = [root.node(f"g{number}").strings("weight_names") for number in range(600)]
    assert names == [[f"{number}" + "x" * 1000] for number in range(600)]


# a process whose file is cut off when its first bytes were looked at
CUT_WHILE_READ = """
import os, sys
from fastgru.models import load_model
from fastgru.saving.formats import hdf5_limits
check = hdf5_limits.check_heaps
def cut(data):
    data[:64]
    os.truncate(sys.argv[1], 0)
    check(data)
model = load_model(sys.argv[2])
hdf5_limits.check_heaps = cut
(model.load_weights if sys.argv[1].endswith("s.h5") else load_model)(sys.argv[1])
"""


@pytest.mark.parametrize("name", ["reset_after.h5", "reset_after.weights.h5"])
def test_a_file_that_is_cut_while_it_is_read_does_not_end_the_process(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes((FILES / name).read_bytes())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CUT_WHILE_READ, path, FILES / "reset_after.h5"]
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert path.stat().st_size == 0
    assert child.returncode == 0, f"{child.returncode}: {child.stderr}"


@pytest.mark.parametrize("name", ["reset_after.h5", "reset_after.weights.h5"])
@pytest.mark.parametrize("size", [None, 0, 5000])
def test_a_file_that_vanishes_or_shrinks_is_told(
    name: str, size: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = tmp_path / name, hdf5.opened
    path.write_bytes((FILES / name).read_bytes())

    def late(file: str, source: Path, *arguments: Any) -> Any:
        path.unlink() if size is None else os.truncate(path, size)
        return opened(file, source, *arguments)

    monkeypatch.setattr(hdf5, "opened", late)
    with pytest.raises(ModelFileError, match="No such file" if size is None else "is damaged or cut short"):
        small().load_weights(path)


@pytest.mark.parametrize("heap", [0, 1 << 20, 1 << 63], ids=hex)
def test_a_reference_to_a_text_that_is_nowhere_takes_no_memory(heap: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "x" * 5000
    content = bytearray((tmp_path / "m.h5").read_bytes())
    for match in re.finditer(re.escape(struct.pack("<I", 5000)), bytes(content)):
        content[match.start() : match.start() + 12] = struct.pack("<IQ", 1 << 31, heap)
    (tmp_path / "m.h5").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(tmp_path / "m.h5", "declares 2147483648 bytes|global heap")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # kilobytes


def test_lists_of_any_length_in_attributes_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        value = np.empty(2, object)
        value[:] = [np.zeros(3, "f4"), np.zeros(5, "f4")]
        file.attrs.create("model_config", value, dtype=h5py.vlen_dtype("f4"))
    assert_refused(tmp_path / "m.h5", "expected text or numbers")


def test_a_heap_larger_than_the_file_is_refused(cheap: None, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["keras_version"] = "3.15.0"
    content = bytearray((tmp_path / "m.h5").read_bytes())
    place = content.find(b"GCOL") + 8
    content[place : place + 8] = struct.pack("<Q", 3 << 30)
    (tmp_path / "m.h5").write_bytes(content)
    assert_refused(tmp_path / "m.h5", r"the global heap at byte \d+ goes beyond")


@pytest.mark.parametrize(("place", "value"), [(13, 4), (14, 2), (24, 8), (48, 96)])
def test_an_unusual_superblock_is_refused(place: int, value: int, tmp_path: Path) -> None:
    content = bytearray((FILES / "reset_after.h5").read_bytes())
    content[place] = value
    (tmp_path / "m.h5").write_bytes(content)
    assert_refused(tmp_path / "m.h5", "superblock")


def test_a_member_that_claims_more_than_the_archive_is_refused(cheap: None, tmp_path: Path) -> None:
    content = bytearray((FILES / "reset_after.keras").read_bytes())
    for match in re.finditer(rb"PK\x01\x02", bytes(content)):
        content[match.start() + 20 : match.start() + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    (tmp_path / "m.keras").write_bytes(content)
    assert_refused(tmp_path / "m.keras", "is said to take 4294967280 bytes")


def test_a_layer_has_a_name_of_letters(tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"][2]["config"]["name"] = 3

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "expected name to be a string")


@pytest.mark.parametrize("version", ["1" * 5000 + ".2", "²." + "1" * 9, "", None])
def test_a_version_that_is_none_does_no_harm(version: Any, tmp_path: Path) -> None:
    assert load_model(archive(tmp_path / "m.keras", metadata=json.dumps({"keras_version": version}).encode())).layers


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.keras")
    assert_refused(tmp_path / "m.keras", "is neither a file nor a folder")
    folder = tmp_path / "folder.keras"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    os.mkfifo(folder / "metadata.json")
    assert_refused(folder, "metadata.json: is no file")
