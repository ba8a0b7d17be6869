"""NaN and ids are told where a layer would compute with them, and only there."""

from __future__ import annotations

import warnings
from typing import Any

import h5py
import numpy as np
import pytest

import fastgru
from fastgru import layers
from fastgru.layers import GRU, Dense, Embedding, Input, Layer, Masking
from fastgru.models import Model, Sequential
from fastgru.optimizers import SGD

N, T, F = 20, 5, 3
BAD = 13, 4, 1  # where the first bad number is


class Imputing(Layer):
    """Zeros in the place of NaN."""

    def forward(self, call: Any, *inputs: Any) -> Any:
        return np.nan_to_num(inputs[0])

    def backward(self, call: Any, *d_outputs: Any) -> Any:
        return d_outputs[0]


def inputs(rng: np.random.Generator, value: float = np.nan, dtype: str = "float32") -> np.ndarray:
    x = rng.normal(size=(N, T, F)).astype(dtype)
    x[BAD] = value
    x[17] = value
    return x


class ImputingModel(Model):
    """With a call of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.dense = GRU(2), Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(self.gru(fastgru.ops.nan_to_num(inputs)))


def compiled(model: Any) -> Any:
    model.compile("sgd", "mse")
    return model


def row(*first: Layer) -> Any:
    return compiled(Sequential([Input((T, F)), *first, GRU(2), Dense(1)]))


Y = np.zeros((N, 1), "float32")
RUNS: dict[str, Any] = {
    "fit": lambda model, x: model.fit(x, Y, 4, verbose=0),
    "fit in order": lambda model, x: model.fit(x, Y, 4, verbose=0, shuffle=False),
    "validation": lambda model, x: model.fit(x[:4], Y[:4], 4, verbose=0, validation_data=(x, Y)),
    "evaluate": lambda model, x: model.evaluate(x, Y, 4, verbose=0),
    "train_on_batch": lambda model, x: model.train_on_batch(x, Y),
    "test_on_batch": lambda model, x: model.test_on_batch(x, Y),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("arrange", [np.asarray, np.asfortranarray, lambda x: x.astype(">f8"), lambda x: x[:, ::-1]])
def test_nan_that_a_layer_would_compute_with_is_refused_with_its_place(
    rng: np.random.Generator, run: Any, arrange: Any
) -> None:
    model = row()
    before = model.get_weights()
    with pytest.raises(
        ValueError, match=r"^x: expected numbers, got 16 NaN; drop or mend .* is sample 13 at \(\d, 1\)"
    ):
        run(model, arrange(inputs(rng)))
    assert all(map(np.array_equal, before, model.get_weights()))


@pytest.mark.parametrize(("value", "words"), [(np.inf, "16 infinite"), (-np.inf, "16 infinite")])
def test_infinity_is_refused_and_large_numbers_are_not(rng: np.random.Generator, value: float, words: str) -> None:
    with pytest.raises(ValueError, match=rf"x: expected numbers, got {words}; drop or mend those samples"):
        row().evaluate(inputs(rng, value), Y, verbose=0)
    mixed = inputs(rng, value)
    mixed[2, 2, 2] = np.nan
    with pytest.raises(ValueError, match=rf"x: expected numbers, got 1 NaN and {words}; .* sample 2 at \(2, 2\)"):
        row().evaluate(mixed, Y, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row().evaluate(inputs(rng, 1e30), Y, verbose=0)  # whose square is infinite


def test_nan_in_a_file_is_refused_with_its_batch(rng: np.random.Generator, tmp_path: Any) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = inputs(rng)
        for shuffle in (True, False):
            with pytest.raises(ValueError, match=r"x: expected numbers, got .* NaN; .* the first is sample 1[37] at"):
                row().fit(file["x"], Y, 4, verbose=0, shuffle=shuffle)
    with pytest.raises(ValueError, match=r"Batch 1 of the generator: x: .* the first is sample 3 at \(4, 1\)"):
        row().fit(((x, y) for x, y in zip(inputs(rng).reshape(2, 10, T, F), Y.reshape(2, 10, 1), strict=True)))


@pytest.mark.parametrize(
    "model",
    [
        lambda: row(Imputing()),
        lambda: row(Sequential([Input((T, F)), Imputing()])),
        lambda: row(layers.TimeDistributed(Imputing())),
        lambda: row(layers.Lambda(fastgru.ops.nan_to_num)),
        lambda: compiled(ImputingModel()),
    ],
)
def test_a_layer_of_ones_own_may_put_something_in_its_place(rng: np.random.Generator, model: Any) -> None:
    assert np.isfinite(model().fit(inputs(rng), Y, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("first", [Masking, lambda: layers.Dropout(0.1), lambda: layers.Bidirectional(GRU(2)),
                                   lambda: Sequential([Input((T, F)), layers.Conv1D(2, 1)])])  # fmt: skip
def test_a_layer_of_ours_does_not(rng: np.random.Generator, first: Any) -> None:
    model = Sequential([Input((T, F)), first(), layers.Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="x: expected numbers, got 16 NaN"):
        model.fit(inputs(rng), Y, verbose=0)


def test_in_a_graph_what_reads_an_input_decides(rng: np.random.Generator) -> None:
    a, b = Input((T, F), name="a"), Input((T, F), name="b")
    mended = Imputing()(a)
    x, fine = inputs(rng), rng.normal(size=(N, T, F))
    model = Model([a, b], Dense(1)(layers.Concatenate()([GRU(2)(mended), GRU(2)(b)])))
    model.compile("sgd", "mse")
    assert np.isfinite(model.evaluate([x, fine], Y, verbose=0))
    with pytest.raises(ValueError, match="x, input 'b': expected numbers, got 16 NaN"):
        model.evaluate([x, x], Y, verbose=0)
    both = Model(a, Dense(1)(layers.Concatenate()([GRU(2)(mended), GRU(2)(a)])))
    both.compile("sgd", "mse")
    with pytest.raises(ValueError, match="x: expected numbers, got 16 NaN"):
        both.evaluate(x, Y, verbose=0)


def test_steps_that_a_mask_leaves_out_may_be_nan(rng: np.random.Generator) -> None:
    a, mask = Input((T, F), name="a"), Input((T,), name="mask", dtype="bool")
    model = Model([a, mask], Dense(1)(GRU(2)(a, mask=mask)))
    model.compile("sgd", "mse")
    x = inputs(rng)
    x[17] = 1
    counts = np.isfinite(x).all(axis=-1)
    assert np.isfinite(model.evaluate([x, counts], Y, verbose=0))
    assert np.isfinite(model.fit([x, counts], Y, verbose=0).history["loss"]).all()


def test_a_prediction_of_nan_is_nan_as_in_keras(rng: np.random.Generator) -> None:
    predicted = row().predict(inputs(rng), verbose=0)
    assert np.isnan(predicted[[13, 17]]).all()
    assert np.isfinite(np.delete(predicted, [13, 17], axis=0)).all()


# --- targets and weights ----------------------------------------------------------------------------


def test_infinite_weights_are_refused_as_nan_is_and_infinite_targets_make_an_infinite_loss() -> None:
    x = np.ones((N, T, F), "float32")
    bad = Y.copy()
    bad[3] = np.inf
    assert np.isinf(row().evaluate(x, bad, verbose=0))
    with pytest.raises(ValueError, match=r"^sample_weight: expected numbers, got 1 infinite; .* is sample 3\."):
        row().fit(x, Y, sample_weight=bad[:, 0], verbose=0)


# --- ids --------------------------------------------------------------------------------------------


def ids(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 1000, shape)


@pytest.mark.parametrize(
    "model",
    [
        lambda: Sequential([Input((T, 1)), GRU(2), Dense(1)]),
        lambda: Sequential([Input((T,)), Dense(1)]),
        lambda: Sequential([Input((T, 1)), layers.Bidirectional(GRU(2)), Dense(1)]),
        lambda: Sequential([Input((T, 1)), Sequential([layers.Conv1D(2, 2)]), GRU(2), Dense(1)]),
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_ids_that_go_into_a_layer_with_weights_draw_one_warning(
    rng: np.random.Generator, model: Any, dtype: str
) -> None:
    network = model()
    network.compile(SGD(0.0), "mse")
    x = ids(rng, N, T).astype(dtype)
    x[0, 0] = 999
    words = r"x: whole numbers up to 999 go into \w+ '\w+' as they are; where they are ids, .* an Embedding before it"
    with pytest.warns(UserWarning, match=words) as warned:
        network.fit(x, Y, 4, epochs=3, verbose=0)
    assert [warning.filename for warning in warned] == [__file__]
    with pytest.warns(UserWarning, match="put an Embedding before it") as warned:
        network.fit((batch, Y[:4]) for batch in x.reshape(5, 4, T))
    assert [warning.filename for warning in warned] == [__file__]


def no_ids(rng: np.random.Generator) -> dict[str, tuple[Sequential, np.ndarray]]:
    embedded, counted = (
        Sequential([Embedding(1000, 2), GRU(2), Dense(1)]),
        Sequential([Input((T, 1)), GRU(2), Dense(1)]),
    )
    scaled = Sequential([Input((T, 1)), layers.Rescaling(1 / 1000), GRU(2), Dense(1)])
    x = ids(rng, N, T)
    return {
        "embedded": (embedded, x),
        "floats": (counted, x.astype("float32")),
        "flags": (counted, x % 2),
        "pixels": (counted, x.astype("uint8")),
        "of both signs": (counted, x - 500),
        "scaled": (scaled, x),
    }


@pytest.mark.parametrize("case", ["embedded", "floats", "flags", "pixels", "of both signs", "scaled"])
def test_other_numbers_draw_none(rng: np.random.Generator, case: str) -> None:
    model, x = no_ids(rng)[case]
    model.compile("sgd", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(x, Y, verbose=0)
