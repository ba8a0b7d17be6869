"""The reader of the plainest HDF5 gives what the HDF5 library gives, and leaves all else to it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

from fastgru.saving.formats import hdf5, hdf5_plain


def image(fill: Callable[[h5py.File], Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        fill(file)
    return buffer.getvalue()


def many_groups(file: h5py.File) -> None:
    rng = np.random.default_rng(0)
    for number in range(300):  # more than one leaf of the tree of names holds
        file[f"layers/dense_{number}/vars/0"] = rng.normal(size=(number % 3 + 1, 4)).astype("<f4")
        file[f"layers/dense_{number}/vars/1"] = rng.normal(size=())
        file[f"layers/dense_{number}/vars"].attrs["name"] = "x" * (number % 50)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", "<i4", "<i8", "<u4", "<u8"])
def test_numbers_of_each_type_are_those_of_h5py(dtype, rng) -> None:
    values = (100 * rng.random((3, 4))).astype(dtype)
    [(names, array)] = hdf5_plain.arrays("f", image(lambda file: file.update({"a/x": values})))
    assert (names, array.shape, array.place) == (["a", "x"], (3, 4), "/a/x")
    np.testing.assert_array_equal(array.read(dtype), values)


def test_names_arrays_and_their_order_are_those_of_h5py() -> None:
    data = image(many_groups)
    ours = hdf5_plain.arrays("f", data)
    with hdf5.opened("f", data) as root:
        theirs = list(root.arrays())
        assert [names for names, _ in ours] == [names for names, _ in theirs]
        for (_, mine), (_, its) in zip(ours, theirs, strict=True):
            assert (mine.shape, mine.place) == (its.shape, its.place)
            np.testing.assert_array_equal(mine.read("float64"), its.read("float64"))


def soft_link(file: h5py.File) -> None:
    file["a"] = np.ones(3)
    file["b"] = h5py.SoftLink("/a")


def hard_link(file: h5py.File) -> None:
    file["a"] = np.ones(3)
    file["b"] = file["a"]


def circle(file: h5py.File) -> None:
    file["a/b"] = np.ones(3)
    file["a/c"] = file["a"]


@pytest.mark.parametrize(
    "fill",
    [
        soft_link,
        hard_link,
        circle,
        lambda file: file.create_dataset("x", data=np.ones(3), chunks=(2,)),
        lambda file: file.create_dataset("x", data=np.ones(3), compression="gzip"),
        lambda file: file.create_dataset("x", data=np.ones(3, ">f4")),
        lambda file: file.create_dataset("x", data=np.ones(3, "?")),
        lambda file: file.create_dataset("x", data="text"),
        lambda file: file.create_dataset("x", (3,), "f4"),  # whose numbers were never written
        lambda file: file.create_dataset("x", data=h5py.Empty("f4")),
    ],
)
def test_anything_beyond_is_left_to_the_library(fill) -> None:
    assert hdf5_plain.arrays("f", image(fill)) is None


def test_a_file_of_the_new_kind_is_left_to_the_library() -> None:
    assert hdf5_plain.arrays("f", image(many_groups, libver="latest")) is None


def test_damaged_bytes_never_do_more_than_leave_it_to_the_library(rng) -> None:
    data = image(lambda file: file.update({"layers/gru/vars/0": np.ones((4, 3)), "layers/gru/vars/1": np.ones(5)}))
    for place in range(len(data) - 8):
        for change in (b"\0", b"\xff", b"\xff" * 8, rng.bytes(3)):
            damaged = data[:place] + change + data[place + len(change) :]
            for _, array in hdf5_plain.arrays("f", damaged) or []:
                array.read("float32")
    for end in range(0, len(data), 7):
        assert hdf5_plain.arrays("f", data[:end]) is None


def test_a_root_that_is_an_array_is_left_to_the_library() -> None:
    with h5py.File(io.BytesIO(data := image(lambda file: file.update({"x": np.ones(3)})))) as file:
        array = h5py.h5o.get_info(file["x"].id).addr
    assert hdf5_plain.arrays("f", data[:64] + array.to_bytes(8, "little") + data[72:]) is None


@pytest.mark.parametrize("name", [b"aa", b"zz", b"\0b"])
def test_names_twice_or_out_of_their_order_are_left_to_the_library(name) -> None:
    data = image(lambda file: file.update({"aa": np.ones(3), "ab": np.zeros(3), "b": np.zeros(3)}))
    assert hdf5_plain.arrays("f", data) is not None
    assert hdf5_plain.arrays("f", data.replace(b"ab\0", name + b"\0")) is None
