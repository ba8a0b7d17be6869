"""Screenshots of the playground and of reports: desktop and phone, light and dark, English and Chinese.

Needs ``pip install 'fastgru[browser]'`` and a Chromium, which tests/browsers.py finds. Run as
``python tools/screenshots.py FOLDER [REPORT.html ...]``, where the reports are pages that ``fastgru explain`` or
``fastgru train`` wrote, or any others.
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


def main(folder: Path, reports: list[Path]) -> None:
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
            for report in reports:
                tab.goto(report.resolve().as_uri())
                shoot(tab, folder / f"{report.stem}-{size}-{theme}.png")
            tab.close()


if __name__ == "__main__":
    arguments = [*map(Path, sys.argv[1:])] or [Path("screenshots")]
    main(arguments[0], arguments[1:])
