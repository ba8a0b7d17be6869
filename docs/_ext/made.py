"""What pages show and the build makes: charts and tables of stored results, and the page on which one draws a digit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from bench import ranks, stored, tables
from fastgru import playground

LINES = ("scale-batch", "scale-steps")


def make(app: Sphinx, config: Config) -> None:
    made = Path(app.srcdir) / "_made"
    drawn = stored.draw_all(made)
    lines = [f"![{file.stem}](_made/{file.name})\n" for file in drawn if file.stem in LINES]
    (made / "sizes.md").write_text("\n".join(lines) or "<!-- no run with many sizes is stored -->\n")
    tables.write(made)
    measured = json.loads(ranks.STORED.read_text(encoding="utf-8"))
    (made / "ranks.md").write_text(ranks.tables(measured), encoding="utf-8")
    (made / "pages").mkdir(parents=True, exist_ok=True)
    (made / "pages/draw.html").write_text(playground.page(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
