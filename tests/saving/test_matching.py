"""Weights that do not fit a model change nothing in it, and are named."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from paths import FILES
from saved_models import assert_same, batch, state, trained_model

import fastgru
from fastgru import saving
from fastgru.layers import GRU, Dense, Input, IntegerLookup
from fastgru.models import Sequential
from fastgru.saving import ModelFileError
from fastgru.saving.stored import ArrayInMemory


def other_units() -> Sequential:
    model = Sequential([Input((4, 3)), GRU(5, return_sequences=True), GRU(6, reset_after=False), Dense(2)])
    model.compile("adam", "mse")
    model.train_on_batch(*batch())
    return model


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
def test_weights_that_do_not_fit_change_nothing(ending: str, tmp_path: Path) -> None:
    model, path = trained_model(), tmp_path / f"model{ending}"
    other = other_units()
    before = state(other)
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    with pytest.raises(ModelFileError) as caught:
        other.load_weights(path)
    message = str(caught.value)
    assert str(path) in message
    assert (
        f"layer {other.layers[1].name!r} expects shape (5, 18) for its weight 'kernel', the file holds (5, 12)"
        in message
    )
    assert_same(state(other), before)


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_what_does_not_fit_can_be_skipped(ending: str, tmp_path: Path) -> None:
    model, other, path = trained_model(), other_units(), tmp_path / f"model{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    with warnings.catch_warnings(record=True) as caught:
        other.load_weights(path, skip_mismatch=True)
    assert any("(5, 12); it is skipped" in str(warning.message) for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)  # on behalf of the user's line
    assert_same(other.layers[0].get_weights(), model.layers[0].get_weights())


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_a_missing_layer_or_array_is_named(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{ending}"
    model = Sequential([Input((4, 3)), GRU(5, use_bias=False)])
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    with pytest.raises(ModelFileError, match=r"expects 3 arrays \(kernel, recurrent_kernel, bias\), the file holds 2"):
        Sequential([Input((4, 3)), GRU(5)]).load_weights(path)
    with pytest.raises(ModelFileError, match=r"expects 2 arrays .* holds 0|2 layers with weights .* the file holds 1"):
        Sequential([Input((4, 3)), GRU(5, use_bias=False), Dense(1)]).load_weights(path)


def test_weights_without_a_place_are_named(tmp_path: Path) -> None:
    trained_model().save_weights(tmp_path / "model.weights.h5")
    model = Sequential([Input((4, 3)), GRU(5, return_sequences=True), GRU(4, reset_after=False)])
    with pytest.warns(UserWarning, match="no place for the weights at layers/dense"):
        model.load_weights(tmp_path / "model.weights.h5")


def test_the_state_of_another_optimizer_is_left_out(tmp_path: Path) -> None:
    trained_model("adam").save_weights(tmp_path / "model.weights.h5")
    model = trained_model("sgd")
    with pytest.warns(UserWarning, match="state of the optimizer 'sgd' does not fit"):
        model.load_weights(tmp_path / "model.weights.h5")
    assert model.optimizer.iterations == 2


def test_a_learning_rate_that_is_no_number_changes_nothing_in_the_optimizer(tmp_path: Path) -> None:
    model, path = trained_model(), tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file["optimizer/vars/1"][()] = np.nan
    before = state(model)
    with pytest.warns(UserWarning, match="learning rate nan and starts afresh"):
        model.load_weights(path)
    assert_same(state(model), before)


def test_an_unbuilt_model_has_no_weights_to_save_or_load(tmp_path: Path) -> None:
    model = Sequential([GRU(3)])
    with pytest.raises(ValueError, match="not built yet"):
        model.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match="not built yet"):
        model.load_weights(FILES / "stacked.weights.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["saved", "loaded", "both"])
@pytest.mark.keras
def test_layers_that_are_skipped_keep_their_weights_as_in_keras(keras: Any, when: str, tmp_path: Path) -> None:
    def model(library: Any) -> Any:
        layers = library.layers
        inner = [layers.Input((5, 3)), layers.Bidirectional(layers.GRU(2)), layers.Dense(4), layers.Dense(4)]
        return library.Sequential(inner)

    trained, others = model(fastgru), [model(library) for library in (fastgru, keras)]
    options = [{"objects_to_skip": [each.layers[0], each.layers[2]]} for each in (trained, *others)]
    saving.save_weights(trained, tmp_path / "m.weights.h5", **options[0] if when in ("saved", "both") else {})
    for other, skip in zip(others, options[1:], strict=True):
        before = other.get_weights()
        other.load_weights(tmp_path / "m.weights.h5", **skip)
        changed = [not np.array_equal(one, two) for one, two in zip(before, other.get_weights(), strict=True)]
        assert changed == [False] * 6 + [True, False, False, False]  # the second Dense is not the first of its class
    if when == "loaded":
        trained.save(tmp_path / "m.h5")
        with pytest.raises(ModelFileError, match="objects_to_skip is not for legacy HDF5 files"):
            trained.load_weights(tmp_path / "m.h5", **options[0])


def test_a_file_of_which_the_last_array_cannot_be_read_changes_nothing(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = rng.integers(1, 4, (6, 2))

    def trained(words: Any) -> Any:
        lookup = IntegerLookup(output_mode="tf_idf", max_tokens=4, pad_to_max_tokens=True)
        lookup.adapt(words)
        model = Sequential([Input((2,), dtype="int64"), lookup, Dense(3), Dense(2)])
        model.compile("adam", "mse")
        model.fit(x, rng.normal(size=(6, 2)), verbose=0)
        return model

    def numbers(model: Any) -> list[Any]:
        return [*model.get_weights(), *map(np.array, model.optimizer.variables), model.layers[0].idf_weights]

    model, other = trained([[1, 2], [1, 3]]), trained([[1, 2], [3, 3], [1, 1]])
    other.save(tmp_path / "other.keras")
    before, last = numbers(model), other.get_weights()[-1]
    read = ArrayInMemory.read

    def read_but_last(self: Any, dtype: Any) -> Any:
        if self.place.endswith("layers/dense_1/vars/1"):
            raise ValueError("a damaged chunk")
        return read(self, dtype)

    with monkeypatch.context() as patch:
        patch.setattr(ArrayInMemory, "read", read_but_last)
        with pytest.raises(ValueError, match="damaged chunk"):
            model.load_weights(tmp_path / "other.keras")
    for ours, same in zip(numbers(model), before, strict=True):
        np.testing.assert_array_equal(ours, same)
    model.load_weights(tmp_path / "other.keras")
    for ours, theirs in zip(numbers(model), numbers(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(model.get_weights()[-1], last)
