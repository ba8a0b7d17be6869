"""A layer that adds the size of its input to the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastgru.layers import options
from fastgru.layers.core.identity import Identity
from fastgru.layers.options import PlainOptions
from fastgru.registry import registered
from fastgru.regularizers import L1L2

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["ActivityRegularization"]


@registered("keras.layers")
class ActivityRegularization(Identity):
    """The input itself, whose size is added to the loss.

    Parameters
    ----------
    l1, l2 : float
        Factors of the sum of the absolute values and of the squares.
    """

    l1: float = options.option()
    l2: float = options.option()

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Unpack[PlainOptions]) -> None:
        super().__init__(activity_regularizer=L1L2(l1=l1, l2=l2), **kwargs)
        self._set_options(locals())

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]  # l1 and l2 say it
        return config
