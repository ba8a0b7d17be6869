"""ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from bench.engines import Batcher, Caller, Masked, Streamer, counts, in_turn, side_by_side
from bench.network import Cell, Floats, Network
from bench.onnx_model import bidirectional_model, masked_model, network_model, step_model, stream_model


def versions() -> dict[str, str]:
    return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}


def save(network: Network, steps: int, path: Path) -> None:
    path.write_bytes(network_model(network, steps))


def _session(model: bytes, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _caller(model: bytes, threads: int) -> Caller:
    session = _session(model, threads)
    return lambda x: session.run(None, {"x": x})[0]


def _masked(model: bytes, threads: int) -> Masked:
    session = _session(model, threads)
    return lambda x, mask, lengths: session.run(None, {"x": x, "lengths": lengths})[0]


def _variants(model: bytes, threads: int) -> dict[str, Caller]:
    return {f"run{suffix}": _caller(model, count) for suffix, count in counts(threads).items()}


def callers(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    return _variants(network_model(network, steps), threads)


def bidirectional(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    return _variants(bidirectional_model(network, steps), threads)


def batchers(network: Network, steps: int, threads: int) -> dict[str, Batcher]:
    model = network_model(network, steps)
    return {
        "run": in_turn(_caller(model, threads)),
        "run, batches side by side": side_by_side(_caller(model, 1), threads),
    }


def predictors(network: Network, x: Floats, threads: int) -> dict[str, Callable[[], Caller]]:
    model = network_model(network, x.shape[1])
    return {f"run{suffix}": partial(_caller, model, count) for suffix, count in counts(threads).items()}


def masked(network: Network, steps: int, threads: int) -> dict[str, Masked]:
    model = masked_model(network, steps)
    return {f"sequence_lens{suffix}": _masked(model, count) for suffix, count in counts(threads).items()}


def steppers(cell: Cell) -> dict[str, Caller]:
    session = _session(step_model(cell), 1)
    states = np.zeros((1, 1, cell.units), np.float32)

    def run(x: Floats) -> Floats:
        nonlocal states
        (states,) = session.run(None, {"x": x[None], "states0": states})
        return states[0]

    return {"run": run, "run_with_iobinding": _bound(session, cell)}


def _bound(session: Any, cell: Cell) -> Caller:
    """Two bindings to memory of the caller's, between which the states go to and fro."""
    inputs = np.zeros((1, 1, cell.features), np.float32)
    states = [np.zeros((1, 1, cell.units), np.float32) for _ in range(2)]
    (name,) = (output.name for output in session.get_outputs())
    bindings = []
    for old, new in (states, states[::-1]):
        binding = session.io_binding()
        for place, array in (("x", inputs), ("states0", old)):
            binding.bind_input(place, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        binding.bind_output(name, "cpu", 0, np.float32, new.shape, new.ctypes.data)
        bindings.append((binding, new[0]))

    def run(x: Floats) -> Floats:
        inputs[...] = x
        binding, outputs = bindings[0]
        bindings.reverse()
        session.run_with_iobinding(binding)
        return outputs

    return run


def streamers(network: Network, count: int, threads: int) -> dict[str, Streamer]:
    model = stream_model(network)
    return {f"run{suffix}": _streamer(_session(model, n), network, count) for suffix, n in counts(threads).items()}


def _streamer(session: Any, network: Network, count: int) -> Streamer:
    """The states of all sessions in one array a layer, out of which and into which a call's are gathered by numpy."""
    states = [np.zeros((1, count, cell.units), np.float32) for cell in network.cells]

    def step(ids: npt.NDArray[np.int64], x: Floats) -> Floats:
        if count == 1:  # nothing to gather
            outputs, *states[:] = session.run(None, _feeds(x, states))
            return outputs
        outputs, *new = session.run(None, _feeds(x, [array[:, ids] for array in states]))
        for array, rows in zip(states, new, strict=True):
            array[:, ids] = rows
        return outputs

    return Streamer(np.arange(count), step)


def _feeds(x: Floats, states: list[Floats]) -> dict[str, Floats]:
    return {"x": x[None]} | {f"states{number}": array for number, array in enumerate(states)}
