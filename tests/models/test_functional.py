"""Graphs of layers: drawn, run, differentiated, trained, described, and refused where they are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_checks import gradients_hold, random_weights

import fastgru
from fastgru.layers import GRU, Activation, Add, Concatenate, Dense, Dropout, Embedding, Input, Layer, Masking
from fastgru.layers.symbolic import SymbolicTensor
from fastgru.layers.workspace import Call
from fastgru.models import Functional, Model, Sequential
from fastgru.operations.operation import operation
from fastgru.registry import deserialize_layer

F64 = {"dtype": "float64"}
STEPS, FEATURES = 4, 3


def everything_at_once(**options: Any) -> Any:
    """Two inputs, two outputs, a layer called twice, a model inside called twice, an initial state, operations."""
    a, b = Input((STEPS, FEATURES), name="a", **F64), Input((4,), name="b", **F64)
    sequence, state = GRU(4, return_sequences=True, return_state=True, **F64)(a, initial_state=b)
    shared = Dense(4, name="shared", **F64, **options)
    x = shared(sequence) + sequence
    y = GRU(4, **F64)(x, initial_state=shared(state))
    inner = Sequential([Input((4,), **F64), Dense(3, activation="tanh", **F64)], name="inner")
    return Model([a, b], [inner(y * 2 - 1), 1 - inner(x[:, -1, :])])


def two_in_one() -> Any:
    """A graph inside a graph, with two inputs and outputs, called twice."""
    a, b = Input((FEATURES,), **F64), Input((FEATURES,), **F64)
    both = Add(**F64)([Dense(4, **F64)(a), Dense(4, **F64)(b)]) * b[:, :1]
    inner = Model([a, b], [both, Dense(2, activation="tanh", **F64)(both)])
    x, y = Input((FEATURES,), **F64), Input((FEATURES,), **F64)
    first, second = inner([x, y])
    third, _ = inner([y, x])
    return Model([x, y], [Concatenate(**F64)([first, third]), second])


def data_for(model: Any, rng: np.random.Generator, rows: int = 3) -> list[Any]:
    return [rng.normal(size=(rows, *tensor.shape[1:])) for tensor in model.inputs]


# --- gradients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [everything_at_once, two_in_one])
def test_gradients_agree_with_central_differences(program: Any, rng: np.random.Generator) -> None:
    model = program()
    model.set_weights(random_weights(model, rng))
    gradients_hold(model, rng, *data_for(model, rng))


@pytest.mark.parametrize(
    "draw",
    [
        lambda x, y: x + y[:, :1],
        lambda x, y: x - y,
        lambda x, y: (2.0 - x) * y[:, 0:1, :1] * np.array([1.0, 2.0, 3.0]),
        lambda x, y: x / (y * y + 1) + 1 / (x * x + 1),
        lambda x, y: (x * x + 1) ** y + 2**x + x**3,
        lambda x, y: abs(-x) * y,
        lambda x, y: x[:, 1:, None] * y[..., 1:, ::2, None],
        lambda x, y: operation("Concatenate")(axis=1)([x, y, x]),
        lambda x, y: operation("Maximum")()(x, y) + operation("Minimum")()(x, 0.1),
        lambda x, y: operation("Tanh")()(x) + operation("Exp")()(y) + operation("Square")()(y),
        lambda x, y: operation("Log")()(x * x + 1) + operation("Sqrt")()(y * y + 1),
        lambda x, y: operation("Transpose")(axes=(0, 2, 1))(x) * operation("Transpose")(axes=(0, -1, 1))(y),
        lambda x, y: operation("Squeeze")(axis=1)(operation("ExpandDims")(axis=1)(x)) * y,
        lambda x, y: operation("Reshape")(newshape=(-1, 6, 2))(x) * y[:, :1, :1],
        lambda x, y: operation("Sum")(axis=(1, -1))(x) + operation("Mean")(axis=1)(y)[:, 0],
        lambda x, y: operation("Mean")(axis=None, keepdims=True)(x) + operation("Max")(axis=2, keepdims=True)(y),
        lambda x, y: operation("Min")(axis=1)(x) * operation("Cast")(dtype="float64")(y)[:, 0],
        lambda x, y: operation("Sin")()(x) + operation("Cos")()(y) + operation("Clip")()(x, -0.5, 0.5),
        lambda x, y: (
            operation("Stack")(axis=1)([x, x * x]) * operation("Tile")(repeats=(1, 2, 1))(y[:, :1, :1])[:, :, None]
        ),
        lambda x, y: operation("Where")()(x > 0, x, 2 * x) * y,
    ],
)
def test_gradients_of_operations_agree_with_central_differences(draw: Any, rng: np.random.Generator) -> None:
    x, y = Input((STEPS, FEATURES), **F64), Input((STEPS, FEATURES), **F64)
    model = Model([x, y], draw(x, y))
    data = data_for(model, rng)
    (spec,) = model.compute_output_spec(*(SymbolicTensor(array.shape, "float64") for array in data))
    assert model.forward(Call(), *data).shape == spec[0]
    assert model.output_shape[1:] == spec[0][1:]
    gradients_hold(model, rng, *data)


@pytest.mark.parametrize(
    "draw",
    [
        lambda sequence, words: operation("Sum")(axis=1)(sequence),
        lambda sequence, words: operation("Mean")(axis=2)(sequence),
        lambda sequence, words: operation("Transpose")(axes=(0, 2, 1))(sequence),
        lambda sequence, words: operation("Concatenate")(axis=2)([sequence, sequence]),
        lambda sequence, words: sequence * words[:, :, None],
        lambda sequence, words: operation("Cast")(dtype="float64")(sequence),
    ],
    ids=["sum", "mean", "transpose", "concatenate", "integers", "cast"],
)
def test_layers_learn_before_an_operation(draw: Any, rng: np.random.Generator) -> None:
    x, words = Input((STEPS, FEATURES)), Input((STEPS,), dtype="int32")
    model = Model([x, words], draw(GRU(2, return_sequences=True)(x), words))
    model.compile("sgd", "mse")
    data = [rng.normal(size=(3, STEPS, FEATURES)), rng.integers(1, 9, (3, STEPS))]
    before = model.get_weights()
    model.train_on_batch(data, np.zeros((3, *(size or 1 for size in model.output_shape[1:]))))
    for old, new in zip(before, model.get_weights(), strict=True):
        assert (old != new).any()


def test_gradients_behind_masks_agree_with_central_differences(rng: np.random.Generator) -> None:
    x, words = Input((STEPS, FEATURES), **F64), Input((STEPS,), dtype="int32")
    y = GRU(4, return_sequences=True, **F64)(Masking(**F64)(x))
    model = Model([x, words], GRU(2, **F64)(Dropout(0.5, **F64)(y), mask=words > 0))
    data, others = data_for(model, rng)
    data[1, 2:] = 0
    gradients_hold(model, rng, data, others.astype("int32"))


def test_activity_penalties_of_all_applications_add_up(rng: np.random.Generator) -> None:
    model = everything_at_once(activity_regularizer="l2")
    data = data_for(model, rng)
    call = Call()
    model.forward(call, *data)
    shared = model.get_layer("shared")
    outputs = Model(model.inputs, [node.outputs[0] for node in shared.nodes]).forward(Call(), *data)
    expected = sum(0.01 * np.sum(output**2) / len(output) for output in outputs)
    assert call.penalty == pytest.approx(expected)


def test_a_penalty_is_differentiated_where_nothing_else_is(rng: np.random.Generator) -> None:
    x = Input((FEATURES,), **F64)
    inner = Sequential(
        [Input((FEATURES,), **F64), Dense(2, activity_regularizer="l2", **F64), Activation("tanh", **F64)]
    )
    model = Model(x, [inner(x), Dense(2, **F64)(x)])
    (data,) = data_for(model, rng)
    for weight in model.weights:
        weight.gradient = np.zeros_like(weight.value)
    call = Call(differentiate=True)
    model.forward(call, data)
    model.backward(call, None, np.ones((3, 2)))
    kernel = inner.layers[0].kernel
    np.testing.assert_allclose(kernel.gradient, 0.02 * data.T @ (data @ kernel.value) / len(data))


class Watched(Layer):
    """Passes everything on and tells what its backward pass was asked for."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.needs_gradient: list[bool] = []

    def forward(self, call: Call, *inputs: Any) -> Any:
        return inputs[0]

    def backward(self, call: Call, *d_outputs: Any) -> Any:
        self.needs_gradient.append(call.input_gradient)
        return d_outputs[0]


