"""Keras's own models on fastgru's kernels: the same numbers, weights, files and options, on JAX and on PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras, whose layers are accelerated, is not installed")
if keras.backend.backend() not in ("jax", "torch"):
    pytest.skip("Keras runs on neither JAX nor PyTorch here", allow_module_level=True)

from fastgru.keras import accelerate
from fastgru.keras.acceleration import InnerLoop

pytestmark = pytest.mark.keras

layers = keras.layers
STEPS, FEATURES, UNITS, ROWS = 7, 3, 5, 6


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the layers whose passes the kernels have run or been compiled for, in their order."""
    names: list[str] = []
    options = InnerLoop._options

    def counted(self: Any, mask: Any) -> Any:
        names.append(self._layer.name)
        return options(self, mask)

    monkeypatch.setattr(InnerLoop, "_options", counted)
    return names


@pytest.fixture(autouse=True)
def _one_random_stream() -> None:
    keras.utils.set_random_seed(7)


def data(rng: np.random.Generator, masked: bool = False) -> tuple[Any, Any]:
    x = rng.standard_normal((ROWS, STEPS, FEATURES)).astype("f4")
    if masked:
        x[0, :2] = x[1, 3] = x[2, 4:] = x[3] = 0  # at the beginning, inside, at the end, all of them
    return x, rng.standard_normal((ROWS, 2)).astype("f4")


def twins(rng: np.random.Generator, *stack: Any, masked: bool = False, **compiled: Any) -> tuple[Any, Any]:
    """A model with these layers over others that give it gradients, plain and accelerated, of random weights."""
    mask = [layers.Masking()] if masked else []
    inputs = keras.Input((STEPS, FEATURES), batch_size=ROWS if any(layer.stateful for layer in stack) else None)
    outputs = inputs
    for layer in (*mask, layers.Dense(4, activation="tanh"), *stack, layers.Flatten(), layers.Dense(2)):
        outputs = layer(outputs)
    plain = keras.Model(inputs, outputs)
    plain.set_weights([0.5 * rng.standard_normal(weight.shape) for weight in plain.get_weights()])
    fast = keras.models.clone_model(plain)
    fast.set_weights(plain.get_weights())
    for model in (plain, fast):
        model.compile(keras.optimizers.SGD(1.0), "mse", **compiled)
    return plain, accelerate(fast)


def assert_same(plain: Any, fast: Any, x: Any, y: Any) -> None:
    """The same predictions, and with plain gradient descent the same step of all weights."""
    np.testing.assert_allclose(fast.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-5)
    losses = [[model.train_on_batch(x, y) for _ in range(2)] for model in (plain, fast)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for ours, theirs in zip(fast.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5 * max(1.0, abs(theirs).max()))


HERE = Path(__file__).parent  # outside of the checkout, whose package need not be compiled
KINDS = {
    "GRU": (layers.GRU, {}),
    "GRU, reset before": (layers.GRU, {"reset_after": False}),
    "LSTM": (layers.LSTM, {}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, id=str(options), marks=[] if number == 0 else [pytest.mark.slow])
        for number, options in enumerate(
            (
                {"go_backwards": True, "return_sequences": True},
                {},
                {"return_sequences": True},
                {"use_bias": False, "activation": "relu", "recurrent_activation": "hard_sigmoid"},
                {"zero_output_for_mask": True},
                {"zero_output_for_mask": True, "return_sequences": True, "go_backwards": True},
            )
        )
    ],
)
def test_a_layer_gives_keras_s_numbers_and_gradients(
    rng: np.random.Generator, passes: list[str], kind: str, masked: bool, options: dict[str, Any]
) -> None:
    make, own = KINDS[kind]
    plain, fast = twins(rng, make(UNITS, **own, **options), masked=masked)
    assert_same(plain, fast, *data(rng, masked))
    assert passes


@pytest.mark.slow
@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("make", [layers.GRU, layers.LSTM])
def test_both_directions_run_on_the_kernels(
    rng: np.random.Generator, passes: list[str], make: Any, masked: bool, merge_mode: str
) -> None:
    stack = [layers.Bidirectional(make(UNITS, return_sequences=more), merge_mode) for more in (True, False)]
    plain, fast = twins(rng, *stack, masked=masked)
    assert_same(plain, fast, *data(rng, masked))
    assert len(set(passes)) == 4


