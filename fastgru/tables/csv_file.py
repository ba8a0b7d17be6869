"""CSV files: separator and header told by the first lines, columns parsed some thousand rows at a time."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.tables.table import Table, Wording
from fastgru.tables.times import UnreadableTime, look_like_times, stamps
from fastgru.types import Array

ROWS = 2_000  # parsed at a time, while their cells are in the cache
SEPARATORS = ",;\t|"
SEEN = 100  # cells by which the kind of a column is told
THOUSANDS = re.compile(r"\.(?=\d{3}(?:[.,]|\s*$))")  # a point between them, where the comma is decimal
BREAK = re.compile(r"\r\n|\r|\n")
MISSING = frozenset(("", "na", "n/a", "nan", "null", "none"))


def read(path: Path, wording: Wording) -> Table:
    """The columns of a CSV file.

    Raises
    ------
    ValueError
        It is not text in the encoding, has no header, or a row has more or fewer cells than that.
    """
    try:
        with path.open(encoding=_encoding(path, wording.encoding), newline="") as file:
            return _table(file, path.name, wording)
    except UnicodeError as error:
        raise ValueError(
            f"{path.name}: is not text in {wording.encoding} ({error}); save it as UTF-8 or name its --encoding."
        ) from None
    except LookupError:
        raise ValueError(f"--encoding: Python knows none that is called {wording.encoding!r}.") from None
    except csv.Error as error:
        raise ValueError(f"{path.name}: is not a CSV file ({error}).") from None


def _encoding(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        head = file.read(2)
    if head in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    return "utf-8-sig" if encoding.lower().replace("-", "") == "utf8" else encoding


def _table(file: io.TextIOBase, name: str, wording: Wording) -> Table:
    head = file.read(1 << 16)
    if "\0" in head:
        raise ValueError(f"{name}: expected a CSV file of text, got bytes that are none.")
    file.seek(0)
    reader = csv.reader(file, delimiter=_separator(head), strict=True)
    names = _header(next(reader, []), name, wording)
    columns: list[Column] = []
    lines: list[Sequence[int]] = []
    for cells, its_lines in _chunks(reader, len(names), name):
        if not columns:
            columns = [_column(*pair, name, wording) for pair in zip(names, cells, strict=True)]
        for column, texts in zip(columns, cells, strict=True):
            column.add(texts, its_lines)
        lines.append(its_lines)
    count = sum(map(len, lines))
    if not count:
        raise ValueError(f"{name}: has a header and no rows.")
    problems = {column.name: column.problem for column in columns if column.problem}
    notes = [f"{name}: {column.note}" for column in columns if column.note]
    return Table(name, {column.name: column.whole(count) for column in columns}, problems, notes, np.concatenate(lines))


def _separator(head: str) -> str:
    """The one that cuts the first lines into equally many cells, and into the most."""

    def width(separator: str) -> int:
        try:
            rows = [row for row in csv.reader(io.StringIO(head), delimiter=separator) if row][:20]
        except csv.Error:
            return 0
        rows = rows if len(rows) < 3 else rows[:-1]  # the last may be cut
        return len(rows[0]) if rows and len({len(row) for row in rows}) == 1 else 0

    return max(SEPARATORS, key=width)


def _header(cells: Sequence[str], name: str, wording: Wording) -> list[str]:
    names = [cell.strip() for cell in cells]
    if names and not names[0]:
        names[0] = "index"  # frames of pandas are written so
    some = [cell for cell in names if cell]
    if not some or all(_is_number(cell, wording.decimal) or look_like_times([cell]) for cell in some):
        shown = ", ".join(map(repr, names[:4])) or "nothing"
        raise ValueError(f"{name}: expected the names of the columns in the first line, got {shown}; write them there.")
    double = next((one for index, one in enumerate(names) if one in names[:index] or not one), None)
    if double is not None:
        raise ValueError(f"{name}: expected a name of its own for each column, got {double!r} twice or none.")
    return names


def _chunks(reader: Any, width: int, name: str) -> Iterator[tuple[list[tuple[str, ...]], Sequence[int]]]:
    """Rows by columns, and the line in which each begins; blank lines are left out."""
    line = reader.line_num + 1
    while rows := list(islice(reader, ROWS)):
        lines = _lines(rows, line, reader.line_num)
        line = reader.line_num + 1
        try:
            cells = list(zip(*rows, strict=True))
        except ValueError:
            cells = []
        if len(cells) != width:
            for at, row in zip(lines, rows, strict=True):
                if len(row) not in (0, width):
                    raise ValueError(f"{name}, line {at:,}: expected {width} cells as in the header, got {len(row)}.")
            lines = [at for at, row in zip(lines, rows, strict=True) if row]
            cells = list(zip(*filter(None, rows), strict=True))
        if cells:
            yield cells, lines


def _lines(rows: Sequence[Sequence[str]], first: int, last: int) -> Sequence[int]:
    """The line in which each of some rows begins, of which the first begins in a line and the last ends in one."""
    if last - first + 1 == len(rows):
        return range(first, last + 1)
    breaks = [sum(len(BREAK.findall(cell)) for cell in row) for row in rows]  # those inside quotes
    return [first + index + before for index, before in enumerate(accumulate(breaks[:-1], initial=0))]


# --- columns --------------------------------------------------------------------------------------------


class Column:
    """The cells of a column, parsed chunk by chunk; the first that cannot be parsed is its `problem`."""

    problem = note = ""
    empty: Any = np.nan

    def __init__(self, name: str, file: str, wording: Wording) -> None:
        self.name, self.file, self.wording = name, file, wording
        self.parts: list[Array] = []

    def add(self, texts: Sequence[str], lines: Sequence[int]) -> None:
        """More cells, with the lines of the file in which their rows begin."""
        if not self.problem:
            self.parts.append(self.parsed(texts, lines))

    def parsed(self, texts: Sequence[str], lines: Sequence[int]) -> Array:
        raise NotImplementedError

    def complain(self, line: int, reason: str) -> None:
        self.problem = f"{self.file}, line {line:,}, column {self.name!r}: {reason}."

    def whole(self, rows: int) -> Array:
        return np.concatenate(self.parts) if not self.problem else np.full(rows, self.empty)


class Numbers(Column):
    def parsed(self, texts: Sequence[str], lines: Sequence[int]) -> Array:
        if self.wording.decimal == ",":
            texts = [_with_point(text) for text in texts]
        try:
            return np.array(texts, np.float64)
        except ValueError:  # empty cells, or one that is no number
            texts = [_stripped(text) or "nan" for text in texts]
        try:
            return np.array(texts, np.float64)
        except ValueError:
            index = next(index for index, text in enumerate(texts) if not _is_number(text))
            remedy = "; is it a decimal comma, give --decimal ','" if _is_number(texts[index], ",") else ""
            self.complain(lines[index], f"expected a number, got {texts[index]!r}{remedy}")
            return np.empty(0)


class Times(Column):
    empty = np.datetime64("NaT", "us")

    def parsed(self, texts: Sequence[str], lines: Sequence[int]) -> Array:
        time_format = self.wording.time_format if self.name == self.wording.time else None
        try:
            try:
                times, has_zone = stamps(texts, time_format)
            except UnreadableTime:
                times, has_zone = stamps([_stripped(text) for text in texts], time_format)
        except UnreadableTime as error:
            self.complain(lines[error.index], str(error))
            return np.empty(0)
        if has_zone:
            self.note = f"the times of {self.name!r} say their zone and are taken in UTC"
        return times


class Texts(Column):
    def __init__(self, name: str, file: str, wording: Wording) -> None:
        super().__init__(name, file, wording)
        self._known: dict[str, str] = {}

    def parsed(self, texts: Sequence[str], lines: Sequence[int]) -> Array:
        known = self._known.setdefault  # equal cells are one object: a column of few words takes little memory
        cells = np.empty(len(texts), object)
        cells[:] = [known(text, text) for text in map(str.strip, texts)]
        return cells


def _column(name: str, texts: Sequence[str], file: str, wording: Wording) -> Column:
    """A column of the kind that its first cells have, or that the wording says."""
    if name == wording.time:
        return Times(name, file, wording)
    seen = [*filter(None, map(_stripped, texts))][:SEEN]
    if name not in wording.text:
        if look_like_times(seen):
            return Times(name, file, wording)
        numbers = sum(_is_number(text, wording.decimal) for text in seen)
        # a column of numbers with a slip is one, and its problem is said by whoever asks for it
        if 2 * numbers > len(seen) or not seen:
            return Numbers(name, file, wording)
        if wording.decimal == "." and seen and all(_is_number(text, ",") for text in seen):
            return Numbers(name, file, wording)
    return Texts(name, file, wording)


def _stripped(text: str) -> str:
    """A cell without spaces around it; empty where it says that there is nothing."""
    text = text.strip()
    return "" if text.lower() in MISSING else text


def _with_point(text: str) -> str:
    """A number with a decimal comma in the form of others."""
    return THOUSANDS.sub("", text).replace(",", ".")


def _is_number(text: str, decimal: str = ".") -> bool:
    try:
        float(text if decimal == "." else _with_point(text))
    except ValueError:
        return False
    return True