@pytest.mark.parametrize("needs_gradient", [False, True])
def test_backward_goes_only_where_somebody_learns_or_asks(needs_gradient: bool, rng: np.random.Generator) -> None:
    before, between, beside = Watched(), Watched(), Watched()
    x = Input((FEATURES,))
    y = between(Dense(2)(before(x)))
    z = beside(Dense(2, trainable=False)(x))
    model = Model(x, Dense(2)(y + z))
    for weight in model.weights:
        weight.gradient = np.zeros_like(weight.value)
    call = Call(differentiate=True)
    call.input_gradient = needs_gradient
    model.forward(call, rng.normal(size=(4, FEATURES)).astype("float32"))
    result = model.backward(call, np.ones((4, 2), "float32"))
    assert (before.needs_gradient, between.needs_gradient, beside.needs_gradient) == (
        [True] * needs_gradient,
        [True],
        [True] * needs_gradient,
    )
    assert (result is None) != needs_gradient


# --- running ----------------------------------------------------------------------------------------


def test_a_chain_does_what_a_sequential_does(rng: np.random.Generator) -> None:
    layers = [GRU(5, return_sequences=True), Dropout(0.3), GRU(4), Dense(3, activation="softmax")]
    x = tensor = Input((STEPS, FEATURES))
    for layer in layers:
        tensor = layer(tensor)
    graph = Model(x, tensor)
    row = Sequential([Input((STEPS, FEATURES)), *(type(layer).from_config(layer.get_config()) for layer in layers)])
    row.set_weights(graph.get_weights())
    data, labels = rng.normal(size=(50, STEPS, FEATURES)), rng.integers(0, 3, 50)
    histories = []
    for model in (graph, row):
        fastgru.utils.set_random_seed(1)
        model.compile("adam", "sparse_categorical_crossentropy")
        histories.append(model.fit(data, labels, epochs=2, verbose=0).history)
    assert histories[0] == histories[1]
    np.testing.assert_array_equal(graph.predict(data, verbose=0), row.predict(data, verbose=0))


