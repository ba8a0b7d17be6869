"""A layer that adds the size of its input to the loss."""

from __future__ import annotations

from typing import Any

from fastgru.layers.core.identity import Identity
from fastgru.registry import registered
from fastgru.regularizers import L1L2


@registered("keras.layers")
class ActivityRegularization(Identity):
    """The input itself, whose size is added to the loss.

    Parameters
    ----------
    l1, l2 : float
        Factors of the sum of the absolute values and of the squares.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "l1": self.l1, "l2": self.l2}
        del config["activity_regularizer"]
        return config
