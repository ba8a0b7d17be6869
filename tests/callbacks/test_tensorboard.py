"""What `TensorBoard` writes is read by a reader of its own here, and by a real TensorBoard where there is one."""

from __future__ import annotations

import json
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_training import half, inputs, small

from fastgru.callbacks import TensorBoard, event_file
from fastgru.callbacks.event_file import EventFile
from fastgru.layers import Conv1D, Dense, Embedding, GlobalAveragePooling1D, Input
from fastgru.models import Sequential

Fields = dict[int, list[Any]]


def crc32c(data: bytes) -> int:
    """Bit by bit, with the polynomial as it is written in RFC 3720."""
    crc = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            carry = crc & 1 ^ byte >> bit & 1
            crc = crc >> 1 ^ carry * 0x82F63B78
    return crc ^ 0xFFFFFFFF


def test_the_checksum_is_the_one_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    (crc,) = struct.unpack("<I", event_file._masked_crc(b"123456789"))
    assert crc == ((0xE3069283 >> 15) + (0xE3069283 << 17) + 0xA282EAD8) % 2**32


def fields(data: bytes) -> Fields:
    """A message's fields by number; the content of what has a length is bytes."""
    result: Fields = defaultdict(list)
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = data[place]
            place, number, shift = place + 1, number | (byte & 127) << shift, shift + 7
            if byte < 128:
                return number

    while place < len(data):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            result[number].append(varint())
            continue
        size = {1: 8, 2: None, 5: 4}[wire]
        size = varint() if size is None else size
        result[number].append(data[place : place + size])
        place += size
    return result


def events(folder: Path) -> Iterator[Fields]:
    """The events of the files in a folder, whose checksums hold."""
    for file in sorted(folder.glob("events.out.tfevents.*")):
        data, place = file.read_bytes(), 0
        while place < len(data):
            head = data[place : place + 8]
            (length,) = struct.unpack("<Q", head)
            body = data[place + 12 : place + 12 + length]
            for part, at in ((head, place + 8), (body, place + 12 + length)):
                (crc,) = struct.unpack("<I", data[at : at + 4])
                plain = (crc - 0xA282EAD8) % 2**32
                assert (plain >> 17 | plain << 15) % 2**32 == crc32c(part)
            yield fields(body)
            place += 16 + length


def summaries(folder: Path) -> dict[tuple[str, str], list[tuple[int, Fields]]]:
    """Steps and tensors by plugin and tag."""
    result = defaultdict(list)
    for event in events(folder):
        for summary in event[5]:
            value = fields(fields(summary)[1][0])
            plugin = fields(fields(value[9][0])[1][0])[1][0].decode()
            result[plugin, value[1][0].decode()].append((event[2][0], fields(value[8][0])))
    return result


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    return {
        tag: [(step, struct.unpack("<f", tensor[4][0])[0]) for step, tensor in entries]
        for (plugin, tag), entries in summaries(folder).items()
        if plugin == "scalars"
    }


def trained(folder: Path, **options: Any) -> tuple[Any, dict[str, list[float]]]:
    rng = np.random.default_rng(4)
    model, callback = small(), TensorBoard(folder, **options)
    fit = {"batch_size": 11, "epochs": 3, "verbose": 0, "validation_split": 0.5}
    return model, model.fit(inputs(rng), half(rng), callbacks=[callback], **fit).history


def test_the_numbers_of_every_epoch_are_written_under_keras_names(tmp_path: Path) -> None:
    model, history = trained(tmp_path)
    train, validation = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    assert set(train) == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    for name in ("loss", "accuracy"):
        assert train[f"epoch_{name}"] == list(enumerate(map(np.float32, history[name])))
        assert validation[f"epoch_{name}"] == list(enumerate(map(np.float32, history[f"val_{name}"])))
        iterations = [step for step, _ in validation[f"evaluation_{name}_vs_iterations"]]
        assert iterations == [2, 4, 6]
    ((step, tensor),) = summaries(tmp_path / "train")["graph_keras_model", "keras"]
    assert step == 0 and json.loads(tensor[8][0]) == json.loads(model.to_json())
    (first, *_) = events(tmp_path / "train")
    assert first[3] == [b"brain.Event:2"]


def test_batches_are_written_as_often_as_asked(tmp_path: Path) -> None:
    trained(tmp_path, update_freq=4, write_steps_per_second=True)
    train = scalars(tmp_path / "train")
    assert [step for step, _ in train["batch_loss"]] == [4]
    assert [step for step, _ in train["batch_steps_per_second"]] == [4]
    assert [step for step, _ in train["epoch_steps_per_second"]] == [0, 1, 2]
    trained(tmp_path / "all", update_freq="batch")
    assert [step for step, _ in scalars(tmp_path / "all" / "train")["batch_loss"]] == [1, 2, 3, 4, 5, 6]


