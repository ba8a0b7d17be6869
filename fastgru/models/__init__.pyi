# For type checkers, which do not see through the package's lazy door, by which the last three come.

from fastgru.models.cloning import clone_model as clone_model
from fastgru.models.functional import Functional as Functional
from fastgru.models.model import Model as Model
from fastgru.models.sequential import Sequential as Sequential
from fastgru.saving import load_model as load_model
from fastgru.saving import model_from_json as model_from_json
from fastgru.saving import save_model as save_model

__all__ = ["Functional", "Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
