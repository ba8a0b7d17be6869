"""MultiOptimizer: real Keras in training and in files; gradients by hand; callbacks; what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import fastgru
from fastgru import optimizers
from fastgru.callbacks import LearningRateScheduler, ReduceLROnPlateau, SwapEMAWeights
from fastgru.optimizers import SGD, Adam, LossScaleOptimizer, MultiOptimizer, OptimizerMap


def by_map(library):
    of = library.optimizers
    first = of.AdamW(0.02, weight_decay=0.1, clipnorm=0.5)
    return of.OptimizerMap(of.RMSprop(0.01), {".*gru/.*kernel": first, ".*/bias": of.SGD(0.1, momentum=0.9)})


def by_function(library):
    of = library.optimizers
    first, second = of.Adam(0.01, use_ema=True), of.SGD(0.1, gradient_accumulation_steps=2)
    return lambda weight: first if "gru" in weight.path else second


def model(library, chooser, **options):
    layers = library.layers
    gru = layers.GRU(3, name="gru", bias_initializer="ones")
    rows = library.Sequential([layers.Input((4, 2)), gru, layers.Dense(2, name="dense"), layers.Dense(1, name="last")])
    rows.compile(library.optimizers.MultiOptimizer(chooser(library), **options), "mse")
    return rows


def data(rng):
    return rng.normal(size=(12, 4, 2)).astype("float32"), rng.normal(size=(12, 1)).astype("float32")


@pytest.mark.keras
@pytest.mark.parametrize("chooser", [by_map, by_function])
def test_training_is_that_of_keras(keras, rng, chooser) -> None:
    (x, y), ours, theirs = data(rng), model(fastgru, chooser), model(keras, chooser, loss_scale_factor=8.0)
    ours.set_weights(theirs.get_weights())
    losses = [one.fit(x, y, 4, 5, verbose=0, shuffle=False).history["loss"] for one in (ours, theirs)]
    np.testing.assert_allclose(*losses, atol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert [one.shape for one in ours.optimizer.variables] == [one.shape for one in theirs.optimizer.variables]
    assert [int(one.iterations) for one in ours.optimizer.optimizers] == [
        int(one.iterations) for one in theirs.optimizer.optimizers
    ]
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations)


@pytest.mark.keras
def test_training_goes_on_from_files_of_either(keras, rng, tmp_path) -> None:
    (x, y), theirs = data(rng), model(keras, by_map)
    theirs.fit(x, y, 4, 2, verbose=0, shuffle=False)
    theirs.save(tmp_path / "theirs.keras")
    ours = fastgru.models.load_model(tmp_path / "theirs.keras")
    for _ in range(2):
        losses = [one.fit(x, y, 4, 2, verbose=0, shuffle=False).history["loss"] for one in (ours, theirs)]
        np.testing.assert_allclose(*losses, atol=1e-5)
        ours.save(tmp_path / "ours.keras")
        theirs = keras.models.load_model(tmp_path / "ours.keras")
    form = optimizers.serialize(ours.optimizer)
    assert keras.optimizers.serialize(theirs.optimizer) == form
    assert optimizers.serialize(optimizers.deserialize(form)) == form


def test_a_function_comes_back_through_custom_objects() -> None:
    def chosen(weight):
        raise NotImplementedError

    form = optimizers.serialize(MultiOptimizer(chosen))
    assert optimizers.deserialize(form, {"chosen": chosen})._optimizer_map is chosen
    with pytest.raises(ValueError, match="the map is the function 'chosen'; hand it over in custom_objects"):
        optimizers.deserialize(form)


def test_gradients_by_hand_are_unscaled_once_and_each_weight_has_its_rate() -> None:
    first, second, rest = (fastgru.Variable([2.0, 2.0], name=name) for name in ("first", "second", "rest"))
    map_of_names = OptimizerMap(SGD(0.0), {"first": SGD(0.1, loss_scale_factor=3.0)})
    map_of_names["sec.*"] = SGD(1.0)
    optimizer = MultiOptimizer(map_of_names, loss_scale_factor=5.0)
    assert float(optimizer.scale_loss(2.0)) == 10
    optimizer.apply([np.full(2, 5.0)] * 3, [first, second, rest])
    for weight, number in ((first, 1.9), (second, 1), (rest, 2)):
        np.testing.assert_allclose(weight, number)
    assert [int(one.iterations) for one in (optimizer, *optimizer.optimizers)] == [1, 1, 1, 1]
    scaling = LossScaleOptimizer(optimizer, initial_scale=10.0)
    assert optimizer.loss_scale_factor is None and optimizer.optimizers[0].loss_scale_factor is None
    scaling.apply([np.full(2, 10.0)] * 3, [first, second, rest])
    np.testing.assert_allclose(first, 1.8)


def test_an_optimizer_with_an_apply_of_its_own_gets_its_gradients(rng) -> None:
    class Halving(SGD):
        def apply(self, grads, trainable_variables=None):
            super().apply([gradient / 2 for gradient in grads], trainable_variables)

    models = [
        model(fastgru, lambda _, one=one: OptimizerMap(SGD(0.1), {"last/.*": one})) for one in (Halving(0.2), SGD(0.1))
    ]
    models[1].set_weights(models[0].get_weights())
    x, y = data(rng)
    losses = [one.fit(x, y, 4, 2, verbose=0, shuffle=False).history["loss"] for one in models]
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_callbacks_reach_each_optimizer(rng) -> None:
    x, y = data(rng)
    slow, quick = SGD(0.01, name="slow"), SGD(0.1, name="quick", use_ema=True)
    one = model(fastgru, lambda _: OptimizerMap(slow, {"last/.*": quick}))
    callbacks = [LearningRateScheduler(lambda epoch, rate: rate / 2), SwapEMAWeights()]
    history = one.fit(x, y, epochs=2, verbose=0, callbacks=callbacks, validation_data=(x, y)).history
    np.testing.assert_allclose(history["learning_rate_slow"], [0.005, 0.0025])
    np.testing.assert_allclose(history["learning_rate_quick"], [0.05, 0.025])
    plateau = ReduceLROnPlateau("loss", 0.5, patience=1, min_lr=0.01)
    plateau.set_model(one)
    plateau.on_train_begin()
    for epoch in range(2):
        plateau.on_epoch_end(epoch, {"loss": 1.0})
    assert float(quick.learning_rate) == pytest.approx(0.0125) and float(slow.learning_rate) == pytest.approx(0.0025)


def test_a_resumed_training_ends_as_one_that_went_on(rng, tmp_path) -> None:
    x, y = data(rng)
    whole = model(fastgru, by_map)
    first = whole.get_weights()
    whole.fit(x, y, 4, 4, verbose=0, shuffle=False)
    for epochs in (2, 4):
        part = model(fastgru, by_map)
        part.set_weights(first)
        part.fit(x, y, 4, epochs, verbose=0, shuffle=False, resume=tmp_path)
    for ours, same in zip(part.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, same)


def test_what_is_no_plain_optimizer_is_refused() -> None:
    chosen = OptimizerMap(SGD(), {"a": SGD()})
    with pytest.raises(TypeError, match="default_optimizer must be an Optimizer instance"):
        OptimizerMap("sgd")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="optimizer_map must be a dictionary"):
        OptimizerMap(SGD(), 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'a' already exists in the OptimizerMap"):
        chosen["a"] = SGD()
    with pytest.raises(ValueError, match="optimizer cannot be LossScaleOptimizer"):
        chosen["b"] = LossScaleOptimizer(SGD())
    with pytest.raises(ValueError, match="optimizer cannot be MultiOptimizer"):
        chosen["b"] = MultiOptimizer(chosen)
    with pytest.raises(ValueError, match="expected an OptimizerMap or a function, got 'sgd'"):
        MultiOptimizer("sgd")  # type: ignore[arg-type]
    chosen["a.*"], chosen[".*b"] = SGD(), SGD()
    with pytest.raises(ValueError, match=r"Multiple optimizers assigned to variable ab: 'a\.\*', '\.\*b' match"):
        chosen["ab"]
    weight = fastgru.Variable([1.0], name="b")
    for wrong, message in ((LossScaleOptimizer(Adam()), "cannot be used inside"), (3, "is not an Optimizer instance")):
        with pytest.raises(ValueError, match=message):
            MultiOptimizer(lambda _, wrong=wrong: wrong).build([weight])
    optimizer = MultiOptimizer(OptimizerMap(SGD(), {"c": SGD()}))
    with pytest.warns(UserWarning, match="the key 'c' matches none of the weights b"):
        optimizer.build([weight])
    assert not hasattr(optimizer, "learning_rate")
    with pytest.raises(AttributeError, match="set those of its `optimizers`"):
        optimizer.learning_rate = 0.1
