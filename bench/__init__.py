"""Races fastgru against other engines: ``python -m bench`` in the checkout's root."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _prefer_installed() -> None:
    """Take the checkout's root off sys.path where an installed fastgru stands elsewhere.

    ``python -m bench`` puts the root first, and its source folder ``fastgru/`` would hide the compiled package.
    """
    elsewhere = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    if PathFinder.find_spec("fastgru", elsewhere):
        sys.path[:] = elsewhere


_prefer_installed()
