"""The callback that shows Keras's progress bar, for training loops of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru.callbacks.callback import Callback, Logs
from fastgru.callbacks.progbar import Progbar

__all__ = ["ProgbarLogger"]


class ProgbarLogger(Callback):
    """Shows a `Progbar` for each epoch.

    For a `CallbackList` in a loop of one's own. In `fit`, `evaluate` and `predict` it shows nothing: their display is
    there already, by `verbose`.
    """

    def __init__(self) -> None:
        self.verbose, self.epochs = 1, 1
        self.target: int | None = None
        self.progbar: Progbar | None = None
        self._seen = 0
        self._is_in_fit = False

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        super().set_params(params)
        options = params or {}
        verbose = options.get("verbose", 1)
        self.verbose = 1 if verbose == "auto" else verbose
        self.epochs, self.target = options.get("epochs", 1), options.get("steps")

    def on_train_begin(self, logs: Logs = None) -> None:
        self._is_in_fit = True  # where validation shows nothing

    def on_train_end(self, logs: Logs = None) -> None:
        self._is_in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._begin()
        if self.verbose and self.epochs > 1:
            print(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._is_in_fit:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        if not self._is_in_fit:
            self._update(batch, logs)

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._is_in_fit:
            self._end(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._update(batch, None)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._end(None)

    def _begin(self) -> None:
        self.progbar = Progbar(self.target, verbose=self.verbose, stateless_metrics=())

    def _update(self, batch: int, logs: Logs) -> None:
        if self.progbar is not None and self.verbose == 1:
            self.progbar.update(batch + 1, (logs or {}).items(), finalize=False)
        self._seen = batch + 1

    def _end(self, logs: Logs) -> None:
        if self.progbar is not None:
            if self.target is None:  # now it is known
                self.target = self.progbar.target = self._seen
            self.progbar.update(self.target, (logs or {}).items(), finalize=True)
