"""Layers of users, who may do what no layer of the package does."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arrangements import ARRANGEMENTS
from layer_checks import gradients_hold

from fastgru import Model, Sequential, config
from fastgru.layers import GRU, LSTM, Bidirectional, Conv1D, Dense, Input, Layer, TimeDistributed


class Around(Layer):
    """Runs another layer, and says so by `sublayers` alone."""

    def __init__(self, inner: Layer) -> None:
        super().__init__()
        self.inner = inner

    @property
    def sublayers(self) -> list[Layer]:
        return [self.inner]

    def build(self, input_shape: Any) -> None:
        if not self.inner.built:
            self.inner.build(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.inner.compute_output_shape(input_shape)

    def forward(self, call: Any, *inputs: Any) -> Any:
        return self.inner.forward(call.child(0), *inputs)


def test_a_stateful_layer_inside_keeps_the_batches_of_its_model(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 3, 4)).astype("float32")
    layer = GRU(5, stateful=True)
    plain = Sequential([Input(batch_shape=(2, 3, 4)), layer])
    expected = plain.predict(x, batch_size=2, verbose=0)
    layer.reset_states()
    wrapped = Sequential([Input(batch_shape=(2, 3, 4)), Around(layer)])
    np.testing.assert_array_equal(wrapped.predict(x, batch_size=2, verbose=0), expected)
    with pytest.raises(ValueError, match="takes batches of exactly 2 samples"):
        wrapped(x)
    with pytest.raises(ValueError, match="stateful=True was built for batches of 2 rows, got 6"):
        wrapped.layers[0](x)


def test_a_model_that_becomes_stateful_inside_a_wrapper_is_heard(rng: np.random.Generator) -> None:
    inner = Sequential()
    wrapper = TimeDistributed(inner)
    inner.add(GRU(3, stateful=True))
    model = Sequential([Input(batch_shape=(2, 3, 4, 5)), wrapper])
    with pytest.raises(ValueError, match="is stateful"):
        model.predict(rng.normal(size=(4, 3, 4, 5)), batch_size=4, verbose=0)


class Halving(Layer):
    """f(x) = x + 1 + f(x / 2), and x + 1 from 1 downwards: it calls itself."""

    def forward(self, call: Any, *inputs: Any) -> Any:
        (x,) = inputs
        h = call.buffer("h", x.shape, self.dtype)
        np.add(x, 1, out=h)
        return h if x.max() <= 1 else h + self(x / 2)


def test_a_layer_may_call_itself() -> None:
    np.testing.assert_array_equal(Halving()(np.full((1, 2), 4.0)), [[10, 10]])


class Several(Layer):
    def forward(self, call: Any, *inputs: Any) -> Any:
        h = call.buffer("h", inputs[0].shape, self.dtype)
        np.multiply(inputs[0], 2, out=h)
        return [h, None, 3.0]


def test_outputs_of_any_kind_are_those_of_their_call_alone() -> None:
    layer = Several()
    first = layer(np.ones((1, 2)))
    layer(np.zeros((1, 2)))
    assert first[1] is None
    np.testing.assert_array_equal(first[0], [[2, 2]])
    assert first[2] == 3.0


class OwnState(Layer):
    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def forward(self, call: Any, *inputs: Any) -> Any:
        return inputs[0]


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copied_layer_works(clone: Any) -> None:
    layer = OwnState()
    layer(np.ones((1, 2)))
    np.testing.assert_array_equal(clone(layer)(np.ones((1, 2))), [[1, 1]])


def test_a_layer_that_was_called_goes_with_its_last_reference() -> None:
    gc.disable()
    try:
        layer = GRU(4)
        layer(np.ones((1, 2, 3)))
        gone = weakref.ref(layer)
        del layer
        assert gone() is None
    finally:
        gc.enable()


class Passing(Layer):
    """Passes everything on, but its gradients come as `form` makes them."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.form = form

    def forward(self, call: Any, *inputs: Any) -> Any:
        return inputs[0].copy()

    def backward(self, call: Any, *d_outputs: Any) -> Any:
        return self.form(d_outputs[0])


