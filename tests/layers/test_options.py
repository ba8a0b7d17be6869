"""The options of layers: declared once, in Keras's order, and typed for whoever calls a constructor."""

from __future__ import annotations

import importlib.util
import inspect
import os
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastgru
from fastgru import layers
from fastgru.layers.options import declared

CLASSES = [
    cls for name in layers.__all__ if isinstance(cls := getattr(layers, name), type) and cls.__name__ == name != "Layer"
]


def arguments_of(cls: type) -> list[str]:
    """Those that may be given by position, in order."""
    parameters = inspect.signature(cls).parameters.values()
    return [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_what_the_config_keeps_can_be_given_to_the_constructor(cls: type) -> None:
    in_config = {name for name, option in declared(cls).items() if option.in_config}
    missing = in_config - {*arguments_of(cls), "activity_regularizer"}
    assert missing <= {"noise_shape"}, f"{cls.__name__} declares {missing} and takes no such argument"


@pytest.mark.keras
@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_arguments_stand_in_keras_order(keras: Any, cls: type) -> None:
    of_keras = [name for name in arguments_of(getattr(keras.layers, cls.__name__)) if name not in ("name", "dtype")]
    ours = [name for name in arguments_of(cls) if name not in ("name", "dtype")]
    assert ours[: len(of_keras)] == of_keras


def test_help_says_which_arguments_a_layer_takes() -> None:
    text = pydoc.plain(pydoc.render_doc(layers.GRU))
    assert (
        "class GRU(fastgru.layers.rnn.recurrent.Recurrent)\n |  GRU(units: 'int', activation: 'ActivationLike' = 'tanh'"
        in text
    )
    assert "return_sequences: 'bool' = False" in text
    assert " object at 0x" not in text


PROGRAM = """
import numpy as np
from fastgru.layers import GRU, LSTM, Add, Bidirectional, Conv1D, Dense, Embedding, MaxPooling1D
from fastgru.models import Sequential, load_model
x = np.zeros((1, 5, 3))
GRU(64, return_sequences=True, name="gru", input_shape=(None, 8), kernel_initializer="zeros", activation=None)
GRU(64, return_sequence=True)  # wrong: no such argument
GRU("64")  # wrong: no number
LSTM(64, "tanh", "sigmoid", True, dropout=0.5, activity_regularizer="l2", trainable=False)
LSTM(64, unroll="yes")  # wrong: no flag
Dense(3, kernel_regularizer=0.1)  # wrong: no regularizer
Dense(3, "relu", activity_regularizer="l2", dtype="float64")
Dense(3, unit=4)  # wrong: no such argument
Conv1D(4, (3,), strides=1, padding="causal", batch_shape=(2, None, 3))
Conv1D(4, "3")  # wrong: no size
Embedding(input_dim=5, output_dim=2, mask_zero=True, activity_regularizer=None)
Embedding(5, 2, mask=True)  # wrong: no such argument
MaxPooling1D(2, None, "same", None, "pool", input_dim=3)
MaxPooling1D(2, stride=1)  # wrong: no such argument
Add(name="sum")
Add(nam="sum")  # wrong: no such argument
Bidirectional(GRU(3), merge_mode="sum", backward_layer=GRU(3, go_backwards=True))
Bidirectional(GRU(3), "sum", nam="both")  # wrong: no such argument
Sequential([GRU(64)]).predict(x).argmax()
load_model("a.keras").get_layer(index=0)
load_model("a.keras").get_layers()  # wrong: no such method
load_model("a.keras").predict(x).argmax()  # wrong: perhaps a list or a dict
load_model(3)  # wrong: no path
units: int = GRU(64).units
text: str = GRU(64).units  # wrong: a number
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
def test_a_type_checker_finds_wrong_options_and_nothing_else(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    home = Path(fastgru.__file__).parents[1]
    # mypy finds an installed package itself, and refuses to be told of the folder
    environment = {**os.environ, "MYPYPATH": "" if home.name == "site-packages" else str(home)}
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path)]
    checked = subprocess.run([*command, str(program)], capture_output=True, text=True, env=environment)
    errors = {int(line) for line in re.findall(r"program\.py:(\d+): error", checked.stdout)}
    planted = {number for number, line in enumerate(PROGRAM.splitlines(), 1) if "# wrong" in line}
    assert errors == planted, checked.stdout + checked.stderr


@pytest.mark.keras
@pytest.mark.parametrize(
    "name, arguments",
    [
        ("GRU", {"units": 3}),
        (
            "GRU",
            {"units": 3, "activation": None, "kernel_regularizer": "l2", "recurrent_constraint": "max_norm", "seed": 7},
        ),
        ("GRU", {"units": 3, "dropout": 0.1, "stateful": True, "name": "a", "trainable": False, "dtype": "float64"}),
        ("Dense", {"units": 3, "activation": "softmax", "bias_initializer": "ones"}),
        ("Dropout", {"rate": 0.3, "noise_shape": (None, 1)}),
        ("Activation", {"activation": "relu"}),
    ],
    ids=str,
)
def test_config_is_keras_s_and_comes_back(name: str, arguments: dict[str, Any], keras: Any) -> None:
    ours = getattr(layers, name)(**{"name": "x", **arguments})
    theirs = getattr(keras.layers, name)(**{"name": "x", **arguments})
    expected = keras.saving.serialize_keras_object(theirs)["config"]
    expected.pop("quantization_config", None)
    assert ours.get_config() == expected
    assert type(ours).from_config(ours.get_config()).get_config() == expected
    assert type(theirs).from_config(ours.get_config()).get_config() is not None
