"""What a process may choose, how the kernels multiply matrices, and what it may not."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from fastgru import kernels
from fastgru.checks import either
from fastgru.dtype_policies import DTypePolicy
from fastgru.naming import suggestion

__all__ = [
    "backend",
    "disable_flash_attention",
    "dtype_policy",
    "enable_flash_attention",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "get_products",
    "image_data_format",
    "is_flash_attention_enabled",
    "multiplies_with_tiles",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_products",
    "tiles_in_this_thread",
]

PRODUCTS = ("auto", "tiles", "blas")
_products: str | None = None
_image_data_format = "channels_last"
# The baseline of x86-64 has vectors of four floats and no multiply-add, while BLAS looks at the CPU and uses what it
# has; everywhere else the tiles won at every size measured (see `python -m bench`).
_TILES_ARE_FASTER = kernels.isa != "baseline" or platform.machine().lower() not in ("x86_64", "amd64")


class _Thread(threading.local):
    """Whether what runs in this thread multiplies by tiles, whatever the process chose."""

    tiles = False


_thread = _Thread()


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
    return route == "tiles" or (route == "auto" and _TILES_ARE_FASTER) or _thread.tiles


@contextmanager
def tiles_in_this_thread() -> Iterator[None]:
    """Inside, the kernels that this thread calls use register tiles, whose sums have one order."""
    before, _thread.tiles = _thread.tiles, True
    try:
        yield
    finally:
        _thread.tiles = before


def epsilon() -> float:
    """Keras's `keras.config.epsilon()`: what it adds, or clips to, where it would divide by 0 or take its logarithm."""
    return kernels.EPSILON


def set_epsilon(value: float) -> None:
    """Refused, but for the value in force: the kernels are compiled with it.

    Raises
    ------
    ValueError
    """
    _only(value, epsilon(), "set_epsilon")


def floatx() -> str:
    """The dtype of weights and arithmetic where none is named."""
    return "float32"


def set_floatx(value: str) -> None:
    """Refused, but for the value in force: name another dtype layer by layer.

    Raises
    ------
    ValueError
    """
    _only(value, floatx(), "set_floatx", "; give dtype= to the layers that compute in another one")


def dtype_policy() -> DTypePolicy:
    """The dtype of layers where none is named, in Keras's form."""
    return DTypePolicy(floatx())


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Refused, but for the policy in force: name another dtype layer by layer.

    Raises
    ------
    ValueError
    """
    name = policy.name if isinstance(policy, DTypePolicy) else policy
    _only(name, floatx(), "set_dtype_policy", "; give dtype= to the layers that compute in another one")


def image_data_format() -> str:
    """Where the channels are where a layer does not say it."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Say where the channels are, "channels_last" or "channels_first", in layers that are made from now on."""
    global _image_data_format
    _image_data_format = either(data_format, "channels_last", "channels_first", "set_image_data_format", "data_format")


def _only(value: object, possible: object, where: str, instead: str = "") -> None:
    if value != possible:
        raise ValueError(f"{where}: {value!r} is not supported by fastgru; expected {possible!r}{instead}.")


def backend() -> str:
    """What computes."""
    return "fastgru"


def is_flash_attention_enabled() -> bool:
    """Whether attention runs on kernels of accelerators, of which there are none here."""
    return False


def disable_flash_attention() -> None:
    """What is so already."""


def enable_flash_attention() -> None:
    """Allow attention to run on kernels of accelerators: without one nothing changes, as in Keras."""


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
