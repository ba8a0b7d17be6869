"""The Rescaling layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.layers import options
from fastgru.layers.options import LayerOptions
from fastgru.layers.preprocessing.affine import Affine
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.serialization import deserialize_keras_object, serialize_keras_object

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Rescaling"]


def _numbers(value: Any, where: str, name: str) -> Any:
    numbers = deserialize_keras_object(value) if isinstance(value, Mapping) else value
    if not np.isfinite(checks.real_numbers(numbers, f"{where}, {name}")).all():
        raise ValueError(f"{where}: {name} must be a finite number or an array of them, got {numbers!r}.")
    return numbers


@registered("keras.layers")
class Rescaling(Affine):
    """``x * scale + offset``.

    Parameters
    ----------
    scale, offset : float or list of float
        One number, or one for each feature.
    """

    scale: npt.ArrayLike = options.option(_numbers, serialize=serialize_keras_object)
    offset: npt.ArrayLike = options.option(_numbers, serialize=serialize_keras_object)

    def __init__(self, scale: npt.ArrayLike, offset: npt.ArrayLike = 0.0, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def _scale_and_offset(self, call: Call) -> tuple[Any, Any]:
        return np.asarray(self.scale, self.dtype), np.asarray(self.offset, self.dtype)
