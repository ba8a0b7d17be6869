"""Writes docs/compatibility.md: ``python -m tools.compatibility`` (see `__main__`)."""