@pytest.mark.parametrize("make", [layers.GRU, layers.LSTM])
def test_states_go_from_an_encoder_to_a_decoder(rng: np.random.Generator, passes: list[str], make: Any) -> None:
    inputs = keras.Input((STEPS, FEATURES))
    _, *states = make(UNITS, return_state=True, name="encoder")(inputs)
    outputs = layers.Dense(2)(make(UNITS, name="decoder")(inputs, initial_state=states))
    plain = keras.Model(inputs, outputs)
    fast = keras.models.clone_model(plain)
    fast.set_weights(plain.get_weights())
    for model in (plain, fast):
        model.compile(keras.optimizers.SGD(1.0), "mse")
    assert_same(plain, accelerate(fast), *data(rng))
    assert set(passes) == {"encoder", "decoder"}


def test_a_stateful_layer_goes_on_where_it_stopped(rng: np.random.Generator) -> None:
    plain, fast = twins(rng, layers.GRU(UNITS, stateful=True))
    x, y = data(rng)
    outputs = [[keras.ops.convert_to_numpy(model(x)) for _ in range(2)] for model in (plain, fast)]
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)
    assert not np.allclose(*outputs[1])
    loss = fast.train_on_batch(x, y)
    if keras.backend.backend() == "jax":  # on PyTorch a stateful layer of Keras's cannot be trained
        assert loss == pytest.approx(plain.train_on_batch(x, y), rel=1e-5)


def test_dropout_drops_what_keras_drops(rng: np.random.Generator, passes: list[str]) -> None:
    plain, fast = twins(rng, layers.GRU(UNITS, dropout=0.5, seed=3, return_sequences=True))
    x, y = data(rng)
    assert fast.train_on_batch(x, y) == pytest.approx(plain.train_on_batch(x, y), rel=1e-5)
    assert passes


def test_recurrent_dropout_is_trained_by_keras_and_predicted_on_the_kernels(
    rng: np.random.Generator, passes: list[str]
) -> None:
    with pytest.warns(UserWarning, match=r"left to Keras: one \(recurrent_dropout, in training\)"):
        plain, fast = twins(rng, layers.GRU(UNITS, seed=3, name="one", recurrent_dropout=0.4))
    x, y = data(rng)
    assert fast.train_on_batch(x, y) == pytest.approx(plain.train_on_batch(x, y), rel=1e-5)
    passes.clear()
    np.testing.assert_allclose(fast.predict(x, verbose=0), plain.predict(x, verbose=0), atol=1e-5)
    assert passes


def test_a_dropout_mask_for_each_gate_is_keras_s_to_train() -> None:
    layer = layers.LSTM(2, dropout=0.4, implementation=1, name="one")
    with pytest.warns(UserWarning, match="one \\(dropout with implementation=1, in training\\)"):
        accelerate(layer)
    assert isinstance(layer.inner_loop, InnerLoop)


class OwnLayer(layers.GRU):
    def call(self, *arguments: Any, **named: Any) -> Any:
        return super().call(*arguments, **named)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: layers.GRU(2, activation="softmax", name="one"), "activation 'softmax'"),
        (lambda: layers.LSTM(2, activation=lambda x: x, name="one"), "activation '<lambda>'"),
        (lambda: layers.GRU(2, dtype="mixed_bfloat16", name="one"), "dtype mixed_bfloat16"),
        (lambda: layers.GRU(2, unroll=True, name="one"), "unroll=True"),
        (lambda: layers.GRU(2, use_cudnn=True, name="one"), "use_cudnn=True"),
        (lambda: OwnLayer(2, name="one"), "OwnLayer of GRUCell is neither GRU nor LSTM as Keras wrote them"),
        (lambda: layers.SimpleRNN(2, name="one"), "SimpleRNN of SimpleRNNCell is neither"),
        (lambda: layers.RNN([layers.GRUCell(2)], name="one"), "RNN of StackedRNNCells is neither"),
    ],
)
def test_what_the_kernels_cannot_compute_is_left_alone_and_named(make: Any, reason: str) -> None:
    layer = make()
    with pytest.warns(UserWarning, match="left to Keras: one") as warned:
        assert accelerate(layer) is layer
    assert reason in str(warned[0].message)
    assert "inner_loop" not in vars(layer)


