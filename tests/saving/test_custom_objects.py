"""The user's own objects stand for the names in a file, and what nobody knows is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import FILES
from saved_models import ENDINGS, assert_close, batch, edit_archive, golden

from fastgru.layers import GRU, Input, Layer
from fastgru.models import Functional, Sequential, load_model
from fastgru.saving import ModelFileError


class Doubled(Layer):
    """A user's layer without weights."""

    def forward(self, call, *inputs):
        return 2 * inputs[0]


@pytest.mark.parametrize("ending", ENDINGS)
def test_custom_objects_stand_for_the_names_in_the_file(ending: str, tmp_path: Path) -> None:
    model = Sequential([Input((4, 3)), GRU(2), Doubled(name="Doubled")])
    model.save(tmp_path / f"model{ending}")
    loaded = load_model(tmp_path / f"model{ending}", custom_objects={"Doubled": Doubled})
    x, _ = batch()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    with pytest.raises(ModelFileError, match=r"layer 'Doubled' \(Doubled\) is not known"):
        load_model(tmp_path / f"model{ending}")


class OwnGraph(Functional):
    """A class of a user's that is made of inputs and outputs."""


class OwnRow(Sequential):
    """A class of a user's whose config says what it is made of."""

    def __init__(self, units: int = 2, **options: Any) -> None:
        super().__init__([Input((4, 3)), GRU(units), Doubled()], **options)
        self.units = units

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        return cls(**config)


def own_graph() -> Any:
    x = Input((4, 3))
    return OwnGraph(x, Doubled()(GRU(2)(x)))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("make", [own_graph, lambda: OwnRow(3)])
def test_a_model_of_a_class_of_ones_own_comes_back_as_one(make: Any, ending: str, tmp_path: Path) -> None:
    model = make()
    model.compile("adam", "mse")
    model.save(tmp_path / f"model{ending}")
    objects = {"OwnGraph": OwnGraph, "OwnRow": OwnRow, "Doubled": Doubled}
    again = load_model(tmp_path / f"model{ending}", custom_objects=objects)
    x, _ = batch()
    assert type(again) is type(model) and again.compiled
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_model_of_an_unknown_class_says_what_to_give(tmp_path: Path) -> None:
    OwnRow().save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match=r"of the class 'OwnRow', whose code is not in the file; .* custom_object"):
        load_model(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match="of your class 'OwnRow' and cannot be cut"):
        load_model(tmp_path / "model.keras", {"OwnRow": OwnRow, "Doubled": Doubled}, outputs=["gru"])


def own_loss(y_true, y_pred):
    return np.abs(y_true - y_pred)


@pytest.mark.parametrize(
    ("part", "value", "named"),
    [
        ("optimizer", {"module": "keras.optimizers", "class_name": "Shampoo", "config": {}}, "Shampoo"),
        ("loss", "own_loss", "own_loss"),
        ("loss", {"module": "m", "class_name": "function", "config": "own_loss", "registered_name": "own"}, "own_loss"),
        ("metrics", ["accuracy", "mean_relative_error"], "mean_relative_error"),
        ("loss", {"class_name": "__lambda__", "config": {"value": "code"}}, "lambda"),
    ],
)
def test_an_unknown_part_of_the_training_setup_is_named_and_the_model_loads(
    part: str, value: object, named: str, tmp_path: Path
) -> None:
    expected = golden("reset_after")

    def change(config: dict) -> None:
        config["compile_config"][part] = value

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "config.json", change)
    with pytest.warns(UserWarning, match=rf"model\.keras: the model is loaded but not compiled: .*{named}"):
        model = load_model(path)
    assert not model.compiled
    assert_close(model.predict(expected["x"], verbose=0), expected["y"])


def test_an_unknown_constraint_is_named_and_an_unknown_initializer_is_of_no_account(tmp_path: Path) -> None:
    def change(config: dict) -> None:
        layer = config["config"]["layers"][1]["config"]
        layer["kernel_constraint"] = {"module": "my", "class_name": "WeightClip", "config": {}, "registered_name": None}
        layer["kernel_initializer"] = {"module": "my", "class_name": "Fancy", "config": {}, "registered_name": None}

    path = edit_archive(FILES / "reset_after.keras", tmp_path / "model.keras", "config.json", change)
    with pytest.warns(UserWarning, match="keras.constraints: 'WeightClip' is not known"):
        load_model(path)
    assert load_model(path, custom_objects={"WeightClip": "max_norm"}, compile=False).built
