"""Graphs against real Keras: one program builds the model in both; configs, orders and predictions are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru.layers.symbolic import flattened
from fastgru.models import load_model
from fastgru.registry import deserialize_layer

pytestmark = pytest.mark.keras

BATCH, STEPS, FEATURES, WORDS = 5, 7, 3, 9

# --- the programs: `k` is fastgru or keras ----------------------------------------------------------


def chain(k: Any) -> Any:
    x = k.Input((STEPS, FEATURES))
    y = k.layers.GRU(4, return_sequences=True)(x)
    y = k.layers.Dropout(0.5)(y)
    return k.Model(x, k.layers.Dense(2)(k.layers.GRU(3)(y)), name="model")


def everything_at_once(k: Any) -> Any:
    a, b = k.Input((STEPS, FEATURES), name="a"), k.Input((4,), name="b")
    sequence, state = k.layers.GRU(4, return_sequences=True, return_state=True)(a, initial_state=b)
    shared = k.layers.Dense(4, name="shared")
    x = shared(sequence) + sequence
    y = k.layers.GRU(4)(x, initial_state=shared(state))
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3)], name="inner")
    return k.Model([a, b], [inner(y * 2 - 1), 1 - inner(x[:, -1, :])], name="model")


def called_in_turns(k: Any) -> Any:
    one, two = k.layers.Dense(4, name="one"), k.layers.Dense(4, name="two")
    x = k.Input((4,))
    return k.Model(x, one(two(one(two(x)))), name="model")


def merged(k: Any) -> Any:
    a, b = k.Input((STEPS, FEATURES), name="a"), k.Input((STEPS, FEATURES), name="b")
    x, y = k.layers.GRU(4, return_sequences=True)(a), k.layers.Dense(4)(b)
    layers = ("Add", "Subtract", "Multiply", "Average", "Maximum")
    both = [getattr(k.layers, name)()([x, y]) for name in layers]
    return k.Model([a, b], k.layers.Concatenate()([*both, a]), name="model")


def model_in_model(k: Any) -> Any:
    a, b = k.Input((FEATURES,), name="a"), k.Input((FEATURES,), name="b")
    both = k.layers.Add()([k.layers.Dense(4)(a), k.layers.Dense(4)(b)])
    inner = k.Model([a, b], [both, k.layers.Dense(2)(both)], name="inner")
    x, y, z = (k.Input((FEATURES,), name=name) for name in "xyz")
    first, second = inner([x, y])
    third, fourth = inner([y, z])
    joined = k.layers.Concatenate()([first, second, third])
    return k.Model([x, y, z], [k.layers.Dense(3)(joined), fourth, inner([z, x])[0]], name="model")


def by_name(k: Any) -> Any:
    inputs = {"b": k.Input((STEPS, FEATURES), name="b"), "a": k.Input((4,), name="a")}
    y = k.layers.GRU(4)(inputs["b"], initial_state=inputs["a"])
    return k.Model(inputs, {"y": y, "x": k.layers.Dense(2)(y)}, name="model")


def by_name_inside(k: Any) -> Any:
    inner = by_name(k)
    b, a = k.Input((STEPS, FEATURES), name="outer_b"), k.Input((4,), name="outer_a")
    outputs = inner({"a": a, "b": b})
    return k.Model([a, b], outputs["x"] + outputs["y"][:, :2], name="outer")


def arithmetic(k: Any) -> Any:
    x, y = k.Input((STEPS, FEATURES), name="x"), k.Input((STEPS, FEATURES), name="y")
    z = (x + y) * (x - 2.0) / (3.0 + y * y) - 1
    z = -z + 2.0 / (1 + x**2)
    return k.Model([x, y], [z[:, 1:-1], z[..., None, 0], z[:, ::2, -1], abs(z)], name="model")


def unused_input(k: Any) -> Any:
    x, y = k.Input((4,), name="x"), k.Input((3,), name="y")
    return k.Model([x, y], [k.layers.Dense(2)(x), x], name="model")


def states_from_another_layer(k: Any) -> Any:
    x, y = k.Input((STEPS, FEATURES), name="x"), k.Input((None, FEATURES), name="y")
    last, state = k.layers.GRU(4, return_state=True)(x)
    z = k.layers.GRU(4, return_sequences=True)(y, initial_state=state)
    one = k.layers.GRU(4, name="one", return_state=True)
    outputs = k.layers.Bidirectional(one, name="both")(z, initial_state=[last * 2, state])
    return k.Model([x, y], outputs, name="model")


def middle(k: Any) -> Any:
    model = k.Sequential([k.Input((STEPS, FEATURES)), k.layers.GRU(4, name="gru"), k.layers.Dense(2)])
    return k.Model(model.inputs, [model.get_layer("gru").output, model.outputs[0]], name="model")


def cut_off(k: Any) -> Any:
    x = k.Input((STEPS, FEATURES))
    y = k.layers.GRU(4)(x)
    z = k.layers.Dense(2)(y)
    return k.Model(y, z + 1, name="model")


def masked(k: Any) -> Any:
    words, x = k.Input((STEPS,), name="words", dtype="int32"), k.Input((STEPS, FEATURES), name="x")
    y = k.layers.Embedding(WORDS, 4, mask_zero=True)(words)
    sequence, state = k.layers.GRU(4, return_sequences=True, return_state=True)(y)
    z = k.layers.Masking()(x)
    z = k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True, name="one"), name="both")(z)
    joined = k.layers.Concatenate()([sequence, k.layers.Dropout(0.5)(z)])
    return k.Model([words, x], [k.layers.GRU(3)(joined), state], name="model")


def masked_with_a_state(k: Any) -> Any:
    words, h = k.Input((STEPS,), name="words", dtype="int32"), k.Input((4,), name="h")
    y = k.layers.Embedding(WORDS, 3, mask_zero=True)(words)
    sequence = k.layers.GRU(4, return_sequences=True)(y, initial_state=h)  # without the mask, as Keras 3 has it
    return k.Model([words, h], [k.layers.GRU(2)(sequence), sequence], name="model")


def mask_by_name(k: Any) -> Any:
    words, x = k.Input((STEPS,), name="words", dtype="int32"), k.Input((STEPS, FEATURES), name="x")
    used = words != 0
    sequence = k.layers.GRU(4, return_sequences=True)(x, mask=used)
    return k.Model([words, x], k.layers.GRU(2)(sequence), name="model")


def attended(k: Any) -> Any:
    words, x = k.Input((STEPS,), name="words", dtype="int32"), k.Input((STEPS, FEATURES), name="x")
    y = k.layers.Embedding(WORDS, 4, mask_zero=True)(words)
    query, value = (
        k.layers.GRU(4, return_sequences=True)(k.layers.Masking()(x)),
        k.layers.GRU(4, return_sequences=True)(y),
    )
    context = k.layers.Attention()([query, value])
    return k.Model([words, x], k.layers.GlobalAveragePooling1D()(context), name="model")


PLAIN = [
    chain, everything_at_once, called_in_turns, merged, model_in_model, by_name, by_name_inside, arithmetic,
    unused_input, states_from_another_layer, middle, cut_off,
]  # fmt: skip
MASKED = [masked, masked_with_a_state, mask_by_name, attended]


def both(keras: Any, rng: np.random.Generator, program: Any) -> tuple[Any, Any]:
    """The model of fastgru and that of Keras, with the same random weights."""
    keras.utils.clear_session()
    ours, theirs = program(fastgru), program(keras)
    weights = [rng.normal(size=weight.shape) / 2 for weight in theirs.weights]
    assert [weight.shape for weight in ours.weights] == [weight.shape for weight in weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def random_inputs(rng: np.random.Generator, model: Any) -> Any:
    """Data for a model of fastgru: words with padding, numbers of which some steps are masked."""
    inputs = []
    for tensor in model.inputs:
        shape = [BATCH, *(STEPS if size is None else size for size in tensor.shape[1:])]
        if tensor.dtype == "int32":
            words = rng.integers(1, WORDS, shape, dtype=np.int32)
            words[rng.random(shape) < 0.4] = 0
            inputs.append(words)
            continue
        x = rng.normal(size=shape).astype("float32")
        if len(shape) == 3:
            x[rng.random(shape[:2]) < 0.3] = 0
        inputs.append(x)
    if isinstance(model.input, dict):
        return dict(zip(model.input_names, inputs, strict=True))
    return inputs if len(inputs) > 1 else inputs[0]


def assert_equal_outputs(outputs: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert sorted(outputs) == sorted(expected)
        outputs, expected = ([side[key] for key in sorted(expected)] for side in (outputs, expected))
    outputs, expected = (side if isinstance(side, (list, tuple)) else [side] for side in (outputs, expected))
    for our, their in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(our, np.asarray(their), rtol=0, atol=2e-6)


def plain(value: Any) -> Any:
    """As it stands in a file, without what only the newest Keras writes, and without what says nothing."""

    def tidied(form: dict[str, Any]) -> dict[str, Any]:
        form = {key: entry for key, entry in form.items() if key not in ("quantization_config", "build_config")}
        if "kwargs" in form:
            arguments = {key: entry for key, entry in form["kwargs"].items() if key != "training"}
            form["kwargs"] = {
                key: entry for key, entry in arguments.items() if any(x is not None for x in flattened(entry))
            }
        return form

    return json.loads(json.dumps(value), object_hook=tidied)


@pytest.mark.parametrize("program", PLAIN + MASKED)
def test_predictions_are_those_of_keras(keras: Any, rng: np.random.Generator, program: Any) -> None:
    ours, theirs = both(keras, rng, program)
    x = random_inputs(rng, ours)
    expected = theirs.predict(x, verbose=0)
    assert_equal_outputs(ours.predict(x, verbose=0), expected)
    assert_equal_outputs(ours(x), expected)


@pytest.mark.parametrize("program", PLAIN)
def test_config_and_order_are_those_of_keras(keras: Any, rng: np.random.Generator, program: Any) -> None:
    ours, theirs = both(keras, rng, program)
    if program is cut_off:
        theirs.layers[0].name = ours.layers[0].name  # a name of Keras's tensor, which no user knows
    assert [layer.name for layer in ours.operations] == [layer.name for layer in theirs.operations]
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert plain(ours.get_config()) == plain(theirs.get_config())
    assert plain(ours.serialized()).keys() == plain(json.loads(theirs.to_json())).keys()
    assert ours.input_shape == theirs.input_shape
    assert ours.output_shape == theirs.output_shape
    if not isinstance(theirs.output, dict):
        assert ours.output_names == theirs.output_names


@pytest.mark.parametrize("program", PLAIN + MASKED)
def test_json_goes_both_ways(keras: Any, rng: np.random.Generator, program: Any) -> None:
    ours, theirs = both(keras, rng, program)
    x = random_inputs(rng, ours)
    expected = theirs.predict(x, verbose=0)
    read, written = deserialize_layer(json.loads(theirs.to_json())), keras.models.model_from_json(ours.to_json())
    for again in (read, written):
        again.set_weights(theirs.get_weights())
        assert_equal_outputs(again.predict(x, verbose=0), expected)
    assert plain(read.get_config()) == plain(theirs.get_config())


@pytest.mark.parametrize("program", [chain, everything_at_once, by_name_inside, unused_input])
@pytest.mark.parametrize("options", [{}, {"expand_nested": True, "show_trainable": True}], ids=str)
def test_the_summary_is_that_of_keras(keras: Any, rng: Any, monkeypatch: Any, program: Any, options: Any) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    texts: list[str] = []
    for model in both(keras, rng, program):
        model.summary(print_fn=texts.append, **options)
    assert texts[0] == texts[1]


def test_operations_of_keras_are_opened(keras: Any, rng: np.random.Generator) -> None:
    keras.utils.clear_session()
    ops = keras.ops
    words, x = keras.Input((STEPS,), dtype="int32"), keras.Input((STEPS, FEATURES))
    y = keras.layers.GRU(4, return_sequences=True)(x, mask=ops.logical_and(words != 0, ops.any(x != 0, axis=-1)))
    last = ops.concatenate([y[:, -1, :], ops.mean(y, axis=1), ops.max(y, axis=(1,))], axis=-1)
    moved = ops.transpose(ops.expand_dims(last, 1), (0, 2, 1))
    total = ops.sum(y, axis=(1, 2), keepdims=True)
    outputs = [
        moved, ops.squeeze(total, axis=-1), ops.reshape(last, (-1, 6, 2)), ops.exp(last) / ops.sqrt(ops.abs(last) + 1),
        ops.maximum(last, 0.1), ops.minimum(last, moved[:, :, 0] - 0.1), ops.tanh(last) * ops.square(last),
    ]  # fmt: skip
    theirs = keras.Model([words, x], outputs)
    ours = deserialize_layer(json.loads(theirs.to_json()))
    ours.set_weights(theirs.get_weights())
    data = random_inputs(rng, ours)
    assert_equal_outputs(ours.predict(data, verbose=0), theirs.predict(data, verbose=0))
    assert plain(ours.get_config()) == plain(theirs.get_config())
    assert ours.output_shape == theirs.output_shape


def test_keras_opens_legacy_files_of_what_it_cannot_open_in_its_own(
    keras: Any, rng: np.random.Generator, tmp_path: Path
) -> None:
    x = keras.Input((STEPS, FEATURES))
    y = keras.layers.Masking()(x)
    y = keras.layers.Attention()([y, keras.layers.GRU(FEATURES, return_sequences=True)(y)])
    theirs = keras.Model(x, y[:, -1] * 2.0)
    theirs.save(tmp_path / "theirs.h5")
    with pytest.raises(Exception, match=r"NotEqual|Attention|GetItem"):
        keras.models.load_model(tmp_path / "theirs.h5")
    theirs.save(tmp_path / "theirs.keras")
    ours = load_model(tmp_path / "theirs.keras")
    ours.save(tmp_path / "ours.h5")
    data = rng.normal(size=(2, STEPS, FEATURES)).astype("float32")
    again = keras.models.load_model(tmp_path / "ours.h5")
    assert_equal_outputs(again.predict(data, verbose=0), theirs.predict(data, verbose=0))
