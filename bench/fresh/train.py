"""``python -m bench.fresh.train ENGINE DATA.npz BATCH_SIZE THREADS``: one epoch in the engine's plainest variant."""

import sys

import numpy as np

from bench import engines, network
from bench.fresh import peak_memory

engine, data, batch_size, threads = sys.argv[1:5]
with np.load(data, allow_pickle=False) as file:
    arrays = dict(file)
makers = engines.load(engine).trainers(network.from_arrays(arrays), arrays["x"].shape[1], int(batch_size), int(threads))
next(iter(makers.values()))().epoch(arrays["x"], arrays["y"])
print(peak_memory())
