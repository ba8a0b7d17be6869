"""What a model is fed: checked once by `samples`, then cut, cast and gathered once, batch by batch, by `Batches`."""

from typing import TYPE_CHECKING

from fastgru.data.batches import Batch, Batches, batch_size_of
from fastgru.data.column import Column, without_nan
from fastgru.data.entries import Names, entries, labels
from fastgru.data.py_dataset import PyDataset
from fastgru.data.samples import Samples, class_weighted, inputs, samples, split, unpack
from fastgru.data.source import Source, Stored, fitted, shapes, source, whole
from fastgru.data.stream import Stream
from fastgru.data.streams import BatchStream, Indexed, stream_of, unpacked
from fastgru.moved import attributes

__all__ = [
    "Batch",
    "BatchStream",
    "Batches",
    "Column",
    "Indexed",
    "Names",
    "PyDataset",
    "Samples",
    "Source",
    "Stored",
    "Stream",
    "batch_size_of",
    "class_weighted",
    "entries",
    "fitted",
    "inputs",
    "labels",
    "samples",
    "shapes",
    "source",
    "split",
    "stream_of",
    "unpack",
    "unpacked",
    "whole",
    "without_nan",
]

if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)
