"""Callbacks that write the logs down."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fastgru import checks
from fastgru.callbacks.callback import Callback, Logs

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes the numbers of each epoch as one line of a CSV file.

    Parameters
    ----------
    filename : str or path
    separator : str
    append : bool
        Go on with an existing file instead of writing it anew.
    """

    writes = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename = os.fspath(filename)
        self.sep = checks.text(separator, type(self).__name__, "separator")
        self.append = checks.flag(append, type(self).__name__, "append")
        self._file: TextIO | None = None
        self._writer: Any = None
        self._with_header = True

    def saved_state(self) -> dict[str, Any]:
        """The columns, where in the file this training begins, and what it has written there."""
        if self._file is None or self._writer is None:
            return {}
        self._file.seek(self._start)
        return {"columns": list(self._writer.fieldnames), "start": self._start, "text": self._file.read()}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Write that once more, without what came behind it."""
        if self._file is not None and state:
            self._start = state["start"]
            self._file.seek(self._start)
            self._file.truncate()
            self._file.write(state["text"])
            self._file.flush()
            self._writer = self._rows(state["columns"])

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()
        path = Path(self.filename)
        self._with_header = not (self.append and path.is_file() and path.stat().st_size > 0)
        self._file = path.open("a+" if self.append else "w+", newline="")
        self._start = self._file.seek(0, os.SEEK_END)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        assert self._file is not None
        logs = logs or {}
        if self._writer is None:
            names = sorted(logs)
            if not any(name.startswith("val_") for name in names):
                # the first epochs may be without validation
                names += [f"val_{name}" for name in names]
            self._writer = self._rows(["epoch", *names])
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{name: _cell(value) for name, value in logs.items()}})
        self._file.flush()

    def _rows(self, columns: Sequence[str]) -> Any:
        assert self._file is not None
        return csv.DictWriter(self._file, columns, restval="NA", extrasaction="ignore", delimiter=self.sep)

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None


def _cell(value: Any) -> Any:
    several = not isinstance(value, str) and np.ndim(value) > 0
    return f'"[{", ".join(map(str, value))}]"' if several else value
