"""Optimizers: the same weights as Keras from the same gradients, step by step; compiled updates against their twins."""

from __future__ import annotations

import itertools
from functools import partial

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


OUT_OF_RANGE = [
    ("Adam", {"beta_1": 7}), ("Adam", {"beta_2": 1.0}), ("Adam", {"epsilon": -1}), ("Adam", {"weight_decay": -3}),
    ("AdamW", {"beta_1": -0.1}), ("SGD", {"clipnorm": -1}), ("SGD", {"clipvalue": -1}), ("SGD", {"momentum": 1.5}),
    ("SGD", {"global_clipnorm": -0.5}), ("SGD", {"use_ema": "yes"}), ("SGD", {"ema_momentum": 5}),
    ("SGD", {"loss_scale_factor": 0}), ("SGD", {"gradient_accumulation_steps": 1}), ("RMSprop", {"rho": 2}),
    ("RMSprop", {"momentum": -1}), ("RMSprop", {"epsilon": -1e-7}), ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adadelta", {"rho": -0.5}), ("Adamax", {"beta_1": 1}), ("Nadam", {"epsilon": "small"}), ("Lamb", {"beta_2": 2}),
    ("Lion", {"beta_1": 0}), ("Lion", {"beta_2": 3}), ("Ftrl", {"learning_rate_power": 0.5}),
    ("Ftrl", {"l1_regularization_strength": -1}), ("Ftrl", {"beta": -1}), ("Adafactor", {"clip_threshold": 0}),
    ("Adafactor", {"beta_2_decay": 0.8}), ("Adafactor", {"epsilon_1": -1}), ("Muon", {"momentum": 2}),
    ("Muon", {"adam_beta_1": 1}), ("Muon", {"adam_weight_decay": -1}), ("ScheduleFreeAdamW", {"beta_1": 0}),
    ("ScheduleFreeAdamW", {"warmup_steps": -1}),
]  # fmt: skip


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
    optimizer.update(parameters)


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
    assert [value.shape for value in ours.variables] == [tuple(variable.shape) for variable in theirs.variables]
    for value, variable in zip(ours.variables, theirs.variables, strict=True):
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
    ours.build(parameters.weights)
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


