"""fastgru's engine inside PyTorch: `GRU` and `LSTM` that take the place of `torch.nn`'s on CPUs, and `accelerate`."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__, needs="torch", extra="torch")
