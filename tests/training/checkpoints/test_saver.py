"""Saving takes a small share of the time, however short the epochs are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.callbacks import BackupAndRestore
from fastgru.training.checkpoints import Folder, Saver
from fastgru.training.checkpoints.saver import SHARE


class State:
    def taken(self) -> Any:
        return {}, [np.zeros(3)]


class Slow(Folder):
    """Takes a processor for a while to write."""

    seconds = 0.01
    writes = 0

    def write(self, checkpoint: Any) -> None:
        self.writes += 1
        end = time.thread_time() + self.seconds
        while time.thread_time() < end:
            pass


def run(tmp_path: Path, seconds: float, cost: float, **options: Any) -> tuple[int, int]:
    """How often is saved, and after how many batches, each of which is an epoch."""
    folder: Any = Slow(tmp_path)
    folder.seconds = cost
    state: Any = State()
    batches = 0
    with Saver(BackupAndRestore(tmp_path, **options), folder, state) as saver:
        saver.save()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            saver.batch_done()
            if not options:
                saver.epoch_done()
            batches += 1
            time.sleep(1e-4)
    return folder.writes, batches


def test_short_epochs_are_saved_as_often_as_costs_little(tmp_path: Path) -> None:
    writes, _ = run(tmp_path, 1.6, 0.01)
    assert 2 <= writes <= 2 + 1.6 * SHARE / 0.01


def test_batches_that_are_asked_for_are_saved_whatever_it_costs(tmp_path: Path) -> None:
    writes, batches = run(tmp_path, 0.2, 0.001, save_freq=2)
    assert writes == 1 + batches // 2


def test_a_long_epoch_is_saved_in_its_middle(tmp_path: Path) -> None:
    writes, _ = run(tmp_path, 0.7, 0.0, save_seconds=0.2)
    assert 2 <= writes <= 4
