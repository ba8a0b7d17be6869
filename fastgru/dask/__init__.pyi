# The one list of this package's names; each is imported when it is first used (fastgru/lazy.py).

from fastgru.dask.prediction import predict as predict
