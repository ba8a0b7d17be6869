"""The report of a training: one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastgru import __version__, atomic
from fastgru.pages import bar_chart, confusion_matrix, element, line_chart, page, table
from fastgru.pages.markup import Markup
from fastgru.tables.answers import ClassOutcome, NumberOutcome
from fastgru.tables.forecast_outcome import ForecastOutcome
from fastgru.tables.samples import Outcome, Problem

SERIES = 20  # in a table at most
POINTS = 200  # of a line that shows many samples


def write(folder: Path, problem: Problem, outcome: Outcome, history: Any, facts: Sequence[tuple[str, str]]) -> Path:
    """Write `report.html` into a folder, which is made where it is missing; where it stands."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    atomic.write(path, html(problem, outcome, history, facts).encode())
    return path


def html(problem: Problem, outcome: Outcome, history: Any, facts: Sequence[tuple[str, str]]) -> str:
    """The page.

    Parameters
    ----------
    problem : Problem
    outcome : Outcome
        Of the test part.
    history : History
    facts : list of (str, str)
        What was trained on what.
    """
    plan = problem.plan
    title = {"forecast": f"Forecast of {plan.target}", "regress": f"Prediction of {plan.target}"}.get(
        plan.task, f"Classes of {plan.target}"
    )
    notes = [element("li", f"{note}.") for note in problem.notes]
    return page(
        title,
        _verdict(outcome),
        element("h2", "Against what needs no model"),
        _comparisons(outcome),
        [*_details(outcome, plan)],
        element("h2", "Learning curves"),
        element("p", "Of targets scaled to a mean of 0 and a deviation of 1.", class_="note")
        if not plan.classes
        else None,
        curves(history.history),
        element("h2", "What was trained"),
        table(["", ""], facts),
        [element("h2", "Of the file"), element("ul", notes)] if notes else None,
        introduction=f"{outcome.count:,} samples that the training did not see: the last in time where they have one.",
        footer=f"Written by fastgru {__version__}.",
    )


def _verdict(outcome: Outcome) -> Markup:
    beats = outcome.comparisons[0].beats
    style = f"border-left:.4rem solid var(--series-{3 if beats else 2});padding:.5rem .9rem;background:var(--card)"
    return element("p", element("strong", outcome.verdict), style=style, id="verdict")


def _comparisons(outcome: Outcome) -> Markup:
    first = outcome.comparisons[0]
    names = ["the model", *first.baselines]
    values = {one.metric: [one.model, *one.baselines.values()] for one in outcome.comparisons}
    rows = [[name, *(column[index] for column in values.values())] for index, name in enumerate(names)]
    less = "less is better" if first.is_error else "more is better"
    short = {"mean absolute error": "MAE", "root mean squared error": "RMSE"}
    header = ["", *(short.get(metric, metric) for metric in values)]
    note = "MAE: mean absolute error. RMSE: root mean squared error, in which large errors count more."
    bars = bar_chart({first.metric: values[first.metric]}, names, title=f"{first.metric}, {less}")
    return element(
        "div",
        bars,
        [element("div", table(header, rows), element("p", note, class_="note") if first.is_error else None)],
        class_="grid",
    )


def _details(outcome: Outcome, plan: Any) -> Iterable[Any]:
    if isinstance(outcome, ForecastOutcome):
        return _of_forecast(outcome, plan)
    if isinstance(outcome, ClassOutcome):
        return _of_classes(outcome)
    assert isinstance(outcome, NumberOutcome)
    return _of_numbers(outcome, plan.target)


def _of_forecast(outcome: ForecastOutcome, plan: Any) -> Iterable[Any]:
    yield element("h2", "Forecasts against the truth")
    charts = [
        line_chart(
            {"truth": example["truth"], "forecast": example["forecast"]},
            x=np.array(example["times"], object), title=example["title"], y_label=plan.target,
        )
        for example in outcome.examples
    ]  # fmt: skip
    yield element("div", charts, class_="grid")
    yield element("h2", "Errors")
    steps = np.arange(1, plan.horizon + 1)
    charts = [
        line_chart(
            outcome.by_origin, x=np.array(outcome.origins, object), title="By the time at which the forecast is made",
            x_label="from", y_label="mean absolute error",
        ),
    ]  # fmt: skip
    if plan.horizon > 1:
        charts.insert(
            0,
            line_chart(
                outcome.by_step, x=steps, title="By how far ahead", y_label="mean absolute error",
                x_label=f"steps ahead, each a {plan.regular_step}" if plan.step else "steps ahead",
            ),
        )  # fmt: skip
    yield element("div", charts, class_="grid")
    if outcome.series:
        yield _by_series(outcome)
    rows = [[int(step), *(float(errors[step - 1]) for errors in outcome.by_step.values())] for step in steps]
    yield element("details", element("summary", "All steps ahead in numbers"), table(["step", *outcome.by_step], rows))


def _by_series(outcome: ForecastOutcome) -> Markup:
    """The series in which the model does worst beside the best baseline come first."""
    best = outcome.by_series[outcome.comparisons[0].best]
    order = np.argsort(-outcome.by_series["model"] / np.maximum(best, np.finfo(np.float32).tiny), kind="stable")
    rows = [
        [outcome.series[row], *(float(errors[row]) for errors in outcome.by_series.values())] for row in order[:SERIES]
    ]
    shown = "" if len(rows) == len(order) else f", the {SERIES} worst of {len(order):,}"
    return table(["series", *outcome.by_series], rows, title=f"Mean absolute error by series{shown}")


def _of_classes(outcome: ClassOutcome) -> Iterable[Any]:
    yield element("h2", "Classes")
    yield confusion_matrix(outcome.counts, list(outcome.classes))
    rows = [
        [name, float(outcome.precision[index]), float(outcome.recall[index]), int(outcome.counts[index].sum())]
        for index, name in enumerate(outcome.classes)
    ]
    yield table(["class", "precision", "recall", "samples"], rows, title="Each class")
    yield element(
        "p",
        "Precision: of what was taken for the class, how much is. Recall: of the class, how much was found.",
        class_="note",
    )


def _of_numbers(outcome: NumberOutcome, target: str) -> Iterable[Any]:
    order = np.argsort(outcome.truth, kind="stable")
    order = order[np.linspace(0, len(order) - 1, min(POINTS, len(order))).astype(int)]
    yield element("h2", "Predictions against the truth")
    yield line_chart(
        {"truth": outcome.truth[order], "predicted": outcome.predicted[order]},
        title="Samples in the order of their truth",
        x_label="sample",
        y_label=target,
        width=960,
    )


def curves(history: dict[str, list[float]]) -> Markup:
    """A chart for each loss or metric over the epochs, with that of the validation in it."""
    names = [name for name in history if not name.startswith("val_")]
    epochs = np.arange(1, len(history["loss"]) + 1)
    charts = []
    for name in sorted(names, key="loss".__ne__):
        lines = {"training": history[name]}
        if f"val_{name}" in history:
            lines["validation"] = history[f"val_{name}"]
        charts.append(line_chart(lines, x=epochs, title=name.replace("_", " "), x_label="epoch"))
    return element("div", charts, class_="grid")
