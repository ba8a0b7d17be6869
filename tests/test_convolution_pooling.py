"""Convolution, pooling, padding and cropping: real Keras, central differences, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold

from fastgru import Sequential, layers, saving
from fastgru.layers.workspace import Call
from fastgru.optimizers import Adam

SEQUENCES, IMAGES = (3, 11, 4), (2, 7, 9, 4)  # channels last
BOTH, ALL = ["valid", "same"], ["valid", "same", "causal"]
FORMATS = ("channels_last", "channels_first")


def labelled(cases):
    return [pytest.param(*case, id=f"{case[0]} {case[1]}") for case in cases]


def combinations(name, shape, **options):
    """A case for each combination of the options' values, in both data formats."""
    for values in itertools.product(*options.values()):
        for data_format in FORMATS:
            yield name, {**dict(zip(options, values, strict=True)), "data_format": data_format}, shape


def inputs_for(rng, options, shape):
    x = rng.normal(size=shape).astype("float32")
    return x if options.get("data_format") != "channels_first" else np.ascontiguousarray(np.moveaxis(x, -1, 1))


CONVOLUTIONS = [
    *combinations("Conv1D", SEQUENCES, filters=[6], kernel_size=[3], padding=ALL, groups=[1, 2]),
    *combinations("Conv1D", SEQUENCES, filters=[5], kernel_size=[4], padding=ALL, strides=[3]),
    *combinations("Conv1D", SEQUENCES, filters=[5], kernel_size=[2], padding=ALL, strides=[3]),
    *combinations("Conv1D", SEQUENCES, filters=[5], kernel_size=[4], padding=ALL, dilation_rate=[2]),
    *combinations("Conv2D", IMAGES, filters=[6], kernel_size=[(3, 2)], padding=BOTH, groups=[1, 2]),
    *combinations("Conv2D", IMAGES, filters=[3], kernel_size=[(2, 4)], padding=BOTH, strides=[(2, 3)]),
    *combinations("Conv2D", IMAGES, filters=[3], kernel_size=[3], padding=BOTH, dilation_rate=[(1, 2)]),
    *combinations("Conv1D", SEQUENCES, filters=[4], kernel_size=[2], activation=["softmax", "silu"], groups=[1, 4]),
    ("Conv1D", {"filters": 7, "kernel_size": 1, "activation": "relu", "use_bias": False}, SEQUENCES),
    ("Conv1D", {"filters": 7, "kernel_size": 2, "strides": 2}, (3, 8, 3)),  # windows that are rows as they stand
    ("Conv1D", {"filters": 2, "kernel_size": 5, "padding": "same"}, (3, 9, 1)),  # a channel alone: short runs
    ("Conv2D", {"filters": 2, "kernel_size": [2, 3], "activation": "tanh"}, (2, 6, 5, 1)),
    ("Conv1D", {"filters": 2, "kernel_size": 5, "padding": "same"}, (1, 2, 3)),  # a window longer than the input
    ("Conv1D", {"filters": 2, "kernel_size": 3, "kernel_regularizer": "l2", "bias_regularizer": "l2",
                "activity_regularizer": "l2", "kernel_constraint": "max_norm", "bias_constraint": "non_neg",
                "kernel_initializer": "he_normal", "bias_initializer": "ones", "trainable": False}, SEQUENCES),
]  # fmt: skip
POOLINGS = [
    case
    for kind in ("Max", "Average")
    for case in [
        *combinations(f"{kind}Pooling1D", SEQUENCES, pool_size=[3], strides=[None, 1, 2, 5], padding=BOTH),
        *combinations(f"{kind}Pooling2D", IMAGES, pool_size=[2, (3, 2)], strides=[None, (1, 2)], padding=BOTH),
        *combinations(f"Global{kind}Pooling1D", SEQUENCES, keepdims=[False, True]),
        *combinations(f"Global{kind}Pooling2D", IMAGES, keepdims=[False, True]),
    ]
] + [("MaxPooling1D", {}, SEQUENCES), ("MaxPooling2D", {}, IMAGES), ("MaxPooling2D", {"strides": 3}, IMAGES)]
PADDINGS = [
    *combinations("ZeroPadding1D", SEQUENCES, padding=[0, 2, (3, 1)]),
    ("ZeroPadding1D", {}, SEQUENCES),
    *(("Cropping1D", {"cropping": cropping}, SEQUENCES) for cropping in (0, 2, (3, 1), (0, 4), (4, 0))),
    ("Cropping1D", {}, SEQUENCES),
]
CASES = labelled(CONVOLUTIONS + POOLINGS + PADDINGS)
MASKED = [
    ("GlobalAveragePooling1D", {}),
    ("GlobalAveragePooling1D", {"keepdims": True}),
    ("GlobalAveragePooling1D", {"data_format": "channels_first"}),
    ("GlobalMaxPooling1D", {}),
    ("MaxPooling1D", {}),
    ("AveragePooling1D", {"pool_size": 2}),
    ("Conv1D", {"filters": 2, "kernel_size": 3}),
    ("ZeroPadding1D", {}),
    ("Cropping1D", {}),
]


