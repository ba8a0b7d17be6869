"""What a process may choose, how the kernels multiply matrices, and what it may not."""

from __future__ import annotations

import os
import platform
from typing import NoReturn

from fastgru import kernels
from fastgru.naming import suggestion

__all__ = [
    "disable_flash_attention",
    "enable_flash_attention",
    "enable_unsafe_deserialization",
    "epsilon",
    "get_products",
    "is_flash_attention_enabled",
    "multiplies_with_tiles",
    "set_products",
]

PRODUCTS = ("auto", "tiles", "blas")
_products: str | None = None
# The baseline of x86-64 has vectors of four floats and no multiply-add, while BLAS looks at the CPU and uses what it
# has; everywhere else the tiles won at every size measured (see `python -m bench`).
_TILES_ARE_FASTER = kernels.isa != "baseline" or platform.machine().lower() not in ("x86_64", "amd64")


def get_products() -> str:
    """The choice in force: `set_products`, else FASTGRU_PRODUCTS, else "auto"."""
    global _products
    if _products is None:
        _products = _checked(os.environ.get("FASTGRU_PRODUCTS", "auto"), "FASTGRU_PRODUCTS")
    return _products


def set_products(route: str | None) -> None:
    """Choose how kernels multiply: "tiles" (register tiles), "blas" (scipy's BLAS) or "auto", the faster of the two.

    None goes back to the default. Results differ by rounding only.
    """
    global _products
    _products = None if route is None else _checked(route, "set_products")


def _checked(route: str, where: str) -> str:
    if route not in PRODUCTS:
        raise ValueError(f"{where}: {route!r} is no way to multiply; {suggestion(route, PRODUCTS)}")
    return route


def multiplies_with_tiles() -> bool:
    """Whether kernels use register tiles; the one place where "auto" is decided."""
    route = _products or get_products()
    return route == "tiles" or (route == "auto" and _TILES_ARE_FASTER)


def epsilon() -> float:
    """Keras's `keras.config.epsilon()`: what it adds, or clips to, where it would divide by 0 or take its logarithm."""
    return kernels.EPSILON


def is_flash_attention_enabled() -> bool:
    """False: flash attention is a way of graphics cards to compute attention."""
    return False


def disable_flash_attention() -> None:
    """For Keras's sake: it is never enabled."""


def enable_flash_attention() -> NoReturn:
    """Refused.

    Raises
    ------
    ValueError
    """
    raise ValueError(
        "enable_flash_attention is not supported by fastgru: it is a way of graphics cards to compute attention; leave "
        "it out, the results are the same."
    )


def enable_unsafe_deserialization() -> NoReturn:
    """Refused: what Keras allows by it, code in a file, is never run here.

    Raises
    ------
    ValueError
    """
    raise ValueError(
        "enable_unsafe_deserialization is not supported by fastgru: a file is data, and code in it is never run; give "
        "the functions that it names, or those of its Lambda layers by the layers' names, by custom_objects."
    )


def __dir__() -> list[str]:
    return __all__
