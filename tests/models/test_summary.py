"""The summary of a model."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru.layers import GRU, Dense, Dropout, Input
from fastgru.models import Sequential


def model() -> Sequential:
    network = Sequential([Input((5, 3)), GRU(4), Dropout(0.5), Dense(3, activation="softmax")], name="m")
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


X = np.random.default_rng(0).normal(size=(60, 5, 3))
Y = np.arange(60) % 3


def summary(network: Any, **options: Any) -> str:
    texts: list[str] = []
    network.summary(print_fn=texts.append, **options)
    (text,) = texts
    return text


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]


def nested(k: Any) -> Any:
    inner = k.Sequential(
        [k.layers.Input((5, 3)), k.layers.GRU(4, return_sequences=True, trainable=False)], name="inner"
    )
    outer = k.Sequential([inner, k.layers.GRU(2, name="outer"), k.layers.Dense(1000, name="wide")], name="m")
    outer.compile("adam", "mse")
    return outer


@pytest.mark.keras
@pytest.mark.parametrize(
    "options", [{}, {"show_trainable": True}, {"line_length": 60}, {"layer_range": ["outer", "wide"]}]
)
def test_the_summary_is_that_of_keras(keras: Any, monkeypatch: Any, options: dict[str, Any]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    keras.utils.clear_session()
    assert summary(nested(fastgru), **options) == summary(nested(keras), **options)


@pytest.mark.keras
def test_the_summary_of_a_model_that_is_not_built_is_that_of_keras(keras: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    def build(k: Any) -> Any:
        return k.Sequential([k.layers.GRU(2, name="a"), k.layers.Dense(1, name="b")], name="m")

    assert summary(build(fastgru)) == summary(build(keras))


def test_the_summary_counts_the_optimizers_state_once_it_exists() -> None:
    network = model()
    params = 3 * (3 * 4 + 4 * 4 + 2 * 4) + 4 * 3 + 3
    assert f"Total params: {params} " in summary(network)
    network.fit(X, Y, verbose=0)
    assert f"Total params: {params + 2 * params + 2} " in summary(network)
    assert f"Optimizer params: {2 * params + 2} " in summary(network)


def test_the_summary_opens_models_inside() -> None:
    names = [row[0] for row in rows(summary(nested(fastgru), expand_nested=True))]
    assert names[0] == "inner (Sequential)"
    assert re.fullmatch(r"└ gru\w* \(GRU\)", names[1])
    assert names[2:] == ["outer (GRU)", "wide (Dense)"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"line_length": 8}, "too short"),
        ({"layer_range": ["outer"]}, "two layer names"),
        ({"layer_range": ["outer", "nothing"]}, "matches no layers"),
    ],
)
def test_a_summary_that_cannot_be_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nested(fastgru).summary(**options)


def test_the_summary_is_printed_where_no_function_is_given(capsys: Any) -> None:
    model().summary()
    out = capsys.readouterr().out
    assert "gru (GRU)" in out
    assert "\x1b" not in out
