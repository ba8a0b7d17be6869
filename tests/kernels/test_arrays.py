"""What the kernels are handed: they compute on memory, so an array that they would misread is refused."""

from __future__ import annotations

import copy
import itertools
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from arrangements import ARRANGEMENTS

from fastgru import activations, config, kernels
from fastgru.kernels.reference import dense as reference
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
    kernels.gather_rows(source, chosen, out, threads)
    np.testing.assert_array_equal(out, source[chosen])


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_not_taken(row):
    out = np.full((2, 3), 7.0)
    with pytest.raises(IndexError, match=f"there are 5 rows, no row {row}"):
        kernels.gather_rows(np.zeros((5, 3)), np.array([0, row]), out, 1)
    np.testing.assert_array_equal(out, 7.0)


@pytest.mark.parametrize("indices", [np.array([0, 1], "int32"), np.zeros(2), np.zeros((2, 1), int), np.uint64([0, 1])])
def test_indices_of_rows_are_int64(indices):
    out = np.full((2, 3), 7.0)
    with pytest.raises(ValueError, match="gather_rows: expected indices of int64 with 1 axis"):
        kernels.gather_rows(np.zeros((5, 3)), indices, out, 1)
    np.testing.assert_array_equal(out, 7.0)


@pytest.mark.parametrize("out", [(3, 3), (1, 3), (0, 3), (2, 4), (2, 2), (2,), (2, 3, 1), (3, 2), ()])
def test_rows_are_taken_into_memory_of_their_shape_alone(out):
    memory = np.full(out, 7.0)
    with pytest.raises(ValueError, match="gather_rows: expected 2 rows of an array of shape"):
        kernels.gather_rows(np.zeros((5, 3)), np.array([0, 1]), memory, 1)
    np.testing.assert_array_equal(memory, 7.0)
    with pytest.raises(ValueError, match="with 8 bytes a number, got memory of shape"):
        kernels.gather_rows(np.zeros((5, 3)), np.array([0, 1]), np.zeros((2, 3), "float32"), 1)


@pytest.mark.parametrize(("make", "parts"), [(GRU, 4), (LSTM, 6)])
def test_gates_go_into_memory_of_their_shape_alone(rng, make, parts):
    layer, x = make(6), rng.random((3, 4, 5)).astype("float32")
    layer(x)
    saving, passing = Call(differentiate=True), Call()
    for call in (saving, passing):
        layer.forward(call, x)
    for shape in ((parts - 1, 3, 4, 6), (parts, 4, 3, 6), (parts, 3, 4), (parts, 3, 4, 7)):
        out = np.full(shape, 7.0, "float32")
        with pytest.raises(ValueError, match=r"Kernels, out: expected an? "):
            saving.saved["run"].kernel_call.put_gates(out)
        np.testing.assert_array_equal(out, 7.0)
    with pytest.raises(ValueError, match="expected a workspace of a forward pass with training=True"):
        passing.saved["run"].kernel_call.put_gates(np.zeros((parts, 3, 4, 6), "float32"))


# --- sizes ------------------------------------------------------------------------------------------

B, T, F, H, N, C = 3, 4, 5, 6, 7, 2
SOFTMAX = kernels.module("float32").activation_ids["softmax"]


def zeros(*shape):
    return np.zeros(shape, "float32")


def weights(columns):
    return {"kernel": zeros(F, columns), "recurrent_kernel": zeros(H, columns)}


def bias_rows(reset_after):
    return 2 if reset_after else 1


OPTIONS = {"activation": 3, "recurrent_activation": 2, "go_backwards": False, "zero_output_for_mask": False}


def gru_pass(compiled, reset_after, tiles, training):
    """The arguments that a GRU's two passes share, in their order."""
    packed = zeros(compiled.gru_pack_size(F, H, reset_after)) if tiles else None
    memory = zeros(compiled.gru_memory(B, T, F, H, reset_after, tiles, training))
    states = {"h0": zeros(B, H), "mask": np.ones((B, T), "uint8")}
    return packed, memory, states, {**OPTIONS, "reset_after": reset_after}


