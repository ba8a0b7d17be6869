"""What a model is fed: checked once by `samples`, then cut, cast and gathered once, batch by batch, by `Batches`."""

from typing import TYPE_CHECKING

from fastgru.data.batches import Batch, Batches, SharedBatch, batch_size_of, shared
from fastgru.data.column import Column, finite
from fastgru.data.entries import Names, entries, labels
from fastgru.data.padding import PaddedColumn, StepsColumn, TrimmedColumn, by_length
from fastgru.data.samples import Samples, class_weighted, inputs, samples, split, unpack
from fastgru.data.sequences import Sequences
from fastgru.data.source import Evenly, Source, Stored, fitted, shapes, source, whole
from fastgru.data.stream import Stream
from fastgru.data.streams import BatchStream, Indexed, stream_of, unpacked
from fastgru.moved import attributes

__all__ = [
    "Batch",
    "BatchStream",
    "Batches",
    "Column",
    "Evenly",
    "Indexed",
    "Names",
    "PaddedColumn",
    "Samples",
    "Sequences",
    "SharedBatch",
    "Source",
    "StepsColumn",
    "Stored",
    "Stream",
    "TrimmedColumn",
    "batch_size_of",
    "by_length",
    "class_weighted",
    "entries",
    "finite",
    "fitted",
    "inputs",
    "labels",
    "samples",
    "shapes",
    "shared",
    "source",
    "split",
    "stream_of",
    "unpack",
    "unpacked",
    "whole",
]

if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)
