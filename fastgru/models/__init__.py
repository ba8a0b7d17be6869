"""Models: layers that are trained and saved together, under Keras's names."""

from fastgru.models.model import Model, model_from_json
from fastgru.models.sequential import Sequential
from fastgru.saving import load_model, save_model

__all__ = ["Model", "Sequential", "load_model", "model_from_json", "save_model"]
