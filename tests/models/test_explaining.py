"""`explain` looks into whole models, and `predict_prefixes` is `predict` on every prefix."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from paths import SHARED
from plain_gates import assert_gates_agree, plain_gates

from fastgru import layers
from fastgru.layers import GRU, LSTM, Bidirectional, Dense, Embedding, Input, Masking, TimeDistributed
from fastgru.models import Model, Sequential, load_model
from fastgru.saving import ModelFileError

FOLDER = SHARED / "models"
INDEX = json.loads((FOLDER / "index.json").read_text()) if FOLDER.is_dir() else []


def of_layer(model: Any, name: str, x: Any, mask: np.ndarray | None = None) -> Any:
    """The plain gates of a layer of a model, from what comes to it."""
    layer = model.get_layer(name)
    return plain_gates(layer, np.asarray(Model(model.inputs, layer.input).predict(x, verbose=0)), (), mask)


def test_the_layers_of_a_row_by_their_names(rng) -> None:
    row = [Masking(), GRU(5, return_sequences=True, name="low"), Dense(4), LSTM(3, name="high"), Dense(2)]
    model = Sequential([Input((6, 3)), *row])
    x = rng.normal(size=(4, 6, 3)).astype("float32")
    x[1, 3:] = x[2, :2] = 0
    mask = (x != 0).any(axis=-1)
    explained = model.explain(x)
    assert [*explained] == ["low", "high"]
    for name, gates in explained.items():
        assert_gates_agree(gates, of_layer(model, name, x, mask))
    np.testing.assert_array_equal(explained["low"]["state"][1, 3], explained["low"]["state"][1, 2])


def test_a_graph_of_several_inputs_with_states_and_a_layer_that_is_called_twice(rng) -> None:
    text, numbers = Input((5,), dtype="int32", name="text"), Input((7, 2), name="numbers")
    words = Embedding(9, 4, mask_zero=True)(text)
    shared = GRU(3, name="shared")
    code, state = GRU(3, return_state=True, name="encoder")(numbers)
    both = layers.Concatenate()([shared(words, initial_state=state), shared(Dense(4)(numbers)), code])
    model = Model({"text": text, "numbers": numbers}, Dense(1)(both))
    x = {"text": rng.integers(0, 3, (4, 5)), "numbers": rng.normal(size=(4, 7, 2)).astype("float32")}
    explained = model.explain(x)
    assert sorted(explained) == ["encoder", "shared", "shared[1]"]
    assert_gates_agree(explained["encoder"], plain_gates(model.get_layer("encoder"), x["numbers"]))
    state = explained["encoder"]["state"][:, -1]
    vectors = model.get_layer("embedding").get_weights()[0][x["text"]]
    # as in Keras 3, no mask that comes with the input reaches a layer with an initial state
    firsts = [
        plain_gates(shared, vectors, [state]),
        plain_gates(shared, np.asarray(model.get_layer("dense")(x["numbers"]))),
    ]
    by_length = {values["state"].shape[1]: values for values in firsts}
    for name in ("shared", "shared[1]"):
        assert_gates_agree(explained[name], by_length[explained[name]["state"].shape[1]])


def test_models_inside_and_a_layer_at_every_step_have_paths(rng) -> None:
    inner = Sequential([Input((4, 3)), GRU(5, name="rows")], name="encoder")
    model = Sequential([Input((6, 4, 3)), TimeDistributed(inner, name="each"), Bidirectional(GRU(2), name="both")])
    x = rng.normal(size=(2, 6, 4, 3)).astype("float32")
    explained = model.explain(x)
    assert [*explained] == ["each/encoder/rows", "both"]
    plain = plain_gates(inner.get_layer("rows"), x.reshape(12, 4, 3))
    assert_gates_agree(
        explained["each/encoder/rows"], {name: values.reshape(2, 6, 4, 5) for name, values in plain.items()}
    )
    assert [*explained["both"]] == ["forward", "backward"]
    outer = Sequential([Input((4, 3)), inner, Dense(1)])
    assert_gates_agree(outer.explain(x[:, 0])["encoder/rows"], plain_gates(inner.get_layer("rows"), x[:, 0]))


def test_explaining_leaves_states_and_a_training_as_they_are(rng) -> None:
    model = Sequential([Input(batch_shape=(2, 4, 3)), GRU(3, stateful=True), Dense(1)])
    model.compile("adam", "mse")
    x, y = rng.normal(size=(2, 4, 3)).astype("float32"), rng.normal(size=(2, 1))
    model.fit(x, y, batch_size=2, verbose=0)
    states, weights = model.layers[0].states[0].copy(), model.get_weights()
    explained, answers = model.explain(x), model.predict_prefixes(x)
    np.testing.assert_array_equal(model.layers[0].states[0], states)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_allclose(answers[:, -1], model.predict(x, batch_size=2, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(model.layers[0].states[0], explained["gru"]["state"][:, -1])


class Own(Model):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = GRU(3), Dense(1)

    def call(self, x: Any) -> Any:
        return self.head(self.gru(x))


def test_a_call_of_its_own_shows_the_layers_that_it_calls(rng) -> None:
    model, x = Own(), rng.normal(size=(2, 4, 3)).astype("float32")
    assert_gates_agree(model.explain(x)["gru"], plain_gates(model.gru, x))
    assert_prefixes(model, x)


class Twice(layers.Layer):
    """Calls a layer of tokens, a model and one layer two times, none of which is trained."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.embed = Embedding(9, 3, mask_zero=True)
        self.encoder = Sequential([Input((None, 3)), GRU(4, return_sequences=True, name="rows")], name="encoder")
        self.shared = LSTM(4, return_sequences=True, name="shared")
        self.trainable = False

    def call(self, x: Any) -> Any:
        return self.shared(self.shared(self.encoder(self.embed(x))))


