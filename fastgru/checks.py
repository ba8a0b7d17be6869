"""What is asked of arguments and arrays that come from outside, wherever they come in.

Each takes a value, `where` (how an error begins, as ``GRU 'gru'``) and the argument's name. It returns the value as the
package keeps it, or raises a ValueError of one sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from fastgru.types import Array

INTEGERS = (int, np.integer)
NUMBERS = (int, float, np.integer, np.floating)


def _is_integer(value: Any) -> bool:
    return isinstance(value, INTEGERS) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, NUMBERS) and not isinstance(value, bool)


def optional(check: Callable[[Any, str, str], Any]) -> Callable[[Any, str, str], Any]:
    """The same check, which lets None pass."""

    def check_what_is_there(value: Any, where: str, name: str) -> Any:
        return None if value is None else check(value, where, name)

    return check_what_is_there


def text(value: Any, where: str, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where}: expected {name} to be a string, got {value!r}.")
    return value


def function(value: Any, where: str, name: str) -> Callable[..., Any]:
    if not callable(value):
        raise ValueError(f"{where}: {name} must be a function, got {value!r}.")
    return value


def integer(value: Any, where: str, name: str) -> int:
    if not _is_integer(value):
        raise ValueError(f"{where}: {name} must be an integer, got {value!r}.")
    return int(value)


def positive_integer(value: Any, where: str, name: str) -> int:
    if not _is_integer(value) or value <= 0:
        raise ValueError(
            f"{where}: {name} must be a positive integer, got {value!r}; `{name}` should be a positive integer."
        )
    return int(value)


def count(value: Any, where: str, name: str, least: int = 0) -> int:
    if not _is_integer(value) or value < least:
        raise ValueError(f"{where}: {name} must be a whole number of at least {least}, got {value!r}.")
    return int(value)


def integers(value: Any, count: int, where: str, name: str, least: int = 1) -> tuple[int, ...]:
    """A tuple of `count` integers, a single one standing for all."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,) * count
    if len(values) == count and all(map(_is_integer, values)) and min(values) < least == 1:
        raise ValueError(
            f"{where}, {name}: expected an integer or {count} of them, each at least {least}, got {value!r}; it "
            f"should be a positive integer: Invalid value for argument `{name}`. Expected a strictly positive value. "
            f"Received {name}={value!r}."
        )
    if len(values) != count or not all(_is_integer(one) and one >= least for one in values):
        raise ValueError(
            f"{where}, {name}: expected an integer or {count} of them, each at least {least}, got {value!r}."
        )
    return tuple(int(one) for one in values)


def integer_from_one(value: Any, where: str, name: str) -> int:
    return integers(value, 1, where, name)[0]


def axes(value: Any, where: str, name: str) -> int | list[int]:
    """One axis, or a list of them."""
    if _is_integer(value):
        return int(value)
    if not isinstance(value, (list, tuple)) or not all(map(_is_integer, value)):
        raise ValueError(f"{where}: {name} must be an integer or a list of them, got {value!r}.")
    return [int(axis) for axis in value]


def seed(value: Any, where: str, name: str) -> int | None:
    if value is not None and (not _is_integer(value) or value < 0):
        raise ValueError(f"{where}: {name} must be None or a whole number of at least 0, got {value!r}.")
    return None if value is None else int(value)


def flag(value: Any, where: str, name: str) -> bool:
    if not isinstance(value, (bool, np.bool_, *INTEGERS)) or value not in (0, 1):
        raise ValueError(f"{where}: {name} must be True or False, got {value!r}.")
    return bool(value)


def verbosity(value: Any, where: str, name: str) -> int:
    """Of a callback: 0 says nothing."""
    return count(int(value) if isinstance(value, (bool, np.bool_)) else value, where, name)


def number(value: Any, where: str, name: str) -> float:
    if not _is_number(value) or math.isnan(value):
        raise ValueError(f"{where}: {name} must be a number, got {value!r}.")
    return float(value)


def rate(value: Any, where: str, name: str) -> Any:
    """A number from 0 to 1, as it is."""
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(
            f"{where}: Invalid value received for argument `{name}`. Expected a float value between 0 and 1. "
            f"{name} must lie in [0, 1], got {value!r}."
        )
    return value


def rate_below_one(value: Any, where: str, name: str) -> Any:
    if not _is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{where}: {name} must lie in [0, 1), got {value!r}.")
    return value


def is_not_negative(value: Any) -> bool:
    return _is_number(value) and bool(value >= 0)


def not_negative(value: Any, where: str, name: str) -> Any:
    if not is_not_negative(value):
        raise ValueError(f"{where}: {name} must be at least 0, got {value!r}.")
    return value


def positive(value: Any, where: str, name: str) -> Any:
    if not is_not_negative(value) or not value:
        raise ValueError(f"{where}: {name} must be greater than 0, got {value!r}.")
    return value


def listed(value: Any, where: str, name: str) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ValueError(f"{where}: {name} must be a tuple or a list, got {value!r}.")
    return tuple(value)


def sizes(value: Any, where: str, name: str) -> tuple[int | None, ...]:
    """A shape: whole numbers of at least 0, and None for what is not known."""
    listed = isinstance(value, (list, tuple))
    if not listed or not all(size is None or (_is_integer(size) and size >= 0) for size in value):
        raise ValueError(f"{where}: {name} must be a tuple of sizes, each None or at least 0, got {value!r}.")
    return tuple(value)


def choice(value: Any, choices: Sequence[Any], where: str, name: str) -> Any:
    if value not in choices:
        raise ValueError(f"{where}: {name} must be one of {', '.join(map(str, choices))}, got {value!r}.")
    return value


def either(value: Any, first: str, second: str, where: str, name: str) -> str:
    if value not in (first, second):
        raise ValueError(f"{where}: {name} must be {first!r} or {second!r}, got {value!r}.")
    return str(value)


def not_supported(where: str, **arguments: Any) -> None:
    """Refuse arguments of Keras's that are not None or False."""
    for name, value in arguments.items():
        # `is`: the truth value of an array or a tensor is not for us to ask
        if value is not None and value is not False:
            raise ValueError(f"{where}: {name} is not supported by fastgru, got {value!r}.")


# --- arrays -----------------------------------------------------------------------------------------------------------


def missing_axis(shape: Sequence[int | None], expected: Sequence[int | None]) -> str:
    """The end of an error about a shape: what to do where the batch axis is all that is missing."""
    fits = len(shape) == len(expected) - 1 and all(
        known in (None, size) for size, known in zip(shape, expected[1:], strict=True)
    )
    return "; add a batch axis: x[None]" if fits else ""


def real_numbers(values: Any, where: str) -> Array:
    """`values` as an array of real numbers; a ValueError that begins with `where` for anything else.

    Iterators and data sets are refused before numpy iterates over them, perhaps without an end.
    """
    if type(values) is np.ndarray and values.dtype.kind in "fiub":
        return values
    if not (isinstance(values, (int, float, Sequence)) or hasattr(values, "__array__")):
        raise ValueError(f"{where}: expected real numbers, got {type(values).__name__}; give an array.")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{where}: expected an array, got nested lists of unequal lengths.") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{where}: expected real numbers, got {type(values).__name__} of dtype {array.dtype}.")
    return array
