"""What pages say in each of their languages: ``words.json``, and the buttons that ``words.js`` wires."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from fastgru.pages.markup import Markup, Word, element
from fastgru.pages.skeleton import resource

__all__ = ["LANGUAGES", "language_choice", "word", "words"]

# by its name in `words.json`: how HTML calls a language, and how it calls itself
LANGUAGES = {"en": ("en", "English"), "zh": ("zh-CN", "中文")}


@cache
def words(section: str) -> dict[str, dict[str, str]]:
    """For each language the words of a section of `words.json`, if it has that, with those that all pages share."""
    sections = json.loads(resource("fastgru.pages", "words.json"))
    return {
        language: {**sections["shared"][language], **sections.get(section, {}).get(language, {})}
        for language in LANGUAGES
    }


def word(language: str, key: str, /, **values: Any) -> Word:
    """The words of a key of the section ``explanation`` in a language.

    Parameters
    ----------
    language, key : str
    **values : str, int, Word or list of Word
        What stands in the places that the words name in braces.
    """

    def said(value: Any) -> str:
        if isinstance(value, list):
            return words("explanation")[language]["comma"].join(map(said, value))
        return str(value)

    text = re.sub(r"\{(\w+)\}", lambda place: said(values[place[1]]), words("explanation")[language][key])
    return Word(text, key, values)


def language_choice(language: str) -> Markup:
    """A button for each language, the one that is spoken pressed."""
    buttons = [
        element("button", name, type="button", lang=tag, data_language=one, aria_pressed=str(one == language).lower())
        for one, (tag, name) in LANGUAGES.items()
    ]
    return element("div", buttons, class_="languages", role="group", aria_label="Language · 语言")