def test_layers_of_own_layers_have_their_names_and_masks_and_frozen_ones_are_seen(rng) -> None:
    own = Twice(name="twice")
    model = Sequential([Input((5,), dtype="int32"), own, GRU(2, name="last"), Dense(1)])
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    before = model.predict(x, verbose=0)
    explained = model.explain(x)
    assert [*explained] == ["twice/encoder/rows", "twice/shared", "twice/shared[1]", "last"]
    rows = own.encoder.get_layer("rows")
    embedded = np.asarray(own.embed(x))
    assert_gates_agree(explained["twice/encoder/rows"], plain_gates(rows, embedded, mask=x != 0))
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_own_layers_inside_others_have_paths(rng) -> None:
    each = Sequential([Input((4, 3)), Own()], name="inner")
    model = Sequential([Input((6, 4, 3)), TimeDistributed(each, name="each"), GRU(2, name="after")])
    x = rng.normal(size=(2, 6, 4, 3)).astype("float32")
    explained = model.explain(x)
    own = each.layers[0]
    assert [*explained] == [f"each/inner/{own.name}/gru", "after"]
    plain = plain_gates(own.gru, x.reshape(12, 4, 3))
    assert_gates_agree(
        explained[f"each/inner/{own.name}/gru"],
        {name: values.reshape(2, 6, 4, 3) for name, values in plain.items()},
    )


def assert_prefixes(model: Any, x: Any) -> None:
    """`predict_prefixes` is `predict` on what is cut off after each step."""
    outputs = model.predict_prefixes(x)
    steps = (x[0] if isinstance(x, list) else x).shape[1]
    for stop in range(1, steps + 1):
        cut = [part[:, :stop] if part.ndim > 2 else part for part in x] if isinstance(x, list) else x[:, :stop]
        expected = model.predict(cut, verbose=0)
        if expected.ndim > 2 and expected.shape[1] == stop:
            expected = expected[:, -1]
        np.testing.assert_allclose(outputs[:, stop - 1], expected, rtol=0, atol=2e-6)


ROWS = {
    "GRU": [GRU(5), Dense(3, activation="softmax")],
    "masked": [Masking(), GRU(5, zero_output_for_mask=True), Dense(3)],
    "stacked": [layers.BatchNormalization(), GRU(5, return_sequences=True), layers.Dropout(0.5), LSTM(4), Dense(2)],
    "an answer at every step": [GRU(5, return_sequences=True), Dense(3), layers.Activation("softmax")],
    "a decoder behind": [GRU(5), layers.RepeatVector(9), GRU(4, return_sequences=True), TimeDistributed(Dense(2))],
    "both directions": [Bidirectional(GRU(5)), Dense(2)],
    "backwards": [GRU(5, go_backwards=True), Dense(2)],
    "pooled": [GRU(5, return_sequences=True), layers.GlobalMaxPooling1D(), Dense(2)],
    "softmax over the steps": [layers.Softmax(axis=1), GRU(5), Dense(2)],
    "a cell": [layers.RNN(layers.GRUCell(4)), Dense(2)],
}


@pytest.mark.parametrize("kind", ROWS)
def test_answers_after_each_step_are_those_for_the_cut_sequence(kind: str, rng) -> None:
    model = Sequential([Input((None, 3)), *(type(one).from_config(one.get_config()) for one in ROWS[kind])])
    model.set_weights([np.abs(rng.normal(size=weight.shape)) / 2 for weight in model.weights])
    x = rng.normal(size=(3, 7, 3)).astype("float32")
    x[0, 2:4] = x[1, :2] = 0
    assert_prefixes(model, x)


