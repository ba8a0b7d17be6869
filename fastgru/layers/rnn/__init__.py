"""Layers that carry a state over a sequence, their cells, and what runs them."""

from fastgru import moved

__getattr__ = moved.attributes(__name__)
