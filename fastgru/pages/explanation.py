"""The page that shows what a model did with one sample: gates, states and answers over time, with a slider."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastgru.pages.heat import heat_map
from fastgru.pages.languages import LANGUAGES, language_choice, word, words
from fastgru.pages.lines import line_chart
from fastgru.pages.markup import Markup, Word, element
from fastgru.pages.skeleton import data_block, page, resource
from fastgru.types import Array

__all__ = ["Answer", "Explanation", "explanation_page", "leading", "value_range"]

SHOWN = 5  # classes, or numbers of an output, that have a line
# in the equations, by the key of the name
SYMBOLS = {
    "update": "z", "reset": "r", "candidate": "h\N{COMBINING TILDE}", "state": "h", "input": "i", "forget": "f",
    "output": "o", "cellCandidate": "c\N{COMBINING TILDE}", "cell": "c", "shownState": "h", "plainState": "h",
}  # fmt: skip
# gates that go by one name and mean something else where there is a cell, or no gate at all
OF_CELLS = {"candidate": "cellCandidate", "state": "shownState"}
OF_NO_GATES = {"state": "plainState"}


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
    def first(self) -> int:
        """How many steps it takes until there is an answer; one more than there are where none has numbers."""
        return int(np.append(np.isfinite(self.values).all(axis=1), True).argmax()) + 1

    @property
    def is_classes(self) -> bool:
        """Whether the numbers are probabilities of classes that exclude each other."""
        v = self.values[self.first - 1 :]
        return v.size > len(v) and bool(v.min() >= 0) and bool(np.allclose(v.sum(axis=1), 1, atol=1e-3))

    def changes(self) -> list[tuple[int, str]]:
        """The steps, from 1, at which the most probable class is another than before, the first included; its name."""
        best = self.values[self.first - 1 :].argmax(axis=1)
        steps = [0, *(np.flatnonzero(np.diff(best)) + 1)]
        return [(self.first + int(step), self.labels[best[step]]) for step in steps]


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


def explanation_page(shown: Explanation, language: str = "en", version: str = "") -> str:
    """The HTML document; it loads nothing, and works from a file.

    Parameters
    ----------
    shown : Explanation
    language : {"en", "zh"}
        In which it opens; buttons choose the other.
    version : str
        Of fastgru, for the last line.
    """
    return _Page(shown, language).document(version)


def leading(chances: Array, most: int) -> Array:
    """At most so many classes of (T, C) probabilities: first those that were the most probable at some step."""
    was_first = np.bincount(chances.argmax(axis=1), minlength=chances.shape[1]) > 0
    return np.lexsort((-chances.max(axis=0), ~was_first))[:most]


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def value_range(values: Array, name: str) -> tuple[float, float]:
    """From where to where the colours of a gate or state go: gates from 0 to 1, states around 0."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    if name in ("candidate", "state", "cell") or np.nanmin(values, initial=0.0) < 0 or largest > 1:
        return -max(1.0, largest), max(1.0, largest)
    return 0.0, 1.0


