"""The page that shows what a model did with one sample: gates, states and answers over time, with a slider."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgru.pages.heat import heat_map
from fastgru.pages.lines import line_chart
from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import number
from fastgru.pages.skeleton import data_block, page, resource
from fastgru.types import Array

__all__ = ["Answer", "Explanation", "explanation_page", "leading", "value_range"]

SHOWN = 5  # classes, or numbers of an output, that have a line
SYMBOLS = {"update": "z", "reset": "r", "candidate": "h\N{COMBINING TILDE}", "state": "h"}
MEANINGS = {
    "update": "the share of the old state that stays: near 1 a unit keeps, near 0 it takes the candidate",
    "reset": "how much of the old state the candidate sees",
    "candidate": "what the step would put in the state's place",
    "state": "what is handed to the next step",
    "input": "how much of the candidate is let into the cell",
    "forget": "the share of the old cell that stays",
    "output": "how much of the cell is shown as the state",
    "cell": "the memory that only gates change",
}


@dataclass
class Answer:
    """An output of the model after each step.

    Attributes
    ----------
    name : str
    values : (T, C) ndarray
    labels : C str
    """

    name: str
    values: Array
    labels: Sequence[str]

    @property
    def is_classes(self) -> bool:
        """Whether the numbers are probabilities of classes that exclude each other."""
        v = self.values
        return v.shape[1] > 1 and bool(v.min() >= 0) and bool(np.allclose(v.sum(axis=1), 1, atol=1e-3))

    def changes(self) -> list[tuple[int, str]]:
        """The steps at which the most probable class is another than before, the first included, and its name."""
        best = self.values.argmax(axis=1)
        steps = [0, *(np.flatnonzero(np.diff(best)) + 1)]
        return [(int(step), self.labels[best[step]]) for step in steps]


@dataclass
class Explanation:
    """What the page shows.

    Attributes
    ----------
    model, sample : str
        Their names.
    inputs : dict of str to (T, F) ndarray
    layers : dict of str to dict of str to (T, H) ndarray
        For each recurrent layer, or direction of one, its gates and states; NaN where a step was masked.
    answers : list of Answer
    note : str
        Why there are no answers, or what else is to be said.
    """

    model: str
    sample: str
    inputs: Mapping[str, Array]
    layers: Mapping[str, Mapping[str, Array]]
    answers: Sequence[Answer] = field(default_factory=list)
    note: str = ""

    def __post_init__(self) -> None:
        """What is no finite number is left out, as what was masked is."""
        self.inputs = {name: _finite(values) for name, values in self.inputs.items()}
        self.layers = {
            name: {gate: _finite(values) for gate, values in gates.items()} for name, gates in self.layers.items()
        }
        self.answers = [Answer(answer.name, _finite(answer.values), answer.labels) for answer in self.answers]

    @property
    def steps(self) -> int:
        """Of the slider: those after which there is an answer, else those of the longest input."""
        return max(len(array) for array in ([a.values for a in self.answers] or [*self.inputs.values()]))


def explanation_page(shown: Explanation, footer: str = "") -> str:
    """The HTML document; it loads nothing, and works from a file."""
    arrays: list[Array] = []
    body = [_control(shown.steps)]
    if shown.note:
        body.append(element("p", shown.note, class_="note"))
    for answer in shown.answers:
        title = "Answer" if len(shown.answers) == 1 else f"Answer: {answer.name}"
        body += [element("h2", title), *_of_answer(answer, arrays)]
    inputs = [_map(values, name, "feature", arrays) for name, values in shown.inputs.items()]
    if len(inputs) > 1:
        body += [element("h2", "Inputs"), element("div", inputs, class_="grid")]
    for name, gates in shown.layers.items():  # a single input stands beside the gates of each layer
        body += _of_layer(name, gates, inputs if len(inputs) == 1 else [], arrays)
    data = data_block("explanation", {"steps": shown.steps, "arrays": [*map(_packed, arrays)]})
    introduction = (
        f"What {shown.model} does with {shown.sample}, step by step: move the slider, or press the arrow keys."
    )
    return page(
        f"Inside {shown.model}",
        *body,
        data,
        introduction=introduction,
        footer=footer,
        script=resource("fastgru.pages", "explanation.js"),
    )


def _control(steps: int) -> Markup:
    slider = element(
        "input", type="range", id="step", min=0, max=steps - 1, value=steps - 1, step=1, aria_label="time step"
    )
    play = element("button", "\N{BLACK RIGHT-POINTING TRIANGLE}", type="button", id="play", aria_label="play")
    where = element("output", f"step {steps - 1} of {steps - 1}", id="where", for_="step")
    return element("div", play, slider, where, class_="control")


def leading(chances: Array, most: int) -> Array:
    """At most so many classes of (T, C) probabilities: first those that were the most probable at some step."""
    was_first = np.bincount(chances.argmax(axis=1), minlength=chances.shape[1]) > 0
    return np.lexsort((-chances.max(axis=0), ~was_first))[:most]


def _of_answer(answer: Answer, arrays: list[Array]) -> list[Markup]:
    values, labels = answer.values, answer.labels
    columns = leading(values, SHOWN) if answer.is_classes else np.arange(len(labels))[:SHOWN]
    chart = line_chart(
        {labels[column]: values[:, column] for column in columns},
        title="After each step",
        x_label="last step read",
        y_label="probability" if answer.is_classes else "prediction",
        y_range=(0.0, 1.0) if answer.is_classes else None,
    )
    parts = []
    if answer.is_classes:
        changes = answer.changes()
        course = ", ".join(f"{label} from step {step}" for step, label in changes)
        final = f"{changes[-1][1]} ({number(float(values[-1].max()), 3)})"
        parts.append(
            element("p", "It says ", element("strong", final), f"; after each step it would have said {course}.")
        )
    arrays.append(values)
    rows = element(
        "div", class_="answer", data_array=len(arrays) - 1, data_labels="\n".join(labels), aria_live="polite"
    )
    now = element("figure", element("figcaption", element("strong", "At this step")), rows, class_="chart")
    return [*parts, element("div", element("div", chart, data_time=True), now, class_="grid")]


def _map(values: Array, name: str, y_label: str, arrays: list[Array]) -> Markup:
    is_gate = y_label == "unit"
    low, high = value_range(values, name) if is_gate else (None, None)
    title = f"{name} {SYMBOLS[name]}" if is_gate and name in SYMBOLS else name
    arrays.append(values)
    chart = heat_map(values.T, title=title, x_label="step", y_label=y_label, low=low, high=high, height=220)
    reading = element("p", class_="reading", data_array=len(arrays) - 1, data_row=y_label)
    meaning = element("p", MEANINGS[name], class_="note") if is_gate and name in MEANINGS else None
    return element("div", chart, reading, meaning, data_time=True, class_="map")


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def value_range(values: Array, name: str) -> tuple[float, float]:
    """From where to where the colours of a gate or state go: gates from 0 to 1, states around 0."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if name in ("candidate", "state", "cell") or np.nanmin(values, initial=0.0) < 0 or largest > 1:
        return -max(1.0, largest), max(1.0, largest)
    return 0.0, 1.0


