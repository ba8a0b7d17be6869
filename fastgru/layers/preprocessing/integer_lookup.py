"""The IntegerLookup layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.checks import real_numbers
from fastgru.layers.preprocessing.lookup import Lookup
from fastgru.layers.preprocessing.vocabulary import Vocabulary
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["IntegerLookup"]


@registered("keras.layers")
class IntegerLookup(Lookup):
    """Whole numbers to their indices in a vocabulary, or back.

    Parameters
    ----------
    max_tokens, num_oov_indices, vocabulary, idf_weights, output_mode, sparse, pad_to_max_tokens
        As of `StringLookup`.
    mask_token, oov_token : int, optional
        As of `StringLookup`.
    vocabulary_dtype : {"int64"}
    invert : bool
        Indices to numbers.
    oov_method : {"floormod", "farmhash"}
        How the index of an unknown number is chosen: the remainder of its division, or a hash of its digits.
    salt : int or (int, int), optional
        Key of the hash, which is then SipHash; FarmHash where absent.
    """

    vocabulary_dtype = "int64"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Vocabulary | None = None,
        vocabulary_dtype: str = "int64",
        idf_weights: npt.ArrayLike | None = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: int | Sequence[int] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if vocabulary_dtype != "int64":
            raise ValueError(
                f"{type(self).__name__}: Only `vocabulary_dtype='int64'` is supported, got {vocabulary_dtype!r}."
            )
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, oov_method, salt, name=name, **kwargs,
        )  # fmt: skip

    def as_input(self, x: Any) -> Array:
        numbers = real_numbers(x, f"Layer {self.name!r}")
        whole = numbers.astype(np.int64)
        if numbers.dtype.kind == "f" and (whole != numbers).any():
            raise ValueError(f"{self._where}: expected whole numbers, got {numbers[whole != numbers][0]}.")
        return whole

    def _keys(self, tokens: Any) -> list[int]:
        return self.as_input(np.asarray(tokens.tolist())).ravel().tolist()

    def _key(self, token: Any) -> int:
        return int(token)

    def _token(self, key: int) -> int:
        return key

    def _key_of_line(self, line: bytes) -> int:
        return int(line)
