"""Screenshots of the playground (desktop and phone, light and dark, English and Chinese) and of the documentation.

Needs ``pip install 'fastgru[browser]'`` and a Chromium, which tests/browsers.py finds. Run as
``python tools/screenshots.py FOLDER [SITE]``, where `SITE` is what ``sphinx-build -W docs SITE`` built.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browsers import chromium

from fastgru.playground import page

SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
PAGES = ("index", "introduction", "tutorials/forecast", "api/layers-recurrent", "measured", "playground")
CHINESE = ("zh/index", "zh/introduction", "zh/tutorials/forecast")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = page()
    with chromium() as browser:
        for size, theme, language in product(SIZES, ("light", "dark"), ("en", "zh")):
            width, height = SIZES[size]
            context = browser.new_context(
                viewport={"width": width, "height": height}, device_scale_factor=2 if size == "phone" else 1,
                has_touch=size == "phone", color_scheme=theme, reduced_motion="reduce",
            )  # fmt: skip
            tab = context.new_page()
            tab.set_content(text)
            tab.click(f"[data-language={language}]")
            for name in ("read", "held"):
                if name == "held":
                    tab.click("[data-experiment=freeze]")
                tab.evaluate("window.scrollTo(0, 0)")
                target = folder / f"playground-{size}-{theme}-{language}-{name}.png"
                tab.screenshot(path=target, full_page=True)
                print(target)
            context.close()


def documentation(folder: Path, site: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for (size, (width, height)), page in product(SIZES.items(), PAGES + CHINESE):
            tab = browser.new_page(viewport={"width": width, "height": height})
            tab.goto((site.resolve() / f"{page}.html").as_uri())
            target = folder / f"docs-{page.replace('/', '-')}-{size}.png"
            tab.screenshot(path=target, full_page=True)
            print(target)
            tab.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
    if len(sys.argv) > 2:
        documentation(Path(sys.argv[1]), Path(sys.argv[2]))
