"""Schedules: Keras's learning rates at many steps, their way through optimizers, configs and files."""

from __future__ import annotations

import numpy as np
import pytest

import fastgru
from fastgru import optimizers
from fastgru.layers import Dense
from fastgru.layers.weight import Weight
from fastgru.models import Sequential, load_model
from fastgru.optimizers import schedules

CASES = {
    "ExponentialDecay": [(0.1, 30, 0.5), (0.1, 30, 0.5, True)],
    "InverseTimeDecay": [(0.1, 30, 0.5), (0.1, 30, 0.5, True)],
    "PolynomialDecay": [(0.1, 50), (0.1, 50, 0.01, 2.0), (0.1, 50, 0.01, 0.5, True)],
    "PiecewiseConstantDecay": [([10, 20, 100], [0.1, 0.05, 0.01, 0.001]), ([7], [1.0, 0.5])],
    "CosineDecay": [(0.1, 50), (0.1, 50, 0.2), (0.1, 50, 0.1, "warm", 0.3, 20)],
    "CosineDecayRestarts": [(0.1, 20), (0.1, 20, 1.0, 0.9, 0.1), (0.1, 15, 1.5, 0.8)],
}
ALL = [(name, arguments) for name, several in CASES.items() for arguments in several]
STEPS = [*range(12), *range(13, 160, 7), 20, 21, 30, 49, 50, 51, 60, 100, 101, 1000, 12345]


@pytest.mark.keras
@pytest.mark.parametrize(("name", "arguments"), ALL)
def test_every_step_has_the_rate_of_keras(keras, name, arguments):
    ours, theirs = (getattr(library.optimizers.schedules, name)(*arguments) for library in (fastgru, keras))
    rates = [float(ours(step)) for step in STEPS]
    np.testing.assert_allclose(rates, [float(theirs(step)) for step in STEPS], rtol=1e-5, atol=1e-7)
    assert np.asarray(ours(3)).dtype == "float32"
    np.testing.assert_allclose(ours(np.array(STEPS)), rates, rtol=1e-6)


@pytest.mark.keras
@pytest.mark.parametrize(("name", "arguments"), ALL)
def test_the_config_is_that_of_keras_and_comes_back(keras, name, arguments):
    ours, theirs = (getattr(library.optimizers.schedules, name)(*arguments) for library in (fastgru, keras))
    form = keras.optimizers.schedules.serialize(theirs)
    assert schedules.serialize(ours) == {
        key: form[key] for key in ("module", "class_name", "config", "registered_name")
    }
    assert schedules.deserialize(form)(17) == ours(17)
    inside = optimizers.Adam(ours, name="mine").get_config()
    assert inside == keras.optimizers.Adam(theirs, name="mine").get_config()
    assert optimizers.Adam.from_config(inside).get_config() == inside


class Halved(schedules.LearningRateSchedule):
    def __init__(self, start: float = 1.0) -> None:
        self.start = start

    def __call__(self, step):
        return self.start / 2**step

    def get_config(self):
        return {"start": self.start}


def test_a_schedule_of_ones_own_is_asked_at_each_update(tmp_path):
    weight = Weight(np.zeros(1, "float32"), "w", "w")
    optimizer = optimizers.SGD(Halved(8.0))
    for _ in range(3):
        optimizer.apply([np.ones(1)], [weight])
    assert float(optimizer.learning_rate) == 1
    np.testing.assert_array_equal(weight.value, [-8 - 4 - 2])
    assert [variable.name for variable in optimizer.variables] == ["iteration"]
    assert isinstance(optimizers.get(optimizers.serialize(optimizer), {"Halved": Halved})._learning_rate, Halved)


def test_a_schedule_goes_through_a_file(tmp_path):
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(optimizers.Adam(schedules.CosineDecay(0.1, 10)), "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), batch_size=2, verbose=0)
    for name in ("a.keras", "a.h5"):
        model.save(tmp_path / name)
        loaded = load_model(tmp_path / name)
        assert loaded.optimizer.iterations == 4
        assert loaded.optimizer.learning_rate == model.optimizer.learning_rate == schedules.CosineDecay(0.1, 10)(4)


def test_a_schedule_sets_the_rate_until_another_takes_its_place():
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = Halved(2.0)
    assert optimizer.learning_rate == 2
    with pytest.raises(TypeError, match="the schedule Halved sets its learning rate"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = lambda: 0.25
    assert optimizer.learning_rate == 0.25
    optimizer.learning_rate = 0.125
    assert optimizer.learning_rate == 0.125


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ExponentialDecay", (0.1, 0, 0.5), "ExponentialDecay: decay_steps must be greater than 0, got 0"),
        ("InverseTimeDecay", (0.1, -3, 0.5), "decay_steps must be greater than 0"),
        ("PolynomialDecay", (0.1, 0), "decay_steps must be greater than 0"),
        ("CosineDecay", (0.1, "ten"), "decay_steps must be greater than 0, got 'ten'"),
        ("CosineDecayRestarts", (0.1, 0), "first_decay_steps must be greater than 0"),
        ("PiecewiseConstantDecay", ([1, 2], [0.1, 0.2]), "one value more than boundaries, got 2 values and 2 bound"),
    ],
)
def test_bad_arguments_are_named(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(schedules, name)(*arguments)


def test_a_schedule_that_defines_nothing_says_so():
    with pytest.raises(NotImplementedError, match="does not define __call__"):
        schedules.LearningRateSchedule()(1)
    with pytest.raises(NotImplementedError, match="does not define get_config"):
        optimizers.Adam(schedules.LearningRateSchedule()).get_config()
