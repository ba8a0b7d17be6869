"""What is common to the tasks: samples in parts, networks over them, and how good their answers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastgru.tables.network import Networks, Size
from fastgru.tables.plan import Plan
from fastgru.tables.split import PARTS
from fastgru.types import Array

Predict = Callable[[Any], Array]  # what a model that takes raw numbers says of samples


@dataclass(frozen=True)
class Samples:
    """Inputs and targets of one part.

    Attributes
    ----------
    x
        An array, windows, a list of sequences, or a list of inputs.
    y
        Targets as the trained network has them: scaled, or class numbers.
    """

    x: Any
    y: Any

    def __len__(self) -> int:
        return len(self.y)


@dataclass
class Comparison:
    """An error, or a share of right answers, of the model and of what needs no model.

    Attributes
    ----------
    metric : str
    model : float
    baselines : dict of str to float
    is_error : bool
        Whether less is better.
    """

    metric: str
    model: float
    baselines: dict[str, float]
    is_error: bool = True

    @property
    def best(self) -> str:
        """The name of the best baseline."""
        order = min if self.is_error else max
        return order(self.baselines, key=self.baselines.__getitem__)

    @property
    def beats(self) -> bool:
        best = self.baselines[self.best]
        return self.model < best if self.is_error else self.model > best

    def shown(self, value: float) -> str:
        return f"{value:,.4g}" if self.is_error else f"{value:.2%}"

    def verdict(self) -> str:
        """Whether the model is worth having, in plain words."""
        best = self.baselines[self.best]
        values = f"{self.metric} {self.shown(self.model)} against {self.shown(best)}"
        if not self.beats:
            return (
                f"The model does NOT beat {self.best} ({values}): as it is, that simple rule serves better. More data, "
                "more epochs or a longer window may help."
            )
        if not self.is_error:
            return f"The model beats {self.best} ({values})."
        return f"The model beats {self.best} by {1 - self.model / best:.0%} ({values})."


@dataclass
class Outcome:
    """How good a model is on samples, by task filled more or less.

    Attributes
    ----------
    comparisons : list of Comparison
        The first is what the verdict goes by.
    """

    comparisons: list[Comparison]
    count: int

    @property
    def verdict(self) -> str:
        return self.comparisons[0].verdict()


class Problem(Protocol):
    """A task on a file, ready to be trained."""

    plan: Plan
    parts: Sequence[Samples]
    notes: list[str]

    @property
    def loss(self) -> str: ...

    @property
    def metrics(self) -> list[str]: ...

    def networks(self, size: Size) -> Networks:
        """New ones."""

    def outcome(self, predict: Predict) -> Any:
        """How a served network's predictions are on the last part."""


@dataclass
class Answers:
    """Predictions as a table.

    Attributes
    ----------
    columns : dict of str to list or ndarray
    array : ndarray
        The same as the model gives it.
    """

    columns: dict[str, Any]
    array: Array
    notes: list[str] = field(default_factory=list)


def check_parts(parts: Sequence[Samples], file: str, what: str, remedy: str) -> None:
    """ValueError where a part has no samples."""
    for name, part in zip(PARTS, parts, strict=True):
        if not len(part):
            raise ValueError(f"{file}: has no {what} in its {name} part; {remedy}.")
