"""Activations: Keras's numbers forward, central differences backward."""

from __future__ import annotations

import copy
import functools
import pickle

import numpy as np
import pytest
from layer_checks import gradients_hold

import fastgru
from fastgru import activations, kernels, layers, ops
from fastgru.activations import KNOWN
from fastgru.activations.activation import Activation

ALL = sorted(set(KNOWN) - {"threshold"})
OPTIONS = [
    ("relu", {"negative_slope": 0.3}),
    ("relu", {"max_value": 1.5}),
    ("relu", {"threshold": 0.7}),
    ("relu", {"negative_slope": 0.3, "max_value": 1.5, "threshold": 0.7}),
    ("leaky_relu", {"negative_slope": 0.4}),
    ("softmax", {"axis": 1}),
    ("softmax", {"axis": (1, 2)}),
    ("log_softmax", {"axis": 0}),
    ("sparsemax", {"axis": 1}),
    ("elu", {"alpha": 0.6}),
    ("celu", {"alpha": 0.6}),
    ("squareplus", {"b": 2}),
    ("hard_shrink", {"threshold": 0.2}),
    ("soft_shrink", {"threshold": 0.2}),
    ("threshold", {"threshold": 0.2, "default_value": -1.0}),
    ("gelu", {"approximate": True}),
    ("glu", {"axis": 1}),
]
CASES = [(name, {}) for name in ALL] + OPTIONS


NOT_AS_KERAS = (
    "hard_sigmoid_old",  # which Keras 3 has not
    "sparsemax",  # Keras 3's does not sum to 1 where more than two numbers are positive
)


@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[0] not in NOT_AS_KERAS])
@pytest.mark.keras
def test_values_are_those_of_keras(keras, rng, name, options):
    x = (3 * rng.standard_normal((3, 4, 6))).astype("float32")
    theirs = np.asarray(getattr(keras.activations, name)(x, **options))
    ours = getattr(activations, name)(x, **options)
    assert ours.dtype == "float32"
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


def test_old_hard_sigmoid_has_the_slope_of_keras_2():
    np.testing.assert_allclose(
        activations.get("hard_sigmoid_old")([-3.0, -1.0, 0.0, 2.0]), [0, 0.3, 0.5, 0.9], rtol=1e-6
    )


def test_sparsemax_is_the_nearest_point_whose_numbers_are_shares(rng):
    x = rng.standard_normal((50, 6))
    y = activations.sparsemax(x)
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-12)
    assert (y >= 0).all() and (y == 0).any()
    for other in rng.dirichlet(np.ones(6), size=20):
        assert (np.square(y - x).sum(axis=-1) <= np.square(other - x).sum(axis=-1)).all()


