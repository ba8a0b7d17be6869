"""Sequences of unequal length are computed as each of them alone, and as Keras computes them padded and masked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import layers
from fastgru.callbacks import Callback
from fastgru.layers import GRU, Dense, Embedding, Input
from fastgru.models import Model, Sequential

N, F = 50, 3


def sequences(rng: np.random.Generator, features: int = F) -> list[np.ndarray]:
    return [rng.normal(size=(length, features)).astype("float32") for length in rng.integers(1, 30, N)]


def padded(arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All in one array, and their mask."""
    longest = max(map(len, arrays))
    x = np.stack([np.pad(array, [(0, longest - len(array)), *[(0, 0)] * (array.ndim - 1)]) for array in arrays])
    return x, np.arange(longest) < np.array([*map(len, arrays)])[:, None]


ROWS: dict[str, Any] = {
    "gru": lambda: [GRU(4)],
    "deep": lambda: [GRU(4, return_sequences=True), layers.LayerNormalization(), layers.LSTM(3)],
    "bidirectional": lambda: [layers.Bidirectional(GRU(4)), layers.Dropout(0.5)],
    "pooled": lambda: [GRU(4, return_sequences=True), layers.GlobalAveragePooling1D()],
    "simple": lambda: [Dense(4, activation="tanh"), layers.SimpleRNN(3)],
    "reset before": lambda: [GRU(4, reset_after=False, recurrent_dropout=0.2)],
}


def built(name: str, *last: Any, loss: str = "mse") -> Sequential:
    model = Sequential([Input((None, F)), *ROWS[name](), *(last or [Dense(2)])])
    model.compile("adam", loss, metrics=["mae"])
    return model


@pytest.mark.parametrize("name", ROWS)
def test_each_is_predicted_as_if_it_were_alone_and_in_its_place(rng: np.random.Generator, name: str) -> None:
    model, x = built(name), sequences(rng)
    expected = np.concatenate([model(array[None]) for array in x])
    for size in (None, 1, 7, 100):
        np.testing.assert_allclose(model.predict(x, size, verbose=0), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(x, 8, steps=2, verbose=0), expected[:16], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ROWS)
def test_loss_and_metrics_are_those_of_the_single_sequences(rng: np.random.Generator, name: str) -> None:
    model, x, y, weight = built(name), sequences(rng), rng.normal(size=(N, 2)), rng.random(N)
    expected = [model.test_on_batch(a[None], b[None], w[None]) for a, b, w in zip(x, y, weight, strict=True)]
    np.testing.assert_allclose(
        model.evaluate(x, y, 8, sample_weight=weight, verbose=0), np.mean(expected, axis=0), rtol=1e-4
    )


class Sizes(Callback):
    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Any] = []

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.outputs += list(logs["outputs"])


def test_outputs_for_every_step_are_a_list(rng: np.random.Generator) -> None:
    model = Sequential([Input((None, F)), GRU(4, return_sequences=True), Dense(2)])
    x, watcher = sequences(rng), Sizes()
    for outputs in (model.predict(x), model.predict(x, 8, callbacks=[watcher])):
        for array, output in zip(x, outputs, strict=True):
            np.testing.assert_allclose(output, model(array[None])[0], rtol=1e-5, atol=1e-6)
    assert [len(output) for output in watcher.outputs] == sorted(map(len, x))


