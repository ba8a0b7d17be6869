"""A step of one GRU layer from C, beside a plain loop in C over the same weights.

    python tools/c_step/measure.py [UNITS ...]

It prints for each number of units, which are as many as features, the nanoseconds of a step by `fastgru_stream.h`, of
the same GRU as a plain loop (its weights in blocks of 16 units, its functions by the C library's vectors), of that
loop's products alone, and the ratios of the first to the others. The three take turns, and the least of all rounds
counts; run it on a quiet machine. The compiler is `cc`, or what CC says.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import fastgru
from fastgru.layers import GRU, Input
from fastgru.streaming import stepper

SIZES = [16, 32, 64, 128, 256]
BLOCK = 16  # `UNITS` in bare.c
ROWS = 64
ROUNDS, ROUND_NANOSECONDS = 40, 2e6
WAYS = ("fastgru", "a bare loop", "its products alone")

Floats = npt.NDArray[np.float32]


class Bare(ctypes.Structure):
    """`gru` in bare.c."""

    _fields_ = (("inputs", ctypes.c_size_t), ("units", ctypes.c_size_t), ("weights", ctypes.c_void_p),
                ("biases", ctypes.c_void_p))  # fmt: skip


class Stream(ctypes.Structure):
    """What `fastgru_stream` begins with."""

    _fields_ = (
        ("version", ctypes.c_uint), ("number_bytes", ctypes.c_uint),
        *((name, ctypes.c_size_t) for name in ("inputs", "outputs", "states", "scratch", "tokens")),
    )  # fmt: skip


def compiled(folder: Path) -> Any:
    """`measure` of bare.c."""
    compiler = os.environ.get("CC", "cc").split()
    if shutil.which(compiler[0]) is None:
        raise SystemExit(f"measure.py: there is no compiler {compiler[0]!r}; set CC.")
    library = folder / "bare.so"
    source = Path(__file__).parent / "bare.c"
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", f"-I{fastgru.get_include()}"]
    subprocess.run([*compiler, *flags, str(source), "-o", str(library), "-lm"], check=True)
    function = ctypes.CDLL(str(library)).measure
    function.restype = ctypes.c_double
    pointer, long = ctypes.c_void_p, ctypes.c_long
    function.argtypes = [pointer, pointer, ctypes.c_int, long, pointer, long, pointer, pointer, pointer]
    return function


def in_blocks(gru: GRU) -> tuple[Floats, Floats]:
    """The weights (blocks, inputs + units, 3, 16) and biases (blocks, 4, 16) as bare.c reads them."""
    kernel, recurrent_kernel, (of_inputs, of_states) = gru.get_weights()
    blocks = gru.units // BLOCK
    rows = np.concatenate([kernel, recurrent_kernel]).reshape(-1, 3, blocks, BLOCK)
    z_r = (of_inputs + of_states).reshape(3, blocks, BLOCK)[:2]
    candidates = np.stack([of_inputs, of_states]).reshape(2, 3, blocks, BLOCK)[:, 2]
    biases = np.concatenate([z_r, candidates])
    return np.ascontiguousarray(rows.transpose(2, 0, 1, 3)), np.ascontiguousarray(biases.transpose(1, 0, 2))


class Race:
    """The ways to step one layer of so many units."""

    def __init__(self, function: Any, units: int) -> None:
        rng = np.random.default_rng(0)
        model = fastgru.Sequential([Input((None, units)), GRU(units)])
        for weight in model.weights:
            weight.assign(rng.normal(size=weight.shape) / np.sqrt(units))
        get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
        get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self._capsule = stepper(model)
        self._stream = get_pointer(self._capsule, b"fastgru.stream")
        self._function, self._xs = function, rng.normal(size=(ROWS, units)).astype("float32")
        self._weights, self._biases = in_blocks(model.layers[0])
        self._bare = Bare(units, units, self._weights.ctypes.data, self._biases.ctypes.data)
        scratch = Stream.from_address(self._stream).scratch
        self._memory = np.zeros(scratch + 2 * units + 16, "float32")
        self._scratch = self._memory[-self._memory.ctypes.data % 64 // 4 :][:scratch]  # on a line of the cache
        self.state, self.y = np.zeros((2, units), "float32")

    def nanoseconds(self, way: int, steps: int) -> float:
        arrays = (self.state, self.y, self._scratch)
        pointers = [array.ctypes.data for array in arrays]
        xs = self._xs.ctypes.data
        seconds: float = self._function(self._stream, ctypes.byref(self._bare), way, steps, xs, ROWS, *pointers)
        return seconds

    def state_after(self, way: int, steps: int) -> Floats:
        self.state[:] = 0
        self.nanoseconds(way, steps)
        return self.state.copy()

    def run(self, rounds: int) -> list[float]:
        """The least nanoseconds of a step, each way."""
        np.testing.assert_allclose(self.state_after(0, 100), self.state_after(1, 100), atol=1e-5)
        steps = [max(1, int(ROUND_NANOSECONDS / self.nanoseconds(way, 100))) for way in range(len(WAYS))]
        turns = [[self.nanoseconds(way, steps[way]) for way in range(len(WAYS))] for _ in range(rounds)]
        return [min(times) for times in zip(*turns, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description="A step from C beside a plain loop in C over the same weights.")
    parser.add_argument("units", nargs="*", type=int, default=SIZES, help=f"multiples of {BLOCK}; {SIZES} by default")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    if any(units < 1 or units % BLOCK for units in arguments.units):
        parser.error(f"units must be multiples of {BLOCK}")
    print(f"nanoseconds of a step, {fastgru.show_config()['isa']}: {', '.join(WAYS)}; fastgru is so many times these")
    with tempfile.TemporaryDirectory() as folder:
        function = compiled(Path(folder))
        for units in arguments.units:
            ours, bare, products = Race(function, units).run(arguments.rounds)
            times = f"{ours:9.0f}{bare:9.0f}{products:9.0f}"
            print(f"{units:4} units{times}   {ours / bare:.2f} {ours / products:.2f}", flush=True)


if __name__ == "__main__":
    main()
