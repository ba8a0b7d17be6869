"""ncnn: its GRU layer, whose two files are written here, in float32 on one thread.

A .param file is text: a magic number, the count of layers and blobs, and for each layer its type, its name, the counts
and names of its inputs and outputs, and numbered options; a .bin file holds the arrays, a tag before each that is to be
told from packed ones (0: float32). See ncnn's wiki, "param and model file structure" and "operators".
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

from bench.engines import Caller
from bench.network import Cell, Floats

_TAG = np.zeros(1, np.uint32)


def versions() -> dict[str, str]:
    return {"ncnn": version("ncnn")}


def _rows(array: Floats) -> Floats:
    """(F, 3H) with gates z r h as (3H, F) with ncnn's r z h."""
    z, r, h = np.split(array.T, 3)
    return np.concatenate([r, z, h])


def _net(cell: Cell) -> Any:
    (z, r, h), (recurrent_z, recurrent_r, recurrent_h) = (np.split(bias, 3) for bias in cell.bias)
    biases = np.concatenate([r + recurrent_r, z + recurrent_z, h, recurrent_h])
    net = ncnn.Net()
    net.opt.num_threads = 1
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, name, False)
    layers = (
        "Input x 0 1 x",
        "Input states 0 1 states",
        f"GRU gru 2 2 x states y new 0={cell.units} 1={cell.kernel.size} 2=0",
    )
    with tempfile.TemporaryDirectory() as folder:
        param, weights = Path(folder) / "step.param", Path(folder) / "step.bin"
        param.write_text("\n".join(["7767517", "3 4", *layers, ""]))
        arrays = (_rows(cell.kernel), biases, _rows(cell.recurrent))
        weights.write_bytes(b"".join(_TAG.tobytes() + array.tobytes() for array in arrays))
        if net.load_param(str(param)) or net.load_model(str(weights)):
            raise RuntimeError("ncnn does not read the model")
    return net


def steppers(cell: Cell) -> dict[str, Caller]:
    net = _net(cell)
    zeros = np.zeros((1, cell.units), np.float32)
    states = ncnn.Mat(zeros)  # a view of the array

    def extract(x: Floats, zeros: Floats = zeros) -> Floats:
        nonlocal states
        extractor = net.create_extractor()
        extractor.input("x", ncnn.Mat(x))
        extractor.input("states", states)
        _status, states = extractor.extract("new")
        return np.array(states)

    return {"Extractor.extract": extract}
