"""New arrays, and what an array is."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.autodiff.operators import Symbolic, Watchable
from fastgru.autodiff.tensor import Tensor, plain, tensor
from fastgru.ops import shaping
from fastgru.ops.op import as_dtype, common_dtype, composite, floating, primitive, values
from fastgru.types import Array

__all__ = [
    "arange",
    "array",
    "bartlett",
    "blackman",
    "convert_to_numpy",
    "convert_to_tensor",
    "dtype",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "hamming",
    "hanning",
    "identity",
    "is_tensor",
    "kaiser",
    "linspace",
    "logspace",
    "ndim",
    "ones",
    "ones_like",
    "shape",
    "size",
    "tri",
    "zeros",
    "zeros_like",
]


# --- conversions ------------------------------------------------------------------------------------------------------


@composite()
def convert_to_tensor(x: Any, dtype: Any = None, sparse: bool | None = None, ragged: bool | None = None) -> Any:
    """`x` as a tensor; lists become float32, int32 or bool where no dtype is named.

    A list of tensors that a tape follows is stacked, so that gradients reach them.
    """
    for name, value in (("sparse", sparse), ("ragged", ragged)):
        if value:
            raise ValueError(f"convert_to_tensor: {name}={value!r} is not supported by fastgru; tensors are dense.")
    if isinstance(x, (list, tuple)) and any(isinstance(one, (Tensor, Watchable)) for one in x):
        x = shaping.stack(list(x))
    if type(x) is np.ndarray and x.flags.writeable:
        x = shaping.copy(x)  # which nobody else writes into
    return shaping.as_tensor(x) if dtype is None else shaping.cast(x, dtype)


def array(x: Any, dtype: Any = None) -> Any:
    """`convert_to_tensor`, under numpy's name."""
    return convert_to_tensor(x, dtype)


def convert_to_numpy(x: Any) -> Array:
    """`x` as a plain array of numpy, a copy that no tape follows."""
    if isinstance(x, Symbolic):
        raise ValueError(f"convert_to_numpy: expected numbers, got {x!r}, which holds none.")
    return np.array(values(x))


def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor: what an op or a layer returned, or a symbolic one."""
    return isinstance(x, (Tensor, Symbolic))


def shape(x: Any) -> tuple[Any, ...]:
    """The sizes of the axes; None where a symbolic tensor's is free."""
    own = getattr(x, "shape", None)
    return tuple(np.shape(values(x)) if own is None else own)


def ndim(x: Any) -> int:
    """The number of axes."""
    return len(shape(x))


def size(x: Any) -> Any:
    """The count of numbers."""
    return int(np.prod(shape(x), dtype=np.int64))


def dtype(x: Any) -> str:
    """The name of the dtype."""
    own = getattr(x, "dtype", None)
    return str(np.asarray(values(x)).dtype if own is None else own)


# --- one number everywhere --------------------------------------------------------------------------------------------


def _sizes(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(one) for one in shape)


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Zeros, of float32 where no dtype is named."""
    return tensor(np.zeros(_sizes(shape), as_dtype(dtype)))


def ones(shape: Any, dtype: Any = None) -> Any:
    """Ones, of float32 where no dtype is named."""
    return tensor(np.ones(_sizes(shape), as_dtype(dtype)))


def empty(shape: Any, dtype: Any = None) -> Any:
    """Zeros, as Keras has them here: nobody reads what happened to be in memory."""
    return zeros(shape, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """`fill_value` everywhere, of float32 where no dtype is named."""
    return shaping.broadcast_to(shaping.cast(fill_value, as_dtype(dtype)), _sizes(shape))


@primitive()
def zeros_like(x: Any, dtype: Any = None) -> tuple[Any, Any]:
    """Zeros of the shape of `x`, and of its dtype where none is named."""
    return np.zeros_like(x, None if dtype is None else as_dtype(dtype)), None


@primitive()
def ones_like(x: Any, dtype: Any = None) -> tuple[Any, Any]:
    """Ones of the shape of `x`, and of its dtype where none is named."""
    return np.ones_like(x, None if dtype is None else as_dtype(dtype)), None


def empty_like(x: Any, dtype: Any = None) -> Any:
    """`zeros_like`."""
    return zeros_like(x, dtype)


@primitive()
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> tuple[Any, Any]:
    """`fill_value` in the shape of `x`, and in its dtype where none is named."""
    return np.full_like(x, values(fill_value), None if dtype is None else as_dtype(dtype)), None


# --- patterns ---------------------------------------------------------------------------------------------------------


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix of N rows and M columns (N where absent) with ones on the k-th diagonal."""
    return tensor(np.eye(N, M, k, as_dtype(dtype)))


def identity(n: int, dtype: Any = None) -> Any:
    """A square matrix with ones on the diagonal."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix with ones on the k-th diagonal and below."""
    return tensor(np.tri(N, M, k, as_dtype(dtype)))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """Numbers from `start` (0 where one number is named) to before `stop`, `step` apart."""
    bounds = [values(one) for one in (start, stop, step) if one is not None]
    if dtype is None:
        arrays = [one.dtype for one in bounds if isinstance(one, np.ndarray)]
        dtype = common_dtype(arrays, [type(one) for one in bounds if not isinstance(one, np.ndarray)])
    if stop is None:
        bounds.insert(0, 0)
    return tensor(np.arange(*bounds, dtype=as_dtype(dtype)))


def _spaced(function: Any, start: Any, stop: Any, num: int, dtype: Any, **options: Any) -> Any:
    bounds = [floating(values(start)), floating(values(stop))]
    kind = np.result_type(*bounds) if dtype is None else as_dtype(dtype)
    return function(*bounds, num, dtype=kind, **options)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers from `start` to `stop`, equally far apart; with their distance where `retstep` says so."""
    y = _spaced(np.linspace, start, stop, num, dtype, endpoint=endpoint, retstep=retstep, axis=axis)
    return (tensor(y[0]), tensor(np.asarray(y[1]))) if retstep else tensor(y)


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10, dtype: Any = None, axis: int = 0
) -> Any:
    """`base` to the powers from `start` to `stop`."""
    return tensor(_spaced(np.logspace, start, stop, num, dtype, endpoint=endpoint, base=base, axis=axis))


def _window(function: Any, x: Any, *options: Any) -> Any:
    return tensor(function(int(plain(x)), *options).astype("float32"))


def bartlett(x: Any) -> Any:
    """The triangular window of `x` numbers."""
    return _window(np.bartlett, x)


def blackman(x: Any) -> Any:
    """The Blackman window of `x` numbers."""
    return _window(np.blackman, x)


def hamming(x: Any) -> Any:
    """The Hamming window of `x` numbers."""
    return _window(np.hamming, x)


def hanning(x: Any) -> Any:
    """The Hann window of `x` numbers."""
    return _window(np.hanning, x)


def kaiser(x: Any, beta: float) -> Any:
    """The Kaiser window of `x` numbers."""
    return _window(np.kaiser, x, beta)
