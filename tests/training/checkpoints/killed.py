"""A training for another process to be killed in: prints when it trains, writes its weights when it is over."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from fastgru import callbacks, utils
from fastgru.layers import GRU, BatchNormalization, Dense, Dropout, Input
from fastgru.models import Sequential


class Batches(callbacks.Callback):
    """Writes down which batches are trained on, each with one write that no kill can cut."""

    def __init__(self, path: str) -> None:
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        print("training", flush=True)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        os.write(self.handle, f"{self.epoch} {batch}\n".encode())


def model() -> Sequential:
    layers = [GRU(8, recurrent_dropout=0.1, seed=5), Dropout(0.2), BatchNormalization(), Dense(1, activation="sigmoid")]
    made = Sequential([Input((6, 3)), *layers])
    made.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return made


def train(folder: str, epochs: int) -> Sequential:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(3200, 6, 3)).astype("float32"), (rng.random((3200, 1)) > 0.5).astype("float32")
    utils.set_random_seed(2)
    trained = model()
    watchers = [
        callbacks.ReduceLROnPlateau(patience=2),
        callbacks.CSVLogger(f"{folder}.csv"),
        Batches(f"{folder}.batches"),
        callbacks.BackupAndRestore(folder, double_checkpoint=True, delete_checkpoint=False, save_seconds=0.02),
    ]
    trained.fit(x, y, batch_size=16, epochs=epochs, validation_split=0.2, verbose=0, callbacks=watchers)
    return trained


if __name__ == "__main__":
    trained = train(sys.argv[1], int(sys.argv[2]))
    np.savez(f"{sys.argv[1]}.npz", *trained.get_weights(), *trained.history.history.values())
