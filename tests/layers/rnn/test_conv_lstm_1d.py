"""ConvLSTM1D: real Keras with all options, in training and in files; gradients; states; bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold, mask_with_gaps, normal, random_weights

import fastgru
from fastgru.layers import ConvLSTM1D, Dense, Flatten, Input, Masking, TimeDistributed

OPTIONS = {
    "valid": {},
    "same, backwards": {"padding": "same", "go_backwards": True},
    "strides": {"strides": 2, "padding": "same", "return_state": True},
    "dilation": {"dilation_rate": (2,), "kernel_size": [2], "use_bias": False, "data_format": "channels_first"},
    "no ones": {"unit_forget_bias": False, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
    "seed": {"kernel_regularizer": "l2", "seed": 3},
}


@pytest.mark.keras
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_it_is_that_of_keras(keras, rng, options, masked, return_sequences) -> None:
    # masked, Keras on JAX fails but in its unrolled form, which knows no zero_output_for_mask
    options = {"filters": 3, "kernel_size": 3, "return_sequences": return_sequences, "unroll": masked, **options}
    x = normal(rng, (3, 5, 7, 2))
    x = x if options.get("data_format") != "channels_first" else np.ascontiguousarray(np.swapaxes(x, 2, 3))
    masks = [mask_with_gaps(rng, (3, 5))] if masked else None
    agrees_with_keras(keras, rng, "ConvLSTM1D", options, x, masks=masks)


def test_masked_steps_put_out_zeros_where_that_is_asked_for(rng) -> None:
    x, mask = normal(rng, (3, 5, 7, 2)), mask_with_gaps(rng, (3, 5))
    repeating, zeros = (ConvLSTM1D(3, 3, return_sequences=True, zero_output_for_mask=flag) for flag in (False, True))
    repeating.build(x.shape)
    zeros.build(x.shape)
    zeros.set_weights(repeating.get_weights())
    np.testing.assert_array_equal(zeros(x, mask=mask), np.where(mask[..., None, None], repeating(x, mask=mask), 0))


@pytest.mark.keras
def test_it_begins_and_goes_on_with_states_as_in_keras(keras, rng) -> None:
    x, states = normal(rng, (2, 4, 6, 2)), [normal(rng, (2, 4, 3)), normal(rng, (2, 4, 3))]
    layers = [library.layers.ConvLSTM1D(3, 3, stateful=True, return_state=True) for library in (fastgru, keras)]
    for layer in layers:
        layer.build(x.shape)
    weights = random_weights(layers[0], rng)
    results = []
    for layer in layers:
        layer.set_weights(weights)
        run = [*layer(x), *layer(x)]
        layer.reset_state()
        results.append([*run, *layer(x, initial_state=states)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    with pytest.raises(ValueError, match="stateful=True was built for batches of 2 rows, got 1"):
        layers[0](x[:1])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("options", [{"padding": "same", "strides": 2, "return_state": True}, {"go_backwards": True}])
def test_its_gradients_are_those_of_its_outputs(rng, options, data_format) -> None:
    x = rng.normal(size=(2, 3, 4, 2))
    x = x if data_format == "channels_last" else np.swapaxes(x, 2, 3)
    layer = ConvLSTM1D(2, 3, return_sequences=True, data_format=data_format, dtype="float64", **options)
    gradients_hold(layer, rng, x, masks=[np.array([[True, False, True], [True, True, True]])])


def around(library):
    layers = library.layers
    rows = [layers.Input((4, 6, 2)), layers.ConvLSTM1D(3, 3, return_sequences=True), layers.ConvLSTM1D(2, 2)]
    return library.Sequential([*rows, layers.Flatten(), layers.Dense(1)])


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_training_goes_on_as_in_keras_from_files_of_either(keras, rng, tmp_path, ending) -> None:
    theirs = around(keras)
    theirs.compile(keras.optimizers.Adam(0.01), "mse")
    theirs.save(tmp_path / f"theirs{ending}")
    ours = fastgru.models.load_model(tmp_path / f"theirs{ending}")
    assert [weight.path for weight in ours.weights] == [weight.path.split("/", 1)[-1] for weight in theirs.weights]
    x, y = normal(rng, (12, 4, 6, 2)), normal(rng, (12, 1))
    for _ in range(2):
        losses = [one.fit(x, y, 4, 3, verbose=0, shuffle=False).history["loss"] for one in (ours, theirs)]
        np.testing.assert_allclose(*losses, atol=1e-5)
        ours.save(tmp_path / f"ours{ending}")
        # of legacy files Keras itself restores no optimizer on JAX
        theirs = keras.models.load_model(tmp_path / f"ours{ending}", compile=ending == ".keras")
        np.testing.assert_allclose(ours.predict(x), theirs.predict(x, verbose=0), atol=1e-5)
        if ending == ".h5":
            break


def test_dropout_has_a_mask_for_each_gate_that_stays_through_a_sequence(rng, monkeypatch) -> None:
    x = np.ones((1, 3, 5, 2), "float32")
    options = {"use_bias": False, "activation": "linear", "recurrent_activation": "linear"}
    dropped = ConvLSTM1D(1, 1, dropout=0.5, seed=3, return_sequences=True, recurrent_initializer="zeros", **options)
    a, b = dropped(x, training=True), dropped(x, training=True)
    assert np.abs(a - b).max() > 0 and np.abs(dropped(x) - a).max() > 0
    layer = ConvLSTM1D(2, 2, dropout=0.3, recurrent_dropout=0.4, dtype="float64", padding="same")
    layer.build((2, 3, 4, 2))

    def again(*arguments: object) -> np.random.Generator:
        return np.random.default_rng(5)

    monkeypatch.setattr(ConvLSTM1D, "_generator", property(again))
    gradients_hold(layer, rng, rng.normal(size=(2, 3, 4, 2)), training=True)


def test_it_learns_behind_a_mask(rng) -> None:
    x, y = normal(rng, (16, 4, 6)), normal(rng, (16, 1))
    x[:, 2:] = 0
    rows = [Input((4, 6)), Masking(), TimeDistributed(Dense(6)), fastgru.layers.Reshape((4, 6, 1))]
    model = fastgru.Sequential([*rows, ConvLSTM1D(2, 3), Flatten(), Dense(1)])
    model.compile("adam", "mse")
    losses = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Specifying `strides > 1` is not compatible with `dilation_rate > 1`"):
        ConvLSTM1D(1, 1, strides=2, dilation_rate=3)
    with pytest.raises(ValueError, match="a window covers 3 cells, more than the input"):
        ConvLSTM1D(1, 3).build((None, 4, 2, 1))
    with pytest.raises(ValueError, match="only support static input shapes"):
        ConvLSTM1D(1, 3).build((None, 4, None, 1))
    with pytest.raises(ValueError, match=r"expected input of shape \(batch, timesteps, size, channels\), got \(2, 3\)"):
        ConvLSTM1D(1, 3).build((2, 3))
    layer = ConvLSTM1D(1, 3, name="conv")
    layer(np.ones((2, 3, 5, 2)))
    with pytest.raises(ValueError, match="'conv': expected sequences of 5 cells with 2 channels, got shape"):
        layer(np.ones((2, 3, 5, 1)))
