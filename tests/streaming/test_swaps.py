"""Sessions beside a thread that changes the model's weights, or the model: every step is of one version of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from swaps import random_settings, swapping

from fastgru.layers import GRU, LSTM, BatchNormalization, Conv1D, Dense, Embedding, Input, LayerNormalization
from fastgru.models import Sequential
from fastgru.streaming import Sessions

F = 3


def compiled() -> Sequential:
    """A row of layers that the kernels step by themselves."""
    return Sequential([Input((None, F)), GRU(8, return_sequences=True), GRU(5, return_sequences=True), Dense(2)])


def by_layers() -> Sequential:
    return Sequential(
        [
            Input((None, F)), Conv1D(4, 2, padding="causal"), BatchNormalization(), LSTM(5, return_sequences=True),
            LayerNormalization(), Dense(2),
        ]
    )  # fmt: skip


def words() -> Sequential:
    return Sequential([Input((None,)), Embedding(9, 4), GRU(5, return_sequences=True), Dense(2)])


def inputs(make: Callable[[], Sequential], rng: np.random.Generator, *shape: int) -> Any:
    return rng.integers(0, 9, shape) if make is words else rng.normal(size=(*shape, F)).astype("float32")


@pytest.mark.parametrize("change", ["set_weights", "reload"])
@pytest.mark.parametrize(("count", "steps"), [(1, 1), (4, 1), (2, 5)])
@pytest.mark.parametrize("make", [compiled, by_layers, words], ids=lambda make: make.__name__)
def test_a_step_is_of_one_version(
    make: Callable[[], Sequential], count: int, steps: int, change: str, rng: np.random.Generator
) -> None:
    model, x = make(), inputs(make, rng, count, steps)
    settings = random_settings(model, rng)
    others = [make() for _ in settings]
    answers, sessions = set(), Sessions(model, count)
    ids = [sessions.open() for _ in range(count)]
    for setting, other in zip(settings, others, strict=True):
        model.set_weights(setting)
        other.set_weights(setting)
        sessions.reset(ids)
        answers.add(sessions.step(ids, x).tobytes())
    assert len(answers) == len(settings)
    if change == "set_weights":
        changes = [lambda setting=setting: model.set_weights(setting) for setting in settings]
    else:
        changes = [lambda other=other: sessions.reload(other) for other in others]
    with swapping(changes, 300) as goes_on:
        while goes_on():
            sessions.reset(ids)
            assert sessions.step(ids, x).tobytes() in answers


@pytest.mark.parametrize("change", ["set_weights", "load_weights", "reload"])
@pytest.mark.parametrize("make", [compiled, by_layers, words], ids=lambda make: make.__name__)
def test_a_session_goes_on_from_its_state_with_other_weights(
    make: Callable[[], Sequential], change: str, rng: np.random.Generator, tmp_path: Any
) -> None:
    """As two models of one plan would, of which the second begins where the first was."""
    first, second, x = make(), make(), inputs(make, rng, 2, 6)
    first(x), second(x)
    sessions, expected = Sessions(first, 2), Sessions(make(), 2)
    ids = [sessions.open(), sessions.open()]
    before = sessions.step(ids, x[:, :3])
    snapshot = sessions.snapshot(ids)
    if change == "reload":
        sessions.reload(second)
    elif change == "set_weights":
        first.set_weights(second.get_weights())
    else:
        second.save_weights(tmp_path / "second.weights.h5")
        first.load_weights(tmp_path / "second.weights.h5")
    expected.model.set_weights(second.get_weights())
    others = expected.restore(snapshot)
    for step in range(3, 6):
        np.testing.assert_array_equal(sessions.step(ids, x[:, step]), expected.step(others, x[:, step]))
    assert not np.array_equal(sessions.step(ids, x[:, :3]), before)
