# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.streaming.sessions import Sessions as Sessions

__all__: list[str]
