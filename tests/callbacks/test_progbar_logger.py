"""`ProgbarLogger` shows a bar for each epoch of a loop of one's own, and nothing beside what `fit` shows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from small_training import half, inputs, small

from fastgru.callbacks import CallbackList, ProgbarLogger


def numbers(output: str) -> list[str]:
    """Steps, names and values of the last update."""
    plain = re.sub(r"\x1b\[\d*m", "", output)
    return re.findall(r"\d+/\d+|\w+: [\d.e-]+", re.split(r"\r|\n(?=.)", plain)[-1])


def test_a_loop_of_ones_own_shows_its_epochs(capsys: Any) -> None:
    callbacks = CallbackList([ProgbarLogger()], verbose=1, epochs=2, steps=3)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        assert capsys.readouterr().out == f"Epoch {epoch + 1}/2\n"
        for batch in range(3):
            callbacks.on_train_batch_end(batch, {"loss": 0.5 / (batch + 1)})
        callbacks.on_epoch_end(epoch, {"loss": 0.25, "val_loss": 0.75})
        assert numbers(capsys.readouterr().out) == ["3/3", "loss: 0.2500", "val_loss: 0.7500"]


def test_steps_that_nobody_knows_are_counted(capsys: Any) -> None:
    callbacks = CallbackList([ProgbarLogger()], verbose="auto", epochs=1, steps=None)
    callbacks.on_test_begin()
    for batch in range(4):
        callbacks.on_test_batch_end(batch, {"loss": 0.5})
    callbacks.on_test_end({"loss": 0.5})
    assert re.match(r"\r +1/Unknown .*loss: 0.5000", capsys.readouterr().out)


def test_in_fit_the_display_is_shown_once(rng: np.random.Generator, capsys: Any) -> None:
    model = small()
    model.fit(inputs(rng), half(rng), epochs=2, verbose=2, callbacks=[ProgbarLogger()])
    assert len(capsys.readouterr().out.splitlines()) == 4
    model.fit(inputs(rng), half(rng), epochs=2, verbose=0, callbacks=[ProgbarLogger()])
    assert not capsys.readouterr().out
