"""Sums and extremes along axes and arrays spread along them are numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru.autodiff.sums import broadcast, extreme, total


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(), (0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32"])
def test_totals_are_those_of_numpy(axes: tuple[int, ...], keepdims: bool, dtype: str, rng: np.random.Generator) -> None:
    x = (10 * rng.normal(size=(5, 70, 3))).astype(dtype)
    for array in (x, np.asfortranarray(x), x[::-1]):
        y, expected = total(array, axes, keepdims), array.sum(axes, keepdims=keepdims)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=1e-2 if dtype == "float16" else 1e-5, atol=1e-4)


def test_totals_of_nothing_are_zeros() -> None:
    assert total(np.ones((0, 3), "float32"), (0,)).tolist() == [0, 0, 0]
    assert total(np.ones((3, 0), "float32"), (1,)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(0,), (2,), (1, 2)])
@pytest.mark.parametrize("width", [1, 7, 70])
@pytest.mark.parametrize("ufunc", [np.maximum, np.minimum])
def test_extremes_are_those_of_numpy(
    ufunc: np.ufunc, width: int, axes: tuple[int, ...], keepdims: bool, rng: np.random.Generator
) -> None:
    x = rng.normal(size=(5, 20, width)).astype("float32")
    x[2, 3, 0] = np.nan
    for array in (x, np.asfortranarray(x), x[::-1]):
        y = extreme(ufunc, array, axes, keepdims)
        np.testing.assert_array_equal(y, ufunc.reduce(array, axes, keepdims=keepdims))


@pytest.mark.parametrize("rows", [2, 40000])
def test_an_array_is_spread_as_by_numpy(rows: int, rng: np.random.Generator) -> None:
    x = rng.normal(size=(1, 3)).astype("float32")
    y = broadcast(x, (rows, 3))
    np.testing.assert_array_equal(y, np.broadcast_to(x, (rows, 3)))
    assert y.dtype == x.dtype
