"""Where a training is, and what happens between two of its batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastgru.text import notice

if TYPE_CHECKING:
    from fastgru.training.interrupts import Interrupt
    from fastgru.training.objective import Objective

__all__ = ["Boundary", "Checkpoints", "Logs", "Position"]

Logs = dict[str, float]


@dataclass
class Position:
    """Where a training is.

    Attributes
    ----------
    epoch, batch : int
        Counted from 0; so many batches of the epoch are done.
    trained : dict or None
        The logs of this epoch's batches, where all of them are done.
    logs : dict
        Those of the last epoch that is over, with its validation.
    finished : bool
        Nothing is left to do, nor `on_train_end` to be called.
    """

    epoch: int
    batch: int = 0
    trained: Logs | None = None
    logs: Logs = field(default_factory=dict)
    finished: bool = False


class Checkpoints:
    """Saves nothing; the base of what saves a training as it goes. As a context manager it ends its work."""

    def restore(self) -> bool:
        """Put all but the callbacks where the latest checkpoint has it; returns whether there is one."""
        return False

    def restore_callbacks(self) -> None:
        """The same with the callbacks, which have begun."""

    def batch_done(self) -> None:
        """Another batch is trained on: save if it is time."""

    def epoch_done(self) -> None:
        """An epoch is over: save as soon as that costs little enough."""

    def save(self) -> None:
        """Save, and come back when it is written."""

    def finish(self) -> None:
        """The training is over."""

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *error: Any) -> None:
        pass


class Boundary:
    """What a training looks for between two batches: Ctrl-C, a loss that is no number any more, the time to save.

    The state of a training whose loss is none is not saved over one that was sound.
    """

    def __init__(
        self, objective: Objective, position: Position, interrupt: Interrupt, checkpoints: Checkpoints
    ) -> None:
        self._objective, self._position, self._interrupt = objective, position, interrupt
        self._checkpoints = checkpoints
        self._has_warned = False

    def after_batch(self, done: int) -> None:
        """So many batches of the epoch are trained on."""
        self._position.batch = done
        if self._objective.is_finite:
            self._checkpoints.batch_done()
        elif not self._has_warned:
            self._has_warned = True
            notice(
                f"fit: the loss is no finite number from epoch {self._position.epoch + 1}, batch {done}, on; it trains "
                "on as Keras does, but hardly to any use: try a smaller learning rate or clipnorm, and look for "
                "extreme numbers in the data. TerminateOnNaN would stop here."
            )
        self.heed()

    def after_epoch(self, logs: Logs) -> None:
        """The epoch is over, and its callbacks have seen the logs."""
        position = self._position
        position.epoch, position.batch, position.trained, position.logs = position.epoch + 1, 0, None, logs
        if self._objective.is_finite:
            self._checkpoints.epoch_done()
        self.heed()

    def after_training(self) -> None:
        """All is over, and the callbacks know it."""
        self._position.finished = True
        if self._objective.is_finite:
            self._checkpoints.finish()

    def heed(self, done: int = 0) -> None:
        """Let a Ctrl-C end the training here."""
        if self._interrupt.pending:
            if self._objective.is_finite:
                self._checkpoints.save()
            self._interrupt.heed()
