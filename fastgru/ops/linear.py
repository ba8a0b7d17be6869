"""Products of matrices and of more axes, and the algebra of matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastgru import config, kernels, threads
from fastgru.ops import shaping
from fastgru.ops.op import composite, floating, primitive, promoted
from fastgru.types import Array

__all__ = [
    "cross",
    "det",
    "dot",
    "einsum",
    "inner",
    "inv",
    "kron",
    "matmul",
    "outer",
    "solve",
    "tensordot",
    "vdot",
]


_LARGE = 1 << 18  # multiplications, from which on BLAS would share a product among its threads


def _both(x1: Any, x2: Any) -> tuple[Array, Array]:
    if all(getattr(x, "dtype", None) == np.int8 for x in (x1, x2)):  # which Keras adds up so
        x1, x2 = x1.astype("int32"), x2.astype("int32")
    a, b = (np.asarray(x) for x in promoted([x1, x2]))
    return a, b


@primitive(arrays=2)
def matmul(x1: Any, x2: Any) -> tuple[Any, Any]:
    """The product of matrices along the last two axes, the others broadcast; a vector is a row or a column."""
    a, b = _both(x1, x2)
    if b.ndim == 2 and a.ndim > 1:
        return _of_rows(a, b)
    row = a[None, :] if a.ndim == 1 else a
    column = b[:, None] if b.ndim == 1 else b

    def whole(d: Array) -> Array:
        d = d[..., None] if b.ndim == 1 else d
        return d[..., None, :] if a.ndim == 1 else d

    def by_first(d: Array) -> Array:
        d_a = whole(d) @ np.swapaxes(column, -1, -2)
        return d_a.reshape(-1, a.shape[0]).sum(0) if a.ndim == 1 else d_a

    def by_second(d: Array) -> Array:
        d_b = np.swapaxes(row, -1, -2) @ whole(d)
        return d_b[..., 0].reshape(-1, b.shape[0]).sum(0) if b.ndim == 1 else d_b

    return np.matmul(a, b), (by_first, by_second)


def _of_rows(a: Array, b: Array) -> tuple[Any, Any]:
    """The product of the rows (..., F) of one array with a matrix (F, O), and its pullbacks."""
    rows, columns = a.reshape(-1, a.shape[-1]), b.shape[1]
    size = rows.size * columns
    if size >= _LARGE and a.dtype == b.dtype and str(a.dtype) in kernels.DTYPES and config.multiplies_with_tiles():
        y, by_rows, by_matrix = _by_kernel(kernels.contiguous(rows), kernels.contiguous(b))
    else:
        y, by_rows, by_matrix = rows @ b, lambda d: d @ b.T, lambda d: rows.T @ d
    return y.reshape(*a.shape[:-1], columns), (
        lambda d: by_rows(d.reshape(-1, columns)).reshape(a.shape),
        lambda d: by_matrix(d.reshape(-1, columns)),
    )


def _by_kernel(rows: Array, matrix: Array) -> tuple[Array, Callable[[Array], Array], Callable[[Array], Array]]:
    """The same by the kernels of a linear Dense layer, whose threads leave BLAS's alone."""
    dtype = rows.dtype
    compiled, n_threads = kernels.module(dtype), threads.get_num_threads()
    linear = compiled.activation_ids["linear"]
    packed = np.empty(compiled.dense_pack_size(*matrix.shape), dtype)
    y = np.empty((len(rows), matrix.shape[1]), dtype)
    compiled.dense_forward(rows, matrix, packed, True, None, linear, y, n_threads)

    def backward(d: Array, d_rows: Array | None, d_matrix: Array | None) -> Any:
        d = kernels.contiguous(d, dtype)
        memory = np.empty(d.size + compiled.read_padding, dtype)
        compiled.dense_backward(rows, matrix, packed, linear, y, d, memory, d_rows, d_matrix, None, n_threads)
        return d_matrix if d_rows is None else d_rows

    return y, lambda d: backward(d, np.empty_like(rows), None), lambda d: backward(d, None, np.zeros_like(matrix))


