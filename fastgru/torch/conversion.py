"""A model of fastgru's made of a module of PyTorch's that lives in the same process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import fx, nn

from fastgru import layers
from fastgru.models.functional import Functional
from fastgru.torch.functions import (
    FUNCTIONS,
    METHODS,
    OF_STATES,
    ONE_BY_ONE,
    Refused,
    States,
    flatten,
    log_softmax,
    softmax,
)
from fastgru.torch.stack import RECURRENT, recurrent
from fastgru.types import Shape

__all__ = ["from_torch"]


class _Tracer(fx.Tracer):  # type: ignore[misc]
    def is_leaf_module(self, module: Any, qualified_name: str) -> bool:
        return isinstance(module, nn.RNNBase) or super().is_leaf_module(module, qualified_name)


def from_torch(module: Any, input_shape: Shape | Sequence[Shape] | None = None) -> Functional:
    """The fastgru model that computes what a PyTorch module computes, with copies of its weights.

    A `forward` of one's own is followed by `torch.fx.symbolic_trace`, and may do what `torch.nn.GRU`, `LSTM`, `RNN`,
    `Linear`, `Embedding`, `LayerNorm`, `BatchNorm1d`, dropout and activations do, take items of tuples and slices, and
    use arithmetic, `cat`, `squeeze`, `mean` and the like.

    Parameters
    ----------
    module : torch.nn.Module
        With recurrent layers of `batch_first=True`. It stays as it is.
    input_shape : tuple or list of tuple, optional
        The shape of each input without the batch, None for any length; where absent it follows from the first layer
        that reads the input: (None, F) before a recurrent layer, (None,) before an embedding, (F,) before others.

    Returns
    -------
    Functional
        Not compiled. Its outputs are those of the module in `eval` mode; where that returns a tuple, its first.

    Raises
    ------
    TypeError
        It is no module.
    ValueError
        It does what has no counterpart; the message says what and where.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"fastgru.from_torch: expected a torch.nn.Module, got {type(module).__name__}.")
    tracer = _Tracer()
    root = nn.Sequential(module) if tracer.is_leaf_module(module, "") else module
    try:
        graph = tracer.trace(root)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"fastgru.from_torch: the forward of {type(module).__name__} cannot be followed by torch.fx: {error}"
        ) from error
    shapes = iter([] if input_shape is None else input_shape if isinstance(input_shape, list) else [input_shape])
    inputs: list[Any] = []
    values: dict[Any, Any] = {}
    for node in graph.nodes:
        try:
            if node.op == "placeholder":
                values[node] = _input(root, node, next(shapes, None))
                inputs.append(values[node])
            elif node.op == "output":
                return Functional(inputs, _output(fx.node.map_arg(node.args[0], values.__getitem__)))
            else:
                arguments, named = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
                values[node] = _computed(_function(root, node), arguments, named)
        except Refused as error:
            raise ValueError(f"fastgru.from_torch, {node.name}: {error}.") from error
    raise AssertionError("a graph ends with its output")


def _input(root: Any, node: Any, shape: Shape | None) -> Any:
    reader = next((user for user in node.users if user.op == "call_module"), None)
    layer = None if reader is None else root.get_submodule(reader.target)
    if shape is None:
        if isinstance(layer, nn.RNNBase):
            shape = (None, layer.input_size)
        elif isinstance(layer, nn.Embedding):
            shape = (None,)
        elif isinstance(layer, nn.Linear):
            shape = (layer.in_features,)
        else:
            raise Refused("the shape of this input follows from no layer; give input_shape")
    return layers.Input(shape, name=node.name, dtype="int32" if isinstance(layer, nn.Embedding) else "float32")


def _computed(function: Callable[..., Any], arguments: Any, named: Any) -> Any:
    values = [*arguments, *named.values()]
    values += [each for value in values if isinstance(value, (tuple, list)) for each in value]  # those of cat
    if function not in OF_STATES and any(isinstance(value, States) for value in values):
        raise Refused(ONE_BY_ONE)
    try:
        return function(*arguments, **named)
    except TypeError as error:
        raise Refused(f"such a call has no counterpart here: {error}") from error


def _output(outputs: Any) -> Any:
    """What a forward returns; of a tuple the first, as of a recurrent layer's outputs and states."""
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    if isinstance(first, States):
        raise Refused(ONE_BY_ONE)
    return first


