"""What a model file holds, whatever its format and its version: what `formats` reads and `build` makes a model of."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fastgru.layers.layer import Layer
from fastgru.saving.report import reading

FilePath = str | os.PathLike[str]
Array = npt.NDArray[Any]
Config = dict[str, Any]
Version = tuple[int, int]
# how a file lists a layer: its class there, where in a wrapper that was taken off the layer is, and the layer (None: it
# was left out), or a list or dict of layers
Entry = tuple[str, str, Layer | list[Any] | tuple[Any, ...] | dict[Any, Any] | None]

KERAS_3: Version = (3, 0)
OF_TRAINING = ("optimizer", "metrics")  # where a weight file of Keras 3 has what belongs to no layer
VERSION_LETTERS = 40  # letters of a version that are shown
WRITER = "fastgru_version"  # the key, beside Keras's own, by which a file says that fastgru wrote it


def writer(fastgru_version: object, keras: str) -> str:
    """Who wrote a file, in words: fastgru where the file names its version, else that Keras."""
    if not isinstance(fastgru_version, str):
        return keras
    return f"fastgru {short_version(fastgru_version)} in the form of {keras}"


def short_version(version: object) -> str:
    """A version as it stands in a file, which may hold any text, without what is too long for one."""
    text = str(version)
    return text if len(text) <= VERSION_LETTERS else f"{text[:VERSION_LETTERS]}[...]"


class StoredArray(Protocol):
    """An array in a file, not read yet."""

    shape: tuple[int, ...]

    @property
    def file(self) -> str:
        """The file's name in error messages."""

    @property
    def place(self) -> str:
        """Where in the file the array stands, also for error messages."""

    def read(self, dtype: npt.DTypeLike) -> Array:
        """The numbers. Compare `shape` with what is expected first: a small file can declare an array of any size."""


class ArrayInMemory:
    """A `StoredArray` that is read already."""

    def __init__(self, file: str, place: str, value: Array) -> None:
        self.file = file
        self.place = place
        self.shape = value.shape
        self._value = value

    def read(self, dtype: npt.DTypeLike) -> Array:
        with reading(self.file, self.place):
            if self._value.dtype.kind not in "fiu":
                raise ValueError(f"expected an array of numbers, got dtype {self._value.dtype}")
            return np.asarray(self._value, dtype)


class StoredModel(NamedTuple):
    """A model, or the weights of one, as they stand in an open file.

    Attributes
    ----------
    file : str
        Its name in error messages.
    format : str
        Its format in words.
    written_by : str
        Who wrote it, in words.
    arrays : dict
        Arrays in their order, by their owner: a path of attributes in Keras 3's weight files (`layers/gru/cell`), the
        name of a layer in legacy files.
    by_layer : bool
        Whether the owners are layers, by their names.
    in_order : bool
        Whether the owners are those of a model of the same shape, in its order and by names of their own.
    of_torch : bool
        Whether they are modules of PyTorch, with its names and layouts of arrays.
    sorted_by_name : bool
        Whether the order is that of the names, and tells nothing of the model.
    by_weight_name : bool
        Whether an owner's arrays have the names of its weights, and no order.
    version : tuple of int
        Of the Keras that wrote it; (1, 0) where it does not say.
    backend : str, optional
        What computed; None where it is not known or of no account.
    config : dict, optional
        The model, as JSON; None in a file of weights alone.
    training : dict, optional
        What it was compiled with, in the form of a `.keras` file.
    optimizer_arrays : callable
        Gives those of the optimizer in their order; they are looked at only where they are needed.
    weights_file, place : str
        In which file and where in it the owners stand, for error messages.
    model_arrays : list
        Arrays of a legacy model itself, of which fastgru's have none.
    named_arrays : dict
        By their owner those that are no weights and have names: of a vocabulary, how much a token weighs.
    assets : dict
        By their path the files beside the arrays, to be read: vocabularies.
    table_plan : bytes, optional
        How the model reads a table, in the form of `fastgru.tables.plan`; None where nobody said it.
    """

    file: str
    format: str
    written_by: str
    arrays: dict[str, list[StoredArray]]
    by_layer: bool = False
    in_order: bool = False
    of_torch: bool = False
    sorted_by_name: bool = False
    by_weight_name: bool = False
    version: Version = KERAS_3
    backend: str | None = None
    config: Config | None = None
    training: Config | None = None
    optimizer_arrays: Callable[[], list[StoredArray]] = list
    weights_file: str = ""
    place: str = ""
    model_arrays: Sequence[StoredArray] = ()
    named_arrays: Mapping[str, Mapping[str, StoredArray]] = MappingProxyType({})
    assets: Mapping[str, Callable[[], bytes]] = MappingProxyType({})
    table_plan: bytes | None = None

    @property
    def layer_arrays(self) -> dict[str, list[StoredArray]]:
        """The arrays whose owners are layers."""
        return {
            owner: arrays
            for owner, arrays in self.arrays.items()
            if self.by_layer or self.in_order or owner.split("/")[0] == "layers"
        }

    @property
    def holds_weights(self) -> bool:
        """Whether an array is that of a layer, not of what it was trained with."""
        return self.by_layer or any(owner.split("/")[0] not in OF_TRAINING for owner in self.arrays)

    @property
    def numbers(self) -> int:
        """How many numbers all arrays hold."""
        return sum(math.prod(array.shape) for arrays in self.arrays.values() for array in arrays)
