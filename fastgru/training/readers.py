"""What reads the inputs of a model first, and what it must not be handed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from fastgru.data import Sequences, Source, Stored
from fastgru.layers.layer import Layer
from fastgru.training.compilation import Compiled

LOOKED_AT = 256  # samples of which ids are told from features


def computing_readers(model: Compiled) -> list[Layer | None]:
    """For each input a layer of this package that computes with it; None where there is none.

    A layer of one's own that reads an input may put something in the place of NaN, and so may the functions of a graph;
    a mask that is handed to a layer may leave them out.
    """
    return [next(filter(_computes, layers), None) for layers in model.first_layers()]


def _computes(layer: Layer) -> bool:
    return not layer.takes_tokens and layer.takes_no_nan and not _is_own(layer)


def _is_own(layer: Layer) -> bool:
    package = __name__.partition(".")[0]
    return type(layer).__module__.partition(".")[0] != package or any(map(_is_own, layer.sublayers))


def warn_of_ids(model: Compiled, sources: Sequence[Source]) -> None:
    """Warn, where `fit` was called, of whole numbers like ids that go into a layer that multiplies with weights."""
    for reader, source in zip(computing_readers(model), sources, strict=True):
        # of files nothing is read ahead, and pixels have a byte
        if reader is None or isinstance(source, Stored) or source.dtype.kind not in "iu" or source.dtype.itemsize < 4:
            continue
        first = source[:LOOKED_AT]
        numbers = first.whole() if isinstance(first, Sequences) else first
        if any(weight.name == "kernel" for weight in reader.weights) and numbers.min() >= 0 and numbers.max() > 1:
            warnings.warn(
                f"x: whole numbers up to {numbers.max()} go into {type(reader).__name__} {reader.name!r} as they are; "
                "where they are ids, of words say, put an Embedding before it, else give them as floats.",
                stacklevel=5,
            )
