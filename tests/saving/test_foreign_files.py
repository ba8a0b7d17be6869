"""Files that are not what they seem are refused in a sentence."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from paths import FILES
from saved_models import assert_same, edit_archive, small_model, state

from fastgru.models import load_model
from fastgru.saving import ModelFileError
from fastgru.saving.formats import zip_archive


def test_a_heap_that_never_ends_is_refused(tmp_path: Path) -> None:
    content = bytearray((FILES / "reset_after.h5").read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)  # free space of no bytes: the HDF5 library would loop for ever
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"the global heap at byte .* is broken"):
        load_model(tmp_path / "model.h5")


def foreign_hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["measurements/temperature"] = np.arange(5)
    return buffer.getvalue()


def foreign_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return buffer.getvalue()


FOREIGN = {
    "empty": (b"", "is empty"),
    "html": (b"<!DOCTYPE html>\n<html>not found</html>", "HTML"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "pointer of Git LFS"),
    "pickle": (pickle.dumps({"model": 1}), "Python pickle"),
    "json": (b'{"class_name": "Sequential"}', "JSON"),
    "gzip": (b"\x1f\x8b\x08\0\0\0", "gzip"),
    "text": (b"hello", "neither an HDF5 file nor a .keras archive"),
    "hdf5": (foreign_hdf5(), "holds weights without a model|no place|expects"),
    "zip": (foreign_zip(), "config.json: is missing from the archive, which holds word/document.xml"),
    "truncated hdf5": ((FILES / "reset_after.h5").read_bytes()[:9000], "damaged or cut short"),
    "truncated zip": ((FILES / "reset_after.keras").read_bytes()[:9000], "not a zip file"),
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("file_name", ["model.h5", "model.keras", "model.weights.h5"])
def test_a_file_that_is_no_model_is_told_in_one_sentence(name: str, file_name: str, tmp_path: Path) -> None:
    content, reason = FOREIGN[name]
    path = tmp_path / file_name
    path.write_bytes(content)
    model = small_model()
    before = state(model)
    for load in (load_model, model.load_weights):
        with pytest.raises(ModelFileError, match=reason) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    assert_same(state(model), before)


def test_a_missing_file_is_also_a_file_not_found_error(tmp_path: Path) -> None:
    for load in (load_model, small_model().load_weights):
        with pytest.raises(FileNotFoundError, match=r"nothing\.keras: File not found") as caught:
            load(tmp_path / "nothing.keras")
        assert isinstance(caught.value, ModelFileError)
    with pytest.raises(ModelFileError, match="is a folder"):
        load_model(tmp_path)


def soft_link(file: h5py.File, name: str, tmp_path: Path) -> None:
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink("/elsewhere")


def external_link(file: h5py.File, name: str, tmp_path: Path) -> None:
    del file[name]
    file[name] = h5py.ExternalLink(str(FILES / "reset_after.h5"), f"/{name}")


def external_storage(file: h5py.File, name: str, tmp_path: Path) -> None:
    shape = file[name].shape
    del file[name]
    (tmp_path / "raw").write_bytes(bytes(4096))
    file.create_dataset(name, shape, "float32", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.File, name: str, tmp_path: Path) -> None:
    shape = file[name].shape
    del file[name]
    layout = h5py.VirtualLayout(shape, "float32")
    layout[...] = h5py.VirtualSource(str(FILES / "reset_after.h5"), name, shape)
    file.create_virtual_dataset(name, layout)


def text(file: h5py.File, name: str, tmp_path: Path) -> None:
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, data=np.full(shape, b"text"))


def enormous(file: h5py.File, name: str, tmp_path: Path) -> None:
    del file[name]
    file.create_dataset(name, (1 << 40, 1 << 20), "float32", chunks=(1024, 1024))


def loop(file: h5py.File, name: str, tmp_path: Path) -> None:
    file.move(name, "elsewhere")
    file[name] = file["/"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (soft_link, "soft or external link"),
        (external_link, "soft or external link"),
        (external_storage, "in another file"),
        (virtual, "virtual dataset|longer than its place"),
        (text, "expected an array of numbers"),
        (enormous, r"declares \d+ bytes, "),
        (loop, "expected an array, found another kind|nested deeper"),
    ],
)
@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
def test_a_dangerous_dataset_is_refused(
    damage: Callable[[h5py.File, str, Path], None], reason: str, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes((FILES / f"reset_after{ending}").read_bytes())
    with h5py.File(path, "r+") as file:
        name = "model_weights/dense/sequential/dense/kernel" if ending == ".h5" else "layers/dense/vars/0"
        damage(file, name, tmp_path)
    model = load_model(FILES / "reset_after.keras")
    before = state(model)
    with pytest.raises(ModelFileError, match=reason):
        model.load_weights(path)
    assert_same(state(model), before)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_archive, "MAX_UNPACKED", 1 << 16)
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (1 << 20))
    with pytest.raises(ModelFileError, match=r"bomb\.keras, config\.json: would unpack"):
        load_model(tmp_path / "bomb.keras")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "expected a JSON object"),
        ("{", "config.json"),
        ("[" * 100_000, "config.json"),
        ("{}", "class_name"),
        ('{"class_name": "Sequential", "config": {"layers": 3}}', "model config"),
        ('{"class_name": "Sequential", "config": {"layers": [{"class_name": "GRU", "config": {}}]}}', "GRU"),
        ('{"class_name": "Functional", "config": {}}', "expected the layers"),
    ],
)
def test_a_broken_config_is_told(content: str, reason: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", content)
        archive.writestr("metadata.json", '{"keras_version": "3.15.0"}')
        with zipfile.ZipFile(FILES / "reset_after.keras") as good:
            archive.writestr("model.weights.h5", good.read("model.weights.h5"))
    with pytest.raises(ModelFileError, match=reason) as caught:
        load_model(tmp_path / "model.keras")
    assert str(tmp_path / "model.keras") in str(caught.value)


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    def change(config: dict) -> None:
        code = {"class_name": "__lambda__", "config": {"value": ["4wEAAA==", None, None]}}
        config["config"]["layers"][2]["config"]["activation"] = code

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "config.json", change)
    with pytest.raises(ModelFileError, match=r"layer 'dense' \(Dense with Lambda\) .*never run"):
        load_model(path, safe_mode=False)


@pytest.mark.parametrize("name", ["reset_after.keras", "reset_after.h5", "reset_after.weights.h5"])
def test_damaged_files_raise_nothing_else(name: str, tmp_path: Path) -> None:
    content = (FILES / name).read_bytes()
    rng = np.random.default_rng(5)
    model = load_model(FILES / "reset_after.keras")
    path = tmp_path / name
    warnings.simplefilter("ignore")
    for trial in range(60):
        damaged = bytearray(content)
        if trial % 3 == 0:
            damaged = damaged[: rng.integers(1, len(damaged))]
        else:
            for place in rng.integers(0, len(damaged), 1 + trial % 20):
                damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            model.load_weights(path)
            load_model(path)
        except ModelFileError:
            pass
