"""ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from bench.engines import Batcher, Caller, Masked, counts, in_turn, side_by_side
from bench.network import Network
from bench.onnx_model import bidirectional_model, masked_model, network_model


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


def masked(network: Network, steps: int, threads: int) -> dict[str, Masked]:
    model = masked_model(network, steps)
    return {f"sequence_lens{suffix}": _masked(model, count) for suffix, count in counts(threads).items()}
