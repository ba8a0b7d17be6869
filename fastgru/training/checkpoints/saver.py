"""When the state of a training is saved, and in which thread."""

from __future__ import annotations

import math
import threading
import time

from fastgru import distribution
from fastgru.callbacks import BackupAndRestore
from fastgru.text import notice
from fastgru.training.boundary import Checkpoints
from fastgru.training.checkpoints.folder import Checkpoint, Folder
from fastgru.training.checkpoints.state import RunState

__all__ = ["Restorer", "Saver"]

SHARE = 0.02  # of the time that may go into saving what nobody asked for by number


class Restorer(Checkpoints):
    """Lets a training go on from a checkpoint, and saves nothing.

    Parameters
    ----------
    state : RunState
    saved : Checkpoint, optional

    Raises
    ------
    ValueError
        The checkpoint is of another run.
    """

    def __init__(self, state: RunState, saved: Checkpoint | None) -> None:
        self._state, self._saved = state, saved
        if saved is not None:
            state.check(saved)

    def restore(self) -> bool:
        if self._saved is None:
            return False
        self._state.put_back(self._saved)
        return True

    def restore_callbacks(self) -> None:
        if self._saved is not None:
            self._state.put_back_callbacks(self._saved)

    def __exit__(self, *error: object) -> None:
        self._saved = None


class Saver(Restorer):
    """Saves a training in a folder.

    The state is taken between two batches: weights as they are, for their arrays are never written again, the rest
    copied. Another thread writes it. What both take of the processor is measured, and the next save waits until it is
    a small share of the time again: an epoch that is shorter than that is saved with a later one.

    Parameters
    ----------
    options : BackupAndRestore
    folder : Folder
    state : RunState
    """

    def __init__(self, options: BackupAndRestore, folder: Folder, state: RunState) -> None:
        super().__init__(state, distribution.first(folder.read()))
        self._folder = folder
        self._seconds, self._is_kept = options.save_seconds, not options.delete_checkpoint
        self._batches = options.save_freq if isinstance(options.save_freq, int) else None
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._has_written = False
        self._has_warned = False
        self._batches_since = 0
        self._epoch_is_unsaved = False
        # on the clock of perf_counter
        self._next = math.inf
        self._affordable = 0.0

    def restore(self) -> bool:
        self._has_written = super().restore()
        if self._has_written:
            self._next = time.perf_counter() + self._seconds
        return self._has_written

    def batch_done(self) -> None:
        if self._batches is not None:
            self._batches_since += 1
            if self._batches_since >= self._batches:
                self.save()
            return
        now = time.perf_counter()
        if now >= self._affordable and (self._epoch_is_unsaved or now >= self._next):
            self._begin()

    def epoch_done(self) -> None:
        if self._batches is None:
            self._epoch_is_unsaved = True
            self.batch_done()

    def save(self) -> None:
        self._begin()
        self._end()

    def finish(self) -> None:
        if self._is_kept:
            self.save()
        else:
            self._end()
            self._folder.remove()

    def __enter__(self) -> Checkpoints:
        self._folder.lock()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        try:
            self._end()
        finally:
            self._folder.unlock()

    def _begin(self) -> None:
        """Take the state and have it written, when what is being written is."""
        self._end()
        began = time.perf_counter()
        checkpoint = self._state.taken()
        self._batches_since, self._epoch_is_unsaved = 0, False
        self._next, self._affordable = began + self._seconds, math.inf
        self._thread = threading.Thread(target=self._write, args=(checkpoint, time.perf_counter() - began))
        self._thread.start()

    def _write(self, checkpoint: Checkpoint, cost: float) -> None:
        try:
            self._folder.write(checkpoint)
        except Exception as error:
            self._error = error
        self._affordable = time.perf_counter() + (cost + time.thread_time()) / SHARE

    def _end(self) -> None:
        """Come back when nothing is being written any more, with a warning where that failed.

        A training in memory is worth more than its copy on a full disk, so it goes on. Only before its first batch,
        when nothing is lost, the error is raised.
        """
        if self._thread is None:
            return
        self._thread.join()
        self._thread, error, self._error = None, self._error, None
        if error is None:
            self._has_written, self._has_warned = True, False
        elif not self._has_written or not isinstance(error, (OSError, MemoryError)):
            raise error
        elif not self._has_warned:
            self._has_warned = True
            notice(
                f"fit: no checkpoint could be written to {str(self._folder.path)!r} ({error}); the training goes on, "
                "the one before stays, and the next is tried when it is time."
            )
