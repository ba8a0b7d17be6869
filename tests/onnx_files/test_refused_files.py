"""ONNX files that are damaged, evil or of another kind: each is refused in a sentence, in little memory and time."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import damage
import numpy as np
import pytest
from onnx_models import assert_same, by_model, gated, onnx_file, opened

import fastgru
from fastgru import Input, Sequential, cli, layers
from fastgru.saving import ModelFileError
from fastgru.saving.describe import described

GRU = [("GRU", ["X", "W", "R", "B"], ["Y"], {"hidden_size": 4})]
FROZEN = b"\n\x17\n\x01x\x12\x0bPlaceholder*\x05\n\x01a"  # a node of a GraphDef
X = np.random.default_rng(0).normal(size=(5, 2, 3)).astype("float32")


def gru(**changes: Any) -> bytes:
    return onnx_file(GRU, {"X": ("t", "b", 3)}, ["Y"], {**gated("GRU"), **changes})


def one(op: str, *inputs: str, constants: Any = None, **attributes: Any) -> bytes:
    return onnx_file([(op, ["X", *inputs], ["Y"], attributes)], {"X": ("b", 3)}, ["Y"], constants)


def of_constants(op: str, *values: np.ndarray, **attributes: Any) -> bytes:
    """What an operator makes of arrays of the file alone, each of which stands there once."""
    known = {f"c{id(value)}": value for value in values}
    nodes = [(op, [f"c{id(value)}" for value in values], ["made"], attributes), ("Add", ["X", "made"], ["Y"], {})]
    return onnx_file(nodes, {"X": ("b", 3)}, ["Y"], known)


def repeated_on_sizes(op: str, count: int) -> bytes:
    """Each size made of the one before it, twice: short in the file, and doubled with each node."""
    nodes = [("Shape", ["X"], ["s0"], {})]
    for step in range(count):
        if op == "Div":
            nodes.append(("Add", [f"s{step}", "one"], [f"more{step}"], {}))
        second = f"more{step}" if op == "Div" else f"s{step}"
        nodes.append((op, [f"s{step}", second], [f"s{step + 1}"], {}))
    nodes.append(("ConstantOfShape", [f"s{count}"], ["Y"], {}))
    return onnx_file(nodes, {"X": ("b", 3)}, ["Y"], {"one": np.array([1])})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: one("Einsun"), r"node 'Y' \(Einsun\): the operator Einsun is none .* did you mean 'Einsum'"),
        (lambda: one("Loop"), "operator Loop .* export the recurrence as GRU, LSTM or RNN, .* open the .keras file"),
        (lambda: one("Scan"), "operator Scan .* export the recurrence as GRU, LSTM or RNN, .* open the .keras file"),
        (lambda: one("TopK", "k", constants={"k": np.array([10**12])}), "asks for 1000000000000 of 3 numbers"),
        (lambda: one("TopK", "k", constants={"k": np.array([-1])}), "asks for -1 of 3 numbers"),
        (lambda: one("Einsum", "X", equation="ab"), "is one of 1 tensors, it has 2"),
        (lambda: one("Einsum", equation="abc"), r"does not fit tensors of \[2\] axes"),
        (lambda: one("Einsum", *["X"] * 7, equation="ab,cd,ef,gh,ij,kl,mn,op"), "makes .* numbers, more than"),
        (lambda: of_constants("Einsum", np.ones(1 << 14), np.ones(1 << 14), equation="a,b->ab"), "makes .* numbers"),
        (lambda: one("Split", axis=1, num_outputs=10**9), "splits into 1000000000 parts, of which it puts out 1"),
        (lambda: one("Split", "n", constants={"n": np.ones(3, int)}, axis=1), "splits into 3 parts, of which it puts"),
        (
            lambda: onnx_file(
                [("Split", ["X"], [f"y{part}" for part in range(20_000)], {"axis": 1})], {"X": ("b", 20_000)}, ["y0"]
            ),
            "more than 10000 values",
        ),
        (
            lambda: onnx_file([("MatMul", ["X", "w"], ["Y"])], {"X": ("b", 3)}, ["Y"], {"w": np.ones((1 << 21, 3, 1))}),
            "makes .* numbers, more than",
        ),
        (lambda: one("DynamicQuantizeLinear"), "before quantization"),
        (lambda: onnx_file(GRU, {"X": ("t", "b", 3)}, ["Y"], gated("GRU"), opset=4), "version 4 of ONNX's operators"),
        (lambda: onnx_file(GRU, {"X": ("t", "b", 3)}, ["Z"], gated("GRU")), "no value 'Z', at which it was to end"),
        (lambda: onnx_file([("Add", ["Y", "X"], ["Y"])], {"X": ("b", 3)}, ["Y"]), "a circle through node 'Y'"),
        (lambda: one("Reshape", "s", constants={"s": np.array([5, 5, 5])}), r"node 'Y' \(Reshape\)"),
        (lambda: one("Add", "missing"), r"node 'Y' \(Add\): .*'missing'"),
        (lambda: one("Tile", "n", constants={"n": np.array([1, 10**12])}), "makes .* numbers, more than"),
        (lambda: one("Expand", "n", constants={"n": np.array([10**12, 1, 3])}), "makes .* numbers, more than"),
        (lambda: one("Pad", "n", constants={"n": np.array([0, 0, 0, 10**12])}), "makes .* numbers, more than"),
        (lambda: onnx_file([("Relu", ["X"], ["Y"]), ("Tanh", ["X"], ["Y"])], {"X": ("b", 3)}, ["Y"]), "'Y' 2 times"),
        (lambda: onnx_file([("Relu", ["X"], ["Y"])], {"X": ("b", 3)}, ["Y"], {"Y": np.ones(3)}), "'Y' 2 times"),
        (lambda: repeated_on_sizes("Mul", 60), r"node 's\d+' \(Mul\): calculates a size"),
        (lambda: repeated_on_sizes("Add", 100), r"node 's\d+' \(Add\): calculates a size .* beyond int64"),
        (lambda: repeated_on_sizes("Div", 60), r"node 's\d+' \(Div\): calculates a size"),
        (lambda: of_constants("Gemm", np.ones((1 << 14, 1)), np.ones((1, 1 << 14))), r"\(Gemm\): makes .* numbers"),
        (lambda: of_constants("Gather", np.ones((1, 9999)), np.zeros(9999, int)), r"\(Gather\): makes .* numbers"),
        (
            lambda: of_constants("Where", np.ones((2, 1), bool), np.ones((1 << 13, 1, 1)), np.ones(1 << 13)),
            r"\(Where\): makes .* numbers",
        ),
        (
            lambda: of_constants("Concat", *[np.ones((1 << 20, 1), "float32")] * 65, axis=0),
            r"\(Concat\): makes .* numbers",
        ),
        (
            lambda: onnx_file([("Tile", ["X", "n"], ["Y"])], {"X": ("b", 3)}, ["Y"], {"n": np.array([10**12, 1])}),
            "makes .* numbers, more than",
        ),
        (lambda: onnx_file([("Relu", ["X"], ["Y"])], {"X": (2**40, 2**20)}, ["Y"]), "makes .* numbers, more than"),
        (
            lambda: onnx_file(
                [("ConstantOfShape", ["n"], ["c"]), ("Add", ["X", "c"], ["Y"])], {"X": ("b", 3)}, ["Y"],
                {"n": np.array([10**12])},
            ),
            "makes .* numbers, more than",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told_with_its_node(data: Any, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason) as error:
        opened(data())
    assert str(error.value).endswith((".", "?"))


def test_what_a_split_is_not_read_for_is_not_made() -> None:
    names = [f"y{part}" for part in range(5_000)]
    model = opened(onnx_file([("Split", ["X"], names, {"axis": 1})], {"X": ("b", 5_000)}, ["y7"]))
    assert len(model.operations) <= 3
    np.testing.assert_array_equal(by_model(model, np.arange(5_000.0)[None])[0], [[7]])


def external(location: str, offset: int = 0, length: int | None = None) -> dict[str, Any]:
    entries = {"location": location, "offset": str(offset), "length": str(48 * 4 if length is None else length)}
    return {
        "name": "W",
        "dims": [1, 12, 4],
        "data_type": 1,
        "data_location": 1,
        "external_data": [{"key": key, "value": value} for key, value in entries.items()],
    }


def beside(folder: Path, **changes: Any) -> Path:
    path = folder / "inner" / "m.onnx"
    path.parent.mkdir(exist_ok=True)
    inputs = {"X": ("t", "b", 4)}
    constants = {**gated("GRU", features=4), "W": external(**changes)}
    path.write_bytes(onnx_file(GRU, inputs, ["Y"], constants))
    return path


def test_weights_in_a_file_beside_are_read(tmp_path: Path) -> None:
    weights = gated("GRU", features=4)
    path = beside(tmp_path, location="w.bin", offset=8)
    (path.parent / "w.bin").write_bytes(b"\0" * 8 + weights["W"].tobytes())
    whole = onnx_file(GRU, {"X": ("t", "b", 4)}, ["Y"], weights)
    x = np.random.default_rng(0).normal(size=(5, 2, 4)).astype("float32")
    assert_same(by_model(fastgru.models.load_model(path), x), by_model(opened(whole), x), 0)


@pytest.mark.parametrize("in_constants", [False, True])
def test_tensors_that_read_the_same_bytes_again_and_again_are_refused(tmp_path: Path, in_constants: bool) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(48 * 4 * 2))
    tensors = {name: {**external("w.bin", offset=0), "name": name} for name in ("a", "b", "c")}
    (tmp_path / "two.onnx").write_bytes(added(list(tensors.values())[:2], in_constants))
    assert fastgru.models.load_model(tmp_path / "two.onnx").input_shape == (None, 12, 4)
    (tmp_path / "three.onnx").write_bytes(added(list(tensors.values()), in_constants))
    with pytest.raises(ModelFileError, match="'c' and those before it need 576 bytes of files that hold 384"):
        fastgru.models.load_model(tmp_path / "three.onnx")


def added(tensors: list[dict[str, Any]], in_constants: bool) -> bytes:
    """A graph that adds tensors to its input, which are initializers or Constant nodes."""
    names = ["X", *(tensor["name"] for tensor in tensors)]
    nodes = [
        ("Constant", [], [tensor["name"]], {"value": {"t": tensor, "type": 4}}) for tensor in tensors if in_constants
    ]
    nodes.append(("Sum", names, ["Y"]))
    known = {} if in_constants else {tensor["name"]: tensor for tensor in tensors}
    return onnx_file(nodes, {"X": ("b", 12, 4)}, ["Y"], known)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"location": "../secret.bin"}, "outside of the model's folder"),
        ({"location": "/etc/passwd"}, "outside of the model's folder"),
        ({"location": "link.bin"}, "outside of the model's folder"),
        ({"location": "absent.bin"}, "is not beside the model"),
        ({"location": "w.bin", "offset": 8}, "needs 192 bytes from place 8"),
        ({"location": "w.bin", "offset": -8}, "needs 192 bytes from place -8"),
        ({"location": "w.bin", "length": 4}, "needs 192 bytes"),
    ],
)
def test_weights_elsewhere_are_not_read(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = beside(tmp_path, **changes)
    (tmp_path / "secret.bin").write_bytes(bytes(192))
    (path.parent / "w.bin").write_bytes(bytes(192))
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ModelFileError, match=reason):
        fastgru.models.load_model(path)


def test_a_tensor_whose_bytes_do_not_fit_its_shape_is_refused() -> None:
    short = {"name": "W", "dims": [1, 12, 3], "data_type": 1, "raw_data": bytes(8)}
    huge = {"name": "W", "dims": [1 << 40, 12, 3], "data_type": 1, "raw_data": bytes(8)}
    for tensor in (short, huge):
        with pytest.raises(ModelFileError, match=r"its tensor 'W' of shape .* holds 8 bytes"):
            opened(gru(W=tensor))


@pytest.mark.skipif(not hasattr(damage.signal, "setitimer"), reason="needs alarms")
@pytest.mark.parametrize("part", range(4))
def test_damaged_files_open_or_are_refused_in_a_sentence(part: int) -> None:
    stack = [
        layers.Masking(),
        layers.Conv1D(4, 3, padding="same"),
        layers.GRU(4, return_sequences=True),
        layers.LSTM(3),
    ]
    sound = [gru(), fastgru.onnx.image(Sequential([Input((None, 3)), *stack]))]
    refused = 0
    for number in range(part * 60, part * 60 + 60):
        rng = np.random.default_rng(number)
        data = damage.bytes_damaged(sound[number % 2], rng)
        try:
            opened(data)
        except ModelFileError as error:
            damage._check_sentence(error)
            refused += 1
    assert refused > 10


@pytest.mark.parametrize(
    ("name", "start", "reason"),
    [
        (
            "m.pb",
            b"\n\x17\n\x01x\x12\x0bPlaceholder*\x05\n\x01a",
            "is a frozen graph of TensorFlow.*tf2onnx.convert --graphdef",
        ),
        ("m.bin", b"\n\x17\n\x01x\x12\x0bPlaceholder*\x05\n\x01a", "is a frozen graph of TensorFlow.*tf2onnx"),
        ("m.tflite", b"\x1c\0\0\0TFL3", "is a TensorFlow Lite model.*tf2onnx.convert --tflite"),
        ("m.bin", b"\x1c\0\0\0TFL3", "is a TensorFlow Lite model.*tf2onnx.convert --tflite"),
        ("m.onnx", b"\x08\x08\x12\xff\xff", "m.onnx, ONNX model: is damaged"),
    ],
)
@pytest.mark.parametrize("command", ["load", "inspect", "convert"])
def test_other_graphs_are_told_by_their_content(
    command: str, name: str, start: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(start)
    if command == "load":
        with pytest.raises(ModelFileError, match=reason):
            fastgru.models.load_model(path)
        return
    more = [str(tmp_path / "m.keras")] if command == "convert" else []
    assert cli.main([command, str(path), *more]) != 0
    assert re.search(reason, " ".join(capsys.readouterr().err.split()))


def test_inspect_and_convert_know_onnx(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = Sequential([Input((None, 3), name="x"), layers.GRU(4), layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    assert cli.main(["convert", str(tmp_path / "m.keras"), str(tmp_path / "m.onnx")]) == 0
    facts = described(tmp_path / "m.onnx")
    assert (facts["format"], facts["error"]) == ("ONNX", None)
    assert facts["written_by"].startswith("fastgru")
    assert [row["class"] for row in facts["layers"]].count("GRU") == 1
    assert cli.main(["inspect", str(tmp_path / "m.onnx")]) == 0
    assert "GRU" in capsys.readouterr().out
    assert cli.main(["convert", str(tmp_path / "m.onnx"), str(tmp_path / "again.keras")]) == 0
    again = fastgru.models.load_model(tmp_path / "again.keras")
    x = X.transpose(1, 0, 2)
    assert_same([again.predict(x, verbose=0)], [model.predict(x, verbose=0)])


def test_inputs_can_be_fixed_so_that_one_branch_is_left() -> None:
    nodes = [("Mul", ["X", "rate"], ["Y"])]
    data = onnx_file(nodes, {"X": ("b", 3), "rate": ()}, ["Y"])
    model = opened(data, constants={"rate": 3.0}, shapes={"X": (None, 3)})
    assert model.input_names == ["X"]
    np.testing.assert_array_equal(model.predict(X[0], verbose=0), X[0] * 3)
    with pytest.raises(ModelFileError, match="has no input 'ratio'; did you mean 'rate'"):
        opened(data, constants={"ratio": 3.0})
    with pytest.raises(ModelFileError, match=r"has the shape \(None, 3\), which \(2, 4\) does not fit"):
        opened(data, shapes={"X": (2, 4)})


def test_a_model_stops_at_a_value_of_the_graph() -> None:
    nodes = [*GRU, ("Loop", ["Y"], ["Z"])]
    data = onnx_file(nodes, {"X": ("t", "b", 3)}, ["Z"], gated("GRU"))
    file = io.BytesIO(data)
    assert_same(by_model(fastgru.models.load_model(file, outputs=["Y"]), X), by_model(opened(gru()), X), 0)
    with pytest.raises(ModelFileError, match="is not cut at its inputs"):
        fastgru.models.load_model(file, inputs=["X"])