def test_answers_of_a_model_of_tokens_and_of_one_of_two_inputs(rng) -> None:
    tokens = Sequential([Input((None,), dtype="int32"), Embedding(9, 4, mask_zero=True), GRU(5), Dense(2)])
    assert_prefixes(tokens, rng.integers(0, 9, (3, 6)))
    # as Keras 3 saves a graph of tokens: an input of floats, and the mask as one of the layer's inputs
    floats = Input((None,))
    both_ways = Bidirectional(GRU(5))(Embedding(9, 4, mask_zero=True)(floats))
    assert_prefixes(Model(floats, Dense(2)(both_ways)), rng.integers(0, 9, (3, 6)).astype("float32"))
    series, fixed = Input((None, 2)), Input((3,))
    graph = Model([series, fixed], Dense(2)(layers.Concatenate()([GRU(4)(series), fixed])))
    assert_prefixes(graph, [rng.normal(size=(2, 5, 2)).astype("float32"), rng.normal(size=(2, 3)).astype("float32")])


SHORTEST = {
    "convolution": (3, [layers.Conv1D(4, 3), GRU(5), Dense(2)]),
    "two of them": (5, [layers.Conv1D(4, 3), layers.Conv1D(4, 3), GRU(5, return_sequences=True), Dense(2)]),
    "strides": (2, [layers.Conv1D(4, 2, strides=2), GRU(5, return_sequences=True), layers.GlobalMaxPooling1D()]),
    "pool": (2, [layers.MaxPooling1D(2), GRU(5), Dense(2)]),
    "padded": (1, [layers.Conv1D(4, 3, padding="same"), layers.AveragePooling1D(2, padding="same"), GRU(5)]),
}


@pytest.mark.parametrize("kind", SHORTEST)
def test_what_wants_a_few_steps_answers_from_there_on(kind: str, rng) -> None:
    shortest, row = SHORTEST[kind]
    model = Sequential([Input((7, 3)), *(type(one).from_config(one.get_config()) for one in row)])
    free = Sequential([Input((None, 3)), *(type(one).from_config(one.get_config()) for one in row)])
    free.set_weights(model.get_weights())
    x = rng.normal(size=(2, 7, 3)).astype("float32")
    answers = model.predict_prefixes(x)
    assert np.isnan(answers[:, : shortest - 1]).all() and np.isfinite(answers[:, shortest - 1 :]).all()
    for stop in range(shortest, 8):
        expected = free.predict(x[:, :stop], verbose=0)
        expected = expected[:, -1] if expected.ndim > 2 else expected
        np.testing.assert_allclose(answers[:, stop - 1], expected, rtol=0, atol=2e-6)


def test_a_model_of_a_fixed_length_answers_early_where_its_layers_can(rng) -> None:
    fixed, free = (Sequential([Input((steps, 3)), GRU(5), Dense(2)]) for steps in (6, None))
    free.set_weights(fixed.get_weights())
    x = rng.normal(size=(2, 6, 3)).astype("float32")
    np.testing.assert_array_equal(fixed.predict_prefixes(x), free.predict_prefixes(x))
    whole = Sequential([Input((6, 3)), layers.Conv1D(4, 6), GRU(5), Dense(2)])
    with pytest.raises(ValueError, match="takes 6 steps and cannot answer after 1 of them"):
        whole.predict_prefixes(x)
    flat = Sequential([Input((6, 3)), GRU(5, return_sequences=True), layers.Flatten(), Dense(2)])
    with pytest.raises(ValueError, match="takes 6 steps and cannot answer after 1 of them"):
        flat.predict_prefixes(x)


def opened(file: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return load_model(FOLDER / file)
        except ModelFileError:
            return load_model(FOLDER / file, outputs=["softmax"])


@pytest.mark.skipif(not INDEX, reason="the development folder 'shared' is not beside the checkout")
@pytest.mark.parametrize("file", [entry["file"] for entry in INDEX if entry["expected"]])
def test_gates_of_public_models_are_those_of_the_equations(file: str) -> None:
    model = opened(file)
    with np.load(FOLDER / "expected" / f"{file}.npz") as stored:
        x = [stored[name][:4] for name in sorted(stored) if name.startswith("x")]
    masks = masks_of(model, x)
    explained = model.explain(x if len(x) > 1 else x[0])
    assert explained
    for name, gates in explained.items():
        layer = model.get_layer(name)
        sources = Model(model.inputs, layer.input).predict(x if len(x) > 1 else x[0], verbose=0)
        source, *states = sources if isinstance(sources, list) else [sources]
        # a graph of Keras 3 may have the mask as a further input of the layer
        states = [state for state in states if state.dtype != bool]
        plain = plain_gates(layer, source, states, masks.get(name))
        # what float32 rounds off adds up over sequences of a thousand steps and more
        assert_gates_agree(gates, plain, 1e-5 if source.shape[1] < 300 else 1e-4)


def masks_of(model: Any, x: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What the recurrent layers see of the mask that a first Embedding or Masking makes, in models that are a row."""
    for layer in model.layers:
        if isinstance(layer, Embedding) and layer.mask_zero:
            return {one.name: x[0] != 0 for one in model.layers}
        if isinstance(layer, Masking):
            return {one.name: (x[0] != layer.mask_value).any(axis=-1) for one in model.layers}
    return {}
