"""What every layer must hold: it does what Keras's layer does, and its gradients are those of its outputs."""

from __future__ import annotations

import json

import numpy as np

from fastgru import layers
from fastgru.layers.penalties import run_backward, run_forward
from fastgru.layers.weight import show
from fastgru.layers.workspace import Call


def listed(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def random_weights(layer, rng):
    """Different everywhere, and positive where Keras has a variance."""
    return [
        rng.uniform(0.5, 2, weight.shape) if "variance" in weight.name else rng.normal(size=weight.shape) / 2
        for weight in layer.weights
    ]


def agrees_with_keras(keras, rng, name, options, *inputs, masks=None, initial_state=None, training=False, atol=1e-5):
    """Outputs, masks, shapes, configs and numbers of weights of the layer `name` are those of Keras's.

    Parameters
    ----------
    options : dict or callable
        Arguments of both layers, or a function that makes them with the layers of a library, for wrappers.
    *inputs : ndarray
    masks : list of ndarray or None, optional
        One for each input.
    initial_state : list, optional
        Of a recurrent layer, nested as Keras wants it.
    """
    ours, theirs = (
        getattr(library, name)(**(options(library) if callable(options) else options))
        for library in (layers, keras.layers)
    )
    shapes = [x.shape for x in inputs]
    shape = shapes if ours.takes_list else shapes[0]
    if not ours.built:
        ours.build(shape)
    theirs.build(shape)
    weights = random_weights(ours, rng)
    ours.set_weights(weights)
    theirs.set_weights(weights)
    assert [weight.name for weight in ours.weights] == [weight.name for weight in theirs.weights]

    tensors = [keras.ops.convert_to_tensor(x) for x in inputs]
    for x, mask in zip(tensors, masks or (), strict=False):
        if mask is not None:
            keras.src.backend.set_keras_mask(x, mask)  # as the layer before would
    call = Call(training)
    call.masks = tuple(masks or ())
    arrays = [ours.as_input(x) for x in (*inputs, *keras.tree.flatten(initial_state or []))]
    result = listed(ours.forward(call, *arrays))
    accepts = {"training": training} if training else {}
    if initial_state is not None:
        # beside states Keras gives a layer no mask but by name
        accepts.update(initial_state=initial_state, mask=masks and masks[0])
    expected = keras.tree.flatten(theirs(tensors if ours.takes_list else tensors[0], **accepts))
    for our, their in zip(result, expected, strict=True):
        np.testing.assert_allclose(our, np.asarray(their), rtol=0, atol=atol)
    computed = ours.compute_output_shape(shape)
    # a tuple of shapes for several outputs, one shape for one
    computed = [tuple(one) for one in computed] if isinstance(computed[0], (tuple, list)) else [tuple(computed)]
    assert computed == [tuple(out.shape) for out in expected]
    mask_of_keras = keras.src.backend.get_keras_mask(expected[0])
    mask_of_ours = ours.compute_mask(call, *arrays)
    mask_of_ours = mask_of_ours[0] if isinstance(mask_of_ours, tuple) else mask_of_ours
    assert (mask_of_ours is None) == (mask_of_keras is None)
    if mask_of_ours is not None:
        np.testing.assert_array_equal(mask_of_ours, np.asarray(mask_of_keras))
    config, config_of_keras = ours.get_config(), theirs.get_config()
    for one in (config, config_of_keras):
        for key in ("name", "dtype"):
            one.pop(key, None)
    result, config_of_keras = in_a_file(config), in_a_file(config_of_keras)
    assert result == config_of_keras, f"{result}\n{config_of_keras}"  # layer_checks is not rewritten by pytest
    again = type(ours).from_config(ours.get_config())
    if not again.built:
        again.build(shape)
    assert again.get_config() == ours.get_config()


def in_a_file(config):
    """A config as a file has it, where tuples are lists; without an option that is new in Keras 3.15."""

    def without_new_options(form):
        form.pop("quantization_config", None)
        return form

    return json.loads(json.dumps(config, default=lambda value: value.get_config()), object_hook=without_new_options)


def movable(weight):
    """The array that the weight shows, to move single numbers by hand: only passes that pack anew may follow."""
    numbers = weight.numpy()
    show({weight: numbers})
    return numbers


def gradients_hold(layer, rng, *inputs, masks=(), training=False, tolerance=1e-6):
    """All gradients of a random weighting of the outputs and the activity penalties agree with central differences.

    `layer` computes in float64; it is built here if it is not. Random layers must draw the same numbers in every pass.
    """
    inputs = layer.as_inputs(inputs)
    if not layer.built:
        shapes = [x.shape for x in inputs]
        layer.build(shapes if layer.takes_list else shapes[0])
        layer.set_weights(random_weights(layer, rng))
    for weight in layer.weights:
        weight.gradient = np.zeros_like(weight.value) if weight.trainable else None

    def run():
        call = Call(training, differentiate=True)
        call.masks = tuple(masks)
        outputs, penalty = run_forward(layer, call, *inputs)
        return call, listed(outputs), penalty

    call, outputs, _ = run()
    weighting = [rng.normal(size=output.shape) for output in outputs]
    untouched = [w.copy() for w in weighting]
    gradients = run_backward(layer, call, *weighting)
    for gradient_of_output, before in zip(weighting, untouched, strict=True):
        np.testing.assert_array_equal(gradient_of_output, before, err_msg="backward changed the gradients it was given")
    gradients = list(gradients) if isinstance(gradients, tuple) else [gradients]
    checked = [(x, d) for x, d in zip(inputs, gradients, strict=True) if x.dtype.kind == "f"]
    checked += [(movable(weight), weight.gradient) for weight in layer.weights if weight.trainable]
    for array, gradient in checked:
        expected = np.empty_like(array)
        for index in np.ndindex(array.shape):
            before = array[index]
            sums = []
            for shift in (1e-6, -1e-6):
                array[index] = before + shift
                _, outputs, penalty = run()
                sums.append(penalty + sum(np.sum(w * out) for w, out in zip(weighting, outputs, strict=True)))
            array[index] = before
            expected[index] = (sums[0] - sums[1]) / 2e-6
        assert np.abs(gradient - expected).max() < tolerance * max(1, np.abs(expected).max())
