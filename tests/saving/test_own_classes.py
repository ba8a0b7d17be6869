"""Layers and models with a `call` of one's own stand in weight files where Keras has them, and come back from both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import fastgru
from fastgru.saving import ModelFileError

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:__array__ implementation")]


def classes(library: Any) -> dict[str, Any]:
    """A layer with layers in attributes, lists, dicts and lists of lists, and a model of it."""
    layers = library.layers

    class Block(layers.Layer):  # type: ignore[misc]
        def __init__(self, units: int = 3, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.last = layers.Dense(units)
            self._private = layers.Dense(units)
            self.listed = [layers.Dense(units), [layers.Dense(units), layers.LayerNormalization()], {"a": "text"}]
            self.listed[1].append(self.listed)
            self.named = {"x": layers.Dense(units), "y": [layers.GRU(units, return_sequences=True)]}

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(self.units,), name="scale", initializer="ones")
            self.built = True

        def call(self, x: Any) -> Any:
            y = self.last(self._private(x)) * self.scale
            first, (second, norm, _), _ = self.listed
            return self.named["y"][0](self.named["x"](norm(second(first(y)))))

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    class Net(library.Model):  # type: ignore[misc]
        def __init__(self, units: int = 3, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.block, self.head = Block(units), layers.Dense(2)
            self.more = [layers.GRU(units), layers.Dense(4)]

        def call(self, x: Any) -> Any:
            recurrent, dense = self.more
            return self.head(dense(recurrent(self.block(x))))

        def get_config(self) -> dict[str, Any]:
            return {"units": self.units}

        @classmethod
        def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
            return cls(units=config["units"])

    return {"Block": Block, "Net": Net}


def model_of(kind: str, library: Any, own: dict[str, Any], x: Any) -> Any:
    if kind == "Net":
        model = own["Net"]()
    else:
        model = library.Sequential([library.layers.Input(x.shape[1:]), own["Block"](), library.layers.Dense(2)])
    model(x)
    return model


def paths(path: Path) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: shapes.update({name: item.shape} if hasattr(item, "shape") else {}))
    return shapes


@pytest.mark.parametrize("kind", ["Block", "Net"])
def test_weights_stand_where_keras_has_them(keras: Any, kind: str, rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    ours, theirs = (model_of(kind, library, classes(library), x) for library in (fastgru, keras))
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    assert paths(tmp_path / "ours.weights.h5") == paths(tmp_path / "theirs.weights.h5")
    for reader, name, writer in ((ours, "theirs", theirs), (theirs, "ours", ours)):
        writer.set_weights([rng.normal(size=weight.shape) for weight in writer.weights])
        writer.save_weights(tmp_path / f"{name}.weights.h5")
        reader.load_weights(tmp_path / f"{name}.weights.h5")
        np.testing.assert_allclose(reader(x), np.asarray(writer(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["Block", "Net"])
def test_a_file_goes_from_keras_here_and_back(keras: Any, kind: str, rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    here, there = classes(fastgru), classes(keras)
    theirs = model_of(kind, keras, there, x)
    theirs.save(tmp_path / "theirs.keras")
    ours = fastgru.models.load_model(tmp_path / "theirs.keras", custom_objects=here)
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), rtol=1e-5, atol=1e-5)
    ours.save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras", custom_objects=there)
    np.testing.assert_allclose(np.asarray(again(x)), np.asarray(theirs(x)), rtol=1e-5, atol=1e-5)


def test_a_model_that_was_never_called_opens_as_one(tmp_path: Path) -> None:
    own = classes(fastgru)
    model = own["Net"]()
    model.compile("adam", "mse")
    with pytest.warns(UserWarning, match="saved before it is built"):
        model.save(tmp_path / "model.keras")
    again = fastgru.models.load_model(tmp_path / "model.keras", custom_objects=own)
    assert again.compiled and not again.built


def test_weights_that_no_layer_takes_yet_are_no_silent_loss(rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    own = classes(fastgru)
    model = model_of("Net", fastgru, own, x)
    model._first_shape = None  # as where it was called with several inputs: no file says with which
    model.save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match=r"has no weights before it is called.*load_weights"):
        fastgru.models.load_model(tmp_path / "model.keras", custom_objects=own)
