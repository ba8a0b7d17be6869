"""Layers that make numbers of data as people have them: scaled, in bins, looked up, counted."""

from fastgru import moved

__getattr__ = moved.attributes(__name__)
