"""What a model wants of a file: the plan by which a training read it, kept beside the model.

It is one more member of the `.keras` archive, `fastgru.json`. Keras opens such a file as any other, since it asks for
its own members by their names; a layer's config would be refused by Keras, and a second file would be left behind. A
model that is opened and saved again keeps it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fastgru.saving.formats import zip_archive
from fastgru.saving.formats.keras_zip import PLAN as MEMBER
from fastgru.tables.calendar import PERIODS
from fastgru.tables.table import Wording
from fastgru.tables.times import Step

TASKS = ("forecast", "classify", "regress", "text")
MENDINGS = ("skip", "fill", "refuse")
DOUBLES = ("refuse", "first", "last", "mean")
# what may be said of a plan before the file is read, and of which tasks it is: None for all
OF_SERIES = ("forecast", "classify", "regress")
OPTIONS: Mapping[str, tuple[str, ...] | None] = {
    "window": None, "decimal": None, "encoding": None, "horizon": ("forecast",), "known": ("forecast",),
    "text": ("text",),
    **dict.fromkeys(("group", "columns", "time", "time_format", "gaps", "doubles", "stride"), OF_SERIES),
}  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """A column that the model reads, and what it makes of it.

    Attributes
    ----------
    column : str
        Its name; of a calendar's, that of the period.
    kind : {"number", "category", "calendar"}
        One number; one for each of the `values`, 1 where the cell is that value; sine and cosine of the time.
    values : tuple of str
        Of a category: those of the training part.
    fill : float
        What stands for a missing number where nothing in time is near: the mean of the training part.
    """

    column: str
    kind: str = "number"
    values: tuple[str, ...] = ()
    fill: float = 0.0

    @property
    def names(self) -> list[str]:
        """Of the numbers that it becomes."""
        if self.kind == "calendar":
            return [f"sin {self.column}", f"cos {self.column}"]
        return [f"{self.column} = {value}" for value in self.values] if self.kind == "category" else [self.column]


@dataclass(frozen=True)
class Plan:
    """How a file becomes samples.

    Attributes
    ----------
    task : {"forecast", "classify", "regress", "text"}
    target : str
        The column to predict.
    features : tuple of Feature
        In the order in which the model reads them; of a forecast the target is the first.
    time, group, text : str, optional
        Columns: of times, of the names of series, of texts.
    time_format, decimal, encoding
        How the file is written; as of `Wording`.
    window : int, optional
        Steps that the model sees; None: a row is a sample, or all rows of a group are one.
    horizon : int
        Steps of a forecast.
    step : (int, str), optional
        Distance of two rows in time.
    gaps, doubles : str
        What is done where rows or values are missing, and where two have one time.
    known : tuple of str
        Of a forecast: the columns whose values in the steps ahead are known, and read.
    groups, classes : tuple of str
        Names of series, and of what is to be told apart, in the model's order.
    """

    task: str
    target: str
    features: tuple[Feature, ...] = ()
    time: str | None = None
    group: str | None = None
    text: str | None = None
    time_format: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    window: int | None = None
    horizon: int = 1
    step: tuple[int, str] | None = None
    gaps: str = "skip"
    doubles: str = "refuse"
    known: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @property
    def wording(self) -> Wording:
        names = [self.group, self.text, self.target if self.task in ("classify", "text") else None]
        names += [feature.column for feature in self.features if feature.kind == "category"]
        return Wording(self.time, self.time_format, frozenset(filter(None, names)), self.decimal, self.encoding)

    @property
    def names(self) -> list[str]:
        """Of the numbers in a step that the model sees."""
        return [name for feature in self.features for name in feature.names]

    @property
    def ahead(self) -> list[int]:
        """Which of these numbers are known in the steps ahead."""
        is_known = [feature.column in self.known for feature in self.features for _ in feature.names]
        return [index for index, known in enumerate(is_known) if known]

    @property
    def is_of_groups(self) -> bool:
        """Whether all rows of a group are one sample."""
        return self.group is not None and self.window is None

    @property
    def regular_step(self) -> Step:
        assert self.step is not None
        return Step(*self.step)


def planned(target: str, task: str, options: Mapping[str, Any]) -> Plan:
    """The plan that somebody asks for, without what the file says.

    Parameters
    ----------
    target, task : str
    options : dict
        Those of `OPTIONS` that were given.

    Raises
    ------
    ValueError
        They do not go together.
    """
    if task not in TASKS:
        raise ValueError(f"--task: expected {', '.join(TASKS)}, got {task!r}.")
    if task == "forecast" and "window" not in options:
        raise ValueError("--task forecast: expected --window, the steps that the model looks back at, such as 168.")
    for option, tasks in OPTIONS.items():
        if option in options and tasks is not None and task not in tasks:
            raise ValueError(f"--{option.replace('_', '-')}: is for --task {' or '.join(tasks)}, not {task}.")
    if "stride" in options and "window" not in options:
        raise ValueError("--stride: is the distance of windows, and without --window there are none.")
    if "time_format" in options and "time" not in options:
        raise ValueError("--time-format: expected --time, too, the column that it describes.")
    for option, values in (("gaps", MENDINGS), ("doubles", DOUBLES), ("decimal", (".", ","))):
        if options.get(option, values[0]) not in values:
            raise ValueError(f"--{option}: expected {', '.join(values)}, got {options[option]!r}.")
    for option in ("columns", "known"):
        if isinstance(name := options.get(option), str):
            raise ValueError(f"--{option}: expected a list of columns, got the text {name!r}; write [{name!r}].")
    fields = {name: value for name, value in options.items() if name not in ("columns", "stride")}
    if "known" in fields:
        fields["known"] = tuple(dict.fromkeys(fields["known"]))
    return Plan(task, target, **fields)


def save(model: Any, plan: Plan, path: Path) -> None:
    """Write a model with the plan beside it."""
    model.table_plan = json.dumps(asdict(plan), indent=1, ensure_ascii=False).encode()
    model.save(path)


def load(path: str) -> Plan | None:
    """The plan in a model file; None where it has none.

    Raises
    ------
    ValueError
        It is not one that this version writes.
    """
    file = Path(path)
    if not file.is_file() or not zipfile.is_zipfile(file):
        return None
    with zip_archive.opened(file) as archive:
        if MEMBER not in archive.names:
            return None
        content = archive.content(archive.member(MEMBER))
    return parsed(content, f"{path}, {MEMBER}")


def parsed(content: bytes, where: str) -> Plan:
    """A plan in the form of a file; ValueError where it is not one that this version writes."""
    try:
        return _plan(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{where}: is not the plan of a training ({error}).") from None


def _plan(form: Mapping[str, Any]) -> Plan:
    features = [Feature(**{**one, "values": tuple(one["values"])}) for one in form["features"]]
    step = form["step"] and (int(form["step"][0]), str(form["step"][1]))
    plan = Plan(**{**form, "features": tuple(features), "step": step})
    plan = replace(plan, groups=tuple(plan.groups), classes=tuple(plan.classes), known=tuple(plan.known))
    for name, is_right in _checks(plan).items():
        if not is_right:
            raise ValueError(f"{name} is {getattr(plan, name)!r}")
    return plan


def _checks(plan: Plan) -> dict[str, bool]:
    """Of each field whether it is what it is declared as: a file may hold anything."""
    # what a task cannot do without
    needed = {"forecast": ("time", "window", "step", "features"), "text": ("text", "window")}.get(
        plan.task, ("features",)
    )
    optional = {name: _is_text(getattr(plan, name) or "") for name in ("time", "group", "text", "time_format")}
    chosen = {"task": TASKS, "gaps": MENDINGS, "doubles": DOUBLES, "decimal": (".", ",")}
    right = {
        **optional,
        **{name: getattr(plan, name) in values for name, values in chosen.items()},
        "target": _is_text(plan.target),
        "encoding": _is_text(plan.encoding),
        "window": plan.window is None or _is_count(plan.window),
        "horizon": _is_count(plan.horizon),
        "step": plan.step is None or (plan.step[0] > 0 and plan.step[1] in ("us", "month", "month end")),
        "known": {*plan.known} <= {one.column for one in plan.features[1:] if one.kind != "calendar"},
        "groups": _is_text(*plan.groups),
        "classes": _is_text(*plan.classes),
        "features": all(
            _is_text(one.column, *one.values)
            and isinstance(one.fill, (int, float))
            and (one.kind in ("number", "category") or (one.kind == "calendar" and one.column in PERIODS))
            for one in plan.features
        ),
    }
    return {name: is_right and (name not in needed or bool(getattr(plan, name))) for name, is_right in right.items()}


def _is_text(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value > 0