def test_several_inputs_and_outputs_are_trained_and_evaluated(rng: np.random.Generator) -> None:
    model = everything_at_once()
    data = data_for(model, rng, 40)
    targets = [array / 2 for array in model.predict(data, verbose=0)]
    model.compile("adam", ["mse", "mse"])
    before = model.evaluate(data, targets, verbose=0)[0]
    model.fit(data, targets, epochs=5, verbose=0)
    assert model.evaluate(data, targets, verbose=0)[0] < before


def test_applications_of_one_layer_keep_their_own_numbers(rng: np.random.Generator) -> None:
    shared = Dense(4)
    x, y = Input((FEATURES,)), Input((FEATURES,))
    model = Model([x, y], [shared(x), shared(y), shared(x)])
    a, b = (rng.normal(size=(5, FEATURES)).astype("float32") for _ in range(2))
    for result, array in zip(model([a, b]), (a, b, a), strict=True):
        np.testing.assert_array_equal(result, shared(array))


def test_inputs_and_outputs_may_be_dicts(rng: np.random.Generator) -> None:
    x, y = Input((FEATURES,), name="x"), Input((FEATURES,), name="y")
    model = Model({"y": y, "x": x}, {"sum": x + y, "difference": x - y})
    a, b = (rng.normal(size=(5, FEATURES)).astype("float32") for _ in range(2))
    for result in (model.predict({"x": a, "y": b}, verbose=0), model({"y": b, "x": a})):
        np.testing.assert_array_equal(result["sum"], a + b)
        np.testing.assert_array_equal(result["difference"], a - b)
    drawn = model({"x": Input((FEATURES,)), "y": Input((FEATURES,))})
    assert sorted(drawn) == ["difference", "sum"]


def test_an_input_that_a_dict_leaves_out_is_told(rng: np.random.Generator) -> None:
    a, b = Input((2,), name="a"), Input((2,), name="b")
    model = Model([a, b], a + b)
    with pytest.raises(ValueError, match=r"x: expected an entry for the input 'b', got \['a'\]"):
        model.predict({"a": np.ones((3, 2))})


def test_a_model_without_call_and_forward_is_told_what_to_write() -> None:
    class Without(Model):
        pass

    with pytest.raises(AttributeError, match=r"Without .* has no input_shape: a model with a call takes inputs of any"):
        Without()(np.ones((3, 2)))


