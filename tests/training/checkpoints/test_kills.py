"""A training that is killed at any moment, and started again, ends as if it had not been."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fastgru.training.checkpoints import Folder

PROGRAM = Path(__file__).with_name("killed.py")


def started(folder: Path, epochs: int) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", str(PROGRAM), str(folder), str(epochs)]  # nothing to warn of
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ended(folder: Path, epochs: int) -> dict[str, np.ndarray]:
    with started(folder, epochs) as process:
        assert process.wait(300) == 0
    with np.load(folder.with_suffix(".npz")) as file:
        return dict(file)


def batches(folder: Path) -> list[tuple[int, int]]:
    lines = folder.with_suffix(".batches").read_text().splitlines()
    return [tuple(map(int, line.split())) for line in lines]  # type: ignore[misc]


def killed(folder: Path, epochs: int, seconds: float) -> None:
    with started(folder, epochs) as process:
        assert process.stdout.readline() == "training\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL, "it was over before it was killed"


def check_killed_runs(tmp_path: Path, kills: int, epochs: int) -> None:
    """Kill a training so many times; its weights, history, table and batches are those of one that was not killed."""
    rng = np.random.default_rng(kills)
    whole, folder = tmp_path / "whole", tmp_path / "run"
    expected, repeated = ended(whole, epochs), 0
    for _ in range(kills):
        begun = len(batches(folder)) if folder.with_suffix(".batches").exists() else 0
        killed(folder, epochs, rng.uniform(0, 0.4))
        checkpoint = Folder(folder).read()  # none where it was killed before the first batch
        done = dict(checkpoint[0]["position"]["dict"]) if checkpoint else {"epoch": 0, "batch": 0}
        lived = batches(folder)[begun:]
        repeated += sum((epoch, batch) >= (done["epoch"], done["batch"]) for epoch, batch in lived)
    actual = ended(folder, epochs)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value)
    assert folder.with_suffix(".csv").read_text() == whole.with_suffix(".csv").read_text()
    # each batch once, but for those behind the last checkpoint before a kill
    assert set(batches(folder)) == set(batches(whole))
    assert len(batches(folder)) == len(batches(whole)) + repeated
    print(f"{kills} kills: {repeated} of {len(batches(whole))} batches were trained on again")


@pytest.mark.slow
def test_a_training_killed_three_times_ends_with_the_same_weights(tmp_path: Path) -> None:
    check_killed_runs(tmp_path, 3, 5)


@pytest.mark.slow
def test_a_training_killed_at_thirty_random_moments_ends_with_the_same_weights(tmp_path: Path) -> None:
    check_killed_runs(tmp_path, 30, 60)