def gru_forward(compiled, reset_after, tiles, training):
    packed, memory, states, options = gru_pass(compiled, reset_after, tiles, training)
    return {
        "x": zeros(B, T, F), **weights(3 * H), "bias": zeros(bias_rows(reset_after), 3 * H), "packed": packed, **states,
        **options, "training": training, "memory": memory, "y": zeros(B, T, H), "last": zeros(B, H),
    }  # fmt: skip


def gru_backward(compiled, reset_after, tiles):
    packed, memory, states, options = gru_pass(compiled, reset_after, tiles, True)
    return {
        "x": zeros(B, T, F), **weights(3 * H), "packed": packed, **states, **options, "memory": memory,
        "dy": zeros(B, T, H), "d_last": zeros(B, H), "dx": zeros(B, T, F), "dh0": zeros(B, H),
        "d_kernel": zeros(F, 3 * H), "d_recurrent_kernel": zeros(H, 3 * H),
        "d_bias": zeros(bias_rows(reset_after), 3 * H), "training": True,
    }  # fmt: skip


def rnn_pass(compiled, columns, tiles, training):
    packed = zeros(compiled.rnn_pack_size(F, H, columns)) if tiles else None
    memory = zeros(compiled.rnn_memory(B, T, F, H, columns, training))
    states = {"h0": zeros(B, H), "c0": zeros(B, H) if columns > H else None, "mask": np.ones((B, T), "uint8")}
    return packed, memory, states, OPTIONS


def rnn_forward(compiled, columns, tiles, training):
    packed, memory, states, options = rnn_pass(compiled, columns, tiles, training)
    return {
        "x": zeros(B, T, F), **weights(columns), "bias": zeros(columns), "packed": packed, **states, **options,
        "training": training, "memory": memory, "y": zeros(B, T, H), "last": zeros(B, H),
        "last_cell": zeros(B, H) if columns > H else None,
    }  # fmt: skip


def rnn_backward(compiled, columns, tiles):
    packed, memory, states, options = rnn_pass(compiled, columns, tiles, True)
    cell = columns > H
    return {
        "x": zeros(B, T, F), **weights(columns), "packed": packed, **states, **options, "memory": memory,
        "dy": zeros(B, T, H), "d_last": zeros(B, H), "d_last_cell": zeros(B, H) if cell else None, "dx": zeros(B, T, F),
        "dh0": zeros(B, H), "dc0": zeros(B, H) if cell else None, "d_kernel": zeros(F, columns),
        "d_recurrent_kernel": zeros(H, columns), "d_bias": zeros(columns), "training": True,
    }  # fmt: skip


def dense(compiled, tiles):
    return {
        "x": zeros(N, F), "kernel": zeros(F, C), "packed": zeros(compiled.dense_pack_size(F, C)) if tiles else None
    }  # fmt: skip


def dense_forward(compiled, tiles):
    return {
        **dense(compiled, tiles), "stale": True, "bias": zeros(C), "activation": SOFTMAX, "y": zeros(N, C), "threads": 1
    }  # fmt: skip


def dense_backward(compiled, tiles):
    return {
        **dense(compiled, tiles), "activation": SOFTMAX, "y": zeros(N, C), "dy": zeros(N, C),
        "d": zeros(N * C + compiled.read_padding), "dx": zeros(N, F), "d_kernel": zeros(F, C),
        "d_bias": zeros(C), "threads": 1,
    }  # fmt: skip


def cross_entropy(compiled):
    return {"t": zeros(N, C), "p": np.full((N, C), 0.5, "float32"), "losses": zeros(N), "gradient": zeros(N, C)}


def dense_pack(compiled):
    return {"kernel": zeros(F, C), "packed": zeros(compiled.dense_pack_size(F, C))}


def gru_pack(compiled, reset_after):
    packed = zeros(compiled.gru_pack_size(F, H, reset_after))
    bias = zeros(bias_rows(reset_after), 3 * H)
    return {**weights(3 * H), "bias": bias, "reset_after": reset_after, "packed": packed}


