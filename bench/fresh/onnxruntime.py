"""ONNX Runtime."""

import sys

import numpy as np
import onnxruntime

from bench.fresh import BATCH_SIZE, peak_memory

model, x, y = sys.argv[1:4]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[4])
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
images = np.load(x)
batches = (images[start : start + BATCH_SIZE] for start in range(0, len(images), BATCH_SIZE))
np.save(y, np.concatenate([session.run(None, {"x": batch})[0] for batch in batches]))
print(peak_memory())
