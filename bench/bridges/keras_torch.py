"""Keras on PyTorch: see `bench.bridges.keras_model`."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"

import torch

from bench.bridges import keras_model
from bench.network import Arrays
from bench.variants import Variant

__all__ = ["variants"]


def variants(accelerated: bool, arrays: Arrays, threads: int) -> dict[str, Variant]:
    torch.set_num_threads(threads)
    return keras_model.variants(accelerated, arrays, threads)
