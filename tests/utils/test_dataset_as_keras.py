"""Data sets against those of real Keras, which are TensorFlow's; skipped where that is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru import utils


@pytest.fixture(scope="module")
def tensorflow_keras(keras: Any) -> Any:
    pytest.importorskip("tensorflow")
    return keras


def numbers(dataset: Any) -> list[Any]:
    return [[np.asarray(part) for part in (batch if isinstance(batch, tuple) else (batch,))] for batch in dataset]


@pytest.mark.parametrize(
    "options",
    [
        {"sequence_length": 5}, {"sequence_length": 4, "sequence_stride": 3, "sampling_rate": 2, "batch_size": 7},
        {"sequence_length": 3, "start_index": 5, "end_index": 40}, {"sequence_length": 2, "batch_size": None},
    ],
)  # fmt: skip
@pytest.mark.parametrize("with_targets", [True, False])
@pytest.mark.keras
def test_windows_are_keras_own(tensorflow_keras, rng, with_targets: bool, options: dict[str, Any]) -> None:
    data, targets = rng.normal(size=(50, 2)), rng.normal(size=50) if with_targets else None
    ours = numbers(utils.timeseries_dataset_from_array(data, targets, **options))
    theirs = numbers(tensorflow_keras.utils.timeseries_dataset_from_array(data, targets, **options))
    assert len(ours) == len(theirs)
    for our_batch, their_batch in zip(ours, theirs, strict=True):
        for received, expected in zip(our_batch, their_batch, strict=True):
            np.testing.assert_array_equal(received, expected)


@pytest.mark.parametrize("subset", ["training", "validation"])
@pytest.mark.parametrize("mode", ["int", "binary", "categorical"])
@pytest.mark.keras
def test_the_same_files_are_held_out(tensorflow_keras, tmp_path: Path, mode: str, subset: str) -> None:
    for number in range(30):
        file = tmp_path / f"class_{number % 2}" / f"{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"text {number} ü")
    options: dict[str, Any] = {
        "validation_split": 0.3, "seed": 7, "subset": subset, "label_mode": mode, "max_length": 7, "batch_size": 4,
    }  # fmt: skip

    def labels_by_text(library: Any) -> dict[str, list[float]]:
        dataset = library.text_dataset_from_directory(tmp_path, **options)
        assert dataset.class_names == ["class_0", "class_1"]
        pairs = [(text, label) for texts, labels in dataset for text, label in zip(texts, labels, strict=True)]
        return {
            text if isinstance(text, str) else text.numpy().decode(): np.ravel(np.asarray(label)).tolist()
            for text, label in pairs
        }

    assert labels_by_text(utils) == labels_by_text(tensorflow_keras.utils)
