"""Optimizers of one's own, and what Keras's interface says of any."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from fastgru import constraints, optimizers
from fastgru.callbacks import Callback
from fastgru.layers import Dense
from fastgru.layers.weight import Weight
from fastgru.models import Sequential, load_model
from fastgru.parameters import Parameters


class Momentum(optimizers.Optimizer):
    """Written as Keras's guide has it."""

    def __init__(self, learning_rate=0.01, momentum=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        super().build(variables)
        self.momentums = [self.add_variable_from_reference(variable, "momentum") for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        m = self.momentums[self._get_variable_index(variable)]
        self.assign(m, m * self.momentum - gradient * learning_rate)
        self.assign_add(variable, m)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


OPTIONS = [
    {},
    {"weight_decay": 0.1},
    {"clipnorm": 0.1},
    {"use_ema": True, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 2},
]


def trained(optimizer, rng):
    model = Sequential([Dense(4, input_shape=(3,), bias_constraint=constraints.NonNeg()), Dense(2)])
    model.set_weights([np.full(weight.shape, 0.1 * (index + 1)) for index, weight in enumerate(model.weights)])
    model.compile(optimizer, "mse")
    model.fit(rng.normal(size=(24, 3)), rng.normal(size=(24, 2)), batch_size=4, epochs=2, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize("options", OPTIONS)
def test_one_of_ones_own_trains_as_the_compiled_one_of_its_rule(options):
    models = [
        trained(make(0.05, momentum=0.9, **options), np.random.default_rng(0)) for make in (Momentum, optimizers.SGD)
    ]
    for own, compiled in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(own, compiled, rtol=1e-6, atol=1e-7)
    own, compiled = ([variable.shape for variable in model.optimizer.variables] for model in models)
    assert own == compiled


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_it_is_saved_with_its_variables(tmp_path, rng, ending):
    model = trained(Momentum(0.05), rng)
    model.save(tmp_path / f"own{ending}")
    loaded = load_model(tmp_path / f"own{ending}", custom_objects={"Momentum": Momentum})
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for ours, theirs in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("make", [optimizers.Adam, optimizers.Nadam, optimizers.Adafactor, Momentum])
def test_a_copy_goes_on_alone(copied, make, rng):
    model = trained(make(), rng)
    twin = copied(model)
    before = [variable.numpy() for variable in model.optimizer.variables]
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    twin.train_on_batch(x, y)
    for variable, value in zip(model.optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    model.train_on_batch(x, y)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Centered(optimizers.SGD):
    """Changes the gradients before they are used."""

    def apply_gradients(self, grads_and_vars):
        return super().apply_gradients([(gradient - gradient.mean(), weight) for gradient, weight in grads_and_vars])


class Signed(optimizers.Adam):
    """Has another rule than its class."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * np.sign(gradient))


def test_fit_takes_what_a_class_overrides(rng):
    model = trained(Centered(0.1), rng)
    sums = [np.sum(weight) for weight in model.get_weights()]
    np.testing.assert_allclose(sums[2:], [0.3 * 8, 0.4 * 2], rtol=1e-5)  # without the layer that has a constraint
    weight = Weight(np.zeros(3, "float32"), "w", "w")
    Signed(0.5).apply([np.array([3.0, -2.0, 0.0])], [weight])
    np.testing.assert_array_equal(weight.value, [-0.5, 0.5, 0])


def test_an_optimizer_without_a_rule_says_what_is_missing():
    weight = Weight(np.zeros(3, "float32"), "w", "w")
    with pytest.raises(NotImplementedError, match=r"Optimizer defines no update_step\(gradient, variable"):
        optimizers.Optimizer().apply([np.ones(3)], [weight])
    with pytest.raises(NotImplementedError, match="rules of fastgru's own optimizers are compiled"):
        optimizers.Adam().update_step(np.ones(3), weight, 0.1)


# --- gradients by hand --------------------------------------------------------------------------------


def pair():
    return [Weight(np.ones((2, 3), "float32"), "kernel", "a/kernel"), Weight(np.ones(3, "float32"), "bias", "a/bias")]


def test_a_weight_without_a_gradient_stays_as_it_is_with_a_warning():
    weights = pair()
    optimizer = optimizers.Adam(weight_decay=0.5)
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['a/bias'\]"):
        assert optimizer.apply_gradients(zip([np.ones((2, 3)), None], weights, strict=True)) == 1
    assert (weights[0].value < 1).all() and (weights[1].value == 1).all()
    kept = [variable.numpy() for variable in optimizer.variables if "bias" in variable.name]
    assert kept and not np.any(kept)


def test_gradients_of_some_of_the_weights_update_these_alone():
    weights = pair()
    optimizer = optimizers.SGD(0.5)
    optimizer.build(weights)
    optimizer.apply([np.ones(3)], [weights[1]])
    assert (weights[0].value == 1).all() and (weights[1].value == 0.5).all()
    optimizer.apply([np.ones((2, 3)), np.ones(3)])
    assert (weights[0].value == 0.5).all() and (weights[1].value == 0).all()
    optimizer.apply([])
    assert optimizer.iterations == 2


@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ([None, None], "No gradients provided for any variable"),
        ([np.ones(3), np.ones(3)], r"gradient of 'a/kernel': expected shape \(2, 3\), got \(3,\)"),
        ([np.ones((2, 3))], "expected 2 gradients, one for each weight, got 1"),
    ],
)
def test_gradients_that_do_not_fit_change_nothing(gradients, message):
    weights, optimizer = pair(), optimizers.SGD(1.0, momentum=0.5)
    optimizer.build(weights)
    before = [variable.numpy() for variable in (*weights, *optimizer.variables)]
    with pytest.raises(ValueError, match=message):
        optimizer.apply(gradients, weights)
    for variable, value in zip((*weights, *optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_what_it_was_not_built_for_is_refused():
    optimizer = optimizers.SGD()
    with pytest.raises(ValueError, match="gradients without weights, and it is not built"):
        optimizer.apply([np.ones(3)])
    optimizer.build(pair())
    with pytest.raises(ValueError, match="Unknown variable: <Weight a/bias"):
        optimizer.apply([np.ones(3)], pair()[1:])


def test_a_loop_by_hand_and_fit_share_the_state(rng):
    model = trained(optimizers.Adam(0.01), rng)
    optimizer, before = model.optimizer, int(model.optimizer.iterations)
    weights = model.trainable_weights
    optimizer.apply_gradients([(np.ones(weight.shape), weight) for weight in weights])
    model.train_on_batch(rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))
    optimizer.apply_gradients([(np.ones(weight.shape), weight) for weight in weights])
    assert optimizer.iterations == before + 3
    assert all(np.isfinite(weight.value).all() for weight in weights)


# --- options ------------------------------------------------------------------------------------------


def test_after_fit_the_weights_are_their_means(rng):
    model = trained(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), rng)
    means = [variable for variable in model.optimizer.variables if variable.name.endswith("average")]
    for weight, mean in zip(model.trainable_weights, means, strict=True):
        np.testing.assert_array_equal(weight.value, mean)


@pytest.mark.parametrize(
    "make", [optimizers.Adam, optimizers.Adafactor, optimizers.Muon, optimizers.LossScaleOptimizer]
)
def test_no_weights_are_no_trouble(make):
    options = {"use_ema": True, "weight_decay": 0.1}
    wraps = make is optimizers.LossScaleOptimizer
    optimizer = make(optimizers.SGD(**options)) if wraps else make(**options)
    optimizer.update(Parameters([]))
    assert optimizer.iterations == 1


def test_no_training_puts_no_means_in_the_place_of_weights(rng):
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile(optimizers.SGD(0.1, use_ema=True), "mse")
    before = model.get_weights()
    model.fit(np.ones((4, 3)), np.ones((4, 2)), epochs=0, verbose=0)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_callback_sets_the_rate_by_each_way(rng):
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile(optimizers.SGD(0.1), "mse")
    rates = []

    class Sets(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            optimizer = self.model.optimizer
            if batch == 1:
                optimizer.learning_rate = 0.5
            elif batch == 2:
                optimizer.learning_rate.assign(0.25)
            elif batch == 3:
                optimizer.learning_rate = optimizers.schedules.InverseTimeDecay(4.0, 1, 1.0)

        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    model.fit(np.ones((20, 3)), np.ones((20, 2)), batch_size=4, verbose=0, callbacks=[Sets()])
    np.testing.assert_allclose(rates, [0.1, 0.5, 0.25, 4 / 5, 4 / 6], rtol=1e-6)


def test_the_learning_rate_is_a_variable_and_a_number():
    optimizer = optimizers.SGD(0.5)
    rate = optimizer.learning_rate
    rate.assign(0.25)
    assert optimizer.learning_rate is rate and rate == 0.25 and float(rate) == 0.25 and rate * 2 == 0.5
    assert f"{rate:.3f}" == "0.250" and rate.numpy() == np.float32(0.25) and rate.dtype == "float32"
    optimizer.learning_rate = 0.125
    assert rate == 0.125 and optimizer.get_config()["learning_rate"] == 0.125
    with pytest.raises(ValueError, match=r"expected shape \(\), got \(2,\)"):
        rate.assign([1.0, 2.0])


def test_the_state_goes_through_a_store(rng):
    model, other = trained(optimizers.Adam(), rng), trained(optimizers.Adam(), rng)
    store = {}
    model.optimizer.save_own_variables(store)
    other.optimizer.load_own_variables(store)
    for ours, theirs in zip(other.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.warns(UserWarning, match="it has 2 of them and 10 were saved; build it first"):
        optimizers.Adam().load_own_variables(store)
    with pytest.raises(ValueError, match="You are calling set_weights"):
        optimizers.Adam().set_weights(list(store.values()))


# --- the scale of the loss ----------------------------------------------------------------------------


def test_the_scale_halves_at_gradients_that_are_not_finite_and_doubles_after_some_that_are():
    weights = pair()
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(1.0), initial_scale=4.0, dynamic_growth_steps=2)
    assert optimizer.scale_loss(3.0) == 12
    optimizer.apply([np.full((2, 3), np.inf), np.ones(3)], weights)
    assert optimizer.dynamic_scale == 2 and (weights[0].value == 1).all() and optimizer.iterations == 0
    for _ in range(2):
        optimizer.apply([np.full((2, 3), 2.0), np.ones(3)], weights)
    assert optimizer.dynamic_scale == 4 and (weights[0].value == -1).all() and optimizer.iterations == 2
    optimizer.learning_rate = 0.5
    assert optimizer.inner_optimizer.learning_rate == 0.5


def test_fit_leaves_out_what_the_scale_does_not_bear(rng):
    plain = trained(optimizers.SGD(0.1), np.random.default_rng(0))
    scaled = trained(optimizers.LossScaleOptimizer(optimizers.SGD(0.1)), np.random.default_rng(0))
    for ours, theirs in zip(scaled.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    parameters = Parameters(pair())
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.5), initial_scale=1e38)
    for weights, scale in ((1, 5e37), (-1.5, 5e37)):
        parameters.gradients[...] = 5  # 5e38 is no float32, 2.5e38 is
        optimizer.update(parameters)
        assert (parameters.values == weights).all() and np.isclose(optimizer.dynamic_scale, scale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clipnorm": 1.0}, "set `clipnorm` on the `inner_optimizer`"),
        ({"dynamic": False}, "set `loss_scale_factor` on the inner optimizer"),
        ({"foo": 1, "bar": 2}, "does not support arguments: `foo`, `bar`"),
        ({"initial_scale": 0}, "initial_scale must be greater than 0"),
        ({"dynamic_growth_steps": 0}, "dynamic_growth_steps"),
    ],
)
def test_options_of_the_inner_optimizer_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.LossScaleOptimizer(optimizers.SGD(), **options)


def test_a_static_scale_is_taken_out_of_gradients_by_hand():
    weight = Weight(np.full(2, 3.0, "float32"), "w", "w")
    optimizer = optimizers.SGD(1.0, loss_scale_factor=1024.0)
    assert optimizer.scale_loss(1.0) == 1024
    optimizer.apply([np.array([1024.0, 2048.0])], [weight])
    np.testing.assert_array_equal(weight.value, [2, 1])