def test_data_become_what_the_inputs_and_layers_compute_on(rng: np.random.Generator) -> None:
    words, x = Input((STEPS,), dtype="int32"), Input((STEPS, 2), dtype="float64")
    model = Model([words, x], Concatenate()([Embedding(9, 2)(words), Dense(2)(x)]))
    data = [rng.integers(0, 9, (5, STEPS)).astype("float64"), rng.normal(size=(5, STEPS, 2)).astype("float32")]
    result = model.predict(data, verbose=0)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result[..., :2], model.layers[-3](data[0]))


def test_masks_go_with_the_tensors_and_out_of_the_model(rng: np.random.Generator) -> None:
    words = Input((STEPS,), dtype="int32")
    embedded = Embedding(9, 3, mask_zero=True)(words)
    sequence = GRU(4, return_sequences=True)(embedded)
    model = Model(words, [sequence, GRU(2)(sequence), embedded + 0])
    data = np.array([[1, 2, 0, 0], [3, 0, 4, 5]], dtype=np.int32)
    call = Call()
    outputs = model.forward(call, data)
    carried, *others = model.outgoing_mask(call, data)
    np.testing.assert_array_equal(carried, data != 0)
    assert others == [None, None]
    state = data[:1, :2]  # what counts of the first row
    for layer in model.layers[1:]:
        state = layer(state)
    np.testing.assert_allclose(outputs[1][:1], state, rtol=0, atol=1e-6)


def test_a_mask_given_by_hand_takes_the_place_of_the_carried_one(rng: np.random.Generator) -> None:
    x, mask = Input((STEPS, FEATURES)), Input((STEPS,), dtype="bool")
    gru = GRU(4)
    model = Model([x, mask], gru(Masking()(x), mask=mask))
    data, mask = rng.normal(size=(5, STEPS, FEATURES)).astype("float32"), rng.random((5, STEPS)) < 0.5
    np.testing.assert_array_equal(model.predict([data, mask], verbose=0), gru(data, mask=mask))


@pytest.mark.parametrize(
    "draw",
    [
        lambda x, y: GRU(4)(x, initial_state=operation("Reshape")(newshape=(-1, 4))(y)),
        lambda x, y: GRU(4)(x, mask=operation("Reshape")(newshape=(-1, 2))(y) > 0),
    ],
    ids=["state", "mask"],
)
def test_what_only_the_numbers_tell_does_not_reach_the_kernels(draw: Any, rng: np.random.Generator) -> None:
    x, y = Input((None, FEATURES)), Input((8,))
    model = Model([x, y], draw(x, y))
    with pytest.raises(ValueError, match="gru"):
        model.predict([rng.normal(size=(3, STEPS, FEATURES)), rng.normal(size=(3, 8))], verbose=0)


def test_a_graph_may_be_long() -> None:
    x = tensor = Input((2,))
    for number in range(1500):
        tensor = Activation("linear", name=f"a{number}")(tensor)
    model = Model(x, tensor)
    again = deserialize_layer(model.serialized())
    np.testing.assert_array_equal(again(np.ones((1, 2))), model(np.ones((1, 2))))


# --- looking inside ---------------------------------------------------------------------------------


def test_a_model_of_the_middle_of_another(rng: np.random.Generator) -> None:
    whole = Sequential([Input((STEPS, FEATURES)), GRU(4, name="gru"), Dense(2, name="dense")])
    data = rng.normal(size=(5, STEPS, FEATURES)).astype("float32")
    state = Model(whole.input, whole.get_layer("gru").output)
    np.testing.assert_array_equal(state(data), whole.layers[0](data))
    head = Model(whole.get_layer("gru").output, whole.output)
    np.testing.assert_array_equal(head(state(data)), whole(data))
    assert head.weights == whole.layers[1].weights
    assert whole.layers[1].input is whole.layers[0].output
    assert whole.outputs == [whole.output]


def test_a_layer_in_two_models_is_counted_once() -> None:
    x = Input((3,))
    inner = Model(x, Dense(3, name="shared")(x))
    model = Model(x, inner.get_layer("shared")(inner(x)))
    assert len(model.weights) == len(model.trainable_weights) == 2
    assert model.count_params() == 12


