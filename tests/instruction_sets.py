"""Tests with the kernels of one instruction set after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fastgru import kernels

__all__ = ["each", "running"]

#: parameters of a test for every one that this machine can run; those that are not in use are marked `isa`
each = [pytest.param(isa, marks=[] if isa == kernels.isa else [pytest.mark.isa]) for isa in kernels.available()]


@contextmanager
def running(isa: str) -> Iterator[None]:
    """All that is computed within it is computed with an instruction set, by layers that are made within it."""
    before = kernels.isa
    kernels.use(isa)
    try:
        yield
    finally:
        kernels.use(before)
