"""OpenVINO on the same ONNX model as ONNX Runtime, in float32."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino

from bench.engines import Batcher, Caller, Masked, counts
from bench.network import Floats, Network
from bench.onnx_model import bidirectional_model, masked_model, network_model


def versions() -> dict[str, str]:
    # the number without the build it came from
    return {"openvino": openvino.__version__.split("-")[0], "onnx": onnx.__version__}


def save(network: Network, steps: int, path: Path) -> None:
    path.write_bytes(network_model(network, steps))


def _compiled(onnx_bytes: bytes, shapes: dict[str, list[int]], hint: str, threads: int) -> Any:
    """Compiled for inputs of fixed shapes, which is quicker than for any."""
    core = openvino.Core()
    model = core.read_model(onnx_bytes, b"")
    model.reshape(shapes)
    options = {"PERFORMANCE_HINT": hint, "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    return core.compile_model(model, "CPU", options)


def _caller(onnx_bytes: bytes, threads: int) -> Caller:
    @cache
    def request(shape: tuple[int, ...]) -> Any:
        return _compiled(onnx_bytes, {"x": list(shape)}, "LATENCY", threads).create_infer_request()

    def call(x: Floats) -> Floats:
        # shared: no copy of inputs and outputs; the outputs are overwritten by the next call
        return request(x.shape).infer([x], share_inputs=True, share_outputs=True)[0]

    return call


def _variants(model: bytes, threads: int) -> dict[str, Caller]:
    return {f"infer{suffix}": _caller(model, count) for suffix, count in counts(threads).items()}


def callers(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    return _variants(network_model(network, steps), threads)


def bidirectional(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    return _variants(bidirectional_model(network, steps), threads)


def batchers(network: Network, steps: int, threads: int) -> dict[str, Batcher]:
    model = network_model(network, steps)
    call = _caller(model, threads)

    # not engines.in_turn, which gathers all outputs at the end: here the next call has overwritten them by then
    def in_turn(x: Floats, size: int) -> Floats:
        outputs = np.empty((len(x), network.classes), np.float32)
        for start in range(0, len(x), size):
            outputs[start : start + size] = call(x[start : start + size])
        return outputs

    @cache
    def queue(shape: tuple[int, ...]) -> Any:
        return openvino.AsyncInferQueue(_compiled(model, {"x": list(shape)}, "THROUGHPUT", threads))

    def side_by_side(x: Floats, size: int) -> Floats:
        outputs = np.empty((len(x), network.classes), np.float32)
        # an uneven last batch goes through a queue of its own shape
        whole = len(x) // size * size
        for first, stop in ((0, whole), (whole, len(x))):
            if first == stop:
                continue
            jobs = queue((min(size, stop - first), *x.shape[1:]))

            def store(request: Any, start: int) -> None:
                answers = request.get_output_tensor().data
                outputs[start : start + len(answers)] = answers

            jobs.set_callback(store)
            for start in range(first, stop, size):
                jobs.start_async([x[start : start + size]], start, share_inputs=True)
            jobs.wait_all()
        return outputs

    return {"infer": in_turn, "throughput hint, asynchronous": side_by_side}


def _masked(model: bytes, threads: int) -> Masked:
    @cache
    def request(shape: tuple[int, ...]) -> Any:
        shapes = {"x": list(shape), "lengths": [shape[0]]}
        return _compiled(model, shapes, "LATENCY", threads).create_infer_request()

    def call(x: Floats, mask: Any, lengths: Any) -> Floats:
        inputs = {"x": x, "lengths": lengths}
        return request(x.shape).infer(inputs, share_inputs=True, share_outputs=True)[0]

    return call


def masked(network: Network, steps: int, threads: int) -> dict[str, Masked]:
    model = masked_model(network, steps)
    return {f"sequence_lens{suffix}": _masked(model, count) for suffix, count in counts(threads).items()}
