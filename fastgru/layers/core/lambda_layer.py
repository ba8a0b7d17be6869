"""The Lambda layer: a function as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastgru import checks, registry
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.own_call import inferred_output_shape
from fastgru.registry import registered

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Lambda"]


@registered("keras.layers")
class Lambda(Layer):
    """Apply a function, in which `fastgru.ops`, operators and numpy's functions are differentiated.

    Parameters
    ----------
    function : callable
        Of the inputs; it may also take ``mask`` and ``training``.
    output_shape : tuple or callable, optional
        Shape of an output without the batch axis, or a function of the input's shape; found by running where absent.
    mask : array_like or callable, optional
        The mask of the output, or ``mask(inputs, mask)``.
    arguments : dict, optional
        More arguments of the function, by name.

    Raises
    ------
    ValueError
        The function is none: files hold its code, which is never run. Give it by `custom_objects` when you load.
    """

    takes_no_nan = False

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(
                f"{self._where}: expected a function, got {function!r}; code from a file is never run (that would be "
                "arbitrary code execution), give the function itself with custom_objects."
            )
        if arguments is not None and not isinstance(arguments, Mapping):
            raise ValueError(f"{self._where}: expected a dict as arguments, got {arguments!r}.")
        if output_shape is not None and not callable(output_shape):
            checks.sizes(output_shape, self._where, "output_shape")
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.makes_masks = mask is not None
        self._output_shape = output_shape
        self.says_shapes = output_shape is not None
        self._takes = inspect.signature(function).parameters

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        context = {"mask": mask, "training": training}
        by_name = {name: value for name, value in context.items() if name in self._takes}
        return self.function(inputs, **{**self.arguments, **by_name})

    def compute_output_shape(self, input_shape: Any) -> Any:
        if callable(self._output_shape):
            return tuple(self._output_shape(input_shape))
        if self._output_shape is not None:
            shapes = input_shape if input_shape and isinstance(input_shape[0], (list, tuple)) else [input_shape]
            return (shapes[0][0], *self._output_shape)
        return inferred_output_shape(self, input_shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:  # type: ignore[override]  # as in Keras
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "function": registry.serialize(self.function),
            **({} if self._output_shape is None else {"output_shape": registry.serialize(self._output_shape)}),
            **({} if self.mask is None else {"mask": registry.serialize(self.mask)}),
            "arguments": self.arguments,
        }
