"""Pictures by matplotlib (``pip install fastgru[plot]``) of what a model computes, learns and predicts.

Each function draws on the axes that it is handed, or on those of a new figure, and returns them. Colours are those of
matplotlib's "cividis", which reads in grey and with every kind of colour vision; lines differ in dashes, too.
"""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
