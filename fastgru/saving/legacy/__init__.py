"""What older versions of Keras wrote, in the words of Keras 3: JSON as JSON, arrays as arrays of today's layout."""

from __future__ import annotations

from fastgru.saving.legacy import configs
from fastgru.saving.report import Report
from fastgru.saving.stored import KERAS_3, StoredModel


def modern(stored: StoredModel, report: Report) -> StoredModel:
    """A stored model, whatever version wrote it, with its config in the form of Keras 3 (`configs.modern`)."""
    config = configs.modern(stored.config, stored.version, stored.backend == "tensorflow", report)
    return stored._replace(config=config)


def modern_training(stored: StoredModel) -> StoredModel:
    """A stored model with its training setup in Keras 3's words."""
    if stored.version >= KERAS_3 or not stored.training:
        return stored
    from fastgru.saving.legacy import training

    return stored._replace(training=training.modern_training(stored.training))
