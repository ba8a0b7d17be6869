"""The way of data into a model: in the shapes and dtypes that its inputs have, and as its losses take targets."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastgru import checks, data, distribution
from fastgru.data import (
    Batch,
    Batches,
    BatchStream,
    Column,
    Indexed,
    PaddedColumn,
    Samples,
    Sequences,
    Source,
    StepsColumn,
    Stream,
    TrimmedColumn,
)
from fastgru.layers.layer import Layer
from fastgru.training import own_model, unequal
from fastgru.training.compilation import Compiled
from fastgru.training.intake import check_batches, fitted, inputs, is_stateful
from fastgru.training.readers import computing_readers, warn_of_ids
from fastgru.training.unequal import UnequalPredictions

if TYPE_CHECKING:
    from fastgru.data.column import Check, ColumnLike

Dataset = Samples | BatchStream  # what a call is handed
Feed = Batches | Stream  # what the loops take their batches from

# predict works on this many samples at a time, fewer where they are large: a batch as the user asked for would leave
# threads idle, and but for rounding a sample's result does not depend on the others
PREDICT_ROWS = 256
PREDICT_NUMBERS = 1 << 22


def samples(model: Compiled, x: Any, y: Any, weight: Any) -> Samples:
    """The data of a call, looked at once."""
    own_model.see(model, x)
    names = model._objective.with_loss
    if isinstance(y, (list, tuple)) and len(y) == len(names) < len(model.output_names or ()):
        y = dict(zip(names, y, strict=True))  # as Keras takes them, without those of the outputs that have no loss
    return data.samples(x, y, weight, model.input_names, model.output_names, model.takes_text)


def columns(model: Compiled, sources: Sequence[Source]) -> list[ColumnLike]:
    """The inputs as batches are made of them."""
    return [_column(x, dtype) for x, dtype in zip(sources, model.input_dtypes, strict=True)]


def _column(x: Source, dtype: Any, *checks: Check) -> ColumnLike:
    return PaddedColumn(x, dtype, *checks) if isinstance(x, Sequences) else Column(x, dtype, *checks)


def checked_columns(model: Compiled, sources: Sequence[Source]) -> list[ColumnLike]:
    """The same, where a layer of ours computes with an input with the check for NaN and infinity."""
    described = zip(
        sources, model.input_dtypes, computing_readers(model), data.labels("x", model.input_names, "input"), strict=True
    )
    return [
        _column(x, dtype, *([] if reader is None else [data.finite(label)])) for x, dtype, reader, label in described
    ]


def dataset(model: Compiled, x: Any, y: Any = None, weight: Any = None, shuffle: Any = False) -> Dataset:
    """The data of a call: samples, looked at once, or a stream of batches."""
    stream = data.stream_of(x, bool(shuffle))
    if stream is None:
        return samples(model, x, y, weight)
    for name, value in (("y", y), ("sample_weight", weight)):
        if value is not None:
            raise ValueError(f"{name}: {stream.kind} gives batches (x, y, sample_weight), so {name} cannot be given.")
    return stream


def datasets(
    model: Compiled, x: Any, y: Any, weight: Any, shuffle: Any, validation_split: float, validation_data: Any
) -> tuple[Dataset, Dataset | None]:
    """What to train on, and what to validate on."""
    if shuffle not in (True, False, "batch"):
        raise ValueError(f'fit: expected shuffle to be True, False or "batch", got {shuffle!r}.')
    whole = dataset(model, x, y, weight, shuffle)
    if validation_data is not None:
        return whole, validation_dataset(model, validation_data)
    if not validation_split:
        return whole, None
    if isinstance(whole, BatchStream):
        raise ValueError(f"validation_split: {whole.kind} cannot be split; give validation_data.")
    return data.split(whole, validation_split)


def validation_dataset(model: Compiled, validation_data: Any) -> Dataset:
    """That of `validation_data`: a stream of batches, or ``(x, y)`` or ``(x, y, sample_weight)``."""
    stream = data.stream_of(validation_data)
    return samples(model, *data.unpack(validation_data)) if stream is None else stream


def batches(
    model: Compiled,
    where: str,
    dataset: Dataset,
    batch_size: int | None = None,
    shuffle: bool | str | None = None,
    steps: int | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> Feed:
    """Batches of inputs, then targets, then weights; `shuffle` is None where their order does not matter."""
    if not model.compiled:
        raise ValueError(f"{where}: the model is not compiled; call compile(optimizer, loss) first.")
    if isinstance(dataset, Samples):
        size = data.batch_size_of(batch_size, dataset.size, steps)
        columns = _columns_of_samples(model, where, dataset, size, class_weight)
        # where the order is free, sequences of unequal length come by it
        lengths = unequal.lengths(dataset.x) if shuffle is True or (shuffle is None and steps is None) else None
        cut = Batches(columns, batch_size, shuffle, steps, lengths, distribution.current())
        _check_readers(model, dataset.x)
        check_batches(model, cut.count, cut.batch_size)
        return cut

    def bound(batch: Any) -> Batch:
        whole = samples(model, *data.unpacked(batch, where))
        columns = _columns_of_samples(model, where, whole, whole.size, class_weight)
        check_batches(model, whole.size, whole.size)
        return _single(columns, whole.size)

    stream = Stream(dataset, bound, _steps(dataset, batch_size, steps))
    _check_readers(model, samples(model, *data.unpacked(stream.first, where)).x)
    return stream


def _check_readers(model: Compiled, x: Sequence[Source]) -> None:
    """Warn of ids that go into a layer for features; a ValueError for sequences that the model cannot take."""
    warn_of_ids(model, x)
    if unequal.lengths(x) is not None:
        _check_unequal(model, *fitted(model, x, None))


def _check_unequal(model: Compiled, x: Source) -> None:
    if is_stateful(model):
        raise ValueError(f"Model {model.name!r} is stateful and takes no nested lists of unequal lengths.")
    assert isinstance(x, Sequences)
    unequal.check_model(model, x)


def validation_batches(
    model: Compiled, dataset: Dataset, batch_size: int | None, own_size: int | None, steps: int | None
) -> Feed:
    """Batches of the size of their own, or where there is none of the size for training."""
    if own_size is None and isinstance(dataset, Samples):
        own_size = batch_size
    return batches(model, "fit", dataset, own_size, steps=steps)


def input_batches(model: Compiled, stream: BatchStream, batch_size: int | None, steps: int | None) -> Stream:
    """Batches of the inputs of a stream, whatever else it gives."""

    def bound(batch: Any) -> Batch:
        sources = inputs(model, data.unpacked(batch, "predict")[0])
        if unequal.lengths(sources) is not None:
            raise ValueError("predict: expected arrays, got nested lists of unequal lengths; predict all in one list.")
        count = len(sources[0])
        check_batches(model, count, count)
        return _single(columns(model, sources), count)

    return Stream(stream, bound, _steps(stream, batch_size, steps))


def unequal_batches(
    model: Compiled, x: Sequences, batch_size: int | None, steps: int | None, is_watched: bool
) -> tuple[Batches, UnequalPredictions]:
    """Batches of sequences of unequal length, from the shortest to the longest, and what puts their outputs back."""
    _check_unequal(model, x)
    size = data.batch_size_of(batch_size, len(x), steps)
    if steps is not None:
        x = x[: steps * size]
    elif not is_watched:
        size = max(size, prediction_rows(model, [x]))
    columns: list[ColumnLike] = [PaddedColumn(x, model.input_dtypes[0]), StepsColumn(x.lengths)]
    cut = Batches(columns, size, lengths=x.lengths, sharing=distribution.current())
    return cut, UnequalPredictions(data.by_length(x.lengths), x.lengths)


def _steps(stream: BatchStream, batch_size: int | None, steps: int | None) -> int | None:
    """The steps of an epoch of a stream, None for a pass."""
    if batch_size is not None:
        warnings.warn(f"batch_size has no effect, as {stream.kind} makes the batches.", stacklevel=4)
    if steps is None and stream.steps is None and isinstance(stream, Indexed):
        raise ValueError("x: the PyDataset has no end; say how many of its batches make an epoch (steps_per_epoch).")
    return None if steps is None else checks.positive_integer(steps, "steps", "steps")


def _single(columns: Sequence[ColumnLike | None], count: int) -> Batch:
    """A batch of all rows, or of those of this process."""
    rows = slice(0, count)
    if (ranks := distribution.current()) is not None:
        return data.shared(columns, rows, ranks.share(count))
    return tuple([None if column is None else column.rows(rows) for column in columns])


def _columns_of_samples(
    model: Compiled, where: str, dataset: Samples, batch_size: int, class_weight: Mapping[int, float] | None
) -> list[ColumnLike | None]:
    """Inputs, then targets, then weights, as the model takes them; then masks, of sequences of unequal length."""
    sources = fitted(model, dataset.x, batch_size)
    shapes = [x.shape for x in sources]
    output_shapes = data.shapes(model.compute_output_shape(shapes if len(shapes) > 1 else shapes[0]))
    if class_weight is not None:
        dataset = data.class_weighted(dataset, class_weight, model._objective.classes(output_shapes))
    x = sources[0]
    if isinstance(x, Sequences):  # what a model of one's own puts out for each step is known to follow the steps
        longest = x.shape[1]
        output_shapes = [(one[0], *(longest if size is None else size for size in one[1:])) for one in output_shapes]
    (y, weight), are_steps = unequal.padded(dataset, x)
    targets = model._objective.bind(where, y, output_shapes, model.dtype)
    labels = data.labels("sample_weight", model.output_names, "output")
    weights = [
        None if part is None else Column(part, model.dtype, data.finite(label))
        for part, label in zip(weight, labels, strict=True)
    ]
    columns: list[ColumnLike | None] = [*checked_columns(model, sources), *targets, *weights]
    if not isinstance(x, Sequences):
        return columns
    for place, is_steps in enumerate(are_steps, 1):
        if is_steps and (column := columns[place]) is not None:
            columns[place] = TrimmedColumn(column, x.lengths)
    return [*columns, StepsColumn(x.lengths)]


def prediction_rows(model: Layer, inputs: Iterable[Source]) -> int:
    """How many samples fit the memory that `predict` allows itself, if its widest layer saves every step.

    None where rows of one batch come to stand beside each other: then what stands in a batch tells in the outputs.
    """
    if couples_rows(model):
        return 0
    widest = max((weight.shape[-1] for weight in model.weights if weight.shape), default=1)
    # the last axis is one of features, or of tokens that get features of their own
    last = None if _takes_tokens(model) else -1
    numbers = max(max(math.prod(x.shape[1:last]) * widest, math.prod(x.shape[1:])) for x in inputs)
    return min(PREDICT_ROWS, PREDICT_NUMBERS // numbers)


def couples_rows(layer: Layer) -> bool:
    """Whether what a row gives depends on the rows beside it."""
    moves_rows = any(getattr(inner, "moves_rows", False) for inner in getattr(layer, "operations", ()))
    return moves_rows or layer.couples_rows or any(map(couples_rows, layer.sublayers))


def _takes_tokens(layer: Layer) -> bool:
    return layer.takes_tokens or any(map(_takes_tokens, layer.sublayers))