def mask_with_gaps(rng, steps):
    mask = rng.random((3, steps)) < 0.6
    mask[:, 2] = True
    return mask


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", CASES)
def test_layers_agree_with_keras(keras, rng, name, options, shape):
    agrees_with_keras(keras, rng, name, options, inputs_for(rng, options, shape))


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", CASES)
def test_unknown_sizes_stay_unknown_as_in_keras(keras, name, options, shape):
    axes = [*range(1, len(shape))]
    channels = axes[0] if options.get("data_format") == "channels_first" else axes[-1]
    if options.get("data_format") == "channels_first":
        shape = (shape[0], shape[-1], *shape[1:-1])
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    for unknown in ([0], [axis for axis in [0, *axes] if axis != channels]):
        free = tuple(None if axis in unknown else size for axis, size in enumerate(shape))
        assert ours.compute_output_shape(free) == theirs.compute_output_shape(free)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:.*does not support mask")
@pytest.mark.parametrize("name, options", labelled(MASKED))
def test_masks_are_used_and_dropped_as_in_keras(keras, rng, name, options):
    mask = mask_with_gaps(rng, SEQUENCES[1])
    agrees_with_keras(keras, rng, name, options, inputs_for(rng, options, SEQUENCES), masks=[mask])


@pytest.mark.keras
@pytest.mark.parametrize("name, options, shape", [
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, SEQUENCES),
    ("MaxPooling2D", {"pool_size": 3, "strides": 1}, IMAGES),
    ("GlobalMaxPooling1D", {}, SEQUENCES),
    ("GlobalMaxPooling2D", {"data_format": "channels_first"}, IMAGES),
])  # fmt: skip
def test_equally_large_cells_get_the_gradient_that_keras_gives_them(keras, rng, name, options, shape):
    jax = pytest.importorskip("jax")
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    x = rng.integers(0, 3, shape).astype("float32")
    call = Call(differentiate=True)
    weighting = rng.normal(size=ours.forward(call, x).shape).astype("float32")
    expected = jax.grad(lambda x: (theirs(x) * weighting).sum())(x)
    np.testing.assert_allclose(ours.backward(call, weighting), expected, atol=1e-6)


@pytest.mark.parametrize("name, options, shape", CASES)
def test_gradients_agree_with_central_differences(rng, name, options, shape):
    small = (2, *(min(size, 7 if len(shape) == 3 else 5) for size in shape[1:-1]), shape[-1])
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, inputs_for(rng, options, small).astype("float64"))


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("groups", [1, 2])
def test_every_engine_gives_the_gradients_of_convolutions(rng, groups, data_format):
    options = {"groups": groups, "data_format": data_format, "activation": "tanh", "padding": "same"}
    layer = layers.Conv1D(6, 3, **options, dtype="float64")
    gradients_hold(layer, rng, inputs_for(rng, options, (2, 5, 4)).astype("float64"))


@pytest.mark.parametrize("data_format", FORMATS)
def test_gradients_of_a_masked_mean_agree_with_central_differences(rng, data_format):
    layer = layers.GlobalAveragePooling1D(data_format, dtype="float64")
    x = inputs_for(rng, {"data_format": data_format}, SEQUENCES).astype("float64")
    gradients_hold(layer, rng, x, masks=[mask_with_gaps(rng, SEQUENCES[1])])


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_masked_mean_does_not_see_masked_steps_and_is_nan_without_steps(rng, data_format):
    x, mask = rng.normal(size=(2, 4, 3)).astype("float32"), np.array([[True, False, True, False], [False] * 4])
    mean = x[0, [0, 2]].mean(axis=0)
    x[0, 1] = np.nan
    x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if data_format == "channels_first" else x
    y = layers.GlobalAveragePooling1D(data_format)(x, mask=mask)
    np.testing.assert_allclose(y[0], mean, rtol=1e-6)
    assert np.isnan(y[1]).all() and y.dtype == np.float32


@pytest.mark.parametrize("name, options, shape", CASES)
def test_a_second_call_with_the_same_memory_and_a_frozen_layer_change_nothing(rng, name, options, shape):
    layer = getattr(layers, name)(**options)
    x = inputs_for(rng, options, shape)
    layer(x)
    call = Call(differentiate=True)
    results = []
    for scale in (1, 5, 1):
        y = layer.forward(call, x * np.float32(scale))
        assert y.dtype == np.float32 and y.flags.c_contiguous
        dx = layer.backward(call, np.ones_like(y))
        assert dx.dtype == np.float32 and dx.shape == x.shape and dx.flags.c_contiguous
        results.append((y.copy(), dx.copy()))
    for first, third in zip(results[0], results[2], strict=True):
        np.testing.assert_array_equal(first, third)
    call.input_gradient = False
    layer.forward(call, x)
    layer.backward(call, np.ones_like(y))


def test_keras_other_names_stand_for_the_same_layers():
    for short, name in [("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling"), ("GlobalMaxPool", "GlobalMaxPooling"),
                        ("GlobalAvgPool", "GlobalAveragePooling"), ("Convolution", "Conv")]:  # fmt: skip
        for rank in ("1D", "2D"):
            assert getattr(layers, short + rank) is getattr(layers, name + rank)


