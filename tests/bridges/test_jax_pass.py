"""The kernels as functions of JAX: gradients in float64, JAX's transformations, and what they refuse."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="JAX, whose programs call the kernels, is not installed")
pytest.importorskip("keras", reason="Keras, which JAX is here for, is not installed")

import jax.numpy as jnp

from fastgru import get_num_threads, kernels, set_num_threads
from fastgru.bridges.sequence import Cell
from fastgru.keras import jax_pass
from fastgru.keras.options import PassOptions

pytestmark = pytest.mark.keras

B, T, F, H = 3, 4, 2, 3
GATES = {"gru": 3, "rnn": 4}


def options(name: str, **changed: Any) -> PassOptions:
    cell = Cell("gru" if name == "gru" else "lstm", zero_output_for_mask=changed.pop("zero_output_for_mask", False))
    return PassOptions(cell, False, True)._replace(**changed)


def arguments(rng: np.random.Generator, name: str, dtype: str = "float64") -> list[Any]:
    """x, kernel, recurrent kernel, bias, and as many states as there are."""
    N = GATES[name] * H
    shapes = [(B, T, F), (F, N), (H, N), (2, N) if name == "gru" else (N,), (B, H), (B, H)]
    return [jnp.asarray(0.5 * rng.standard_normal(shape), dtype) for shape in shapes[: 5 if name == "gru" else 6]]


def loss(options: PassOptions, mask: Any = None) -> Any:
    """A number that all outputs go into, each its own way."""

    def of(x: Any, *rest: Any) -> Any:
        outputs = jax_pass.recurrent_pass(options, x, mask, *rest)
        return sum((jnp.sin(index + 1 + output) ** 2).sum() for index, output in enumerate(outputs))

    return of


@pytest.mark.parametrize("changed", [{}, {"go_backwards": True, "zero_output_for_mask": True}], ids=str)
@pytest.mark.parametrize("name", GATES)
def test_gradients_are_the_slopes(rng: np.random.Generator, name: str, changed: dict[str, Any]) -> None:
    with jax.enable_x64(True):
        values, function = (
            arguments(rng, name),
            jax.jit(loss(options(name, **changed), jnp.asarray(np.arange(T) != [[1], [3], [0]]))),
        )
        gradients = jax.jit(jax.grad(function, tuple(range(len(values)))))(*values)
        for index, gradient in enumerate(gradients):
            direction = jnp.asarray(rng.standard_normal(gradient.shape))
            above, below = (
                function(*values[:index], values[index] + step * direction, *values[index + 1 :])
                for step in (1e-6, -1e-6)
            )
            assert float((gradient * direction).sum()) == pytest.approx(float(above - below) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("name", GATES)
def test_jax_s_transformations_give_the_same_gradients(rng: np.random.Generator, name: str) -> None:
    values, function = arguments(rng, name, "float32"), loss(options(name))
    expected = jax.grad(function)(*values)
    np.testing.assert_allclose(jax.jit(jax.grad(jax.checkpoint(function)))(*values), expected, atol=1e-5)
    x, *rest = values
    each = jax.vmap(jax.grad(function), (0, *[None] * len(rest)))(jnp.stack([x, 2 * x]), *rest)
    np.testing.assert_allclose(each[0], expected, atol=1e-5)


def test_what_the_forward_pass_left_serves_two_backward_passes(rng: np.random.Generator) -> None:
    value, pull = jax.vjp(loss(options("gru")), *arguments(rng, "gru", "float32"))
    first, second = pull(jnp.ones_like(value)), pull(jnp.ones_like(value))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_gradients_that_nobody_asks_for_are_not_computed(rng: np.random.Generator) -> None:
    x, *rest = arguments(rng, "gru", "float32")
    of_kernel = jax.jit(jax.grad(loss(options("gru")), 1)).lower(x, *rest).as_text()
    of_all = jax.jit(jax.grad(loss(options("gru")), (0, 1))).lower(x, *rest).as_text()
    [call] = [line for line in of_kernel.splitlines() if "gru_backward" in line]
    [full] = [line for line in of_all.splitlines() if "gru_backward" in line]
    assert call.rpartition("->")[2].count("tensor<0xf32>") == 1 + full.rpartition("->")[2].count("tensor<0xf32>")


def test_a_second_derivative_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="cannot be differentiated"):
        jax.hessian(loss(options("gru")), argnums=0)(*arguments(rng, "gru", "float32"))


@pytest.mark.parametrize("index", range(7))
@pytest.mark.parametrize("name", GATES)
def test_an_array_of_another_size_is_refused(rng: np.random.Generator, name: str, index: int) -> None:
    x, *weights = arguments(rng, name, "float32")
    N = GATES[name] * H
    read = [x, jnp.zeros(0, bool), *weights[:4], weights[4] if name == "rnn" else jnp.zeros(0)]
    read[index] = jnp.zeros(7, read[index].dtype)
    module = kernels.module("float32")
    sizes = (
        (module.gru_memory(B, T, F, H, True, True, False), module.gru_pack_size(F, H, True))
        if name == "gru"
        else (module.rnn_memory(B, T, F, H, N, False), module.rnn_pack_size(F, H, N))
    )
    shapes = [(sizes[0],), (sizes[1],), (0,), (B, H), (B, H) if name == "rnn" else (0,)]
    jax_pass.obstacle()
    call = jax.ffi.ffi_call(f"fastgru_{name}_forward_float32", [jax.ShapeDtypeStruct(each, "f4") for each in shapes])
    with pytest.raises(Exception, match="is not of its size"):
        jax.block_until_ready(call(*read, options=np.array([1, 1, 0, 0, 1, 0, 1], np.int64)))


@pytest.mark.parametrize(("rows", "training", "threads"), [(1, True, 1), (1, False, 2), (64, True, 2), (64, False, 2)])
def test_a_small_step_of_training_is_computed_by_one_thread(rows: int, training: bool, threads: int) -> None:
    def last(x: Any) -> Any:
        kernel, recurrent_kernel = jnp.zeros((28, 384)), jnp.zeros((128, 384))
        states = jnp.zeros((2, 384)), jnp.zeros((rows, 128))
        return jax_pass.recurrent_pass(options("gru"), x, None, kernel, recurrent_kernel, *states)[1].sum()

    count = get_num_threads()
    set_num_threads(2)
    try:
        lowered = jax.jit(jax.grad(last) if training else last).lower(jnp.zeros((rows, 28, 28))).as_text()
    finally:
        set_num_threads(count)
    calls = re.findall(r"options = dense<\[(.*?)\]>", lowered)
    assert [int(numbers.split(", ")[-1]) for numbers in calls] == [threads] * (2 if training else 1)
