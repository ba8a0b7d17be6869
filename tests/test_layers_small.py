"""Embedding, masking, reshaping, normalizing, noise, activations: real Keras, central differences, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold

from fastgru import Sequential, layers
from fastgru.layers.workspace import Call

SEQUENCES, IMAGES, ROWS = (4, 6, 5), (2, 3, 4, 5), (7, 5)
EVERY_OPTION = {f"{name}_initializer": "he_normal" for name in ("gamma", "beta")} | {
    "gamma_regularizer": "l2",
    "beta_regularizer": "l2",
    "gamma_constraint": "non_neg",
    "beta_constraint": "max_norm",
    "trainable": False,
}
RESHAPING = [
    *(("Flatten", {"data_format": f}, shape) for f in (None, "channels_first") for shape in (SEQUENCES, IMAGES, ROWS)),
    ("Flatten", {}, (4,)),
    ("Reshape", {"target_shape": (15, 2)}, SEQUENCES),
    ("Reshape", {"target_shape": (2, -1, 3)}, SEQUENCES),
    ("Reshape", {"target_shape": [-1]}, IMAGES),
    ("Permute", {"dims": (2, 1)}, SEQUENCES),
    ("Permute", {"dims": (3, 1, 2)}, IMAGES),
    ("RepeatVector", {"n": 3}, ROWS),
]
ACTIVATIONS = [
    *(("ReLU", options, SEQUENCES) for options in (
        {}, {"max_value": 1.0}, {"max_value": 6}, {"negative_slope": 0.2}, {"threshold": 0.5},
        {"max_value": 1.5, "negative_slope": 0.3, "threshold": 0.7},
    )),
    ("ReLU", {"max_value": 0.0, "negative_slope": 0.5}, SEQUENCES),
    ("LeakyReLU", {}, SEQUENCES),
    ("LeakyReLU", {"negative_slope": 0.05}, ROWS),
    ("ELU", {}, SEQUENCES),
    ("ELU", {"alpha": 0.4}, SEQUENCES),
    *(("Softmax", {"axis": axis}, SEQUENCES) for axis in (-1, 1, [-1], [1], [1, 2])),
    ("PReLU", {}, SEQUENCES),
    ("PReLU", {"shared_axes": [1]}, SEQUENCES),
    ("PReLU", {"shared_axes": [1, 2], "alpha_initializer": "he_normal", "alpha_regularizer": "l2",
               "alpha_constraint": "non_neg"}, IMAGES),
    ("PReLU", {"shared_axes": 2}, SEQUENCES),
]  # fmt: skip
NORMALIZATIONS = [
    *(("BatchNormalization", {"axis": axis}, IMAGES) for axis in (-1, 1, 2)),
    ("BatchNormalization", {}, ROWS),
    ("BatchNormalization", {"epsilon": 1e-5, "momentum": 0.9, "center": False}, SEQUENCES),
    ("BatchNormalization", {"scale": False}, SEQUENCES),
    ("BatchNormalization", {"scale": False, "center": False}, SEQUENCES),
    ("BatchNormalization", {**EVERY_OPTION, "moving_mean_initializer": "ones"}, SEQUENCES),
    *(("LayerNormalization", {"axis": axis}, IMAGES) for axis in (-1, 1, [-1], [1, 2, 3], [3, 1], [-2, -1])),
    ("LayerNormalization", {}, ROWS),
    ("LayerNormalization", {"epsilon": 1e-5, "center": False}, SEQUENCES),
    ("LayerNormalization", {"scale": False}, SEQUENCES),
    ("LayerNormalization", {"scale": False, "center": False}, SEQUENCES),
    ("LayerNormalization", {"rms_scaling": True}, SEQUENCES),
    ("LayerNormalization", {"rms_scaling": True, "axis": [1]}, SEQUENCES),
    ("LayerNormalization", EVERY_OPTION, SEQUENCES),
]
NOISE = [
    ("SpatialDropout1D", {"rate": 0.3}, SEQUENCES),
    ("SpatialDropout1D", {"rate": 0.3, "seed": 5}, SEQUENCES),
    ("GaussianNoise", {"stddev": 0.3, "seed": 5}, SEQUENCES),
    ("GaussianDropout", {"rate": 0.3}, ROWS),
]
EMBEDDINGS = [
    {"input_dim": 7, "output_dim": 3},
    {"input_dim": 7, "output_dim": 3, "mask_zero": True, "embeddings_initializer": "he_normal"},
    {"input_dim": 7, "output_dim": 1, "embeddings_regularizer": "l2", "activity_regularizer": "l2",
     "embeddings_constraint": "unit_norm", "trainable": False},
]  # fmt: skip


def labelled(cases):
    return [pytest.param(*case, id=f"{case[0]} {case[1]}") for case in cases]


CASES = labelled(RESHAPING + ACTIVATIONS + NORMALIZATIONS + NOISE)
MASKED = labelled([
    ("Flatten", {}),
    ("Reshape", {"target_shape": (-1,)}),
    ("Permute", {"dims": (2, 1)}),
    ("ReLU", {"negative_slope": 0.1}),
    ("LeakyReLU", {}),
    ("PReLU", {}),
    ("ELU", {}),
    ("BatchNormalization", {}),
    ("LayerNormalization", {}),
    ("SpatialDropout1D", {"rate": 0.3}),
    ("GaussianNoise", {"stddev": 0.3}),
    ("GaussianDropout", {"rate": 0.3}),
    ("Masking", {"mask_value": 0.0}),
])  # fmt: skip


def normal(rng, shape):
    return rng.normal(size=shape).astype("float32")


def mask_with_gaps(rng, shape=SEQUENCES[:2]):
    mask = rng.random(shape) < 0.6
    mask[0], mask[1] = False, True  # a row that is masked from end to end, and one that is not at all
    return mask


# --- as Keras does it ------------------------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
@pytest.mark.parametrize("name, options, shape", CASES)
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*does not support mask")
@pytest.mark.parametrize("name, options", MASKED)
def test_masks_go_on_or_end_as_in_keras(keras, rng, name, options):
    agrees_with_keras(keras, rng, name, options, normal(rng, SEQUENCES), masks=[mask_with_gaps(rng)])


@pytest.mark.keras
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("mask_shape", [(6, 5), (4, 1, 5), (6, 1)])
def test_softmax_leaves_out_what_is_masked_as_in_keras(keras, rng, axis, mask_shape):
    mask, x = mask_with_gaps(rng, mask_shape), 3 * normal(rng, SEQUENCES)
    expected = keras.layers.Softmax(axis)(x, mask=mask)
    np.testing.assert_allclose(layers.Softmax(axis)(x, mask=mask), expected, atol=1e-6)


@pytest.mark.keras
@pytest.mark.parametrize("options", EMBEDDINGS, ids=str)
@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32"])
@pytest.mark.parametrize("shape", [(4, 5), (6,), (2, 3, 4)])
def test_embedding_agrees_with_keras(keras, rng, options, dtype, shape):
    agrees_with_keras(keras, rng, "Embedding", options, rng.integers(0, 7, shape).astype(dtype))


@pytest.mark.keras
@pytest.mark.parametrize("mask_value", [0.0, -1, 0.1])
def test_masking_agrees_with_keras(keras, rng, mask_value):
    x = normal(rng, SEQUENCES)
    x[mask_with_gaps(rng)] = mask_value
    x[1, 1, :4] = mask_value  # all features but one
    agrees_with_keras(keras, rng, "Masking", {"mask_value": mask_value}, x)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
@pytest.mark.parametrize("name, options, shape", labelled(NORMALIZATIONS))
def test_normalization_in_training_agrees_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, normal(rng, shape), training=name == "BatchNormalization")


@pytest.mark.keras
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_moving_statistics_are_those_of_keras(keras, rng, axis, masked):
    ours, theirs = (
        library.BatchNormalization(axis, momentum=0.8, moving_mean_initializer="ones")
        for library in (layers, keras.layers)
    )
    for _ in range(3):
        x, mask = 2 * normal(rng, SEQUENCES) + 3, mask_with_gaps(rng) if masked else None
        result, expected = (layer(x, mask=mask, training=True) for layer in (ours, theirs))
        np.testing.assert_allclose(result, expected, atol=2e-5)
    for weight, expected in zip(ours.weights, theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight.value, expected, rtol=1e-5)
    assert [weight.name for weight in ours.trainable_weights] == ["gamma", "beta"]


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", labelled(RESHAPING))
def test_unknown_sizes_stay_unknown_as_in_keras(keras, name, options, shape):
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    for free in ((None, *shape[1:]), (shape[0], None, *shape[2:])[: len(shape)]):
        assert ours.compute_output_shape(free) == theirs.compute_output_shape(free)


# --- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, options, shape", CASES)
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"trainable": False}], ids=str)
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
def test_gradients_through_the_statistics_of_a_batch(rng, options, axis, masked):
    layer = layers.BatchNormalization(axis, **options, dtype="float64")
    masks = [mask_with_gaps(rng)] if masked else []
    gradients_hold(layer, rng, rng.normal(size=SEQUENCES), masks=masks, training=True)


@pytest.mark.parametrize("axis", [-1, 1])
def test_gradients_of_a_masked_softmax(rng, axis):
    layer = layers.Softmax(axis, dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=SEQUENCES), masks=[mask_with_gaps(rng, (6, 5))])


def test_gradients_of_masking(rng):
    x = rng.normal(size=SEQUENCES)
    x[mask_with_gaps(rng)] = 3
    layer = layers.Masking(3, dtype="float64")
    call = Call(differentiate=True)
    layer.forward(call, x)
    dy = rng.normal(size=SEQUENCES)
    np.testing.assert_array_equal(layer.backward(call, dy), dy * layer.compute_mask(call, x)[..., None])


@pytest.mark.parametrize("shape", [(4, 5), (50,), (2, 3, 4)])
def test_gradients_of_an_embedding(rng, shape):
    gradients_hold(layers.Embedding(7, 3, dtype="float64"), rng, rng.integers(0, 7, shape))


def test_the_gradient_of_an_embedding_adds_up_over_calls(rng):
    layer = layers.Embedding(50, 4, dtype="float64")
    layer.build()
    layer.embeddings.gradient = expected = np.zeros((50, 4))
    expected = expected.copy()
    for _ in range(2):
        x, dy = rng.integers(0, 50, (30, 8)), rng.normal(size=(30, 8, 4))
        call = Call(differentiate=True)
        layer.forward(call, x)
        layer.backward(call, dy)
        np.add.at(expected, x, dy)
    np.testing.assert_allclose(layer.embeddings.gradient, expected, atol=1e-12)


# --- noise -----------------------------------------------------------------------------------------------------------


def test_spatial_dropout_drops_a_feature_at_all_steps_and_in_the_gradient_too():
    layer, x, call = layers.SpatialDropout1D(0.4, seed=1), np.ones((50, 7, 40), "float32"), Call(training=True)
    y = layer.forward(call, x)
    assert (y == y[:, :1]).all() and set(np.unique(y)) == {0, np.float32(1 / 0.6)}
    assert abs((y == 0).mean() - 0.4) < 0.03
    np.testing.assert_array_equal(layer.backward(call, x), y)


@pytest.mark.parametrize("layer, mean, deviation", [
    (layers.GaussianNoise(0.5, seed=1), 3, 0.5),
    (layers.GaussianDropout(0.2, seed=1), 3, 3 * 0.5),
])  # fmt: skip
def test_gaussian_noise_has_its_mean_and_deviation(layer, mean, deviation):
    x = np.full((100, 200), 3, "float32")
    y = layer(x, training=True)
    assert y.dtype == "float32" and abs(y.mean() - mean) < 0.05 and abs(y.std() - deviation) < 0.05
    np.testing.assert_array_equal(layer(x), x)


def test_the_gradient_of_gaussian_noise_is_that_of_the_noise_drawn():
    x, call = np.ones((3, 4), "float32"), Call(training=True)
    dropout, noise = layers.GaussianDropout(0.3), layers.GaussianNoise(0.3)
    np.testing.assert_array_equal(dropout.forward(call, x), dropout.backward(call, x))
    noise.forward(call, x)
    np.testing.assert_array_equal(noise.backward(call, 2 * x), 2 * x)


def test_a_seed_makes_the_noise_reproducible(rng):
    x = normal(rng, SEQUENCES)
    for make in (lambda: layers.GaussianNoise(0.3, seed=7), lambda: layers.SpatialDropout1D(0.3, seed=7)):
        first, again = make(), make()
        np.testing.assert_array_equal(first(x, training=True), again(x, training=True))
        assert (first(x, training=True) != first(x, training=True)).any()


# --- in models, and what is refused ----------------------------------------------------------------------------------


def test_a_model_learns_through_embedding_mask_and_normalization(rng):
    x = rng.integers(1, 20, (200, 12))
    x[np.arange(12) >= rng.integers(4, 13, 200)[:, None]] = 0
    y = (x == 3).any(axis=1).astype("float32")
    model = Sequential([
        layers.Embedding(20, 8, mask_zero=True, input_shape=(None,)), layers.SpatialDropout1D(0.1), layers.GRU(16),
        layers.BatchNormalization(), layers.Dense(8), layers.PReLU(), layers.Dense(1, activation="sigmoid"),
    ])  # fmt: skip
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=20, batch_size=20, verbose=0).history
    assert history["accuracy"][-1] > 0.9 > history["accuracy"][0]
    padded = np.concatenate([x, np.zeros((200, 5), int)], axis=1)
    np.testing.assert_allclose(model.predict(padded, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_embedding_takes_its_first_weights(rng):
    table = normal(rng, (4, 3))
    for weights in (table, [table]):
        np.testing.assert_array_equal(layers.Embedding(4, 3, weights=weights)([[1, 3]])[0], table[[1, 3]])


def test_a_frozen_batch_normalization_keeps_its_statistics(rng):
    layer = layers.BatchNormalization(trainable=False)
    x = normal(rng, SEQUENCES) + 5
    np.testing.assert_array_equal(layer(x, training=True), layer(x))
    assert layer.moving_mean.value.tolist() == [0] * 5


@pytest.mark.parametrize("make, x, message", [
    (lambda: layers.Embedding(5, 2), [[0, 5]], "indices from 0 to 4 .* got 5"),
    (lambda: layers.Embedding(5, 2), [[-1, 0]], "got -1"),
    (lambda: layers.Embedding(5, 2), [[0.5, 1]], "whole numbers, got 0.5"),
    (lambda: layers.Embedding(5, 2), [[np.nan, 1]], "whole numbers, got nan"),
    (lambda: layers.Embedding(0, 2), None, "input_dim must be a positive integer, got 0"),
    (lambda: layers.Embedding(5, 2.5), None, "output_dim must be a positive integer, got 2.5"),
    (lambda: layers.Embedding(5, 2, lora_rank=3), None, "lora_rank is not supported"),
    (lambda: layers.Embedding(5, 2, weights=np.ones((5, 3))), None, r"expected shape \(5, 2\), got \(5, 3\)"),
    (lambda: layers.Masking("nothing"), None, "mask_value must be a number, got 'nothing'"),
    (lambda: layers.Flatten("channels"), None, "data_format must be"),
    (lambda: layers.Reshape((2, 4)), np.ones((3, 6)), r"has 6 numbers in each sample, .* \(2, 4\)"),
    (lambda: layers.Reshape((-1, 4)), np.ones((3, 6)), r"has 6 numbers in each sample, .* \(-1, 4\)"),
    (lambda: layers.Reshape((-1, -1)), None, "at most one -1"),
    (lambda: layers.Permute((0, 1)), None, "dims must hold each of 1, 2"),
    (lambda: layers.Permute((2, 1)), np.ones((3, 6)), r"expected input with 3 axes .* \(3, 6\)"),
    (lambda: layers.RepeatVector(0), None, "n must be a positive integer"),
    (lambda: layers.RepeatVector(2), np.ones((3, 6, 2)), r"expected input of shape \(batch, features\)"),
    (lambda: layers.BatchNormalization(axis=3), np.ones((3, 6)), "has no axis 3"),
    (lambda: layers.BatchNormalization(axis=[1, 2]), None, "axis must be an integer"),
    (lambda: layers.BatchNormalization(renorm=True), None, "renorm is not supported"),
    (lambda: layers.LayerNormalization(axis=[1, -4]), np.ones((3, 6)), "has no axis -4"),
    (lambda: layers.SpatialDropout1D(0.3), np.ones((3, 6)), r"\(batch, timesteps, features\), got \(3, 6\)"),
    (lambda: layers.SpatialDropout1D(1.3), None, r"rate must lie in \[0, 1\]"),
    (lambda: layers.GaussianNoise(-1), None, r"stddev must lie in \[0, 1\]"),
    (lambda: layers.GaussianDropout(1), None, r"rate must lie in \[0, 1\)"),
    (lambda: layers.ReLU(max_value=-1), None, "max_value must be at least 0, got -1"),
    (lambda: layers.ReLU(threshold=None), None, "threshold must be at least 0, got None"),
    (lambda: layers.LeakyReLU(-1), None, "negative_slope must be at least 0, got -1"),
    (lambda: layers.PReLU(shared_axes=2), np.ones((3, 6)), "shared_axes must lie from 1 to 1"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, x, message):
    with pytest.raises(ValueError, match=message):
        make()(x)


@pytest.mark.parametrize("layer", [layers.BatchNormalization(), layers.LayerNormalization(), layers.PReLU()])
def test_a_built_layer_refuses_another_number_of_features(layer):
    layer(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        layer(np.ones((2, 4)))
    with pytest.raises(ValueError, match="must be known"):
        type(layer)().build((None, None))


def test_a_mask_that_does_not_fit_softmax_is_refused():
    with pytest.raises(ValueError, match=r"broadcast to the input's shape \(2, 3, 4\), got \(2, 3\)"):
        layers.Softmax()(np.ones((2, 3, 4)), mask=np.ones((2, 3), bool))


def test_older_names_of_arguments_are_taken():
    assert layers.LeakyReLU(alpha=0.2).negative_slope == 0.2
    assert layers.BatchNormalization(axis=[2]).axis == 2
    assert layers.Embedding(3, 2, input_length=7).get_config().keys() >= {"input_dim", "mask_zero"}
    number = {"class_name": "__numpy__", "config": {"value": -1.0, "dtype": "float32"}}
    assert layers.Masking(number).mask_value == -1
