"""Models: layers that are trained and saved together, under Keras's names."""

from fastgru.models.functional import Functional
from fastgru.models.model import Model, clone_model
from fastgru.models.sequential import Sequential
from fastgru.moved import attributes
from fastgru.saving import load_model, model_from_json, save_model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]

__getattr__ = attributes(__name__)
