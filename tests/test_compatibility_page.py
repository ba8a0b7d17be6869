"""docs/compatibility.md tells what the code knows, decides and bounds; tools/compatibility.py makes it anew."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fastgru import activations, registry

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/compatibility.md"


@pytest.fixture(scope="module")
def tool() -> Any:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("compatibility", ROOT / "tools/compatibility.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_layer_stands_on_the_page_and_was_tried(page: str) -> None:
    for name in registry.known("keras.layers"):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` | ") and line.count("|") > 6]
        assert row.count("✓") >= 5 and "| no |" not in row, name


def test_every_activation_and_everything_else_with_a_name_stands_on_the_page(page: str) -> None:
    kinds = [kind for kind in registry._classes if kind.startswith("keras.") and kind != "keras.models"]
    for name in [*activations._BY_NAME, *(name for kind in kinds for name in registry.known(kind))]:
        assert f"`{name}`" in page


@pytest.mark.parametrize("part", ["formats", "old_words", "decisions", "known_names", "limits"])
def test_what_needs_no_trying_is_as_the_code_says_today(part: str, tool: Any, page: str) -> None:
    assert getattr(tool, part)() in page


def test_every_sentence_that_a_report_can_hold_stands_on_the_page(tool: Any, page: str) -> None:
    assert len(list(tool.sentences_of_code())) > 20
    assert tool.undescribed(page) == []


def test_a_missing_name_sentence_or_limit_is_found(tool: Any, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tool.undescribed(page.replace("`GRUCell`", "")) == ["the name GRUCell"]
    assert "the sentence" in tool.undescribed(page.replace("is taken off", ""))[0]
    monkeypatch.setattr(tool, "LIMITS", {})
    assert len(tool.undescribed(page)) == len(tool.bounds()) > 10


def test_no_public_file_is_named(tool: Any, page: str) -> None:
    index = tool.PUBLIC / "index.json"
    if not index.exists():
        pytest.skip("the development folder 'shared' is not beside the checkout")
    for entry in json.loads(index.read_text()):
        assert entry["file"] not in page and entry["repository"] not in page
