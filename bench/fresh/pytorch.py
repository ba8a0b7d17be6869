"""PyTorch, a traced model."""

import sys

import numpy as np
import torch

from bench.fresh import BATCH_SIZE, peak_memory

model, x, y = sys.argv[1:4]
torch.set_num_threads(int(sys.argv[4]))
loaded = torch.jit.load(model)
with torch.inference_mode():
    np.save(y, torch.cat([loaded(rows) for rows in torch.from_numpy(np.load(x)).split(BATCH_SIZE)]).numpy())
print(peak_memory())
