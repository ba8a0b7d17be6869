"""A gradient tape says what TensorFlow's would, and refuses in a sentence what it cannot."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import GradientTape, Variable, ops
from fastgru.autodiff import Tensor


def gradient_of(function: Any, *inputs: Any) -> Any:
    tensors = [ops.convert_to_tensor(x) for x in inputs]
    with GradientTape() as tape:
        tape.watch(tensors)
        y = function(*tensors)
    gradients = tape.gradient(y, tensors)
    return gradients if len(tensors) > 1 else gradients[0]


@pytest.mark.keras  # or rather JAX, which takes as long to load
def test_numpy_functions_methods_and_operators_are_differentiated_as_ops(rng: Any) -> None:
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    x, w = (rng.normal(size=(3, 3)).astype("float32") / 4 for _ in range(2))

    def function(np: Any, x: Any, w: Any) -> Any:
        y = np.exp(x) @ w - 2 / (1 + x * x)
        y = np.concatenate([y[:, -1:], np.tanh(y)], axis=1)
        y = np.where(y > 0, y, 0.1 * y).reshape(2, -1).T
        y = np.mean(y, axis=0, keepdims=True) + y.sum() + y.max(axis=1)[:1] - abs(y).mean()
        return (-(y**2) / np.sqrt(np.square(y) + 1)).sum() + np.add.reduce(y, axis=1).sum() + w.T[0].sum()

    expected = jax.grad(lambda x, w: function(JaxLike(jnp), x, w), (0, 1))(x, w)
    for ours, theirs in zip(gradient_of(lambda x, w: function(np, x, w), x, w), expected, strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-5, atol=1e-5)


class JaxLike:
    """jax.numpy, where a ufunc's reduce is a sum."""

    def __init__(self, module: Any) -> None:
        self._module = module

    class add:
        @staticmethod
        def reduce(x: Any, axis: int) -> Any:
            return x.sum(axis)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def test_trainable_variables_are_watched_by_themselves_and_others_are_not() -> None:
    v, frozen = Variable([2.0]), Variable([3.0], trainable=False)
    with GradientTape() as tape:
        y = v * frozen * v
    assert tape.watched_variables() == (v,)
    assert tape.gradient(y, [v, frozen])[1] is None
    with GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(frozen)
        y = v * frozen
    gradients = tape.gradient(y, {"v": v, "frozen": frozen}, unconnected_gradients="zero")
    assert gradients["v"].tolist() == [0]
    assert gradients["frozen"].tolist() == [2]


def test_a_tape_is_used_once_unless_it_is_persistent() -> None:
    v = Variable([2.0])
    with GradientTape() as tape:
        y = v * v
    tape.gradient(y, v)
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(y, v)
    with GradientTape(persistent=True) as tape:
        y = v * v
        z = y * v
    assert [tape.gradient(one, v).tolist() for one in (y, z, y)] == [[4], [12], [4]]
    assert tape.gradient(z, [y, v])[0].tolist() == [2]


def test_targets_are_summed_and_weighted() -> None:
    v = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as tape:
        y, z = v * v, 3 * v
    assert tape.gradient([y, {"z": z}], v).tolist() == [5, 7]
    assert tape.gradient(y, v, output_gradients=np.array([10.0, 1.0], "float32")).tolist() == [20, 4]


def test_nothing_is_recorded_where_recording_is_stopped_or_a_gradient_is() -> None:
    v = Variable([2.0])
    with GradientTape() as outer, GradientTape() as tape:
        with tape.stop_recording():
            y = v * v
        z = v * ops.stop_gradient(v) + y
    assert tape.gradient(z, v).tolist() == [2]
    assert outer.gradient(z, v).tolist() == [2 + 4]


def test_a_second_derivative_is_refused_where_it_is_asked_for() -> None:
    v = Variable([2.0])
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = v * v * v
        first = inner.gradient(y, v)
        penalty = ops.sum(first * first)
    assert first.tolist() == [12]
    with pytest.raises(NotImplementedError, match="second derivatives are not in fastgru"):
        outer.gradient(penalty, v)


def test_a_numpy_function_without_an_op_is_refused_for_what_is_differentiated_alone() -> None:
    x = ops.convert_to_tensor([[1.0, 2.0]])
    np.testing.assert_array_equal(np.fft.fft(x), np.fft.fft(np.asarray(x)))
    with GradientTape() as tape:
        np.fft.fft(x)
        tape.watch(x)
        for call, message in (
            (lambda: np.fft.fft(x), "numpy.fft of a tensor that a gradient tape follows has no gradient"),
            (lambda: np.spacing(x), "numpy.spacing of"),
            (lambda: np.subtract.outer(x, x), "numpy.subtract.outer of"),
            (lambda: np.add(x, x, out=np.ones((1, 2), "float32")), "numpy.add of"),
            (lambda: x.__setitem__(0, 1), "ops.slice_update"),
            (lambda: x.sort(), "ops.slice_update"),
        ):
            with pytest.raises(TypeError, match=message):
                call()


def test_an_update_in_place_makes_a_new_tensor() -> None:
    x = y = ops.convert_to_tensor([1.0])
    with GradientTape() as tape:
        tape.watch(x)
        y *= 3
        y += x
    assert (x.tolist(), y.tolist()) == ([1], [4])
    assert tape.gradient(y, x).tolist() == [4]


