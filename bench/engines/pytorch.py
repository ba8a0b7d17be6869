"""PyTorch's nn.GRU: eager, traced, and in a plain training loop, with Adam's numbers as in Keras."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bench.engines import Batcher, Caller, Masked, Streamer, Trainer, counts, in_turn, side_by_side
from bench.network import Cell, Floats, Labels, Network


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


def _rows(array: Floats) -> torch.Tensor:
    """(..., 3H) with gates z r h as (3H, ...) with PyTorch's r z n; its state is (1 - z) n + z h, as Keras's."""
    z, r, h = np.split(array, 3, axis=-1)
    return torch.from_numpy(np.ascontiguousarray(np.concatenate([r, z, h], axis=-1).T))


def _fill(gru: nn.GRU, suffix: str, cell: Cell) -> None:
    with torch.no_grad():
        for name, array in (
            ("weight_ih", cell.kernel),
            ("weight_hh", cell.recurrent),
            ("bias_ih", cell.bias[0]),
            ("bias_hh", cell.bias[1]),
        ):
            getattr(gru, f"{name}_{suffix}").copy_(_rows(array))


def _gru(cells: list[Cell]) -> nn.GRU:
    gru = nn.GRU(cells[0].features, cells[0].units, num_layers=len(cells), batch_first=True)
    for layer, cell in enumerate(cells):
        _fill(gru, f"l{layer}", cell)
    return gru


class _Logits(nn.Module):  # type: ignore[misc]  # mypy takes torch for Any
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.gru = _gru(network.cells)
        self.dense = nn.Linear(network.cells[-1].units, network.classes)
        with torch.no_grad():
            self.dense.weight.copy_(torch.from_numpy(network.kernel.T))
            self.dense.bias.copy_(torch.from_numpy(network.bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.gru(x)[1][-1])


class _Network(nn.Module):  # type: ignore[misc]
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.logits = _Logits(network)
        self.head: Any = nn.Sigmoid() if network.classes == 1 else nn.Softmax(-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.logits(x))


def save(network: Network, steps: int, path: Path) -> None:
    example = torch.zeros(1, steps, network.features)
    torch.jit.save(torch.jit.trace(_Network(network).eval(), example), path)


def _modules(network: Network, steps: int) -> dict[str, Any]:
    eager = _Network(network).eval()
    with torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(eager, torch.zeros(1, steps, network.features)))
    return {"inference_mode": eager, "traced": traced}


def _caller(module: Any, threads: int) -> Caller:
    def call(x: Floats) -> Floats:
        # a setting of the calling thread; it takes 0.2 us
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return module(torch.from_numpy(x)).numpy()

    return call


def callers(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    return {
        name + suffix: _caller(module, count)
        for name, module in _modules(network, steps).items()
        for suffix, count in counts(threads).items()
    }


def quick_callers(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    # a traced module is at most a tenth quicker and warms up for long
    eager = _Network(network).eval()
    return {f"inference_mode{suffix}": _caller(eager, count) for suffix, count in counts(threads).items()}


def batchers(network: Network, steps: int, threads: int) -> dict[str, Batcher]:
    variants: dict[str, Batcher] = {}
    for name, module in _modules(network, steps).items():
        variants[name] = in_turn(_caller(module, threads))
        variants[f"{name}, batches side by side"] = side_by_side(_caller(module, 1), threads)
    return variants


def _packed(gru: nn.GRU, threads: int) -> Masked:
    def call(x: Floats, mask: Any, lengths: Any) -> Floats:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            rows = nn.utils.rnn.pack_padded_sequence(
                torch.from_numpy(x), torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
            )
            return gru(rows)[1][0].numpy()

    return call


def masked(network: Network, steps: int, threads: int) -> dict[str, Masked]:
    gru = _gru(network.cells[:1])
    return {f"pack_padded_sequence{suffix}": _packed(gru, count) for suffix, count in counts(threads).items()}


def bidirectional(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    cell = network.cells[0]
    gru = nn.GRU(cell.features, cell.units, batch_first=True, bidirectional=True)
    _fill(gru, "l0", cell)
    _fill(gru, "l0_reverse", cell.backward)

    def last_states(x: torch.Tensor) -> torch.Tensor:
        return gru(x)[1].transpose(0, 1).flatten(1)

    return {f"inference_mode{suffix}": _caller(last_states, count) for suffix, count in counts(threads).items()}


def _cell(cell: Cell) -> nn.GRUCell:
    module = nn.GRUCell(cell.features, cell.units).eval()
    with torch.no_grad():
        for name, array in zip(
            ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (cell.kernel, cell.recurrent, *cell.bias), strict=True
        ):
            getattr(module, name).copy_(_rows(array))
    return module


def steppers(cell: Cell) -> dict[str, Caller]:
    eager = _cell(cell)
    with torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(eager, (torch.zeros(1, cell.features), torch.zeros(1, cell.units))))
    return {"GRUCell": _stepper(eager, cell.units), "GRUCell, traced": _stepper(traced, cell.units)}


def _stepper(module: Any, units: int) -> Caller:
    torch.set_num_threads(1)
    states = torch.zeros(1, units)

    def step(x: Floats) -> Floats:
        nonlocal states
        with torch.inference_mode():
            states = module(torch.from_numpy(x), states)
        return states.numpy()

    return step


def streamers(network: Network, count: int, threads: int) -> dict[str, Streamer]:
    return {f"inference_mode{suffix}": _streamer(network, count, n) for suffix, n in counts(threads).items()}


def _streamer(network: Network, count: int, threads: int) -> Streamer:
    """nn.GRU over a step, whose first states are those of a call's sessions."""
    whole = _Network(network).eval()
    gru, dense, head = whole.logits.gru, whole.logits.dense, whole.head
    states = torch.zeros(len(network.cells), count, network.cells[0].units)

    def step(ids: npt.NDArray[np.int64], x: Floats) -> Floats:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            rows = torch.from_numpy(ids)
            outputs, new = gru(torch.from_numpy(x)[:, None], states[:, rows])
            states[:, rows] = new
            return head(dense(outputs[:, 0])).numpy()

    return Streamer(np.arange(count), step)


