"""The TextVectorization layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, registry
from fastgru.layers.preprocessing import texts as text
from fastgru.layers.preprocessing.string_lookup import StringLookup
from fastgru.layers.preprocessing.token_layer import TokenLayer, batches, counts, encoded, refuse_path
from fastgru.layers.preprocessing.vocabulary import Vocabulary
from fastgru.layers.workspace import Call
from fastgru.object_registration import custom_function, custom_objects_in_force
from fastgru.registry import registered
from fastgru.types import Array, Shape

__all__ = ["TextVectorization"]

STANDARDIZATIONS = ("lower_and_strip_punctuation", "lower", "strip_punctuation", None)
SPLITS = ("whitespace", "character", None)
INNER = "_lookup_layer"  # Keras's name of the layer inside, under which its files have everything twice

Rows = list[list[bytes]]


@registered("keras.layers")
class TextVectorization(TokenLayer):
    """Texts to the indices of their words, or to how often each word is there.

    Parameters
    ----------
    max_tokens : int, optional
        Most indices, those of padding (0) and of unknown words (1; 0 where `output_mode` is not "int") included.
    standardize : {"lower_and_strip_punctuation", "lower", "strip_punctuation"}, callable or None
        What is done to a text first, of ASCII only, as in Keras; a function gets an array of str and returns one.
    split : {"whitespace", "character"}, callable or None
        What the tokens are; a function gets an (n,) array of str and returns n lists of str.
    ngrams : int or tuple of int, optional
        Runs of that many tokens are tokens, too: up to the int, or of the lengths in the tuple alone.
    output_mode : {"int", "multi_hot", "count", "tf_idf"}
        (batch, steps) int64 indices, or (batch, depth) floats as of `StringLookup`. "one_hot" is for ``split=None``.
    output_sequence_length : int, optional
        Steps, for "int"; those of the longest text where absent.
    pad_to_max_tokens, vocabulary, idf_weights, encoding
        As of `StringLookup`.
    ragged, sparse
        In Keras's signature; not supported.
    vocabulary_size, has_input_vocabulary
        What a config says of a vocabulary that stands elsewhere.
    """

    takes_text = True

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: str | Callable[[Any], Any] | None = "lower_and_strip_punctuation",
        split: str | Callable[[Any], Any] | None = "whitespace",
        ngrams: int | tuple[int, ...] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Vocabulary | None = None,
        idf_weights: npt.ArrayLike | None = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        where = self._where
        checks.not_supported(where, ragged=ragged)
        for argument, value, choices in (
            ("standardize", standardize, STANDARDIZATIONS),
            ("split", split, SPLITS),
        ):
            if not callable(value):
                checks.choice(value, choices, where, argument)
        self.standardize, self.split = standardize, split
        self.ngrams, self._widths = ngrams, self._checked_widths(ngrams)
        self.lookup = StringLookup(
            max_tokens=max_tokens, vocabulary=vocabulary, idf_weights=idf_weights, mask_token="",
            pad_to_max_tokens=pad_to_max_tokens, output_mode=output_mode, sparse=sparse, encoding=encoding,
            vocabulary_size=vocabulary_size,
            has_input_vocabulary=has_input_vocabulary, dtype=self.dtype,
        )  # fmt: skip
        self.output_mode = self.lookup.output_mode
        if output_sequence_length is not None:
            if self.output_mode != "int":
                raise ValueError(
                    f"{where}: `output_sequence_length` must not be set if `output_mode` is not 'int', "
                    f"got {output_sequence_length!r}."
                )
            output_sequence_length = checks.positive_integer(output_sequence_length, where, "output_sequence_length")
        self.output_sequence_length = output_sequence_length
        # the longest text of a batch makes the others longer
        self.couples_rows = self.output_mode == "int" and output_sequence_length is None
        if self.output_mode == "one_hot" and split is not None:
            raise ValueError(f"{where}: output_mode='one_hot' is for split=None, got split={split!r}.")

    def _checked_widths(self, ngrams: Any) -> tuple[int, ...]:
        """The lengths of runs of tokens; empty where each token stands for itself."""
        if ngrams is None:
            return ()
        widths = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams
        if not isinstance(widths, tuple) or not all(isinstance(one, int) and one > 0 for one in widths) or not widths:
            raise ValueError(
                f"{self._where}: `ngrams` must be None, an integer, or a tuple of integers, got ngrams={ngrams!r}."
            )
        return widths

    def build(self, input_shape: Shape | None = None) -> None:
        self.built = True

    # --- the vocabulary -------------------------------------------------------------------------------

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take the most frequent tokens of texts for the vocabulary.

        Parameters
        ----------
        data : array_like of str, or an iterable of batches of them
        batch_size
            In Keras's signature, and of no account there either.
        steps : int, optional
            How many batches to read.
        """
        self.lookup.reset_state()
        for batch in batches(data, steps):
            self.update_state(batch)
        self.lookup.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch of texts."""
        self.lookup.count(self._rows(self.as_input(data)))

    def finalize_state(self) -> None:
        """Take the vocabulary out of what was counted."""
        self.lookup.finalize_state()

    def reset_state(self) -> None:
        """Forget what was counted."""
        self.lookup.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The tokens by their indices, with or without padding and the unknown one."""
        return self.lookup.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """The number of indices, those of padding and of unknown words included."""
        return self.lookup.vocabulary_size()

    def set_vocabulary(self, vocabulary: Vocabulary, idf_weights: npt.ArrayLike | None = None) -> None:
        """Replace the vocabulary; see `StringLookup.set_vocabulary`."""
        self.lookup.set_vocabulary(vocabulary, idf_weights)

    # --- as a layer -----------------------------------------------------------------------------------

    def as_input(self, x: Any) -> Array:
        return text.text_array(x, f"Layer {self.name!r}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.split is not None:
            shape = (*(shape[:-1] if len(shape) > 1 else shape), None)
        elif self._widths:
            shape = (*shape[:-1], None)
        if self.output_mode == "int":
            return shape if self.output_sequence_length is None else (*shape[:-1], self.output_sequence_length)
        return self.lookup.compute_output_shape(shape)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        rows = self._rows(x)
        lengths = np.fromiter(map(len, rows), np.intp, len(rows))
        indices = self.lookup.indices(list(chain.from_iterable(rows)))
        if self.output_mode == "int":
            outputs = _padded(indices, lengths, self.output_sequence_length)
        elif self.output_mode == "one_hot":
            outputs = encoded(indices.reshape(len(rows), -1), "one_hot", self.lookup.known_depth(), self.dtype)
        else:
            depth = self.lookup.known_depth()
            counted = counts(np.repeat(np.arange(len(rows)), lengths), indices, len(rows), depth)
            if self.output_mode == "multi_hot":
                counted = counted > 0
            outputs = self.lookup.weighted(np.asarray(counted, self.dtype))
        if x.ndim == 0:
            return outputs[0]
        whole = self.split is None and not self._widths and self.output_sequence_length is None
        return outputs.reshape(x.shape) if whole and self.output_mode == "int" else outputs

    def _rows(self, x: Array) -> Rows:
        """The tokens of each text, or of each row of texts that are not split."""
        where = self._where
        if callable(self.standardize):
            unicode = np.array(_decoded(text.encoded_texts(x, where))).reshape(x.shape)
            x = text.text_array(self.standardize(unicode), where)
        texts = text.encoded_texts(x, where)
        if not callable(self.standardize):
            texts = text.standardized_texts(texts, self.standardize)
        if self.split is None:
            width = x.shape[-1] if x.ndim > 1 else 1
            rows = [texts[start : start + width] for start in range(0, len(texts), width)]
        else:
            if x.ndim > 2 or (x.ndim == 2 and x.shape[1] != 1):
                raise ValueError(
                    f"{where}: When using `TextVectorization` to tokenize strings, the input rank must be 1 or the "
                    f"last shape dimension must be 1, got shape {x.shape}."
                )
            rows = self._by_function(texts) if callable(self.split) else text.split_texts(texts, self.split)
        return [text.ngrams(row, self._widths) for row in rows] if self._widths else rows

    def _by_function(self, texts: list[bytes]) -> Rows:
        assert callable(self.split)
        result = self.split(np.array(_decoded(texts)))
        rows = result.to_list() if hasattr(result, "to_list") else list(result)
        if len(rows) != len(texts):
            raise ValueError(
                f"{self._where}: expected split to return a list of strings for each of {len(texts)} texts, "
                f"got {len(rows)} lists."
            )
        return [text.encoded_texts(np.array(list(row), dtype=object), self._where) for row in rows]

    # --- config and file ------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        inner = self.lookup.get_config()
        return {
            **super().get_config(),
            "max_tokens": self.lookup.max_tokens,
            "standardize": registry.serialize(self.standardize),
            "split": registry.serialize(self.split),
            "ngrams": self.ngrams,
            "output_mode": self.output_mode,
            "output_sequence_length": self.output_sequence_length,
            "pad_to_max_tokens": self.lookup.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            "vocabulary": inner["vocabulary"],
            "idf_weights": inner["idf_weights"],
            "encoding": self.lookup.encoding,
            "vocabulary_size": self.vocabulary_size(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        refuse_path(cls.__name__, config)
        functions = {
            key: custom_function(_function_name(config[key]), custom_objects_in_force()) or config[key]
            for key in ("standardize", "split")
            if isinstance(config.get(key), Mapping)
        }
        ngrams = config.get("ngrams")
        return cls(**{**config, **functions, "ngrams": tuple(ngrams) if isinstance(ngrams, list) else ngrams})

    def stored_files(self) -> dict[str, bytes]:
        inner = self.lookup.stored_files()
        return {**{f"{INNER}/{name}": content for name, content in inner.items()}, **inner}

    def stored_arrays(self) -> dict[str, Array]:
        inner = self.lookup.stored_arrays()
        return {**{f"{INNER}/{name}": array for name, array in inner.items()}, **inner}

    def restoring(self, files: Mapping[str, bytes], arrays: Mapping[str, Array]) -> Callable[[], None]:
        return self.lookup.restoring(files, arrays)


def _function_name(form: Mapping[str, Any]) -> str:
    return str(form.get("config"))


def _decoded(texts: Sequence[bytes]) -> list[str]:
    return [one.decode(errors="replace") for one in texts]


def _padded(indices: Array, lengths: Array, width: int | None) -> Array:
    """Indices of rows of these lengths as one array: zeros follow the shorter ones, what is too long is cut."""
    if width is None:
        width = int(lengths.max(initial=0))
    padded = np.zeros((len(lengths), width), np.int64)
    is_filled = np.arange(width) < lengths[:, np.newaxis]
    if lengths.max(initial=0) > width:
        first = np.cumsum(lengths) - lengths
        indices = indices[np.arange(len(indices)) - np.repeat(first, lengths) < width]
    padded[is_filled] = indices
    return padded
