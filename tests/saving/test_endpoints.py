"""Open files, bytes in memory and open HDF5 files are read and written wherever a path is."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import FILES
from saved_models import assert_same, small_model, state, trained_model

from fastgru.models import load_model
from fastgru.saving import ModelFileError
from fastgru.saving.describe import described

WAYS = ["BytesIO", "open file", "h5py.File", "h5py.File in memory", "h5py.Group"]


def target(way: str, folder: Path) -> Any:
    if way == "BytesIO":
        return io.BytesIO()
    if way == "open file":
        return (folder / "model.anything").open("w+b")
    if way == "h5py.File in memory":
        return h5py.File(io.BytesIO(), "w")
    file = h5py.File(folder / "model.anything", "w")
    return file if way == "h5py.File" else file.create_group("some/where")


@pytest.mark.parametrize("save_format", [None, "h5"])
@pytest.mark.parametrize("way", WAYS)
def test_a_model_comes_back_from_what_is_open(way: str, save_format: str | None, tmp_path: Path) -> None:
    model = trained_model()
    file = target(way, tmp_path)
    model.save(file, save_format=save_format)
    again = load_model(file)
    assert_same(state(again), state(model))
    facts = described(file)
    is_archive = save_format is None and not way.startswith("h5py")
    assert facts["format"] == (".keras" if is_archive else "legacy HDF5") and facts["error"] is None
    assert_same(state(load_model(file)), state(model))  # it was left where it stood


@pytest.mark.parametrize("way", WAYS)
def test_weights_come_back_from_what_is_open(way: str, tmp_path: Path) -> None:
    model, other = trained_model(), trained_model()
    other.set_weights([np.zeros(weight.shape) for weight in model.weights])
    file = target(way, tmp_path)
    model.save_weights(file)
    other.load_weights(file)
    assert_same(state(other), state(model))


def test_a_file_is_read_as_a_whole_and_written_from_where_it_stands() -> None:
    file, model = io.BytesIO(), small_model()
    model.save(file)
    file.seek(7)
    assert_same(load_model(file).get_weights(), model.get_weights())
    assert file.tell() == 7
    file.seek(0, io.SEEK_END)
    length = file.tell()
    model.save(file)
    assert file.getvalue()[length : length + 4] == b"PK\x03\x04"


def test_a_model_in_an_hdf5_file_takes_the_place_of_another(tmp_path: Path) -> None:
    model = small_model()
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["mine"] = [1, 2]
        small_model(reset_after=False).save(file)
        model.save(file)
    with h5py.File(tmp_path / "model.h5") as file:
        assert [*file["mine"]] == [1, 2]
    assert_same(load_model(tmp_path / "model.h5").get_weights(), model.get_weights())


def test_what_cannot_be_read_twice_is_read_once() -> None:
    class Pipe(io.RawIOBase):
        data = io.BytesIO((FILES / "reset_after.keras").read_bytes())

        def read(self, size: int = -1) -> bytes:
            return self.data.read(size)

        def readable(self) -> bool:
            return True

    assert load_model(Pipe()).built


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (io.StringIO("{}"), r"<StringIO>: is open as text; open it with mode 'rb'"),
        (io.BytesIO(b"GIF89a"), r"<BytesIO>: is neither an HDF5 file nor a .keras archive; it starts with b'GIF89a'"),
        (3, r"<int>: expected a path, an open file or an h5py.File, got int"),
    ],
)
def test_what_is_no_model_file_is_refused(file: Any, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        load_model(file)


def test_the_index_of_several_files_is_read_from_its_path_alone(tmp_path: Path) -> None:
    index = tmp_path / "m.weights.json"
    index.write_text(json.dumps({"weight_map": {}}))
    with index.open("rb") as file, pytest.raises(ModelFileError, match="names files that lie beside it; give its path"):
        small_model().load_weights(file)


def test_an_archive_that_lies_is_refused_from_memory_too() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(ModelFileError, match="leads out of the archive"):
        load_model(file)


def test_a_format_that_fastgru_does_not_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected 'keras' or 'h5', got 'tf'"):
        small_model().save(tmp_path / "m.keras", save_format="tf")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".h5", ".hdf5"])
def test_a_legacy_file_is_saved_with_a_word_of_what_it_is(ending: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="saved as an HDF5 file, a format that Keras considers legacy"):
        small_model().save(tmp_path / f"m{ending}")
