"""scikit-learn's estimators around GRU networks (``pip install fastgru[sklearn]``): for pipelines and searches."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__, needs="sklearn", extra="sklearn")
