"""Every public model file that can stream, streamed, against its own predictions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from paths import SHARED
from stream_models import opened

from fastgru import config
from fastgru.layers import Embedding
from fastgru.models import load_model
from fastgru.saving import ModelFileError
from fastgru.streaming import Sessions

FOLDER = SHARED / "models"
INDEX = json.loads((FOLDER / "index.json").read_text()) if FOLDER.is_dir() else []
# those that open and cannot stream, by the beginnings of their names
REFUSED = {
    "P-KAVYA123": "its padding is 'same'",
    "abidalicse": "its padding is 'valid'",
    "cbarlow6__CIS8392__bi": "it reads the sequence from its end, too",
    "satoshi5518__chatbot__decoder": "has 2 inputs",
    "satoshi5518__chatbot__encoder": "puts out states of a layer",
}
STEPS = 40  # of samples of free length

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not INDEX, reason="the development folder 'shared' is not there")]


@pytest.fixture(autouse=True)
def tiles() -> Iterator[None]:
    config.set_products("tiles")
    yield
    config.set_products(None)


@pytest.mark.parametrize("file", [entry["file"] for entry in INDEX])
@pytest.mark.filterwarnings("ignore")
def test_a_public_model_streams_to_the_bits_of_its_predictions(file: str) -> None:
    try:
        model: Any = load_model(FOLDER / file, compile=False)
    except ModelFileError as reason:  # a file without a model, or with code in it
        pytest.skip(str(reason))
    refusal = next((refusal for beginning, refusal in REFUSED.items() if file.startswith(beginning)), None)
    if refusal is not None:
        with pytest.raises(ValueError, match=refusal):
            Sessions(model, 1)
        return
    rows = model.input_shape[0] or 3
    sessions = Sessions(model, rows)
    rng, (_, length, *features) = np.random.default_rng(1), model.input_shape
    steps = length or STEPS
    words = next((layer.input_dim for layer in model.layers if isinstance(layer, Embedding)), None)
    x = rng.integers(0, words, (rows, steps)) if words else rng.normal(size=(rows, steps, *features)).astype("float32")
    ids, answers, step = opened(sessions, rows), [], 0
    while step < steps:
        count = int(rng.integers(1, 12))
        order = rng.permutation(rows)
        part = as_list(sessions.step(ids[order], x[order, step : step + count]))
        answers.append([one[np.argsort(order)] for one in part])
        step += count
    for output, expected in zip(zip(*answers, strict=True), as_list(model.predict(x, verbose=0)), strict=True):
        streamed = np.concatenate(output, axis=1)
        is_last = expected.ndim < streamed.ndim
        np.testing.assert_array_equal(streamed[:, -1] if is_last else streamed, expected)


def as_list(outputs: Any) -> list[Any]:
    return outputs if isinstance(outputs, list) else [outputs]
