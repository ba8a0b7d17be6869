"""The CategoryEncoding layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks
from fastgru.layers.options import LayerOptions
from fastgru.layers.preprocessing.token_layer import TokenLayer, encoded
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["CategoryEncoding"]

OUTPUT_MODES = ("multi_hot", "one_hot", "count")


@registered("keras.layers")
class CategoryEncoding(TokenLayer):
    """Class numbers as zeros and ones, or as how often each is there.

    Parameters
    ----------
    num_tokens : int
        Numbers are from 0 to `num_tokens` - 1.
    output_mode : {"multi_hot", "one_hot", "count"}
        (..., num_tokens) for all numbers along the last axis together, for each of them, or how often each is there.
    sparse
        In Keras's signature; not supported.
    """

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        where = self._where
        checks.not_supported(where, sparse=sparse)
        mode = "multi_hot" if output_mode == "binary" else output_mode
        if mode not in OUTPUT_MODES:
            raise ValueError(f"{where}: Unknown arg for output_mode: {output_mode}; known: {', '.join(OUTPUT_MODES)}.")
        if num_tokens is None:
            raise ValueError(
                f"{where}: num_tokens must be set to use this layer. If the number of tokens is not known beforehand, "
                "use the IntegerLookup layer instead."
            )
        if num_tokens < 1:
            raise ValueError(f"{where}: `num_tokens` must be >= 1, got num_tokens={num_tokens}.")
        self.num_tokens = num_tokens
        self.output_mode = mode

    def __call__(
        self, inputs: Any, *more: Any, count_weights: Any = None, mask: Any = None, training: bool | None = None
    ) -> Any:
        """Encode numbers.

        Parameters
        ----------
        inputs : array_like or SymbolicTensor
        count_weights : array_like or SymbolicTensor of the shape of `inputs`, optional
            For "count": what each number counts for.
        """
        if count_weights is not None:
            more = (count_weights,)
        if more and self.output_mode != "count":
            raise ValueError(
                f"{self._where}: `count_weights` is not used when `output_mode` is not `'count'`, "
                f"got {self.output_mode!r}."
            )
        return super().__call__(inputs, *more, mask=mask, training=training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.output_mode == "one_hot" and not (len(shape) > 1 and shape[-1] == 1):
            return (*shape, self.num_tokens)
        return (*shape[:-1], self.num_tokens)

    def forward(self, call: Call, *inputs: Array) -> Array:
        return self._encode(*inputs)

    def _encode(self, numbers: Array, count_weights: Array | None = None) -> Array:
        return encoded(numbers.astype(np.int64), self.output_mode, self.num_tokens, self.dtype, count_weights)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
