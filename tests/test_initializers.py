"""Initializers: Keras's names, configs, distributions and seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgru import initializers, random
from fastgru.registry import known, serialize

RANDOM = [name for name, cls in known("keras.initializers").items() if issubclass(cls, initializers.RandomInitializer)]


@pytest.mark.parametrize("name", RANDOM)
def test_seed_repeats_the_numbers_at_every_call(name):
    seeded = known("keras.initializers")[name](seed=7)
    assert np.array_equal(seeded((6, 12)), seeded((6, 12)))


@pytest.mark.parametrize("name", RANDOM)
def test_without_a_seed_numbers_come_from_the_packages_stream(name):
    initializer = initializers.get(name)
    random.seed_stream(3)
    first, second = initializer((6, 12)), initializer((6, 12))
    random.seed_stream(3)
    assert np.array_equal(first, initializer((6, 12)))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("name", known("keras.initializers"))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_and_shape_are_those_asked_for(name, dtype):
    values = initializers.get(name)((4, 6), dtype=dtype)
    assert values.shape == (4, 6) and values.dtype == dtype


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", [(60, 180), (40, 30, 20)])
@pytest.mark.keras
def test_mean_spread_and_range_are_those_of_keras(keras, name, shape):
    ours = initializers.get(name)(shape)
    theirs = np.asarray(getattr(keras.initializers, name)(seed=1)(shape))
    n = math.sqrt(ours.size)
    assert abs(ours.mean()) < 6 * theirs.std() / n
    assert ours.std() == pytest.approx(theirs.std(), rel=6 / n)
    # an orthogonal matrix and a normal distribution have no sharp limit
    if name not in ("Orthogonal", "RandomNormal"):
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)


@pytest.mark.parametrize("scale", [0.5, 2.0])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
def test_variance_scaling_has_variance_scale_over_fan(scale, mode, distribution):
    fan = {"fan_in": 100, "fan_out": 300, "fan_avg": 200}[mode]
    values = initializers.VarianceScaling(scale, mode, distribution)((100, 300), "float64")
    assert values.var() == pytest.approx(scale / fan, rel=0.05)


def test_glorot_uniform_counts_the_three_gates_as_outputs():
    limit = math.sqrt(6 / (28 + 384))
    values = initializers.get("glorot_uniform")((28, 384))
    assert 0.99 * limit < np.abs(values).max() <= np.float32(limit)


@pytest.mark.parametrize("shape", [(128, 384), (384, 128), (50, 50), (3, 5, 7)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape):
    matrix = initializers.Orthogonal(gain=1.5)(shape, "float64").reshape(-1, shape[-1])
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, 1.5**2 * np.eye(matrix.shape[1]), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Zeros", {}),
        ("Ones", {}),
        ("Constant", {"value": 2.5}),
        ("RandomUniform", {"minval": -1.0, "maxval": 2.0, "seed": 3}),
        ("RandomNormal", {"mean": 1.0, "stddev": 2.0, "seed": 3}),
        ("TruncatedNormal", {"mean": 1.0, "stddev": 2.0}),
        ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "normal", "seed": 3}),
        ("GlorotUniform", {"seed": 3}),
        ("GlorotNormal", {}),
        ("HeUniform", {"seed": 3}),
        ("HeNormal", {}),
        ("LecunUniform", {"seed": 3}),
        ("LecunNormal", {}),
        ("Orthogonal", {"gain": 2.0, "seed": 3}),
    ],
)
@pytest.mark.keras
def test_serialized_form_is_that_of_keras_and_comes_back(keras, name, arguments):
    ours = getattr(initializers, name)(**arguments)
    theirs = keras.initializers.serialize(getattr(keras.initializers, name)(**arguments))
    assert serialize(ours) == {key: theirs[key] for key in ("module", "class_name", "config", "registered_name")}
    assert initializers.get(theirs).get_config() == ours.get_config()


def test_identity_remembers_its_gain():
    # Keras's config of it is empty
    assert initializers.get(serialize(initializers.Identity(2.0)))((2, 2)).tolist() == [[2, 0], [0, 2]]


@pytest.mark.keras
def test_every_name_that_keras_knows_is_known(keras):
    from keras.src.initializers import ALL_OBJECTS_DICT

    for name, cls in ALL_OBJECTS_DICT.items():
        if cls.__name__ not in ("Initializer", "STFT"):
            assert type(initializers.get(name)).__name__ == cls.__name__, name


def test_a_class_a_function_and_an_array_are_initializers_too():
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    assert initializers.get(lambda shape, dtype=None: np.full(shape, 3))((2,)).dtype == "float32"
    assert np.array_equal(initializers.get(np.eye(2))((2, 2), "float64"), np.eye(2))
    with pytest.raises(ValueError, match=r"expected an array of shape \(3,\), got \(2, 2\)"):
        initializers.get(np.eye(2))((3,))
    assert initializers.get(None) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.get("glorot_unifrom"), "did you mean 'glorot_uniform'"),
        (lambda: initializers.get(5), "got 5"),
        (lambda: initializers.Orthogonal(seed="x"), "whole number or None"),
        (lambda: initializers.RandomNormal(stddev=-1), "stddev must be at least 0, got -1"),
        (lambda: initializers.RandomUniform(3, 1), "minval must be at most maxval, got 3 and 1"),
        (lambda: initializers.VarianceScaling(scale=0), "greater than 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "fan_in, fan_out, fan_avg"),
        (lambda: initializers.Orthogonal()((3,)), "at least 2 axes"),
        (lambda: initializers.Identity()((3,)), "2 axes"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