class _Trainer:
    def __init__(self, network: Network, batch_size: int, threads: int, fused: bool, compiled: bool) -> None:
        self.threads = threads
        self.logits = _Logits(network)
        self.call: Any = torch.compile(self.logits) if compiled else self.logits
        self.batch_size = batch_size
        self.binary = network.classes == 1
        self.optimizer = torch.optim.Adam(self.logits.parameters(), lr=1e-3, eps=1e-7, fused=fused)

    def epoch(self, x: Floats, y: Labels, shuffle: bool = True) -> None:
        torch.set_num_threads(self.threads)
        inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
        if self.binary:
            labels = labels.float()
        order = torch.randperm(len(inputs)) if shuffle else torch.arange(len(inputs))
        for rows in order.split(self.batch_size):
            self.optimizer.zero_grad()
            self.loss(self.call(inputs[rows]), labels[rows]).backward()
            self.optimizer.step()

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.binary:
            return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels)
        return nn.functional.cross_entropy(logits, labels)

    def outputs(self, x: Floats) -> Floats:
        torch.set_num_threads(self.threads)
        with torch.no_grad():
            logits = torch.cat([self.logits(rows) for rows in torch.from_numpy(x).split(250)])
            return (logits.sigmoid() if self.binary else logits.softmax(-1)).numpy()


def trainers(network: Network, steps: int, batch_size: int, threads: int) -> dict[str, Callable[[], Trainer]]:
    return quick_trainers(network, steps, batch_size, threads) | {
        f"torch.compile, fused Adam{suffix}": partial(_Trainer, network, batch_size, count, True, True)
        for suffix, count in counts(threads).items()
    }


def quick_trainers(network: Network, steps: int, batch_size: int, threads: int) -> dict[str, Callable[[], Trainer]]:
    return {
        name + suffix: partial(_Trainer, network, batch_size, count, fused, False)
        for name, fused in (("eager", False), ("eager, fused Adam", True))
        for suffix, count in counts(threads).items()
    }
