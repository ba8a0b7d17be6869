"""How the pages are built: `sphinx-build -W docs OUT` (extra: docs)."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
# the root comes last: its folder fastgru must not hide an installed, compiled one
sys.path = [str(ROOT / "docs/_ext"), *sys.path, str(ROOT)]

import fastgru  # noqa: E402

OF_ROOT = ("changelog", "contributing", "security")

project = "fastgru"
author = "the authors of fastgru"
copyright = author
version = release = fastgru.__version__
html_title = "fastgru"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_nb",
    "docstrings",
    "languages",
    "made",
    "mathml",
    "public_names",
]
exclude_patterns = ["_build", "_made"]

# Furo: text in one column that a phone shows as well, light and dark, and nothing loaded from elsewhere
html_theme = "furo"
html_static_path = ["_static"]
html_extra_path = ["_made/pages"]
html_css_files = ["pages.css"]
templates_path = ["_templates"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

# A page in Chinese has the code of its English twin, so it takes what that one's cells gave: one run for both. The
# cache lives as long as the build, so that no page shows what an older fastgru gave.
nb_execution_mode = "cache"
nb_execution_cache_path = tempfile.mkdtemp(prefix="fastgru-docs-")
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
autodoc_use_type_comments = False
autosummary_generate = False
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_ivar = True
add_module_names = False
toc_object_entries_show_parents = "hide"


def link_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """Files at the root of the checkout are pages here, and links from one to the other stay links."""
    text = source[0]
    if page in OF_ROOT:
        text = (ROOT / f"{page.upper()}.md").read_text(encoding="utf-8").replace("](docs/", "](")
        text = re.sub(r"\[([^]]+)\]\((?!http)[\w/.-]+\.(?:py|pyx)\)", r"\1", text)
    for name in OF_ROOT:
        text = text.replace(f"](../{name.upper()}.md", f"]({name}.md")
    source[0] = text


def setup(app: Sphinx) -> None:
    app.connect("source-read", link_pages)
