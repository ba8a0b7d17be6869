"""Models: layers that are trained and saved together, under Keras's names."""

from typing import Any

import fastgru
from fastgru.models.cloning import clone_model
from fastgru.models.functional import Functional
from fastgru.models.model import Model
from fastgru.models.sequential import Sequential
from fastgru.moved import attributes

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]

_OF_SAVING = ("load_model", "model_from_json", "save_model")  # which stands above the models
_moved = attributes(__name__)


def __getattr__(name: str) -> Any:
    return getattr(fastgru.saving, name) if name in _OF_SAVING else _moved(name)


def __dir__() -> list[str]:
    return __all__
