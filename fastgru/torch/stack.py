"""torch.nn's recurrent layers, each a stack of layers and directions, as layers of fastgru's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from fastgru import layers
from fastgru.onnx.drawing import Filled
from fastgru.onnx.layout import Laid
from fastgru.torch.functions import Refused, States, is_batch, item, whole
from fastgru.torch.layer_pass import CELLS
from fastgru.torch.weights import read

__all__ = ["RECURRENT", "TimeFirst", "recurrent"]

RECURRENT = (nn.GRU, nn.LSTM, nn.RNN, nn.RNNBase)
KINDS = {"GRU": layers.GRU, "LSTM": layers.LSTM, "RNN_TANH": layers.SimpleRNN, "RNN_RELU": layers.SimpleRNN}


class TimeFirst(Exception):
    """A layer reads the samples as steps: the inputs have the time before them."""


def recurrent(module: Any) -> Callable[..., Any]:
    """What a GRU, LSTM or RNN computes of x: its outputs and last states, as PyTorch returns them."""
    if module.proj_size:
        raise Refused("an LSTM with proj_size")
    kinds = CELLS[module.mode].states if module.mode in CELLS else 1
    directions = 2 if module.bidirectional else 1
    stack = [_layer(module) for _ in range(module.num_layers)]
    names = module._all_weights

    def call(x: Any, hx: Any = None) -> Any:
        x = whole(x)
        if len(x.sizes) != 3:
            raise Refused(f"a sequence of {len(x.sizes)} axes, expected 3; give input_shape where the input has more")
        rows = x if module.batch_first else x.transposed([1, 0, 2])
        if not is_batch(rows.sizes[0]):
            raise TimeFirst
        y, sizes = rows.tensor(), rows.sizes
        initial = _initial(hx, module, kinds)
        states: list[Any] = []
        for number, layer in enumerate(stack):
            if number and module.dropout:
                y = layers.Dropout(module.dropout)(y)
            first = directions * number
            begin = [kind[row].tensor() for row in range(first, first + directions) for kind in initial]
            y, *lasts = layer(y, initial_state=begin or None)
            parameters = [[getattr(module, name) for name in row] for row in names[first : first + directions]]
            layer.set_weights([weight for row in parameters for weight in _weights(module.mode, row)])
            states += [Laid.plain(last, [sizes[0], module.hidden_size]) for last in lasts]
        outputs = Laid.plain(y, [*sizes[:2], directions * module.hidden_size])
        by_kind = [States(states[kind::kinds]) for kind in range(kinds)]
        lasts = by_kind[0] if kinds == 1 else tuple(by_kind)
        return (outputs if module.batch_first else outputs.transposed([1, 0, 2])), lasts

    return call


def _initial(hx: Any, module: Any, kinds: int) -> list[Any]:
    """The initial states of each kind, a tensor (B, H) for each layer and direction; none where all are zeros."""
    by_kind = [hx] if kinds == 1 else list(hx or ())
    if all(one is None or isinstance(one, Filled) for one in by_kind):
        return []
    count = module.num_layers * (2 if module.bidirectional else 1)
    if any(isinstance(one, Filled) or len(one.sizes) != 3 or one.sizes[0] != count for one in by_kind):
        raise Refused(f"initial states of another shape than ({count}, batch, {module.hidden_size})")
    return [[item(one, row) for row in range(count)] for one in by_kind]


def _layer(module: Any) -> Any:
    """One layer of the stack, not built."""
    options: dict[str, Any] = {"use_bias": module.bias, "return_sequences": True, "return_state": True}
    if module.mode.startswith("RNN"):
        options["activation"] = module.nonlinearity
    layer: Any = KINDS[module.mode](module.hidden_size, **options)
    return layers.Bidirectional(layer) if module.bidirectional else layer


def _weights(mode: str, parameters: list[Any]) -> list[Any]:
    """Kernel, recurrent kernel and bias, as Keras has them."""
    if mode in CELLS:
        weights = read(CELLS[mode], parameters)
        return [each for each in (weights.kernel, weights.recurrent_kernel, weights.bias) if each is not None]
    kernel, recurrent_kernel, *biases = (parameter.detach().cpu().numpy() for parameter in parameters)
    return [kernel.T, recurrent_kernel.T, *([biases[0] + biases[1]] if biases else [])]
