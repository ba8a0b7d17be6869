"""A model of fastgru's made of one of Keras's that lives in the same process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru.keras.library import keras
from fastgru.models.model import Model
from fastgru.saving.api import load_model

__all__ = ["from_keras"]


def from_keras(model: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Model:
    """The fastgru model with a Keras model's layers, weights and training setup, without a file in between.

    Parameters
    ----------
    model : keras.Model
        Of Keras 3 on any backend, built. It stays as it is, and shares nothing with the new one.
    custom_objects : mapping, optional
        Your classes and functions, fastgru's in the place of Keras's, by the names of Keras's.
    compile : bool
        Compile the model as it is compiled, with the state of its optimizer. What fastgru does not know of that setup
        is named in a warning, and the model is not compiled.

    Returns
    -------
    Model
        Its `load_report` says what was decided.

    Raises
    ------
    TypeError
        It is no model of Keras 3.
    ModelFileError
        The model holds what fastgru does not have; the message says which layer, and at which layers one can stop.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"fastgru.from_keras: expected a model of Keras 3, got {type(model).__name__}.")
    if not model.built:
        raise ValueError(f"fastgru.from_keras: {model.name} has no weights yet; build it, or call it on data, before.")
    _, (archive,) = model.__reduce__()  # what pickle is handed: the bytes of a .keras file, in memory
    return load_model(archive, custom_objects, compile)
