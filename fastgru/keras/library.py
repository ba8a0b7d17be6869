"""Keras itself, or the sentence that says how to get it."""

from __future__ import annotations

try:
    import keras
except ModuleNotFoundError as error:
    raise ImportError(
        f"fastgru.keras: {error}; install Keras 3 and JAX or PyTorch (pip install 'fastgru[keras]' jax), and set "
        "KERAS_BACKEND to jax or torch before Keras is imported."
    ) from None

__all__ = ["keras"]
