"""Optimizers: the same weights as Keras from the same gradients, step by step; compiled updates against their twins."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru import constraints, kernels, optimizers, threads
from fastgru.kernels.reference import optimizers as reference
from fastgru.layers.weight import Weight
from fastgru.parameters import Parameters

SHAPES = [(5, 12), (12,), (4, 3)]
CASES = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.8, "epsilon": 1e-5}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4}),
    ("Adam", {"amsgrad": True}),
    ("Adam", {"weight_decay": 0.1}),
    ("Adam", {"clipnorm": 1.0}),
    ("SGD", {"global_clipnorm": 2.0}),
    ("SGD", {"clipvalue": 0.5}),
    ("RMSprop", {"clipnorm": 100.0}),
]


def make_parameters(rng, dtype="float32", constraint=None):
    values = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    return Parameters([Weight(value, f"w{i}", f"layer/w{i}", constraint=constraint) for i, value in enumerate(values)])


def numpy_of(variable):
    return np.array(variable.value)


def random_gradients(rng, dtype="float32"):
    return [(3 * rng.standard_normal(shape)).astype(dtype) for shape in SHAPES]


def step(optimizer, parameters, gradients):
    """An update as a training step makes it, with the numbers that were assigned since the last."""
    parameters.gather()
    for weight, gradient in zip(parameters.weights, gradients, strict=True):
        weight.gradient[...] = gradient
    optimizer.apply(parameters)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.keras
def test_steps_give_the_weights_of_keras(keras, rng, name, options):
    parameters = make_parameters(rng)
    variables = [keras.Variable(weight.numpy(), name=weight.name) for weight in parameters.weights]
    ours, theirs = getattr(optimizers, name)(**options), getattr(keras.optimizers, name)(**options)
    for _ in range(5):
        gradients = random_gradients(rng)
        step(ours, parameters, gradients)
        theirs.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], variables)
        for weight, variable in zip(parameters.weights, variables, strict=True):
            np.testing.assert_allclose(weight.value, numpy_of(variable), rtol=1e-6, atol=1e-6)
    assert [value.shape for _, value in ours.variables()] == [tuple(variable.shape) for variable in theirs.variables]
    for (_, value), variable in zip(ours.variables(), theirs.variables, strict=True):
        np.testing.assert_allclose(value, numpy_of(variable), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.keras
def test_state_of_keras_continues_here(keras, rng, name, options):
    parameters = make_parameters(rng)
    variables = [keras.Variable(weight.numpy()) for weight in parameters.weights]
    theirs = getattr(keras.optimizers, name)(**options)
    gradients = [random_gradients(rng) for _ in range(4)]
    for step_gradients in gradients[:3]:
        theirs.apply([keras.ops.convert_to_tensor(gradient) for gradient in step_gradients], variables)
    ours = optimizers.get(keras.optimizers.serialize(theirs))
    ours.build(parameters)
    ours.set_variables([numpy_of(variable) for variable in theirs.variables])
    for weight, variable in zip(parameters.weights, variables, strict=True):
        weight.assign(numpy_of(variable))
    step(ours, parameters, gradients[3])
    theirs.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients[3]], variables)
    assert ours.iterations == 4
    for weight, variable in zip(parameters.weights, variables, strict=True):
        np.testing.assert_allclose(weight.value, numpy_of(variable), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.keras
def test_config_is_that_of_keras_and_comes_back(keras, name, options):
    from fastgru.registry import serialize

    spec = keras.optimizers.serialize(getattr(keras.optimizers, name)(**options))
    spec["config"]["name"] = "mine"
    expected = {key: spec[key] for key in ("module", "class_name", "config", "registered_name")}
    assert serialize(getattr(optimizers, name)(**options, name="mine")) == expected
    assert serialize(optimizers.get(expected)) == expected


def kernel_arguments(rng, dtype, name, size=70_001):
    """Positional arguments of a compiled update, in every combination of its optional arrays."""

    def array():
        return rng.standard_normal(size).astype(dtype)

    def empty():
        return np.full(size, np.nan, dtype)

    def positive():
        return rng.uniform(0.1, 2, size).astype(dtype)

    if name == "sgd":
        for momentums, nesterov in [(None, False), (array(), False), (array(), True)]:
            yield [array(), empty(), array(), momentums, 0.1, 0.9, nesterov, 0.02]
    elif name == "rmsprop":
        for momentums in (None, array()):
            for averages in (None, 0.1 * array()):
                yield [array(), empty(), array(), 4 + positive(), momentums, averages, 0.1, 0.9, 0.5, 1e-7, 0.02]
    else:
        for maxima in (None, positive()):
            yield [array(), empty(), array(), array(), positive(), maxima, 0.1, 0.9, 0.999, 1e-7, 0.02]


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_compiled_update_is_its_numpy_twin(rng, name, dtype, tolerance):
    for arguments in kernel_arguments(rng, dtype, name):
        twin = [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]
        getattr(kernels.module(dtype), name)(*arguments, 2)
        getattr(reference, name)(*twin, 2)
        for ours, theirs in zip(arguments, twin, strict=True):
            if isinstance(ours, np.ndarray):
                np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam"])
def test_the_number_of_threads_changes_no_bit(rng, name):
    for arguments in kernel_arguments(rng, "float32", name, size=200_001):
        results = []
        for count in (1, 2, 4):
            copies = [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]
            getattr(kernels.module("float32"), name)(*copies, count)
            results.append(copies)
        for other in results[1:]:
            for ours, theirs in zip(results[0], other, strict=True):
                assert np.array_equal(ours, theirs)


class Recorder:
    """A module of kernels that notes which one is called, and its last argument, the number of threads."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, arguments[-1]))


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam"])
def test_set_num_threads_is_what_updates_use(rng, name, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(kernels, "module", lambda dtype: recorder)
    optimizer, parameters = getattr(optimizers, name)(), make_parameters(rng)
    try:
        for count in (1, 3):
            threads.set_num_threads(count)
            step(optimizer, parameters, random_gradients(rng))
    finally:
        threads.set_num_threads(None)
    assert recorder.calls == [(name.lower(), 1), (name.lower(), 3)]


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam"])
def test_float64_weights_are_updated_in_float64(rng, name):
    parameters = make_parameters(rng, "float64")
    before = parameters.values.copy()
    optimizer = getattr(optimizers, name)()
    step(optimizer, parameters, random_gradients(rng, "float64"))
    assert parameters.values.dtype == "float64" and not np.array_equal(parameters.values, before)
    assert all(value.dtype == "float64" for _, value in optimizer.variables()[2:])


def test_constraint_is_applied_after_the_update_and_every_weight_shows_another_array(rng):
    parameters = make_parameters(rng, constraint=constraints.NonNeg())
    before = [weight.value for weight in parameters.weights]
    step(optimizers.SGD(1.0), parameters, random_gradients(rng))
    assert (parameters.values >= 0).all()
    assert all((weight.value >= 0).all() for weight in parameters.weights)
    assert not any(weight.value is value for weight, value in zip(parameters.weights, before, strict=True))


def test_infinite_gradients_turn_everything_nan_under_global_clipnorm(rng):
    parameters = make_parameters(rng)
    gradients = random_gradients(rng)
    gradients[0][0, 0] = np.inf
    step(optimizers.SGD(global_clipnorm=1.0), parameters, gradients)
    assert np.isnan(parameters.values).all()


def test_variables_alternate_as_keras_saves_them(rng):
    optimizer = optimizers.Adam(amsgrad=True)
    assert [name for name, _ in optimizer.variables()] == ["iteration", "learning_rate"]
    optimizer.build(make_parameters(rng))
    names = [name.removeprefix("layer_") for name, _ in optimizer.variables()[2:]]
    alternating = [f"w{i}_{slot}" for i in range(3) for slot in ("momentum", "velocity")]
    assert names == [*alternating, "w0_velocity_hat", "w1_velocity_hat", "w2_velocity_hat"]


def test_variables_that_do_not_fit_change_nothing(rng):
    optimizer, parameters = optimizers.Adam(), make_parameters(rng)
    step(optimizer, parameters, random_gradients(rng))
    before = [value.copy() for _, value in optimizer.variables()]
    wrong = [np.zeros_like(value) for value in before]
    with pytest.raises(ValueError, match="expected 8 variables, got 7"):
        optimizer.set_variables(wrong[:-1])
    wrong[-1] = np.zeros(5)
    with pytest.raises(ValueError, match=r"'layer_w2_velocity': expected shape \(4, 3\), got \(5,\)"):
        optimizer.set_variables(wrong)
    for old, (_, new) in zip(before, optimizer.variables(), strict=True):
        assert np.array_equal(old, new)


def test_state_goes_on_when_the_same_weights_move_into_a_new_buffer(rng):
    optimizer, parameters = optimizers.Adam(), make_parameters(rng)
    step(optimizer, parameters, random_gradients(rng))
    momentum = optimizer.variables()[2][1].copy()
    optimizer.build(Parameters(parameters.weights))
    assert np.array_equal(optimizer.variables()[2][1], momentum)
    with pytest.raises(ValueError, match="built for other weights"):
        optimizer.build(make_parameters(rng))


def test_learning_rate_can_be_set_and_is_kept_in_float32():
    optimizer = optimizers.Adam()
    assert optimizer.learning_rate == float(np.float32(0.001))
    optimizer.learning_rate = 0.5
    assert optimizer.learning_rate == 0.5 and optimizer.get_config()["learning_rate"] == 0.5


@pytest.mark.parametrize("identifier", ["adam", "Adam", "ADAM", optimizers.Adam, {"class_name": "adam", "config": {}}])
def test_names_resolve_in_any_case(identifier):
    assert isinstance(optimizers.get(identifier), optimizers.Adam)
    assert isinstance(optimizers.get("rmsprop"), optimizers.RMSprop)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.get("adm"), "did you mean 'adam'"),
        (lambda: optimizers.get(3), "got 3"),
        (lambda: optimizers.get(None), "got None"),
        (lambda: optimizers.Adam(lr=0.1), r"unrecognized arguments \['lr'\]"),
        (lambda: optimizers.Adam(use_ema=True), "use_ema=True is not supported"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=2), "gradient_accumulation_steps=2 is not supported"),
        (lambda: optimizers.SGD(loss_scale_factor=2.0), "loss_scale_factor=2.0 is not supported"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), "only one of clipnorm"),
        (lambda: optimizers.Adam(learning_rate=lambda step: 0.1), "schedule 'function' is not supported"),
        (
            lambda: optimizers.Adam({"class_name": "CosineDecay", "config": {}}),
            "schedule 'CosineDecay' is not supported",
        ),
        (lambda: optimizers.Adam(learning_rate="fast"), "expected a float"),
        (lambda: optimizers.SGD(momentum=2.0), "from 0 to 1"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_decay_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="'decay' is ignored"):
        optimizers.SGD(decay=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(
    ("name", "slot_count", "rates"),
    [
        ("sgd", 1, (0.1, 0.9, False, 0.0)),
        ("rmsprop", 3, (0.1, 0.9, 0.9, 1e-7, 0.0)),
        ("adam", 3, (0.1, 0.9, 0.999, 1e-7, 0.0)),
    ],
)
def test_an_update_flushes_the_denormals_of_its_slots_and_leaves_the_callers_alone(
    name, slot_count, rates, n_threads, dtype
):
    smallest = np.finfo(dtype).smallest_subnormal
    size = 100_000  # several tasks
    slots = [np.full(size, smallest * 5) for _ in range(slot_count)]
    values, updated, gradients = np.ones(size, dtype), np.empty(size, dtype), np.zeros(size, dtype)
    getattr(kernels.module(dtype), name)(values, updated, gradients, *slots, *rates, n_threads)
    for slot in slots[: 2 if name == "adam" else slot_count]:  # the largest velocity of all is compared, not computed
        np.testing.assert_array_equal(slot, 0)
    np.testing.assert_array_equal(updated, 1)
    half = np.full(3, smallest * 4) / 2
    np.testing.assert_array_equal(half, smallest * 2, "the caller's own denormals are gone")
    assert np.count_nonzero(half) == 3
