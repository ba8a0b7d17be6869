"""A Sequential is put together, built, described and taken apart as in Keras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru.layers import GRU, Activation, Dense, Dropout, Input, InputLayer
from fastgru.models import Sequential, model_from_json

# --- the same programs in both packages: `k` is fastgru or keras ------------------------------------


def listed(k: Any) -> Any:
    gru = k.layers.GRU(4, return_sequences=True, dropout=0.1, kernel_regularizer="l2", name="first")
    return k.Sequential(
        [
            k.layers.Input((10, 2)),
            gru,
            k.layers.GRU(3),
            k.layers.Dropout(0.5),
            k.layers.Dense(2),
            k.layers.Activation("relu"),
        ]
    )


def with_input_shape(k: Any) -> Any:
    model = k.Sequential(name="named")
    model.add(k.layers.GRU(units=4, activation="tanh", input_shape=(10, 1)))
    model.add(k.layers.Dense(units=1, activation="sigmoid"))
    return model


def with_input_dim(k: Any) -> Any:
    return k.Sequential([k.layers.Dense(3, input_dim=4), k.layers.Dense(2)])


def free_length(k: Any) -> Any:
    return k.Sequential([k.Input(shape=(None, 3), name="sequence"), k.layers.GRU(4, return_sequences=True)])


def fixed_batch(k: Any) -> Any:
    return k.Sequential([k.layers.InputLayer(batch_shape=(4, 6, 3)), k.layers.GRU(2, stateful=True)])


def built(k: Any) -> Any:
    model = k.Sequential([k.layers.Dense(4, use_bias=False), k.layers.Dense(2, trainable=False)])
    model.build((None, 3))
    return model


def not_built(k: Any) -> Any:
    return k.Sequential([k.layers.GRU(4), k.layers.Dense(2)])


def nested(k: Any) -> Any:
    inner = k.Sequential([k.layers.Input((5, 3)), k.layers.GRU(4, return_sequences=True)], name="inner")
    return k.Sequential([inner, k.layers.GRU(2)])


def changed(k: Any) -> Any:
    model = listed(k)
    model.pop()
    model.pop()
    model.add(k.layers.Dense(7, name="new"))
    model.trainable = False
    return model


PROGRAMS = [listed, with_input_shape, with_input_dim, free_length, fixed_batch, built, not_built, nested, changed]


def keras_is_fresh(keras: Any) -> None:
    keras.utils.clear_session()


def plain(value: Any) -> Any:
    """As it stands in a file, without what only the newest Keras writes and older ones refuse."""
    return json.loads(
        json.dumps(value), object_hook=lambda d: {k: v for k, v in d.items() if k != "quantization_config"}
    )


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`")
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_config_is_keras_own(keras: Any, program: Any) -> None:
    keras_is_fresh(keras)
    ours, theirs = program(fastgru), program(keras)
    assert plain(ours.get_config()) == plain(theirs.get_config())
    assert list(ours.get_config()) == list(theirs.get_config())
    assert ours.built == theirs.built
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    if ours.built:
        assert ours.input_shape == theirs.input_shape
        assert ours.output_shape == theirs.output_shape
        assert ours.count_params() == theirs.count_params()
        assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
        for kind in ("trainable_weights", "non_trainable_weights"):
            assert [w.shape for w in getattr(ours, kind)] == [tuple(w.shape) for w in getattr(theirs, kind)]


@pytest.mark.keras
@pytest.mark.parametrize(
    "arguments",
    [
        None,
        {},
        {"optimizer": "adam", "loss": "mse", "metrics": ["accuracy"]},
        {"optimizer": "sgd", "loss": "binary_crossentropy", "loss_weights": [0.5], "weighted_metrics": ["mae", "acc"]},
        {"optimizer": "adam", "loss": "mse", "jit_compile": False, "steps_per_execution": 3, "run_eagerly": True},
    ],
)
def test_the_json_form_with_the_compile_config_is_keras_own(keras: Any, arguments: dict[str, Any] | None) -> None:
    keras_is_fresh(keras)
    ours, theirs = listed(fastgru), listed(keras)
    if arguments is not None:
        ours.compile(**arguments)
        theirs.compile(**arguments)
    assert plain(ours.serialized()) == plain(json.loads(theirs.to_json()))
    again = keras.models.model_from_json(ours.to_json())
    assert plain(again.get_config()) == plain(theirs.get_config())


@pytest.mark.keras
def test_objects_in_compile_come_back_from_the_config(keras: Any) -> None:
    keras_is_fresh(keras)

    def compiled(k: Any) -> Any:
        model = with_input_shape(k)
        model.compile(
            k.optimizers.SGD(0.1, momentum=0.9, name="mine"),
            k.losses.BinaryCrossentropy(from_logits=True),
            metrics=[k.metrics.BinaryAccuracy(threshold=0.25), "mse"],
        )
        return model

    ours, theirs = compiled(fastgru), compiled(keras)
    assert plain(ours.get_compile_config()) == plain(theirs.get_compile_config())
    again = model_from_json(ours.to_json())
    assert again.get_compile_config() == ours.get_compile_config()
    assert again.optimizer.built
    x, y = np.zeros((3, 10, 1)), np.zeros((3, 1))
    again.set_weights(ours.get_weights())
    assert again.evaluate(x, y, verbose=0) == ours.evaluate(x, y, verbose=0)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_model_comes_back_from_its_config(program: Any) -> None:
    model = program(fastgru)
    for again in (Sequential.from_config(plain(model.get_config())), model_from_json(model.to_json())):
        assert plain(again.get_config()) == plain(model.get_config())
        if model.built and program is not fixed_batch:  # whose second call goes on from the first
            again.set_weights(model.get_weights())
            x = np.random.default_rng(1).normal(size=tuple(2 if n is None else n for n in model.input_shape))
            np.testing.assert_array_equal(again(x), model(x))


def test_a_model_is_built_as_soon_as_the_input_is_known() -> None:
    model = Sequential()
    assert not model.built
    model.add(Input((10, 2)))
    assert not model.built
    model.add(GRU(4))
    assert model.built
    assert len(model.weights) == 3
    weights = model.get_weights()
    model.add(Dense(2))
    assert model.output_shape == (None, 2)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=False))


@pytest.mark.parametrize("first_use", ["call", "predict", "predict_on_batch", "fit", "evaluate", "train_on_batch"])
def test_a_model_without_an_input_is_built_on_the_first_data(rng: np.random.Generator, first_use: str) -> None:
    x, y = rng.normal(size=(7, 5, 3)), rng.normal(size=(7, 2))
    model = Sequential([GRU(4), Dense(2)])
    with pytest.raises(AttributeError, match="no input shape yet"):
        _ = model.input_shape
    model.compile("sgd", "mse")
    if first_use == "call":
        model(x)
    elif first_use in ("predict", "predict_on_batch"):
        getattr(model, first_use)(x)
    else:
        getattr(model, first_use)(x, y)
    assert model.built
    assert model.input_shape == (None, 5, 3)
    assert model.layers[0].kernel.shape == (3, 12)


def test_a_stateful_model_is_built_with_the_batch_size_of_the_first_data(rng: np.random.Generator) -> None:
    model = Sequential([GRU(4, stateful=True)])
    model(rng.normal(size=(6, 5, 3)))
    assert model.input_shape == (6, 5, 3)


def test_layers_lists_all_but_the_input_and_is_a_copy() -> None:
    model = listed(fastgru)
    assert [type(layer) for layer in model.layers] == [GRU, GRU, Dropout, Dense, Activation]
    model.layers.clear()
    assert len(model.layers) == 5


def test_get_layer_finds_by_name_and_by_index() -> None:
    model = listed(fastgru)
    assert model.get_layer("first") is model.get_layer(index=0) is model.layers[0]
    assert model.get_layer(index=-1) is model.layers[-1]


def test_pop_returns_the_layer_and_leaves_the_rest_with_its_weights(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 10, 1))
    model = with_input_shape(fastgru)
    weights = model.layers[0].get_weights()
    last = model.layers[-1]
    assert model.pop() is last
    assert model.output_shape == (None, 4)
    assert model(x).shape == (2, 4)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    model.pop()
    assert not model.built
    with pytest.raises(ValueError, match="no layers to pop"):
        model.pop()


def test_a_layer_that_does_not_fit_leaves_the_model_as_it_was(rng: np.random.Generator) -> None:
    model = with_input_shape(fastgru)
    before = model.get_config()
    for layer in (GRU(2), Dense(3, name=model.layers[0].name), 7, Dense(3, dtype="float64"), Input((3,))):
        with pytest.raises(ValueError, match=r"GRU|Model"):
            model.add(layer)  # type: ignore[arg-type]
        assert model.get_config() == before
        assert model(rng.normal(size=(2, 10, 1))).shape == (2, 1)


def test_a_layer_that_does_not_fit_as_the_first_leaves_an_empty_model() -> None:
    model = Sequential()
    with pytest.raises(ValueError, match="GRU"):
        model.add(GRU(2, input_shape=(3,)))
    assert model.layers == []
    model.add(GRU(2, input_shape=(3, 4)))
    assert model.input_shape == (None, 3, 4)


def test_trainable_of_a_model_is_that_of_its_layers() -> None:
    model = nested(fastgru)
    model.trainable = False
    assert not any(layer.trainable for layer in (*model.layers, *model.layers[0].layers))
    assert model.trainable_weights == []
    model.layers[0].trainable = True
    model.trainable = True
    assert len(model.trainable_weights) == len(model.weights) == 6


def test_float64_layers_make_a_float64_model(rng: np.random.Generator) -> None:
    model = Sequential([GRU(4, dtype="float64", input_shape=(5, 3)), Dense(2, dtype="float64")])
    assert model.predict(rng.normal(size=(2, 5, 3)), verbose=0).dtype == np.float64
    model.compile("adam", "mse")
    model.fit(rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 2)), verbose=0)
    assert {w.dtype for w in model.get_weights()} == {np.dtype("float64")}


def test_a_model_with_several_outputs_predicts_a_list(rng: np.random.Generator) -> None:
    model = Sequential([GRU(4, return_sequences=True, return_state=True, input_shape=(5, 3))])
    x = rng.normal(size=(300, 5, 3))
    for sequence, state in (model.predict(x, verbose=0), model.predict_on_batch(x), model(x)):
        np.testing.assert_array_equal(sequence[:, -1], state)


def test_a_mask_reaches_the_layers_it_belongs_to(rng: np.random.Generator) -> None:
    model = Sequential([GRU(4, return_sequences=True, input_shape=(5, 3)), Dropout(0.5), GRU(3)])
    x = rng.normal(size=(2, 5, 3))
    np.testing.assert_allclose(model(x, mask=[[True] * 3 + [False] * 2] * 2), model(x[:, :3]), rtol=1e-5)
    np.testing.assert_array_equal(model(x), model.predict(x, verbose=0))


def test_dropout_drops_in_a_call_with_training_only(rng: np.random.Generator) -> None:
    model = Sequential([Input((5, 3)), GRU(50, return_sequences=True), Dropout(0.5)])
    x = rng.normal(size=(2, 5, 3))
    assert np.count_nonzero(model(x) == 0) == 0
    assert np.count_nonzero(model(x, training=True) == 0) > 100


def test_input_takes_the_shape_with_or_without_the_batch_axis() -> None:
    assert Input((3, 4)).shape == Input(batch_shape=(None, 3, 4)).shape == (None, 3, 4)
    assert Input((None, 4), batch_size=2, dtype="float64", name="x").layer.get_config() == {
        "batch_shape": (2, None, 4),
        "dtype": "float64",
        "sparse": False,
        "ragged": False,
        "name": "x",
        "optional": False,
    }
    assert InputLayer.from_config(Input((3,)).layer.get_config()).batch_shape == (None, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either shape"),
        ({"shape": (3,), "batch_shape": (None, 3)}, "give either shape"),
        ({"batch_shape": (None, 3), "batch_size": 2}, "give either shape"),
        ({"shape": "ab"}, "tuple of sizes"),
        ({"shape": 3}, "tuple of sizes"),
        ({"shape": (-1,)}, "tuple of sizes"),
        ({"shape": (3,), "dtype": "word"}, "name of a numpy dtype"),
        ({"shape": (3,), "sparse": True}, "sparse=True is not supported"),
        ({"shape": (3,), "tensor": np.zeros((2, 3))}, "is not supported"),
    ],
)
def test_a_wrong_input_is_told(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Input(**arguments)


def test_the_package_has_keras_names_and_loads_nothing_before_it_is_used(tmp_path: Path) -> None:
    program = """
import sys, fastgru
heavy = {"numpy", "scipy", "h5py", "rich", "threadpoolctl"} & set(sys.modules)
assert not heavy, heavy
assert set(dir(fastgru)) >= {"Sequential", "Model", "Input", "layers", "models", "losses", "optimizers", "__version__"}
for name in dir(fastgru):
    getattr(fastgru, name)
assert not {"h5py", "rich", "matplotlib"} & set(sys.modules)
assert fastgru.Sequential is fastgru.models.Sequential and fastgru.Input is fastgru.layers.Input
try:
    fastgru.nothing
except AttributeError as error:
    assert "nothing" in str(error)
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
