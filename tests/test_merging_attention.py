"""Layers with several inputs: merging and attention. Real Keras, central differences, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold

from fastgru import layers
from fastgru.layers import attention
from fastgru.layers.workspace import Call

ALIKE = [(3, 4, 5)] * 3
REPEATED = [(3, 4, 5), (3, 1, 5), (3, 4, 1)]
RANKS = [(3, 5), (3, 4, 5), (3, 5)]
ELEMENTWISE = ["Add", "Average", "Maximum", "Minimum", "Multiply"]
MERGING = [
    *((name, {}, shapes) for name in ELEMENTWISE for shapes in (ALIKE, REPEATED, RANKS, ALIKE[:1], [(3, 1), (3, 2)])),
    *(("Subtract", {}, shapes) for shapes in (ALIKE[:2], REPEATED[:2], RANKS[:2], [(3, 1, 5), (3, 4, 1)])),
    ("Concatenate", {}, [(3, 4, 5), (3, 4, 2), (3, 4, 1)]),
    ("Concatenate", {"axis": 1}, [(3, 2, 5), (3, 4, 5)]),
    ("Concatenate", {"axis": -2}, [(3, 2, 5), (3, 4, 5)]),
    ("Concatenate", {"axis": 1}, [(3, 2), (3, 4)]),
    ("Concatenate", {"axis": 2}, [(2, 3, 2, 5), (2, 3, 4, 5)]),
    *(
        ("Dot", {"axes": axes, "normalize": normalize}, shapes)
        for normalize in (False, True)
        for axes, shapes in [
            (1, [(3, 4), (3, 4)]), (-1, [(3, 4, 5), (3, 2, 5)]), (1, [(3, 4, 5), (3, 4, 2)]),
            ((2, 1), [(3, 4, 5), (3, 5, 2)]), ([1, 2], [(3, 5), (3, 4, 5)]), ((-1, 1), [(3, 4, 5), (3, 5)]),
            ((2, 3), [(2, 3, 4, 5), (2, 3, 5, 4)]),
            ((1, 1), [(2, 3, 4, 5), (2, 3, 2)]),
        ]
    ),
]  # fmt: skip
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


def labelled(cases):
    return [pytest.param(*case, id=f"{case[0]} {case[1]} {case[2]}") for case in cases]


CASES = labelled(MERGING + ATTENTION)
MASKED = labelled(
    (name, options, shapes)
    for name, options, shapes in [
        *((name, {}, shapes) for name in [*ELEMENTWISE, "Subtract"] for shapes in (ALIKE[:2], REPEATED[:2], RANKS[:2])),
        *((name, {}, ALIKE) for name in ELEMENTWISE),
        ("Concatenate", {}, [(3, 4, 5), (3, 4, 2), (3, 4, 1)]),
        ("Concatenate", {"axis": 1}, [(3, 2, 5), (3, 4, 5), (3, 1, 5)]),
        ("Dot", {"axes": 2}, [(3, 4, 5), (3, 6, 5)]),
        *((name, options, [QUERY, VALUE, KEY]) for name, options in
          [("Attention", {}), ("Attention", {"score_mode": "concat"}), ("AdditiveAttention", {})]),
    ]
)  # fmt: skip
WHICH = {
    "all": (True, True, True),
    "first": (True, False, False),
    "second": (False, True, False),
    "two": (True, True, False),
}


def normal(rng, shapes):
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def some_masks(rng, shapes, which, row=False):
    """Masks for the sequences among the inputs that are asked for, with a row that counts nowhere or everywhere."""
    masks = []
    for shape, has_mask in zip(shapes, which, strict=False):
        mask = rng.random(shape[:2]) < 0.6
        mask[1] = row
        masks.append(mask if has_mask and len(shape) == 3 else None)
    return masks


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shapes", CASES)
def test_layers_agree_with_keras(keras, rng, name, options, shapes):
    agrees_with_keras(keras, rng, name, options, *normal(rng, shapes))


@pytest.mark.keras
@pytest.mark.parametrize("which", WHICH.values(), ids=WHICH)
@pytest.mark.parametrize("name, options, shapes", MASKED)
def test_masks_are_combined_as_in_keras(keras, rng, name, options, shapes, which):
    agrees_with_keras(keras, rng, name, options, *normal(rng, shapes), masks=some_masks(rng, shapes, which))


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shapes", labelled(MERGING))
def test_unknown_batch_stays_unknown_as_in_keras(keras, name, options, shapes):
    shapes = [(None, *shape[1:]) for shape in shapes]
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    assert ours.compute_output_shape(shapes) == theirs.compute_output_shape(shapes)


@pytest.mark.parametrize("name, options, shapes", CASES)
def test_gradients_agree_with_central_differences(rng, name, options, shapes):
    layer = getattr(layers, name)(**options, dtype="float64")
    gradients_hold(layer, rng, *(rng.normal(size=shape) for shape in shapes))


@pytest.mark.parametrize("which", WHICH.values(), ids=WHICH)
@pytest.mark.parametrize("name, options, shapes", MASKED)
def test_gradients_under_masks_agree_with_central_differences(rng, name, options, shapes, which):
    layer = getattr(layers, name)(**options, dtype="float64")
    # where attention has nothing to attend to it takes 1e9 off all scores, too much for a difference of 1e-6
    masks = some_masks(rng, shapes, which, row="Attention" in name)
    gradients_hold(layer, rng, *(rng.normal(size=s) for s in shapes), masks=masks)


@pytest.mark.keras
@pytest.mark.parametrize("masked", [False, True], ids=["no mask", "mask"])
@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
def test_a_causal_mask_is_that_of_keras(keras, rng, name, masked):
    inputs = normal(rng, [QUERY, VALUE])
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


def test_a_factor_of_zero_has_the_gradient_of_the_others(rng):
    a, b = np.zeros((2, 3)), rng.normal(size=(2, 3))
    layer, call = layers.Multiply(dtype="float64"), Call(differentiate=True)
    layer.forward(call, a, b)
    d_a, d_b = layer.backward(call, np.ones((2, 3)))
    np.testing.assert_array_equal(d_a, b)
    np.testing.assert_array_equal(d_b, a)


@pytest.mark.parametrize("name", ["Maximum", "Minimum"])
def test_equal_inputs_share_the_gradient(name):
    layer, call = getattr(layers, name)(), Call(differentiate=True)
    x = np.ones((2, 3), "float32")
    layer.forward(call, x, x)
    for d in layer.backward(call, x):
        np.testing.assert_array_equal(d, x / 2)


def test_a_vector_of_no_length_is_no_division_by_zero():
    layer, call = layers.Dot(1, normalize=True), Call(differentiate=True)
    x, y = np.zeros((1, 3), "float32"), np.ones((1, 3), "float32")
    with np.errstate(all="raise"):
        assert layer.forward(call, x, y) == 0
        assert all(np.isfinite(d).all() for d in layer.backward(call, np.ones((1, 1), "float32")))


def test_the_inputs_come_as_a_list_or_one_by_one(rng):
    a, b = normal(rng, ALIKE[:2])
    np.testing.assert_array_equal(layers.Add()([a, b]), a + b)
    np.testing.assert_array_equal(layers.Add()(a, b), a + b)


@pytest.mark.keras
@pytest.mark.parametrize("name, options", [
    ("add", {}), ("subtract", {}), ("multiply", {}), ("average", {}), ("maximum", {}), ("minimum", {}),
    ("concatenate", {}), ("concatenate", {"axis": 1}), ("dot", {"axes": 2}), ("dot", {"axes": 1, "normalize": True}),
])  # fmt: skip
def test_functions_in_lower_case_agree_with_keras(keras, rng, name, options):
    inputs = normal(rng, ALIKE[:2])
    result, expected = (getattr(library, name)(inputs, **options) for library in (layers, keras.layers))
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("make, shapes, message", [
    (layers.Add, [(2, 3), (2, 4)], r"Add .*equal but for sizes of 1, got the shapes \(2, 3\), \(2, 4\)"),
    (layers.Add, [(2, 3), (4, 3)], "one batch size"),
    (layers.Subtract, [(2, 3)] * 3, "expected 2 inputs"),
    (layers.Multiply, [(2, 3), (2, 0)], "an input is empty"),
    (layers.Concatenate, [(2, 3), (2, 3, 4)], "as many axes each"),
    (layers.Concatenate, [(2, 3, 1), (2, 4, 1)], "equal but along axis -1"),
    (lambda: layers.Concatenate(0), [(2, 3), (2, 3)], "not the batch axis"),
    (lambda: layers.Concatenate(5), [(2, 3), (2, 3)], "an axis 5"),
    (lambda: layers.Concatenate("last"), [], "axis must be an integer, got 'last'"),
    (lambda: layers.Dot(1), [(2, 3), (2, 4)], r"same size along the axes \(1, 1\)"),
    (lambda: layers.Dot(0), [(2, 3), (2, 3)], "not the batch axis"),
    (lambda: layers.Dot(1), [(2, 3)] * 3, "two inputs"),
    (lambda: layers.Dot((1, 2, 3)), [], "an integer or a pair"),
    (layers.Attention, [QUERY], r"a query \(batch, Tq, features\), a value"),
    (layers.Attention, [QUERY, (3, 6, 4)], "got the shapes"),
    (layers.AdditiveAttention, [QUERY, VALUE, (3, 7, 5)], "AdditiveAttention .* got the shapes"),
    (lambda: layers.Attention(score_mode="sum"), [], "'dot' or 'concat', got 'sum'"),
    (lambda: layers.Attention(dropout=2), [], r"dropout must lie in \[0, 1\]"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_in_a_sentence(make, shapes, message):
    with pytest.raises(ValueError, match=message):
        make()([np.ones(shape) for shape in shapes])