class _Page:
    """The parts of the page in one language, and the arrays that its script reads."""

    def __init__(self, shown: Explanation, language: str) -> None:
        self.shown, self.language = shown, language
        self.arrays: list[Array] = []

    def word(self, key: str, /, **values: Any) -> Word:
        return word(self.language, key, **values)

    def document(self, version: str) -> str:
        shown = self.shown
        title = self.word("title", model=shown.model)
        body = [self.control(), *self.answers(), *self.layers()]
        script = "\n".join(resource("fastgru.pages", name) for name in ("words.js", "explanation.js"))
        data = {
            "steps": shown.steps,
            "title": title.form,
            "words": words("explanation"),
            "arrays": [*map(_packed, self.arrays)],
        }
        return page(
            title,
            *body,
            data_block("explanation", data),
            introduction=self.word("introduction", model=shown.model, sample=shown.sample),
            footer=self.word("written", version=version) if version else "",
            script=f"(() => {{\n{script}\n}})();",
            language=LANGUAGES[self.language][0],
            choice=language_choice(self.language),
        )

    def control(self) -> Markup:
        steps = self.shown.steps
        slider = element(
            "input", type="range", id="step", min=1, max=steps, value=steps, step=1, aria_label=self.word("time")
        )
        play = element(
            "button", "\N{BLACK RIGHT-POINTING TRIANGLE}", type="button", id="play", aria_label=self.word("play")
        )
        where = element("output", self.word("where", step=steps, steps=steps), id="where", for_="step")
        return element("div", play, slider, where, class_="control")

    # --- answers --------------------------------------------------------------------------------------

    def answers(self) -> list[Markup]:
        answers, note = self.shown.answers, self.shown.note
        parts = []
        if note:  # in the words of whoever refused
            reason = element("span", note, lang="en")
            parts.append(element("p", self.word("noAnswers"), " ", reason, class_="note"))
        for answer in answers:
            title = self.word("answer") if len(answers) == 1 else self.word("answerOf", name=answer.name)
            parts += [element("h2", title), *self.answer(answer)]
        return parts

    def answer(self, answer: Answer) -> list[Markup]:
        values, labels = answer.values, answer.labels
        numbers = values[answer.first - 1 :]
        columns = leading(numbers, SHOWN) if answer.is_classes else np.arange(len(labels))[:SHOWN]
        chart = line_chart(
            {labels[column]: values[:, column] for column in columns},
            title=self.word("afterEach"),
            x=np.arange(1, len(values) + 1),
            x_label=self.word("lastRead"),
            y_label=self.word("probability" if answer.is_classes else "prediction"),
            y_range=(0.0, 1.0) if answer.is_classes else None,
            description=self.word("answerLines", steps=len(values)),
        )
        sentences: list[Any] = []
        if answer.first > 1 and len(numbers):
            sentences.append(self.word("first", step=answer.first))
        if answer.is_classes:
            changes = answer.changes()
            share = f"{values[-1].max():.3f}"
            course = [self.word("fromStep", label=label, step=step) for step, label in changes]
            says = element("strong", self.word("says", label=changes[-1][1], share=share))
            sentences += [says, self.word("course", changes=course)]
        self.arrays.append(values)
        rows = element(
            "div", class_="answer", data_array=len(self.arrays) - 1, data_labels="\n".join(labels), aria_live="polite"
        )
        caption = element("figcaption", element("strong", self.word("atThisStep")))
        now = element("figure", caption, rows, class_="chart")
        grid = element("div", element("div", chart, data_time=True), now, class_="grid")
        return [element("p", [[one, " "] for one in sentences]), grid] if sentences else [grid]

    # --- layers ---------------------------------------------------------------------------------------

    def layers(self) -> list[Markup]:
        inputs = [self.map(values, name, "feature") for name, values in self.shown.inputs.items()]
        parts = []
        if len(inputs) > 1:
            parts += [element("h2", self.word("inputs")), element("div", inputs, class_="grid")]
        for name, gates in self.shown.layers.items():  # a single input stands beside the gates of each layer
            parts += [element("h2", name), self.layer(gates, inputs if len(inputs) == 1 else [])]
        return parts

    def layer(self, gates: Mapping[str, Array], inputs: list[Markup]) -> Markup:
        first = len(self.arrays)
        names = {gate: self.name(gate, gates) for gate in gates}
        maps = [self.map(values, gate, "unit", names[gate]) for gate, values in gates.items()]
        steps, units = next(iter(gates.values())).shape
        largest = max(1.0, *(float(np.nanmax(np.abs(values), initial=0.0)) for values in gates.values()))
        lowest = min(0.0, *(float(np.nanmin(values, initial=0.0)) for values in gates.values()))
        chart = line_chart(
            {names[gate]: values[:, 0] for gate, values in gates.items()},
            title=self.word("oneUnit"),
            x=np.arange(1, steps + 1),
            x_label=self.word("step"),
            y_label=self.word("value"),
            y_range=(-largest if lowest < 0 else 0.0, largest),
            description=self.word("unitLines", steps=steps),
        )
        choice = element("input", type="number", min=1, max=units, value=1, class_="unit")
        label = element("label", self.word("unitChoice", units=units), " ", choice)
        history = element(
            "div", chart, label, data_time=True, class_="map history", data_first=first, data_count=len(gates)
        )
        return element("section", [*inputs, *maps, history], class_="grid layer")

    def name(self, gate: str, gates: Mapping[str, Array]) -> str:
        """What a gate is called: in words, or as the layer calls it."""
        other = OF_CELLS if "cell" in gates else {} if "update" in gates else OF_NO_GATES
        key = other.get(gate, gate)
        return self.word(key) if f"{key}Means" in words("explanation")["en"] else gate

    def map(self, values: Array, name: str, row: str, title: Any = None) -> Markup:
        """A heat map of an input, or of a gate by its title, with the numbers of the step below."""
        low, high = value_range(values, name) if row == "unit" else (None, None)
        symbol = [" ", element("var", SYMBOLS[title.key])] if isinstance(title, Word) else []
        self.arrays.append(values)
        said = self.word("map", name=title or name, rows=self.word(f"{row}s", count=values.shape[1]), steps=len(values))
        chart = heat_map(
            values.T,
            title=[title or name, *symbol],
            x_label=self.word("step"),
            y_label=self.word(row),
            low=low,
            high=high,
            first=1,
            height=220,
            description=said,
        )
        reading = element("p", class_="reading", data_array=len(self.arrays) - 1, data_row=row)
        meaning = element("p", self.word(f"{title.key}Means"), class_="note") if isinstance(title, Word) else None
        return element("div", chart, reading, meaning, data_time=True, class_="map")


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
