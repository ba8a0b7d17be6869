"""sigmoid and tanh of the kernels: units in the last place over the whole range, and the values at its edges."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess

import numpy as np
import pytest

from fastgru import activations, kernels

# units of the last place of the result; the largest errors found are 2.11, 2.50, 1.98 and 2.39
LIMIT_ULP = {
    ("sigmoid", "float32"): 2.5,
    ("tanh", "float32"): 2.5,
    ("sigmoid", "float64"): 2.5,
    ("tanh", "float64"): 2.5,
}

COMPILED = list(kernels.module("float32").activation_ids)


def compiled(name, x):
    out = np.array(x).reshape(1, -1)
    kernels.module(str(out.dtype)).apply_activation(activations.get(name).kernel_id, out)
    return out[0]


def exact(name, x):
    """The function in extended precision."""
    wide = x.astype(np.longdouble)
    if name == "tanh":
        return np.tanh(wide)
    small = np.exp(-np.abs(wide))
    return np.where(wide < 0, small, 1) / (1 + small)


def error_in_ulp(name, x):
    expected = exact(name, x)
    unit = np.spacing(np.abs(expected).astype(x.dtype)).astype(np.longdouble)
    return np.abs(compiled(name, x).astype(np.longdouble) - expected) / unit


def samples(dtype):
    """Numbers of every magnitude, both signs, denormals among them, and densely where the functions bend."""
    integers = np.uint32 if dtype == "float32" else np.uint64
    largest = np.array(np.finfo(dtype).max, dtype).view(integers)
    every = np.linspace(0, float(largest), 300_000).astype(integers).view(dtype)
    every = every[np.isfinite(every)]
    bend = np.linspace(0, 120 if dtype == "float32" else 760, 300_000).astype(dtype)
    return np.concatenate([every, -every, bend, -bend])


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_error_stays_within_units_of_the_last_place(name, dtype):
    if dtype == "float64" and np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        pytest.skip("long double is no wider than double on this platform")
    assert error_in_ulp(name, samples(dtype)).max() <= LIMIT_ULP[name, dtype]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_error_over_a_sixteenth_of_all_floats(name):
    worst = 0.0
    infinity = 0x7F800000
    for start in range(0, infinity, 1 << 26):
        x = np.arange(start, min(start + (1 << 26), infinity), 16, dtype=np.uint32).view(np.float32)
        wide = x.astype(np.float64)
        for sign in (1, -1):
            expected = (
                np.tanh(sign * wide) if name == "tanh" else np.exp(np.minimum(sign * wide, 0)) / (1 + np.exp(-wide))
            )
            unit = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
            worst = max(worst, float((np.abs(compiled(name, np.float32(sign) * x) - expected) / unit).max()))
    assert worst <= LIMIT_ULP[name, "float32"]


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_infinities_nan_zeros_and_denormals_behave_as_numpys(name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, tiny, -tiny, 3 * tiny, 1e30, -1e30], dtype)
    with np.errstate(over="ignore"):
        expected = np.tanh(x) if name == "tanh" else 1 / (1 + np.exp(-x))
    result = compiled(name, x)
    np.testing.assert_array_equal(result, expected)
    number = ~np.isnan(x)  # the sign of a NaN means nothing
    np.testing.assert_array_equal(np.signbit(result[number]), np.signbit(expected[number]))


@pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump")
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_the_loops_are_vector_code(isa):
    """sigmoid, tanh, softsign and softmax divide, each at least once a whole vector at a time."""
    spec = importlib.util.find_spec(f"fastgru.kernels._float32_{isa}")
    if spec is None or platform.machine() != "x86_64":
        pytest.skip(f"no {isa} build here")
    code = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", spec.origin], capture_output=True, text=True, check=True
    )
    register = {"baseline": r"\bdivps .*%xmm", "avx2": r"vdivps .*%ymm", "avx512": r"vdivps .*%zmm"}[isa]
    assert len(re.findall(register, code.stdout)) >= 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_activation_and_derivative_agree_with_numpys(name, dtype, rng):
    x = (3 * rng.normal(size=(7, 33))).astype(dtype)
    dy = rng.normal(size=x.shape).astype(dtype)
    f = activations.get(name)
    y, d = x.copy(), dy.copy()
    kernels.module(dtype).apply_activation(f.kernel_id, y)
    kernels.module(dtype).apply_derivative(f.kernel_id, y, d)
    tolerance = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, f(x), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(d, f.backward(dy, f(x), x), rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("name", ["relu", "relu6", "hard_sigmoid", "hard_sigmoid_old"])
def test_a_closed_unit_passes_zero_on_whatever_comes(name):
    x = np.array([[-9, -9, -9, 9]], "float32" if name in ("relu", "relu6") else "float64")
    dy = np.array([[np.inf, -np.inf, np.nan, 1]], x.dtype)
    f = activations.get(name)
    y, d = f(x), dy.copy()
    kernels.module(x.dtype).apply_derivative(f.kernel_id, y, d)
    expected = [[0, 0, 0, 1 if name == "relu" else 0]]  # the others are closed at 9, too
    np.testing.assert_array_equal(d, expected)
    np.testing.assert_array_equal(f.backward(dy, y, x), expected)


@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", COMPILED)
def test_a_nan_stays_one_and_becomes_all_of_a_softmaxs_row(name, dtype, rng):
    x = rng.normal(size=(40, 37)).astype(dtype)  # whole vectors and a rest
    places = rng.integers(0, 37, 30)
    x[np.arange(30), places] = np.nan
    x[30] = np.nan
    y = x.copy()
    kernels.module(dtype).apply_activation(activations.get(name).kernel_id, y)
    expected = np.isnan(x).any(axis=1, keepdims=True) if name == "softmax" else np.isnan(x)
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to(expected, x.shape))
