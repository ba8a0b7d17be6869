"""SpectralNormalization: real Keras in calls, in training and in files; its gradients; bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold, normal

import fastgru
from fastgru.layers import GRU, Conv1D, Dense, EinsumDense, Embedding, Layer, ReLU, SpectralNormalization

LAYERS = {
    "Dense": lambda library: library.layers.Dense(3, activation="tanh", name="inside"),
    "Conv1D": lambda library: library.layers.Conv1D(3, 2, padding="same", name="inside"),
    "a frozen Dense": lambda library: library.layers.Dense(3, trainable=False, name="inside"),
    "Embedding": lambda library: library.layers.Embedding(7, 3, name="inside"),
}


def model(library, which, **options):
    """A model around the layer, with an LSTM behind."""
    shape = (5,) if which == "Embedding" else (5, 4)
    wrapped = library.layers.SpectralNormalization(LAYERS[which](library), **options)
    return library.Sequential([library.layers.Input(shape), wrapped, library.layers.LSTM(2), library.layers.Dense(1)])


def inputs(rng, which, rows=12):
    return rng.integers(0, 7, (rows, 5)).astype("float32") if which == "Embedding" else normal(rng, (rows, 5, 4))


@pytest.mark.keras
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("which", LAYERS)
def test_a_call_is_that_of_keras(keras, rng, which, training) -> None:
    def options(library):
        return {"layer": LAYERS[which](keras if library is keras.layers else fastgru), "power_iterations": 3}

    agrees_with_keras(keras, rng, "SpectralNormalization", options, inputs(rng, which), training=training)


@pytest.mark.keras
@pytest.mark.parametrize("which", LAYERS)
def test_training_goes_on_as_in_keras_from_files_of_either(keras, rng, tmp_path, which) -> None:
    theirs = model(keras, which, power_iterations=2)
    theirs.compile(keras.optimizers.Adam(0.01), "mse")
    theirs.save(tmp_path / "theirs.keras")
    ours = fastgru.models.load_model(tmp_path / "theirs.keras")
    x, y = inputs(rng, which), normal(rng, (12, 1))
    for _ in range(2):
        losses = [one.fit(x, y, 4, 5, verbose=0, shuffle=False).history["loss"] for one in (ours, theirs)]
        np.testing.assert_allclose(*losses, atol=1e-5)
        assert [weight.name for weight in ours.weights] == [weight.name for weight in theirs.weights]
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
        ours.save(tmp_path / "ours.keras")
        theirs = keras.models.load_model(tmp_path / "ours.keras")


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_legacy_files_go_both_ways(keras, rng, tmp_path) -> None:
    x, ours, theirs = inputs(rng, "Conv1D"), model(fastgru, "Conv1D"), model(keras, "Conv1D")
    for name, one, load in (("ours", ours, keras.models.load_model), ("theirs", theirs, fastgru.models.load_model)):
        one.save(tmp_path / f"{name}.h5")
        again = load(tmp_path / f"{name}.h5", compile=False)
        np.testing.assert_allclose(again.predict(x, verbose=0), one.predict(x, verbose=0), atol=1e-6)
        for weight, same in zip(again.get_weights(), one.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize("layer", [Dense(3, dtype="float64"), Conv1D(3, 2, dtype="float64")], ids=lambda one: one.name)
def test_its_gradients_go_through_the_division(rng, layer) -> None:
    # after many iterations the singular vectors are such that the singular value does not depend on them to first order
    gradients_hold(SpectralNormalization(layer, power_iterations=300), rng, rng.normal(size=(2, 4, 3)), training=True)


def test_the_largest_singular_value_in_training_is_one(rng) -> None:
    layer = SpectralNormalization(Dense(4, use_bias=False), power_iterations=50)
    x = normal(rng, (6, 3))
    before = layer(x)
    kernel, _ = layer.get_weights()
    np.testing.assert_allclose(before, x @ kernel, atol=1e-6)
    np.testing.assert_allclose(layer(x, training=True) * np.linalg.norm(kernel, 2), before, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(layer.get_weights()[0], 2), 1, rtol=1e-5)


def test_prediction_moves_no_vector_and_a_kernel_of_zeros_stays(rng) -> None:
    layer, x = SpectralNormalization(Dense(2)), normal(rng, (6, 3))
    layer.build(x.shape)
    for kernel, training in (("zeros", True), ("ones", False)):
        layer.kernel.assign(getattr(np, kernel)((3, 2)))
        before = layer.get_weights()
        layer(x, training=training)
        for weight, same in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize("layer", [GRU(2), ReLU()], ids=lambda one: one.name)
def test_a_layer_without_a_kernel_is_refused(layer) -> None:
    with pytest.raises(ValueError, match="object has no attribute 'kernel' nor 'embeddings'"):
        SpectralNormalization(layer).build((None, 5, 4))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`power_iterations` should be greater than zero\. Received: .*=0"):
        SpectralNormalization(Dense(2), power_iterations=0)
    with pytest.raises(ValueError, match="expected a layer to wrap, got 3"):
        SpectralNormalization(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reads its kernel in a call of its own"):
        SpectralNormalization(EinsumDense("ab,bc->ac", 2))
    assert isinstance(SpectralNormalization(Embedding(3, 2)), Layer)