def rnn_pack(compiled, columns):
    return {**weights(columns), "packed": zeros(compiled.rnn_pack_size(F, H, columns))}


def sparse_cross_entropy(compiled):
    return {"labels": np.ones(N, "int64"), **cross_entropy(compiled), "t": ()}


def adafactor(compiled):
    arrays = {name: np.ones(2 * H * C, "float32") for name in ("values", "updated", "gradients", "v")}
    return {**arrays, "rows": zeros(2, H), "columns": zeros(2, C), "numbers": (0.0, 0.1, 0.5, 1e-30, 1e-3, 1.0)}


def update(compiled, rule):
    arrays = {name: np.ones(N, "float32") for name in ("values", "updated", "gradients", "m", "v", "a")}
    return {"rule": rule, **arrays, "decay": 0.0, "threads": 1}


FLAGS = (True, False)
GRUS = list(itertools.product(FLAGS, FLAGS))  # reset_after, tiles
RNNS = list(itertools.product((H, 4 * H), FLAGS))  # SimpleRNN and LSTM, tiles

# what makes the arguments of a call, and the kernel that takes them
CALLS = [
    ("apply_activation", lambda compiled: {"kind": SOFTMAX, "x": zeros(N, C)}),
    ("apply_derivative", lambda compiled: {"kind": SOFTMAX, "y": zeros(N, C), "dy": zeros(N, C)}),
    ("activate_input", lambda compiled: {"kind": 0, "x": zeros(N), "y": zeros(N)}),
    ("input_derivative", lambda compiled: {"kind": 0, "dy": zeros(N), "x": zeros(N), "dx": zeros(N)}),
    ("dense_pack", dense_pack),
    *[("dense_forward", partial(dense_forward, tiles=tiles)) for tiles in FLAGS],
    *[("dense_backward", partial(dense_backward, tiles=tiles)) for tiles in FLAGS],
    ("normalize_rows", lambda compiled: {"x": zeros(N, C), "epsilon": 0.1, "normal": zeros(N, C), "inverse": zeros(N)}),
    ("binary_crossentropy", cross_entropy),
    ("categorical_crossentropy", cross_entropy),
    ("sparse_categorical_crossentropy", sparse_cross_entropy),
    *[("update", partial(update, rule=rule)) for rule in kernels.module("float32").update_rules],
    ("adafactor", adafactor),
    *[("gru_pack", partial(gru_pack, reset_after=reset_after)) for reset_after in FLAGS],
    *[
        ("gru_forward", partial(gru_forward, reset_after=reset_after, tiles=tiles, training=training))
        for reset_after, tiles in GRUS
        for training in FLAGS
    ],
    *[("gru_backward", partial(gru_backward, reset_after=reset_after, tiles=tiles)) for reset_after, tiles in GRUS],
    *[("rnn_pack", partial(rnn_pack, columns=columns)) for columns in (H, 4 * H)],
    *[
        ("rnn_forward", partial(rnn_forward, columns=columns, tiles=tiles, training=training))
        for columns, tiles in RNNS
        for training in FLAGS
    ],
    *[("rnn_backward", partial(rnn_backward, columns=columns, tiles=tiles)) for columns, tiles in RNNS],
]
# sizes that nothing else of the call says
FREE = {
    ("apply_activation", "x"): (0, 1), ("dense_pack", "kernel"): (0, 1), ("gru_pack", "kernel"): (0,),
    ("rnn_pack", "kernel"): (0,), ("normalize_rows", "x"): (0, 1),
}  # fmt: skip


CALL_TYPES = {
    name: f"{name[:3].upper()}Call" for name in ("gru_forward", "gru_backward", "rnn_forward", "rnn_backward")
}


def make_call(compiled, kernel, arguments):
    """The call object of a recurrent kernel with these options and arrays."""
    options = {name: arguments[name] for name in (*OPTIONS, "reset_after", "training") if name in arguments}
    call = getattr(compiled, CALL_TYPES[kernel])(**options)
    for name in set(arguments) - set(options):
        setattr(call, name, arguments[name])
    return call


