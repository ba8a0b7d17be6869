"""An archive, a folder or a pickle cannot attack: none unpacks to more than it may, or runs anything."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import MEGABYTE, archive, assert_refused
from paths import FILES

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential, load_model
from fastgru.saving import ModelFileError


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
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
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


def test_a_member_that_claims_more_than_the_archive_is_refused(cheap: None, tmp_path: Path) -> None:
    content = bytearray((FILES / "reset_after.keras").read_bytes())
    for match in re.finditer(rb"PK\x01\x02", bytes(content)):
        content[match.start() + 20 : match.start() + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    (tmp_path / "m.keras").write_bytes(content)
    assert_refused(tmp_path / "m.keras", "is said to take 4294967280 bytes")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.keras")
    assert_refused(tmp_path / "m.keras", "is neither a file nor a folder")
    folder = tmp_path / "folder.keras"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    os.mkfifo(folder / "metadata.json")
    assert_refused(folder, "metadata.json: is no file")
