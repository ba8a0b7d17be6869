"""A part of a model in a file opens alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from old_models import RNG, golden
from paths import FILES

from fastgru import object_registration, saving
from fastgru.layers import GRU, Input, Layer
from fastgru.models import Functional, Sequential, load_model
from fastgru.saving import ModelFileError


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_a_model_can_stop_early_and_what_leads_elsewhere_is_left_out(ending: str) -> None:
    whole = load_model(FILES / f"old_words{ending}")
    part = load_model(FILES / f"old_words{ending}", outputs=["time_distributed", "gru_1"])
    names = [layer.name for layer in part.layers]
    assert "simple_rnn" not in names and "add" not in names
    x, _ = golden("old_words")
    a, b = part.predict(x[0], verbose=0)
    add = Functional(whole.inputs, whole.get_layer("add").output)
    np.testing.assert_allclose(a + b, add.predict(x[0], verbose=0), rtol=0, atol=1e-6)
    assert any("Left out" in decision and "simple_rnn" in decision for decision in part.load_report)


@pytest.mark.parametrize("ending", [".h5", ".keras"])
def test_a_model_can_start_late(ending: str) -> None:
    whole = load_model(FILES / f"old_row{ending}")
    tail = load_model(FILES / f"old_row{ending}", inputs=["conv1d"])
    x, _ = golden("old_row")
    between = load_model(FILES / f"old_row{ending}", outputs=["zero_padding1d"]).predict(x[0], verbose=0)
    masked = x[0][2:]  # rows without a masked step: masks do not go in with the numbers
    assert (masked != 0).all()
    np.testing.assert_allclose(tail.predict(between[2:], verbose=0), whole.predict(masked, verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"outputs": ["gru_9"]}, "there is no layer 'gru_9' to stop at"),
        ({"inputs": ["nothing"]}, "there is no layer 'nothing' to start from"),
        ({"inputs": ["add"]}, "has 2 inputs, not one"),
        ({"outputs": "add"}, "expected outputs to be a list of names"),
    ],
)
def test_a_part_that_is_not_there_is_told(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelFileError, match=rf"old_words\.h5.*{reason}"):
        load_model(FILES / "old_words.h5", **options)


def with_code(source: Path, path: Path) -> Path:
    """A file whose last layer became a Lambda."""
    path.write_bytes(source.read_bytes())
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        form = next(form for form in config["config"]["layers"] if form["class_name"] == "Add")
        form["class_name"], form["config"] = "Lambda", {"name": "add", "function": ["4wEAAAA=", None, None]}
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_where_the_outputs_need_code_the_error_says_where_to_stop(tmp_path: Path) -> None:
    path = with_code(FILES / "old_words.h5", tmp_path / "m.h5")
    with pytest.raises(ModelFileError, match=r"layer 'add' \(Lambda\) holds Python code.*stop before it") as caught:
        load_model(path, safe_mode=False)
    assert "'time_distributed'" in str(caught.value) and "'spatial_dropout1d'" in str(caught.value)
    assert load_model(path, outputs=["time_distributed"]).built


class Halved(Layer):
    def forward(self, call: Any, *inputs: np.ndarray) -> np.ndarray:
        return inputs[0] / 2


def test_a_custom_layer_can_be_registered_for_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sequential([Input((4, 3)), GRU(2), Halved()])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"\(Halved\) is not known to fastgru.*outputs=\['gru'\]"):
        load_model(tmp_path / "m.keras")
    monkeypatch.setattr(object_registration, "_objects", {})
    saving.register("Halved", Halved)
    x = RNG.normal(size=(2, 4, 3)).astype("float32")
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras").predict(x, verbose=0), model.predict(x, verbose=0))
