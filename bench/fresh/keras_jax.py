"""Keras on JAX."""

import os
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

import keras
import numpy as np

from bench.fresh import peak_memory

model, x, y = sys.argv[1:4]
np.save(y, keras.models.load_model(model, compile=False).predict(np.load(x), verbose=0))
print(peak_memory())
