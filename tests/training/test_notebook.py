"""In a notebook: one output a cell that moves within an epoch, and models and histories as tables."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastgru.callbacks import History
from fastgru.layers import GRU, Dense
from fastgru.models import Sequential
from fastgru.training import progress

PROGRAM = """
import time
import numpy as np
from fastgru.callbacks import LambdaCallback
from fastgru.layers import GRU, Dense
from fastgru.models import Sequential
model = Sequential([GRU(4, input_shape=(5, 3)), Dense(1)])
model.compile("adam", "mse")
slow = LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.03))
history = model.fit(np.ones((320, 5, 3)), np.ones(320), batch_size=10, epochs=2, callbacks=[slow])
"""


class Handle:
    def __init__(self, shown: list[str]) -> None:
        self.shown = shown

    def update(self, content: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(content["text/plain"])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the output of a cell showed, one state after the other, in a notebook as far as fastgru can tell."""
    states: list[str] = []

    def display(content: dict[str, str], raw: bool, display_id: bool) -> Handle:
        assert raw and display_id
        states.append(content["text/plain"])
        return Handle(states)

    module = ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stdout=stream()))
    monkeypatch.setattr(progress, "NOTEBOOK_SECONDS", 0.01)
    return states


def fitted(epochs: int = 2, **options: Any) -> Sequential:
    model = Sequential([GRU(4, input_shape=(5, 3)), Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.ones((64, 5, 3)), np.ones(64), batch_size=8, epochs=epochs, **options)
    return model


class Slow(History):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        time.sleep(0.02)


def test_the_bar_moves_within_an_epoch_and_a_line_of_each_stays(shown: list[str]) -> None:
    fitted(callbacks=[Slow()])
    moving = [state for state in shown if "━" in state and "Epoch 1/2" in state.splitlines()[-1]]
    assert len(moving) >= 2 and "1/8" in moving[0] and "loss" in moving[0]
    lines = shown[-1].splitlines()
    assert [line[:9] for line in lines] == ["Epoch 1/2", "Epoch 2/2"] and "loss: " in lines[0]


def test_what_is_interrupted_leaves_the_lines_that_are_done(shown: list[str]) -> None:
    class Stop(Slow):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(callbacks=[Stop()])
    assert [line[:9] for line in shown[-1].splitlines()] == ["Epoch 1/2"]


def test_a_quick_prediction_and_a_silent_fit_show_nothing(shown: list[str]) -> None:
    fitted(verbose=0).predict(np.ones((3, 5, 3)))
    assert shown == []


def test_a_real_notebook(tmp_path: Path) -> None:
    pytest.importorskip("ipykernel", reason="no notebook is installed")
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = [nbformat.v4.new_code_cell(source) for source in (PROGRAM, "model", "history", "repr(history)")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    updates: list[str] = []

    class Client(nbclient.NotebookClient):
        def process_message(self, message: Any, cell: Any, cell_index: int) -> Any:
            if message["msg_type"] in ("display_data", "update_display_data"):
                updates.append(message["content"]["data"]["text/plain"])
            return super().process_message(message, cell, cell_index)

    Client(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert sum("━" in update for update in updates) > 3
    (output,) = cells[0].outputs
    assert [line[:9] for line in output["data"]["text/plain"].splitlines()] == ["Epoch 1/2", "Epoch 2/2"]
    assert "GRU" in cells[1].outputs[0]["data"]["text/html"]
    assert "<svg" in cells[2].outputs[0]["data"]["text/html"]
    assert "History of 2 epochs: loss" in cells[3].outputs[0]["data"]["text/plain"]


# --- tables -----------------------------------------------------------------------------------------


def test_a_model_and_a_history_have_an_html_form() -> None:
    model = fitted(3, verbose=0)
    page = model._repr_html_()
    assert "gru" in page and "(None, 4)" in page and f"{model.count_params():,} params" in page
    history = model.history
    page = history._repr_html_()
    assert "History of 3 epochs" in page and page.count("<svg") == 1 and '<th scope="row">loss' in page
    assert repr(history).startswith("<History of 3 epochs: loss ")
    assert "History of 0 epochs" in History()._repr_html_() and repr(History()) == "<History of 0 epochs>"


def test_names_in_a_models_html_are_text() -> None:
    assert "<script>" not in Sequential([Dense(1, input_shape=(2,))], name="a<script>")._repr_html_()


def test_a_history_plots_itself() -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed").use("Agg")
    history = fitted(3, verbose=0, validation_split=0.25).history
    lines = history.plot().get_lines()
    assert [line.get_label() for line in lines] == ["loss", "val_loss"]
    np.testing.assert_array_equal(lines[0].get_ydata(), history.history["loss"])


def test_without_matplotlib_the_plot_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install fastgru\[plot\]"):
        fitted(1, verbose=0).history.plot()