def test_what_is_indexed_many_times_adds_up() -> None:
    x = ops.convert_to_tensor(np.arange(12.0, dtype="float32").reshape(3, 4))

    def function(x: Any) -> Any:
        total = ops.sum(x * 2)
        for step in range(4):
            total = total + ops.sum(x[:, step] * x[:, step]) + ops.sum(x[[0, 0], step])
        return total

    expected = 2 + 2 * np.asarray(x) + np.array([[2], [0], [0]])
    np.testing.assert_array_equal(gradient_of(function, x), expected)


def test_watching_what_has_no_gradient_is_refused() -> None:
    with GradientTape() as tape:
        for x, message in ((ops.convert_to_tensor([1]), "an array of int32"), ("x", "got str")):
            with pytest.raises(ValueError, match=message):
                tape.watch(x)


def test_a_plain_array_is_watched_too() -> None:
    x = np.array([1.0, 2.0], "float32")
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(ops.square(x))
    assert tape.gradient(y, x).tolist() == [2, 4]


def test_a_function_has_the_gradient_that_it_says() -> None:
    @fastgru.custom_gradient
    def clipped(x: Any) -> Any:
        return x * 2, lambda d: ops.clip(d * 2, -1, 1)

    assert gradient_of(lambda x: ops.sum(clipped(x) * 3), [1.0]).tolist() == [1]
    v = Variable([3.0])

    @fastgru.custom_gradient
    def scaled(x: Any) -> Any:
        def gradient(d: Any, variables: Any) -> Any:
            assert variables == [v]
            return d * v, [d * 100]

        return x * v, gradient

    x = ops.convert_to_tensor([2.0])
    with GradientTape() as tape:
        tape.watch(x)
        y = scaled(x)
    assert [one.tolist() for one in tape.gradient(y, [x, v])] == [[3], [100]]

    @fastgru.custom_gradient
    def wrong(x: Any, y: Any) -> Any:
        return x * y, lambda d: d

    with pytest.raises(ValueError, match="expected 2 gradients of 'wrong'"):
        gradient_of(wrong, [1.0], [2.0])


def test_tapes_of_other_threads_hear_nothing() -> None:
    v = Variable([2.0])
    with GradientTape() as tape:
        thread = threading.Thread(target=lambda: v * v)
        thread.start()
        thread.join()
    assert tape.watched_variables() == ()


def test_tensors_are_arrays() -> None:
    x = ops.convert_to_tensor([[1.0, 2.0]])
    assert isinstance(x, np.ndarray)
    assert type(x) is Tensor
    assert type(x.numpy()) is np.ndarray
    assert type(np.mean(x)) is np.float32
    for again in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        np.testing.assert_array_equal(again, x)
    assert [row.tolist() for row in x] == [[1, 2]]
    assert (x == 1).tolist() == [[True, False]]


@pytest.mark.parametrize(
    "product",
    [
        lambda m, w: m * w,
        lambda m, w: w * m,
        lambda m, w: np.multiply(m, w),
        lambda m, w: m @ w,
        lambda m, w: np.float64(2) * w,
        lambda m, w: np.sum(w),
        lambda m, w: np.dot(m, w),
        lambda m, w: np.exp(w),
    ],
)
def test_numpy_and_a_variable_make_an_op_in_either_order(product: Any, rng: np.random.Generator) -> None:
    m, start, h = rng.normal(size=3), rng.normal(size=3), 1e-6
    w = fastgru.Variable(start, dtype="float64")
    with fastgru.GradientTape() as tape:
        y = fastgru.ops.sum(product(m, w))
    gradient = tape.gradient(y, w)
    for place, step in enumerate(np.eye(3) * h):
        slope = (np.sum(product(m, start + step)) - np.sum(product(m, start - step))) / (2 * h)
        assert float(gradient[place]) == pytest.approx(slope, abs=1e-7)


def test_what_is_recorded_does_not_change_with_the_caller_s_array(rng: np.random.Generator) -> None:
    buffer, dense = np.ones((2, 3), "float32"), fastgru.layers.Dense(1, kernel_initializer="ones")
    dense(buffer)
    loss = fastgru.losses.BinaryCrossentropy(from_logits=True)
    labels, w = np.zeros((2, 1), "float32"), fastgru.Variable(np.ones((2, 3), "float32"))
    with fastgru.GradientTape(persistent=True) as tape:
        by_layer, by_op = fastgru.ops.sum(dense(buffer)), fastgru.ops.sum(w * buffer)
        by_loss = loss(labels, fastgru.ops.sum(w, axis=1, keepdims=True))
    before = tape.gradient(by_loss, w).numpy()
    buffer[:], labels[:] = 7, 5
    np.testing.assert_array_equal(tape.gradient(by_layer, dense.kernel), np.full((3, 1), 2))
    np.testing.assert_array_equal(tape.gradient(by_op, w), np.ones((2, 3)))
    np.testing.assert_array_equal(tape.gradient(by_loss, w), before)


@pytest.mark.parametrize("made", [fastgru.ops.convert_to_tensor, fastgru.ops.array])
def test_a_tensor_made_of_an_array_has_memory_of_its_own(made: Any) -> None:
    array = np.ones(3, "float32")
    x, y = made(array), made(array, "float32")
    array[:] = 7
    assert x.tolist() == y.tolist() == [1, 1, 1]
