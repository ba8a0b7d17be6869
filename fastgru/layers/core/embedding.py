"""The Embedding layer: a row of a table for every index."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import constraints, initializers, regularizers
from fastgru.layers.layer import Array, Call, Layer, Shape, real_numbers
from fastgru.registry import registered, serialize


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

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for argument, size in (("input_dim", input_dim), ("output_dim", output_dim)):
            if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size <= 0:
                raise ValueError(f"Embedding {self.name!r}: {argument} must be a positive integer, got {size!r}.")
        for argument, value in (("lora_rank", lora_rank), ("quantization_config", quantization_config)):
            if value is not None:
                raise ValueError(f"Embedding {self.name!r}: {argument} is not supported by fastgru, got {value!r}.")
        self.input_dim = int(input_dim)
        self.output_dim = int(output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = bool(mask_zero)
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

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

    def compute_mask(self, call: Call, *inputs: Array) -> Array | None:
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
            raise ValueError(f"Embedding {self.name!r}: expected whole numbers, got {x[indices != x][0]}.")
        return indices

    def forward(self, call: Call, *inputs: Array) -> Array:
        indices = self._indices(inputs[0])
        lowest, highest = indices.min(), indices.max()
        if lowest < 0 or highest >= self.input_dim:
            raise ValueError(
                f"Embedding {self.name!r}: expected indices from 0 to {self.input_dim - 1} (input_dim is "
                f"{self.input_dim}), got {lowest if lowest < 0 else highest}."
            )
        call.saved["indices"] = indices
        y = call.buffer("y", (*indices.shape, self.output_dim), self.dtype)
        # the range is checked; "raise" would go through a copy of y
        np.take(self.embeddings.value, indices, axis=0, out=y, mode="clip")
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

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": serialize(self.embeddings_initializer),
            "embeddings_regularizer": serialize(self.embeddings_regularizer),
            "activity_regularizer": serialize(self.activity_regularizer),
            "embeddings_constraint": serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
        }
