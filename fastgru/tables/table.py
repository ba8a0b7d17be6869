"""Columns of equal length that were read from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fastgru.naming import nearest
from fastgru.types import Array

SHOWN = 12  # names of columns in a message


@dataclass(frozen=True)
class Wording:
    """How the cells of a file are written.

    Attributes
    ----------
    time : str, optional
        The column of times, whatever its cells look like.
    time_format : str, optional
        Of its cells, as of `datetime.strptime`, or "unix" for seconds since 1970.
    text : frozenset of str
        Columns that are text even where their cells are numbers.
    decimal : {".", ","}
    encoding : str
    """

    time: str | None = None
    time_format: str | None = None
    text: frozenset[str] = frozenset()
    decimal: str = "."
    encoding: str = "utf-8"


@dataclass
class Table:
    """Columns of equal length.

    Attributes
    ----------
    file : str
        Its name in messages.
    columns : dict of str to (rows,) ndarray
        float64 with NaN, datetime64 with NaT or objects (str) with "" where a cell is empty.
    problems : dict of str to str
        Of a column that cannot be read as what it seems to be: the sentence that says why.
    notes : list of str
        What the reader decided and a user should know.
    lines : sequence of int
        In which line of the file each row begins; absent: rows are counted from 1.
    """

    file: str
    columns: dict[str, Array]
    problems: Mapping[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lines: Sequence[int] | Array = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def names(self) -> list[str]:
        return [*self.columns]

    def line(self, row: int) -> str:
        return f"line {self.lines[row] if len(self.lines) else row + 1:,}"

    def require(self, name: str, option: str) -> Array:
        """A column; ValueError where there is none of that name, or it cannot be read."""
        if name not in self.columns:
            near = nearest(name, self.names)
            hint = "" if near is None else f"; did you mean {near!r}?"
            raise ValueError(f"{option}: {self.file} has no column {name!r}, but {listed(self.names)}{hint or '.'}")
        if name in self.problems:
            raise ValueError(self.problems[name])
        return self.columns[name]

    def times(self) -> list[str]:
        """The columns that hold times."""
        return [name for name, column in self.columns.items() if column.dtype.kind == "M"]

    def taken(self, rows: Array) -> Table:
        """Some of the rows, in another order; `line` still takes their numbers in the file."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        return Table(self.file, columns, self.problems, self.notes, self.lines)


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first of them where there are many."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def is_missing(column: Array) -> Array:
    """(rows,) bool: which cells are empty."""
    return (
        column == "" if column.dtype == object else np.isnan(column) if column.dtype.kind == "f" else np.isnat(column)
    )
