"""Draws the charts of the page of measurements from the stored results of the bench, before the pages are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from bench import stored


def draw(app: Sphinx) -> None:
    stored.draw_all(Path(app.srcdir) / "_charts")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
