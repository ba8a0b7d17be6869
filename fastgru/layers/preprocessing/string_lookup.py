"""The StringLookup layer."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.checks import real_numbers
from fastgru.layers.preprocessing.lookup import Lookup
from fastgru.layers.preprocessing.texts import encoded_texts, text_array
from fastgru.layers.preprocessing.vocabulary import Vocabulary
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["StringLookup"]


@registered("keras.layers")
class StringLookup(Lookup):
    """Strings to their indices in a vocabulary, or back.

    Parameters
    ----------
    max_tokens : int, optional
        Most indices, those of the mask and of unknown strings included.
    num_oov_indices : int
        Indices of strings that are not in the vocabulary, among which a hash chooses; with 0 they are refused.
    mask_token : str, optional
        Has the index 0 for ``output_mode="int"``, and is left out for others.
    oov_token : str
        Stands in the vocabulary for the unknown ones, and in what `invert` puts out.
    vocabulary : list, ndarray or path, optional
        The strings, or a file with one to a line; else `adapt` or `set_vocabulary` give them.
    idf_weights : array_like, optional
        Of each string, for ``output_mode="tf_idf"``.
    invert : bool
        Indices to strings, in an array of str.
    output_mode : {"int", "one_hot", "multi_hot", "count", "tf_idf"}
        (...) int64 indices, or floats: (..., depth) zeros and ones for each string, or for all strings along the last
        axis together, how often each is there, and that times its weight.
    pad_to_max_tokens : bool
        The depth is `max_tokens`, not the size of the vocabulary.
    sparse
        In Keras's signature; not supported.
    encoding : str
        Of bytes, where the vocabulary is shown as str.
    salt : int or (int, int), optional
        Key of the hash, which is then SipHash; FarmHash where absent.
    """

    vocabulary_dtype = "string"

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Vocabulary | None = None,
        idf_weights: npt.ArrayLike | None = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: int | Sequence[int] | None = None,
        oov_method: str = "floormod",
        **kwargs: Any,
    ) -> None:
        try:
            codecs.lookup(checks.text(encoding, type(self).__name__, "encoding"))
        except LookupError:
            raise ValueError(f"{type(self).__name__}: encoding {encoding!r} is not known to Python.") from None
        self.encoding = encoding
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode, sparse,
            pad_to_max_tokens, oov_method, salt, name=name, **kwargs,
        )  # fmt: skip
        self.takes_text = not invert

    def as_input(self, x: Any) -> Array:
        if self.invert:
            return real_numbers(x, f"Layer {self.name!r}").astype(np.int64)
        return text_array(x, f"Layer {self.name!r}")

    def _keys(self, tokens: Any) -> list[bytes]:
        return encoded_texts(tokens, self._where)

    def _key(self, token: Any) -> bytes:
        return token if isinstance(token, bytes) else str(token).encode()

    def _token(self, key: bytes) -> str:
        return key.decode(self.encoding)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "encoding": self.encoding}
        del config["vocabulary_dtype"]  # there is one only
        return config
