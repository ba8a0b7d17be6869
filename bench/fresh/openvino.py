"""OpenVINO."""

import sys

import numpy as np
import openvino

from bench.fresh import peak_memory

model, x, y = sys.argv[1:4]
options = {"INFERENCE_NUM_THREADS": int(sys.argv[4]), "INFERENCE_PRECISION_HINT": "f32"}
compiled = openvino.compile_model(model, "CPU", options)
images = np.load(x)
np.save(y, np.concatenate([compiled(images[start : start + 250])[0] for start in range(0, len(images), 250)]))
print(peak_memory())
