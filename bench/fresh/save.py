"""``python -m bench.fresh.save ENGINE DATA.npz FILE``: the network as a file of the engine's kind."""

import sys
from pathlib import Path

import numpy as np

from bench import engines, network

engine, data, path = sys.argv[1:4]
with np.load(data, allow_pickle=False) as file:
    arrays = dict(file)
engines.load(engine).save(network.from_arrays(arrays), arrays["x"].shape[1], Path(path))
