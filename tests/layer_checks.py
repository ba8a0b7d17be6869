"""What every layer must hold: it does what Keras's layer does, and its gradients are those of its outputs."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

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
    mask_of_ours = ours.outgoing_mask(call, *arrays)
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
    show([weight], [numbers])
    return numbers


def gradients_hold(layer, rng, *inputs, masks=(), training=False, tolerance=1e-6):
    """All gradients of a random weighting of the outputs and the activity penalties agree with central differences.

    The differences are along random directions, in which no wrong number of a gradient hides. `layer` computes in
    float64; it is built here if it is not. Random layers must draw the same numbers in every pass.
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
        before = array.copy()
        for _ in range(min(array.size, 3)):
            direction = rng.normal(size=array.shape)
            sums = []
            for shift in (1e-6, -1e-6):
                array[...] = before + shift * direction
                _, outputs, penalty = run()
                sums.append(penalty + sum(np.sum(w * out) for w, out in zip(weighting, outputs, strict=True)))
            array[...] = before
            expected = (sums[0] - sums[1]) / 2e-6
            assert abs(np.sum(gradient * direction) - expected) < tolerance * max(1, np.abs(gradient).max())


# --- what the tables of the families share ------------------------------------------------------------------------


def labelled(cases):
    """The cases under ids that say what they are."""
    return [pytest.param(*case, id=" ".join(map(str, case))) for case in cases]


def normal(rng, shape):
    return rng.normal(size=shape).astype("float32")


def normals(rng, shapes):
    return [normal(rng, shape) for shape in shapes]


def mask_with_gaps(rng, shape):
    """A mask with a row that is masked from end to end, and one that is not at all."""
    mask = rng.random(shape) < 0.6
    mask[0], mask[1] = False, True
    return mask


def mask_of_used_rows(rng, rows, steps):
    """A mask with a step in every row that counts."""
    mask = rng.random((rows, steps)) < 0.6
    mask[:, 2] = True
    return mask


FORMATS = ("channels_last", "channels_first")


def combinations(name, shape, **options):
    """A case for each combination of the options' values, in both data formats."""
    for values in itertools.product(*options.values()):
        for data_format in FORMATS:
            yield name, {**dict(zip(options, values, strict=True)), "data_format": data_format}, shape


def inputs_for(rng, options, shape):
    """Random inputs of `shape`, which has the channels last, in the data format of the options."""
    x = normal(rng, shape)
    return x if options.get("data_format") != "channels_first" else np.ascontiguousarray(np.moveaxis(x, -1, 1))


def keeps_unknown_sizes(keras, name, options, shape):
    """The shape of the outputs is that of Keras where the batch, or all sizes but the channels, are unknown."""
    axes = [*range(1, len(shape))]
    channels = axes[0] if options.get("data_format") == "channels_first" else axes[-1]
    if options.get("data_format") == "channels_first":
        shape = (shape[0], shape[-1], *shape[1:-1])
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    for unknown in ([0], [axis for axis in [0, *axes] if axis != channels]):
        free = tuple(None if axis in unknown else size for axis, size in enumerate(shape))
        assert ours.compute_output_shape(free) == theirs.compute_output_shape(free)


def small_gradients_hold(rng, name, options, shape):
    """As `gradients_hold`, on fewer cells than `shape` has, in the data format of the options."""
    small = (2, *(min(size, 7 if len(shape) == 3 else 5) for size in shape[1:-1]), shape[-1])
    layer = getattr(layers, name)(**{**options, "trainable": True}, dtype="float64")
    gradients_hold(layer, rng, inputs_for(rng, options, small).astype("float64"))


def memory_is_free_again(rng, name, options, shape):
    """A call in the memory of another has the bits of the first; a layer whose input needs no gradient runs, too."""
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


# --- layers with several inputs -------------------------------------------------------------------------------------

WHICH = {  # of the inputs has a mask
    "all": (True, True, True),
    "first": (True, False, False),
    "second": (False, True, False),
    "two": (True, True, False),
}


def some_masks(rng, shapes, which, row=False):
    """Masks for the sequences among the inputs that are asked for, with a row that counts nowhere or everywhere."""
    masks = []
    for shape, has_mask in zip(shapes, which, strict=False):
        mask = rng.random(shape[:2]) < 0.6
        mask[1] = row
        masks.append(mask if has_mask and len(shape) == 3 else None)
    return masks
