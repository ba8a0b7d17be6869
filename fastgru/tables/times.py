"""Times as they are written in files, and the regular step between them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np

from fastgru.types import Array

ISO = re.compile(
    r"\d{4}[-/]\d{1,2}([-/]\d{1,2}([T ]\d{1,2}(:\d{2}(:\d{2}([.,]\d+)?)?)?)?)? ?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)
ZONE = re.compile(r" ?(Z|[+-]\d{2}:?\d{2})$")
AMBIGUOUS = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b.*", re.ASCII)
UNIX = "unix"
LONE_DIGIT = re.compile(r"(?<=-)(\d)(?!\d)|(?<=[T ])(\d)(?=:|$)")


class UnreadableTime(ValueError):
    """A cell that is no time; `index` says which."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


def look_like_times(texts: Sequence[str]) -> bool:
    """Whether the cells that are not empty are all times, in a form that is read or one that is ambiguous."""
    some = [text for text in texts if text]
    return bool(some) and all(ISO.fullmatch(text) or AMBIGUOUS.fullmatch(text) for text in some)


def stamps(texts: Sequence[str], time_format: str | None = None) -> tuple[Array, bool]:
    """Times of texts in UTC or of no zone, NaT where a text is empty; and whether they said their zone.

    Raises
    ------
    UnreadableTime
    """
    if time_format is not None:
        return _by_format(texts, time_format)
    first = next(((index, text) for index, text in enumerate(texts) if text), None)
    if first is None:
        return np.full(len(texts), "NaT", "datetime64[us]"), False
    _check(*first)
    plain = [text.replace("/", "-") for text in texts] if "/" in first[1] else list(texts)
    offsets: Array | None = None
    if zone := ZONE.search(first[1]):
        plain, offsets = _without_zones(plain, zone.group(1) == "Z")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy only warns where some texts have a zone and the first has none
            times = np.array(plain, "datetime64[us]")
    except (ValueError, UserWarning, DeprecationWarning):
        times = _one_by_one(texts, plain)
    return (times if offsets is None else times - offsets), offsets is not None


def _check(index: int, text: str) -> None:
    if ISO.fullmatch(text):
        return
    if AMBIGUOUS.fullmatch(text):
        raise UnreadableTime(
            index,
            f"{text!r} may be day or month first; say which by --time-format, such as '%d.%m.%Y %H:%M' or '%m/%d/%Y'",
        )
    raise UnreadableTime(
        index, f"expected a time such as 2026-01-31 or 2026-01-31 18:00, got {text!r}; --time-format describes others"
    )


def _without_zones(texts: Sequence[str], all_utc: bool) -> tuple[list[str], Array]:
    """Texts without their zones, and by how many microseconds each is ahead of UTC."""
    minutes = np.zeros(len(texts), "timedelta64[m]")
    plain = []
    for index, text in enumerate(texts):
        zone = ZONE.search(text)
        if text and zone is None:
            raise UnreadableTime(index, f"{text!r} has no zone, and times before it have one; write all in one form")
        plain.append(text[: zone.start()] if zone else text)
        if zone and zone.group(1) != "Z":
            sign, digits = zone.group(1)[0], zone.group(1)[1:].replace(":", "")
            minutes[index] = int(f"{sign}1") * (int(digits[:2]) * 60 + int(digits[2:]))
    return plain, minutes


def _one_by_one(texts: Sequence[str], plain: Sequence[str]) -> Array:
    """The times of texts of which numpy does not read all: some have single digits, or one is no time."""
    times = np.full(len(texts), "NaT", "datetime64[us]")
    for index, (text, form) in enumerate(zip(texts, plain, strict=True)):
        if not text:
            continue
        _check(index, text)
        digits = LONE_DIGIT.sub(lambda match: f"0{match.group()}", form.strip()).replace(",", ".")
        whole, point, fraction = digits.partition(".")
        try:
            times[index] = np.datetime64(
                datetime.fromisoformat(f"{whole}{point}{fraction[:6]:0<6}" if point else _full(whole))
            )
        except ValueError as error:
            raise UnreadableTime(index, f"{text!r} is no time ({error})") from None
    return times


def _full(text: str) -> str:
    return f"{text}-01" if len(text) == 7 else f"{text}:00" if len(text) == 13 else text