def test_a_model_with_convolutions_learns_on_sequences_of_any_length(rng):
    model = Sequential([
        layers.Input((None, 3)),
        layers.Conv1D(8, 3, padding="causal", activation="relu"),
        layers.MaxPooling1D(2),
        layers.Conv1D(8, 3, activation="tanh", groups=2),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1),
    ])  # fmt: skip
    model.compile(Adam(0.01), "mse")
    x = rng.normal(size=(64, 20, 3)).astype("float32")
    y = x[:, :, :1].mean(axis=1) * 3
    losses = model.fit(x, y, epochs=30, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3
    assert model.predict(x[:, :9], verbose=0).shape == (64, 1)
    with pytest.raises(ValueError, match="a window covers"):
        model.predict(x[:, :4], verbose=0)


@pytest.mark.keras
def test_keras_opens_what_is_saved_and_the_other_way_round(keras, rng, tmp_path):
    model = Sequential([
        layers.Input((12, 4)),
        layers.ZeroPadding1D(1),
        layers.Conv1D(6, 3, activation="relu", groups=2),
        layers.MaxPooling1D(2, padding="same"),
        layers.Cropping1D((0, 1)),
        layers.AveragePooling1D(2, strides=1),
        layers.GlobalMaxPooling1D(),
    ])  # fmt: skip
    x = rng.normal(size=(3, 12, 4)).astype("float32")
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / "ours.keras")
    theirs = keras.models.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(theirs(x), expected, atol=1e-6)
    for ending in ("keras", "h5"):
        theirs.save(tmp_path / f"theirs.{ending}")
        result = saving.load_model(tmp_path / f"theirs.{ending}").predict(x, verbose=0)
        np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("make, message", [
    (lambda: layers.Conv1D(0, 3), "filters: expected an integer"),
    (lambda: layers.Conv1D(4, (3, 3)), "kernel_size: expected an integer"),
    (lambda: layers.Conv2D(4, (3, 0)), "kernel_size: expected an integer or 2 of them, each at least 1"),
    (lambda: layers.Conv1D(4, 3, strides=0), "strides: expected"),
    (lambda: layers.Conv1D(4, 3, dilation_rate="2"), "dilation_rate: expected"),
    (lambda: layers.Conv1D(4, 3, strides=2, dilation_rate=2), "cannot both exceed 1"),
    (lambda: layers.Conv1D(4, 3, groups=3), "filters must be a multiple of groups"),
    (lambda: layers.Conv1D(4, 3, padding="full"), "padding must be one of valid, same, causal, got 'full'"),
    (lambda: layers.Conv2D(4, 3, padding="causal"), "padding must be one of valid, same, got 'causal'"),
    (lambda: layers.MaxPooling1D(padding="causal"), "padding must be one of valid, same, got 'causal'"),
    (lambda: layers.MaxPooling1D(True), "pool_size: expected an integer"),
    (lambda: layers.AveragePooling2D(2, data_format="first"), "data_format must be"),
    (lambda: layers.ZeroPadding1D(-1), "padding: expected an integer or 2 of them, each at least 0"),
    (lambda: layers.Cropping1D((1, 2, 3)), "cropping: expected an integer or 2 of them"),
])  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("layer, shape, message", [
    (layers.Conv1D(4, 3), (2, 5), r"expected input of shape \(batch, size1, channels\), got \(2, 5\)"),
    (layers.Conv2D(4, 3, data_format="channels_first"), (2, 5, 5), r"shape \(batch, channels, size1, size2\)"),
    (layers.Conv1D(4, 3, groups=2), (2, 5, 3), "multiple of groups=2"),
    (layers.Conv1D(4, 3), (2, 2, 3), r"covers \(3,\) cells, but the input of shape \(2, 2, 3\) has only \(2,\)"),
    (layers.Conv1D(4, 3, dilation_rate=2), (2, 4, 3), r"a window covers \(5,\) cells"),
    (layers.MaxPooling2D(3), (2, 5, 2, 3), r"a window covers \(3, 3\) cells"),
    (layers.MaxPooling1D(3), (2, 5, 2, 3), "expected input of shape"),
    (layers.GlobalMaxPooling1D(), (2, 5), "expected input of shape"),
    (layers.ZeroPadding1D(), (2, 5), "expected input of shape"),
    (layers.Cropping1D(2), (2, 4, 3), r"cropping \(2, 2\) leaves nothing of input of shape \(2, 4, 3\)"),
])  # fmt: skip
def test_inputs_that_do_not_fit_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, "float32"))


def test_other_channels_than_the_layer_was_built_for_are_refused():
    layer = layers.Conv1D(4, 3)
    layer(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match=r"expected input with 3 channels \(channels_last\), got shape \(2, 5, 4\)"):
        layer(np.zeros((2, 5, 4)))
    with pytest.raises(ValueError, match="the channels must be known"):
        layers.Conv1D(4, 3).build((None, 5, None))
