"""What utils returns goes into fit, evaluate and predict: windows, texts from files, old generators, parts of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru import layers, models, utils
from fastgru.preprocessing.sequence import TimeseriesGenerator


def forecaster() -> Any:
    model = models.Sequential([layers.Input((4, 2)), layers.GRU(3), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("cached", [False, True])
def test_windows_train_as_the_same_arrays_do(rng, cached: bool) -> None:
    series = rng.normal(size=(40, 2)).astype("float32")
    dataset = utils.timeseries_dataset_from_array(series[:-4], series[4:, 0], 4, batch_size=8)
    if cached:
        dataset = dataset.cache().prefetch(2)
    x, y = (np.concatenate(parts) for parts in zip(*dataset, strict=True))
    model, twin = forecaster(), forecaster()
    twin.set_weights(model.get_weights())
    history = model.fit(dataset, epochs=2, validation_data=dataset.take(2), verbose=0).history
    expected = twin.fit(x, y, batch_size=8, epochs=2, shuffle=False, validation_data=(x[:16], y[:16]), verbose=0)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(history[name], expected.history[name], rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(dataset, verbose=0), twin.evaluate(x, y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(model.predict(dataset, verbose=0), twin.predict(x, verbose=0), rtol=1e-4, atol=1e-6)


def test_a_shuffled_data_set_trains_in_another_order_each_epoch(rng) -> None:
    orders: list[list[int]] = []

    def seen(x: Any, y: Any) -> Any:
        orders.append(y[:, 0].astype(int).tolist())
        return x, y

    data = np.stack([rng.normal(size=20), np.arange(20)], axis=1)
    windows = utils.timeseries_dataset_from_array(data, data[:, 1:], 4, batch_size=17, shuffle=True, seed=2)
    forecaster().fit(windows.map(seen), epochs=2, verbose=0)
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(17))
    assert orders[0] != orders[1]


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    for number in range(12):
        file = tmp_path / ("good" if number % 2 else "bad") / f"{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text("a good film" if number % 2 else "a bad, bad film")
    return tmp_path


@pytest.mark.parametrize("inside", [True, False])
def test_texts_in_files_train_a_model_that_takes_texts_and_one_behind_a_map(reviews: Path, inside: bool) -> None:
    texts = utils.text_dataset_from_directory(reviews, batch_size=4, seed=1, verbose=False)
    words = layers.TextVectorization(output_sequence_length=5)
    words.adapt(texts.map(lambda x, y: x))
    assert words.get_vocabulary()[:4] == ["", "[UNK]", "film", "bad"]
    rest = [layers.Embedding(9, 4, mask_zero=True), layers.GRU(4), layers.Dense(1, "sigmoid")]
    if inside:
        model = models.Sequential([layers.Input((1,), dtype="string"), words, *rest])
        dataset = texts
    else:
        model = models.Sequential(rest)
        dataset = texts.map(lambda x, y: (words(x), y))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(dataset, epochs=60, validation_data=dataset, verbose=0).history
    assert history["val_accuracy"][-1] == 1
    assert model.predict(dataset.map(lambda x, y: x), verbose=0).shape == (12, 1)


def test_old_generators_train(rng) -> None:
    data = rng.normal(size=(30, 2))
    windows = TimeseriesGenerator(data, data[:, :1], 4, batch_size=8)
    model = forecaster()
    history = model.fit(windows, epochs=2, verbose=0).history
    assert len(history["loss"]) == 2
    assert model.predict(windows, verbose=0).shape == (26, 1)


def test_both_parts_of_a_split_are_batched_and_trained_on(rng) -> None:
    x, y = rng.normal(size=(30, 4, 2)), rng.normal(size=(30, 1))
    training, validation = utils.split_dataset((x, y), 0.8, shuffle=True, seed=1)
    history = forecaster().fit(training.batch(8), validation_data=validation.batch(8), verbose=0).history
    assert set(history) == {"loss", "val_loss"}


def test_a_layer_that_measures_takes_a_data_set(rng) -> None:
    series = rng.normal(5, 2, size=(40, 2)).astype("float32")
    layer = layers.Normalization()
    layer.adapt(utils.timeseries_dataset_from_array(series, series, 1, batch_size=7))
    np.testing.assert_allclose(np.ravel(layer.mean), series.mean(axis=0), rtol=1e-4)
