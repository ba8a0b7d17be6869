"""A model of fastgru's made of a module of PyTorch's that lives in the same process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import fx, nn

from fastgru import layers
from fastgru.models.functional import Functional
from fastgru.onnx.layout import Factor, Laid
from fastgru.onnx.sizes import Size
from fastgru.torch.functions import (
    FUNCTIONS,
    METHODS,
    Refused,
    flatten,
    is_batch,
    log_softmax,
    on_last,
    softmax,
    whole,
)
from fastgru.torch.stack import RECURRENT, TimeFirst, recurrent
from fastgru.types import Shape

__all__ = ["from_torch"]


#: methods that leave a tensor with the axes that it has, and functions
ORDERING = ("contiguous", "float", "long", "permute", "to", "transpose", torch.permute, torch.transpose)


class _Tracer(fx.Tracer):  # type: ignore[misc]
    def is_leaf_module(self, module: Any, qualified_name: str) -> bool:
        return isinstance(module, nn.RNNBase) or super().is_leaf_module(module, qualified_name)


def from_torch(module: Any, input_shape: Shape | Sequence[Shape] | None = None) -> Functional:
    """The fastgru model that computes what a PyTorch module computes, with copies of its weights.

    A `forward` of one's own is followed by `torch.fx.symbolic_trace`, and may do what `torch.nn.GRU`, `LSTM`, `RNN`,
    `Linear`, `Embedding`, `LayerNorm`, `BatchNorm1d`, dropout and activations do, take items of tuples and slices, use
    arithmetic, `cat`, `squeeze`, `mean` and the like, and move axes by `view`, `permute` and sizes of `x`.
    Zeros as initial states are those of a layer that gets none. A module used twice is one layer.

    Parameters
    ----------
    module : torch.nn.Module
        It stays as it is. What has the time before the samples there, as with `batch_first=False`, has the samples
        first here: inputs and outputs (B, T, F).
    input_shape : tuple or list of tuple, optional
        The shape of each input without the batch, None for any length; where absent it follows from the first layer
        that reads the input: (None, F) before a recurrent layer, (None,) before an embedding, (F,) before others.

    Returns
    -------
    Functional
        Not compiled. Its outputs are those of the module in `eval` mode; where that returns a tuple, its first. An axis
        of samples and steps together, ``view(-1, H)``, is two here.

    Raises
    ------
    TypeError
        It is no module.
    ValueError
        It does what has no counterpart; the message says what and where.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"fastgru.from_torch: expected a torch.nn.Module, got {type(module).__name__}; the weights of a state dict "
            "go into the same layers by load_weights."
        )
    tracer = _Tracer()
    root = nn.Sequential(module) if tracer.is_leaf_module(module, "") else module
    try:
        graph = tracer.trace(root)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"fastgru.from_torch: the forward of {type(module).__name__} cannot be followed by torch.fx: {error}"
        ) from error
    shapes: Any = [] if input_shape is None else input_shape if isinstance(input_shape, list) else [input_shape]
    try:
        return _Follower(root, shapes).follow(graph)
    except TimeFirst:
        pass  # what a layer read as steps were the samples of an input
    try:
        return _Follower(root, shapes, time_first=True).follow(graph)
    except TimeFirst:
        raise ValueError(
            f"fastgru.from_torch: a recurrent layer of {type(module).__name__} reads the samples as steps; give it "
            "the axes in the order of its batch_first."
        ) from None


class _Follower:
    """Goes through the graph of a forward once.

    Parameters
    ----------
    root : torch.nn.Module
    shapes : list of tuple
        Of the inputs, the first ones at least.
    time_first : bool
        Whether inputs of two axes and more have the time before the samples in PyTorch.
    """

    def __init__(self, root: Any, shapes: Sequence[Shape], time_first: bool = False) -> None:
        self._root = root
        self._shapes = iter(shapes)
        self._time_first = time_first
        self._inputs: list[Any] = []
        self._layers: dict[int, Callable[..., Any]] = {}  # by the id of a module, which is one layer wherever it stands

    def follow(self, graph: Any) -> Functional:
        values: dict[Any, Any] = {}
        for node in graph.nodes:
            try:
                if node.op == "placeholder":
                    values[node] = self._input(node)
                elif node.op == "output":
                    output = fx.node.map_arg(node.args[0], values.__getitem__)
                    return Functional(self._inputs, _output(output))
                else:
                    arguments, named = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
                    values[node] = self._function(node)(*arguments, **named)
            except TypeError as error:
                reason = f"such a call has no counterpart here: {error}"
                raise ValueError(f"fastgru.from_torch, {node.name}: {reason}.") from error
            except (Refused, ValueError) as error:
                raise ValueError(f"fastgru.from_torch, {node.name}: {str(error).rstrip('.')}.") from error
        raise AssertionError("a graph ends with its output")

    def _input(self, node: Any) -> Any:
        if node.args:  # a default, which is what the module is called with
            return node.args[0]
        layer = self._reader(node)
        shape = next(self._shapes, None)
        if shape is None:
            shape = _shape_read(layer)
        dtype = "int32" if isinstance(layer, nn.Embedding) else "float32"
        tensor = layers.Input(shape, name=node.name, dtype=dtype)
        self._inputs.append(tensor)
        sizes = [Size.of(tensor, axis) if size is None else size for axis, size in enumerate(tensor.shape)]
        sizes[0] = Size.of(self._inputs[0], 0)  # all have as many samples
        x = Laid.plain(tensor, sizes)
        return x.transposed([1, 0, *range(2, len(sizes))]) if self._time_first and len(sizes) > 1 else x

    def _reader(self, node: Any) -> Any:
        """The first layer that reads a value, also with its axes in another order."""
        for user in node.users:
            if user.op == "call_module":
                return self._root.get_submodule(user.target)
            if user.target in ORDERING and (layer := self._reader(user)) is not None:
                return layer
        return None

    def _function(self, node: Any) -> Callable[..., Any]:
        """What computes a node of the graph on symbolic tensors."""
        if node.op == "call_function" and node.target in FUNCTIONS:
            return FUNCTIONS[node.target]
        if node.op == "call_method" and node.target in METHODS:
            return METHODS[node.target]
        if node.op == "call_module":
            module = self._root.get_submodule(node.target)
            if id(module) not in self._layers:
                self._layers[id(module)] = _layer(module)
            return self._layers[id(module)]
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", node.target)
        raise Refused(f"{name} has no counterpart here")


