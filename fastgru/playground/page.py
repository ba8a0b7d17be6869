"""The page as one text: its parts, which stand beside this file, the words and a model, without any link."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fastgru import pages
from fastgru.models import load_model
from fastgru.playground.description import described

__all__ = ["OWN_MODEL", "page", "words"]

FOLDER = Path(__file__).parent
OWN_MODEL = FOLDER / "mnist.keras"
SCRIPTS = ("step.js", "drawing.js", "samples.js", "paint.js", "pad.js", "show.js", "page.js")


def page(model: str | Path | None = None) -> str:
    """The playground as self-contained HTML.

    Parameters
    ----------
    model : str or Path, optional
        A model file; without one the page has fastgru's own, a GRU of 40 units that was trained on MNIST.

    Raises
    ------
    ValueError
        The page cannot run the model; says why.
    ModelFileError
        The file is no model, as of `load_model`.
    """
    file = OWN_MODEL if model is None else Path(model)
    description = {**described(load_model(file), file.name), "isOwn": model is None}
    parts = {
        "style": _text("style.css"),
        "model": _script_text(description),
        "words": _script_text(words()),
        "script": "\n".join([pages.resource("fastgru.pages", "words.js"), *map(_text, SCRIPTS)]),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _text("page.html"))


def words() -> dict[str, dict[str, str]]:
    """What the page says in each language: its own words, and those that it shares with other pages."""
    own = json.loads(_text("words.json"))
    return {language: {**shared, **own[language]} for language, shared in pages.words("playground").items()}


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _script_text(value: Any) -> str:
    # nothing in a string, say a file's name, may end the script that it stands in
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
