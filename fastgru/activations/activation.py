"""What an activation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import kernels
from fastgru.autodiff.recording import record
from fastgru.autodiff.tensor import Tensor, tensor
from fastgru.types import Array

__all__ = ["KNOWN", "Activation"]

KNOWN: dict[str, Activation] = {}  # those of this package, by Keras's names


class Activation:
    """A function of an array and its vector-Jacobian product.

    Attributes
    ----------
    name : str
        Keras's name.
    function : callable
        ``function(x, **options) -> y``.
    derivative : callable
        ``derivative(dy, y, x, **options) -> dx``.
    needs_input : bool
        Whether `derivative` reads x even without options.
    form : dict or None
        Keras's JSON form where that is not the name.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        derivative: Callable[..., Array],
        needs_input: bool = False,
        form: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.function, self.derivative = name, function, derivative
        self.needs_input, self.form = needs_input, form

    @cached_property
    def kernel_id(self) -> int | None:
        """The number under which the compiled kernels know the function, without options; None where they do not."""
        known = KNOWN.get(self.name)
        return kernels.activation_id(self.name) if known and known.function is self.function else None

    @cached_property
    def _input_ids(self) -> tuple[int | None, int | None]:
        """The same among the kernels that read the input, without options and with ``approximate=True``."""
        known = KNOWN.get(self.name)
        numbers = kernels.module("float32").input_activation_ids if known and known.function is self.function else {}
        return numbers.get(self.name), numbers.get(f"{self.name}_tanh")

    @property
    def input_id(self) -> int | None:
        """The number under which the kernels know the function, without options, as one of the input; else None."""
        return self._input_ids[0]

    @property
    def is_compiled(self) -> bool:
        """Whether a kernel computes the function without options, in a product or behind it."""
        return self.kernel_id is not None or self.input_id is not None

    def __setstate__(self, state: dict[str, Any]) -> None:
        # numbers of kernels are those of one build: another may have others
        self.__dict__.update({name: value for name, value in state.items() if name not in ("kernel_id", "_input_ids")})

    def __call__(self, x: npt.ArrayLike, *args: Any, **options: Any) -> Array:
        """The activation of `x`, in the dtype of `x` (integers become float32).

        That of a tensor is a tensor, which a tape records.
        """
        array = _as_float(x)
        number = self._input_id(array, args, options)
        if number is None:
            y = np.asarray(self.function(array, *args, **options), dtype=array.dtype)
        else:
            y = np.empty_like(array)
            kernels.module(array.dtype).activate_input(number, array.reshape(-1), y.reshape(-1))
        if not isinstance(x, Tensor):
            return y
        output = tensor(y)
        record((output,), (x,), (lambda d: self.backward(d, y, array, *args, **options),))
        return output

    def backward(self, dy: Array, y: Array, x: Array | None = None, *args: Any, **options: Any) -> Array:
        """Gradient by x from that by y; x may be None where `needs_input` is False and there are no options."""
        number = None if x is None else self._input_id(x, args, options)
        if x is None or number is None:
            return self.derivative(dy, y, x, *args, **options)
        dx = np.empty_like(x)
        gradients = kernels.contiguous(dy, x.dtype).reshape(-1)
        kernels.module(x.dtype).input_derivative(number, gradients, x.reshape(-1), dx.reshape(-1))
        return dx

    def _input_id(self, x: Array, args: tuple[Any, ...], options: Mapping[str, Any]) -> int | None:
        """The number of the kernel that computes the function of x with these options; None for numpy."""
        exact, approximate = self._input_ids
        number = exact
        if args or options:
            number = approximate if not args and options == {"approximate": True} else None
        is_readable = x.size and x.flags.c_contiguous and x.flags.aligned and x.dtype.name in kernels.DTYPES
        return number if number is not None and is_readable else None

    def serialized(self) -> Any:
        """Keras's JSON form: that of a function."""
        name = {"module": "builtins", "class_name": "function", "config": self.name, "registered_name": "function"}
        return name if self.form is None else self.form

    def __repr__(self) -> str:
        return f"<activation {self.name}>"


def _as_float(x: npt.ArrayLike) -> Array:
    array = np.asarray(x)
    return array if array.dtype.kind == "f" else array.astype("float32")
