"""Attention: real Keras, central differences, causal masks, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import WHICH, agrees_with_keras, gradients_hold, labelled, normals, some_masks

import fastgru
from fastgru import layers
from fastgru.layers import attention
from fastgru.models import load_model

QUERY, VALUE, KEY = (3, 4, 5), (3, 6, 5), (3, 6, 5)
OF_OTHER_SIZE = [QUERY, (3, 6, 2), KEY]
ATTENTION = [
    (name, options, shapes)
    for name, options in [
        ("Attention", {}),
        ("Attention", {"use_scale": True, "dropout": 0.3, "seed": 4}),
        ("Attention", {"score_mode": "concat"}),
        ("Attention", {"score_mode": "concat", "use_scale": True}),
        ("AdditiveAttention", {}),
        ("AdditiveAttention", {"use_scale": False, "dropout": 0.3}),
    ]
    for shapes in ([QUERY, VALUE], [QUERY, VALUE, KEY], OF_OTHER_SIZE)
]


CASES = labelled(ATTENTION)
MASKED = labelled(
    (name, options, [QUERY, VALUE, KEY])
    for name, options in [("Attention", {}), ("Attention", {"score_mode": "concat"}), ("AdditiveAttention", {})]
)


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shapes", CASES)
def test_layers_agree_with_keras(keras, rng, name, options, shapes):
    agrees_with_keras(keras, rng, name, options, *normals(rng, shapes))


@pytest.mark.keras
@pytest.mark.parametrize("which", WHICH.values(), ids=WHICH)
@pytest.mark.parametrize("name, options, shapes", MASKED)
def test_masks_are_combined_as_in_keras(keras, rng, name, options, shapes, which):
    agrees_with_keras(keras, rng, name, options, *normals(rng, shapes), masks=some_masks(rng, shapes, which))


@pytest.mark.parametrize("name, options, shapes", CASES)
def test_gradients_agree_with_central_differences(rng, name, options, shapes):
    layer = getattr(layers, name)(**options, dtype="float64")
    gradients_hold(layer, rng, *(rng.normal(size=shape) for shape in shapes))


@pytest.mark.parametrize("which", WHICH.values(), ids=WHICH)
@pytest.mark.parametrize("name, options, shapes", MASKED)
def test_gradients_under_masks_agree_with_central_differences(rng, name, options, shapes, which):
    layer = getattr(layers, name)(**options, dtype="float64")
    # where attention has nothing to attend to it takes 1e9 off all scores, too much for a difference of 1e-6
    masks = some_masks(rng, shapes, which, row=True)
    gradients_hold(layer, rng, *(rng.normal(size=s) for s in shapes), masks=masks)


@pytest.mark.keras
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_a_causal_mask_is_that_of_keras(keras, rng, name, masked):
    inputs = normals(rng, [QUERY, VALUE])
    masks = some_masks(rng, [QUERY, VALUE], (True, True)) if masked else None
    ours, theirs = getattr(layers, name)(), getattr(keras.layers, name)()
    mask_tensors = None if masks is None else [keras.ops.convert_to_tensor(mask) for mask in masks]
    expected = theirs([keras.ops.convert_to_tensor(x) for x in inputs], mask=mask_tensors, use_causal_mask=True)
    ours.build([QUERY, VALUE])
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(inputs, mask=masks, use_causal_mask=True), expected, atol=1e-5)
    assert np.abs(ours(inputs, mask=masks) - expected).max() > 0.01


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_gradients_under_a_causal_mask_agree_with_central_differences(rng, name):
    layer = getattr(layers, name)(dtype="float64")
    layer.use_causal_mask = True
    gradients_hold(layer, rng, *(rng.normal(size=s) for s in (QUERY, VALUE)))


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_gradients_with_dropped_weights_agree_with_central_differences(rng, name, monkeypatch):
    scaled = 2.0 * (rng.random((3, 4, 6)) < 0.5)
    monkeypatch.setattr(attention, "keep_mask", lambda generator, shape, rate, dtype: scaled)
    layer = getattr(layers, name)(dropout=0.5, dtype="float64")
    gradients_hold(layer, rng, *(rng.normal(size=s) for s in (QUERY, VALUE)), training=True)


@pytest.mark.keras
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("shapes", [[QUERY, VALUE], [(2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 5)]], ids=["3D", "4D"])
@pytest.mark.parametrize("name, options", [("Attention", {"score_mode": "concat"}), ("Attention", {}),
                                           ("AdditiveAttention", {})])  # fmt: skip
def test_scores_are_those_of_keras(keras, rng, name, options, shapes, causal):
    inputs, flags = normals(rng, shapes), {"return_attention_scores": True, "use_causal_mask": causal}
    ours, theirs = (getattr(library, name)(**options) for library in (layers, keras.layers))
    output, scores = ours(inputs, **flags)
    theirs.build(shapes)
    theirs.set_weights(ours.get_weights())
    for our, their in zip(
        (output, scores), theirs(list(map(keras.ops.convert_to_tensor, inputs)), **flags), strict=True
    ):
        np.testing.assert_allclose(our, their, atol=1e-5)
    np.testing.assert_array_equal(ours(inputs, use_causal_mask=causal), output)


@pytest.mark.keras
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_a_graph_with_scores_goes_both_ways(keras, rng, tmp_path, ending):
    inputs = normals(rng, [QUERY, VALUE])
    models = []
    for library in (fastgru, keras):
        tensors = [library.layers.Input(x.shape[1:]) for x in inputs]
        flags = {"return_attention_scores": True, "use_causal_mask": True}
        outputs = library.layers.Attention(use_scale=True)(tensors, **flags)
        assert [tuple(y.shape) for y in outputs] == [(None, 4, 5), (None, 4, 6)]
        models.append(library.Model(tensors, list(outputs)))
        models[-1].save(tmp_path / f"{library.__name__}{ending}")
    there = keras.models.load_model(tmp_path / f"fastgru{ending}"), load_model(tmp_path / f"keras{ending}")
    for one, other in zip(models, there, strict=True):
        for a, b in zip(one.predict(inputs, verbose=0), other.predict(inputs, verbose=0), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_gradients_through_scores_agree_with_central_differences(rng, name):
    layer = getattr(layers, name)(dtype="float64")
    layer.return_attention_scores = True
    gradients_hold(layer, rng, *(rng.normal(size=s) for s in (QUERY, VALUE)))


def test_an_eager_call_may_ask_for_scores_where_the_graph_does_not(rng):
    layer = layers.Attention()
    layer([layers.Input(QUERY[1:]), layers.Input(VALUE[1:])])
    _, scores = layer(normals(rng, [QUERY, VALUE]), return_attention_scores=True)
    np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match=r"stands in a graph with .* make another layer"):
        layer([layers.Input(QUERY[1:]), layers.Input(VALUE[1:])], return_attention_scores=True)


@pytest.mark.parametrize("make, shapes, message", [
    (layers.Attention, [QUERY], r"a query \(batch, Tq, features\), a value"),
    (layers.Attention, [QUERY, (3, 6, 4)], "got the shapes"),
    (layers.AdditiveAttention, [QUERY, VALUE, (3, 7, 5)], "AdditiveAttention .* got the shapes"),
    (lambda: layers.Attention(score_mode="sum"), [], "'dot' or 'concat', got 'sum'"),
    (lambda: layers.Attention(dropout=2), [], r"dropout must lie in \[0, 1\]"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, shapes, message):
    with pytest.raises(ValueError, match=message):
        make()([np.ones(shape) for shape in shapes])
