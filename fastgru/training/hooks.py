"""The callbacks of one run, called only where somebody wrote something to call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from fastgru import distribution
from fastgru.callbacks import BackupAndRestore, Callback, CallbackList, History, ProgbarLogger

Hook = Callable[..., Any]


def _flat(callbacks: Any) -> Iterator[Any]:
    if callbacks is None:
        return
    if isinstance(callbacks, CallbackList):
        callbacks = callbacks.callbacks
    if isinstance(callbacks, (list, tuple)):
        for callback in callbacks:
            yield from _flat(callback)
    else:
        yield callbacks


class Hooks:
    """Callbacks bound to a model.

    Parameters
    ----------
    model : Model
    callbacks : Callback, list of them or None
    params : dict
        What the run is, under Keras's names: verbose, epochs, steps.
    with_history : bool
        Add a `History` where there is none, and leave it in ``model.history``.
    """

    def __init__(self, model: Any, callbacks: Any, params: dict[str, Any], with_history: bool = False) -> None:
        # the display of the run is there already
        self.callbacks = [one for one in _flat(callbacks) if not isinstance(one, ProgbarLogger)]
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                raise ValueError(f"callbacks: expected Callback objects, got {callback!r}.")
        if with_history:
            history = next((one for one in self.callbacks if isinstance(one, History)), None)
            if history is None:
                history = History()
                self.callbacks.append(history)
            model.history = history
        if not distribution.is_first():  # TensorBoard's set_model writes, too
            self.callbacks = [one for one in self.callbacks if not getattr(one, "writes", False)]
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(model)

    def backup(self, resume: str | os.PathLike[str] | None) -> BackupAndRestore | None:
        """The callback among these that asks for checkpoints, or what the argument `resume` of `fit` stands for."""
        asked = [callback for callback in self.callbacks if isinstance(callback, BackupAndRestore)]
        if resume is not None:
            asked.append(BackupAndRestore(resume, double_checkpoint=True, delete_checkpoint=False))
        if len(asked) > 1:
            folders = ", ".join(repr(callback.backup_dir) for callback in asked)
            raise ValueError(
                f"fit: expected one folder for checkpoints, got {folders}; give resume or BackupAndRestore."
            )
        return asked[0] if asked else None

    def written(self, *names: str) -> list[Hook]:
        """The methods under the last of the names, of the callbacks that override one under any of the names.

        Keras's ``on_train_batch_end`` calls ``on_batch_end``, so either may be the one that is written.
        """
        return [
            getattr(callback, names[-1])
            for callback in self.callbacks
            if any(getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name) for name in names)
        ]

    def call(self, name: str, *arguments: Any) -> None:
        """Call the method of this name of every callback."""
        for callback in self.callbacks:
            getattr(callback, name)(*arguments)
