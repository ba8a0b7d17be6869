"""What cannot stream is refused by the layer's name and the reason; what stands behind the answer so far can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stream_models import answers_so_far, opened, row_of, with_weights

from fastgru import Model, Sequential, layers, ops
from fastgru.layers import (
    GRU,
    LSTM,
    RNN,
    Add,
    AveragePooling1D,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Dense,
    Embedding,
    Flatten,
    GlobalMaxPooling1D,
    GRUCell,
    Input,
    Lambda,
    Layer,
    MultiHeadAttention,
    Multiply,
    PReLU,
    RepeatVector,
    Reshape,
    Softmax,
    TimeDistributed,
)
from fastgru.streaming import Sessions

RNG = np.random.default_rng(7)


class Own(Layer):
    def call(self, x: Any) -> Any:
        return x * 2


class OwnGRU(GRU):
    pass


class OwnCell(Layer):
    state_size = 3

    def call(self, x: Any, states: Any) -> Any:
        return states[0] + x[:, :3], [states[0] + x[:, :3]]


ROWS: dict[str, tuple[list[Any], str]] = {
    "Bidirectional": ([Bidirectional(GRU(3))], "reads the sequence from its end, too"),
    "backwards": ([GRU(3, go_backwards=True)], "goes backwards, from the end of the sequence"),
    "cells backwards": ([RNN(GRUCell(3), go_backwards=True)], "goes backwards, from the end of the sequence"),
    "pooling": ([AveragePooling1D(2), GRU(3)], "pools over time"),
    "all steps pooled": ([GRU(3, return_sequences=True), GlobalMaxPooling1D()], "pools over time"),
    "flat": ([GRU(3, return_sequences=True), Flatten()], "moves the steps of the sequence to another axis"),
    "reshaped": ([Reshape((3, 10)), GRU(3)], "moves the steps of the sequence to another axis"),
    "same": ([Conv1D(3, 3, padding="same")], "its padding is 'same': it looks ahead"),
    "valid": ([Conv1D(3, 3), GRU(2)], "its padding is 'valid': it looks ahead"),
    "strides": ([Conv1D(3, 3, strides=2, padding="causal")], "its strides are 2: it has no output for each step"),
    "channels": ([Conv1D(3, 2, padding="causal", data_format="channels_first")], "the steps behind the channels"),
    "padded": ([layers.ZeroPadding1D(1), GRU(2)], "its output has other steps than its input"),
    "own": ([Own()], "it is your own, and might look at any step and any row"),
    "derived": ([OwnGRU(3)], "it is your own"),
    "own behind the answer": ([GRU(3), Own()], "it is your own"),
    "Lambda": ([Lambda(lambda x: x)], "it is your own"),
    "own cell": ([RNN(OwnCell())], "its cell is your own, and runs in Python"),
    "inside": ([TimeDistributed(Own())], "of the layer 'own.*' in it it is your own"),
    "softmax": ([Softmax(axis=1)], "works along the axis of the steps"),
    "slopes": ([PReLU(), GRU(2)], "works along the axis of the steps"),
    "statistics": ([BatchNormalization(axis=1), GRU(2)], "works along the axis of the steps"),
    "groups": ([layers.GroupNormalization(1)], "is not known to need the steps so far alone"),
    "in company": ([GRU(4), layers.EinsumDense("ab,bc->ac", (2,))], "may give a row other bits in other company"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_layer_that_cannot_stream_is_refused_by_its_name(kind: str) -> None:
    row, reason = ROWS[kind]
    model = Sequential([Input((6, 5)), *row])
    with pytest.raises(ValueError, match=rf"^Sessions: the layer '\w+' \(\w+\) cannot stream: .*{reason}.*\.$"):
        Sessions(model, 2)


def graph(make: Any, *shapes: Any) -> Any:
    inputs = [Input(shape) for shape in shapes or ((6, 5),)]
    return Model(inputs if len(inputs) > 1 else inputs[0], make(*inputs))


GRAPHS: dict[str, tuple[Any, str]] = {
    "attention": (lambda: graph(lambda x: MultiHeadAttention(1, 2)(x, x)), "each step attends to all the others"),
    "initial state": (
        lambda: graph(lambda x: GRU(3)(x, initial_state=GRU(3)(x))),
        "is called with initial states",
    ),
    "returned states": (
        lambda: graph(lambda x: Dense(2)(GRU(3, return_state=True)(x)[1])),
        "takes the states that another layer returns",
    ),
    "states put out": (lambda: graph(lambda x: GRU(3, return_state=True)(x)), "puts out states of a layer"),
    "steps and answer": (
        lambda: graph(lambda x: Concatenate()([Flatten()(x), GRU(3)(x)])),
        "moves the steps of the sequence",
    ),
    "answer for each step": (
        lambda: graph(lambda x: Add()([GRU(5)(x), x])),
        "joins what there is for each step with",
    ),
    "along the steps": (lambda: graph(lambda x: Concatenate(axis=1)([x, x])), "works along the axis of the steps"),
    "a number for each step": (lambda: graph(lambda x: x + np.ones((6, 1))), "one of its operands is an array"),
    "an axis less": (
        lambda: graph(lambda x: Multiply()([Embedding(7, 5)(x), ops.cast(x, "float32")]), (5,)),
        "among which the steps would stand twice",
    ),
    "a bound for each step": (
        lambda: graph(lambda x: ops.clip(x, np.zeros((6, 5)), 1)),
        "one of its operands is an array",
    ),
    "stateful behind the answer": (
        lambda: Sequential([Input(batch_shape=(2, 6, 5)), GRU(4), RepeatVector(2), GRU(3, stateful=True)]),
        "it is stateful behind the answer so far",
    ),
    "operation": (lambda: graph(lambda x: ops.cumsum(x, axis=1)), "an operation that may join steps or rows"),
    "first step": (lambda: graph(lambda x: Dense(2)(GRU(3, return_sequences=True)(x)[:, 0])), "may join steps or rows"),
    "two inputs": (lambda: graph(lambda x, y: Add()([x, y]), (6, 5), (6, 5)), "has 2 inputs, and one alone"),
    "no sequences": (lambda: graph(Dense(3), (5,)), r"takes no sequences: expected inputs of shape"),
    "nothing": (lambda: (lambda x: Model(x, x))(Input((6, 5))), "computes nothing"),
    "texts": (lambda: Sequential([layers.TextVectorization(9, vocabulary=["a"]), Embedding(9, 2)]), "not built|texts"),
    "not built": (lambda: Sequential([GRU(3)]), "is not built yet"),
    "no model": (lambda: GRU(3), "expected a Sequential or a graph of layers"),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_model_that_cannot_stream_is_refused_in_a_sentence(kind: str) -> None:
    make, reason = GRAPHS[kind]
    with pytest.raises(ValueError, match=rf"^Sessions: [^\n]*{reason}[^\n]*\.$"):
        Sessions(make(), 2)


@pytest.mark.parametrize("other", ["model.keras", GRU(3), None], ids=["path", "layer", "none"])
def test_what_is_no_model_is_refused_with_the_way(other: Any) -> None:
    with pytest.raises(ValueError, match="load_model opens a file, and a layer goes into a Sequential"):
        Sessions(other, 2)


def test_a_model_with_a_call_is_refused() -> None:
    class OwnModel(Model):
        def call(self, x: Any) -> Any:
            return x

    model = OwnModel()
    model(np.zeros((1, 2, 3)))
    with pytest.raises(ValueError, match="got OwnModel, whose steps run in Python"):
        Sessions(model, 1)


# --- what can ---------------------------------------------------------------------------------------------------------


def two_branches(x: Any) -> Any:
    h = Conv1D(5, 3, padding="causal", activation="relu")(x)
    return Dense(2)(Concatenate()([GRU(4)(Add()([x, h])), LSTM(3)(h)]))


def with_operations(x: Any) -> Any:
    h = GRU(4, return_sequences=True)(ops.relu(x * 2 - 1))
    return Dense(2)((h + h * 0.5)[:, -1])


def of_words(x: Any) -> Any:
    return Dense(2)(GRU(4)(Embedding(7, 5)(x), mask=ops.not_equal(x, 0)))


def nested(x: Any) -> Any:
    inner = Sequential([Input((None, 5)), GRU(6, return_sequences=True), Dense(5)])
    entry = Input((None, 5))
    return Dense(3)(LSTM(3)(Model(entry, Add()([inner(entry), entry]))(x)))


STREAMS: dict[str, Any] = {
    "branches": lambda: graph(two_branches, (None, 5)),
    "operations": lambda: graph(with_operations, (None, 5)),
    "models inside": lambda: graph(nested, (None, 5)),
    "a state that nobody reads": lambda: graph(lambda x: Dense(2)(GRU(3, return_state=True)(x)[0]), (None, 5)),
    "a decoder": lambda: row_of(GRU(4), RepeatVector(3), LSTM(5, return_sequences=True), TimeDistributed(Dense(2))),
    "Bidirectional behind": lambda: row_of(GRU(8), Reshape((2, 4)), Bidirectional(GRU(3)), Dense(2)),
    "pooling behind": lambda: row_of(GRU(12), Reshape((6, 2)), Conv1D(3, 2), GlobalMaxPooling1D(), Dense(2)),
    "gates in numpy": lambda: row_of(GRU(7, activation="softmax"), Dense(2)),
    "no recurrence": lambda: row_of(Dense(4, activation="relu"), Dense(2)),
    "a kernel of one step": lambda: row_of(Conv1D(4, 1, padding="valid"), GRU(3)),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_what_needs_the_steps_so_far_alone_streams(kind: str) -> None:
    model = with_weights(STREAMS[kind]())
    x = RNG.normal(size=(3, 7, 5)).astype("float32")
    sessions = Sessions(model, 3)
    ids = opened(sessions, 3)
    answers = [sessions.step(ids, x[:, :2]), sessions.step(ids, x[:, 2])[:, None], sessions.step(ids, x[:, 3:])]
    np.testing.assert_allclose(np.concatenate(answers, axis=1), answers_so_far(model, x), atol=2e-6)


def test_a_mask_of_a_graph_streams() -> None:
    model = with_weights(graph(of_words, (None,)))
    x = RNG.integers(0, 7, (3, 8))
    sessions = Sessions(model, 3)
    ids = opened(sessions, 3)
    answers = np.stack([sessions.step(ids, x[:, step]) for step in range(8)], axis=1)
    np.testing.assert_allclose(answers, answers_so_far(model, x), atol=1e-6)


def test_a_length_that_the_model_fixed_does_not_end_a_session() -> None:
    model, free = row_of(GRU(4), Dense(2), shape=(3, 5)), row_of(GRU(4), Dense(2))
    x = RNG.normal(size=(1, 9, 5))
    sessions = Sessions(model, 1)
    np.testing.assert_allclose(sessions.step(sessions.open(), x)[:, -1], free.predict(x, verbose=0), atol=1e-6)


def test_a_stateful_model_streams_any_number_of_sessions() -> None:
    model = with_weights(Sequential([Input(batch_shape=(2, None, 5)), GRU(4, stateful=True), Dense(3)]))
    model.predict(RNG.normal(size=(2, 3, 5)), verbose=0)  # leaves states in the layer
    x = RNG.normal(size=(5, 4, 5))
    sessions, free = Sessions(model, 5), row_of(GRU(4), Dense(3))
    np.testing.assert_allclose(sessions.step(opened(sessions, 5), x), answers_so_far(free, x), atol=1e-6)


def test_sessions_say_where_their_steps_run(route: str) -> None:
    if route == "layers":
        pytest.skip("nobody says so where a test chooses the route")
    quick, slow = row_of(GRU(3), Dense(2)), row_of(GRU(3), layers.UnitNormalization(name="unit"))
    sessions, others = Sessions(quick, 9), Sessions(slow, 9)
    sessions.open()
    assert sessions.in_python is None
    assert repr(sessions) == f"<Sessions of {quick.name!r}: 1 of 9 open, steps in the kernels>"
    reason = "the kernels do not step the layer 'unit' (UnitNormalization)"
    assert others.in_python == reason
    assert repr(others) == f"<Sessions of {slow.name!r}: 0 of 9 open, steps in Python: {reason}>"
