"""A call of every op: its name, its arguments, and the options of that call."""

from __future__ import annotations

from typing import Any

import numpy as np

RNG = np.random.default_rng(7)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("float32")


def positive(*shape: int) -> Any:
    return RNG.uniform(0.3, 2, shape).astype("float32")


def inside(*shape: int) -> Any:
    """Strictly between -1 and 1."""
    return RNG.uniform(-0.8, 0.8, shape).astype("float32")


def integers(high: int, *shape: int) -> Any:
    return RNG.integers(0, high, shape).astype("int32")


def booleans(*shape: int) -> Any:
    return RNG.random(shape) < 0.5


UNARY = {
    normal: "abs absolute fabs negative square exp exp2 expm1 sin cos tan sinh cosh tanh arctan arcsinh sinc cbrt sign "
    "floor ceil trunc round erf erfc deg2rad rad2deg nan_to_num conj conjugate real imag reciprocal ravel copy "
    "stop_gradient zeros_like ones_like isnan isinf isfinite isposinf isneginf signbit relu relu6 selu sigmoid "
    "log_sigmoid hard_sigmoid sparse_sigmoid silu swish hard_silu hard_swish hard_tanh tanh_shrink softplus softsign "
    "sparse_plus elu celu gelu leaky_relu hard_shrink soft_shrink squareplus softmax log_softmax sparsemax sort "
    "argsort logsumexp normalize rms_normalization cumsum cumprod diff median var std mean sum max min amax amin prod "
    "ptp argmax argmin count_nonzero all any transpose flip fliplr flipud norm tril triu diagonal trace rot90 nansum "
    "nanmean nanmax nanmin average shape size ndim unstack layer_normalization diagflat nonzero empty_like",
    positive: "sqrt rsqrt log log1p log2 log10",
    inside: "arcsin arccos arctanh erfinv",
}
BINARY = (
    "add subtract multiply divide true_divide floor_divide mod fmod maximum minimum fmax fmin divide_no_nan logaddexp "
    "logaddexp2 hypot arctan2 equal not_equal less less_equal greater greater_equal isclose outer inner "
    "vdot kron append"
)

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *((name, (make(3, 4),), {}) for make, names in UNARY.items() for name in names.split()),
    *((name, (normal(3, 4), normal(3, 4)), {}) for name in BINARY.split()),
    *((name, (normal(2, 3, 4), normal(3, 1)), {}) for name in ["add", "subtract", "multiply", "divide", "maximum"]),
    *((name, (normal(3, 4), 1.7), {}) for name in ["add", "subtract", "multiply", "divide", "maximum", "mod"]),
    ("power", (positive(3, 4), 1.7), {}),
    ("ctc_loss", (np.array([[1, 2, 2], [3, 1, 0]]), normal(2, 9, 5), np.array([3, 2]), np.array([9, 7])), {}),
    ("ctc_decode", (normal(3, 9, 5), np.array([9, 3, 6])), {"mask_index": 0}),
    *((name, (1.7, positive(3, 4)), {}) for name in ["add", "subtract", "multiply", "divide", "power"]),
    ("power", (positive(3, 4), normal(3, 4)), {}),
    ("power", (normal(3, 4), 2), {}),
    ("power", (normal(3, 4), 0), {}),
    ("heaviside", (normal(3, 4), normal(3, 4)), {}),
    ("arccosh", (positive(3, 4) + 1,), {}),
    ("clip", (normal(3, 4), -0.5, 0.5), {}),
    ("clip", (normal(3, 4), normal(3, 4) - 1, normal(4) + 1), {}),
    ("round", (normal(3, 4),), {"decimals": 1}),
    *(
        (name, (normal(2, 3, 4),), {"axis": axis, "keepdims": keepdims})
        for name in ["sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "median"]
        for axis in (0, -1, (0, 2))
        for keepdims in (False, True)
        if not (name == "median" and isinstance(axis, tuple) and keepdims)
    ),
    ("max", (normal(3, 4),), {"axis": 1, "initial": 0.1}),
    ("sum", (integers(5, 3, 4),), {}),
    ("mean", (integers(5, 3, 4),), {}),
    ("sum", (booleans(3, 4),), {"axis": 0}),
    ("argmax", (normal(3, 4),), {"axis": 1, "keepdims": True}),
    ("argmin", (normal(3, 4),), {"axis": 0}),
    ("average", (normal(3, 4),), {"axis": 1, "weights": positive(4)}),
    ("average", (normal(3, 4),), {"weights": positive(3, 4)}),
    ("cumsum", (normal(2, 3, 4),), {"axis": 1}),
    ("cumprod", (normal(2, 3, 4),), {"axis": -1}),
    ("diff", (normal(3, 5),), {"n": 2, "axis": 1}),
    ("norm", (normal(3, 4),), {"axis": 1}),
    ("norm", (normal(3, 4),), {"axis": 1, "ord": 1}),
    ("norm", (normal(3, 4),), {"axis": 1, "ord": 3, "keepdims": True}),
    ("norm", (normal(3, 4),), {"axis": 1, "ord": np.inf}),
    ("norm", (normal(2, 3, 4),), {"axis": (1, 2), "ord": "fro"}),
    ("norm", (normal(2, 3, 4),), {"axis": (1, 2), "ord": 1}),
    ("quantile", (normal(3, 5), 0.3), {"axis": 1}),
    ("quantile", (normal(3, 5), [0.1, 0.8]), {"axis": 0, "keepdims": True}),
    ("quantile", (normal(3, 5), 0.3), {"method": "nearest"}),
    ("trapezoid", (normal(3, 5),), {"dx": 0.5}),
    ("trapezoid", (normal(3, 5),), {"x": np.arange(5.0, dtype="float32")}),
    # shapes
    ("cast", (normal(3, 4), "float16"), {}),
    ("cast", (normal(3, 4), "int32"), {}),
    ("saturate_cast", (normal(3, 4) * 300, "int8"), {}),
    ("reshape", (normal(3, 4), (2, -1)), {}),
    ("expand_dims", (normal(3, 4), 1), {}),
    ("expand_dims", (normal(3, 4), (0, 3)), {}),
    ("squeeze", (normal(3, 1, 4, 1),), {}),
    ("squeeze", (normal(3, 1, 4, 1),), {"axis": 1}),
    ("broadcast_to", (normal(3, 1), (2, 3, 4)), {}),
    ("transpose", (normal(2, 3, 4),), {"axes": (1, 2, 0)}),
    ("swapaxes", (normal(2, 3, 4), 0, 2), {}),
    ("moveaxis", (normal(2, 3, 4), 0, -1), {}),
    ("moveaxis", (normal(2, 3, 4), (0, 1), (2, 0)), {}),
    ("flip", (normal(2, 3, 4),), {"axis": 1}),
    ("roll", (normal(2, 3, 4), 2), {"axis": 1}),
    ("roll", (normal(2, 3, 4), 5), {}),
    ("rot90", (normal(3, 4),), {"k": 3}),
    ("concatenate", ([normal(2, 3), normal(2, 1), normal(2, 2)],), {"axis": 1}),
    ("concatenate", ([normal(2, 3), integers(3, 4, 3)],), {"axis": 0}),
    ("stack", ([normal(2, 3), normal(2, 3)],), {"axis": 1}),
    ("stack", ([normal(2, 3), normal(2, 3)],), {"axis": -1}),
    ("hstack", ([normal(2, 3), normal(2, 1)],), {}),
    ("hstack", ([normal(3), normal(2)],), {}),
    ("vstack", ([normal(2, 3), normal(3)],), {}),
    ("dstack", ([normal(2, 3), normal(2, 3)],), {}),
    ("append", (normal(2, 3), normal(2, 1)), {"axis": 1}),
    ("split", (normal(6, 3), 3), {}),
    ("split", (normal(2, 6), [1, 4]), {"axis": 1}),
    ("array_split", (normal(7, 2), 3), {}),
    ("hsplit", (normal(2, 6), 3), {}),
    ("vsplit", (normal(6, 2), 3), {}),
    ("dsplit", (normal(2, 2, 4), 2), {}),
    ("unstack", (normal(2, 3, 4),), {"axis": 1}),
    ("meshgrid", (normal(3), normal(2)), {}),
    ("meshgrid", (normal(3), normal(2), normal(4)), {"indexing": "ij"}),
    ("tile", (normal(2, 3), (2, 2, 1)), {}),
    ("tile", (normal(2, 3), 2), {}),
    ("repeat", (normal(2, 3), 2), {"axis": 1}),
    ("repeat", (normal(2, 3), 3), {}),
    ("repeat", (normal(3, 2), np.array([1, 0, 2])), {"axis": 0}),
    ("pad", (normal(2, 3), ((1, 2), (0, 1))), {}),
    ("pad", (normal(2, 3), 1), {"constant_values": 2.0}),
    ("pad", (normal(3, 4), ((1, 2), (2, 1))), {"mode": "reflect"}),
    ("pad", (normal(3, 4), ((1, 2), (2, 1))), {"mode": "symmetric"}),
    ("tril", (normal(2, 3, 4),), {"k": 1}),
    ("triu", (normal(2, 3, 4),), {"k": -1}),
    ("diag", (normal(4),), {"k": 1}),
    ("diag", (normal(3, 4),), {"k": -1}),
    ("diag", (normal(3, 4),), {"k": 2}),
    ("diagonal", (normal(2, 4, 3),), {"offset": 1, "axis1": 1, "axis2": 2}),
    ("trace", (normal(4, 3, 2),), {"offset": -1}),
    # products
    ("matmul", (normal(3, 4), normal(4, 2)), {}),
    ("matmul", (normal(2, 3, 4), normal(4, 2)), {}),
    ("matmul", (normal(2, 3, 4), normal(2, 4, 2)), {}),
    ("matmul", (normal(3, 4), normal(2, 4, 2)), {}),
    ("matmul", (normal(4), normal(4, 2)), {}),
    ("matmul", (normal(2, 3, 4), normal(4)), {}),
    ("matmul", (normal(4), normal(2, 4, 3)), {}),
    ("matmul", (normal(4), normal(4)), {}),
    ("dot", (normal(2, 3, 4), normal(4, 2)), {}),
    ("dot", (normal(3, 4), normal(2, 4, 5)), {}),
    ("dot", (normal(4), normal(4)), {}),
    ("dot", (normal(3, 4), 2.0), {}),
    ("tensordot", (normal(2, 3, 4), normal(3, 4, 5)), {}),
    ("tensordot", (normal(2, 3, 4), normal(4, 5, 2)), {"axes": ([2, 0], [0, 2])}),
    ("tensordot", (normal(2, 3), normal(4)), {"axes": 0}),
    ("einsum", ("bij,bjk->bik", normal(2, 3, 4), normal(2, 4, 5)), {}),
    ("einsum", ("ij->ji", normal(3, 4)), {}),
    ("einsum", ("ii->i", normal(3, 3)), {}),
    ("einsum", ("ii", normal(3, 3)), {}),
    ("einsum", ("bii,bi->bi", normal(2, 3, 3), normal(2, 3)), {}),
    ("einsum", ("ij->i", normal(3, 4)), {}),
    ("einsum", ("ij,jk", normal(3, 4), normal(4, 2)), {}),
    ("einsum", ("...ij,jk->...ik", normal(2, 3, 4), normal(4, 2)), {}),
    ("einsum", ("bi,i,ij->bj", normal(2, 3), normal(3), normal(3, 4)), {}),
    ("cross", (normal(2, 3), normal(2, 3)), {}),
    ("inv", (normal(2, 3, 3) + 3 * np.eye(3, dtype="float32"),), {}),
    ("det", (normal(2, 3, 3),), {}),
    ("solve", (normal(3, 3) + 3 * np.eye(3, dtype="float32"), normal(3, 2)), {}),
    ("solve", (normal(3, 3) + 3 * np.eye(3, dtype="float32"), normal(3)), {}),
    # places
    ("get_item", (normal(3, 4), (slice(None), -1)), {}),
    ("get_item", (normal(3, 4), (slice(None, None, 2), None)), {}),
    ("get_item", (normal(3, 4), np.array([0, 2, 0])), {}),
    ("take", (normal(3, 4), np.array([[0, 2], [2, -1]])), {"axis": 1}),
    ("take", (normal(3, 4), 1), {"axis": 0}),
    ("take", (normal(3, 4), np.array([5, 5, 0])), {}),
    ("take_along_axis", (normal(3, 4), np.array([[0, 0], [3, 1], [1, 2]])), {"axis": 1}),
    ("slice", (normal(4, 5), (1, 2), (2, 3)), {}),
    ("slice_update", (normal(4, 5), (1, 2), normal(2, 3)), {}),
    ("scatter", (np.array([[0, 1], [2, 0], [0, 1]]), normal(3), (3, 2)), {}),
    ("scatter_update", (normal(3, 2), np.array([[0, 1], [2, 0]]), normal(2)), {}),
    *(
        ("scatter_update", (normal(3, 2), np.array([[0, 1], [2, 0]]), normal(2)), {"reduction": reduction})
        for reduction in ("add", "max", "min", "mul")
    ),
    ("where", (booleans(3, 4), normal(3, 4), normal(4)), {}),
    ("where", (booleans(3, 4), normal(3, 4), 0.0), {}),
    ("select", ([booleans(3, 4), booleans(3, 4)], [normal(3, 4), normal(3, 4)], 0.5), {}),
    ("unravel_index", (integers(6, 2), (2, 3)), {}),
    ("one_hot", (np.array([[0, 2], [1, -1]]), 3), {}),
    ("one_hot", (np.array([0, 2]), 3), {"axis": 0, "dtype": "int32"}),
    ("multi_hot", (np.array([[0, 2], [1, 1]]), 4), {}),
    ("segment_sum", (normal(5, 2), np.array([0, 2, 2, 0, 1])), {"num_segments": 4}),
    ("segment_max", (normal(5, 2), np.array([0, 2, 2, 0, 1])), {"num_segments": 3}),
    ("extract_sequences", (normal(2, 7), 3, 2), {}),
    # orders
    ("sort", (normal(3, 4),), {"axis": 0}),
    ("argsort", (integers(3, 4, 5),), {"axis": -1}),
    ("top_k", (normal(3, 5), 2), {}),
    ("in_top_k", (np.array([1, 0, 3]), normal(3, 5)), {"k": 2}),
    ("searchsorted", (np.array([1.0, 2, 3], "float32"), normal(4)), {"side": "right"}),
    ("digitize", (normal(3, 4), np.array([-1.0, 0, 1], "float32")), {}),
    ("bincount", (integers(4, 6),), {"minlength": 6}),
    ("bincount", (integers(4, 6),), {"weights": normal(6)}),
    ("histogram", (normal(20),), {"bins": 5}),
    ("isin", (integers(9, 3, 4), np.array([1, 2])), {}),
    ("unique", (integers(4, 9),), {}),
    ("argpartition", (np.arange(5.0), 2), {}),
    # new arrays
    ("zeros", ((2, 3),), {}),
    ("ones", ((2, 3),), {"dtype": "int32"}),
    ("empty", ((2, 3),), {}),
    ("full", ((2, 3), 1.5), {}),
    ("full_like", (normal(2, 3), 2), {}),
    ("zeros_like", (normal(2, 3),), {"dtype": "int32"}),
    ("eye", (3,), {"k": 1}),
    ("identity", (3,), {}),
    ("tri", (3, 4), {}),
    ("arange", (5,), {}),
    ("arange", (1, 7, 2), {}),
    ("arange", (0.0, 1, 0.25), {}),
    ("linspace", (0.0, 1.0, 5), {}),
    ("linspace", (0, 1, 5), {"endpoint": False}),
    ("logspace", (0.0, 1.0, 5), {}),
    *((name, (7,), {}) for name in ["bartlett", "blackman", "hamming", "hanning"]),
    ("kaiser", (7, 3.0), {}),
    ("convert_to_tensor", ([[1.0, 2.0], [3.0, 4.0]],), {}),
    ("convert_to_tensor", ([1, 2],), {}),
    ("array", ([True, False],), {}),
    # truth
    *((name, (booleans(3, 4), booleans(3, 4)), {}) for name in ["logical_and", "logical_or", "logical_xor"]),
    ("logical_not", (booleans(3, 4),), {}),
    *((name, (integers(9, 3, 4), integers(4, 3, 4)), {}) for name in ["bitwise_and", "bitwise_or", "bitwise_xor"]),
    *((name, (integers(9, 5), integers(3, 5)), {}) for name in ["left_shift", "right_shift"]),
    *((name, (integers(9, 5), integers(3, 5)), {}) for name in ["bitwise_left_shift", "bitwise_right_shift"]),
    ("bitwise_not", (integers(9, 5),), {}),
    ("bitwise_invert", (integers(9, 5),), {}),
    # networks
    ("elu", (normal(3, 4),), {"alpha": 0.5}),
    ("celu", (normal(3, 4),), {"alpha": 0.5}),
    ("gelu", (normal(3, 4),), {"approximate": False}),
    ("glu", (normal(3, 4),), {}),
    ("leaky_relu", (normal(3, 4),), {"negative_slope": 0.3}),
    ("threshold", (normal(3, 4), 0.2, 1.0), {}),
    ("softmax", (normal(2, 3, 4),), {"axis": 1}),
    ("softmax", (normal(2, 3, 4),), {"axis": (1, 2)}),
    ("softmax", (normal(3, 4),), {"axis": None}),
    ("log_softmax", (normal(2, 3, 4),), {"axis": 1}),
    ("moments", (normal(2, 3, 4), (0, 1)), {}),
    ("moments", (normal(2, 3, 4), -1), {"keepdims": True}),
    ("batch_normalization", (normal(2, 3, 4), normal(4), positive(4), -1), {"offset": normal(4), "scale": normal(4)}),
    ("layer_normalization", (normal(2, 3, 4), normal(4), normal(4)), {}),
    ("rms_normalization", (normal(2, 3, 4), normal(4)), {}),
    ("normalize", (normal(3, 4),), {"order": 1}),
    ("binary_crossentropy", (inside(3, 4) / 2 + 0.5, inside(3, 4) / 2 + 0.5), {}),
    ("binary_crossentropy", (inside(3, 4) / 2 + 0.5, normal(3, 4)), {"from_logits": True}),
    ("categorical_crossentropy", (positive(3, 4), positive(3, 4)), {}),
    ("categorical_crossentropy", (positive(3, 4), normal(3, 4)), {"from_logits": True}),
    ("sparse_categorical_crossentropy", (np.array([0, 3, 1]), positive(3, 4)), {}),
    ("sparse_categorical_crossentropy", (np.array([[0], [3], [1]]), normal(3, 4)), {"from_logits": True}),
    ("dot_product_attention", (normal(2, 3, 2, 4), normal(2, 5, 2, 4), normal(2, 5, 2, 4)), {}),
    ("dot_product_attention", (normal(2, 3, 4, 4), normal(2, 3, 2, 4), normal(2, 3, 2, 4)), {"is_causal": True}),
    (
        "dot_product_attention",
        (normal(2, 3, 2, 4), normal(2, 5, 2, 4), normal(2, 5, 2, 4)),
        {"bias": normal(2, 2, 3, 5), "mask": RNG.random((2, 1, 3, 5)) < 0.7, "scale": 0.3},
    ),
]  # fmt: skip


def label(case: tuple[str, tuple[Any, ...], dict[str, Any]]) -> str:
    """A name for a case: the op, and the shapes of its arguments."""
    name, arguments, options = case
    shapes = [str(x.shape) if isinstance(x, np.ndarray) else str(x)[:20] for x in (*arguments, *options.values())]
    return f"{name} {' '.join(shapes)}"
