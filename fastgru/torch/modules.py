"""`GRU` and `LSTM`, which take the place of `torch.nn.GRU` and `torch.nn.LSTM` on CPUs."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from fastgru.torch import operators
from fastgru.torch.autograd import Differentiated, by_direction
from fastgru.torch.layer_pass import CELLS, LayerPass
from fastgru.torch.weights import WeightCache

__all__ = ["GRU", "LSTM"]

_DTYPES = (torch.float32, torch.float64)


class _Recurrent(nn.RNNBase):  # type: ignore[misc]
    """What both share. `torch.compile` refuses whatever is a `torch.nn.GRU`, so these are none, and like one."""

    _theirs: ClassVar[Any]  # the class of torch.nn
    _warned: ClassVar[set[tuple[str, str]]] = set()

    def forward(self, input: Any, hx: Any = None) -> Any:
        """See `torch.nn.GRU` or `torch.nn.LSTM`."""
        packed = isinstance(input, PackedSequence)
        x, batch_sizes = (input.data, input.batch_sizes) if packed else (input, None)
        states = () if hx is None else (hx,) if self.mode == "GRU" else tuple(hx)
        parameters = [getattr(self, name) for names in self._all_weights for name in names]
        obstacle = self._obstacle(x, batch_sizes, states, parameters)
        if obstacle is not None:
            if obstacle:
                self._warn(obstacle)
            return self._theirs.forward(self, input, hx)
        if not packed:
            output, lasts = self._run_dense(x, states, parameters)
            return output, lasts[0] if self.mode == "GRU" else lasts
        if input.sorted_indices is not None:
            states = tuple(state.index_select(1, input.sorted_indices) for state in states)
        output, lasts = self._run(x, batch_sizes, states, parameters)
        if input.unsorted_indices is not None:
            lasts = tuple(last.index_select(1, input.unsorted_indices) for last in lasts)
        packed_output = PackedSequence(output, batch_sizes, input.sorted_indices, input.unsorted_indices)
        return packed_output, lasts[0] if self.mode == "GRU" else lasts

    def _run_dense(self, x: Any, states: tuple[Any, ...], parameters: list[Any]) -> tuple[Any, tuple[Any, ...]]:
        batched = x.dim() == 3
        if not batched:
            x, states = x.unsqueeze(0), tuple(state.unsqueeze(1) for state in states)
        elif not self.batch_first:
            x = x.transpose(0, 1)
        output, lasts = self._run(x, None, states, parameters)
        if not batched:
            return output.squeeze(0), tuple(last.squeeze(1) for last in lasts)
        return output if self.batch_first else output.transpose(0, 1).contiguous(), lasts

    def _run(
        self, x: Any, batch_sizes: Any, states: tuple[Any, ...], parameters: list[Any]
    ) -> tuple[Any, tuple[Any, ...]]:
        """All layers, on x (B, T, F) or the data of a packed sequence."""
        directions = 2 if self.bidirectional else 1
        lasts: list[Any] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                x = x * self._noise(x)
            rows = slice(layer * directions, (layer + 1) * directions)
            layer_parameters = by_direction(parameters, self.num_layers)[layer]
            x, *layer_lasts = self._run_layer(
                layer, directions, batch_sizes, x, [state[rows] for state in states], layer_parameters
            )
            lasts.append(layer_lasts)
        return x, tuple(torch.cat(each) for each in zip(*lasts, strict=True))

    def _noise(self, x: Any) -> Any:
        """The factors of dropout, drawn in the order in which torch.nn draws them: time step by time step."""
        keep = 1 - self.dropout
        if not keep:
            return torch.zeros_like(x)
        if x.dim() == 2:
            return torch.empty_like(x).bernoulli_(keep).div_(keep)
        return x.new_empty(x.shape[1], x.shape[0], x.shape[2]).bernoulli_(keep).div_(keep).transpose(0, 1)

    def _run_layer(
        self, layer: int, directions: int, batch_sizes: Any, x: Any, states: list[Any], parameters: list[Any]
    ) -> Any:
        tensors = (x, *states, *parameters)
        differentiated = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
        if torch.compiler.is_compiling():
            outputs = operators.layer(self.mode, directions, batch_sizes, x, states, parameters, differentiated)
            return outputs[: 1 + CELLS[self.mode].states]
        if differentiated:
            return Differentiated.apply(self.mode, directions, batch_sizes, len(states), *tensors)
        cell = CELLS[self.mode]
        caches = self.__dict__.setdefault("_weight_caches", {})
        with torch.no_grad():
            weights = [
                caches.setdefault((layer, index), WeightCache()).read(cell, each)
                for index, each in enumerate(by_direction(parameters, directions))
            ]
            return LayerPass(cell, x, batch_sizes, states, weights, training=False).outputs

    def __prepare_scriptable__(self) -> Any:
        raise RuntimeError(
            f"fastgru.torch.{self.mode}: torch.jit.script compiles PyTorch's own layers alone; script the model before "
            "accelerate changes it, or take torch.compile."
        )

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state.pop("_weight_caches", None)  # a copy, or a file, packs anew
        return state

    # --- what is torch.nn's to do -----------------------------------------------------------------

    def _obstacle(self, x: Any, batch_sizes: Any, states: tuple[Any, ...], parameters: list[Any]) -> str | None:
        """Why torch.nn's own must run, "" for an error that it says best; None where nothing is in the way."""
        tensors = (x, *states, *parameters)
        if not all(isinstance(tensor, torch.Tensor) for tensor in tensors):
            return ""
        if x.device.type != "cpu":
            return f"on the device {x.device.type!r}"
        if x.dtype not in _DTYPES:
            return f"in {x.dtype}"
        if any(tensor.device != x.device or tensor.dtype != x.dtype for tensor in tensors):
            return ""
        if torch.is_autocast_enabled("cpu"):
            return "under autocast"
        if torch.compiler.is_exporting():
            return ""
        if not torch.compiler.is_compiling():
            if any(type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__ for tensor in tensors):
                return ""  # tensors that are no numbers in memory: fake ones, distributed ones
            if torch.jit.is_tracing():
                return ""
            if torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0:
                return "under torch.func's transforms and forward-mode differentiation"
        return None if self._fits(x, batch_sizes, states) else ""

    def _fits(self, x: Any, batch_sizes: Any, states: tuple[Any, ...]) -> bool:
        """Whether all shapes are as torch.nn wants them, with at least a row and a step."""
        axes = x.dim()
        if axes not in ((2, 3) if batch_sizes is None else (2,)) or x.shape[-1] != self.input_size or x.numel() == 0:
            return False
        shape: tuple[int, ...] = (self.num_layers * (2 if self.bidirectional else 1), self.hidden_size)
        if batch_sizes is not None:
            if not states:
                return True
            shape = (shape[0], int(batch_sizes[0]), shape[1])
        elif axes == 3:
            shape = (shape[0], x.shape[0 if self.batch_first else 1], shape[1])
        return len(states) in (0, CELLS[self.mode].states) and all(state.shape == shape for state in states)

    def _warn(self, obstacle: str) -> None:
        """Once for each class and reason."""
        if torch.compiler.is_compiling() or (self.mode, obstacle) in self._warned:
            return
        self._warned.add((self.mode, obstacle))
        warnings.warn(
            f"fastgru.torch.{self.mode}: {obstacle} torch.nn.{self.mode}'s own kernels run.",
            RuntimeWarning,
            stacklevel=4,
        )


class GRU(_Recurrent):
    """`torch.nn.GRU` on fastgru's kernels.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        As of `torch.nn.GRU`; parameters and ``state_dict`` have the same names, shapes and first values.
    """

    _theirs = nn.GRU

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("fastgru.torch.GRU: proj_size is an option of LSTMs, and here of none; leave it out.")
        super().__init__("GRU", *args, **kwargs)


class LSTM(_Recurrent):
    """`torch.nn.LSTM` on fastgru's kernels.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype
        As of `torch.nn.LSTM`.
    proj_size : int
        Only 0: projections are refused with a ValueError.
    """

    _theirs = nn.LSTM
    # which torch.nn.LSTM has for itself
    check_forward_args = nn.LSTM.check_forward_args
    permute_hidden = nn.LSTM.permute_hidden
    get_expected_cell_size = nn.LSTM.get_expected_cell_size

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)
        if self.proj_size:
            raise ValueError("fastgru.torch.LSTM: proj_size is not supported; use torch.nn.LSTM for projections.")
