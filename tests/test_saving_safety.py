"""A model file cannot attack: each bomb, trap and lie is refused quickly, in one sentence, before memory is taken."""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Functional, Sequential, load_model
from fastgru.saving import ModelFileError

FILES = Path(__file__).parent / "files"
MEGABYTE = 1 << 20


@pytest.fixture
def cheap() -> Iterator[None]:
    """The test takes neither long nor much memory through numpy and Python."""
    load_model(FILES / "reset_after.keras")  # what is imported late does not count
    tracemalloc.start()
    began = time.perf_counter()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.perf_counter() - began < 5
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


def not_a_list(layers: list[Any]) -> None:
    layers[1]["inbound_nodes"] = {"args": 1}


@pytest.mark.parametrize("change", [circle, to_nowhere, to_another_application, to_another_output, not_a_list])
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


# --- HDF5 -----------------------------------------------------------------------------------------------------------


def test_a_text_that_claims_gigabytes_is_refused(cheap: None, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = "x" * 5000
    content = bytearray((tmp_path / "m.h5").read_bytes())
    for found in re.finditer(re.escape(struct.pack("<I", 5000)), bytes(content)):
        content[found.start() : found.start() + 4] = b"\xf0\xff\xff\xff"
        (tmp_path / "m.h5").write_bytes(content)
        assert_refused(tmp_path / "m.h5", "damaged|attribute")


def test_an_array_that_claims_gigabytes_is_refused(cheap: None, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes((FILES / "reset_after.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        name = "model_weights/dense/sequential/dense/kernel"
        del file[name]
        file.create_dataset(name, (1 << 16, 1 << 14), "float32", chunks=(1024, 1024), compression="gzip")
    assert_refused(path, r"declares 4294967296 bytes but takes 0 in the file; at most 1000 times")


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
    assert [found.name for found in tmp_path.iterdir()] == ["m.keras"]


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
    assert_refused(as_npz(tmp_path / "m.keras", buffer.getvalue()), r"declares \d+ bytes but takes")


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
