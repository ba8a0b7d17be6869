"""The page is one text without a link, has all its words in both languages, and refuses what it cannot run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru.datasets import mnist
from fastgru.layers import GRU, LSTM, Bidirectional, Dense, Dropout, Flatten, Input
from fastgru.models import Model, Sequential, load_model
from fastgru.playground import page
from fastgru.playground.description import described
from fastgru.playground.page import FOLDER, OWN_MODEL, words

WORDS = words()


def test_the_page_is_whole_and_leads_nowhere() -> None:
    text = page()
    assert "{{" not in text and text.startswith("<!doctype html>")
    assert re.findall(r"https?:|src=|@import|url\(|fetch\(", text) == []
    assert re.findall(r'href="([^"]*)"', text) == ["data:,"]


def test_both_languages_have_the_same_words_with_the_same_places() -> None:
    english, chinese = WORDS["en"], WORDS["zh"]
    assert english.keys() == chinese.keys()
    for key in english:
        assert sorted(re.findall(r"\{\w+\}", english[key])) == sorted(re.findall(r"\{\w+\}", chinese[key])), key


def test_every_word_of_the_page_is_there_and_none_too_many() -> None:
    markup = (FOLDER / "page.html").read_text() + (FOLDER / "show.js").read_text() + (FOLDER / "page.js").read_text()
    named = set(re.findall(r'data-(?:word|label|experiment)="(\w+)"', markup)) | set(re.findall(r'"(\w+)"', markup))
    assert named >= WORDS["en"].keys()
    assert set(re.findall(r'data-(?:word|label|experiment)="(\w+)"', markup)) <= WORDS["en"].keys()


def test_chinese_has_the_terms_of_the_introduction() -> None:
    assert [WORDS["zh"][key] for key in ("update", "reset", "candidate", "state")] == [
        "更新门", "重置门", "候选隐状态", "隐状态",
    ]  # fmt: skip


def test_a_name_cannot_end_the_script_that_it_stands_in(tmp_path: Path) -> None:
    model = Sequential([GRU(3, input_shape=(8, 8)), Dense(2, activation="softmax")])
    file = tmp_path / "<!--<script>x.keras"
    model.save(file)
    assert "<!--" not in page(file)


# --- the model in the package ---------------------------------------------------------------------


def test_the_own_model_is_small() -> None:
    assert OWN_MODEL.stat().st_size < 60_000


@pytest.mark.slow
def test_the_own_model_reads_mnist_as_the_page_says(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTGRU_DATA", str(shared / "data"))
    _, (x, y) = mnist.load_data()
    answers = load_model(OWN_MODEL).predict(x.astype("float32") / 255, verbose=0).argmax(axis=1)
    assert 0.99 <= np.mean(answers == y) < 0.995  # "99 %"
    assert all("99 %" in words["own"] for words in WORDS.values())


# --- other models ---------------------------------------------------------------------------------


def model(*layers: Any, shape: tuple[int | None, int] = (28, 28)) -> Sequential:
    return Sequential([Input(shape), *layers, Dense(10, activation="softmax")])


def graph() -> Model:
    x = Input((28, 28))
    return Model(x, Dense(10, activation="softmax")(GRU(4)(x)))


@pytest.mark.parametrize(
    "accepted",
    [
        model(GRU(4)),
        model(GRU(4), shape=(None, 28)),
        model(GRU(4, return_sequences=True), Dropout(0.3), GRU(3, reset_after=False), Dense(5, "relu"), shape=(8, 8)),
        model(GRU(4, return_sequences=True)),
    ],
    ids=["plain", "of any length", "stacked", "answers at every row"],
)
def test_gru_and_dense_layers_over_images_are_described(accepted: Sequential) -> None:
    description = described(accepted, "m.keras")
    assert description["size"] == accepted.input_shape[-1]
    assert [layer["units"] for layer in description["gru"]] == [
        layer.units for layer in accepted.layers if isinstance(layer, GRU)
    ]


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (graph(), r"is a Functional"),
        (Sequential([GRU(4), Dense(3, activation="softmax")]), r"does not know the shape of its input"),
        (model(GRU(4), shape=(28, 27)), r"takes \(None, 28, 27\)"),
        (model(GRU(4), shape=(27, 28)), r"takes \(None, 27, 28\)"),
        (Sequential([Input((28, 28)), Dense(3), GRU(4), Dense(2, activation="softmax")]), r"a GRU, at that place"),
        (model(Flatten()), r"has the layer 'flatten\w*', a Flatten, at that place"),
        (model(Bidirectional(GRU(4))), r"a Bidirectional"),
        (model(GRU(4, return_sequences=True), LSTM(3)), r"a LSTM"),
        (model(GRU(4, go_backwards=True)), r"which reads backwards"),
        (model(Dense(4)), "has no GRU layer"),
        (Sequential([Input((28, 28)), GRU(4)]), "has no Dense layer"),
        (Sequential([Input((28, 28)), GRU(4), Dense(1, activation="sigmoid")]), "ends with 1 units and 'sigmoid'"),
        (model(GRU(4, activation="gelu")), "has the activation 'gelu'"),
        (model(GRU(4), Dense(3, activation=lambda x: x)), "has the activation"),
    ],
)
def test_others_are_refused_in_one_sentence_with_the_reason(refused: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"^m\.keras: .*{reason}.*\.$") as error:
        described(refused, "m.keras")
    assert "\n" not in str(error.value) and len(str(error.value)) < 320
