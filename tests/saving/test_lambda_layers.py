"""The function of a Lambda is the user's, by the layer's name or its own; what a file holds of one is never run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from saved_models import edit_archive

import fastgru
from fastgru.layers import GRU, Activation, Dense, Input, Layer
from fastgru.models import Model, load_model
from fastgru.saving import ModelFileError

CODE_OF_KERAS_3 = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
NAMED_BY_KERAS_3 = {"module": "builtins", "class_name": "function", "config": "doubled", "registered_name": "function"}
FORMS: dict[str, dict[str, Any]] = {
    "code of Keras 3": {"function": CODE_OF_KERAS_3, "output_shape": CODE_OF_KERAS_3, "arguments": {"by": 2}},
    "a name of Keras 3": {"function": NAMED_BY_KERAS_3, "arguments": {"by": 2}},
    "code of Keras 2": {"function": ["4wEAAAA=", None, None], "function_type": "lambda", "module": "__main__",
                        "output_shape": None, "output_shape_type": "raw", "output_shape_module": None,
                        "arguments": {"by": 2}},
    "a name of Keras 2": {"function": "doubled", "function_type": "function", "module": "theirs",
                          "output_shape": [6, 3], "output_shape_type": "raw", "arguments": {"by": 2}},
}  # fmt: skip
ENDINGS = {"code of Keras 3": ".keras", "a name of Keras 3": ".keras"}


def doubled(x: Any, by: int = 1) -> Any:
    return x * by


def model() -> Any:
    x = Input((6, 3), name="x")
    y = Activation("linear", name="twice")(x)
    return Model(x, Dense(2, name="dense")(GRU(4, name="gru")(y)))


def with_lambda(form: str, path: Path) -> tuple[Any, Path]:
    """A model, and its file, in which the layer "twice" is a Lambda that multiplies by 2."""
    original = model()
    path = path.with_suffix(ENDINGS.get(form, ".h5"))
    original.save(path)

    def change(config: Any) -> None:
        layer = next(layer for layer in config["config"]["layers"] if layer["name"] == "twice")
        layer["class_name"] = "Lambda"
        layer["config"] = {"name": "twice", "trainable": True, **FORMS[form]}

    if path.suffix == ".keras":
        return original, edit_archive(path, path.with_stem("other"), "config.json", change)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        node = [["x", 0, 0, {}]]
        for layer in config["config"]["layers"]:  # without the shapes that Keras 3 writes
            layer["inbound_nodes"] = [node] if layer["inbound_nodes"] else []
            node = [[layer["name"], 0, 0, {}]]
        file.attrs["model_config"] = json.dumps(config)
    return original, path


@pytest.mark.parametrize("name", ["twice", "doubled"])
@pytest.mark.parametrize("form", FORMS)
def test_a_given_function_takes_the_place_of_the_file_s(
    form: str, name: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    original, path = with_lambda(form, tmp_path / "m.x")
    if name == "doubled" and form.startswith("code"):
        with pytest.raises(ModelFileError, match=r"holds Python code.*give its function with custom_objects=\{'twice'"):
            load_model(path, custom_objects={name: doubled})
        return
    x = rng.normal(size=(5, 6, 3)).astype("float32")
    again = load_model(path, custom_objects={name: doubled})
    np.testing.assert_array_equal(again.predict(x, verbose=0), original.predict(2 * x, verbose=0))
    assert "Its function is the one that was given, not that of the file: layer twice." in again.load_report


def test_a_class_of_the_user_s_reads_the_config_itself(tmp_path: Path) -> None:
    class Own(Layer):
        def __init__(self, function: Any, arguments: Any, output_shape: Any = None, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.function = function

        def forward(self, call: Any, *inputs: Any) -> Any:
            return inputs[0]

    _, path = with_lambda("a name of Keras 2", tmp_path / "m.x")
    assert load_model(path, custom_objects={"Lambda": Own}).get_layer("twice").function == "doubled"


def test_a_function_of_keras_needs_nobody(rng: np.random.Generator, tmp_path: Path) -> None:
    form = {**NAMED_BY_KERAS_3, "config": "relu"}
    original, path = with_lambda("a name of Keras 3", tmp_path / "m.x")

    def change(config: Any) -> None:
        config["config"]["layers"][1]["config"] = {"name": "twice", "function": form, "arguments": {}}

    x = rng.normal(size=(5, 6, 3)).astype("float32")
    again = load_model(edit_archive(path, tmp_path / "relu.keras", "config.json", change))
    np.testing.assert_array_equal(again.predict(x, verbose=0), original.predict(np.maximum(x, 0), verbose=0))


@pytest.mark.parametrize("form", FORMS)
def test_a_model_starts_right_behind_a_lambda(form: str, rng: np.random.Generator, tmp_path: Path) -> None:
    original, path = with_lambda(form, tmp_path / "m.x")
    x = rng.normal(size=(5, 6, 3)).astype("float32")
    part = load_model(path, inputs=["gru"])
    np.testing.assert_array_equal(part.predict(x, verbose=0), original.predict(x, verbose=0))
    known = form != "code of Keras 2"  # whose steps nobody tells
    assert part.input_shape == (None, 6 if known else None, 3)


def test_behind_what_the_file_does_not_say_the_lambda_is_named(tmp_path: Path) -> None:
    _, path = with_lambda("code of Keras 2", tmp_path / "m.x")
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"].replace('"class_name": "GRU"', '"class_name": "Mine"')
        file.attrs["model_config"] = config
    with pytest.raises(ModelFileError, match=r"layer 'twice' \(Lambda\) holds Python code"):
        load_model(path, inputs=["gru"])


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("function", [doubled, lambda x, by=1: x * by], ids=["named", "lambda"])
@pytest.mark.keras
def test_a_lambda_layer_goes_to_keras_and_comes_from_there(
    keras: Any, function: Any, ending: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    def model_of(library: Any) -> Any:
        layers = library.layers
        twice = layers.Lambda(function, arguments={"by": 2}, name="twice")
        return library.Sequential([layers.Input((4,)), twice, layers.Dense(2)])

    x = rng.normal(size=(3, 4)).astype("float32")
    name = function.__name__
    ours, theirs = model_of(fastgru), model_of(keras)
    if name == "<lambda>":
        with pytest.warns(UserWarning, match="holds a lambda, of which the file keeps no code: give it by custom_obj"):
            ours.save(tmp_path / f"ours{ending}")
    else:
        ours.save(tmp_path / f"ours{ending}")
    theirs.save(tmp_path / f"theirs{ending}")
    again = load_model(tmp_path / f"theirs{ending}", custom_objects={"twice": function})
    np.testing.assert_allclose(again(x), np.asarray(theirs(x)), rtol=1e-5, atol=1e-6)
    back = load_model(tmp_path / f"ours{ending}", custom_objects={"twice": function})
    np.testing.assert_array_equal(back(x), ours(x))
    there = keras.models.load_model(tmp_path / f"ours{ending}", custom_objects={name: function})
    np.testing.assert_allclose(np.asarray(there(x)), ours(x), rtol=1e-5, atol=1e-6)
