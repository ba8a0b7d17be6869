"""HTML and SVG elements, whose texts are escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["Markup", "Word", "element"]

VOID = frozenset({"br", "hr", "img", "input", "meta"})  # elements of HTML without an end


class Markup(str):
    """A text that is HTML already and goes into a page as it is."""

    __slots__ = ()


class Word(str):
    """A text that a page's script can say in another language.

    Attributes
    ----------
    key : str
        By which the script knows it.
    values : dict of str to str, int, Word or list of Word
        What stands in it.
    """

    key: str
    values: Mapping[str, Any]

    def __new__(cls, text: str, key: str, values: Mapping[str, Any]) -> Word:
        new = super().__new__(cls, text)
        new.key, new.values = key, values
        return new

    def attributes(self, name: str = "word") -> dict[str, str]:
        """What an element has whose text this is (``word``), or what it is called by (``label``)."""
        attributes = {f"data-{name}": self.key}
        if self.values:
            form = json.dumps(self.form["values"], separators=(",", ":"), ensure_ascii=False)
            attributes["data-values" if name == "word" else f"data-{name}-values"] = form
        return attributes

    @property
    def form(self) -> dict[str, Any]:
        """Key and values as JSON has them."""
        return {"word": self.key, "values": {name: _form(value) for name, value in self.values.items()}}


def _form(value: Any) -> Any:
    if isinstance(value, Word):
        return value.form
    return [*map(_form, value)] if isinstance(value, list) else value


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """``<tag attribute="value">children</tag>``.

    Parameters
    ----------
    tag : str
    *children : Markup, str, number, None or a list of these
        Texts that are no `Markup` are escaped; None is left out. A `Word` is said by the element where it is its only
        child, else by a ``span`` of its own.
    **attributes : str, number, bool or None
        ``class_`` is ``class`` and ``aria_label`` is ``aria-label``; None and False leave an attribute out, and True is
        one without a value.
    """
    if isinstance(label := attributes.get("aria_label"), Word):
        attributes |= label.attributes("label")
    if len(children) == 1 and isinstance(children[0], Word):
        attributes |= children[0].attributes()
        children = (str(children[0]),)
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
    if isinstance(child, Word):
        return element("span", child)
    if isinstance(child, (list, tuple)):
        return "".join(map(_text, child))
    return child if isinstance(child, Markup) else html.escape(str(child))
