"""TensorFlow's SavedModels and checkpoints open without TensorFlow, and answer and train on as they did there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import bundles
import numpy as np
import pytest
from paths import FILES
from saved_models import assert_same, state

from fastgru import cli
from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential, load_model
from fastgru.saving import ModelFileError
from fastgru.saving.formats import crc32c, saved_model
from fastgru.saving.formats.protobuf import decode, encode

MODELS = ["saved_model", "saved_graph"]


def golden(name: str) -> tuple[Any, np.ndarray, list[np.ndarray]]:
    """Inputs, outputs, and the weights after one more step."""
    with np.load(FILES / f"{name}.npz") as stored:
        inputs = [stored[key] for key in sorted(stored.files) if key.startswith("x")]
        weights = [stored[f"w{number}"] for number in range(sum(key.startswith("w") for key in stored.files))]
        return inputs if len(inputs) > 1 else inputs[0], stored["y"], weights


def small_model() -> Sequential:
    model = Sequential([Input((5, 3)), GRU(2, name="gru"), Dense(1, name="dense")])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def tensors_of(model: Sequential) -> dict[str, np.ndarray]:
    return {weight.path.replace("/gru_cell", ""): weight.value for weight in model.weights}


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_model_answers_as_in_tensorflow(name: str) -> None:
    x, y, _ = golden(name)
    model = load_model(FILES / name)
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=0, atol=1e-6)
    assert model.load_report[0] == "Written by Keras 2.21.0 on TensorFlow 2.21.0."


@pytest.mark.parametrize("name", MODELS)
def test_training_goes_on_where_it_stopped(name: str) -> None:
    x, y, weights = golden(name)
    model = load_model(FILES / name)
    assert int(model.optimizer.iterations.value) == 2
    model.train_on_batch(x, np.zeros_like(y))
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_metadata_inside_the_graph_as_before_tensorflow_2_5(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(FILES / name, tmp_path / "old")
    graph = folder / "saved_model.pb"
    saved = decode(saved_model.SAVED_MODEL, graph.read_bytes())
    nodes = saved["meta_graphs"][0]["object_graph_def"]["nodes"]
    for node in decode(saved_model.KERAS_METADATA, (folder / "keras_metadata.pb").read_bytes())["nodes"]:
        nodes[node["node_id"]]["user_object"] = {"metadata": node["metadata"]}
    (folder / "keras_metadata.pb").unlink()
    graph.write_bytes(encode(saved_model.SAVED_MODEL, saved))
    x, y, _ = golden(name)
    np.testing.assert_allclose(load_model(folder).predict(x, verbose=0), y, rtol=0, atol=1e-6)


@pytest.mark.parametrize("ending", ["", "_weights", "_weights.index"])
@pytest.mark.parametrize("name", MODELS)
def test_weights_alone_are_loaded(name: str, ending: str) -> None:
    x, y, _ = golden(name)
    model = load_model(FILES / name, compile=False)
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    model.load_weights(FILES / f"{name}{ending}")
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=0, atol=1e-6)


def test_variables_without_keras_go_into_a_model_of_the_same_shape() -> None:
    model = small_model()
    model.load_weights(FILES / "saved_module")
    variables = model.get_weights()
    assert [array.shape for array in variables] == [(3, 6), (2, 6), (2, 6), (2, 1), (1,)]
    assert variables[-1] == [0.5] and np.abs(variables[0]).max() > 0.1


def test_the_variables_of_an_export_of_keras_3_are_taken_once_and_in_order(tmp_path: Path) -> None:
    trained, model = small_model(), small_model()
    model.set_weights([weight * 0 for weight in model.get_weights()])
    arrays = {weight.path: weight.value for weight in trained.weights}
    kernel = next(iter(arrays))
    names = [kernel, "seed_generator/seed_generator_state", *list(arrays)[1:]]  # which stands between the layers
    values = [np.arange(2, dtype=np.int64) if "seed" in name else arrays[name] for name in names]
    copies = list(reversed(names))
    keys = [f"variables/{number}" for number in range(len(names))] + [f"_all_variables/{name}" for name in copies]
    lists = {
        "_all_variables": {str(number): 3 + len(names) + number for number in range(len(names))},
        "variables": {str(number): 3 + number for number in reversed(range(len(names)))},
    }
    nodes: list[Any] = [{"_all_variables": 1, "variables": 2}, *lists.values()]
    forms: list[dict[str, Any]] = [
        {"children": [{"local_name": name, "node_id": node} for name, node in entry.items()]} for entry in nodes
    ]
    forms += [
        {"attributes": [{"full_name": name, "checkpoint_key": key}]}
        for name, key in zip([*names, *copies], keys, strict=True)
    ]
    tensors = dict(zip(keys, [*values, *reversed(values)], strict=True))
    bundles.write(tmp_path / "m", tensors, graph=encode(saved_model.TRACKED_GRAPH, {"nodes": forms}))
    model.load_weights(tmp_path / "m")
    assert_same(state(model), state(trained))


@pytest.mark.parametrize("name", ["saved_module", "saved_model_weights"])
def test_variables_alone_are_no_model(name: str) -> None:
    with pytest.raises(ModelFileError, match="holds weights without a model; build the model and give its"):
        load_model(FILES / name)


def test_inspect_and_convert_know_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(FILES / "saved_model"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["format"] == "SavedModel" and facts["training"]["optimizer"].startswith("Adam")
    assert cli.main(["inspect", str(FILES / "saved_model_weights"), "--json"]) == 0
    owners = [layer["name"] for layer in json.loads(capsys.readouterr().out)["layers"]]
    assert owners[:2] == ["layer_with_weights-0/forward_layer/cell", "layer_with_weights-0/backward_layer/cell"]
    assert cli.main(["convert", str(FILES / "saved_graph"), str(tmp_path / "new.keras")]) == 0
    x, y, _ = golden("saved_graph")
    np.testing.assert_allclose(load_model(tmp_path / "new.keras").predict(x, verbose=0), y, rtol=0, atol=1e-6)


# --- bundles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"123456789", bytes(range(256)) * 9])
def test_checksums_are_those_of_the_rfc(data: bytes) -> None:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    assert crc32c.checksum(data) == crc ^ 0xFFFFFFFF
    assert crc32c.checksum(data[5:], crc32c.checksum(data[:5])) == crc32c.checksum(data)
    assert crc32c.checksum(b"123456789") == 0xE3069283  # RFC 3720's own


@pytest.mark.parametrize("shards", [1, 3])
def test_a_bundle_may_have_several_data_files(shards: int, tmp_path: Path) -> None:
    trained, model = small_model(), small_model()
    model.set_weights([weight * 0 for weight in model.get_weights()])
    bundles.write(tmp_path / "m", tensors_of(trained), shards=shards)
    model.load_weights(tmp_path / "m")
    assert_same(state(model), state(trained))


FIRST = "gru/kernel"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({FIRST: {"crc32c": 7}}, "is damaged: its checksum is another"),
        ({FIRST: {"offset": 1 << 40}}, "at byte 1099511627776 of data file 0, beyond its end"),
        ({FIRST: {"offset": -1}}, "at byte -1 of data file 0"),
        ({FIRST: {"size": -1}}, "beyond its end"),
        ({FIRST: {"shard_id": 1}}, "of data file 1, beyond its end"),
        ({FIRST: {"shape": {"dim": [{"size": 1 << 40}]}}}, r"has the shape \(1099511627776,\) and 72 bytes"),
        ({FIRST: {"shape": {"dim": [{"size": -3}, {"size": -6}]}}}, r"has the shape \(-3, -6\)"),
        ({FIRST: {"shape": {"dim": [{"size": 1 << 62}] * 300}}}, "has 300 axes; at most 254"),
        ({FIRST: {"slices": [{}]}}, "is stored in slices"),
        ({FIRST: {"dtype": 8}}, r"expects \(3, 6\) \(2, 6\) \(2, 6\), 'gru' in the file has \(2, 6\)"),
        ({"": {"num_shards": 1 << 30}}, "is said to have 1073741824 data files"),
        ({"": {"endianness": 1}}, "the other order of bytes"),
        ({saved_model.OBJECTS: {"crc32c": 7}}, "expected one text with its checksum"),
        ({saved_model.OBJECTS: {"dtype": 1}}, r"shape \(\) and"),
    ],
)
@pytest.mark.usefixtures("cheap")
def test_a_bundle_that_lies_is_refused_and_changes_nothing(changes: Any, reason: str, tmp_path: Path) -> None:
    model = small_model()
    before = state(model)
    bundles.write(tmp_path / "m", tensors_of(small_model()), changes=changes)
    with pytest.raises(ModelFileError, match=reason):
        model.load_weights(tmp_path / "m")
    assert_same(state(model), before)


def test_tensors_that_lie_over_one_another_are_refused(tmp_path: Path) -> None:
    big = np.zeros(1 << 16, np.float32)
    names = [f"a{number}/w" for number in range(100)]
    lie = {"size": big.nbytes, "shape": {"dim": [{"size": big.size}]}, "offset": 0}
    changes = dict.fromkeys(names[1:], lie)
    bundles.write(tmp_path / "m", {names[0]: big, **{name: np.float32(0) for name in names[1:]}}, changes=changes)
    with pytest.raises(ModelFileError, match=r"declare \d+ bytes, and its data files have"):
        small_model().load_weights(tmp_path / "m")


def graph(*children: list[tuple[str, int]]) -> bytes:
    nodes = [{"children": [{"local_name": name, "node_id": node} for name, node in entry]} for entry in children]
    return encode(saved_model.TRACKED_GRAPH, {"nodes": nodes})


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        (b"", "refers to object 0 of 0"),
        (b"\xff\xff", "number without an end"),
        (graph([("x", 7)]), "refers to object 7 of 1"),
        (graph([("x", -1)]), "refers to object -1 of 1"),
        (graph([("x", 0), ("y", 1)], [("x", 0), ("z", 1)]), "nothing in the file fits"),  # a circle
        (graph(*[[("x", number + 1)] for number in range(3_000)], []), "nothing in the file fits"),
        (encode(saved_model.TRACKED_GRAPH, {"nodes": [{"attributes": [{"checkpoint_key": "no"}]}]}), "'no' is missing"),
    ],
)
def test_a_graph_of_objects_that_lies_is_refused(objects: bytes, reason: str, tmp_path: Path) -> None:
    bundles.write(tmp_path / "m", tensors_of(small_model()), graph=objects)
    with pytest.raises(ModelFileError, match=reason):
        small_model().load_weights(tmp_path / "m")


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (b"", "is no index of TensorFlow's"),
        (bytes(100), "is no index of TensorFlow's"),
        (bundles.table({b"": b""}, kind=1), r"packed by method 1 \(Snappy is 1\)"),
        (bundles.table({b"": b""}), "missing beside it|0 data files"),
        (bundles.table({b"": b"\x08\x01"}).replace(b"\x08\x01", b"\x08\x02"), "checksum of its block"),
    ],
)
def test_an_index_that_is_none_is_refused(index: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "m.index").write_bytes(index)
    with pytest.raises(ModelFileError, match=reason):
        small_model().load_weights(tmp_path / "m")


@pytest.mark.parametrize("name", ["saved_model.pb", "keras_metadata.pb", "variables/variables.index", "variables"])
def test_links_are_not_followed(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(FILES / "saved_model", tmp_path / "m")
    (folder / name).rename(folder / "elsewhere")
    (folder / name).symlink_to(folder / "elsewhere")
    with pytest.raises(ModelFileError, match="link, which fastgru does not follow"):
        load_model(folder)
