"""Where the tests find what is no code: golden files, the checkout, the development folder beside it."""

from __future__ import annotations

from pathlib import Path

FILES = Path(__file__).resolve().parent / "files"
ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"  # public model files and MNIST, which a user does not have
