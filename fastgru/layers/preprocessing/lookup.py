"""What StringLookup and IntegerLookup share: a vocabulary, and the indices of tokens in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks
from fastgru.layers.preprocessing.hashes import buckets, checked_salt
from fastgru.layers.preprocessing.token_layer import batches, encoded, listed, refuse_path
from fastgru.layers.preprocessing.vocabulary import UNKNOWN, Vocabulary, VocabularyLayer
from fastgru.layers.workspace import Call
from fastgru.registry import object_form
from fastgru.types import Array, Shape

__all__ = ["Lookup"]

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}
OOV_METHODS = ("floormod", "farmhash")
VOCABULARY_FILE = "vocabulary.txt"


def _text_token(value: Any, where: str, name: str) -> Any:
    return value if isinstance(value, bytes) else checks.text(value, where, name)


class Lookup(VocabularyLayer):
    """Base of the layers that turn tokens into their indices in a vocabulary, or back."""

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Vocabulary | None,
        idf_weights: npt.ArrayLike | None,
        invert: bool,
        output_mode: str,
        sparse: bool,
        pad_to_max_tokens: bool,
        oov_method: str,
        salt: int | Sequence[int] | None,
        has_input_vocabulary: bool | None = None,
        vocabulary_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        where = self._where
        checks.not_supported(where, sparse=sparse)
        checks.optional(checks.integer)(max_tokens, where, "max_tokens")
        checks.integer(num_oov_indices, where, "num_oov_indices")
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(f"{where}: If set, `max_tokens` must be greater than 1, got max_tokens={max_tokens}.")
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"{where}: If pad_to_max_tokens is True, must set `max_tokens`, got None.")
        if num_oov_indices < 0:
            raise ValueError(f"{where}: `num_oov_indices` must be greater than or equal to 0, got {num_oov_indices}.")
        self.output_mode = checks.choice(OLD_MODES.get(output_mode, output_mode), OUTPUT_MODES, where, "output_mode")
        if invert and self.output_mode != "int":
            raise ValueError(f"{where}: `output_mode` must be 'int' when `invert` is true, got {output_mode!r}.")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(
                f"{where}: `idf_weights` should only be set if `output_mode` is 'tf_idf', got {output_mode!r}."
            )
        self.invert = checks.flag(invert, where, "invert")
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        is_token = checks.integer if self.vocabulary_dtype == "int64" else _text_token
        self.mask_token = checks.optional(is_token)(mask_token, where, "mask_token")
        self.oov_token = checks.optional(is_token)(oov_token, where, "oov_token")
        self.pad_to_max_tokens = checks.flag(pad_to_max_tokens, where, "pad_to_max_tokens")
        self.sparse = False
        self.oov_method = checks.choice(oov_method, OOV_METHODS, where, "oov_method")
        self.salt = self._checked_salt(salt)
        self.input_vocabulary = self._checked_vocabulary(vocabulary)
        self.input_idf_weights = idf_weights
        self._has_input_vocabulary = vocabulary is not None if has_input_vocabulary is None else has_input_vocabulary
        if self.output_mode == "tf_idf" and vocabulary is not None and idf_weights is None:
            raise ValueError(
                f"{where}: When specifying the `vocabulary` argument, in TF-IDF output mode, the `idf_weights` "
                "argument must also be provided."
            )
        self._frozen_size = checks.optional(checks.count)(vocabulary_size, where, "vocabulary_size")
        self._set_keys([])
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    def _checked_vocabulary(self, vocabulary: Vocabulary | None) -> Vocabulary | None:
        """What a config says of it: the tokens themselves, and no file of them."""
        if isinstance(vocabulary, (str, PathLike)):
            return None
        if vocabulary is not None and not isinstance(vocabulary, Iterable):
            raise ValueError(f"{self._where}: expected a list of tokens or a file as vocabulary, got {vocabulary!r}.")
        return vocabulary

    def _checked_salt(self, salt: int | Sequence[int] | None) -> list[int] | None:
        if salt is None:
            return None
        if self.vocabulary_dtype != "string" and self.oov_method != "farmhash":
            raise ValueError(
                f"{self._where}: `salt` can only be used when `oov_method='farmhash'`, got {self.oov_method!r}."
            )
        return checked_salt(salt, self._where)

    # --- adapt ----------------------------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take the most frequent tokens of data for the vocabulary; of equally many the last in the alphabet first.

        Parameters
        ----------
        data : array_like, or an iterable of batches of them
            For ``output_mode="tf_idf"`` each row is a document; a batch of one axis is one document.
        steps : int, optional
            How many batches to read.
        """
        self.reset_state()
        for batch in batches(data, steps):
            tokens = self.as_input(batch)
            is_whole = batch is data and tokens.ndim == 1
            self.update_state(tokens[:, np.newaxis] if is_whole else tokens)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget what was counted."""
        self._counts: Counter[Any] = Counter()
        self._document_counts: Counter[Any] = Counter()
        self._documents = 0

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch."""
        tokens = self.as_input(data)
        documents = tokens.reshape(1, -1) if tokens.ndim < 2 else tokens.reshape(len(tokens), -1)
        self.count([self._keys(documents)] if self.output_mode != "tf_idf" else [*map(self._keys, documents)])

    def count(self, documents: Sequence[list[Any]]) -> None:
        """Count the tokens of documents, as the table has them."""
        if self._has_input_vocabulary:
            raise ValueError(
                f"{self._where}: Cannot adapt layer '{self.name}' after setting a static vocabulary via `vocabulary` "
                "argument or `set_vocabulary()` method."
            )
        for document in documents:
            self._counts.update(document)
            if self.output_mode == "tf_idf":
                self._document_counts.update(set(document))
        self._documents += len(documents)

    def finalize_state(self) -> None:
        """Take the vocabulary out of what was counted."""
        counted = self._counts
        for token in (self.mask_token, self.oov_token):
            if token is not None:
                counted.pop(self._key(token), None)
        if not counted:
            self._frozen_size = self.vocabulary_size()
            return
        limit = None if self.max_tokens is None else self.max_tokens - len(self._special_tokens)
        keys = sorted(counted, key=lambda key: (counted[key], key), reverse=True)[:limit]
        weights = None
        if self.output_mode == "tf_idf":
            # idf = log(1 + N / (1 + n)) of N documents, n of them with the token
            with_token = np.array([self._document_counts[key] for key in keys])
            idf = np.log(1 + self._documents / (1 + with_token))
            weights = self._padded(idf, len(self._special_tokens))
        self._take(keys, weights)
        self.reset_state()

    # --- as a layer -----------------------------------------------------------------------------------

    @property
    def output_dtype(self) -> str:
        return self.vocabulary_dtype if self.invert else super().output_dtype

    @property
    def depth(self) -> int | None:
        """Length of the last axis of outputs that are no indices; None where it is not known yet."""
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_size

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return shape
        if self.output_mode == "one_hot" and not (len(shape) > 1 and shape[-1] == 1):
            return (*shape, self.depth)
        return (*shape[:-1], self.depth)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (tokens,) = inputs
        if self.invert:
            return self._tokens_of(tokens)
        indices = self.indices(self._keys(tokens)).reshape(tokens.shape)
        if self.output_mode == "int":
            return indices
        return self.weighted(encoded(indices, self.output_mode, self.known_depth(), self.dtype))

    def known_depth(self) -> int:
        """`depth`, or an error where the layer has no vocabulary yet."""
        if self.depth is None:
            raise RuntimeError(
                f"{self._where}: When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, you must "
                "set the layer's vocabulary before calling it: pass `vocabulary`, or call `adapt` with some data."
            )
        return self.depth

    def weighted(self, counted: Array) -> Array:
        """Counts of tokens, for "tf_idf" times their weights."""
        if self.output_mode != "tf_idf":
            return counted
        if self.idf_weights is None:
            raise ValueError(f"{self._where}: When `output_mode` is 'tf_idf', `idf_weights` must be provided.")
        return counted * self.idf_weights

    def indices(self, keys: list[Any]) -> Array:
        """The indices of tokens, as (n,) int64."""
        default = self._first_oov_index if self.num_oov_indices == 1 else UNKNOWN
        indices = np.fromiter(map(self._table.get, keys, repeat(default)), np.int64, len(keys))
        if self.num_oov_indices == 1:
            return indices
        unknown = np.flatnonzero(indices == UNKNOWN)
        if not unknown.size:
            return indices
        tokens = [keys[place] for place in unknown]
        if not self.num_oov_indices:
            raise ValueError(
                f"{self._where}: When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                f"{[self._token(token) for token in tokens[:10]]}, consider setting `num_oov_indices=1`."
            )
        indices[unknown] = self._first_oov_index + self._buckets(tokens)
        return indices

    def _buckets(self, keys: list[Any]) -> Array:
        """Among which of the unknown ones each token counts."""
        if self.vocabulary_dtype != "string" and self.oov_method == "floormod":
            return np.array(keys) % self.num_oov_indices
        texts = keys if self.vocabulary_dtype == "string" else [str(key).encode() for key in keys]
        return buckets(texts, self.num_oov_indices, self.salt)

    def _tokens_of(self, indices: Array) -> Array:
        tokens = np.array([*self.get_vocabulary(), self.oov_token], self._array_dtype)
        size = len(tokens) - 1
        return tokens[np.where((indices >= 0) & (indices < size), indices, size)]

    @property
    def _array_dtype(self) -> Any:
        return object if self.vocabulary_dtype == "string" else np.int64

    # --- config and file ------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "invert": self.invert,
            "max_tokens": self.max_tokens,
            "num_oov_indices": self.num_oov_indices,
            "oov_token": self.oov_token,
            "mask_token": self.mask_token,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "vocabulary_dtype": self.vocabulary_dtype,
            "idf_weights": listed(self.input_idf_weights),
            "vocabulary": listed(self.input_vocabulary),
            "vocabulary_size": self._frozen_size,
            "oov_method": self.oov_method,
            "salt": self.salt,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        refuse_path(cls.__name__, config)
        return super().from_config(config)

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        return object_form(self, {})

    def stored_files(self) -> dict[str, bytes]:
        if self.input_vocabulary is not None:
            return {}  # it stands in the config
        return {VOCABULARY_FILE: "\n".join(map(str, self.get_vocabulary())).encode()}

    def stored_arrays(self) -> dict[str, Array]:
        return {} if self.idf_weights is None else {"idf_weights": self.idf_weights}

    def restoring(self, files: Mapping[str, bytes], arrays: Mapping[str, Array]) -> Callable[[], None]:
        weights = arrays.get("idf_weights", self.idf_weights) if self.output_mode == "tf_idf" else None
        keys = self._vocabulary
        if VOCABULARY_FILE in files and self.input_vocabulary is None:
            tokens, specials = self._listed(files[VOCABULARY_FILE]), self._special_tokens
            tokens += [token for token in specials[len(tokens) :] if token == ""]  # which has left no line
            if tokens[: len(specials)] != specials:
                raise ValueError(f"{self._where}: {VOCABULARY_FILE} does not begin with {specials}.")
            keys = [self._key(token) for token in tokens[len(specials) :]]
            self._check_keys(keys)
        depth = self.max_tokens if self.pad_to_max_tokens else len(self._special_tokens) + len(keys)
        if weights is not None and weights.shape != (depth,) and keys:
            raise ValueError(f"{self._where}: expected idf_weights of shape {(depth,)}, got {weights.shape}.")
        return partial(self._take, keys, None if weights is None else np.asarray(weights, self.dtype))