def _by_format(texts: Sequence[str], time_format: str) -> tuple[Array, bool]:
    times = np.full(len(texts), "NaT", "datetime64[us]")
    known: dict[str, datetime] = {}
    has_zone = time_format == UNIX
    for index, text in enumerate(texts):
        if not text:
            continue
        if text not in known:
            try:
                if time_format == UNIX:
                    known[text] = datetime.fromtimestamp(float(text), timezone.utc).replace(tzinfo=None)
                else:
                    time = datetime.strptime(text, time_format)
                    has_zone = has_zone or time.tzinfo is not None
                    known[text] = time.astimezone(timezone.utc).replace(tzinfo=None) if time.tzinfo else time
            except (ValueError, OverflowError, OSError):
                raise UnreadableTime(index, f"expected a time in the form {time_format!r}, got {text!r}") from None
        times[index] = known[text]
    return times, has_zone


# --- the step -------------------------------------------------------------------------------------------

UNITS = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}
SECOND = 1_000_000  # microseconds


@dataclass(frozen=True)
class Step:
    """The regular distance of times: months, or microseconds.

    Attributes
    ----------
    size : int
        How many of the unit.
    unit : {"month", "month end", "us"}
    """

    size: int
    unit: str = "us"

    @property
    def seconds(self) -> float:
        return self.size * (1 / SECOND if self.unit == "us" else 30.4375 * 86_400)

    def numbers(self, times: Array) -> tuple[Array, Array]:
        """On which step each time lies, and whether exactly."""
        if self.unit != "us":
            months = times.astype("datetime64[M]").astype(np.int64)
            first = months.min() if len(months) else 0
            number, rest = np.divmod(months - first, self.size)
            return number, rest == 0
        numbers = times.astype("datetime64[us]").astype(np.int64)
        distance = numbers - (numbers.min() if len(numbers) else 0)
        number = (distance + self.size // 2) // self.size
        return number, number * self.size == distance

    def after(self, time: np.datetime64, counts: Array) -> Array:
        """The times that lie so many steps behind one."""
        if self.unit == "us":
            return time + (counts * self.size).astype("timedelta64[us]")
        month = time.astype("datetime64[M]") + int(self.unit == "month end")  # the last day lies before the next month
        rest = time - month.astype("datetime64[us]")
        return (month + (counts * self.size).astype("timedelta64[M]")).astype("datetime64[us]") + rest

    def __str__(self) -> str:
        if self.unit != "us":
            return _counted(self.size, "month")
        seconds = self.size / SECOND
        for unit, size in UNITS.items():
            if seconds % size == 0:
                return _counted(int(seconds // size), unit)
        return f"{seconds:g} seconds"


def _counted(count: int, unit: str) -> str:
    return unit if count == 1 else f"{count:,} {unit}s"


def step_of(times: Array, follows: Array) -> Step | None:
    """The distance that most neighbours have; None where none has one.

    Parameters
    ----------
    times : (N,) datetime64 ndarray
        In their order.
    follows : (N - 1,) bool ndarray
        Whether time i + 1 is of the same series as time i, and later.
    """
    distances = np.diff(times.astype("datetime64[us]").astype(np.int64))[follows]
    if not len(distances):
        return None
    months = times.astype("datetime64[M]")
    days = distances.min() / (86_400 * SECOND)
    for unit, ahead in (("month", 0), ("month end", 1)):
        if days >= 28 and len(np.unique(times - (months + ahead).astype("datetime64[us]"))) == 1:
            sizes, counts = np.unique(np.diff(months.astype(np.int64))[follows], return_counts=True)
            return Step(int(sizes[counts.argmax()]), unit)
    sizes, counts = np.unique(distances, return_counts=True)
    return Step(int(sizes[counts.argmax()]))


def shown(times: Array) -> list[str]:
    """Times as they are written to files: without the parts that are zero in all of them."""
    micros = times.astype("datetime64[us]")
    for unit in ("D", "m", "s"):
        if (micros == micros.astype(f"datetime64[{unit}]")).all():
            return [text.replace("T", " ") for text in np.datetime_as_string(micros, unit=unit).tolist()]
    return [text.replace("T", " ") for text in np.datetime_as_string(micros).tolist()]