def _shape_read(layer: Any) -> Shape:
    """The shape of the input that a layer reads."""
    if isinstance(layer, nn.RNNBase):
        return (None, layer.input_size)
    if isinstance(layer, nn.Embedding):
        return (None,)
    if isinstance(layer, nn.Linear):
        return (layer.in_features,)
    raise Refused("the shape of this input follows from no layer; give input_shape")


def _output(outputs: Any) -> Any:
    """What a forward returns, the samples first; of a tuple the first, as of a recurrent layer's outputs and states."""
    x = whole(outputs[0] if isinstance(outputs, tuple) else outputs)
    axes = [(factor,) for factor in x.shown[0]] if x.shown and len(x.shown[0]) > 1 else list(x.shown[:1])
    x = Laid(x.base, x.held, (*axes, *x.shown[1:]))  # samples and steps in one axis are two again
    batch = next((axis for axis, size in enumerate(x.sizes) if is_batch(size)), None)
    if batch is None:
        raise Refused("what it returns has no axis of the samples")
    return x.transposed([batch, *(axis for axis in range(len(x.sizes)) if axis != batch)]).tensor()


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
        output = on_last(layer, x)
        layer.set_weights([weight.detach().cpu().numpy() for weight in weights if weight is not None])
        return output

    return call


def _linear(module: Any) -> Any:
    weights = [module.weight.T, module.bias]
    return layers.Dense(module.out_features, use_bias=module.bias is not None), weights


def _embedding(module: Any) -> Callable[..., Any]:
    if module.max_norm is not None:
        raise Refused("an embedding with max_norm changes its weights as it reads them")
    layer = layers.Embedding(module.num_embeddings, module.embedding_dim)

    def call(x: Any) -> Any:
        y = layer(x.base)
        layer.set_weights([module.weight.detach().cpu().numpy()])
        units = (Factor(module.embedding_dim),)
        return Laid(y, (*x.held, units), (*x.shown, units))

    return call


def _layer_norm(module: Any) -> Any:
    if len(module.normalized_shape) != 1:
        raise Refused(f"LayerNorm over {len(module.normalized_shape)} axes, of which one is supported")
    layer = layers.LayerNormalization(
        epsilon=module.eps, scale=module.weight is not None, center=module.bias is not None
    )
    return layer, [module.weight, module.bias]


def _batch_norm(module: Any) -> Callable[..., Any]:
    if module.running_mean is None or module.momentum is None:
        raise Refused("BatchNorm1d without running averages of a fixed momentum")
    layer = layers.BatchNormalization(
        momentum=1 - module.momentum, epsilon=module.eps, scale=module.affine, center=module.affine
    )
    weights = [module.weight, module.bias, module.running_mean, module.running_var]

    def call(x: Any) -> Any:
        x = whole(x)
        last = x.transposed([0, *range(2, len(x.sizes)), 1])  # PyTorch has the channels before the steps
        y = on_last(layer, last)
        layer.set_weights([weight.detach().cpu().numpy() for weight in weights if weight is not None])
        return y.transposed([0, len(x.sizes) - 1, *range(1, len(x.sizes) - 1)])

    return call


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
    nn.LayerNorm: _layer_norm,
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
#: those that do more than a layer on the last axis
OF_OPTIONS: dict[Any, Callable[[Any], Callable[..., Any]]] = {
    nn.BatchNorm1d: _batch_norm,
    nn.Embedding: _embedding,
    nn.Flatten: lambda module: partial(flatten, start_dim=module.start_dim, end_dim=module.end_dim),
    nn.Softmax: lambda module: partial(softmax, dim=module.dim),
    nn.LogSoftmax: lambda module: partial(log_softmax, dim=module.dim),
}