def test_nothing_is_said_where_all_is_accelerated_even_twice() -> None:
    model = keras.Sequential([layers.Bidirectional(layers.LSTM(2)), layers.Dense(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop = accelerate(accelerate(model)).layers[0].forward_layer.inner_loop
    assert isinstance(loop, InnerLoop)
    assert not isinstance(loop._keras_loop, InnerLoop)


class OwnModel(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.Sequential([layers.GRU(UNITS, return_sequences=True, name="deep"), layers.Dense(4)])
        self.last = layers.LSTM(2, name="top")

    def call(self, x: Any) -> Any:
        return self.last(self.inner(x) * 2)


def test_layers_inside_models_of_one_s_own_are_accelerated(rng: np.random.Generator, passes: list[str]) -> None:
    x, y = data(rng)
    model = OwnModel()
    model.compile("sgd", "mse")
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(accelerate(model).predict(x, verbose=0), expected, atol=1e-5)
    model.fit(x, y, verbose=0)
    assert set(passes) == {"deep", "top"}


def test_whole_numbers_are_read_by_the_kernels(rng: np.random.Generator, passes: list[str]) -> None:
    x = rng.integers(-2, 3, (ROWS, STEPS, FEATURES))
    layer = layers.GRU(UNITS)
    expected = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(accelerate(layer)(x)), expected, atol=1e-6)
    assert passes == [layer.name]


@pytest.mark.parametrize("compiled", [{"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}], ids=str)
def test_it_runs_eagerly_and_compiled(rng: np.random.Generator, compiled: dict[str, Any]) -> None:
    if keras.backend.backend() == "torch" and compiled.get("jit_compile"):
        pytest.skip("Keras compiles no step of PyTorch's with masks in it")
    plain, fast = twins(rng, layers.GRU(UNITS), masked=True, **compiled)
    assert_same(plain, fast, *data(rng, masked=True))


def test_a_compiled_model_goes_on_training(rng: np.random.Generator, passes: list[str]) -> None:
    model, other = twins(rng, layers.GRU(UNITS))
    x, y = data(rng)
    for each in (model, other):
        each.fit(x, y, epochs=2, shuffle=False, verbose=0)
    seen = len(passes)
    accelerate(model).fit(x, y, shuffle=False, verbose=0)
    assert len(passes) > seen
    assert int(model.optimizer.iterations) == 3
    other.fit(x, y, shuffle=False, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), other.predict(x, verbose=0), atol=1e-5)


def test_a_saved_model_is_keras_s_and_plain_again(rng: np.random.Generator, tmp_path: Path) -> None:
    plain, fast = twins(rng, layers.Bidirectional(layers.GRU(UNITS)), masked=True)
    x, _ = data(rng, masked=True)
    assert type(fast.layers[3].forward_layer) is layers.GRU
    assert fast.layers[3].get_config() == plain.layers[3].get_config()
    fast.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert "inner_loop" not in vars(loaded.layers[3].forward_layer)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), fast.predict(x, verbose=0), atol=1e-5)


def test_no_model_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a model or a layer of Keras 3, got ndarray\."):
        accelerate(np.zeros(3))


def test_another_backend_is_refused_by_name() -> None:
    program = "import keras, fastgru.keras; fastgru.keras.accelerate(keras.layers.GRU(2))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=HERE,
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
    )
    assert "expected Keras on jax or torch, got 'numpy'" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_s_own_tests_pass_on_the_kernels(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    folder = Path(keras.__file__).parent / "src/layers/rnn"
    files = [str(folder / f"{name}_test.py") for name in ("gru", "lstm", "bidirectional")]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "FASTGRU_PASSES": str(tmp_path / "passes"),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }
    options = ["-p", "accelerated_keras", "-p", "no:cacheprovider", "-W", "ignore", "-c", os.devnull]
    command = [sys.executable, "-m", "pytest", "-q", *options, "--rootdir", str(tmp_path), *files]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed >= 26
    assert len((tmp_path / "passes").read_text().splitlines()) > 70  # what the kernels computed of it


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="this is what it starts")
def test_all_of_this_holds_on_torch() -> None:
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "not own_tests"]
    done = subprocess.run(
        command, cwd=HERE, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_backend_that_is_not_installed_is_told_with_the_way_round(tmp_path: Path) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('No module named tensorflow')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": path}
    command = [sys.executable, "-c", "import fastgru\nfastgru.keras.accelerate(None)"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "set KERAS_BACKEND to jax or torch before Keras is imported." in done.stderr.splitlines()[-1]
