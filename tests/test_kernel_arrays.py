"""What the kernels are handed: they compute on memory, so an array that they would misread is refused."""

from __future__ import annotations

import numpy as np
import pytest
from arrangements import ARRANGEMENTS

from fastgru import config, kernels
from fastgru.layers import GRU, LSTM, Conv1D, Dense
from fastgru.layers.workspace import Call

MISFITS = {
    "another type": lambda a: a.astype("float64" if a.dtype == "float32" else "float32"),
    "another byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    **ARRANGEMENTS,
    "another number of axes": lambda a: a[None],
    "no axes": lambda a: a[0, 0, ...],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("misfit", MISFITS)
def test_kernels_refuse_an_array_they_would_misread(rng, dtype, misfit):
    right = rng.random((3, 4)).astype(dtype)
    wrong = MISFITS[misfit](right)
    before = wrong.copy()
    with pytest.raises(
        ValueError, match=f"expected a C-contiguous, aligned, writeable array of {dtype} with 2 axes, got"
    ):
        kernels.module(dtype).apply_activation(2, wrong)
    np.testing.assert_array_equal(wrong, before)
    with pytest.raises(ValueError, match=f"C-contiguous, aligned array of {dtype} with 2 axes, got {wrong.dtype}"):
        kernels.module(dtype).apply_derivative(2, wrong, right)


def test_kernels_refuse_to_write_what_is_only_to_be_read():
    fixed = np.zeros((2, 2), "float32")
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        kernels.module("float32").apply_activation(2, fixed)


@pytest.mark.parametrize("products", ["tiles", "blas"])
@pytest.mark.parametrize("make", [lambda: Dense(4), lambda: Conv1D(4, 2), lambda: GRU(4), lambda: LSTM(4)])
def test_a_backward_pass_that_nothing_was_kept_for_harms_no_prediction(rng, make, products, monkeypatch):
    monkeypatch.setattr(config, "_products", products)
    layer, x = make(), rng.random((16, 5, 6)).astype("float32")
    expected, call = layer(x), Call()
    y = layer.forward(call, x)
    for weight in layer.weights:
        weight.gradient = np.zeros_like(weight.value)
    if products == "tiles" or isinstance(layer, (GRU, LSTM)):  # with BLAS a dense layer has all it needs
        with pytest.raises(ValueError, match=r"writeable array of float32 with 1 axis|expected a workspace of"):
            layer.backward(call, np.ones_like(y))
    np.testing.assert_array_equal(layer(x), expected)


def test_kernels_take_no_none_where_they_need_an_array():
    with pytest.raises(TypeError, match="None"):
        kernels.module("float32").apply_activation(2, None)


@pytest.mark.parametrize("name", ["int64", "longlong"])
def test_class_numbers_are_read_whatever_c_calls_their_type(name):
    labels, p = np.array([1, 0], name), np.full((2, 2), 0.5, "float32")
    losses, gradient = np.empty(2, "float32"), np.empty((2, 2), "float32")
    assert kernels.module("float32").sparse_categorical_crossentropy(labels, p, losses, gradient)
    np.testing.assert_allclose(losses, np.log(2), rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [(1000,), (1000, 7), (1000, 3, 600), (1000, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_rows_are_taken_as_numpy_takes_them(rng, dtype, shape, threads):
    source = (rng.random(shape) * 100).astype(dtype)
    chosen = rng.permutation(1000)[:300]
    out = np.zeros((300, *shape[1:]), dtype)
    kernels.take_rows(source, chosen, out, threads)
    np.testing.assert_array_equal(out, source[chosen])


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_not_taken(row):
    out = np.full((2, 3), 7.0)
    with pytest.raises(IndexError, match=f"there are 5 rows, no row {row}"):
        kernels.take_rows(np.zeros((5, 3)), np.array([0, row]), out, 1)
    np.testing.assert_array_equal(out, 7.0)