@primitive(arrays=2)
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> tuple[Any, Any]:
    """The sum of the products along axes of both: the last `axes` of `x1` with the first of `x2`, or two lists."""
    a, b = _both(x1, x2)
    if isinstance(axes, (int, np.integer)):
        first, second = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        first, second = ([int(one) for one in np.atleast_1d(side)] for side in axes)
    first, second = [axis % a.ndim for axis in first], [axis % b.ndim for axis in second]
    free_a = [axis for axis in range(a.ndim) if axis not in first]
    free_b = [axis for axis in range(b.ndim) if axis not in second]

    def by_first(d: Array) -> Array:
        d_a = np.tensordot(d, b, (list(range(len(free_a), d.ndim)), free_b))
        # its axes: the free ones of a, then those of a that met b's, in b's order
        met = [first[second.index(axis)] for axis in sorted(second)]
        return np.transpose(d_a, np.argsort([*free_a, *met]))

    def by_second(d: Array) -> Array:
        d_b = np.tensordot(a, d, (free_a, list(range(len(free_a)))))
        met = [second[first.index(axis)] for axis in sorted(first)]
        return np.transpose(d_b, np.argsort([*met, *free_b]))

    return np.tensordot(a, b, (first, second)), (by_first, by_second)


@composite(arrays=2)
def dot(x1: Any, x2: Any) -> Any:
    """numpy's dot: the sum of products along the last axis of `x1` and the last but one of `x2`."""
    x1, x2 = shaping.as_tensor(x1), shaping.as_tensor(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    if x2.ndim > 2:
        return tensordot(x1, x2, ([-1], [-2]))
    return matmul(x1, x2)


@composite(arrays=2)
def inner(x1: Any, x2: Any) -> Any:
    """The sums of products along the last axes."""
    x1, x2 = shaping.as_tensor(x1), shaping.as_tensor(x2)
    return x1 * x2 if x1.ndim == 0 or x2.ndim == 0 else tensordot(x1, x2, ([-1], [-1]))


@composite(arrays=2)
def outer(x1: Any, x2: Any) -> Any:
    """The products of each number of `x1` with each of `x2`."""
    return shaping.reshape(shaping.ravel(x1), (-1, 1)) * shaping.ravel(x2)


@composite(arrays=2)
def vdot(x1: Any, x2: Any) -> Any:
    """The sum of the products of all numbers."""
    return tensordot(shaping.ravel(x1), shaping.ravel(x2), 1)


@composite(arrays=2)
def kron(x1: Any, x2: Any) -> Any:
    """The Kronecker product."""
    x1, x2 = shaping.as_tensor(x1), shaping.as_tensor(x2)
    rank = max(x1.ndim, x2.ndim)
    shapes = [(1,) * (rank - x.ndim) + x.shape for x in (x1, x2)]
    first = shaping.reshape(x1, [size for one in shapes[0] for size in (one, 1)])
    second = shaping.reshape(x2, [size for one in shapes[1] for size in (1, one)])
    return shaping.reshape(first * second, [one * other for one, other in zip(*shapes, strict=True)])


@composite(arrays=2)
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross products of vectors of three numbers along an axis."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a = shaping.moveaxis(x1, axisa, -1)
    b = shaping.moveaxis(x2, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross: expected vectors of three numbers, got shapes {a.shape} and {b.shape}.")
    turned = [1, 2, 0], [2, 0, 1]
    y = a[..., turned[0]] * b[..., turned[1]] - a[..., turned[1]] * b[..., turned[0]]
    return shaping.moveaxis(y, -1, axisc)


# --- Einstein's sums --------------------------------------------------------------------------------------------------


def _letters(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each operand's axes and of the output's, dots replaced by capital letters of their own."""
    subscripts = subscripts.replace(" ", "")
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ValueError(f"einsum: expected {len(terms)} arrays for {subscripts!r}, got {len(shapes)}.")
    free = [letter for letter in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if letter not in subscripts]
    ranks = [len(shape) - len(term.replace("...", "")) for term, shape in zip(terms, shapes, strict=True)]
    longest = max([rank for term, rank in zip(terms, ranks, strict=True) if "..." in term], default=0)
    dots = "".join(free[:longest])
    terms = [term.replace("...", dots[longest - rank :]) for term, rank in zip(terms, ranks, strict=True)]
    if not arrow:
        once = sorted(letter for letter in set(left) - set(",.") if left.count(letter) == 1)
        right = "..." * ("..." in left) + "".join(once)
    return terms, right.replace("...", dots)


@composite(arrays=-1)
def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Sums of products as Einstein writes them: ``einsum("bij,bjk->bik", x, y)``.

    A letter that stands twice in a term takes its diagonal. `kwargs` are those of other libraries; the order of the
    products is chosen here.
    """
    return _einsum(*operands, subscripts=subscripts)


def _diagonal(x: Array, term: str, once: str) -> Array:
    """The view of an array in which each letter of `term` is one axis."""
    return x if term == once else np.einsum(f"{term}->{once}", x)


@primitive(arrays=-1)
def _einsum(*operands: Any, subscripts: str) -> tuple[Any, Any]:
    whole = [np.asarray(x) for x in promoted(operands)]
    whole_terms, right = _letters(subscripts, [x.shape for x in whole])
    terms = ["".join(dict.fromkeys(term)) for term in whole_terms]
    arrays = [_diagonal(x, *term) for x, *term in zip(whole, whole_terms, terms, strict=True)]
    sizes = {one: size for term, x in zip(terms, arrays, strict=True) for one, size in zip(term, x.shape, strict=True)}
    path = np.einsum_path(f"{','.join(terms)}->{right}", *arrays, optimize="greedy")[0] if len(arrays) > 2 else True

    def by(place: int) -> Any:
        def pull(d: Array) -> Array:
            others = [index for index in range(len(arrays)) if index != place]
            inputs = [right, *(terms[index] for index in others)]
            known = "".join(letter for letter in terms[place] if any(letter in one for one in inputs))
            gradient = np.einsum(f"{','.join(inputs)}->{known}", d, *(arrays[index] for index in others), optimize=True)
            # letters that are summed in this term alone: the gradient is the same along them
            shape = [sizes[letter] if letter in known else 1 for letter in terms[place]]
            spread = np.broadcast_to(gradient.reshape(shape), arrays[place].shape)
            if terms[place] == whole_terms[place]:
                return spread
            d_whole = np.zeros(whole[place].shape, spread.dtype)
            _diagonal(d_whole, whole_terms[place], terms[place])[...] = spread
            return d_whole

        return pull

    y = np.einsum(f"{','.join(terms)}->{right}", *arrays, optimize=path)
    return y, tuple(map(by, range(len(arrays))))


# --- matrices ---------------------------------------------------------------------------------------------------------


@primitive()
def inv(x: Any) -> tuple[Any, Any]:
    """The inverses of square matrices."""
    y = np.linalg.inv(floating(x))
    transposed = np.swapaxes(y, -1, -2)
    return y, (lambda d: -transposed @ d @ transposed,)


@primitive()
def det(x: Any) -> tuple[Any, Any]:
    """The determinants of square matrices."""
    x = floating(x)
    y = np.asarray(np.linalg.det(x))
    return y, (lambda d: (d * y)[..., None, None] * np.swapaxes(np.linalg.inv(x), -1, -2),)


@primitive(arrays=2)
def solve(a: Any, b: Any) -> tuple[Any, Any]:
    """The x of ``a x = b``, for a vector or the columns of a matrix `b`."""
    a, b = _both(floating(a), floating(b))
    column = b[..., None] if b.ndim == a.ndim - 1 else b
    y = np.linalg.solve(a, column)

    def by_second(d: Array) -> Array:
        return np.linalg.solve(np.swapaxes(a, -1, -2), d.reshape(y.shape))

    return y.reshape(b.shape), (
        lambda d: -by_second(d) @ np.swapaxes(y, -1, -2),
        lambda d: by_second(d).reshape(b.shape),
    )
