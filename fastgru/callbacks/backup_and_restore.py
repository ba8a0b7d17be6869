"""The callback that asks `fit` to save the training as it goes."""

from __future__ import annotations

import os
from pathlib import Path

from fastgru import checks
from fastgru.callbacks.callback import Callback, Logs

__all__ = ["LATEST", "PREVIOUS", "BackupAndRestore"]

LATEST, PREVIOUS = "latest.npz", "previous.npz"  # the checkpoints in the folder


class BackupAndRestore(Callback):
    """Saves the training in a folder as it goes, from where it goes on when it was killed and is started again.

    What is saved: weights, the optimizer's state, random generators (the package's, those of layers with a seed,
    numpy's global one, Python's), the place in the data, sums of losses and metrics, states of stateful layers, the
    history, and the state of callbacks (`Callback.state_names`). A training that was killed anywhere and started again
    with the same arguments ends with the weights of one that was not, to the last bit, and its history is that of the
    whole; Keras begins the epoch anew. ``fit(resume=folder)`` is short for this callback with ``double_checkpoint=True,
    delete_checkpoint=False``.

    The data must be the same again. Of arrays and of a `PyDataset` no batch is made twice (its `on_epoch_end` is called
    once more for every epoch that is over, for an order of its own); what is iterated makes the batches of the pass
    once more, a generator those of all passes. What draws random numbers as it makes batches ahead of the training
    draws others.

    A checkpoint is written by another thread to a new file, then renamed, and has checksums. It is written at the end
    of every epoch and every `save_seconds`; where epochs are so short that this would take more than about 2 % of the
    time, it is written less often. If it cannot be written, there is a warning and the training goes on.

    Parameters
    ----------
    backup_dir : path
        The folder, for this training alone; made where it is absent.
    save_freq : "epoch" or int
        After so many batches, whatever it costs.
    double_checkpoint : bool
        Keep the checkpoint before the latest, to go on from if the latest is damaged.
    delete_checkpoint : bool
        Remove the checkpoints at the end. Otherwise they say that the training is over: started again, it returns at
        once, or trains on to a larger number of epochs.
    save_seconds : float
        With ``save_freq="epoch"``: save also after so many seconds. Not in Keras.

    Raises
    ------
    ValueError
        Here for an argument out of its range; in `fit` for a folder of another training.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        *,
        save_seconds: float = 30.0,
    ) -> None:
        if not backup_dir:
            raise ValueError("BackupAndRestore: Empty `backup_dir` argument passed; give a folder.")
        is_count = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq >= 1
        if save_freq != "epoch" and not is_count:
            raise ValueError(
                "BackupAndRestore: Invalid value for save_freq, expected 'epoch' or a whole number of batches of at "
                f"least 1, got {save_freq!r}."
            )
        if not isinstance(backup_dir, (str, os.PathLike)):
            raise ValueError(f"BackupAndRestore: expected the path of a folder as backup_dir, got {backup_dir!r}.")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = checks.flag(double_checkpoint, type(self).__name__, "double_checkpoint")
        self.delete_checkpoint = checks.flag(delete_checkpoint, type(self).__name__, "delete_checkpoint")
        self.save_seconds = checks.positive(save_seconds, type(self).__name__, "save_seconds")
        # under Keras's names: here one file is both
        latest, previous = Path(backup_dir) / LATEST, Path(backup_dir) / PREVIOUS
        self._weights_path = self._training_metadata_path = str(latest)
        self._prev_weights_path = self._prev_training_metadata_path = str(previous)
        self._current_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._current_epoch = epoch + 1
