"""Every public model file in the development folder opens, with the numbers that its own Keras gives."""

from __future__ import annotations

import ast
import json
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import SHARED

from fastgru import cli, saving
from fastgru.models import load_model, model_from_json
from fastgru.saving import ModelFileError

FOLDER = SHARED / "models"
INDEX = json.loads((FOLDER / "index.json").read_text()) if FOLDER.is_dir() else []
ANSWERED = [entry["file"] for entry in INDEX if entry["expected"]]
OTHERS = [entry["file"] for entry in INDEX if not entry["expected"]]

pytestmark = [
    pytest.mark.skipif(not INDEX, reason="the development folder 'shared' is not beside the checkout"),
    pytest.mark.slow,  # whoever clones this lacks the folder: nothing of it is in the fast suite
]


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def arrays(stored: Any, letter: str) -> list[np.ndarray]:
    return [stored[name] for name in sorted(stored) if name.startswith(letter)]


def opened(path: Path) -> Any:
    """The model, or the part of it that ends where speech models are of use."""
    try:
        return load_model(path)
    except ModelFileError as error:
        assert "code from a file is never run" in str(error) and "outputs=['softmax']" in str(error)
        return load_model(path, outputs=["softmax"])


@pytest.mark.parametrize("file", ANSWERED)
def test_the_numbers_are_those_of_the_keras_that_wrote_the_file(file: str) -> None:
    model = opened(FOLDER / file)
    with np.load(FOLDER / "expected" / f"{file}.npz") as stored:
        x, expected = arrays(stored, "x"), arrays(stored, "y")
    assert_agree(model.predict(x if len(x) > 1 else x[0], verbose=0), expected)
    assert model.load_report[0].startswith("Written by Keras")


def assert_agree(outputs: Any, expected: list[np.ndarray]) -> None:
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert len(outputs) == len(expected)
    for one, other in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-5 * max(np.nanmax(np.abs(other), initial=0), 1e-30))


@pytest.mark.parametrize("file", OTHERS)
def test_any_other_file_opens_or_says_what_is_missing(file: str) -> None:
    try:
        assert load_model(FOLDER / file).built
    except ModelFileError as error:
        reasons = "holds weights without a model", "code from a file is never run", "is not known to fastgru"
        assert any(reason in str(error) for reason in reasons)


def stops(path: Path) -> tuple[str, list[str]]:
    """What is said of a model that cannot be opened as a whole, and the layers at which it can stop."""
    try:
        load_model(path)
    except ModelFileError as error:
        match = re.search(r"stop before it with outputs=(\[[^]]*\])", str(error))
        return str(error), ast.literal_eval(match[1]) if match else []
    return "", []


@pytest.mark.parametrize("file", [file["file"] for file in INDEX])
def test_a_model_opens_up_to_each_layer_that_the_error_names(file: str) -> None:
    reason, names = stops(FOLDER / file)
    if not reason or "holds weights without a model" in reason:
        return
    layer = re.search(r"layer '(\w+)' \((\w+)\)", reason)
    assert layer and names and layer[1] not in names
    unknown = {"Lambda": "holds Python code, and code from a file is never run"}.get(
        layer[2], "is not known to fastgru"
    )
    assert f"layer {layer[1]!r} ({layer[2]}) {unknown}, and the model's outputs need it" in reason
    for name in names:
        part = load_model(FOLDER / file, outputs=[name])
        assert part.built and part.layers[-1].name == name
        assert layer[1] not in [one.name for one in part.layers]


@pytest.mark.parametrize("file", [file["file"] for file in INDEX])
def test_every_file_can_be_inspected(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    reason, names = stops(FOLDER / file)
    whole = not reason or "holds weights without a model" in reason
    assert cli.main(["inspect", str(FOLDER / file)]) == (0 if whole else 1)
    written = capsys.readouterr()
    assert "written by Keras" in written.out and (reason if not whole else "") in written.err
    assert len(written.out.splitlines()) > 4
    if names:
        assert cli.main(["inspect", str(FOLDER / file), "--outputs", names[-1]]) == 0


@pytest.mark.keras
@pytest.mark.slow
@pytest.mark.parametrize("file", ANSWERED)
def test_keras_3_opens_what_was_converted(keras: Any, file: str, tmp_path: Path) -> None:
    _, names = stops(FOLDER / file)
    with np.load(FOLDER / "expected" / f"{file}.npz") as stored:
        x, expected = arrays(stored, "x"), arrays(stored, "y")
    theirs: Any = None
    for ending in (".keras", ".h5", ".weights.h5"):
        new = tmp_path / f"new{ending}"
        stop = ["--outputs", "softmax"] if names else []
        assert cli.main(["convert", str(FOLDER / file), str(new), *stop]) == 0
        if ending != ".weights.h5":
            theirs = keras.models.load_model(new, compile=False)
            outputs = theirs(x if len(x) > 1 else x[0], training=False)
            assert_agree([np.asarray(one) for one in (outputs if isinstance(outputs, list) else [outputs])], expected)
        else:
            weights = theirs.get_weights()
            theirs.set_weights([np.zeros_like(weight) for weight in weights])
            theirs.load_weights(new)
            assert_agree(theirs.get_weights(), weights)


def test_an_unknown_layer_can_be_given_or_stopped_before() -> None:
    path = next(FOLDER.glob("*gru_deep.h5"))
    part = load_model(path, outputs=["gru_2"])
    assert part.layers[-1].name == "gru_2"
    assert len(part.weights) == 9


def test_a_model_of_keras_1_under_theano_classifies_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    path = next(FOLDER.glob("*mnist__cnn_gru.json"))
    model = model_from_json(path.read_text())
    model.load_weights(path.with_suffix(".h5"))
    with np.load(FOLDER.parent / "data" / "mnist.npz") as stored:
        x, y = stored["x_test"], stored["y_test"]
    p = model.predict(x.astype("float32") / 255, verbose=0)
    assert (p.argmax(1) == y).mean() == pytest.approx(0.9871, abs=1e-4)
    assert -np.log(p[np.arange(len(y)), y]).mean() == pytest.approx(0.0436, abs=1e-4)


def seconds(task: Callable[[Path], object], path: Path) -> float:
    """The processor's, which other programs on the machine hardly lengthen."""
    began = time.process_time()
    task(path)
    return time.process_time() - began


def arrays_read(path: Path) -> list[np.ndarray]:
    """All arrays of a file, read and copied as somebody would who knows it: nothing is checked, no model made."""
    stored: list[h5py.Dataset] = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: stored.append(item) if isinstance(item, h5py.Dataset) else None)
        return [np.array(dataset[()]) for dataset in stored]


def test_opening_the_largest_file_takes_no_time() -> None:
    path = max((path for path in FOLDER.iterdir() if path.name in ANSWERED), key=lambda path: path.stat().st_size)
    saving.load_model(path)
    pairs = [(seconds(saving.load_model, path), seconds(arrays_read, path)) for _ in range(5)]
    opening, reading = (min(column) for column in zip(*pairs, strict=True))
    assert opening < 12 * reading, f"{opening:.3f} s, h5py reads the arrays in {reading:.3f} s"