def run(compiled, kernel, arguments):
    """Call a kernel with these arguments, of which tuples stand for several."""
    if kernel in CALL_TYPES:
        call = make_call(compiled, kernel, arguments)
        return getattr(compiled, kernel)(call if "backward" in kernel else [call], 1)
    flat = [one for value in arguments.values() for one in (value if isinstance(value, tuple) else (value,))]
    return getattr(compiled, kernel)(*flat)


def test_every_kernel_is_called_here():
    compiled = kernels.module("float32")
    names = {name for name in dir(compiled) if callable(getattr(compiled, name)) and not name.startswith("_")}
    sizes = {"dense_pack_size", "gru_pack_size", "gru_memory", "rnn_pack_size", "rnn_memory"}
    assert {name for name, _ in CALLS} == {name for name in names if name.islower()} - sizes - {"use"}


@pytest.mark.parametrize(("kernel", "make"), CALLS)
def test_a_kernel_refuses_an_array_of_another_size_before_it_touches_memory(kernel, make):
    compiled = kernels.module("float32")
    run(compiled, kernel, make(compiled))
    for name, right in make(compiled).items():
        axes = set(range(right.ndim)) - set(FREE.get((kernel, name), ())) if isinstance(right, np.ndarray) else ()
        for axis, change in itertools.product(axes, (1, -1, 0)):
            size = right.shape[axis] + change if change else 0
            wrong = np.ones([*right.shape[:axis], size, *right.shape[axis + 1 :]], right.dtype)
            arguments = {**make(compiled), name: wrong}
            before = copy.deepcopy(arguments)
            with pytest.raises(ValueError, match=r"Kernels, \w+: expected"):
                run(compiled, kernel, arguments)
            np.testing.assert_equal(arguments, before, f"{name} had another size, and something was written")


@pytest.mark.parametrize("call", ["gru_memory", "rnn_memory"])
def test_memory_for_nothing_is_not_told(call):
    options = {"gru_memory": (True, True, True), "rnn_memory": (H, True)}[call]
    for axis in range(4):
        for size in (0, -1):
            sizes = [B, T, F, H]
            sizes[axis] = size
            with pytest.raises(ValueError, match="expected sizes of at least 1"):
                getattr(kernels.module("float32"), call)(*sizes, *options)


def test_a_cell_is_an_lstms_alone():
    compiled = kernels.module("float32")
    forward, backward = rnn_forward(compiled, H, True, True), rnn_backward(compiled, H, True)
    for arguments, name in ((forward, "c0"), (forward, "last_cell"), (backward, "d_last_cell"), (backward, "dc0")):
        call = "rnn_backward" if arguments is backward else "rnn_forward"
        with pytest.raises(ValueError, match="expected None for all that a cell has"):
            run(compiled, call, {**arguments, name: zeros(B, H)})
    with pytest.raises(ValueError, match="last_cell: expected an array"):
        run(compiled, "rnn_forward", {**rnn_forward(compiled, 4 * H, True, False), "last_cell": None})


