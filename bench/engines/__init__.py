"""The engines that race, one module each.

A module offers ``versions()`` and, for each kind of job that the engine can do, one function that gives the variants in
which the engine does it, by name, the plainest first. All take the weights and compute the same numbers.

- ``trainers(network, steps, batch_size, threads)``: makers of `Trainer`
- ``callers(network, steps, threads)``: `Caller`, one batch in one go, for sequences of `steps`
- ``batchers(network, steps, threads)``: `Batcher`, many samples in batches of a given size
- ``masked(network, steps, threads)``: `Masked`, the first GRU layer alone over padded sequences
- ``bidirectional(network, steps, threads)``: `Caller`, the first GRU layer alone in both directions, the last states of
  both side by side
- ``quick_callers`` and ``quick_trainers``: where it has them, the same for many sizes, without variants that take long
  to get ready and are not, or hardly, quicker
- ``steppers(cell)``: `Caller` of one step of one row (1, F) through a GRU layer, on one thread; it keeps the states
- ``streamers(network, count, threads)``: `Streamer` of so many sessions
- ``predictors(network, x, threads)``: makers of `Caller`, for batches of any size of the rows of x, in a service
- ``save(network, steps, path)``: the network as a file that ``bench.fresh`` opens
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from bench.network import Floats, Labels

Caller = Callable[[Floats], Floats]
Batcher = Callable[[Floats, int], Floats]
# the inputs (B, T, F), the mask (B, T), the number of steps that count in each row (B,) int32; the last states (B, H)
Masked = Callable[[Floats, npt.NDArray[np.bool_], npt.NDArray[np.int32]], Floats]


class Trainer(Protocol):
    """A network with cross-entropy as its loss and Adam as Keras sets it up by default."""

    def epoch(self, x: Floats, y: Labels, shuffle: bool = True) -> None:
        """Train once over all samples, in an order drawn anew where `shuffle`."""

    def outputs(self, x: Floats) -> Floats:
        """What the network puts out for the samples (N, C)."""


class Streamer(NamedTuple):
    """Sessions of a network, each with states of its own that are zero at first.

    Attributes
    ----------
    ids
        (count,), what the engine, or who uses it, calls the sessions.
    step
        Takes k of the ids, in any order, and their inputs (k, F) of one step; gives the outputs (k, C).
    """

    ids: npt.NDArray[np.int64]
    step: Callable[[npt.NDArray[np.int64], Floats], Floats]


class Entry(NamedTuple):
    """How an engine is called, the packages it needs, and the kinds of job that it can do."""

    title: str
    needs: tuple[str, ...]
    does: tuple[str, ...]
    file: str = ""  # the ending of the file that it opens in a fresh process


ENGINES = {
    "fastgru": Entry("fastgru", ("fastgru",), ("predict", "train", "step", "stream", "serve"), ".keras"),
    "keras_jax": Entry("Keras on JAX", ("keras", "jax"), ("predict", "train", "serve"), ".keras"),
    "pytorch": Entry("PyTorch nn.GRU", ("torch",), ("predict", "train", "step", "stream"), ".pt"),
    "onnxruntime": Entry("ONNX Runtime", ("onnx", "onnxruntime"), ("predict", "step", "stream", "serve"), ".onnx"),
    "openvino": Entry("OpenVINO", ("onnx", "openvino"), ("predict",), ".onnx"),
    "by_heart": Entry("by heart", ("fastgru",), ("serve",)),
    "litert": Entry("LiteRT", ("ai_edge_litert",), ("step",)),
    "ncnn": Entry("ncnn", ("ncnn",), ("step",)),
    "tract": Entry("tract", ("onnx", "tract"), ("step",)),
}


def title(name: str) -> str:
    """What people call it."""
    return ENGINES[name].title if name in ENGINES else name


def missing(name: str) -> list[str]:
    """The packages that an engine needs and that are not installed."""
    return [package for package in ENGINES[name].needs if importlib.util.find_spec(package) is None]


def load(name: str) -> Any:
    """The engine's module; imports the engine itself."""
    return importlib.import_module(f"bench.engines.{name}")


def counts(threads: int) -> dict[str, int]:
    """Numbers of threads to try, by what they add to a variant's name: a small task is quicker on one."""
    return {"": threads, ", 1 thread": 1} if threads > 1 else {"": threads}


def in_turn(call: Caller) -> Batcher:
    """Batches one after the other."""

    def batcher(x: Floats, size: int) -> Floats:
        return np.concatenate([call(x[start : start + size]) for start in range(0, len(x), size)])

    return batcher


def side_by_side(call: Caller, threads: int) -> Batcher:
    """Batches on several threads of Python at once, for calls that release its lock and compute on one thread."""
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(threads)

    def batcher(x: Floats, size: int) -> Floats:
        return np.concatenate(list(pool.map(lambda start: call(x[start : start + size]), range(0, len(x), size))))

    return batcher
