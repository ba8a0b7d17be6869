"""What lets a training that was killed go on as if it had not been."""

from fastgru.training.checkpoints.folder import Folder
from fastgru.training.checkpoints.saver import Restorer, Saver
from fastgru.training.checkpoints.settings import settings_of
from fastgru.training.checkpoints.state import RunState

__all__ = ["Folder", "Restorer", "RunState", "Saver", "settings_of"]
