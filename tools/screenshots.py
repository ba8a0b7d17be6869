"""Screenshots of the playground, of reports and of the documentation: desktop and phone, light and dark, two languages.

Needs ``pip install 'fastgru[browser]'`` and a Chromium, which tests/browsers.py finds. Run as
``python tools/screenshots.py FOLDER [PAGE.html or SITE ...]``: a page is one that ``fastgru explain`` or ``fastgru
train`` wrote, or any other; a site is the folder that ``sphinx-build -W docs SITE`` built.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browsers import chromium

from fastgru.playground import page

SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
PAGES = (
    "index", "introduction", "tutorials/forecast", "api/layers-recurrent", "measured", "playground",
    "zh/index", "zh/introduction", "zh/tutorials/forecast",
)  # fmt: skip


def tab_of(browser: Any, size: str, theme: str) -> Any:
    """A new page of that size and theme."""
    width, height = SIZES[size]
    return browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=2 if size == "phone" else 1,
        has_touch=size == "phone", color_scheme=theme, reduced_motion="reduce",
    )  # fmt: skip


def shoot(tab: Any, target: Path) -> None:
    tab.evaluate("window.scrollTo(0, 0)")
    tab.screenshot(path=target, full_page=True)
    print(target)


def main(folder: Path, pages: list[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = page()
    with chromium() as browser:
        for size, theme in product(SIZES, ("light", "dark")):
            tab = tab_of(browser, size, theme)
            for language in ("en", "zh"):
                tab.set_content(text)
                tab.click(f"[data-language={language}]")
                shoot(tab, folder / f"playground-{size}-{theme}-{language}-read.png")
                tab.click("[data-experiment=freeze]")
                shoot(tab, folder / f"playground-{size}-{theme}-{language}-held.png")
            for other in pages:
                tab.goto(other.resolve().as_uri())
                name = "-".join(other.with_suffix("").parts[-2:]) if other.parent.name else other.stem
                shoot(tab, folder / f"{name}-{size}-{theme}.png")
            tab.close()


if __name__ == "__main__":
    folder, *places = [*map(Path, sys.argv[1:])] or [Path("screenshots")]
    sites = [place for place in places if place.is_dir()]
    pages = [site / f"{name}.html" for site in sites for name in PAGES]
    main(folder, [place for place in places if place not in sites] + pages)
