"""Whether `fit` saves what it trains, what a training is known by, and that it is the same one on all processes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastgru import distribution
from fastgru.data import Indexed, Stream
from fastgru.training.aligning import align
from fastgru.training.boundary import Checkpoints, Position
from fastgru.training.compilation import Compiled

if TYPE_CHECKING:
    from fastgru.training.feeding import Dataset, Feed
    from fastgru.training.hooks import Hooks

__all__ = ["checkpoints"]


def checkpoints(
    resume: str | os.PathLike[str] | None,
    model: Compiled,
    hooks: Hooks,
    position: Position,
    feeds: Sequence[Feed | None],
    datasets: Sequence[Dataset | None],
    settings: Mapping[str, Any],
    epochs: int,
) -> Checkpoints:
    """What saves a training, where `resume` or a callback asks for it; processes that share it begin alike.

    Parameters
    ----------
    resume
        The argument of `fit`.
    model, hooks, position
        Of the training.
    feeds, datasets
        What batches come from, and what those are made of: for training, and for validation.
    settings : mapping
        Arguments of `fit` that the numbers depend on.
    epochs : int
    """
    backup, ranks = hooks.backup(resume), distribution.current()
    if backup is None and ranks is None:
        return Checkpoints()
    # deferred: most trainings are not saved
    from fastgru.training.checkpoints import Folder, Restorer, RunState, Saver, settings_of

    names = ("data", "validation data")
    described = {name: _known(feed, data) for name, feed, data in zip(names, feeds, datasets, strict=True)}
    sizes = {f"batches of the {name}": _size(feed) for name, feed in zip(names, feeds, strict=True)}
    known_by = settings_of(model, described, {**settings, **sizes})
    if ranks is not None:
        align(ranks, model, {**known_by, "epochs": epochs, "resume": backup is not None})
        if backup is None:
            return Checkpoints()
    assert backup is not None
    state = RunState(backup.backup_dir, known_by, model, feeds, hooks, position)
    if not distribution.is_first():
        return Restorer(state, distribution.first(None))
    return Saver(backup, Folder(backup.backup_dir, backup.double_checkpoint), state)


def _known(feed: Feed | None, dataset: Dataset | None) -> Any:
    """What tells a data set from another: samples, or of a stream that comes in one order its first batch."""
    if isinstance(feed, Stream) and not (isinstance(dataset, Indexed) and dataset.is_shuffled):
        return feed.first
    return dataset


def _size(feed: Feed | None) -> str | None:
    """Samples of a batch where that is known, and batches of an epoch."""
    if feed is None:
        return None
    samples = getattr(feed, "batch_size", None)
    return f"{feed.steps} an epoch" if samples is None else f"{feed.steps} an epoch, of {samples} samples"
