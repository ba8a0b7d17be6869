"""TensorFlow's functions between the layers of a Keras 2 graph, as the operations of Keras 3.

Keras 2.4 and later wrote such a call as a layer `TFOpLambda` (`SlicingOpLambda` for brackets) that names the function;
its first argument stands in the graph as of any layer, the others beside it by name.
"""

from __future__ import annotations

from typing import Any

from fastgru.models.references import is_tensor
from fastgru.registry import OPERATIONS
from fastgru.saving.report import Report
from fastgru.saving.stored import Config

CLASSES = ("TFOpLambda", "SlicingOpLambda")

# function: operation, names of its tensors and constants after the first, names of its options here and there
_TWO = {
    "add": "Add", "subtract": "Subtract", "sub": "Subtract", "multiply": "Multiply", "mul": "Multiply",
    "divide": "TrueDivide", "truediv": "TrueDivide", "pow": "Power", "maximum": "Maximum", "minimum": "Minimum",
    "equal": "Equal", "not_equal": "NotEqual", "less": "Less", "less_equal": "LessEqual", "greater": "Greater",
    "greater_equal": "GreaterEqual", "logical_and": "LogicalAnd", "logical_or": "LogicalOr",
}  # fmt: skip
_ONE = {
    "abs": "Absolute", "negative": "Negative", "square": "Square", "sqrt": "Sqrt", "exp": "Exp", "log": "Log",
    "tanh": "Tanh", "sin": "Sin", "cos": "Cos", "sign": "Sign", "round": "Round", "logical_not": "LogicalNot",
    "zeros_like": "ZerosLike", "ones_like": "OnesLike",
}  # fmt: skip
_OVER = {
    "reduce_sum": "Sum", "reduce_mean": "Mean", "reduce_max": "Max", "reduce_min": "Min", "reduce_any": "Any",
    "reduce_all": "All",
}  # fmt: skip
_AXES = {"axis": "axis", "keepdims": "keepdims"}
OPERATION: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    **{name: (new, ("y",), {}) for name, new in _TWO.items()},
    **{name: (new, (), {}) for name, new in _ONE.items()},
    **{name: (new, (), _AXES) for name, new in _OVER.items()},
    "expand_dims": ("ExpandDims", (), {"axis": "axis"}),
    "squeeze": ("Squeeze", (), {"axis": "axis"}),
    "transpose": ("Transpose", (), {"perm": "axes"}),
    "reshape": ("Reshape", (), {"shape": "newshape"}),
    "concat": ("Concatenate", (), {"axis": "axis"}),
    "stack": ("Stack", (), {"axis": "axis"}),
    "tile": ("Tile", (), {"multiples": "repeats"}),
    "where": ("Where", ("x", "y"), {}),
    "clip_by_value": ("Clip", ("clip_value_min", "clip_value_max"), {}),
    "cast": ("Cast", (), {"dtype": "dtype"}),
    "getitem": ("GetItem", ("slice_spec",), {}),
}
ACTIVATIONS = ("relu", "softmax", "sigmoid", "elu", "selu", "softplus", "gelu", "silu", "leaky_relu", "relu6")
# function: layer, what its options are there, and what it has in any case
LAYERS: dict[str, tuple[str, dict[str, str], Config]] = {
    "softmax": ("Softmax", {"axis": "axis"}, {}),
    "leaky_relu": ("LeakyReLU", {"alpha": "negative_slope"}, {}),
    "l2_normalize": ("UnitNormalization", {"axis": "axis"}, {}),
    "identity": ("Identity", {}, {}),
    "stop_gradient": ("Identity", {}, {"trainable": False}),
    "add_n": ("Add", {}, {}),
}
# how `matmul` of sequences reads its two arguments: the axes of a Dot
DOT_AXES = {(False, False): [2, 1], (False, True): [2, 2], (True, False): [1, 1], (True, True): [1, 2]}
IRRELEVANT = ("name", "conjugate", "constant_values", "epsilon")


def modern_operation(form: Config, report: Report) -> Config:
    """The form of an operation with its calls in Keras 3's form, from one whose references are translated already."""
    config = form["config"]
    function = str(config.get("function"))
    last = function.rsplit(".", 1)[-1]
    name = config.get("name")
    outside = {key: value for key, value in form.items() if key not in ("class_name", "config", "module")}
    calls = form["inbound_nodes"]
    layer = _as_layer(last, [_arguments(call) for call in calls])
    if layer is not None:
        class_name, options, second = layer
        nodes: list[Config] = [
            {"args": [[call["args"][0], call["kwargs"][second]]] if second else call["args"], "kwargs": {}}
            for call in calls
        ]
        config = {"name": name, **options}
        report.decide(f"TensorFlow's {function} is read as a layer {class_name}", name)
        return {
            **outside,
            "module": "keras.layers",
            "class_name": class_name,
            "config": config,
            "inbound_nodes": nodes,
        }
    if last not in OPERATION or len(calls) != 1:
        return form
    new, positional, names = OPERATION[last]
    arguments = _arguments(calls[0])
    if arguments.keys() - {*positional, *names}:
        return form
    options = {names[key]: value for key, value in arguments.items() if key in names}
    args = [*calls[0]["args"], *(_plain(arguments[key]) for key in positional if key in arguments)]
    report.decide(f"TensorFlow's {function} is read as Keras 3's operation {new}", name)
    return {
        **outside,
        "module": OPERATIONS,
        "class_name": new,
        "config": {"name": name, **options},
        "inbound_nodes": [{"args": args, "kwargs": {}}],
    }


def _as_layer(function: str, calls: list[Config]) -> tuple[str, Config, str | None] | None:
    """The layer that does the same, its options, and under which name the calls have the second input, if any."""
    arguments = calls[0]
    if any(call != arguments for call in calls[1:]):
        return None
    if function in ACTIVATIONS and not arguments:
        return "Activation", {"activation": function}, None
    if (
        function == "matmul"
        and arguments.keys() <= {"b", "transpose_a", "transpose_b"}
        and is_tensor(arguments.get("b"))
    ):
        transposed = bool(arguments.get("transpose_a")), bool(arguments.get("transpose_b"))
        return "Dot", {"axes": DOT_AXES[transposed]}, "b"
    if function in LAYERS and arguments.keys() <= LAYERS[function][1].keys():
        name, names, options = LAYERS[function]
        return name, {**options, **{names[key]: value for key, value in arguments.items()}}, None
    return None


def _arguments(call: Config) -> Config:
    return {key: value for key, value in call["kwargs"].items() if value is not None and key not in IRRELEVANT}


def _plain(value: Any) -> Any:
    """A constant in Keras 3's form: slices were dictionaries of their ends."""
    if isinstance(value, dict) and value.keys() == {"start", "stop", "step"}:
        return {"class_name": "__slice__", "config": value}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value
