"""Sizes of axes that are not known before the model runs, as numbers to calculate with.

An exporter writes ``x.reshape(x.shape[0], -1)`` as nodes that take shapes apart and put them together again. Here these
run while the model is drawn, on arrays of dtype object that hold a `Size` for each free axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from fastgru.layers.symbolic import SymbolicTensor

__all__ = ["Axis", "Size", "is_form", "number", "value_of"]

Axis = tuple[SymbolicTensor, int]
_Factor = Axis | tuple[str, "Size", "Size"]  # an axis, or a division that leaves something over
_Term = tuple[_Factor, ...]
MAX_FACTORS = 1_000  # in all terms and divisions of a size: of real graphs they are a few
MAX_COUNT = 1 << 63  # of int64, in which ONNX has sizes


class Size:
    """A polynomial in the sizes of free axes, with whole coefficients; equal ones are the same function of them."""

    __slots__ = ("factors", "terms")

    def __init__(self, terms: Mapping[_Term, int]) -> None:
        self.terms = {term: count for term, count in terms.items() if count}
        #: how many there are in it, those of divisions counted again wherever they stand
        self.factors = sum(1 + sum(map(_factors_of, term)) for term in self.terms)
        if self.factors > MAX_FACTORS or any(abs(count) > MAX_COUNT for count in self.terms.values()):
            raise ValueError(f"calculates a size of more than {MAX_FACTORS} factors, or beyond int64")

    @classmethod
    def of(cls, tensor: SymbolicTensor, axis: int) -> Size:
        """That of an axis."""
        return cls({((tensor, axis),): 1})

    @property
    def axes(self) -> list[Axis]:
        """The axes on which it depends, each once."""
        axes: dict[Axis, None] = {}
        for term in self.terms:
            for factor in term:
                if len(factor) == 2:
                    axes[factor] = None
                else:
                    axes.update(dict.fromkeys([*_sized(factor[1]).axes, *_sized(factor[2]).axes]))
        return list(axes)

    def value(self, size_of: Callable[[Axis], int]) -> int:
        """The number for known sizes of the axes."""
        total = 0
        for term, count in self.terms.items():
            for factor in term:
                if len(factor) == 2:
                    count *= size_of(factor)
                else:
                    count *= factor[1].value(size_of) // factor[2].value(size_of)
            total += count
        return total

    def form(self, place_of: Callable[[Axis], list[int]]) -> list[Any]:
        """As lists of numbers, for a config: (coefficient, factors) for each term, an axis as its place."""
        return [[count, [_form(factor, place_of) for factor in term]] for term, count in self.terms.items()]

    def __add__(self, other: Any) -> Any:
        terms = dict(self.terms)
        for term, count in _sized(other).terms.items():
            terms[term] = terms.get(term, 0) + count
        return _plain(terms)

    __radd__ = __add__

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        return self + _sized(other) * -1

    def __rsub__(self, other: Any) -> Any:
        return self * -1 + other

    def __mul__(self, other: Any) -> Any:
        terms: dict[_Term, int] = {}
        for term, count in self.terms.items():
            for more, times in _sized(other).terms.items():
                both = tuple(sorted((*term, *more), key=_order))
                terms[both] = terms.get(both, 0) + count * times
        return _plain(terms)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        divisor = _sized(other)
        if len(divisor.terms) == 1:
            ((factors, times),) = divisor.terms.items()
            quotients = [_divided(term, count, factors, times) for term, count in self.terms.items()]
            if times and all(one is not None for one in quotients):
                return _plain(dict(one for one in quotients if one is not None))
        return Size({(("//", self, divisor),): 1})

    __truediv__ = __floordiv__  # of whole numbers, as ONNX divides them

    def __rfloordiv__(self, other: Any) -> Any:
        return _sized(other) // self

    __rtruediv__ = __rfloordiv__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Size, int)) and self.terms == _sized(other).terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __bool__(self) -> bool:
        raise ValueError("asks whether a size is zero that is not known before the model runs")

    def __repr__(self) -> str:
        return f"<Size {self.terms}>"


def value_of(form: Any, size_at: Callable[[int, int], int]) -> int:
    """The number that a `Size.form`, or an int, comes to where a function knows the sizes at the places in it."""
    if isinstance(form, int):
        return form
    total = 0
    for count, factors in form:
        for first, second in factors:
            if isinstance(first, int):
                count *= size_at(first, second)
            else:
                count *= value_of(first, size_at) // value_of(second, size_at)
        total += count
    return total


def is_form(form: Any) -> bool:
    """Whether something that stands in a file is a size: an int, or what `Size.form` gives, of not too many factors."""
    return _is_count(form) or (isinstance(form, (list, tuple)) and _factors_in(form) <= MAX_FACTORS)


def _is_count(count: Any) -> bool:
    return type(count) is int and abs(count) <= MAX_COUNT


def _factors_in(form: Any) -> float:
    """How many factors there are in the form of a size; infinitely many where it is none."""
    total = 0.0
    for term in form:
        match term:
            case [count, [*factors]] if _is_count(count):
                total += 1 + sum(map(_factors_in_one, factors))
            case _:
                return math.inf
    return total


def _factors_in_one(factor: Any) -> float:
    match factor:
        case [int(), int()]:
            return 1
        case [[*dividend], [*divisor]]:
            return _factors_in(dividend) + _factors_in(divisor)
    return math.inf


def _factors_of(factor: _Factor) -> int:
    return 1 if len(factor) == 2 else _sized(factor[1]).factors + _sized(factor[2]).factors


def number(size: Any) -> Any:
    """A size as a plain int where it is known, else itself."""
    return size if isinstance(size, Size) else int(size)


def _sized(value: Any) -> Any:
    return value if isinstance(value, Size) else Size({(): int(value)})


def _plain(terms: Mapping[_Term, int]) -> Any:
    """What terms come to: an int where no size is left in them."""
    size = Size(terms)
    return size if any(size.terms) else size.terms.get((), 0)


def _order(factor: _Factor) -> tuple[int, ...]:
    return (id(factor[0]), factor[1]) if len(factor) == 2 else (hash(factor),)


def _divided(term: _Term, count: int, factors: _Term, times: int) -> tuple[_Term, int] | None:
    """A term divided by another, None where something is left over."""
    left = list(term)
    for factor in factors:
        if factor not in left:
            return None
        left.remove(factor)
    return None if not times or count % times else (tuple(left), count // times)


def _form(factor: _Factor, place_of: Callable[[Axis], list[int]]) -> list[Any]:
    if len(factor) == 2:
        return place_of(factor)
    return [_sized(one).form(place_of) for one in factor[1:]]
