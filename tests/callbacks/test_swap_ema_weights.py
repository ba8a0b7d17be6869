"""`SwapEMAWeights` evaluates the running means of the weights, as Keras's does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_training import half, inputs, small

import fastgru
from fastgru.callbacks import Callback, ModelCheckpoint, SwapEMAWeights
from fastgru.optimizers import SGD, LossScaleOptimizer


def test_validation_is_that_of_the_means_and_training_that_of_the_weights(rng: np.random.Generator) -> None:
    x, y, histories = inputs(rng), half(rng), []
    seen: list[np.ndarray] = []

    class Look(Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            seen.append(self.model.get_weights()[0])

    for swap in ([], [SwapEMAWeights(), Look()]):
        fastgru.utils.set_random_seed(1)
        model = small(optimizer=SGD(0.5, use_ema=True, ema_momentum=0.9))
        histories.append(model.fit(x, y, epochs=3, verbose=0, validation_data=(x, y), callbacks=swap).history)
    plain, swapped = histories
    assert plain["loss"] == swapped["loss"]
    assert all(one != other for one, other in zip(plain["val_loss"][1:], swapped["val_loss"][1:], strict=True))
    # behind the training the means are the weights
    assert swapped["val_loss"][-1] == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-6)
    np.testing.assert_array_equal(seen[-1], model.get_weights()[0])


def test_a_checkpoint_behind_it_saves_the_means(tmp_path: Any, rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model = small(optimizer=LossScaleOptimizer(SGD(0.5, use_ema=True)))
    saves = ModelCheckpoint(tmp_path / "{epoch}.keras")
    model.fit(x, y, epochs=2, verbose=0, callbacks=[SwapEMAWeights(swap_on_epoch=True), saves])
    saved = fastgru.models.load_model(tmp_path / "2.keras")
    for one, other in zip(saved.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_predict_leaves_the_weights_as_they_were(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model = small(optimizer=SGD(0.5, use_ema=True))
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    before, plain = model.get_weights(), model.predict(x, verbose=0)
    assert not np.array_equal(model.predict(x, verbose=0, callbacks=[SwapEMAWeights()]), plain)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_optimizer_without_means_is_an_error(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    with pytest.raises(ValueError, match="SwapEMAWeights must be used when `use_ema=True` is set"):
        small().fit(x, y, verbose=0, validation_data=(x, y), callbacks=[SwapEMAWeights()])


@pytest.mark.keras
@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_the_history_is_that_of_keras(keras: Any, rng: np.random.Generator, swap_on_epoch: bool) -> None:
    x, y, results = inputs(rng), half(rng), []
    for library in (fastgru, keras):
        layers, kernel = library.layers, library.initializers.Constant(0.1)
        dense = layers.Dense(1, activation="sigmoid", kernel_initializer=kernel)
        model = library.Sequential([layers.Input(x.shape[1:]), layers.Flatten(), dense])
        model.compile(library.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.8), "binary_crossentropy")
        fit = {"batch_size": 11, "epochs": 3, "verbose": 0, "validation_data": (x, y), "shuffle": False}
        swap = library.callbacks.SwapEMAWeights(swap_on_epoch)
        history = model.fit(x, y, callbacks=[swap], **fit).history
        results.append([*history["loss"], *history["val_loss"], *np.ravel(model.get_weights()[0])])
    np.testing.assert_allclose(*results, rtol=1e-5)
