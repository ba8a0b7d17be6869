"""Pictures show the numbers that they are handed, with titles and labels, on the axes that they are handed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru import plot
from fastgru.callbacks import History
from fastgru.layers import GRU, LSTM, Bidirectional, Dense, Input
from fastgru.models import Sequential


@pytest.fixture
def pyplot() -> Any:
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def shown(ax: Any) -> np.ndarray:
    return np.ma.filled(ax.images[0].get_array().astype(float), np.nan)


def test_gates_stand_below_the_input_with_units_from_top_to_bottom(pyplot: Any, rng) -> None:
    x = rng.normal(size=(2, 5, 3))
    gates = GRU(4).gates(x)
    axes = plot.gates(gates, x, sample=1)
    assert [ax.get_title() for ax in axes] == ["input", "update", "reset", "candidate", "state"]
    for ax, values in zip(axes, [x, *gates.values()], strict=True):
        np.testing.assert_allclose(shown(ax), values[1].T, atol=1e-6)
        assert ax.images[0].get_cmap().name == "cividis" and ax.get_ylabel()
    assert [ax.images[0].get_clim() for ax in axes[1:]] == [(0, 1), (0, 1), (-1, 1), (-1, 1)]
    assert axes[-1].get_xlabel() == "step"
    plot.gates(gates, x, sample=0, axes=axes)


def test_both_directions_and_an_lstm_have_a_map_for_each_gate(pyplot: Any, rng) -> None:
    gates = Bidirectional(LSTM(4)).gates(rng.normal(size=(1, 5, 3)))
    titles = [ax.get_title() for ax in plot.gates(gates)]
    assert len(titles) == 12 and titles[0] == "forward input" and titles[-1] == "backward state"


def test_masked_steps_are_blank_but_for_the_state(pyplot: Any, rng) -> None:
    mask = np.array([[True, False, True]])
    gates = GRU(4).gates(rng.normal(size=(1, 3, 2)), mask=mask)
    update, *_, state = plot.gates(gates, mask=mask)
    assert np.isnan(shown(update)[:, 1]).all() and not np.isnan(shown(update)[:, [0, 2]]).any()
    assert not np.isnan(shown(state)).any()


def test_a_unit_has_a_line_for_each_gate(pyplot: Any, rng) -> None:
    gates = GRU(4).gates(rng.normal(size=(1, 5, 3)))
    _, ax = pyplot.subplots()
    assert plot.unit(gates, 2, ax=ax) is ax
    for line, (name, values) in zip(ax.lines, gates.items(), strict=False):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_ydata(), values[0, :, 2])


def test_answers_mark_the_steps_that_changed_them(pyplot: Any) -> None:
    chances = np.array([[0.51, 0.0, 0.49], [0.1, 0.46, 0.44], [0.1, 0.46, 0.44], [0.9, 0.05, 0.05]])
    ax = plot.answers(chances, ["cat", "dog", "fish"], top=2)
    assert [(text.get_position()[0], text.get_text()) for text in ax.texts] == [(0, "cat"), (1, "dog"), (3, "cat")]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cat", "dog"]
    model = Sequential([Input((None, 2)), GRU(3), Dense(1)])
    x = np.ones((1, 5, 2), "float32")
    ax = plot.answers(model.predict_prefixes(x))
    assert ax.get_ylabel() == "prediction" and not ax.texts
    np.testing.assert_allclose(ax.lines[0].get_ydata()[-1], model.predict(x, verbose=0)[0, 0], atol=1e-6)


def test_learning_curves_of_fit_and_of_a_dict(pyplot: Any) -> None:
    model = Sequential([Input((3, 2)), GRU(2), Dense(1)])
    model.compile("adam", "mse")
    x, y = np.ones((4, 3, 2)), np.ones((4, 1))
    history = model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0)
    assert isinstance(history, History)
    for one in (history, history.history):
        ax = plot.history(one)
        assert [line.get_label() for line in ax.lines] == ["loss", "val_loss"]
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(ax.lines[1].get_ydata(), history.history["val_loss"])


def test_a_confusion_matrix_counts_classes_and_probabilities(pyplot: Any) -> None:
    truth, predicted = [0, 0, 1, 2], [0, 1, 1, 2]
    for y in (predicted, np.eye(3)[predicted]):
        ax = plot.confusion_matrix(truth, y, ["cat", "dog", "fish"])
        np.testing.assert_allclose(shown(ax), [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]])
        assert [text.get_text() for text in ax.texts] == ["1", "1", "0", "0", "1", "0", "0", "0", "1"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "truth")


def test_a_forecast_stands_behind_the_past(pyplot: Any) -> None:
    ax = plot.forecast([4, 5], [4.5, 4.5], past=[1, 2, 3], unit="MW")
    assert ax.get_ylabel() == "MW"
    by_name = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(by_name["past"].get_xdata(), [-3, -2, -1, 0])
    np.testing.assert_array_equal(by_name["forecast"].get_xdata(), [0, 1])
    days = np.arange("2024-02-27", "2024-03-03", dtype="datetime64[D]")
    assert plot.forecast([4, 5], [4.5, 4.5], past=[1, 2, 3], time=days).get_xlabel() == "time"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: plot.gates({"state": np.ones((2, 3, 4))}, sample=2), "there is no sample 2 in a batch of 2"),
        (lambda: plot.gates({"state": np.ones((2, 3, 4))}, axes=[]), "expected 1 axes, one for each map, got 0"),
        (lambda: plot.unit({"state": np.ones((2, 3, 4))}, 4), "there is no unit 4 in a layer of 4"),
        (lambda: plot.answers(np.ones(3)), r"expected an array with 2 axes, or 3 for a batch, got \(3,\)"),
        (lambda: plot.history({"loss": [1.0]}, ["accuracy"]), "the history has no 'accuracy', but loss"),
        (lambda: plot.confusion_matrix([0, 1], [0]), "as many labels as predictions, got 2 and 1"),
        (lambda: plot.confusion_matrix([0, 1], [0, 1], ["a"]), "expected labels for 2 classes, got 1"),
        (lambda: plot.forecast([1, 2], [1]), "got 1, 2, 2 and a past of 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(pyplot: Any, call: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


NAMES = ["answers", "confusion_matrix", "forecast", "gate", "gates", "history", "unit"]


def test_matplotlib_is_loaded_by_who_draws_and_its_absence_names_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys, fastgru, fastgru.plot\n"
        f"assert dir(fastgru.plot) == {NAMES}\n"
        "fastgru.plot.history, fastgru.plot.gates\n"
        "assert 'matplotlib' not in sys.modules\n"
        "sys.modules['matplotlib'] = None\n"
        "draws = lambda: fastgru.plot.history({'loss': [1.0]}), lambda: fastgru.plot.gates({'state': [[[1.0]]]})\n"
        "for draw in draws:\n"
        "    try:\n"
        "        draw()\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
    )
    # elsewhere than in a checkout, whose source folder would hide the installed package
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (
        done.stdout.splitlines()
        == ["fastgru.plot draws with matplotlib, which is not installed: pip install fastgru[plot]."] * 2
    ), done.stderr
