"""The log in a file: the bytes that Keras writes."""

from __future__ import annotations

import pytest
from callback_runs import Model, run

from fastgru import callbacks


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.keras
def test_csv_logger_writes_the_file_that_keras_writes(keras, tmp_path, append):
    texts = []
    for module in (callbacks, keras.callbacks):
        path = tmp_path / f"{module.__name__}.csv"
        for _ in range(2):
            run(module.CSVLogger(path, separator=";", append=append), Model(), epochs=3)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].count(b"\r\n") == (7 if append else 4)


def test_csv_logger_leaves_room_for_a_later_validation(tmp_path):
    logger = callbacks.CSVLogger(tmp_path / "log.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0})
    logger.on_epoch_end(1, {"loss": 0.5, "val_loss": 0.75})
    logger.on_train_end()
    assert (tmp_path / "log.csv").read_text().split() == ["epoch,loss,val_loss", "0,1.0,NA", "1,0.5,0.75"]
