"""What came in from ONNX is saved in Keras's formats, opened in a new process, and goes out again."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import assert_same, by_model, by_runtime, gated, onnx_file, opened

import fastgru
from fastgru import Input, Model
from fastgru.onnx.sized import Sized
from fastgru.saving import ModelFileError

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 2, 3)).astype("float32")
INPUT = {"X": ("t", "b", 3)}


def with_peepholes() -> bytes:
    peepholes = {"P": RNG.normal(size=(1, 12)).astype("float32")}
    node = ("LSTM", ["X", "W", "R", "B", "", "", "", "P"], ["Y"], {"hidden_size": 4})
    return onnx_file([node], INPUT, ["Y"], {**gated("LSTM"), **peepholes})


def with_a_state() -> bytes:
    node = ("GRU", ["X", "W", "R", "B", "", "H"], ["Y"], {"hidden_size": 4})
    return onnx_file([node], {**INPUT, "H": (1, "b", 4)}, ["Y"], gated("GRU"))


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(("write", "of_onnx"), [(with_peepholes, "PeepholeLSTMCell"), (with_a_state, "GraphModel")])
@pytest.mark.filterwarnings("ignore:.*HDF5")
def test_a_new_process_finds_the_layers_that_keras_has_not(
    write: Any, of_onnx: str, ending: str, tmp_path: Path
) -> None:
    model = opened(write())
    model.save(tmp_path / f"m{ending}")
    inputs = [X, RNG.normal(size=(1, 2, 4)).astype("float32")][: len(model.inputs)]
    np.savez(tmp_path / "inputs.npz", *inputs)
    program = (
        "import sys, numpy as np, fastgru\n"
        "model = fastgru.models.load_model(sys.argv[1])\n"
        "np.save(sys.argv[2], model(list(np.load('inputs.npz').values())))\n"
        "print(type(model).__name__, *(type(getattr(each, 'cell', each)).__name__ for each in model.layers))"
    )
    command = [sys.executable, "-c", program, f"m{ending}", "y.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert of_onnx in done.stdout.split()
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), by_model(model, *inputs)[0])


@pytest.mark.parametrize("command", ["inspect", "convert"])
def test_the_commands_know_them(command: str, tmp_path: Path) -> None:
    opened(with_peepholes()).save(tmp_path / "m.keras")
    words = [sys.executable, "-m", "fastgru", command, "m.keras", *(["new.keras"] if command == "convert" else [])]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert command == "convert" or "RNN(PeepholeLSTMCell)" in done.stdout


def test_a_class_of_the_users_own_comes_before_that_of_the_package(tmp_path: Path) -> None:
    class Own(Sized):
        pass

    opened(with_peepholes()).save(tmp_path / "m.keras")
    model = fastgru.models.load_model(tmp_path / "m.keras", custom_objects={"Sized": Own})
    assert any(type(layer) is Own for layer in model.layers)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("action", "open", "action must be one of reshape"),
        ("kind", "O", "kind must be one of float32"),
        ("sizes", "abc", "expected sizes as whole numbers"),
        ("sizes", [[[1, [[0]]]]], "expected sizes as whole numbers"),
        ("sizes", [1.5, 3, 4], "expected sizes as whole numbers"),
        ("sizes", [1 << 70, 3, 4], "expected sizes as whole numbers"),
        ("sizes", [[[1, [[0, 1]] * 1001]], 3, 4], "expected sizes as whole numbers"),
    ],
)
def test_sizes_in_a_file_are_data(name: str, value: Any, reason: str, tmp_path: Path) -> None:
    opened(with_peepholes()).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    config = json.loads(parts["config.json"])
    next(each for each in config["config"]["layers"] if each["class_name"] == "Sized")["config"][name] = value
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "evil.keras", "w") as archive:
        for each, data in parts.items():
            archive.writestr(each, data)
    with pytest.raises(ModelFileError, match=reason):
        fastgru.models.load_model(tmp_path / "evil.keras")


@pytest.mark.parametrize(
    ("action", "sizes", "value", "kind"),
    [
        ("reshape", [[[1, [[0, 0], [0, 1]]]], [[1, [[[[1, [[0, 2]]]], [[1, []]]]]]]], None, "float32"),
        ("broadcast", [2, [[1, [[0, 0]]]], [[1, [[0, 1]]]], 3], None, "float32"),
        ("fill", [[[2, [[0, 0]]], [-1, []]], [[1, [[0, 1]]]]], 0.5, "float32"),
        ("slice", [[[1, [[0, 1]]], [-4, []]], [[1, [[0, 1]]], [-1, []]]], [[1, 1]], "float32"),
        ("arange", [0, [[1, [[0, 1]]]], 1], None, "int32"),
        ("numbers", [[[1, [[0, 1]]]], 7], None, "int64"),
    ],
)
def test_sizes_go_out_as_nodes(action: str, sizes: Any, value: Any, kind: str, tmp_path: Path) -> None:
    x = Input((None, 3))
    model = Model(x, Sized(action, sizes, value, kind)([x]))
    model.export(tmp_path / "m.onnx")
    onnx = pytest.importorskip("onnx", reason="checks the file")
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"), full_check=True)
    assert_same(by_model(model, X), by_runtime((tmp_path / "m.onnx").read_bytes(), X), 0)


def test_a_graph_with_sizes_goes_out_as_it_came_in(tmp_path: Path) -> None:
    data = onnx_file([("GRU", ["X", "W", "R", "B"], ["Y"], {"hidden_size": 4})], INPUT, ["Y"], gated("GRU"))
    model = opened(data)
    assert any(isinstance(layer, Sized) for layer in model.layers)
    model.export(tmp_path / "m.onnx")
    assert_same(by_runtime((tmp_path / "m.onnx").read_bytes(), X), by_runtime(data, X))
