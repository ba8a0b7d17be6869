"""The numpy twins of the compiled kernels: the same equations, step by step, to read and to test against."""

from fastgru.moved import attributes

__all__: list[str] = []

__getattr__ = attributes(__name__)
