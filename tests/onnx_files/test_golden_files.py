"""Files of tf2onnx and of torch's newer exporter, stored with what ONNX Runtime answers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import assert_same, by_model
from paths import FILES

from fastgru import layers
from fastgru.models import load_model


@pytest.mark.parametrize("name", ["tf2onnx", "dynamo"])
def test_a_file_gives_the_numbers_of_the_runtime(name: str) -> None:
    with np.load(FILES / "onnx" / f"{name}.npz") as stored:
        x, outputs = stored["x"], [stored[key] for key in sorted(stored) if key != "x"]
    assert_same(by_model(load_model(FILES / "onnx" / f"{name}.onnx"), x), outputs)


@pytest.mark.parametrize("name", ["tf2onnx", "dynamo"])
def test_its_recurrent_nodes_are_layers(name: str) -> None:
    kinds = [type(layer) for layer in load_model(FILES / "onnx" / f"{name}.onnx").layers]
    assert layers.Bidirectional in kinds and layers.LSTM in kinds
