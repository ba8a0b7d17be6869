"""torch.nn's recurrent layers, each a stack of layers and directions, as layers of fastgru's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from fastgru import layers
from fastgru.torch.functions import Refused, States
from fastgru.torch.layer_pass import CELLS
from fastgru.torch.weights import read

__all__ = ["RECURRENT", "recurrent"]

RECURRENT = (nn.GRU, nn.LSTM, nn.RNN, nn.RNNBase)
KINDS = {"GRU": layers.GRU, "LSTM": layers.LSTM, "RNN_TANH": layers.SimpleRNN, "RNN_RELU": layers.SimpleRNN}


def recurrent(module: Any) -> Callable[..., Any]:
    """What a GRU, LSTM or RNN computes of x: its outputs and last states, as PyTorch returns them."""
    if not module.batch_first:
        raise Refused("a recurrent layer with batch_first=False; make it with batch_first=True")
    if module.proj_size:
        raise Refused("an LSTM with proj_size")

    def call(x: Any, hx: Any = None) -> Any:
        if hx is not None:
            raise Refused("a recurrent layer with an initial state; leave it out where it is zeros")
        states: list[Any] = []
        directions = 2 if module.bidirectional else 1
        for number, names in enumerate(module._all_weights[::directions]):
            if number and module.dropout:
                x = layers.Dropout(module.dropout)(x)
            rows = [names, *module._all_weights[directions * number + 1 : directions * (number + 1)]]
            x, *lasts = _one(module, [[getattr(module, name) for name in row] for row in rows], x)
            states += lasts
        count = CELLS[module.mode].states if module.mode in CELLS else 1
        by_kind = [States(states[kind::count]) for kind in range(count)]
        return x, by_kind[0] if count == 1 else tuple(by_kind)

    return call


def _one(module: Any, directions: list[list[Any]], x: Any) -> Any:
    """The outputs of one layer of the stack and its last states."""
    options: dict[str, Any] = {"use_bias": module.bias, "return_sequences": True, "return_state": True}
    if module.mode.startswith("RNN"):
        options["activation"] = module.nonlinearity
    layer: Any = KINDS[module.mode](module.hidden_size, **options)
    if len(directions) == 2:
        layer = layers.Bidirectional(layer)
    outputs = layer(x)
    layer.set_weights([weight for parameters in directions for weight in _weights(module.mode, parameters)])
    return outputs


def _weights(mode: str, parameters: list[Any]) -> list[Any]:
    """Kernel, recurrent kernel and bias, as Keras has them."""
    if mode in CELLS:
        weights = read(CELLS[mode], parameters)
        return [each for each in (weights.kernel, weights.recurrent_kernel, weights.bias) if each is not None]
    kernel, recurrent_kernel, *biases = (parameter.detach().cpu().numpy() for parameter in parameters)
    return [kernel.T, recurrent_kernel.T, *([biases[0] + biases[1]] if biases else [])]
