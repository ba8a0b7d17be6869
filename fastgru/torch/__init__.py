"""fastgru's engine inside PyTorch: `GRU` and `LSTM` that take the place of `torch.nn`'s on CPUs, and `accelerate`."""

from __future__ import annotations

try:
    import torch  # noqa: F401
except ImportError:
    raise ImportError("fastgru.torch needs PyTorch: pip install 'fastgru[torch]'.") from None

from fastgru.torch.acceleration import Acceleration, accelerate
from fastgru.torch.modules import GRU, LSTM

__all__ = ["GRU", "LSTM", "Acceleration", "accelerate"]


def __dir__() -> list[str]:
    return __all__
