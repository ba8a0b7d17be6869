"""fastgru."""

import sys

import numpy as np

from bench.fresh import peak_memory
from fastgru.models import load_model

model, x, y = sys.argv[1:4]
outputs = load_model(model).predict(np.load(x), verbose=0)
assert isinstance(outputs, np.ndarray)
np.save(y, outputs)
print(peak_memory())
