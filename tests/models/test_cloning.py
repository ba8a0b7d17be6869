"""A clone is a model of the same layers, with everything that has a state made anew."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

from fastgru import losses, metrics, optimizers
from fastgru.layers import GRU, Concatenate, Dense, Dropout, Embedding, Input, Layer
from fastgru.models import Functional, Model, Sequential, clone_model, model_from_json


class Doubled(Layer):
    """A class that is registered nowhere."""

    def forward(self, call: Any, *inputs: Any) -> Any:
        return inputs[0] * 2

    def backward(self, call: Any, *d_outputs: Any) -> Any:
        return d_outputs[0] * 2


def row() -> Any:
    return Sequential([Input((4, 3), name="x"), GRU(3, name="gru"), Doubled(name="twice"), Dense(2, name="dense")])


def graph() -> Any:
    """Two inputs, a layer called twice, an initial state, operations, a mask, a model inside."""
    a, ids = Input((4, 3), name="a"), Input((4,), dtype="int32", name="ids")
    words = Embedding(5, 3, mask_zero=True, name="words")(ids)
    sequence, state = GRU(3, return_sequences=True, return_state=True, name="gru")(a, initial_state=words[:, 0])
    shared = Dense(3, name="shared")
    both = Concatenate(name="both")([shared(sequence) + 1, shared(words) / 2])
    inner = Sequential([Input((4, 6)), GRU(2, name="inner_gru")], name="inner")
    return Model({"a": a, "ids": ids}, (inner(both), Doubled(name="twice")(state)), name="graph")


MODELS = {"row": row, "graph": graph}


def data_of(model: Any, rng: np.random.Generator) -> Any:
    a, ids = rng.normal(size=(6, 4, 3)), rng.integers(0, 5, (6, 4))
    return {"a": a, "ids": ids} if isinstance(model, Functional) else a


def listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple) else [outputs]


@pytest.mark.parametrize("way", [clone_model, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("name", MODELS)
def test_a_copy_computes_the_same_with_the_same_weights(name: str, way: Any, rng: np.random.Generator) -> None:
    model = MODELS[name]()
    again, x = way(model), data_of(model, rng)
    if way is clone_model:
        assert not np.allclose(listed(again(x))[0], listed(model(x))[0])
        again.set_weights(model.get_weights())
    assert type(again(x)) is type(model(x))
    for ours, theirs in zip(listed(again(x)), listed(model(x)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.get_config() == model.get_config()
    assert not {*map(id, again.weights)} & {*map(id, model.weights)}


@pytest.mark.parametrize("optimizer", ["adam", optimizers.SGD(0.3, momentum=0.5)])
def test_a_clone_is_compiled_anew_as_the_model_was(optimizer: Any, rng: np.random.Generator) -> None:
    def own_loss(y_true: Any, y_pred: Any) -> Any:
        return (y_true - y_pred) ** 2

    model, x, y = row(), rng.normal(size=(6, 4, 3)), rng.normal(size=(6, 2))
    model.compile(optimizer, losses.MeanSquaredError(), metrics=[metrics.MeanAbsoluteError(), own_loss])
    model.fit(x, y, verbose=0)
    again = clone_model(model)
    assert again.optimizer is not model.optimizer and again.optimizer.iterations == 0
    assert again.optimizer.get_config() == model.optimizer.get_config()
    again.set_weights(model.get_weights())
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    assert not clone_model(row()).compiled


def test_layers_are_made_by_the_clone_function(rng: np.random.Generator) -> None:
    def changed(layer: Layer, **options: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), **(options if isinstance(layer, Dense) else {})})

    assert clone_model(row(), clone_function=lambda layer: changed(layer, units=7)).output_shape == (None, 7)
    again = clone_model(graph(), clone_function=lambda layer: changed(layer, activation="relu"))
    assert again.get_layer("shared").activation.name == "relu" and len(again.get_layer("shared").nodes) == 2
    shared = clone_model(graph(), clone_function=lambda layer: layer)
    assert shared.input["a"].name == "a"


def test_a_call_function_puts_layers_between() -> None:
    def with_dropout(layer: Any, *args: Any, **kwargs: Any) -> Any:
        outputs = layer(*args, **kwargs)
        return Dropout(0.5)(outputs) if isinstance(layer, Dense) else outputs

    again = clone_model(graph(), call_function=with_dropout)
    assert sum(isinstance(layer, Dropout) for layer in again.layers) == 2
    with pytest.raises(ValueError, match="call_function is for graphs"):
        clone_model(row(), call_function=with_dropout)


def test_models_inside_are_cloned_layer_by_layer_where_it_is_asked_for() -> None:
    def renamed(layer: Any) -> Any:
        return type(layer).from_config({**layer.get_config(), "name": f"new_{layer.name}"})

    assert [layer.name for layer in clone_model(graph(), clone_function=renamed).get_layer("new_inner").layers] == [
        "inner_gru"
    ]
    again = clone_model(graph(), clone_function=renamed, recursive=True)
    assert [layer.name for layer in again.get_layer("inner").layers] == ["new_inner_gru"]


@pytest.mark.parametrize("name", MODELS)
def test_a_clone_is_drawn_on_tensors_that_are_there(name: str) -> None:
    x = Input((4, 3), name="other")
    tensors = {"a": x, "ids": Input((4,), dtype="int32")} if name == "graph" else x
    again = clone_model(MODELS[name](), input_tensors=tensors)
    assert again.inputs[0].name == "other"
    with pytest.raises(ValueError, match="input_tensors"):
        clone_model(MODELS[name](), input_tensors=[x, x, x])


def test_a_tuple_of_outputs_stays_one(rng: np.random.Generator) -> None:
    model = graph()
    x = data_of(model, rng)
    assert [type(outputs) for outputs in (model(x), model.predict(x, verbose=0))] == [tuple, tuple]
    again = Functional.from_config(model.get_config(), {"Doubled": Doubled})
    assert type(again(x)) is tuple
    text = model.to_json()
    from_text = model_from_json(text, {"Doubled": Doubled})
    assert type(from_text(x)) is list  # as in Keras: JSON has no tuples
    assert from_text.to_json() == text


def test_a_named_tuple_of_outputs_stays_one(rng: np.random.Generator) -> None:
    both = namedtuple("Both", ["first", "second"])
    x = Input((4, 3))
    model = Model(x, both(GRU(2)(x), Dense(1)(x)))
    outputs = model.predict(rng.normal(size=(2, 4, 3)), verbose=0)
    assert type(outputs) is both and outputs.second.shape == (2, 4, 1)


@pytest.mark.parametrize("nest", [lambda x: x, lambda x: [x], lambda x: [[x]], lambda x: {"a": x}])
def test_a_text_comes_back_as_it_was(nest: Any) -> None:
    x = Input((3,), name="x")
    model = Model(nest(x), nest(Dense(2)(x)))
    assert model_from_json(model.to_json()).to_json() == model.to_json()


def test_what_a_dict_holds_beside_the_inputs_draws_a_warning(rng: np.random.Generator) -> None:
    model = graph()
    x = {**data_of(model, rng), "more": np.ones(6)}
    reason = "x has an entry 'more', which is left out; the model's inputs are a, ids"
    with pytest.warns(UserWarning, match=reason) as seen:
        model.predict(x, verbose=0)
    assert seen[0].filename == __file__
