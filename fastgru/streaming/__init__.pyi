# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.streaming.sessions import Sessions as Sessions
from fastgru.streaming.stepper import stepper as stepper

__all__: list[str]
