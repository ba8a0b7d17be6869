"""Every op computes what Keras computes, in Keras's dtype, and its gradient is that of its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import CASES, label

import fastgru
from fastgru import ops, tree
from fastgru.autodiff import Tensor, with_pullback

OP_CASES = [pytest.param(*case, id=f"{place}-{label(case)}") for place, case in enumerate(CASES)]


@pytest.mark.keras
@pytest.mark.parametrize(("name", "arguments", "options"), OP_CASES)
def test_an_op_computes_what_keras_does(keras: Any, name: str, arguments: Any, options: Any) -> None:
    if name == "sparsemax":
        pytest.skip("Keras's does not always sum to 1: tests/activations has the formula")
    ours = tree.flatten(getattr(ops, name)(*arguments, **options))
    theirs = keras.tree.flatten(getattr(keras.ops, name)(*arguments, **options))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        other = np.asarray(other)
        assert np.shape(one) == other.shape
        if isinstance(one, Tensor):
            assert str(one.dtype) == keras.backend.standardize_dtype(other.dtype)
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-5, atol=1e-5)


# what a small step of an argument changes nothing of, or in jumps
NO_GRADIENT = {
    "zeros_like",
    "ones_like",
    "isnan",
    "isinf",
    "isfinite",
    "isposinf",
    "isneginf",
    "signbit",
    "argsort",
    "argmax",
    "argmin",
    "count_nonzero",
    "all",
    "any",
    "shape",
    "size",
    "ndim",
    "nonzero",
    "empty_like",
    "stop_gradient",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "isclose",
    "imag",
    "one_hot",
    "multi_hot",
    "in_top_k",
    "searchsorted",
    "digitize",
    "bincount",
    "histogram",
    "isin",
    "unique",
    "argpartition",
    "full_like",
    "convert_to_tensor",
    "array",
    "saturate_cast",
    "unravel_index",
}


def as_float64(x: Any) -> Any:
    return x.astype("float64") if isinstance(x, np.ndarray) and x.dtype == "float32" else x


def places(structure: Any) -> list[int]:
    """Which leaves are arrays of floats."""
    return [
        place
        for place, leaf in enumerate(tree.flatten(structure))
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    ]


DIFFERENTIABLE = [
    case
    for case in OP_CASES
    if case.values[0] not in NO_GRADIENT and places([case.values[1], case.values[2]]) and case.values[0] != "cast"
]


@pytest.mark.parametrize(("name", "arguments", "options"), DIFFERENTIABLE)
def test_the_gradient_of_an_op_is_that_of_its_output(
    rng: np.random.Generator, name: str, arguments: Any, options: Any
) -> None:
    structure = tree.map_structure(as_float64, [arguments, options])
    leaves = tree.flatten(structure)
    moved = places(structure)

    def outputs(*numbers: Any) -> Any:
        filled = list(leaves)
        for place, x in zip(moved, numbers, strict=True):
            filled[place] = x
        positional, named = tree.pack_sequence_as(structure, filled)
        return getattr(ops, name)(*positional, **named)

    inputs = [leaves[place].copy() for place in moved]
    ys, pull = with_pullback(outputs, *inputs)
    weights = [rng.normal(size=y.shape) if y.dtype.kind == "f" else None for y in tree.flatten(ys)]
    assert all(y.dtype == "float64" for y in tree.flatten(ys) if y.dtype.kind == "f")

    def total() -> float:
        pairs = zip(tree.flatten(outputs(*inputs)), weights, strict=True)
        return float(sum(np.sum(np.asarray(y) * weight) for y, weight in pairs if weight is not None))

    for x, gradient in zip(inputs, pull(*weights), strict=True):
        expected = np.empty_like(x)
        for index in np.ndindex(x.shape):
            before = x[index]
            x[index] = before + 1e-6
            above = total()
            x[index] = before - 1e-6
            expected[index] = (above - total()) / 2e-6
            x[index] = before
        np.testing.assert_allclose(np.zeros_like(x) if gradient is None else gradient, expected, rtol=1e-6, atol=1e-6)


def test_every_op_has_a_case() -> None:
    called = {name for name, *_ in CASES}
    elsewhere = {
        "allclose",
        "associative_scan",
        "cond",
        "convert_to_numpy",
        "custom_gradient",
        "dtype",
        "fori_loop",
        "is_tensor",
        "map",
        "scan",
        "switch",
        "vectorize",
        "vectorized_map",
        "while_loop",
    }
    assert set(ops.__all__) - called == elsewhere


@pytest.mark.keras
def test_every_op_has_keras_arguments(keras: Any) -> None:
    import inspect

    for name in ops.__all__:
        theirs = inspect.signature(getattr(keras.ops, name)).parameters
        ours = inspect.signature(getattr(ops, name)).parameters
        assert list(ours) == list(theirs)[: len(ours)], name
        assert set(list(theirs)[len(ours) :]) <= {"kwargs", "size", "fill_value"}, name


DTYPES = ["bool", "int8", "uint8", "int32", "int64", "float16", "float32"]


@pytest.mark.keras
@pytest.mark.parametrize("second", [*DTYPES, int, float])
@pytest.mark.parametrize("first", DTYPES)
def test_two_dtypes_make_the_one_of_keras(keras: Any, first: str, second: Any) -> None:
    if "int64" in (first, second):
        pytest.skip("JAX has no int64 without a switch")
    a = np.ones(3, first)
    b = np.ones(3, second) if isinstance(second, str) else second(1)
    for name in ("add", "multiply", "true_divide", "maximum", "matmul"):
        if name == "matmul" and not isinstance(second, str):
            continue
        expected = getattr(keras.ops, name)(keras.ops.convert_to_tensor(a), b)
        assert str(getattr(ops, name)(a, b).dtype) == keras.backend.standardize_dtype(expected.dtype), name


@pytest.mark.keras
@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype != "int64"])
@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "cumsum", "exp", "sqrt", "abs", "square", "max", "argmax", "softmax", "relu", "var"]
)
def test_one_dtype_makes_the_one_of_keras(keras: Any, name: str, dtype: str) -> None:
    if dtype == "bool" and name in ("relu", "softmax"):
        pytest.skip("JAX refuses it, or takes it for an integer")
    x = np.ones((2, 3), dtype)
    expected = getattr(keras.ops, name)(keras.ops.convert_to_tensor(x))
    assert str(getattr(ops, name)(x).dtype) == keras.backend.standardize_dtype(expected.dtype)


def test_a_variable_goes_wherever_an_array_goes() -> None:
    v = fastgru.Variable(np.arange(6.0, dtype="float32").reshape(2, 3))
    x = np.ones((2, 2), "float32")
    np.testing.assert_array_equal(x @ v, x @ v.value)
    np.testing.assert_array_equal(1 - v[:, 1] * 2, 1 - v.value[:, 1] * 2)
    np.testing.assert_array_equal(ops.sum(v, axis=0), v.value.sum(0))
    np.testing.assert_array_equal(np.ones(3, "float32") + v, 1 + v.value)


def test_numbers_of_python_and_numpy_have_no_say_in_the_dtype() -> None:
    x = ops.convert_to_tensor([1.0, 2.0])
    for y in (x * 2, x / np.sqrt(2.0), np.float64(3) * x, 2.5 + x, x ** np.int64(2), np.pi - x):
        assert y.dtype == "float32"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.one_hot([1], 3, sparse=True), "one_hot: sparse=True is not supported"),
        (lambda: ops.take([1.0, 2.0], 2), "take: expected indices from -2 to 1, got 2 to 2"),
        (lambda: ops.pad([1.0], 1, mode="edge", constant_values=1), "pad: constant_values goes with"),
        (lambda: ops.sum([[1.0]], axis=2), "there is no axis 2 in an array of 2 axes"),
        (lambda: ops.where([True], [1.0]), "where: expected both x1 and x2"),
        (lambda: ops.ctc_decode(np.zeros((1, 2, 3)), [2], strategy="best"), "must be one of greedy, beam_search"),
        (lambda: ops.ctc_decode(np.zeros((1, 2, 3)), [2], "beam_search", 2, 3), "top_paths must be at most beam_width"),
        (lambda: ops.einsum("ij,jk->ik", np.eye(2)), "einsum: expected 2 arrays"),
        (lambda: ops.zeros(3, "float99"), "expected the name of a numpy dtype, got 'float99'"),
        (lambda: ops.scan(lambda c, x: (c, x), 0), "scan: expected xs or length"),
        (lambda: ops.binary_crossentropy([1.0], [[1.0]]), "binary_crossentropy: expected targets of the shape"),
        (lambda: ops.exp("x"), "expected numbers, got str 'x'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(call: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError, IndexError), match=message):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_large_product_and_its_gradients_are_those_of_a_small_one(dtype: str, rng: np.random.Generator) -> None:
    x, w, d = (rng.normal(size=shape).astype(dtype) for shape in ((40, 30, 17), (17, 29), (40, 30, 29)))
    x, w = fastgru.ops.convert_to_tensor(x), fastgru.ops.convert_to_tensor(w)
    with fastgru.GradientTape() as tape:
        tape.watch([x, w])
        y = fastgru.ops.matmul(x, w)
    d_x, d_w = tape.gradient(y, [x, w], output_gradients=d)
    tolerance = {"rtol": 0, "atol": 1e-3 if dtype == "float32" else 1e-10}
    np.testing.assert_allclose(y, np.einsum("btf,fu->btu", x, w), **tolerance)
    np.testing.assert_allclose(d_x, np.einsum("btu,fu->btf", d, w), **tolerance)
    np.testing.assert_allclose(d_w, np.einsum("btf,btu->fu", x, d), **tolerance)


def test_a_large_product_has_the_same_bits_with_any_number_of_threads(rng: np.random.Generator) -> None:
    x, w = rng.normal(size=(700, 40)).astype("float32"), rng.normal(size=(40, 33)).astype("float32")
    results = []
    for count in (1, 2, 3):
        fastgru.set_num_threads(count)
        results.append(fastgru.ops.matmul(x, w).tobytes())
    fastgru.set_num_threads(None)
    assert len(set(results)) == 1
