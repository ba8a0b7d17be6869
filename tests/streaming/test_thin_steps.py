"""What the kernels step by themselves is what the layers compute, and a step makes nothing but its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import instruction_sets
import numpy as np
import pytest

from fastgru import Sequential, models, ops
from fastgru.layers import (
    ELU,
    GRU,
    LSTM,
    Activation,
    ActivityRegularization,
    Add,
    AlphaDropout,
    Average,
    BatchNormalization,
    Concatenate,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    Input,
    LayerNormalization,
    LeakyReLU,
    Masking,
    Maximum,
    Minimum,
    Multiply,
    Normalization,
    Permute,
    PReLU,
    ReLU,
    Rescaling,
    Reshape,
    SimpleRNN,
    Softmax,
    SpatialDropout1D,
    Subtract,
    TimeDistributed,
)
from fastgru.streaming import Sessions

FEATURES = 5


@pytest.fixture
def route() -> None:
    """Both routes, in each test."""


@pytest.fixture(params=instruction_sets.each, autouse=True)
def isa(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the kernels of each instruction set of this machine."""
    with instruction_sets.running(request.param):
        yield


def random_weights(model: Any, rng: Any) -> Any:
    for weight in model.weights:
        numbers = rng.normal(size=weight.shape) * 0.4
        weight.assign(np.abs(numbers) + 0.1 if "variance" in weight.name else numbers)
    return model


def row(*layers: Any, dtype: str = "float32") -> Any:
    return Sequential([Input((None, FEATURES), dtype=dtype), *layers])


def branches() -> Any:
    inputs = Input((None, FEATURES))
    one, other = GRU(6, return_sequences=True)(inputs), Dense(6, activation="tanh")(inputs)
    joined = Concatenate()([Add()([one, other, one]), inputs])
    return models.Model(inputs, Dense(3)(joined))


def merged(*, gate: int = 6) -> Any:
    inputs = Input((None, FEATURES))
    one, other, third = GRU(6, return_sequences=True)(inputs), Dense(6)(inputs), Dense(gate, "sigmoid")(inputs)
    parts = [Multiply()([third, one, other]), Subtract()([other, third]), Average()([one, other, third])]
    return models.Model(inputs, Concatenate()([*parts, Maximum()([one, third, other]), Minimum()([third, other])]))


def masked_branches() -> Any:
    inputs = Input((None, FEATURES))
    one, other = Masking()(inputs), Masking(0.5)(inputs)
    alike = Add()([one, GRU(FEATURES, return_sequences=True)(one)])
    either = Concatenate()([alike, other])
    none = Average()([LSTM(FEATURES, return_sequences=True)(one), inputs])
    joined = Concatenate()([GRU(3, return_sequences=True)(each) for each in (alike, either, none)])
    return models.Model(inputs, SimpleRNN(4)(joined))


def masked_by_operation() -> Any:
    inputs = Input((None,), dtype="int32")
    return models.Model(inputs, GRU(5)(Embedding(9, 4)(inputs), mask=ops.not_equal(inputs, 0)))


def words(mask_zero: bool) -> Any:
    return Sequential(
        [Input((None,), dtype="int32"), Embedding(9, 4, mask_zero=mask_zero), GRU(5, return_sequences=True), LSTM(3)]
    )


def normalization() -> Any:
    layer = Normalization(mean=np.arange(5.0), variance=np.arange(1.0, 6.0))
    return row(layer, GRU(4))


MODELS: dict[str, Callable[[], Any]] = {
    "gru": lambda: row(GRU(8)),
    "gru of many units": lambda: row(GRU(50, activation="relu", recurrent_activation="hard_sigmoid")),
    "gru before": lambda: row(GRU(19, reset_after=False, return_sequences=True), GRU(3, reset_after=False)),
    "no bias": lambda: row(GRU(7, use_bias=False, return_sequences=True), GRU(3, use_bias=False, reset_after=False)),
    "lstm": lambda: row(LSTM(17, return_sequences=True), LSTM(4, use_bias=False)),
    "simple": lambda: row(SimpleRNN(6, return_sequences=True), SimpleRNN(33)),
    "head": lambda: row(GRU(8), Dense(7, activation="gelu"), Dense(3, activation="softmax")),
    "time distributed": lambda: row(TimeDistributed(Dense(4, activation="silu")), GRU(3)),
    "masking of each step": lambda: row(TimeDistributed(Masking()), GRU(3)),
    "masking around another": lambda: row(Masking(), TimeDistributed(Masking(0.5)), GRU(3)),
    "activations": lambda: row(Activation("mish"), Dense(6), ReLU(), Activation("softmax")),
    "causal": lambda: row(Conv1D(7, 3, padding="causal", dilation_rate=2, activation="relu"), Conv1D(4, 1), GRU(5)),
    "affine": lambda: row(Rescaling(0.3, 0.1), GRU(6, return_sequences=True), BatchNormalization(), Dense(2)),
    "normalization": normalization,
    "layer normalization": lambda: row(
        GRU(21, return_sequences=True), LayerNormalization(), LayerNormalization(scale=False, center=False), Dense(2)
    ),
    "masking": lambda: row(Masking(), LSTM(4, return_sequences=True), GRU(3, return_sequences=True), SimpleRNN(2)),
    "zero output": lambda: row(Masking(), GRU(4, return_sequences=True, zero_output_for_mask=True), Dense(2)),
    "nothing in between": lambda: row(Dropout(0.5), GRU(4, return_sequences=True), GaussianNoise(1.0), Dense(2)),
    "branches": branches,
    "merged": merged,
    "merged with one number": lambda: merged(gate=1),
    "masks in branches": masked_branches,
    "a mask by an operation": masked_by_operation,
    "normalized answers": lambda: row(GRU(6), BatchNormalization(axis=1), Flatten(), Dense(2), Softmax()),
    "rectified": lambda: row(
        ReLU(max_value=0.7),
        LeakyReLU(0.3),
        Dense(7, "leaky_relu"),
        Activation("leaky_relu"),
        ReLU(negative_slope=0.3, threshold=0.1),
        PReLU(shared_axes=[1]),
        ReLU(6.0, 0.1),
        GRU(4),
        PReLU(),
        ReLU(threshold=0.2),
    ),
    "nothing of many kinds": lambda: row(
        SpatialDropout1D(0.3), AlphaDropout(0.2), GRU(4), Reshape((4,)), ActivityRegularization(l2=0.1), Permute((1,))
    ),
    "words": lambda: words(False),
    "masked words": lambda: words(True),
    "double": lambda: row(GRU(9, return_sequences=True, dtype="float64"), Dense(2, dtype="float64"), dtype="float64"),
}


