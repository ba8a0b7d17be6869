"""The Hashing layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import checks
from fastgru.layers.preprocessing.hashes import buckets, checked_salt
from fastgru.layers.preprocessing.texts import KINDS, encoded_texts, text_array
from fastgru.layers.preprocessing.token_layer import TokenLayer, encoded
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

__all__ = ["Hashing"]

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count")
INTEGERS = ("int32", "int64")


@registered("keras.layers")
class Hashing(TokenLayer):
    """Tokens to the numbers of bins, by a hash: no vocabulary, and several tokens may share a bin.

    Parameters
    ----------
    num_bins : int
    mask_value : str or int, optional
        Has bin 0, and nothing else has.
    salt : int or (int, int), optional
        Key of the hash, which is then SipHash; FarmHash where absent.
    output_mode : {"int", "one_hot", "multi_hot", "count"}
        (...) bins, or (..., num_bins) floats as of `StringLookup`.
    sparse
        In Keras's signature; not supported.
    dtype : str, optional
        "int64" or "int32" for the mode "int", else a float's.
    """

    takes_text = True

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else dtype
        is_int = output_mode == "int"
        super().__init__(dtype=None if is_int else dtype, **kwargs)
        where = self._where
        if sparse:
            raise ValueError(
                f"{where}: `sparse` may only be true if `output_mode` is one of {OUTPUT_MODES[1:]}, and is not "
                "supported by fastgru then."
            )
        if output_mode not in OUTPUT_MODES:
            raise ValueError(
                f"{where}: Invalid value for argument `output_mode`. Expected one of {OUTPUT_MODES}, "
                f"got {output_mode!r}."
            )
        self.output_mode = output_mode
        self._output_dtype = (name or "int64") if is_int else self.dtype
        if is_int and self._output_dtype not in INTEGERS:
            raise ValueError(
                f'{where}: When `output_mode="int"`, `dtype` should be an integer type, "int32" or "int64", '
                f"got {name!r}."
            )
        if not isinstance(num_bins, (int, np.integer)) or num_bins <= 0:
            raise ValueError(
                f"{where}: The `num_bins` for `Hashing` cannot be `None` or non-positive values, got {num_bins!r}."
            )
        self.num_bins = num_bins
        if mask_value is not None and not isinstance(mask_value, (str, bytes)):
            checks.integer(mask_value, where, "mask_value")
        self.mask_value = mask_value
        self.salt = None if salt is None else checked_salt(salt, where)

    @property
    def output_dtype(self) -> str:
        return self._output_dtype

    def as_input(self, x: Any) -> Array:
        array = np.asarray(x)
        if array.dtype.kind in KINDS:
            return text_array(x, f"Layer {self.name!r}")
        return checks.real_numbers(array, f"Layer {self.name!r}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return shape
        if self.output_mode == "one_hot" and not (len(shape) > 1 and shape[-1] == 1):
            return (*shape, self.num_bins)
        return (*shape[:-1], self.num_bins)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        is_masked, bins = None, self.num_bins
        if self.mask_value is not None and bins > 1:
            bins -= 1
            is_masked = self._is_masked(x)
        if x.dtype.kind in KINDS:
            texts = encoded_texts(x, self._where)
        else:
            texts = [str(number).encode() for number in x.astype(np.int64).ravel().tolist()]
        numbers = buckets(texts, bins, self.salt).reshape(x.shape)
        if is_masked is not None:
            numbers = np.where(is_masked, 0, numbers + 1)
        if self.output_mode == "int":
            return numbers.astype(self._output_dtype)
        return encoded(numbers, self.output_mode, self.num_bins, self.dtype)

    def _is_masked(self, x: Array) -> Array:
        if x.dtype.kind not in KINDS:
            return x == self.mask_value
        mask = self.mask_value if isinstance(self.mask_value, bytes) else str(self.mask_value).encode()
        return np.array([text == mask for text in encoded_texts(x, self._where)], bool).reshape(x.shape)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["dtype"] = {**config["dtype"], "config": {"name": self._output_dtype}}
        return {
            **config,
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": False,
        }