@pytest.mark.parametrize("form", [*ARRANGEMENTS.values(), lambda d: d.astype("float64")])
@pytest.mark.parametrize(
    "make",
    [
        lambda: Dense(4, activation="tanh"),
        lambda: Dense(4, activation="gelu"),
        lambda: GRU(4, return_sequences=True),
        lambda: LSTM(4, return_sequences=True),
        lambda: Conv1D(4, 2),
        lambda: Conv1D(4, 2, groups=2),
        lambda: Conv1D(4, 2, data_format="channels_first"),
    ],
)
def test_gradients_of_any_kind_train_the_layer_before(rng: np.random.Generator, make: Any, form: Any) -> None:
    x = rng.normal(size=(6, 4, 4)).astype("float32")
    y = rng.normal(size=make()(x).shape).astype("float32")
    trained = []
    first = None
    for form_of_gradient in (lambda d: d, form):
        model = Sequential([make(), Passing(form_of_gradient)])
        model.compile("sgd", "mse")
        model.predict(x, verbose=0)
        first = first or model.get_weights()
        model.set_weights(first)
        model.fit(x, y, epochs=2, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for plain, formed, before in zip(*trained, first, strict=True):
        np.testing.assert_array_equal(formed, plain)
        assert not np.array_equal(plain, before)


class OfAnotherShape(Layer):
    """Declares the shape of its input and puts out another one."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, call: Any, *inputs: Any) -> Any:
        return np.ones(self.shape, "float32")


def functional(layers: list[Layer], shape: tuple[int, ...]) -> Model:
    x = y = Input(shape)
    for layer in layers:
        y = layer(y)
    return Model(x, y)


@pytest.mark.parametrize("products", ["tiles", "blas"])
@pytest.mark.parametrize("make_model", [lambda layers, shape: Sequential([Input(shape), *layers]), functional])
@pytest.mark.parametrize(
    ("layer", "declared", "shape"),
    [
        (lambda: GRU(16, name="next"), (5, 8), (2, 5, 4096)),
        (lambda: GRU(16, name="next"), (5, 64), (2, 5, 3)),
        (lambda: GRU(16, name="next"), (5, 8), (0, 5, 8)),
        (lambda: GRU(16, name="next"), (5, 8), (2, 0, 8)),
        (lambda: GRU(16, name="next"), (5, 8), (2, 8)),
        (lambda: GRU(16, reset_after=False, name="next"), (5, 8), (2, 5, 7)),
        (lambda: LSTM(16, name="next"), (5, 8), (2, 5, 4096)),
        (lambda: LSTM(16, name="next"), (5, 8), (0, 5, 8)),
        (lambda: Bidirectional(GRU(16, name="next")), (5, 8), (2, 5, 9)),
        (lambda: TimeDistributed(Dense(16, name="next")), (5, 8), (2, 5, 9)),
        (lambda: Dense(16, name="next"), (8,), (2, 400000)),
        (lambda: Dense(16, name="next"), (8,), (2, 3)),
        (lambda: Dense(16, name="next"), (8,), (0, 8)),
    ],
)
def test_a_layer_that_puts_out_another_shape_than_it_declared_is_an_error_that_names_who_got_it(
    layer: Any, declared: tuple[int, ...], shape: tuple[int, ...], make_model: Any, products: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(config, "_products", products)
    model = make_model([OfAnotherShape(shape), layer()], declared)
    with pytest.raises(ValueError, match=r"next': (expected input of shape .*, got|the input is empty)"):
        model(np.ones((2, *declared), "float32"))


def test_the_layer_of_the_documentation_trains_is_saved_and_has_right_gradients(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[1] / "docs/own-layers.md").read_text()
    program: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, program)
    np.testing.assert_array_equal(program["again"](program["x"]), program["model"](program["x"]))
    assert program["model"].layers[0].scale.value.tolist() != [1, 1, 1]
    gradients_hold(program["Scale"](2.0, dtype="float64"), rng, rng.normal(size=(2, 4, 3)))
