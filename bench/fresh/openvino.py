"""OpenVINO."""

import sys

import numpy as np
import openvino

from bench.fresh import BATCH_SIZE, peak_memory

model, x, y = sys.argv[1:4]
options = {"INFERENCE_NUM_THREADS": int(sys.argv[4]), "INFERENCE_PRECISION_HINT": "f32"}
compiled = openvino.compile_model(model, "CPU", options)
images = np.load(x)
batches = (images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE))
np.save(y, np.concatenate([compiled(batch)[0] for batch in batches]))
print(peak_memory())
