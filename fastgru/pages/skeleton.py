"""The page around charts and tables."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from fastgru.pages.markup import Markup, element

__all__ = ["data_block", "page", "resource"]


def page(
    title: str,
    *body: Any,
    introduction: Any = "",
    footer: str = "",
    script: str = "",
    language: str = "en",
    choice: Markup | None = None,
) -> str:
    """A whole HTML document, with fastgru's style sheet inside.

    Parameters
    ----------
    title : str
        Of the document, and its heading.
    *body : Markup, str or lists of them
        See `element`.
    introduction : Markup or str
        What stands below the heading.
    footer : str
        The last line: what wrote the page, and of what.
    script : str
        JavaScript that runs when the page is there.
    language : str
        Of its texts, as HTML names it: ``en``, ``zh-CN``.
    choice : Markup, optional
        Buttons beside the heading.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(resource("fastgru.pages", "page.css"))),
    )
    header = element("header", choice, element("h1", title), element("p", introduction) if introduction else None)
    main = element("main", header, body, element("footer", footer) if footer else None)
    program = element("script", Markup(script.replace("</", "<\\/"))) if script else None
    return f"<!DOCTYPE html>\n{element('html', head, element('body', main, program), lang=language)}\n"


def data_block(identifier: str, value: Any) -> Markup:
    """A value of JSON that a page's script reads by ``JSON.parse(document.getElementById(identifier).textContent)``."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    return element("script", Markup(text), type="application/json", id=identifier)


def resource(package: str, name: str) -> str:
    """The text of a file that lies in a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")
