# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.models.cloning import clone_model as clone_model
from fastgru.models.functional import Functional as Functional
from fastgru.models.model import Model as Model
from fastgru.models.sequential import Sequential as Sequential
from fastgru.saving.api import load_model as load_model
from fastgru.saving.api import model_from_json as model_from_json
from fastgru.saving.api import save_model as save_model
