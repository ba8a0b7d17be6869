"""One model as a service has it: its name, what goes in and comes out, and the function that computes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from fastgru import tree
from fastgru.data import shapes
from fastgru.serving.limits import NUMBERS
from fastgru.serving.refusal import Refusal
from fastgru.serving.sizes import Sizes
from fastgru.serving.tensors import DATATYPES, datatype_of
from fastgru.training.feeding import couples_rows, is_stateful
from fastgru.types import Array

__all__ = ["Predict", "Served", "Tensor", "of_model"]

Predict = Callable[[list[Array]], Sequence[Array]]  # the rows of all inputs to those of all outputs
VERSION = "1"  # of a file there is one
EMPTY_STEPS = 1 << 16  # of no rows: they cost time, and no byte of the request


class Tensor(NamedTuple):
    """An input or output of a model.

    Attributes
    ----------
    name : str
    datatype : str
        The protocol's, as the metadata has it.
    shape : tuple of int or None
        Without the rows; None for any size.
    dtype : numpy dtype or None
        What numbers are cast to; None where the model's layers do it.
    """

    name: str
    datatype: str
    shape: tuple[int | None, ...]
    dtype: Any = None

    def metadata(self) -> dict[str, Any]:
        sizes = [-1 if size is None else size for size in self.shape]
        return {"name": self.name, "datatype": self.datatype, "shape": [-1, *sizes]}

    def checked(self, array: Array) -> Array:
        """An array as the model takes it.

        Raises
        ------
        Refusal
            It has another shape, or text stands where numbers should.
        """
        sizes = array.shape[1:]
        fits = array.ndim == 1 + len(self.shape) and (
            sizes == self.shape
            or all(size == known or (known is None and size > 0) for size, known in zip(sizes, self.shape, strict=True))
        )
        if not fits:
            expected = self.metadata()["shape"]
            raise Refusal(
                400, f"input {self.name!r}: expected shape {expected}, -1 for any size from 1, got {[*array.shape]}."
            )
        if not len(array):
            steps = math.prod(size for size, known in zip(sizes, self.shape, strict=True) if known is None)
            if steps > EMPTY_STEPS:
                raise Refusal(
                    400, f"input {self.name!r}: expected at most {EMPTY_STEPS:,} steps of no rows, got {steps:,}."
                )
        if (array.dtype == object) != (self.datatype == "BYTES"):
            raise Refusal(
                400, f"input {self.name!r}: expected {self.datatype}, got {datatype_of(array.dtype)}."
            )  # fmt: skip
        return array if self.dtype is None else array.astype(self.dtype, copy=False)


class Served:
    """A model that answers.

    Parameters
    ----------
    name : str
        In the service's addresses.
    inputs, outputs : sequence of Tensor
    predict : callable
        Arrays of the inputs to arrays of the outputs. Another one may take its place at any time.
    rows_are_apart : bool
        Whether a row's answer does not depend on its neighbours, so that requests can share a batch.
    network : Model, optional
        What sessions stream through.
    sizes : Sizes, optional
        What bounds the memory that a request takes.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        predict: Predict,
        rows_are_apart: bool = True,
        network: Any = None,
        sizes: Sizes | None = None,
    ) -> None:
        self.name = name
        self.version = VERSION
        self.inputs = inputs
        self.outputs = outputs
        self.input_names = [one.name for one in inputs]
        self.output_names = [output.name for output in outputs]
        self.predict = predict
        self.rows_are_apart = rows_are_apart
        self.network = network
        self.sizes = sizes

    def metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": "fastgru",
            "inputs": [one.metadata() for one in self.inputs],
            "outputs": [one.metadata() for one in self.outputs],
        }

    def checked(self, arrays: dict[str, Array]) -> tuple[list[Array], int, Hashable]:
        """The inputs in the model's order, their rows, and what is equal for requests that can share a batch.

        Raises
        ------
        Refusal
            They are not the model's inputs, or too long.
        """
        if arrays.keys() != set(self.input_names):
            expected = ", ".join(map(repr, self.input_names))
            raise Refusal(400, f"inputs: expected {expected}, got {_listed(arrays)}.")
        inputs = [one.checked(arrays[one.name]) for one in self.inputs]
        rows = len(inputs[0])
        if any(len(array) != rows for array in inputs):
            raise Refusal(400, f"inputs: expected as many rows in each, got {[len(array) for array in inputs]}.")
        if self.sizes is not None:
            self.sizes.rows(inputs)
        key = tuple([(array.shape[1:], array.dtype) for array in inputs]) if self.rows_are_apart else object()
        return inputs, rows, key

    def check_outputs(self, asked: Sequence[tuple[str, bool]] | None) -> None:
        """Refusal where an output is asked for that there is not, before anything is computed."""
        for name, _is_binary in asked or ():
            if name not in self.output_names:
                raise Refusal(400, f"output {name[:100]!r}: there is none; the model has {_listed(self.output_names)}.")

    def warm_up(self) -> None:
        """Compute for one row and for a batch, so that the weights are packed: once, and not in each forked process.

        A model that takes no sequences of 16 steps, or no zeros, stays cold.
        """
        for rows in (1, 32):
            shapes = [(rows, *(16 if size is None else size for size in one.shape)) for one in self.inputs]
            kinds = [DATATYPES[one.datatype] if one.dtype is None else one.dtype for one in self.inputs]
            with suppress(ValueError, Refusal):
                self.predict(
                    [
                        np.full(shape, "" if kind.kind == "O" else 0, kind)
                        for shape, kind in zip(shapes, kinds, strict=True)
                    ]
                )

    def compute(self, requests: list[list[Array]]) -> list[list[Array]]:
        """The outputs of several requests of one key, which run as one batch."""
        if len(requests) == 1:
            return [list(self.predict(requests[0]))]
        outputs = self.predict([np.concatenate(parts) for parts in zip(*requests, strict=True)])
        stops = list(accumulate(len(request[0]) for request in requests))
        return [[output[start:stop] for output in outputs] for start, stop in zip([0, *stops], stops, strict=False)]