def test_histograms_count_all_numbers_of_a_weight(tmp_path: Path) -> None:
    model, _ = trained(tmp_path, histogram_freq=2)
    train = summaries(tmp_path / "train")
    for weight in model.weights:
        entries = train["histograms", f"{weight.path}/histogram"]
        assert [step for step, _ in entries] == [0, 2]
        rows = np.frombuffer(entries[-1][1][4][0], "<f8").reshape(30, 3)
        assert rows[:, 2].sum() == weight.value.size
        assert (rows[0, 0], rows[-1, 1]) == pytest.approx((weight.value.min(), weight.value.max()))
        if weight.value.size > 1:
            counts, _ = np.histogram(weight.value.astype("f8"), 30)
            np.testing.assert_array_equal(rows[:, 2], counts)


def test_images_are_png_files_of_the_weights(tmp_path: Path) -> None:
    model = Sequential([Input((5, 2)), Conv1D(3, 2), GlobalAveragePooling1D(), Dense(4)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 5, 2)), np.ones((4, 4)), verbose=0, callbacks=[TensorBoard(tmp_path, 1, write_images=True)])
    train = summaries(tmp_path / "train")
    for weight, (width, height, count) in zip(model.weights, [(2, 2, 3), (1, 3, 1), (4, 3, 1), (1, 4, 1)], strict=True):
        ((_, tensor),) = train["images", f"{weight.path}/image"]
        assert tensor[8][:2] == [str(width).encode(), str(height).encode()]
        assert len(tensor[8]) == 2 + count
        png = tensor[8][2]
        assert png[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", png[16:24]) == (width, height)
        (size,) = struct.unpack(">I", png[33:37])
        rows = np.frombuffer(zlib.decompress(png[41 : 41 + size]), np.uint8).reshape(height, 1 + width)
        assert not rows[:, 0].any()
        if weight.value.ndim == 2:  # others are laid out as Keras does
            np.testing.assert_array_equal(rows[:, 1:], np.clip(weight.value * 255.5, 0, 255).astype("u1"))


def test_the_projector_has_the_embeddings(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), Embedding(5, 2, name="words"), GlobalAveragePooling1D(), Dense(1)])
    model.compile("sgd", "mse")
    callback = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "words.tsv"})
    model.fit(np.ones((4, 3), int), np.ones((4, 1)), verbose=0, callbacks=[callback])
    assert (tmp_path / "projector_config.pbtxt").read_text() == (
        'embeddings {\n  tensor_name: "layer_with_weights-0/embeddings/.ATTRIBUTES/VARIABLE_VALUE"\n'
        '  metadata_path: "words.tsv"\n}\n'
    )
    assert (tmp_path / "train" / "keras_embedding.ckpt-0.weights.h5").is_file()
    with pytest.raises(ValueError, match=r"names of Embedding layers in embeddings_metadata, got \['word'\]"):
        TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"word": "words.tsv"}).set_model(model)


@pytest.mark.parametrize(
    "arguments",
    [
        {"histogram_freq": -1},
        {"update_freq": 0},
        {"update_freq": "step"},
        {"profile_batch": 2},
        {"embeddings_freq": "x"},
    ],
)
def test_arguments_out_of_their_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"TensorBoard.*{next(iter(arguments))}"):
        TensorBoard(**arguments)


def test_a_real_tensorboard_reads_it(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.util import tensor_util

    model, history = trained(tmp_path, histogram_freq=1, write_images=True, update_freq=2)
    for folder, prefix in (("train", ""), ("validation", "val_")):
        accumulator = accumulators.EventAccumulator(str(tmp_path / folder), {"tensors": 0})
        accumulator.Reload()
        for name in ("loss", "accuracy"):
            read = [
                float(tensor_util.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(f"epoch_{name}")
            ]
            assert read == list(map(np.float32, history[prefix + name]))
            assert accumulator.SummaryMetadata(f"epoch_{name}").plugin_data.plugin_name == "scalars"
        if not prefix:
            assert json.loads(tensor_util.make_ndarray(accumulator.Tensors("keras")[0].tensor_proto).item())
            for weight in model.weights:
                rows = tensor_util.make_ndarray(accumulator.Tensors(f"{weight.path}/histogram")[-1].tensor_proto)
                assert rows.shape == (30, 3) and rows[:, 2].sum() == weight.value.size


@pytest.mark.parametrize("values", [np.arange(12.0), np.full(5, 3.0), np.zeros(0), np.ones(1)])
def test_a_histogram_is_that_of_tensorboards_own_writer(values: np.ndarray, tmp_path: Path) -> None:
    writer = pytest.importorskip("tensorboard.plugins.histogram.summary_v2")
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util import tensor_util

    theirs = writer.histogram_pb("a", values, buckets=30).value[0]
    ours = Summary.Value.FromString(event_file.histogram("a", values))
    np.testing.assert_allclose(tensor_util.make_ndarray(ours.tensor), tensor_util.make_ndarray(theirs.tensor))
    assert ours.metadata.plugin_data.plugin_name == theirs.metadata.plugin_data.plugin_name


def test_each_file_has_a_name_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        EventFile(tmp_path).close()
    assert len(list(tmp_path.iterdir())) == 3
