"""HTML and SVG elements, whose texts are escaped."""

from __future__ import annotations

import html
from typing import Any

__all__ = ["Markup", "element"]

VOID = frozenset({"br", "hr", "img", "input", "meta"})  # elements of HTML without an end


class Markup(str):
    """A text that is HTML already and goes into a page as it is."""

    __slots__ = ()


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """``<tag attribute="value">children</tag>``.

    Parameters
    ----------
    tag : str
    *children : Markup, str, number, None or a list of these
        Texts that are no `Markup` are escaped; None is left out.
    **attributes : str, number, bool or None
        ``class_`` is ``class`` and ``aria_label`` is ``aria-label``; None and False leave an attribute out, and True is
        one without a value.
    """
    text = "".join(_attribute(name, value) for name, value in attributes.items() if value is not None)
    inner = "".join(map(_text, children))
    return Markup(f"<{tag}{text}>" if tag in VOID else f"<{tag}{text}>{inner}</{tag}>")


def _attribute(name: str, value: Any) -> str:
    name = name.rstrip("_").replace("_", "-")
    if isinstance(value, bool):
        return f" {name}" * value
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{html.escape(text)}"'


def _text(child: Any) -> str:
    if child is None:
        return ""
    if isinstance(child, (list, tuple)):
        return "".join(map(_text, child))
    return child if isinstance(child, Markup) else html.escape(str(child))