def _listed(names: Any) -> str:
    return ", ".join(repr(name)[:60] for name in list(names)[:10]) or "none"


def of_model(name: str, model: Any, batch: int, numbers: int = NUMBERS) -> Served:
    """A model of fastgru's.

    Parameters
    ----------
    name : str
    model : Model
    batch : int
        Rows that are computed at a time, fewer where they are large.
    numbers : int
        That the layers make of them.

    Raises
    ------
    ValueError
        The shapes of its inputs are not known.
    """
    symbols = getattr(model, "inputs", None)
    if not symbols or not getattr(model, "outputs", None):
        raise ValueError(
            f"{name}: expected a Sequential or Functional whose inputs have known shapes, got {type(model).__name__}."
        )
    input_names = model.input_names or [re.sub(r"^(input_layer)_\d+$", r"\1", symbols[0].name)]
    takes_tokens = len(symbols) == 1 and model.layers[0].takes_tokens
    inputs = [
        Tensor(one, _datatype(symbol, takes_tokens), tuple(shape[1:]), dtype and np.dtype(dtype))
        for one, symbol, shape, dtype in zip(
            input_names, symbols, shapes(model.input_shape), model.input_dtypes, strict=True
        )
    ]
    output_names = model.output_names or [model.layers[-1].name]
    outputs = [
        Tensor(one, datatype_of(symbol.dtype), tuple(symbol.shape[1:]))
        for one, symbol in zip(output_names, model.outputs, strict=True)
    ]

    has_states, rows_are_apart = is_stateful(model), not couples_rows(model)
    sizes = Sizes(model, [one.shape for one in inputs], batch, numbers, rows_are_apart)

    def predict(arrays: list[Array]) -> list[Array]:
        if has_states:
            raise Refusal(400, f"model {name!r} is stateful; stream sessions of it at /v2/models/{name}/stream.")
        x = arrays if model.input_names is not None else arrays[0]
        size = sizes.rows(arrays)
        if 0 < len(arrays[0]) <= size:  # what `predict` comes to, without its options
            return tree.flatten(model.predict_on_batch(x))
        return tree.flatten(model.predict(x, batch_size=size, verbose=0))

    return Served(name, inputs, outputs, predict, rows_are_apart, model, sizes)


def _datatype(symbol: Any, takes_tokens: bool) -> str:
    return "INT32" if takes_tokens and str(symbol.dtype).startswith("float") else datatype_of(symbol.dtype)
