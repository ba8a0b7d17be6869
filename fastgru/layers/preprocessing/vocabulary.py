"""A vocabulary: tokens in the order of their indices, behind those of the mask and of unknown tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru.layers.preprocessing.token_layer import TokenLayer
from fastgru.types import Array

__all__ = ["MASKED", "UNKNOWN", "Vocabulary", "VocabularyLayer"]

UNKNOWN, MASKED = -1, -2  # indices of tokens that are not in the vocabulary, or that are left out

Vocabulary = Sequence[Any] | npt.NDArray[Any] | str | PathLike[str]


class VocabularyLayer(TokenLayer):
    """Base of the layers that have a vocabulary.

    Indices begin with that of `mask_token`, where there is one and `output_mode` is "int", then come those of tokens
    that are not in the vocabulary, then the vocabulary.

    A subclass has `vocabulary_dtype`, `_keys`, `_key` and `_token`.
    """

    vocabulary_dtype: str
    max_tokens: int | None
    num_oov_indices: int
    mask_token: Any
    oov_token: Any
    invert: bool
    pad_to_max_tokens: bool
    idf_weights: Array | None = None  # how much each index weighs, for "tf_idf"
    _frozen_size: int | None  # number of indices, once it is known

    # --- what a subclass writes -----------------------------------------------------------------------

    def _keys(self, tokens: Any) -> list[Any]:
        """All tokens of an array in a row, as the table has them."""
        raise NotImplementedError

    def _key(self, token: Any) -> Any:
        """One token, as the table has it."""
        raise NotImplementedError

    def _token(self, key: Any) -> Any:
        """The token of a key, as users see it."""
        raise NotImplementedError

    # --- the vocabulary -------------------------------------------------------------------------------

    @property
    def _special_tokens(self) -> list[Any]:
        """The tokens before those of the vocabulary, in the order of their indices."""
        masks = [self.mask_token] if self.mask_token is not None and self.output_mode == "int" else []
        return masks + [self.oov_token] * self.num_oov_indices

    @property
    def _first_oov_index(self) -> int:
        return len(self._special_tokens) - self.num_oov_indices

    def _set_keys(self, keys: list[Any]) -> None:
        first = len(self._special_tokens)
        self._vocabulary = keys
        self._table = dict(zip(keys, range(first, first + len(keys)), strict=True))
        if self.mask_token is not None:
            self._table[self._key(self.mask_token)] = 0 if self.output_mode == "int" else MASKED

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens by their indices, with or without those of the mask and of unknown tokens."""
        tokens = [self._token(key) for key in self._vocabulary]
        return self._special_tokens + tokens if include_special_tokens else tokens

    def vocabulary_size(self) -> int:
        """The number of indices, those of the mask and of unknown tokens included."""
        return len(self._special_tokens) + len(self._vocabulary)

    def set_vocabulary(self, vocabulary: Vocabulary, idf_weights: npt.ArrayLike | None = None) -> None:
        """Replace the vocabulary.

        Parameters
        ----------
        vocabulary : list, ndarray or path
            The tokens, which may begin with the mask and the unknown ones; or a file with a token to a line.
        idf_weights : array_like, optional
            Of each token, for ``output_mode="tf_idf"``.

        Raises
        ------
        ValueError
            A token is there twice or reserved, there are more than `max_tokens`, or the weights do not fit.
        RuntimeError
            Another number of tokens would change the shape of the outputs.
        """
        where = self._where
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise ValueError(
                f"{where}: `idf_weights` must be set if output_mode is 'tf_idf', and should only be set then, "
                f"got output_mode={self.output_mode!r}."
            )
        if isinstance(vocabulary, (str, PathLike)):
            vocabulary = self._tokens_in(Path(vocabulary))
        tokens = list(np.asarray(vocabulary, dtype=object).tolist())
        if not tokens:
            raise ValueError(f"{where}: Cannot set an empty vocabulary, got {vocabulary!r}.")
        specials = self._special_tokens
        has_specials = bool(specials) and tokens[: len(specials)] == specials
        keys = self._keys(np.array(tokens, dtype=object))[len(specials) if has_specials else 0 :]
        self._check_keys(keys)
        weights = None
        if idf_weights is not None:
            weights = self._checked_weights(idf_weights, len(tokens), has_specials)
        self._take(keys, weights)

    def _tokens_in(self, file: Path) -> list[Any]:
        if not file.exists():
            raise ValueError(f"{self._where}: Vocabulary file {file} does not exist.")
        if self.output_mode == "tf_idf":
            raise ValueError(
                f"{self._where}: output_mode 'tf_idf' does not support loading a vocabulary from file {file}."
            )
        return self._listed(file.read_bytes())

    def _listed(self, content: bytes) -> list[Any]:
        """The tokens in the lines of a file."""
        lines = content.replace(b"\r\n", b"\n").split(b"\n")
        while lines and not lines[-1]:
            lines.pop()
        return [self._token(self._key_of_line(line)) for line in lines]

    def _key_of_line(self, line: bytes) -> Any:
        return line

    def _check_keys(self, keys: list[Any]) -> None:
        where = self._where
        repeated = [self._token(key) for key, count in Counter(keys).items() if count > 1]
        if repeated:
            raise ValueError(f"{where}: The passed vocabulary has at least one repeated term: {repeated[:10]}.")
        for name, token in (("mask", self.mask_token), ("OOV", self.oov_token if self.invert else None)):
            if token is not None and self._key(token) in keys:
                raise ValueError(
                    f"{where}: Found reserved {name} token at unexpected location in `vocabulary`: {token!r} at "
                    f"index {keys.index(self._key(token))}; remove all mask and OOV tokens, or let the vocabulary "
                    f"begin with precisely {self._special_tokens}."
                )
        size = len(self._special_tokens) + len(keys)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{where}: Attempted to set a vocabulary larger than the maximum vocab size: {size} tokens, "
                f"`max_tokens` is {self.max_tokens}."
            )

    def _checked_weights(self, idf_weights: npt.ArrayLike, count: int, has_specials: bool) -> Array:
        weights = np.asarray(idf_weights, self.dtype)
        if weights.shape != (count,):
            raise ValueError(
                f"{self._where}: `idf_weights` must be the same length as vocabulary, {count}, got {weights.shape}."
            )
        # of unknown tokens nobody counted documents: they weigh what the others do in the mean
        return self._padded(weights, 0 if has_specials else len(self._special_tokens))

    def _padded(self, weights: Array, in_front: int) -> Array:
        behind = max(0, (self.max_tokens or 0) - in_front - len(weights)) if self.pad_to_max_tokens else 0
        mean = weights.mean() if in_front else 0
        return np.concatenate([np.full(in_front, mean), weights, np.zeros(behind)]).astype(self.dtype)

    def _take(self, keys: list[Any], weights: Array | None) -> None:
        size = len(self._special_tokens) + len(keys)
        if self.output_mode != "int" and not self.pad_to_max_tokens and self._frozen_size not in (None, size):
            raise RuntimeError(
                f"{self._where}: When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, the "
                f"vocabulary size cannot be changed after it was set, from {self._frozen_size} to {size}."
            )
        self._set_keys(keys)
        self.idf_weights = weights
        self._frozen_size = size
