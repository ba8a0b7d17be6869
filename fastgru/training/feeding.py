"""The way of data into a model: in the shapes and dtypes that its inputs have, and as its losses take targets."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastgru import checks, data
from fastgru.data import Batch, Batches, BatchStream, Column, Indexed, Samples, Source, Stream
from fastgru.layers.layer import Layer
from fastgru.training import own_model
from fastgru.training.compilation import Compiled
from fastgru.types import Array

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
    return data.samples(x, y, weight, model.input_names, model.output_names)


def inputs(model: Compiled, x: Any, batch_size: int | None = None) -> list[Source]:
    """The inputs of a call that needs nothing else, looked at once and in the model's shapes."""
    own_model.see(model, x)
    names = model.input_names
    return fitted(model, [data.source(x, "x")] if names is None else data.inputs(x, names), batch_size)


def fitted(model: Compiled, sources: Sequence[Source], batch_size: int | None) -> list[Source]:
    """The inputs in the model's shapes; the model is built on them, where it was not."""
    if model.runs_call:
        return list(sources)
    if model.input_names is None:
        (x,) = sources
        if not model.built:
            rows = min(batch_size or len(x), len(x)) if is_stateful(model) else None
            model.build((rows, *x.shape[1:]))
        return [data.fitted(x, model.input_shape, "Model {!r}", model.name)]
    described = zip(sources, model.input_names, data.shapes(model.input_shape), strict=True)
    return [data.fitted(x, shape, "Model {!r}, input {!r}", model.name, name) for x, name, shape in described]


def one_batch(model: Compiled, sources: Sequence[Source]) -> list[Array]:
    """All rows of the inputs as `forward` takes them."""
    if len(sources) == 1:  # in half the time
        return [data.whole(sources[0], model.input_dtype)]
    return [data.whole(x, dtype) for x, dtype in zip(sources, model.input_dtypes, strict=True)]


def columns(model: Compiled, sources: Sequence[Source]) -> list[Column]:
    """The inputs as batches are made of them."""
    return [Column(x, dtype) for x, dtype in zip(sources, model.input_dtypes, strict=True)]


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
    shuffle: bool | str = False,
    steps: int | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> Feed:
    """Batches of inputs, then targets, then weights."""
    if not model.compiled:
        raise ValueError(f"{where}: the model is not compiled; call compile(optimizer, loss) first.")
    if isinstance(dataset, Samples):
        size = data.batch_size_of(batch_size, dataset.size, steps)
        cut = Batches(_columns_of_samples(model, where, dataset, size, class_weight), batch_size, shuffle, steps)
        check_batches(model, cut.count, cut.batch_size)
        return cut

    def bound(batch: Any) -> Batch:
        whole = samples(model, *data.unpacked(batch, where))
        columns = _columns_of_samples(model, where, whole, whole.size, class_weight)
        check_batches(model, whole.size, whole.size)
        return _single(columns, whole.size)

    return Stream(dataset, bound, _steps(dataset, batch_size, steps))


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
        count = len(sources[0])
        check_batches(model, count, count)
        return _single(columns(model, sources), count)

    return Stream(stream, bound, _steps(stream, batch_size, steps))


def _steps(stream: BatchStream, batch_size: int | None, steps: int | None) -> int | None:
    """The steps of an epoch of a stream, None for a pass."""
    if batch_size is not None:
        warnings.warn(f"batch_size has no effect, as {stream.kind} makes the batches.", stacklevel=4)
    if steps is None and stream.steps is None and isinstance(stream, Indexed):
        raise ValueError("x: the PyDataset has no end; say how many of its batches make an epoch (steps_per_epoch).")
    return None if steps is None else checks.positive_integer(steps, "steps", "steps")


def _single(columns: Sequence[Column | None], count: int) -> Batch:
    """A batch of all rows."""
    return tuple([None if column is None else column.rows(slice(0, count)) for column in columns])


def _columns_of_samples(
    model: Compiled, where: str, dataset: Samples, batch_size: int, class_weight: Mapping[int, float] | None
) -> list[Column | None]:
    """Inputs, then targets, then weights, as the model takes them."""
    if class_weight is not None:
        dataset = data.class_weighted(dataset, class_weight)
    sources = fitted(model, dataset.x, batch_size)
    shapes = [x.shape for x in sources]
    output_shapes = data.shapes(model.compute_output_shape(shapes if len(shapes) > 1 else shapes[0]))
    targets = model._objective.bind(where, dataset.y, output_shapes, model.dtype)
    labels = data.labels("sample_weight", model.output_names, "output")
    weights = [
        None if weight is None else Column(weight, model.dtype, data.without_nan(label))
        for weight, label in zip(dataset.weight, labels, strict=True)
    ]
    return [*columns(model, sources), *targets, *weights]


def check_batches(model: Compiled, count: int, size: int) -> None:
    """ValueError where a stateful model, whose states are those of a fixed number of rows, gets other batches."""
    if not is_stateful(model):
        return
    rows = data.shapes(model.input_shape)[0][0]
    size = min(size, count)  # the one batch of fewer samples than asked for
    if size != rows or count % size:
        raise ValueError(
            f"Model {model.name!r} is stateful and takes batches of exactly {rows} samples, "
            f"got {count} samples in batches of {size}; give batch_size={rows} and whole batches."
        )


def is_stateful(layer: Layer) -> bool:
    """Whether the layer, or one inside, goes on from the state that the last batch left."""
    if layer.stateful:
        return True
    # no any(), which takes three times as long, and no call for what holds no layers: every prediction asks
    for inner in layer.sublayers:  # noqa: SIM110
        if inner.stateful or (inner.sublayers and is_stateful(inner)):
            return True
    return False


def prediction_rows(model: Layer, inputs: Iterable[Source]) -> int:
    """How many samples fit the memory that `predict` allows itself, if its widest layer saves every step.

    None where rows of one batch come to stand beside each other: then what stands in a batch tells in the outputs.
    """
    if any(getattr(layer, "moves_rows", False) for layer in getattr(model, "operations", ())):
        return 0
    widest = max((weight.shape[-1] for weight in model.weights if weight.shape), default=1)
    # the last axis is one of features, or of tokens that get features of their own
    last = None if _takes_tokens(model) else -1
    numbers = max(max(math.prod(x.shape[1:last]) * widest, math.prod(x.shape[1:])) for x in inputs)
    return min(PREDICT_ROWS, PREDICT_NUMBERS // numbers)


def _takes_tokens(layer: Layer) -> bool:
    return layer.takes_tokens or any(map(_takes_tokens, layer.sublayers))