# the numbers of each rule of the kernels; which of m, v and a it has, and which of these it may do without
NUMBERS = {
    "sgd": {"rate": 0.1, "momentum": 0.9, "nesterov": False},
    "rmsprop": {"rate": 0.1, "rho": 0.9, "momentum": 0.5, "epsilon": 1e-7},
    "adam": {"rate": 0.1, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "adamax": {"rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7},
    "nadam": {"rate": 0.1, "gradient_rate": 0.2, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7, "correction": 2.0},
    "lamb": {"rate": 1.5, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7, "correction": 2.0},
    "schedule_free": {
        "rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7, "correction": 2.0, "share": 0.25
    },
    "adagrad": {"rate": 0.1, "epsilon": 1e-7},
    "adadelta": {"rate": 0.1, "rho": 0.9, "epsilon": 1e-7},
    "lion": {"rate": 0.1, "beta_1": 0.9, "beta_2": 0.99},
    "ftrl": {"rate": 0.1, "power": 0.5, "l1": 0.3, "l2": 0.2, "shrinkage": 0.1},
    "muon": {"momentum": 0.9, "nesterov": True},
    "average": {"rho": 0.9},
}  # fmt: skip
OPTIONAL = {"sgd": "m", "rmsprop": "ma", "adam": "a"}
NEEDED = {"rmsprop": "v", "lion": "m", "muon": "m", "adagrad": "v", "sgd": "", "average": ""}
CHANGES = {
    "sgd": [{}, {"nesterov": True}],
    "ftrl": [{}, {"power": 0.3}],
    "muon": [{}, {"nesterov": False}],
}


def updates(rng, dtype, rule, size=70_001):
    """Arguments of `update`, in every combination of optional arrays: those by place and those by name."""
    values, gradients, momentum = (rng.standard_normal(size).astype(dtype) for _ in range(3))
    positive = {name: rng.uniform(0.1, 2, size).astype(dtype) for name in "va"}
    arrays = {
        "m": positive["a"] if rule == "adadelta" else momentum,
        "v": positive["v"] + 4,  # more than a^2, of which RMSprop takes the root
        "a": positive["a"],
    }
    optional = OPTIONAL.get(rule, "")
    for present in itertools.product([True, False], repeat=len(optional)):
        has = NEEDED.get(rule, "mv") + "".join(itertools.compress(optional, present))
        slots = [arrays[name].copy() if name in has else None for name in "mva"]
        updated = momentum.copy() if rule == "average" else np.full(size, np.nan, dtype)
        for change in CHANGES.get(rule, [{}]):
            arguments = [rule, values, updated, gradients, *slots, 0.02]
            yield copies(arguments), {**NUMBERS[rule], **change}


def copies(arguments):
    return [value.copy() if isinstance(value, np.ndarray) else value for value in arguments]


def arrays_of(arguments):
    return [value for value in arguments if isinstance(value, np.ndarray)]


def test_every_rule_is_tried_here():
    assert list(NUMBERS) == list(kernels.module("float32").update_rules) == [*reference.RULES, "average"]


@pytest.mark.parametrize("rule", NUMBERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_compiled_update_is_its_numpy_twin(rng, rule, dtype, tolerance):
    for arguments, numbers in updates(rng, dtype, rule):
        twin = copies(arguments)
        kernels.module(dtype).update(*arguments, 2, **numbers)
        reference.update(*twin, 2, **numbers)
        for ours, theirs in zip(arrays_of(arguments), arrays_of(twin), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("rule", NUMBERS)
def test_the_number_of_threads_changes_no_bit(rng, rule):
    for arguments, numbers in updates(rng, "float32", rule, size=200_001):
        results = []
        for count in (1, 2, 4):
            results.append(copies(arguments))
            kernels.module("float32").update(*results[-1], count, **numbers)
        for other in results[1:]:
            for ours, theirs in zip(arrays_of(results[0]), arrays_of(other), strict=True):
                assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 70, 33), (3, 5, 1000), None])
@pytest.mark.parametrize("clip_threshold", [0.5, 2.0])
def test_compiled_adafactor_is_its_numpy_twin(rng, dtype, tolerance, shape, clip_threshold):
    size = 5000 if shape is None else np.prod(shape)
    rows, columns = (None, None) if shape is None else (rng.uniform(0.1, 2, (shape[0], n)) for n in shape[1:])
    arrays = [rng.normal(size=size), np.empty(size), rng.normal(size=size), rng.uniform(0.1, 2, size), rows, columns]
    arguments = [None if array is None else array.astype(dtype) for array in arrays]
    twin = copies(arguments)
    numbers = (0.02, 0.1, 0.7, 1e-30, 1e-3, clip_threshold)
    kernels.module(dtype).adafactor(*arguments, *numbers)
    reference.adafactor(*twin, *numbers)
    for ours, theirs in zip(arrays_of(arguments), arrays_of(twin), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_a_rule_that_is_not_known_or_lacks_its_state_is_refused():
    array = np.ones(3, "float32")
    update = kernels.module("float32").update
    with pytest.raises(ValueError, match=r"Kernels, rule: expected one of sgd, .*, got 'adm'"):
        update("adm", array, array, array, None, None, None, 0.0, 1)
    with pytest.raises(TypeError, match="Kernels, v: expected an array, got None"):
        update("adam", array, array, array, array, None, None, 0.0, 1)


class Recorder:
    """A module of kernels that notes which rule is called, and on how many threads."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments, **numbers: self.calls.append((arguments[0], arguments[-1]))


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
    assert all(value.dtype == "float64" for value in optimizer.variables[2:])


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
    assert [variable.name for variable in optimizer.variables] == ["iteration", "learning_rate"]
    optimizer.build(make_parameters(rng).weights)
    names = [variable.name.removeprefix("layer_") for variable in optimizer.variables[2:]]
    alternating = [f"w{i}_{slot}" for i in range(3) for slot in ("momentum", "velocity")]
    assert names == [*alternating, "w0_velocity_hat", "w1_velocity_hat", "w2_velocity_hat"]


def test_variables_that_do_not_fit_change_nothing(rng):
    optimizer, parameters = optimizers.Adam(), make_parameters(rng)
    step(optimizer, parameters, random_gradients(rng))
    before = [variable.numpy() for variable in optimizer.variables]
    wrong = [np.zeros_like(value) for value in before]
    with pytest.raises(ValueError, match="expected 8 variables, got 7"):
        optimizer.set_variables(wrong[:-1])
    wrong[-1] = np.zeros(5)
    with pytest.raises(ValueError, match=r"'layer_w2_velocity': expected shape \(4, 3\), got \(5,\)"):
        optimizer.set_variables(wrong)
    for old, new in zip(before, optimizer.variables, strict=True):
        assert np.array_equal(old, new)


def test_state_goes_on_when_the_same_weights_move_into_a_new_buffer(rng):
    optimizer, parameters = optimizers.Adam(), make_parameters(rng)
    step(optimizer, parameters, random_gradients(rng))
    momentum = optimizer.variables[2].numpy()
    moved = Parameters(parameters.weights)
    optimizer.build(moved.weights)
    assert np.array_equal(optimizer.variables[2], momentum)
    optimizer.update(moved)
    assert not np.array_equal(optimizer.variables[2], momentum)
    with pytest.raises(ValueError, match="built for other weights"):
        optimizer.build(make_parameters(rng).weights)


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
        (lambda: optimizers.Adam(lr=0.1), r"unrecognized arguments \['lr'\]; write learning_rate"),
        (
            lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0),
            "Only one of `clipnorm`, `clipvalue` and `gl",
        ),
        (
            lambda: optimizers.Adam(learning_rate={"class_name": "CosineDecay", "config": {}}),
            "expected a float, a sched",
        ),
        (lambda: optimizers.Adam(learning_rate="fast"), "expected a float"),
        (lambda: optimizers.SGD(momentum=2.0), r"SGD: `momentum` must be a float between \[0, 1\], got 2.0"),
        (lambda: optimizers.AdamW(weight_decay=None), "AdamW: Argument `weight_decay` must be a float"),
        *[
            (
                partial(optimizers.get, {"class_name": name, "config": options}),
                rf"`?{next(iter(options))}`? (must|needs)",
            )
            for name, options in OUT_OF_RANGE
        ],
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
    ("rule", "decaying", "other"),
    [
        ("sgd", "m", ""),
        ("rmsprop", "mva", ""),
        ("adam", "mv", "a"),  # the largest velocity of all is compared, not computed
        ("adamax", "mv", ""),
        ("nadam", "mv", ""),
        ("adadelta", "mv", ""),
        ("lion", "m", ""),
        ("muon", "m", ""),
    ],
)
def test_an_update_flushes_the_denormals_of_its_slots_and_leaves_the_callers_alone(
    rule, decaying, other, n_threads, dtype
):
    smallest = np.finfo(dtype).smallest_subnormal
    size = 100_000  # several tasks
    slots = [np.full(size, smallest * 5) if name in decaying + other else None for name in "mva"]
    values, updated, gradients = np.ones(size, dtype), np.empty(size, dtype), np.zeros(size, dtype)
    kernels.module(dtype).update(rule, values, updated, gradients, *slots, 0.0, n_threads, **NUMBERS[rule])
    for slot in slots[: len(decaying)]:
        np.testing.assert_array_equal(slot, 0)
    np.testing.assert_array_equal(updated, 0 if rule == "muon" else 1)  # a direction, not weights
    half = np.full(3, smallest * 4) / 2
    np.testing.assert_array_equal(half, smallest * 2, "the caller's own denormals are gone")
    assert np.count_nonzero(half) == 3
