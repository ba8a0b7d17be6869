"""The user's own objects stand for the names in a file, and what nobody knows is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from paths import FILES
from saved_models import ENDINGS, assert_close, batch, edit_archive, golden

from fastgru.layers import GRU, Input, Layer
from fastgru.models import Sequential, load_model
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


def own_loss(y_true, y_pred):
    return np.abs(y_true - y_pred)


@pytest.mark.parametrize(
    ("part", "value", "named"),
    [
        ("optimizer", {"module": "keras.optimizers", "class_name": "MultiOptimizer", "config": {}}, "MultiO"),
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