def _function(root: Any, node: Any) -> Callable[..., Any]:
    """What computes a node of the graph on symbolic tensors."""
    if node.op == "call_function" and node.target in FUNCTIONS:
        return FUNCTIONS[node.target]
    if node.op == "call_method" and node.target in METHODS:
        return METHODS[node.target]
    if node.op == "call_module":
        return _layer(root.get_submodule(node.target))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.target)
    raise Refused(f"{name} has no counterpart here")


def _layer(module: Any) -> Callable[..., Any]:
    """What a layer of torch.nn computes."""
    for kind in RECURRENT:
        if isinstance(module, kind):
            return recurrent(module)
    if type(module) in OF_OPTIONS:
        return OF_OPTIONS[type(module)](module)
    make = LAYERS.get(type(module))
    if make is None:
        raise Refused(f"{type(module).__name__} has no counterpart here")
    layer, weights = make(module)

    def call(x: Any) -> Any:
        output = layer(x)
        layer.set_weights([weight.detach().cpu().numpy() for weight in weights if weight is not None])
        return output

    return call


def _linear(module: Any) -> Any:
    weights = [module.weight.T, module.bias]
    return layers.Dense(module.out_features, use_bias=module.bias is not None), weights


def _embedding(module: Any) -> Any:
    if module.max_norm is not None:
        raise Refused("an embedding with max_norm changes its weights as it reads them")
    return layers.Embedding(module.num_embeddings, module.embedding_dim), [module.weight]


def _layer_norm(module: Any) -> Any:
    if len(module.normalized_shape) != 1:
        raise Refused(f"LayerNorm over {len(module.normalized_shape)} axes, of which one is supported")
    layer = layers.LayerNormalization(
        epsilon=module.eps, scale=module.weight is not None, center=module.bias is not None
    )
    return layer, [module.weight, module.bias]


def _batch_norm(module: Any) -> Any:
    if module.running_mean is None or module.momentum is None:
        raise Refused("BatchNorm1d without running averages of a fixed momentum")
    layer = layers.BatchNormalization(
        momentum=1 - module.momentum, epsilon=module.eps, scale=module.affine, center=module.affine
    )
    return _Rows(layer), [module.weight, module.bias, module.running_mean, module.running_var]


class _Rows:
    """A layer for rows (B, C) alone: of sequences PyTorch has the channels before the steps."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.set_weights = layer.set_weights

    def __call__(self, x: Any) -> Any:
        if len(x.shape) != 2:
            raise Refused("BatchNorm1d of sequences, whose channels stand before the steps in PyTorch")
        return self._layer(x)


def _activation(name: str) -> Callable[[Any], Any]:
    return lambda module: (layers.Activation(name), [])


def _gelu(module: Any) -> Any:
    if module.approximate == "tanh":
        raise Refused("GELU by tanh")
    return layers.Activation("gelu"), []


def _softplus(module: Any) -> Any:
    if module.beta != 1 or module.threshold != 20:
        raise Refused("Softplus of another beta or threshold than 1 and 20")
    return layers.Activation("softplus"), []


LAYERS: dict[Any, Callable[[Any], Any]] = {
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    nn.LayerNorm: _layer_norm,
    nn.BatchNorm1d: _batch_norm,
    nn.Dropout: lambda module: (layers.Dropout(module.p), []),
    nn.Identity: lambda module: (layers.Activation("linear"), []),
    nn.ReLU: _activation("relu"),
    nn.ReLU6: _activation("relu6"),
    nn.Tanh: _activation("tanh"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.SiLU: _activation("silu"),
    nn.Softplus: _softplus,
    nn.Softsign: _activation("softsign"),
    nn.GELU: _gelu,
    nn.ELU: lambda module: (layers.ELU(module.alpha), []),
    nn.LeakyReLU: lambda module: (layers.LeakyReLU(module.negative_slope), []),
}
#: those that are a function with options
OF_OPTIONS: dict[Any, Callable[[Any], Callable[..., Any]]] = {
    nn.Flatten: lambda module: partial(flatten, start_dim=module.start_dim, end_dim=module.end_dim),
    nn.Softmax: lambda module: partial(softmax, dim=module.dim),
    nn.LogSoftmax: lambda module: partial(log_softmax, dim=module.dim),
}