def test_get_layer_and_summary_tell_of_the_graph() -> None:
    model = everything_at_once()
    assert model.get_layer("shared") is model.get_layer(index=3)
    texts: list[str] = []
    model.summary(print_fn=texts.append, line_length=120)
    assert "gru[0][0], gru[0][1]" in texts[0]
    assert [layer.name for layer in model.layers] == ["a", "b", "gru", "shared", "gru_1", "inner"]


def test_model_of_inputs_and_outputs_is_a_functional() -> None:
    x = Input((3,), name="x")
    assert type(Model(inputs=x, outputs=x + 1)) is Functional
    assert Model(x, x + 1).input_names == ["x"]

    class Own(Model):
        extra = 5

    own = Own(x, x + 1)
    assert isinstance(own, Own) and isinstance(own, Functional)
    assert own.extra == 5
    assert own(np.ones((2, 3))).tolist() == [[2, 2, 2]] * 2


# --- what is refused --------------------------------------------------------------------------------


def test_arrays_stay_arrays(rng: np.random.Generator) -> None:
    assert isinstance(Dense(2)(np.ones((1, 3))), np.ndarray)
    with pytest.raises(ValueError, match="either these or arrays"):
        Concatenate()([Input((3,)), np.ones((1, 3))])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda x: Model(x, Dense(2)(Input((3,), name="other"))), "also depend on the input 'other'"),
        (lambda x: Model(x, Dense(2, name="q")(Dense(2, name="q")(x))), "2 layers have the name 'q'"),
        (lambda x: Model(np.ones(3), Dense(2)(x)), "expected inputs to be symbolic tensors"),
        (lambda x: Model(x, []), "expected outputs to be symbolic tensors"),
        (lambda x: [layer := Dense(2), layer(x), layer(Input((4,)))], r"expected input of shape \(batch, ..., 3\)"),
        (lambda x: Dense(2)(x, x), "expected one input, got 2"),
        (lambda x: GRU(4)(Input((7, 3)), initial_state=x), "expected one initial state"),
        (lambda x: x + Input((4,)), "does not fit inputs of shapes"),
        (lambda x: x[:, 7], "get_item"),
        (lambda x: x[:, "a"], "expected numbers, got str 'a'"),
        (lambda x: operation("Sum")(axis=4)(x), "there is no axis 4"),
        (lambda x: Sequential([Input((4,)), Dense(2)])(x), r"expected input of shape \(None, 4\)"),
        (lambda x: Model([x, Input((2,))], x)(x), "expected 2 inputs, got 1"),
    ],
)
def test_what_is_no_graph_is_told(draw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(Input((3,)))


def test_a_symbolic_tensor_holds_no_numbers() -> None:
    x = Input((3,), name="x")
    for wrong in (lambda: bool(x), lambda: list(x)):
        with pytest.raises(TypeError, match="holds no numbers"):
            wrong()
    assert x in {x}
    with pytest.raises(AttributeError, match="stands in no graph"):
        _ = Dense(2).output


def damaged(change: Any) -> Any:
    x = Input((3,), name="x")
    form = Model(x, Dense(2, name="two")(Dense(3, name="one")(x)), name="m").serialized()
    one, two = form["config"]["layers"][1:]
    change(form["config"], one, two)
    return form


def history(layer: Any) -> list[Any]:
    result: list[Any] = layer["inbound_nodes"][0]["args"][0]["config"]["keras_history"]
    return result


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config, one, two: config.pop("layers"), "expected a config with layers"),
        (lambda config, one, two: config.update(layers=["x"]), "expected a layer with class_name and config"),
        (lambda config, one, two: config.update(output_layers=3), r"expected an input or output as \[layer"),
        (lambda config, one, two: config.update(output_layers=[["three", 0, 0]]), "layer 'three' has no output 0"),
        (lambda config, one, two: history(one).__setitem__(0, "two"), "stand in a circle"),
        (lambda config, one, two: history(one).__setitem__(1, 5), "has no output 0 of a call 5"),
        (lambda config, one, two: one.update(inbound_nodes=[3]), "expected a call with args"),
        (lambda config, one, two: one["inbound_nodes"][0].update(kwargs={"scale": 2}), "cannot be called as"),
        (lambda config, one, two: two.update(class_name="Dens"), "did you mean 'Dense'"),
    ],
)
def test_a_config_that_describes_no_graph_is_told(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deserialize_layer(damaged(change))
