"""AdamW (Loshchilov and Hutter, 2017)."""

from __future__ import annotations

from typing import Any

from fastgru.optimizers.adam import Adam
from fastgru.optimizers.optimizer import KIND
from fastgru.registry import registered

__all__ = ["AdamW"]


@registered(KIND, "adamw")
class AdamW(Adam):
    """Adam with weight decay (Loshchilov and Hutter, 2017), which here every optimizer has.

    Parameters
    ----------
    learning_rate, weight_decay, beta_1, beta_2, epsilon : float
    amsgrad : bool
    **kwargs
        See `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError("AdamW: Argument `weight_decay` must be a float. Received: weight_decay=None.")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, *args, **kwargs)
