"""An HDF5 file cannot attack: links, filters, heaps and lists that lie are refused before memory is taken."""

from __future__ import annotations

import os
import re
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hostile_files import MEGABYTE, assert_refused
from paths import FILES

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential
from fastgru.saving import ModelFileError
from fastgru.saving.formats import hdf5, hdf5_limits, hdf5_plain


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


def test_arrays_count_together(cheap: None, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for number in range(20):
            file.create_dataset(f"layers/dense_{number}/vars/0", (4096, 4096), "float32")
    with pytest.raises(ModelFileError, match=r"declares 67108864 bytes, \d+ with those before it"):
        Sequential([Input((4, 3)), GRU(2)]).load_weights(tmp_path / "m.weights.h5")


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


def weights_with(path: Path, fill: Callable[[h5py.Group], Any]) -> Path:
    """Weights of a GRU and a Dense layer, the dense layer's kernel made otherwise."""
    small().save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["layers/dense/vars/0"]
        fill(file["layers/dense/vars"])
    return path


def small() -> Sequential:
    return Sequential([Input((4, 3)), GRU(2), Dense(3)])


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
    # elsewhere than in a checkout, whose source folder would hide the installed package
    child = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
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


def test_a_tree_whose_branches_grow_together_is_left_to_the_library(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file["a"] = np.ones(3, np.float32)
    data = (tmp_path / "bomb.h5").read_bytes()
    assert hdf5_plain.arrays("bomb.h5", data) is not None
    root, child, levels = data.index(b"TREE"), len(data), 12
    bomb = bytearray(data + struct.pack("<4sBBHQ", b"SNOD", 1, 0, 0, 0))
    for level in range(levels + 1):
        node = struct.pack("<4sBBHQQ", b"TREE", 0, level, 30, *[2**64 - 1] * 2) + struct.pack("<QQ", 0, child) * 30
        child = len(bomb)
        bomb += node
    bomb[root : root + len(node)] = node
    assert hdf5_plain.arrays("bomb.h5", bytes(bomb)) is None