def test_a_size_that_blas_cannot_count_is_refused(tmp_path):
    def sparse(name, *shape):  # a file with a hole: no memory behind it
        return np.memmap(tmp_path / name, "float32", "w+", shape=shape)

    rows = 2**31
    with pytest.raises(ValueError, match="BLAS counts up to 2147483647, got a size of 2147483648"):
        kernels.module("float32").dense_forward(
            sparse("x", rows, 1), zeros(1, 1), None, False, None, 0, sparse("y", rows, 1), 1
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_blas_with_another_signature_is_not_called(dtype, tmp_path):
    code = f"""
import ctypes
import numpy as np
from scipy.linalg import cython_blas
from fastgru.layers import GRU
name = "sgemm" if {dtype!r} == "float32" else "dgemm"
new = ctypes.pythonapi.PyCapsule_New
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
wide = b"void (char *, char *, int64_t *, int64_t *, int64_t *)"
cython_blas.__pyx_capi__[name] = new(1, wide, None)
GRU(4, dtype={dtype!r})(np.ones((1, 3, 2)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "FASTGRU_PRODUCTS": "blas"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith("ImportError: Kernels: expected SciPy's BLAS to be 'void (char *, ")
    assert "got 'void (char *, char *, int64_t *" in done.stderr


@pytest.mark.parametrize("tiles", FLAGS)
@pytest.mark.parametrize("activation", ["linear", "tanh", "softmax"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 5, 2), (131, 37, 100)])
def test_dense_agrees_with_its_numpy_twin(rng, sizes, activation, tiles):
    rows, features, units = sizes
    x, kernel, bias, dy = (
        rng.normal(size=shape) for shape in ((rows, features), (features, units), units, (rows, units))
    )
    compiled, f = kernels.module("float64"), activations.get(activation)
    packed = np.empty(compiled.dense_pack_size(features, units)) if tiles else None
    y, d = np.empty((rows, units)), np.empty(rows * units + compiled.read_padding)
    dx, d_kernel, d_bias = np.empty_like(x), np.ones_like(kernel), np.ones_like(bias)
    compiled.dense_forward(x, kernel, packed, True, bias, f.kernel_id, y, 2)
    compiled.dense_backward(x, kernel, packed, f.kernel_id, y, dy, d, dx, d_kernel, d_bias, 2)
    expected = reference.dense_forward(x, kernel, bias, f)
    gradients = reference.dense_backward(x, kernel, expected, dy, f)
    for ours, twin in zip((y, dx, d_kernel - 1, d_bias - 1), (expected, *gradients), strict=True):
        np.testing.assert_allclose(ours, twin, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", [-1, SOFTMAX + 1])
@pytest.mark.parametrize(("kernel", "make"), CALLS)
def test_a_kernel_refuses_an_activation_that_it_does_not_know(kernel, make, kind):
    arguments = make(kernels.module("float32"))
    # a softmax is no function for gates
    last, wrong = (SOFTMAX - 1, (kind, SOFTMAX)) if kernel in CALL_TYPES else (SOFTMAX, (kind,))
    if kernel in ("activate_input", "input_derivative"):
        last = len(kernels.module("float32").input_activation_ids) - 1
    for name in {"kind", "activation", "recurrent_activation"} & set(arguments):
        for number in wrong:
            with pytest.raises(ValueError, match=f"expected an activation from 0 to {last}, got {number}"):
                run(kernels.module("float32"), kernel, {**arguments, name: number})


@pytest.mark.parametrize(("kernel", "make"), [(kernel, make) for kernel, make in CALLS if kernel in CALL_TYPES])
def test_a_recurrent_kernel_takes_no_none_where_it_needs_an_array(kernel, make):
    compiled = kernels.module("float32")
    for name in {"x", "kernel", "recurrent_kernel", "memory", "last"} & set(make(compiled)):
        with pytest.raises(TypeError, match=f"{name}: expected an array, got None"):
            run(compiled, kernel, {**make(compiled), name: None})


@pytest.mark.parametrize(("kernel", "make"), [(kernel, make) for kernel, make in CALLS if kernel in CALL_TYPES])
def test_a_call_can_run_again_with_arrays_of_other_sizes(rng, kernel, make):
    """What it was before leaves nothing behind."""
    compiled = kernels.module("float32")
    call, arguments = make_call(compiled, kernel, make(compiled)), make(compiled)
    function = getattr(compiled, kernel)
    function(call if "backward" in kernel else [call], 1)
    call.x = arguments["x"][:1]
    with pytest.raises(ValueError, match=r"Kernels, \w+: expected an array of shape"):
        function(call if "backward" in kernel else [call], 1)
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            setattr(call, name, value)
    function(call if "backward" in kernel else [call], 1)


def test_a_backward_pass_needs_a_forward_pass_with_training():
    compiled = kernels.module("float32")
    gru, rnn = gru_backward(compiled, True, True), rnn_backward(compiled, H, True)
    for kernel, arguments in (("gru_backward", gru), ("rnn_backward", rnn)):
        with pytest.raises(ValueError, match="expected a workspace of a forward pass with training=True"):
            run(compiled, kernel, {**arguments, "training": False})
