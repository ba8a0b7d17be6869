"""What a run prints: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru.layers import GRU, Dense, Dropout, Input
from fastgru.models import Sequential
from fastgru.training import progress

pty = pytest.importorskip("pty", reason="no pseudo-terminals here")


def model() -> Sequential:
    network = Sequential([Input((5, 3)), GRU(4), Dropout(0.5), Dense(3, activation="softmax")], name="m")
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


X = np.random.default_rng(0).normal(size=(60, 5, 3))
Y = np.arange(60) % 3
LINE = r"Epoch {}/3 - [\d.]+s - [\d,]+ samples/s - accuracy: 0\.\d{{4}} - loss: \d\.\d{{4}}"


# --- lines ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verbose", ["auto", 1])
def test_fit_prints_one_line_an_epoch_where_there_is_no_terminal(capsys: Any, verbose: Any) -> None:
    model().fit(X, Y, epochs=3, verbose=verbose, validation_split=0.5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for epoch, line in enumerate(lines, 1):
        assert re.fullmatch(LINE.format(epoch) + r" - val_accuracy: 0\.\d{4} - val_loss: \d\.\d{4}", line)


def test_nothing_is_printed_where_silence_is_asked_for(capsys: Any) -> None:
    network = model()
    network.fit(X, Y, epochs=2, verbose=0)
    network.evaluate(X, Y, verbose=0)
    network.predict(X, verbose=0)
    network.predict(X)  # without a terminal there is nothing to show
    network.train_on_batch(X, Y)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_evaluate_and_predict_print_one_line(capsys: Any) -> None:
    network = model()
    network.evaluate(X, Y)
    network.predict(X, verbose=1)
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Evaluate - [\d.]+s - [\d,]+ samples/s - accuracy: 0\.\d{4} - loss: \d\.\d{4}", first)
    assert re.fullmatch(r"Predict - [\d.]+s - [\d,]+ samples/s", second)


@pytest.mark.keras
@pytest.mark.parametrize("epochs", [1, 10])
def test_verbose_2_prints_the_lines_of_keras(keras: Any, capsys: Any, epochs: int) -> None:
    printed = []
    for library in (fastgru, keras):
        layers = library.layers
        network = library.Sequential(
            [layers.Input((5, 3)), layers.Flatten(), layers.Dense(1, kernel_initializer="zeros")]
        )
        network.compile("sgd", "mse", metrics=["mae"])
        network.fit(X, X[:, 0, :1], epochs=epochs, verbose=2, shuffle=False, validation_split=0.5)
        network.evaluate(X, X[:, 0, :1], verbose=2)
        network.predict(X, batch_size=60, verbose=2)  # else fastgru takes larger batches
        printed.append(re.sub(r"\d+(s|ms|us)\b", "*", capsys.readouterr().out))
    assert printed[0] == printed[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5000"), (12345.678, "12345.6780"), (0.0002, "2.0000e-04"), (0, "0.0000"), (-2.5, "-2.5000")],
)
def test_small_numbers_keep_their_digits(value: float, text: str) -> None:
    assert progress.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.004, "0.00s"), (0.42, "0.42s"), (3.44, "3.4s"), (42.2, "42s"), (99.0, "99s"), (245, "4:05"), (3723, "1:02:03")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert progress.duration(seconds) == text


# --- the bar ----------------------------------------------------------------------------------------


class Terminal:
    """A pseudo-terminal of a width in the place of sys.stdout; `text` is what was written to it."""

    def __init__(self, monkeypatch: Any, width: int) -> None:
        main, self._side = pty.openpty()
        self._main = main
        self.out = os.fdopen(self._side, "w", encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", self.out)
        for name, value in {"COLUMNS": str(width), "LINES": "40", "TERM": "xterm-256color"}.items():
            monkeypatch.setenv(name, value)
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            monkeypatch.delenv(name, raising=False)

    def text(self) -> str:
        self.out.flush()
        written = b""
        os.set_blocking(self._main, False)
        while True:
            try:
                written += os.read(self._main, 1 << 16)
            except BlockingIOError:
                return written.decode()


WIDTHS = pytest.mark.parametrize("width", [40, 60, 80, 120])


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def shown(text: str) -> list[str]:
    return [line.rstrip() for line in re.split(r"[\r\n]+", without_colours(text)) if line.strip()]


@WIDTHS
def test_the_bar_moves_and_leaves_a_line_an_epoch(monkeypatch: Any, width: int) -> None:
    screen = Terminal(monkeypatch, width)
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)
    model().fit(X, Y, epochs=2, batch_size=20, validation_split=0.5)
    text = screen.text()
    lines = shown(text)
    assert all(len(line) < width for line in lines)
    moving = [line for line in lines if line.startswith("Epoch 1/2 ━")]
    assert " 1/2  " in moving[0]
    assert " 2/2  " in moving[-1]
    final = [line for line in lines if re.match(r"Epoch \d/2  ", line)]
    assert [line.split()[1] for line in final] == ["1/2", "2/2"]
    assert re.search(r"accuracy 0\.\d{4} \(val 0\.\d{4}\)", without_colours(text).rpartition("Epoch 2/2  ")[2])
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 2  # the cursor is back


@WIDTHS
def test_without_a_number_of_steps_there_is_no_bar_until_a_pass_has_told_it(monkeypatch: Any, width: int) -> None:
    class Batches:
        def __iter__(self) -> Any:
            return ((X[start : start + 20], Y[start : start + 20]) for start in (0, 20, 40))

    screen = Terminal(monkeypatch, width)
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)
    model().fit(Batches(), epochs=2)
    lines = shown(screen.text())
    assert all(len(line) < width for line in lines)
    first = [line for line in lines if re.match(r"Epoch 1/2  \d/\?  +0s", line)]
    assert list(dict.fromkeys(line.split()[2] for line in first)) == ["1/?", "2/?", "3/?"]
    assert not any("━" in line or "left" in line for line in first)
    assert any(re.match("Epoch 2/2 ━+ 3/3", line) for line in lines)


def test_an_epoch_shorter_than_a_refresh_only_leaves_its_line(monkeypatch: Any) -> None:
    screen = Terminal(monkeypatch, 80)
    model().fit(X[:6], Y[:6])
    assert "━" not in screen.text()


def test_an_interrupted_bar_gives_the_cursor_back(monkeypatch: Any) -> None:
    screen = Terminal(monkeypatch, 80)
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)

    class Interrupt(fastgru.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model().fit(X, Y, batch_size=10, callbacks=[Interrupt()])
    text = screen.text()
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_predict_leaves_nothing_on_a_terminal(monkeypatch: Any) -> None:
    screen = Terminal(monkeypatch, 80)
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)
    model().predict(X, batch_size=20)
    assert shown(screen.text())[-1].startswith("Predict ━")
    model().predict(X[:2], verbose=0)
    assert screen.text() == ""


def test_the_bar_is_drawn_at_most_ten_times_a_second(monkeypatch: Any) -> None:
    screen = Terminal(monkeypatch, 80)
    drawn: list[float] = []
    show = progress.Bar.show

    def counted(self: Any, *arguments: Any) -> None:
        show(self, *arguments)
        drawn.append(self.started)

    monkeypatch.setattr(progress.Bar, "show", counted)
    network = model()
    x, y = np.repeat(X, 40, axis=0), np.repeat(Y, 40)
    network.fit(x, y, batch_size=2, epochs=1)
    seconds = float(re.search(r"Epoch 1/1  ([\d.]+)s", without_colours(screen.text()))[1])  # type: ignore[index]
    assert len(drawn) <= 10 * seconds + 2
