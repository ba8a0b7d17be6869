"""Under which names Keras's files know the ops, and which of their arguments stand in a call."""

from __future__ import annotations

__all__ = ["CALLED_WITH", "OP_OF_CLASS", "SAME", "module_of"]

# by the module of keras.src.ops in which Keras has their classes; `get_item` and those not named here are in numpy
_MODULES = {
    "core": "cast convert_to_tensor saturate_cast scatter scatter_update slice slice_update stop_gradient unstack",
    "linalg": "det inv norm solve",
    "math": "erf erfc erfinv extract_sequences in_top_k logsumexp rsqrt segment_max segment_sum top_k",
    "nn": "batch_normalization binary_crossentropy categorical_crossentropy celu dot_product_attention elu gelu "
    "glu hard_shrink hard_sigmoid hard_silu hard_tanh layer_normalization leaky_relu log_sigmoid "
    "log_softmax moments multi_hot normalize one_hot relu relu6 rms_normalization selu sigmoid silu "
    "soft_shrink softmax softplus softsign sparse_categorical_crossentropy sparse_plus sparse_sigmoid "
    "sparsemax squareplus tanh_shrink threshold",
    "numpy": "absolute add all amax amin any append arccos arccosh arcsin arcsinh arctan arctan2 arctanh "
    "argmax argmin argpartition argsort array_split average bincount bitwise_and bitwise_invert "
    "bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor broadcast_to cbrt ceil "
    "clip concatenate conjugate copy cos cosh count_nonzero cross cumprod cumsum deg2rad diag diagflat "
    "diagonal diff digitize divide divide_no_nan dot dsplit dstack einsum equal exp exp2 expand_dims "
    "expm1 fabs flip fliplr flipud floor floor_divide fmax fmin fmod full_like get_item greater "
    "greater_equal heaviside histogram hsplit hstack hypot imag inner isclose isfinite isin isinf isnan "
    "isneginf isposinf kron left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 "
    "logical_and logical_not logical_or logical_xor matmul max maximum mean median meshgrid min minimum "
    "mod moveaxis multiply nan_to_num nanmax nanmean nanmin nansum negative nonzero not_equal ones_like "
    "outer pad power prod ptp quantile rad2deg ravel real reciprocal repeat reshape right_shift roll "
    "rot90 round searchsorted select sign signbit sin sinc sinh sort split sqrt square squeeze stack std "
    "subtract sum swapaxes take take_along_axis tan tanh tensordot tile trace transpose trapezoid tril "
    "triu true_divide trunc unique unravel_index var vdot vsplit vstack where zeros_like",
}
_IRREGULAR = {
    "batch_normalization": "BatchNorm",
    "isin": "IsIn",
    "layer_normalization": "LayerNorm",
    "rms_normalization": "RMSNorm",
    "searchsorted": "SearchSorted",
}
_MODULE_OF_OP = {name: module for module, names in _MODULES.items() for name in names.split()}


def _class_name(op_name: str) -> str:
    return _IRREGULAR.get(op_name, "".join(part.capitalize() for part in op_name.split("_")))


#: the op of each class of Keras's
OP_OF_CLASS = {_class_name(op_name): op_name for op_name in _MODULE_OF_OP}
#: the other names of ops that have one class
SAME = {"abs": "absolute", "conj": "conjugate", "swish": "silu", "hard_swish": "hard_silu"}
#: of ops whose calls hold other arguments than the arrays that are differentiated, these; all others are options
CALLED_WITH: dict[str, tuple[str, ...]] = {
    "average": ("x", "weights"),
    "batch_normalization": ("x", "mean", "variance", "offset", "scale"),
    "clip": ("x",),
    "full_like": ("x", "fill_value"),
    "get_item": ("x", "key"),
    "isclose": ("x1", "x2", "rtol", "atol"),
    "pad": ("x", "constant_values"),
    "segment_max": ("data", "segment_ids"),
    "segment_sum": ("data", "segment_ids"),
    "slice": ("inputs", "start_indices"),
    "take": ("x", "indices"),
    "take_along_axis": ("x", "indices"),
}


def module_of(op_name: str) -> str:
    """The module of keras.src.ops in which Keras has an op's class."""
    return _MODULE_OF_OP[op_name]