def inputs_of(model: Any, rng: Any, k: int, n: int) -> Any:
    if model.inputs[0].shape[2:] == ():
        return rng.integers(0, 9, (k, n))
    x = rng.normal(size=(k, n, FEATURES)).astype(model.input_dtype)
    x[rng.random((k, n)) < 0.2] = 0  # which a masking leaves out
    x[rng.random((k, n)) < 0.2] = 0.5  # which another does
    return x


class BothRoutes:
    """Sessions of one model, stepped by the kernels alone and layer by layer."""

    def __init__(self, model: Any, count: int) -> None:
        self.sessions = [Sessions(model, count), Sessions(model, count)]
        self.ids = [[one.open() for _ in range(count)] for one in self.sessions]
        assert self.sessions[0]._passes.stream() is not None
        self.sessions[1]._passes.stream = lambda: None  # type: ignore[method-assign]

    def step(self, rows: Any, x: Any) -> list[Any]:
        return [one.step([ids[row] for row in rows], x) for one, ids in zip(self.sessions, self.ids, strict=True)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("k", [1, 3, 70])
def test_the_kernels_answer_what_the_layers_do(name: str, k: int, rng: Any) -> None:
    model = random_weights(MODELS[name](), rng)
    both = BothRoutes(model, k)
    for n in (1, 1, 4):
        x, rows = inputs_of(model, rng, k, n), rng.permutation(k)
        compiled, layers = both.step(rows, x if n > 1 else x[:, 0])
        np.testing.assert_array_equal(compiled, layers)
    x = inputs_of(model, rng, 1, 3)
    compiled, layers = both.step([0], x)
    np.testing.assert_array_equal(compiled, layers)


def test_what_the_kernels_do_not_know_goes_through_the_layers() -> None:
    for layer in (LayerNormalization(rms_scaling=True), Activation("log_softmax"), ELU(alpha=0.1)):
        assert Sessions(row(layer), 1)._passes.stream() is None


def two_tables() -> Any:
    inputs = Input((None,), dtype="int32")
    return models.Model(inputs, GRU(3)(Concatenate()([Embedding(9, 4)(inputs), Embedding(12, 2)(inputs)])))


@pytest.mark.parametrize("build", [two_tables, lambda: row(GRU(4), *[Dense(3) for _ in range(300)])])
def test_more_than_a_plan_of_the_kernels_has_goes_through_the_layers(build: Any, rng: Any) -> None:
    model = random_weights(build(), rng)
    sessions, x = Sessions(model, 2), inputs_of(model, rng, 2, 3)
    answers = sessions.step([sessions.open(), sessions.open()], x)
    np.testing.assert_allclose(answers[:, -1], model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_a_session_has_the_same_bits_in_any_company(name: str, rng: Any) -> None:
    model = random_weights(MODELS[name](), rng)
    x = inputs_of(model, rng, 70, 6)
    alone, company = Sessions(model, 70), Sessions(model, 70)
    first = [alone.open() for _ in range(70)]
    ids = np.array([company.open() for _ in range(70)])
    expected = np.concatenate([alone.step([one], x[i : i + 1]) for i, one in enumerate(first)])
    order = rng.permutation(70)
    for rows in np.split(order, [1, 3, 6, 11, 20, 45]):  # row counts of whole tiles and of less
        steps = [company.step(ids[rows], x[rows, :1]), company.step(ids[rows], x[rows, 1:])]
        np.testing.assert_array_equal(np.concatenate(steps, axis=1), expected[rows])