def _of_layer(name: str, gates: Mapping[str, Array], inputs: list[Markup], arrays: list[Array]) -> list[Markup]:
    first = len(arrays)
    maps = [_map(values, gate, "unit", arrays) for gate, values in gates.items()]
    units = next(iter(gates.values())).shape[1]
    largest = max(1.0, *(float(np.nanmax(np.abs(values), initial=0.0)) for values in gates.values()))
    lowest = min(0.0, *(float(np.nanmin(values, initial=0.0)) for values in gates.values()))
    chart = line_chart(
        {gate: values[:, 0] for gate, values in gates.items()},
        title="One unit",
        x_label="step",
        y_label="value",
        y_range=(-largest if lowest < 0 else 0.0, largest),
    )
    choice = element("input", type="number", min=0, max=units - 1, value=0, class_="unit")
    label = element("label", "unit ", choice, f" of 0 to {units - 1}")
    history = element(
        "div", chart, label, data_time=True, class_="map history", data_first=first, data_count=len(gates)
    )
    return [element("h2", name), element("section", [*inputs, *maps, history], class_="grid layer")]


def _packed(array: Array) -> dict[str, Any]:
    """An array (T, H) in 16 bits a number between its least and its greatest; the greatest of these is for NaN."""
    numbers = array[~np.isnan(array)]
    low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 0.0)
    scaled = (array - low) / ((high - low) or 1.0)
    codes = np.where(np.isnan(scaled), 65535, np.rint(65534 * np.nan_to_num(scaled)))
    return {
        "shape": list(array.shape),
        "low": low,
        "high": high,
        "codes": base64.b64encode(codes.astype("<u2").tobytes()).decode(),
    }
