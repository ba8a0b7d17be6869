"""Looks through built pages: every link inside them leads somewhere, and nothing is loaded from outside.

    python tools/check_site.py OUT
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"audio", "embed", "iframe", "img", "input", "link", "object", "script", "source", "track", "video"}
NOT_LOADED = {"author", "canonical", "index", "next", "prev", "search"}  # what a <link> of these only names
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Page(HTMLParser):
    """The places that a page has, and what it refers to: (target, whether a browser loads it)."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[tuple[str, bool]] = []
        self._in_style = False
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = {name: value or "" for name, value in attrs}
        self.anchors |= {fields[name] for name in ("id", "name") if name in fields}
        is_named = tag == "link" and fields.get("rel") in NOT_LOADED
        for name in ("href", "src", "data", "poster"):
            if name in fields and not (name == "data" and tag != "object"):
                self.targets.append((fields[name], tag in LOADED and not is_named))
        self.targets += [(part.split()[0], True) for part in fields.get("srcset", "").split(",") if part.strip()]
        self._in_style = tag == "style"
        self._look_in(fields.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._look_in(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def _look_in(self, style: str) -> None:
        self.targets += [(url or imported, True) for url, imported in IN_STYLE.findall(style)]


def complaints(site: Path) -> Iterator[str]:
    """A line for each link that leads nowhere, and for each thing that is loaded from elsewhere."""
    pages = {file.resolve(): Page(file) for file in site.rglob("*.html")}
    for file, page in pages.items():
        for target, is_loaded in page.targets:
            yield from (f"{file.relative_to(site.resolve())}: {what}" for what in _wrong(file, target, is_loaded, pages))
    for file in site.rglob("*.css"):
        for url, imported in IN_STYLE.findall(file.read_text(encoding="utf-8")):
            yield from (f"{file.relative_to(site)}: {what}" for what in _wrong(file.resolve(), url or imported, True, {}))


def _wrong(file: Path, target: str, is_loaded: bool, pages: dict[Path, Page]) -> Iterator[str]:
    parts = urlsplit(target)
    if parts.scheme == "data" or (parts.scheme or parts.netloc) and not is_loaded:
        return
    if parts.scheme or parts.netloc:
        yield f"loads {target}"
        return
    place = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not place.exists():
        yield f"no {target}"
    elif parts.fragment and place in pages and unquote(parts.fragment) not in pages[place].anchors:
        yield f"no place {target}"


def main(folder: str) -> int:
    """The exit status: 1 if there is something to complain of."""
    lines = list(complaints(Path(folder)))
    print(*lines, sep="\n")
    print(f"{folder}: {len(list(Path(folder).rglob('*.html')))} pages, {len(lines)} complaints")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
