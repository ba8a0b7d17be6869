"""MultiHeadAttention: real Keras, central differences, masks, graphs, files, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from layer_checks import gradients_hold, in_a_file, listed, normals, random_weights

import fastgru
from fastgru import layers, ops
from fastgru.layers import MultiHeadAttention
from fastgru.models import clone_model, load_model

QUERY, VALUE, KEY = (2, 3, 5), (2, 4, 6), (2, 4, 2)
IMAGE, OTHER_IMAGE = (2, 2, 3, 4), (2, 2, 2, 4)
CASES = {
    "two": ({}, [QUERY, VALUE], {}, {}),
    "three": ({}, [QUERY, VALUE, KEY], {}, {}),
    # without dropout, Keras on JAX takes values of the keys' size alone
    "sizes": (
        {"value_dim": 4, "output_shape": (3, 2), "use_bias": False, "dropout": 0.3},
        [QUERY, VALUE, KEY],
        {},
        {},
    ),
    "gate": ({"use_gate": True, "output_shape": 3}, [QUERY, VALUE], {}, {}),
    "causal": ({}, [QUERY, VALUE], {}, {"use_causal_mask": True}),
    "window": ({"sliding_window": 2}, [QUERY, VALUE], {"value_mask": (2, 4)}, {"use_causal_mask": True}),
    "mask": ({}, [QUERY, VALUE], {"attention_mask": (2, 3, 4)}, {"use_causal_mask": True}),
    "one mask for all": ({}, [QUERY, VALUE], {"attention_mask": (3, 4)}, {}),
    "mask of heads": ({}, [QUERY, VALUE], {"attention_mask": (2, 2, 3, 4)}, {}),
    "masks": ({}, [QUERY, VALUE, KEY], {"value_mask": (2, 4), "key_mask": (2, 4)}, {}),
    "dropout": ({"dropout": 0.3, "seed": 1}, [QUERY, VALUE], {"value_mask": (2, 4)}, {}),
    "one of two axes": ({"attention_axes": -2}, [IMAGE, OTHER_IMAGE], {"attention_mask": (2, 2, 3, 2)}, {}),
    "two axes": ({"attention_axes": (1, 2)}, [IMAGE, OTHER_IMAGE], {"attention_mask": (2, 2, 3, 2, 2)}, {}),
    "all axes": ({}, [IMAGE, OTHER_IMAGE], {}, {}),
}
ALL = pytest.mark.parametrize("options, shapes, masks, flags", CASES.values(), ids=CASES)


def drawn(rng, masks):
    return {name: rng.random(shape) < 0.6 for name, shape in masks.items()}


@pytest.mark.keras
@pytest.mark.parametrize("scores", [False, True], ids=["output", "scores"])
@ALL
def test_it_is_that_of_keras(keras, rng, options, shapes, masks, flags, scores) -> None:
    ours, theirs = (library.MultiHeadAttention(2, 3, **options) for library in (layers, keras.layers))
    inputs, masks = normals(rng, shapes), drawn(rng, masks)
    for layer in (ours, theirs):
        layer.build(*shapes)
    weights = random_weights(ours, rng)
    ours.set_weights(weights)
    theirs.set_weights(weights)
    names = [[weight.path.split("/", 1)[1] for weight in layer.weights] for layer in (ours, theirs)]
    assert names[0] == names[1]
    flags = {**flags, "return_attention_scores": scores}
    expected = listed(theirs(*map(keras.ops.convert_to_tensor, inputs), **masks, **flags))
    for our, their in zip(listed(ours(*inputs, **masks, **flags)), expected, strict=True):
        np.testing.assert_allclose(our, np.asarray(their), rtol=0, atol=1e-5)
    assert ours.compute_output_shape(*shapes) == tuple(expected[0].shape)
    configs = [in_a_file({**layer.get_config(), "name": None, "dtype": None}) for layer in (ours, theirs)]
    assert configs[0] == configs[1]
    assert MultiHeadAttention.from_config(ours.get_config()).get_config() == ours.get_config()


@ALL
def test_its_gradients_are_those_of_its_outputs(rng, options, shapes, masks, flags) -> None:
    layer = MultiHeadAttention(2, 3, **options, activity_regularizer="l2", dtype="float64")
    inputs = [layers.Input(batch_shape=shape, dtype="float64") for shape in shapes]
    outputs = layer(*inputs, **drawn(rng, masks), **flags, return_attention_scores=True)
    model = fastgru.Model(inputs, list(outputs))
    model.set_weights(random_weights(model, rng))
    gradients_hold(model, rng, *(rng.normal(size=shape) for shape in shapes))


def test_a_step_sees_no_masked_step_and_keeps_its_own_mask(rng) -> None:
    embedded = layers.Embedding(9, 5, mask_zero=True)(np.array([[1, 2, 0, 3, 0], [4, 5, 6, 7, 8]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output, scores = MultiHeadAttention(2, 3)(embedded, embedded, return_attention_scores=True)
    np.testing.assert_array_equal(output._keras_mask, embedded._keras_mask)
    assert getattr(scores, "_keras_mask", None) is None
    assert not np.asarray(scores)[0, :, :, [2, 4]].any()
    np.testing.assert_allclose(np.asarray(scores)[0, :, [0, 1, 3]].sum(-1), 1, rtol=1e-6)


def test_a_mask_that_is_an_argument_is_as_one_that_a_tensor_carries(rng) -> None:
    layer = MultiHeadAttention(2, 3)
    x, mask = rng.normal(size=QUERY).astype("float32"), rng.random(QUERY[:2]) < 0.6
    by_argument = layer(x, x, query_mask=mask, value_mask=mask)
    masked = ops.convert_to_tensor(x)
    masked._keras_mask = mask
    np.testing.assert_array_equal(layer(masked, masked), by_argument)


def test_dropout_is_of_training_and_of_its_seed(rng) -> None:
    x = rng.normal(size=QUERY).astype("float32")
    layer = MultiHeadAttention(2, 3, dropout=0.5, seed=3)
    layer.build(QUERY, QUERY)
    again = MultiHeadAttention.from_config(layer.get_config())
    again.build(QUERY, QUERY)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x, x, training=True), again(x, x, training=True))
    np.testing.assert_array_equal(layer(x, x), layer(x, x))
    assert np.abs(layer(x, x, training=True) - layer(x, x)).max() > 1e-3


# --- graphs and files -------------------------------------------------------------------------------------------------


def program(library, mask_zero, **options):
    """Both forms of calls, masks and scores; each embedding is read by one layer (Keras takes the masks off)."""
    at, model = library.layers, library.Model
    queries, values = at.Input((6,), dtype="int32"), at.Input((4,), dtype="int32")
    query, value, other = (
        at.Embedding(7, 5, mask_zero=mask_zero, name=name)(x)
        for name, x in (("query", queries), ("value", values), ("other", values))
    )
    y = at.MultiHeadAttention(2, 3, **options, name="causal")(query, value, use_causal_mask=True)
    z, scores = at.MultiHeadAttention(3, 4, use_gate=True, name="gated")(other, other, return_attention_scores=True)
    return model([queries, values], [at.GlobalAveragePooling1D()(y), at.Dense(2)(z), scores])


@pytest.fixture
def ids(rng):
    arrays = [rng.integers(0, 7, (3, steps)).astype("int32") for steps in (6, 4)]
    for array in arrays:
        array[:, 0] = 1
    return arrays


def assert_equal_predictions(one, other, ids) -> None:
    for a, b in zip(one.predict(ids, verbose=0), other.predict(ids, verbose=0), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@pytest.mark.keras
@pytest.mark.parametrize("options", [{}, {"dropout": 0.2, "use_bias": False}], ids=["plain", "dropout"])
@pytest.mark.parametrize("mask_zero", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5"])
@pytest.mark.filterwarnings("ignore")
def test_files_go_both_ways(keras, tmp_path, ids, ending, mask_zero, options) -> None:
    ours, theirs = program(fastgru, mask_zero, **options), program(keras, mask_zero, **options)
    files = [tmp_path / f"{name}{ending}" for name in ("ours", "theirs")]
    if ending == ".weights.h5":
        for model, file in zip((ours, theirs), files, strict=True):
            model.save_weights(file)
        ours_there, theirs_here = program(keras, mask_zero, **options), program(fastgru, mask_zero, **options)
        ours_there.load_weights(files[0])
        theirs_here.load_weights(files[1])
    else:
        for model, file in zip((ours, theirs), files, strict=True):
            model.save(file)
        ours_there, theirs_here = keras.models.load_model(files[0]), load_model(files[1])
    assert_equal_predictions(ours_there, ours, ids)
    assert_equal_predictions(theirs_here, theirs, ids)


def test_a_clone_is_called_with_the_same_arguments(ids) -> None:
    model = program(fastgru, True)
    clone = clone_model(model)
    clone.set_weights(model.get_weights())
    assert_equal_predictions(clone, model, ids)


def test_it_trains(rng) -> None:
    inputs = layers.Input((8, 4))
    y = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    model = fastgru.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(y)))
    model.compile(fastgru.optimizers.Adam(0.02), "mse")
    x = rng.normal(size=(64, 8, 4)).astype("float32")
    history = model.fit(x, (x**2).mean((1, 2))[:, None], epochs=40, verbose=0).history["loss"]
    assert history[-1] < history[0] / 2


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"num_heads": 0}, "num_heads must be a positive integer, got 0"),
        ({"key_dim": 1.5}, "key_dim must be a positive integer, got 1.5"),
        ({"value_dim": -2}, "value_dim must be a positive integer, got -2"),
        ({"dropout": 1.5}, r"dropout must lie in \[0, 1\], got 1.5"),
        ({"output_shape": 8.0}, "output_shape: expected an integer or 1 of them"),
        ({"sliding_window": 0}, "sliding_window must be a positive integer, got 0"),
        ({"attention_axes": "all"}, "attention_axes must be an integer or a list of them, got 'all'"),
        ({"flash_attention": True}, "flash_attention is not supported by fastgru, got True"),
    ],
)
def test_bad_options_are_refused(options, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, **options})


def test_keys_of_another_length_are_refused() -> None:
    layer = MultiHeadAttention(2, 3, name="heads")
    shapes = (2, 4, 8), (2, 2, 8), (2, 1, 8)
    for refused in (layer.compute_output_shape, lambda *shapes: layer(*map(np.ones, shapes))):
        with pytest.raises(ValueError, match=r"'heads': all axes of value and key but the last must be equal, got \(2"):
            refused(*shapes)
