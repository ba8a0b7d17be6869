"""Predictions of collections of Dask, larger than memory and on many machines (``pip install fastgru[dask]``)."""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__, needs="dask", extra="dask")
