"""Keras's JSON of anything: written as Keras writes it, and read back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layer_checks import in_a_file

import fastgru
from fastgru import config, saving
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.saving import deserialize_keras_object, serialize_keras_object

PARTS = {
    "activations": lambda part: part.get("relu"),
    "constraints": lambda part: part.MaxNorm(3, axis=1),
    "initializers": lambda part: part.Constant(np.eye(3)),
    "layers": lambda part: part.GRU(3, name="gru", kernel_initializer="ones", activation="relu"),
    "losses": lambda part: part.BinaryCrossentropy(label_smoothing=0.1),
    "metrics": lambda part: part.BinaryAccuracy(threshold=0.3),
    "optimizers": lambda part: part.Adam(0.1, beta_1=0.5),
    "regularizers": lambda part: part.L1L2(0.1, 0.2),
}
ARGUMENTS = {"activations": "activation", "losses": "loss", "layers": "layer", "metrics": "metric"}


def squared(x: Any) -> Any:
    return x**2


def model_of(library: Any) -> Any:
    layers = library.layers
    model = library.Sequential([layers.Input((4, 3), name="x"), layers.GRU(2, name="g"), layers.Dense(1, name="d")])
    model.name = "m"
    model.compile("adam", library.losses.MeanSquaredError(), metrics=["mae"])
    return model


VALUES: dict[str, Callable[[Any], Any]] = {
    "None": lambda keras: None,
    "a number": lambda keras: 1.5,
    "numbers of numpy": lambda keras: [np.float32(0.5), np.int64(3), np.array(2.5), np.bool_(True)],
    "an array": lambda keras: np.arange(6.0).reshape(2, 3),
    "a text and bytes": lambda keras: ["hello", b"hello"],
    "slices": lambda keras: [slice(None, 20, 1), slice(None, np.array([0, 1]), 1)],
    "the ellipsis": lambda keras: {"a": ...},
    "a tuple": lambda keras: (1, (2, "a"), None),
    "a dict": lambda keras: {"1": "hello", "2": [True, False], "3": {"x": np.ones(2)}},
    "a function": lambda keras: {"f": squared},
    "a function of Keras": lambda keras: [keras.activations.get("relu"), keras.losses.mean_squared_error],
    "a layer": lambda keras: keras.layers.Dense(3, activation=squared, kernel_regularizer="l2", name="d"),
    "a layer with a matrix": lambda keras: keras.layers.Embedding(
        3, 3, embeddings_initializer=keras.initializers.Constant(np.eye(3)), name="e"
    ),
    "a layer with an array": lambda keras: keras.layers.Rescaling(np.array([1.0, 2.0]), offset=[1.0, 2.0], name="r"),
    "a layer with a layer as activation": lambda keras: keras.layers.Dense(
        3, activation=keras.layers.ReLU(max_value=2.0, name="my"), name="d"
    ),
    "a layer in a layer": lambda keras: keras.layers.Bidirectional(keras.layers.GRU(2, name="g"), name="b"),
    "objects in lists": lambda keras: {"x": (keras.layers.Dense(2, name="d"), [keras.optimizers.SGD(0.5)])},
    "a compiled model": model_of,
    "a tensor of a graph": lambda keras: keras.layers.Input((3, 2), name="x"),
}


@pytest.mark.keras
@pytest.mark.parametrize("value", VALUES)
def test_a_form_is_that_of_keras_and_comes_back(keras: Any, value: str) -> None:
    keras.utils.clear_session()
    expected = keras.saving.serialize_keras_object(VALUES[value](keras))
    form = serialize_keras_object(VALUES[value](fastgru))
    assert in_a_file(form) == in_a_file(expected)
    fastgru.utils.clear_session()
    again = deserialize_keras_object(in_a_file(expected), custom_objects={"squared": squared})
    if value == "a tensor of a graph":
        assert isinstance(again, SymbolicTensor) and again.shape == (None, 3, 2)
    else:
        assert in_a_file(serialize_keras_object(again)) == in_a_file(expected)


def test_tuples_stay_tuples_where_no_json_is_between() -> None:
    assert serialize_keras_object((1, [2, (3,)])) == (1, [2, (3,)])


def test_a_tensor_of_another_library_is_an_array() -> None:
    jnp = pytest.importorskip("jax.numpy")
    form = serialize_keras_object({"x": jnp.ones((2, 1))})
    assert form == {"x": {"class_name": "__tensor__", "config": {"value": [[1.0], [1.0]], "dtype": "float32"}}}
    again = deserialize_keras_object(form)["x"]
    assert again.dtype == "float32"
    np.testing.assert_array_equal(again, np.ones((2, 1)))


def test_a_dtype_is_its_name() -> None:
    assert serialize_keras_object([np.dtype("float64")]) == ["float64"]
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float64"}, "registered_name": None}
    assert deserialize_keras_object({"dtype": policy}) == {"dtype": "float64"}


def test_what_is_no_json_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match=r"Cannot serialize <object .*> of type object: its class must define get_conf"):
        serialize_keras_object([object()])
    with pytest.raises(TypeError, match=r"Could not parse config: \{1\}"):
        deserialize_keras_object([{1}])


def test_a_model_comes_back_compiled() -> None:
    model = model_of(fastgru)
    again = deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(model))))
    assert again.compiled and again.built and isinstance(again.optimizer, fastgru.optimizers.Adam)


def test_a_layer_comes_back_built_as_it_was() -> None:
    model = model_of(fastgru)
    again = fastgru.layers.deserialize(fastgru.layers.serialize(model.layers[0]))
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in model.layers[0].weights]


@pytest.mark.parametrize(
    ("form", "error", "reason"),
    [
        ({"class_name": "Dense", "config": [1, 2]}, TypeError, "Expected 'config' to be a dict for Dense"),
        ({"class_name": "function", "config": ["f"]}, TypeError, "Expected 'config' to be a non-null str"),
        ({"class_name": "function", "config": "f"}, TypeError, "Could not locate function 'f'; give it by custom_obj"),
        ({"class_name": "Mine", "config": {}}, TypeError, "Could not locate class 'Mine' of the module None"),
        ({"module": "os", "class_name": "system", "config": {}}, TypeError, "Could not locate class 'system'"),
        ({"module": "keras.layers", "class_name": "Dens", "config": {}}, ValueError, "did you mean 'Dense'"),
        ({"class_name": "__lambda__", "config": {"value": ["4wEA"]}}, ValueError, "arbitrary code execution"),
        ({"class_name": "function", "module": "builtins", "config": "get"}, TypeError, "Could not locate function"),
    ],
)
@pytest.mark.parametrize("safe_mode", [True, False])
def test_a_form_that_cannot_be_opened_is_named(form: Any, error: type, reason: str, safe_mode: bool) -> None:
    with pytest.raises(error, match=reason):
        deserialize_keras_object({"a": [form]}, safe_mode=safe_mode)


@pytest.mark.parametrize("name", ["builtins.eval", "not.a.real.name", "my_pkg>MyDense"])
def test_a_class_of_keras_has_no_registered_name_of_another(name: str) -> None:
    form = {"class_name": "Dense", "module": "keras.layers", "registered_name": name, "config": {"units": 1}}
    with pytest.raises(ValueError, match="resolved to a Keras built-in"):
        deserialize_keras_object(form)
    for harmless in ("Dense", "", None):
        assert deserialize_keras_object({**form, "registered_name": harmless}).units == 1


def test_names_of_module_objects_stand_for_what_they_hold() -> None:
    objects = {"squared": squared, "Ones": fastgru.initializers.Ones}
    assert deserialize_keras_object("squared", module_objects=objects) is squared
    assert isinstance(deserialize_keras_object("Ones", module_objects=objects), fastgru.initializers.Ones)
    with pytest.raises(TypeError, match="unrecognized arguments"):
        deserialize_keras_object("Ones", printable_module_name="initializer")


@pytest.mark.keras
@pytest.mark.parametrize("part", PARTS)
def test_every_part_serializes_and_deserializes_as_that_of_keras(keras: Any, part: str) -> None:
    keras.utils.clear_session()
    ours, theirs = getattr(fastgru, part), getattr(keras, part)
    argument = {ARGUMENTS.get(part, part[:-1]): PARTS[part](ours)}
    form = ours.serialize(**argument)
    assert in_a_file(form) == in_a_file(theirs.serialize(**{name: PARTS[part](theirs) for name in argument}))
    again = ours.deserialize(in_a_file(form), custom_objects=None)
    assert in_a_file(ours.serialize(again)) == in_a_file(form)


@pytest.mark.parametrize("part", sorted({*PARTS} - {"layers", "optimizers"}))
def test_a_name_that_nobody_knows_has_the_nearest_in_its_error(part: str) -> None:
    with pytest.raises(ValueError, match="not known to fastgru"):
        getattr(fastgru, part).deserialize("relo")


def test_a_config_that_is_no_layers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected the config of a layer"):
        fastgru.layers.deserialize(saving.serialize_keras_object(fastgru.losses.MeanSquaredError()))


def test_code_in_files_is_not_allowed_by_any_switch() -> None:
    with pytest.raises(ValueError, match="enable_unsafe_deserialization is not supported by fastgru: a file is data"):
        config.enable_unsafe_deserialization()