def test_a_model_of_several_outputs_gives_each(rng: np.random.Generator) -> None:
    inputs = Input((None, F))
    steps, last = GRU(4, return_sequences=True, return_state=True)(inputs)
    model = Model(inputs, {"steps": steps, "last": Dense(2)(last)})
    x = sequences(rng)
    outputs = model.predict(x)
    for index, array in enumerate(x):
        alone = model(array[None])
        alone = dict(zip(model.output_names, alone, strict=True)) if isinstance(alone, list) else alone
        np.testing.assert_allclose(outputs["steps"][index], alone["steps"][0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(outputs["last"][index], alone["last"][0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", [list, lambda ids: np.array(ids, dtype=object)])
def test_ids_train_as_an_array_of_objects(rng: np.random.Generator, form: Any) -> None:
    ids = form([rng.integers(1, 20, length).tolist() for length in rng.integers(1, 9, N)])
    model = Sequential([Embedding(20, 4, mask_zero=True), GRU(3), Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    y = np.array([len(sequence) > 4 for sequence in ids])
    history = model.fit(ids, y, 8, 12, verbose=0, validation_split=0.2).history
    assert history["loss"][-1] < history["loss"][0]
    np.testing.assert_allclose(model.predict(ids)[7], model(np.array([ids[7]]))[0], rtol=1e-5)


# --- Keras ------------------------------------------------------------------------------------------


def weights_of(rng: np.random.Generator, model: Any) -> list[np.ndarray]:
    return [rng.normal(size=weight.shape).astype("float32") / 3 for weight in model.get_weights()]


@pytest.mark.keras
@pytest.mark.parametrize("every_step", [False, True])
def test_training_is_kerass_on_the_same_batches_padded_and_masked(
    keras: Any, rng: np.random.Generator, every_step: bool
) -> None:
    x = sequences(rng)
    shape = (2,) if every_step else ()
    y = [rng.normal(size=(len(array), *shape) if every_step else 2).astype("float32") for array in x]
    ours = Sequential([Input((None, F)), GRU(4, return_sequences=every_step), Dense(2)])
    row = [keras.layers.GRU(4, return_sequences=every_step), keras.layers.Dense(2)]
    theirs = keras.Sequential([keras.layers.Input((None, F)), keras.layers.Masking(9.0), *row])
    weights = weights_of(rng, ours)
    losses = []
    for model in (ours, theirs):
        model.set_weights(weights)
        model.compile("sgd" if model is ours else keras.optimizers.SGD(), "mse", metrics=["mae"])
    history = ours.fit(x, y if every_step else np.stack(y), 8, 2, shuffle=False, verbose=0).history
    for _ in range(2):
        parts = []
        for start in range(0, N, 8):
            batch, mask = padded(x[start : start + 8])
            batch[~mask] = 9.0
            targets = padded(y[start : start + 8])[0] if every_step else np.stack(y[start : start + 8])
            theirs.reset_metrics()
            parts.append(len(batch) * np.array(theirs.train_on_batch(batch, targets)[:1], float))
        losses.append(sum(parts)[0] / N)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# --- training ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_the_same_seed_gives_the_same_bits(rng: np.random.Generator, shuffle: Any) -> None:
    x, y, results = sequences(rng), rng.normal(size=(N, 2)), []
    for _ in range(2):
        fastgru.utils.set_random_seed(1)
        model = built("deep")
        history = model.fit(x, y, 8, 2, shuffle=shuffle, validation_data=(x, y), verbose=0).history
        results.append([history, *model.get_weights()])
    assert results[0][0] == results[1][0]
    assert all(map(np.array_equal, results[0][1:], results[1][1:]))


def test_a_training_that_was_stopped_goes_on(rng: np.random.Generator, tmp_path: Any) -> None:
    x, y, results = sequences(rng), rng.normal(size=(N, 2)), []
    for parts in ([4], [2, 4]):
        fastgru.utils.set_random_seed(1)
        folder = tmp_path / str(len(parts))
        for epochs in parts:
            model = built("deep")
            history = model.fit(x, y, 8, epochs, verbose=0, resume=folder).history
        results.append([history, *model.get_weights()])
    assert results[0][0] == results[1][0]
    assert all(map(np.array_equal, results[0][1:], results[1][1:]))


def test_weights_and_targets_may_have_a_number_for_every_step(rng: np.random.Generator) -> None:
    x = sequences(rng)
    model = Sequential([Input((None, F)), GRU(4, return_sequences=True), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    y = [rng.integers(0, 3, len(array)) for array in x]
    weight = [rng.random(len(array)) for array in x]
    array, mask = padded(x)
    one = model.evaluate(x, y, N, sample_weight=weight, verbose=0)
    call = model._acquired_call(masks=(mask,))
    probabilities = np.array(model.forward(call, array))
    model._release(call)
    picked = -np.log(np.take_along_axis(probabilities, padded(y)[0][..., None], -1)[..., 0])
    assert one == pytest.approx((picked * padded(weight)[0])[mask].sum() / mask.sum(), rel=1e-4)
    assert model.fit(x, y, 8, 3, sample_weight=weight, verbose=0).history["loss"]


def test_a_generator_may_give_lists_of_them(rng: np.random.Generator) -> None:
    x, y = sequences(rng), rng.normal(size=(N, 2))

    def batches() -> Iterator[Any]:
        for start in range(0, N, 8):
            yield x[start : start + 8], y[start : start + 8]

    results = []
    for data in ((batches(),), (x, y, 8)):
        fastgru.utils.set_random_seed(1)
        model = built("gru")
        results.append([model.fit(*data, shuffle=False, verbose=0).history, *model.get_weights()])
    assert results[0][0] == results[1][0]
    assert all(map(np.array_equal, results[0][1:], results[1][1:]))
    np.testing.assert_allclose(built("gru").evaluate(batches(), verbose=0)[0], 1, atol=5)
    with pytest.raises(ValueError, match="predict: expected arrays, got nested lists of unequal lengths; predict all"):
        model.predict(batches())


# --- refusals ---------------------------------------------------------------------------------------

READS_PADDING = "are padded and masked, but a layer of this one reads padded steps as well"


class Unmasked(layers.Layer):
    """A layer of one's own that hands no mask on."""

    def forward(self, call: Any, *inputs: Any) -> Any:
        return inputs[0]

    def outgoing_mask(self, call: Any, *inputs: Any) -> None:
        return None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (lambda: [Input((None, F)), layers.Conv1D(4, 3, padding="same"), GRU(2)], READS_PADDING),
        (lambda: [Input((None, F)), layers.GlobalMaxPooling1D(), Dense(2)], READS_PADDING),
        (lambda: [Input((None, F)), Unmasked(), GRU(2)], READS_PADDING),
        (lambda: [Input((None, F)), layers.Masking(9.0), GRU(2)], READS_PADDING),
        (lambda: [Input((29, F)), GRU(2)], r"takes any number of steps; this one has the input shape \(None, 29, 3\)"),
        (
            lambda: [Input((None, F + 1)), GRU(2)],
            r"expected input of shape \(None, None, 4\), got nested .* \(50, \d+, 3\)",
        ),
        (lambda: [Input(batch_shape=(10, None, F)), GRU(2, stateful=True)], "is stateful and takes no nested lists"),
    ],
)
@pytest.mark.parametrize("run", ["predict", "fit"])
def test_a_model_that_cannot_take_them_says_so(rng: np.random.Generator, row: Any, message: str, run: str) -> None:
    model = Sequential(row())
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.predict(sequences(rng)) if run == "predict" else model.fit(sequences(rng), np.ones((N, 2)), verbose=0)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_other_places_take_no_lists_of_unequal_lengths(rng: np.random.Generator) -> None:
    x, model = sequences(rng), built("gru")
    with pytest.raises(ValueError, match="y: expected an array, or sequences as long as those in x, got nested lists"):
        model.fit(x, x[::-1], verbose=0)
    with pytest.raises(ValueError, match="y: expected an array, or sequences as long as those in x, got nested lists"):
        model.fit(np.ones((N, 4, F)), x, verbose=0)
    with pytest.raises(ValueError, match="got nested lists of unequal lengths; give those to fit or predict"):
        model(x)
    a, b = Input((None, F)), Input((2,))
    two = Model([a, b], layers.Concatenate()([GRU(2)(a), b]))
    with pytest.raises(ValueError, match="expected arrays as its 2 inputs, got nested lists of unequal lengths"):
        two.predict([x, np.ones((N, 2))])
    with pytest.raises(ValueError, match="class_weight: expected one label per sample"):
        model.fit(x, [array[:, 0] for array in x], class_weight={0: 2.0}, verbose=0)


class Reader(Model):
    """A model of one's own, with one output for each sequence or one for each step."""

    def __init__(self, return_sequences: bool) -> None:
        super().__init__()
        self.gru, self.dense = GRU(4, return_sequences=return_sequences), Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.dense(self.gru(inputs))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_model_of_ones_own_takes_them(rng: np.random.Generator, return_sequences: bool) -> None:
    model, x = Reader(return_sequences), sequences(rng)
    model.compile("adam", "mse")
    shapes = [(len(array), 2) if return_sequences else (2,) for array in x]
    y: Any = [rng.normal(size=shape).astype("float32") for shape in shapes]
    model.fit(x, y if return_sequences else np.stack(y), epochs=2, verbose=0)
    for prediction, array in zip(model.predict(x, verbose=0), x, strict=True):
        np.testing.assert_allclose(prediction, np.asarray(model(array[None]))[0], rtol=1e-5, atol=1e-6)


def test_a_layer_of_ones_own_that_hands_the_mask_on_takes_them(rng: np.random.Generator) -> None:
    class Doubled(layers.Layer):
        supports_masking = True

        def call(self, inputs: Any) -> Any:
            return inputs * 2

    model, x = Sequential([Input((None, F)), Doubled(), GRU(4)]), sequences(rng)
    expected = np.concatenate([model(array[None]) for array in x])
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
