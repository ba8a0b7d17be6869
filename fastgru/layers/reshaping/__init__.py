"""Layers that move numbers and leave them as they are."""
