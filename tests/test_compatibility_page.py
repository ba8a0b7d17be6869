"""What docs/compatibility.md claims holds: the package does what is ticked, and has nothing that the page lacks."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compatibility import contents, public, trials
from compatibility.examples import ON_TENSORFLOW, arguments, example
from compatibility.old_forms import aged
from paths import ROOT

import fastgru
from fastgru import activations, registry
from fastgru.models import load_model, model_from_json
from fastgru.saving import ModelFileError

PAGE = (ROOT / "docs/compatibility.md").read_text(encoding="utf-8")


def table(header: str) -> list[list[str]]:
    """The cells of the table under a header, row by row."""
    lines = PAGE[PAGE.index(f"| {header} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


LAYERS = {row[0].strip("`"): row[1:] for row in table("Layer | .keras | .h5 | .weights.h5 | JSON")}


# --- layers ---------------------------------------------------------------------------------------


def test_the_page_and_the_package_have_the_same_layers() -> None:
    assert list(LAYERS) == sorted(registry.known("keras.layers"))


def saved(model: Any, path: Path) -> Any:
    model.save(path)
    return load_model(path)


def saved_weights(model: Any, path: Path) -> Any:
    model.save_weights(path)
    again = model_from_json(model.to_json())
    again.load_weights(path)
    return again


def through_json(model: Any, path: Path) -> Any:
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    return again


def in_words_of(version: str | None) -> Callable[[Any, Path], Any]:
    def again(model: Any, path: Path) -> Any:
        model.save(path.parent / "model.h5")
        return load_model(aged(path.parent, version))

    return again


COLUMNS = [
    (".keras", saved),
    (".h5", saved),
    (".weights.h5", saved_weights),
    (".json", through_json),
    ("Keras 2", in_words_of("2.9.0")),
    ("Keras 1", in_words_of(None)),
]


@pytest.mark.parametrize("name", LAYERS)
def test_a_ticked_layer_comes_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    model, x = example(name)
    answer = model.predict(arguments(x), verbose=0)
    assert np.ptp(answer) > 0
    ticks = [cell == "✓" for cell in LAYERS[name]]
    assert all(ticks[:5])
    for (ending, come_back), ticked in zip(COLUMNS, ticks, strict=False):
        if ticked:
            again = come_back(model, tmp_path / f"model{ending}")
            assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
            np.testing.assert_array_equal(again.predict(arguments(x), verbose=0), answer, err_msg=ending)


@pytest.mark.keras
@pytest.mark.parametrize("name", sorted(LAYERS.keys() - ON_TENSORFLOW))
def test_keras_opens_a_layer_that_the_page_says_it_opens(name: str, keras: Any, tmp_path: Path) -> None:
    assert LAYERS[name][-1] == "✓"
    model, x = example(name)
    model.save(tmp_path / "model.keras")
    theirs = np.asarray(keras.models.load_model(tmp_path / "model.keras", compile=False)(arguments(x), training=False))
    ours = model.predict(arguments(x), verbose=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())


# --- the rest of the page -------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "sentence"), table("The file begins with | What is said"))
def test_a_file_that_is_no_model_is_refused_with_the_sentence(start: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(start.strip("`").encode().decode("unicode_escape").encode("latin-1") + bytes(64))
    with pytest.raises(ModelFileError) as refusal:
        load_model(path)
    assert sentence.removeprefix("The file ") in str(refusal.value)


# each of these needs another option to be a layer
OPTIONS: dict[str, dict[str, Any]] = {
    "Conv1D": {"filters": 2, "kernel_size": [2]},
    "Conv2D": {"filters": 2, "kernel_size": [2, 2]},
    "SeparableConv1D": {"filters": 2, "kernel_size": [2]},
    "SeparableConv2D": {"filters": 2, "kernel_size": [2, 2]},
    "Dense": {"units": 2},
    "GRU": {"units": 2},
    "LSTM": {"units": 2},
}


@pytest.mark.parametrize(("old", "new"), table("In the file | Read as"))
def test_a_layer_with_another_name_is_read_as_the_page_says(old: str, new: str) -> None:
    old, new = old.strip("`"), new.strip("`")
    shape = [None, 6, 6, 2] if new.endswith("2D") else [None, 6, 4]
    layer = {"class_name": old, "config": {"name": "a", "batch_input_shape": shape, **OPTIONS.get(new, {})}}
    model = model_from_json(json.dumps({"class_name": "Sequential", "config": [layer], "keras_version": "2.2.4"}))
    (again,) = model.layers
    assert new in (type(again).__name__, type(getattr(again, "layer", None)).__name__)


def test_every_name_on_the_page_is_known_and_every_known_name_is_on_the_page() -> None:
    names = {kind: re.findall(r"`(\w+)`", cell) for kind, cell in table("Kind | Read and written")}
    assert names.pop("Activations") == sorted(activations.KNOWN)
    for kind, listed in names.items():
        module = getattr(fastgru, kind.lower())
        assert listed == sorted(registry.known(f"keras.{kind.lower()}"))
        for name in listed:
            assert isinstance(getattr(module, name), type)


def test_every_limit_on_the_page_is_the_one_of_the_code() -> None:
    numbers = [int(row[1].split()[0].replace(",", "")) for row in table("What | At most")]
    bounds = [value for name, value in contents.limits().items() if ".MAX_" in name]
    assert len(bounds) > 10
    assert sorted(numbers[:-1]) == sorted(bounds)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", sorted(contents.DECISIONS))
def test_a_decision_is_told_in_the_sentences_on_the_page(name: str) -> None:
    sentences = contents.DECISIONS[name]()
    assert sentences
    for sentence in sentences:
        assert "`" + sentence.replace("`", "'") + "`" in PAGE


def test_the_page_tells_all_that_a_report_can_say() -> None:
    assert len(list(contents.report_patterns())) > 20
    assert contents.missing(PAGE) == []


# --- how it is made -------------------------------------------------------------------------------


def test_a_missing_name_sentence_or_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert contents.missing(PAGE.replace("`GRUCell`", "")) == ["the name GRUCell"]
    assert "the sentence" in contents.missing(PAGE.replace("is taken off", ""))[0]
    monkeypatch.setattr(fastgru.saving.api, "MAX_ANYTHING", 3, raising=False)
    assert contents.missing(PAGE) == ["what api.MAX_ANYTHING limits"]


def test_an_attempt_that_failed_is_told_below_the_table_of_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "layer_names", lambda: ["Dense"])
    monkeypatch.setattr(trials, "outcomes", lambda name, keras: {".keras": "", "JSON": "another number"})
    maker = runpy.run_module("compatibility", run_name="maker")
    assert maker["layers"](None)["layers"].split("\n\n")[1:] == ["- `Dense`, JSON: another number"]


def test_without_keras_no_page_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setattr(sys, "argv", ["compatibility", "--keep-public"])
    with pytest.raises(SystemExit, match=r"what Keras opens, and Keras cannot be imported"):
        runpy.run_module("compatibility", run_name="__main__")
    assert (ROOT / "docs/compatibility.md").read_text(encoding="utf-8") == PAGE


def test_no_public_file_is_named() -> None:
    index = public.FOLDER / "index.json"
    if not index.exists():
        pytest.skip("the development folder 'shared' is not beside the checkout")
    for entry in json.loads(index.read_text()):
        assert entry["file"] not in PAGE and entry["repository"] not in PAGE
