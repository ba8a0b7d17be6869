"""Keras on JAX: see `bench.bridges.keras_model`. JAX takes a thread for each CPU that it may use."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

from bench.bridges.keras_model import variants

__all__ = ["variants"]