@pytest.mark.parametrize(("name", "options"), CASES)
def test_backward_is_the_derivative(rng, name, options):
    activation = activations.get(name)
    x = 2 * rng.standard_normal((3, 4, 6))
    y = activation(x, **options)
    dy = rng.standard_normal(y.shape)
    dx = activation.backward(dy, y, x if activation.needs_input or options else None, **options)
    step = 1e-6
    expected = np.empty_like(x)
    for i in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[i] += step
        below[i] -= step
        expected[i] = (dy * (activation(above, **options) - activation(below, **options))).sum() / (2 * step)
    assert np.abs(dx - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(rng, name, dtype):
    activation = activations.get(name)
    x = rng.standard_normal((2, 4)).astype(dtype)
    y = activation(x)
    assert y.dtype == dtype and activation.backward(y, y, x).dtype == dtype


@pytest.mark.parametrize(
    "name", ["sigmoid", "tanh", "softplus", "softmax", "log_softmax", "silu", "elu", "selu", "mish"]
)
def test_large_inputs_neither_overflow_nor_warn(name):
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(activations.get(name)(np.array([-1e4, 0.0, 1e4]))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("approximate", [False, True])
def test_the_slope_of_gelu_far_out_is_that_of_a_ramp(approximate: bool, dtype: str) -> None:
    x = np.array([-1e30, -1e20, -50, 50, 1e20, 1e30], dtype)
    ramp = [0, 0, 0, 1, 1, 1]
    gelu = activations.get("gelu")
    y = gelu(x, approximate=approximate)
    np.testing.assert_array_equal(gelu.backward(np.ones_like(x), y, x, approximate=approximate), ramp)
    layer = layers.Activation("gelu" if not approximate else functools.partial(gelu, approximate=True))
    with fastgru.GradientTape() as tape:
        watched = ops.convert_to_tensor(x)
        tape.watch(watched)
        outputs = layer(watched)
    np.testing.assert_array_equal(np.asarray(tape.gradient(outputs, watched)), ramp)


@pytest.mark.keras
def test_every_name_that_keras_knows_is_known(keras):
    from keras.src.activations import ALL_OBJECTS_DICT

    for name, function in ALL_OBJECTS_DICT.items():
        assert activations.get(name).name == function.__name__
        assert activations.serialize(name) == keras.activations.serialize(function)
        assert activations.deserialize(name) is activations.get(name)
    public = {name for name in dir(keras.activations) if not name.startswith("_")}
    assert all(callable(getattr(activations, name, None)) for name in public)


LAYERS = [
    ("ReLU", {"max_value": 1.5, "negative_slope": 0.3, "threshold": 0.7}),
    ("LeakyReLU", {}),
    ("LeakyReLU", {"negative_slope": 0.1}),
    ("ELU", {"alpha": 0.6}),
    ("Softmax", {"axis": [1, 2]}),
]


@pytest.mark.parametrize(("name", "options"), LAYERS)
@pytest.mark.keras
def test_a_layer_is_an_activation_as_in_keras(keras, rng, name, options):
    x = rng.standard_normal((3, 4, 6)).astype("float32")
    theirs = getattr(keras.layers, name)(**options)
    form = keras.activations.serialize(theirs)
    for identifier in (form, getattr(layers, name)(**options)):
        ours = activations.get(identifier)
        np.testing.assert_allclose(ours(x), theirs(x), rtol=2e-6, atol=1e-6)
    assert activations.serialize(activations.deserialize(form)) == form
    dense = layers.Dense(2, activation=getattr(layers, name)(**options))
    reopened = keras.layers.Dense.from_config(dense.get_config()).activation
    assert isinstance(reopened, type(theirs)) and getattr(reopened, "axis", None) == getattr(theirs, "axis", None)


@pytest.mark.parametrize(("name", "options"), LAYERS)
def test_backward_of_a_layer_as_activation_is_the_derivative(rng, name, options):
    gradients_hold(
        layers.Activation(getattr(layers, name)(**options), dtype="float64"), rng, rng.normal(size=(3, 4, 6))
    )


def test_the_older_name_of_a_slope_in_a_config_is_taken():
    slope = activations.get({"class_name": "LeakyReLU", "config": {"alpha": 0.1}})
    np.testing.assert_allclose(slope([-10.0, 10.0]), [-1, 10])


def test_none_is_linear_and_lists_and_integers_are_taken():
    assert activations.get(None) is activations.linear
    assert activations.relu([-1, 2]).tolist() == [0.0, 2.0]
    assert activations.get({"class_name": "function", "config": "relu"}) is activations.relu


def test_a_function_runs_forward_and_back():
    def squared(x):
        return x * x

    def constant(x):
        return np.ones(1)

    activation = activations.get(squared)
    assert activation.name == "squared" and activation.kernel_id is None
    assert activation(np.array([2.0]))[0] == 4
    assert activations.get("squared", custom_objects={"squared": squared}).name == "squared"
    assert activation.backward(np.ones(1), np.full(1, 9.0), np.full(1, 3.0)).tolist() == [6]
    with pytest.raises(ValueError, match="'constant': does not depend on its argument"):
        activations.get(constant).backward(np.ones(1), np.ones(1), np.ones(1))


def test_kernel_numbers_are_distinct():
    numbers = [a.kernel_id for a in set(KNOWN.values()) if a.kernel_id is not None]
    assert sorted(numbers) == list(range(len(numbers)))


@pytest.mark.parametrize(("identifier", "message"), [("rellu", "did you mean"), (5, "got 5"), ("??", "known:")])
def test_unknown_activation_is_named(identifier, message):
    with pytest.raises(ValueError, match=message):
        activations.get(identifier)


def test_the_kernels_know_an_activation_by_its_name_and_function():
    def relu(x):
        return np.maximum(x, 1)

    assert activations.relu.kernel_id == kernels.module("float64").activation_ids["relu"]
    assert pickle.loads(pickle.dumps(copy.deepcopy(activations.relu))).kernel_id == activations.relu.kernel_id
    assert activations.get(relu).name == "relu" and activations.get(relu).kernel_id is None
    assert activations.get({"class_name": "ReLU", "config": {"max_value": 2.0}}).kernel_id is None
    assert activations.mish.kernel_id is None


def test_a_pickled_activation_asks_the_kernels_of_its_build_for_its_number() -> None:
    pickled = activations.tanh.__reduce_ex__(4)[2]
    activation = object.__new__(Activation)
    activation.__setstate__({**pickled, "kernel_id": 99})
    assert activation.kernel_id == activations.tanh.kernel_id
