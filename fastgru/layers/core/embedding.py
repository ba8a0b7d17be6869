"""The Embedding layer: a row of a table for every index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.checks import INTEGERS, not_supported, real_numbers
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import ConstraintLike, InitializerLike, RegularizerLike, SharedOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.regularizers import Regularizer
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Embedding", "EmbeddingOptions"]


class EmbeddingOptions(SharedOptions, total=False):
    """The keyword arguments of every layer, but for an `input_dim` of another meaning."""

    name: str | None
    activity_regularizer: RegularizerLike


def _size(value: Any, where: str, name: str) -> int:
    if not isinstance(value, INTEGERS) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{where}: `{name}` must be a positive integer, got {value!r}.")
    return int(value)


@registered("keras.layers")
class Embedding(Layer):
    """Turn indices of any shape into the rows of `embeddings`: (B, T) becomes (B, T, output_dim).

    Indices are integers, or floats that are whole.

    Parameters
    ----------
    input_dim : int
        Number of rows: the largest index + 1.
    output_dim : int
    embeddings_initializer : str, dict or Initializer
    embeddings_regularizer, activity_regularizer, embeddings_constraint : optional
    mask_zero : bool
        Index 0 is padding: the output's mask is False there.
    weights : array_like, optional
        First numbers of `embeddings` (input_dim, output_dim), or a list with them.
    input_length
        Accepted for Keras's sake and without effect.

    Raises
    ------
    ValueError
        In a call: an index is not whole or outside ``[0, input_dim)``.
    """

    input_rank = 2
    takes_tokens = True

    input_dim: int = options.option(_size)
    output_dim: int = options.option(_size)
    embeddings_initializer: Initializer = options.initializer()
    embeddings_regularizer: Regularizer | None = options.regularizer()
    activity_regularizer: Regularizer | None = options.regularizer()
    embeddings_constraint: Constraint | None = options.constraint()
    mask_zero: bool = options.flag()

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: InitializerLike = "uniform",
        embeddings_regularizer: RegularizerLike = None,
        embeddings_constraint: ConstraintLike = None,
        mask_zero: bool = False,
        weights: npt.ArrayLike | Sequence[npt.ArrayLike] | None = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        input_length: Any = None,
        **kwargs: Unpack[EmbeddingOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.supports_masking = self.mask_zero
        not_supported(self._where, lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        if input_length is not None:
            checks.integers(input_length, np.size(input_length), self._where, "input_length")
        if weights is not None:
            self.build()
            listed: Any = weights if isinstance(weights, list) and len(weights) == 1 else [weights]
            self.set_weights(listed)

    def build(self, input_shape: Shape | None = None) -> None:
        if self.built:
            return  # by its weights
        self.embeddings = self.add_weight(
            "embeddings",
            (self.input_dim, self.output_dim),
            self.embeddings_initializer,
            self.embeddings_regularizer,
            self.embeddings_constraint,
        )
        self.built = True

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        mask: Array | None = inputs[0] != 0 if self.mask_zero else None
        return mask

    def as_input(self, x: npt.ArrayLike) -> Array:
        return np.ascontiguousarray(self._indices(real_numbers(x, f"Layer {self.name!r}")))

    def _indices(self, x: Array) -> Array:
        if x.dtype.kind in "iu":
            return x
        with np.errstate(invalid="ignore"):
            indices = x.astype(np.intp)
        if not (indices == x).all():
            raise ValueError(f"{self._where}: expected whole numbers, got {x[indices != x][0]}.")
        return indices

    def forward(self, call: Call, *inputs: Array) -> Array:
        indices = self._indices(inputs[0])
        lowest, highest = indices.min(), indices.max()
        if lowest < 0 or highest >= self.input_dim:
            raise ValueError(
                f"{self._where}: expected indices from 0 to {self.input_dim - 1} (input_dim is "
                f"{self.input_dim}), got {lowest if lowest < 0 else highest}."
            )
        call.saved["indices"] = indices
        y = call.buffer("y", (*indices.shape, self.output_dim), self.dtype)
        # the range is checked; "raise" would go through a copy of y
        np.take(call.value(self.embeddings), indices, axis=0, out=y, mode="clip")
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> None:
        (dy,) = d_outputs
        gradient = self.embeddings.gradient
        if gradient is None or dy is None:
            return
        # imported here, where it is needed: the package opens in half the time without
        from scipy.sparse import csr_array

        # the rows of dy that share an index are added up: a product with a sparse matrix of ones, which is
        # ten times as fast as np.add.at
        indices = call.saved["indices"].ravel()
        order = np.argsort(indices, kind="stable")
        ordered = indices[order]
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        ones = np.ones(indices.size, self.dtype)
        sums = csr_array((ones, order, np.append(first, indices.size)), shape=(first.size, indices.size))
        gradient[ordered[first]] += sums @ dy.reshape(indices.size, self.output_dim)
