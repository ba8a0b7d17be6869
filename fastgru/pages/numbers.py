"""Numbers as people read them, and where an axis has its ticks."""

from __future__ import annotations

import math

__all__ = ["number", "tick_labels", "ticks"]

MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 4) -> str:
    """A number in a few digits: ``0.1235``, ``1,234,568``, ``2.5e7``, and a minus as wide as a plus."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if float(value).is_integer() and abs(value) < 1e12:
        text = f"{int(value):,}"
    elif 10**digits <= abs(value) < 1e12:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.{digits}g}"
    return text.replace("-", MINUS).replace("e+", "e")


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most so many round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    if not low < high:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [index * step for index in range(first, last + 1)]


def tick_labels(values: list[float]) -> list[str]:
    """Labels of ticks, as many digits behind the point on each as the distance between them needs."""
    if len(values) < 2 or max(map(abs, values)) >= 1e7 or values[1] - values[0] < 1e-5:
        return [number(value) for value in values]
    decimals = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9))
    return [f"{value + 0.0:,.{decimals}f}".replace("-", MINUS) for value in values]
