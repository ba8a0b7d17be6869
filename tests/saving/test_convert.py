"""A converted file opens in Keras 3; what is no model of Keras is told for what it seems to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from old_models import RNG, golden, randomized
from paths import FILES

from fastgru.layers import Activation, BatchNormalization, Dense, Input
from fastgru.models import Sequential, load_model
from fastgru.saving import ModelFileError


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("m.pkl", b"(lp0\nI1\na.", "Python pickle"),
        ("m.joblib", b"x\x9c123", "Python pickle"),
        ("m.h5", b"\x80\x04K\x01.", "Python pickle"),
        ("m.pb", b"\x08\x01\x12", "graph of TensorFlow; open it with the TensorFlow"),
        ("m.h5", b"\x1c\0\0\0TFL3", "TensorFlow Lite model"),
        ("m.onnx", b"\x08\x07\x12", "ONNX model"),
        ("m.ckpt.index", b"\0\0\1", "no index of TensorFlow's"),
        ("m.ckpt.data-00000-of-00001", b"\1\2", "TensorFlow checkpoint without its index"),
        ("checkpoint", b'model_checkpoint_path: "m"', "says which checkpoint of TensorFlow is the newest"),
        ("m.npy", b"\x93NUMPY\1", "array of numpy"),
        ("m.h5", b"Rar!\x1a", "compressed with RAR"),
    ],
)
def test_a_file_that_is_no_model_is_told_for_what_it_seems_to_be(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=reason):
        load_model(tmp_path / name)


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.parametrize("name", ["keras2", "old_row", "old_words", "old_graph"])
@pytest.mark.keras
def test_a_converted_file_opens_in_keras_3_with_the_same_numbers(
    keras: Any, name: str, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fastgru import cli

    new = tmp_path / f"new{ending}"
    stops = ["--outputs", "time_distributed"] if name == "old_words" else []
    stops = ["--outputs", "concatenate", "row"] if name == "old_graph" else stops
    assert cli.main(["convert", str(FILES / f"{name}.h5"), str(new), *stops]) in (0, 1)
    captured = capsys.readouterr()
    assert "multiplied by 1.2" in captured.out or "--force" in captured.err
    if not new.exists():
        assert name == "old_graph"  # an LSTM's own activation
        return
    part = load_model(FILES / f"{name}.h5", outputs=stops[1:] or None)
    if ending == ".weights.h5":
        theirs = keras.models.model_from_json(part.to_json().replace("hard_sigmoid_old", "hard_sigmoid"))
        theirs.load_weights(new)
    else:
        theirs = keras.models.load_model(new)
    if name == "keras2":
        with np.load(FILES / "keras2.npz") as stored:
            x = [stored["x"]]
    else:
        x, _ = golden(name)
    expected = part.predict(x if len(x) > 1 else x[0], verbose=0)
    outputs = theirs.predict(x if len(x) > 1 else x[0], verbose=0)
    for one, other in zip(
        *(value if isinstance(value, list) else [value] for value in (outputs, expected)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=0, atol=5e-6 * max(1, np.abs(other).max()))


def test_an_activation_alone_keeps_its_slope_through_the_layer_before_it(tmp_path: Path) -> None:
    from fastgru.saving.convert import without_old_hard_sigmoid

    model = randomized(Sequential([Input((6, 3)), Dense(2), Activation("hard_sigmoid_old")]))
    x = RNG.normal(size=(3, 6, 3)).astype("float32")
    before = model.predict(x, verbose=0)
    assert without_old_hard_sigmoid(model) == ([model.layers[1].name], [])
    assert "hard_sigmoid_old" not in model.to_json()
    np.testing.assert_allclose(model.predict(x, verbose=0), before, atol=1e-6)
    stuck = Sequential([Input((6, 3)), BatchNormalization(), Activation("hard_sigmoid_old")])
    assert without_old_hard_sigmoid(stuck) == ([], [stuck.layers[1].name])
