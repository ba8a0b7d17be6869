"""Layers that measure numbers beforehand, and those that encode class numbers, against real Keras."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import layers, models


def same_config(ours: Any, theirs: Any) -> None:
    config, expected = ours.get_config(), theirs.get_config()
    for one in (config, expected):
        for key in ("name", "dtype"):
            one.pop(key)
    assert config == expected


# --- Normalization --------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [-1, None, 1, (1, 2), (-1, 1)])
@pytest.mark.parametrize("form", ["array", "list", "generator", "pairs", "data set"])
@pytest.mark.keras
def test_statistics_are_those_that_keras_measures(keras, rng, axis: Any, form: str) -> None:
    x = rng.normal(3, 2, size=(10, 4, 3)).astype("float32")

    def data() -> Any:
        batches = [x[:3], x[3:4], x[4:]]
        if form == "data set":
            return fastgru.utils.split_dataset(x, 9)[0].batch(4)
        forms = {"array": x, "list": batches, "generator": iter(batches), "pairs": [(one, 0) for one in batches]}
        return forms[form]

    ours, theirs = layers.Normalization(axis), keras.layers.Normalization(axis)
    ours.adapt(data())
    theirs.adapt(x[:9] if form == "data set" else x)  # it takes batches with TensorFlow alone
    for name in ("mean", "variance"):
        np.testing.assert_allclose(getattr(ours, name), np.asarray(getattr(theirs, name)), atol=1e-5)
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), atol=1e-5)


@pytest.mark.parametrize(
    ("axis", "shape"), [(1, (3,)), (1, ()), ((1, 3), (4,)), ((1, 3), (3, 4)), ((1, 3), (3, 1)), (None, ())]
)
@pytest.mark.keras
def test_mean_and_variance_are_spread_as_in_keras(keras, rng, axis: Any, shape: tuple[int, ...]) -> None:
    x = rng.normal(size=(2, 3, 5, 4)).astype("float32")
    statistics = {"mean": rng.normal(size=shape), "variance": rng.uniform(1, 2, size=shape)}
    ours, theirs = layers.Normalization(axis, **statistics), keras.layers.Normalization(axis, **statistics)
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x)), atol=1e-5)
    np.testing.assert_allclose(ours.mean, np.asarray(theirs.mean), atol=1e-6)
    assert ours.mean is not None
    assert ours.mean.shape == tuple(theirs.mean.shape)
    same_config(ours, theirs)


def test_statistics_of_samples_fit_batches_of_them(rng) -> None:
    x = rng.normal(size=(6, 4, 3)).astype("float32")
    layer = layers.Normalization()
    layer.adapt([*x])
    np.testing.assert_allclose(layer(x), (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1)), atol=1e-5)
    with pytest.raises(ValueError, match="expected input that broadcasts"):
        layer(x[..., :1])


def test_an_adapted_model_predicts_trains_and_is_kept(rng, tmp_path) -> None:
    x = rng.normal(7, 3, size=(20, 3)).astype("float32")
    layer = layers.Normalization()
    layer.adapt(x)
    model = models.Sequential([layers.Input((3,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    np.testing.assert_allclose(layer.mean, x.mean(axis=0, keepdims=True), rtol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(models.load_model(tmp_path / "model.keras").predict(x, verbose=0), model(x))


@pytest.mark.parametrize(
    ("make", "data", "error", "message"),
    [
        (lambda: layers.Normalization(mean=[1, 2], variance=[1, 2], axis=(1, 2)), np.ones((2, 3, 4)), ValueError,
         "has the mean and variance it was made with"),
        (lambda: layers.Normalization(), [], ValueError, "empty iterable"),
        (lambda: layers.Normalization(), [[1.0, 2.0]], TypeError, r"arrays with a `\.shape`"),
        (lambda: layers.Normalization(), [np.ones((2, 3)), np.ones((2, 4))], ValueError, "incompatible shape"),
        (lambda: layers.Normalization(), 3, TypeError, "batches of them, got int"),
    ],
)  # fmt: skip
def test_data_that_tell_nothing_are_refused(make: Any, data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make().adapt(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": [1, 2], "variance": [1]}, "have the same shape"),
        ({"mean": [[1]], "variance": [[1]]}, "of at most 1 axes"),
        ({"mean": [1, 2], "variance": [1, 2]}, "do not fit an input"),
        ({"axis": 4}, "has no axis"),
    ],
)
def test_statistics_that_fit_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.Normalization(**options)(np.ones((2, 3)))


def test_rescaling_by_arrays_comes_back_from_its_config() -> None:
    layer = layers.Rescaling(np.array([0.5, 2.0]), np.float32(1))
    config = json.loads(json.dumps(layer.get_config()))
    np.testing.assert_array_equal(layers.Rescaling.from_config(config)([[2, 3]]), [[2, 7]])


# --- Discretization -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(6,), (6, 1), (3, 4), (2, 3, 4)])
@pytest.mark.keras
def test_bins_are_keras_own(keras, rng, mode: str, shape: tuple[int, ...]) -> None:
    x = rng.normal(size=shape).astype("float32")
    options: dict[str, Any] = {"bin_boundaries": [-0.5, 0.0, 0.7], "output_mode": mode}
    ours, theirs = layers.Discretization(**options), keras.layers.Discretization(**options)
    received, expected = ours(x), np.asarray(theirs(x))
    np.testing.assert_array_equal(received, expected)
    assert received.dtype == expected.dtype
    assert ours.compute_output_shape(shape) == received.shape
    assert ours.get_config().keys() == theirs.get_config().keys()


@pytest.mark.parametrize(("bins", "epsilon"), [(4, 0.01), (10, 0.1), (3, 0.3)])
@pytest.mark.keras
def test_boundaries_are_those_that_keras_chooses(keras, rng, bins: int, epsilon: float) -> None:
    batches = [rng.normal(size=(40, 5)), rng.uniform(size=(7, 5)), rng.normal(size=300)]
    for data in (batches, batches[0]):
        ours = layers.Discretization(num_bins=bins, epsilon=epsilon)
        theirs = keras.layers.Discretization(num_bins=bins, epsilon=epsilon)
        ours.adapt(data)
        for batch in data if isinstance(data, list) else [data]:  # its adapt needs TensorFlow
            theirs.update_state(batch)
        theirs.finalize_state()
        np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-5)
        again = layers.Discretization.from_config(ours.get_config())
        assert again.bin_boundaries == ours.bin_boundaries
        np.testing.assert_array_equal(again(batches[0]), np.asarray(theirs(batches[0])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either `num_bins` or `bin_boundaries`"),
        ({"num_bins": 2, "bin_boundaries": [1.0]}, "should not be set"),
        ({"num_bins": -1}, "greater than or equal to 0"),
        ({"num_bins": 2, "epsilon": 0}, r"lie in \(0, 1\)"),
        ({"num_bins": 2, "output_mode": "tf_idf"}, "must be one of"),
        ({"num_bins": 2, "sparse": True}, "sparse is not supported"),
    ],
)
def test_bins_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.Discretization(**options)


def test_bins_are_chosen_before_they_are_used() -> None:
    with pytest.raises(ValueError, match="`adapt"):
        layers.Discretization(num_bins=3)(np.ones(2))
    with pytest.raises(ValueError, match="use `num_bins` instead"):
        layers.Discretization([1.0]).adapt(np.ones(2))


# --- CategoryEncoding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(), (4,), (4, 1), (3, 5)])
@pytest.mark.keras
def test_class_numbers_are_encoded_as_in_keras(keras, rng, mode: str, shape: tuple[int, ...]) -> None:
    x = rng.integers(0, 6, size=shape)
    ours, theirs = (library.layers.CategoryEncoding(6, mode) for library in (fastgru, keras))
    np.testing.assert_array_equal(ours(x), np.asarray(theirs(x)))
    assert not shape or ours.compute_output_shape(shape) == ours(x).shape
    same_config(ours, theirs)


@pytest.mark.keras
def test_counts_are_weighted_as_in_keras(keras, rng) -> None:
    x, weights = rng.integers(0, 4, size=(3, 5)), rng.normal(size=(3, 5)).astype("float32")
    ours, theirs = (library.layers.CategoryEncoding(4, "count") for library in (fastgru, keras))
    expected = np.asarray(theirs(x, count_weights=weights))
    np.testing.assert_allclose(ours(x, count_weights=weights), expected, atol=1e-6)
    inputs = layers.Input((5,), dtype="int64"), layers.Input((5,))
    model = models.Model(inputs, ours(inputs[0], count_weights=inputs[1]))
    np.testing.assert_allclose(model.predict([x, weights], verbose=0), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "num_tokens must be set"),
        ({"num_tokens": 0}, "must be >= 1"),
        ({"num_tokens": 2, "output_mode": "int"}, "Unknown arg for output_mode"),
        ({"num_tokens": 2, "sparse": True}, "sparse is not supported"),
    ],
)
def test_an_encoding_that_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layers.CategoryEncoding(**options)
    with pytest.raises(ValueError, match="is not used when `output_mode` is not `'count'`"):
        layers.CategoryEncoding(3)([1], count_weights=[1.0])
