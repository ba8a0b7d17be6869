"""The inputs of a call, as they go into a model: all that the prediction of one batch needs of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import data, distribution
from fastgru.data.sequences import Sequences
from fastgru.layers.layer import Layer
from fastgru.layers.no_rows import outputs_without_rows, without_rows
from fastgru.training.compilation import Compiled
from fastgru.types import Array

if TYPE_CHECKING:
    from fastgru.data import Source


def inputs(model: Compiled, x: Any, batch_size: int | None = None) -> list[Source]:
    """The inputs of a call that needs nothing else, looked at once and in the model's shapes."""
    if model.takes_any:
        from fastgru.training import own_model  # which few need

        own_model.see(model, x)
    names = model.input_names
    text = model.takes_text
    return fitted(model, [data.source(x, "x", text)] if names is None else data.inputs(x, names, text), batch_size)


def lacks_rows(model: Compiled, x: Any) -> bool:
    """Whether inputs are arrays without rows, for which `predict` has an answer without rows."""
    if type(x) is np.ndarray and len(x):
        return False
    arrays = _flat(x)
    return without_rows(arrays) and not is_stateful(model)


def no_predictions(model: Any, x: Any) -> Any:
    """The outputs for inputs without rows."""

    def predict(*rows: Array) -> Any:
        if isinstance(x, Mapping):
            return model.predict_on_batch(dict(zip(x, rows, strict=True)))
        return model.predict_on_batch(list(rows) if isinstance(x, (list, tuple)) else rows[0])

    return outputs_without_rows(predict, _flat(x))


def _flat(x: Any) -> list[Any]:
    return list(x.values() if isinstance(x, Mapping) else x if isinstance(x, (list, tuple)) else [x])


def fitted(model: Compiled, sources: Sequence[Source], batch_size: int | None) -> list[Source]:
    """The inputs in the model's shapes; the model is built on them, where it was not."""
    if model.takes_any:
        return list(sources)
    if len(sources) > 1 and any(isinstance(x, Sequences) for x in sources):
        raise ValueError(
            f"Model {model.name!r}: expected arrays as its {len(sources)} inputs, got nested lists of "
            "unequal lengths, which go into models with one input."
        )
    if model.input_names is None:
        (x,) = sources
        if not model.built:
            rows = min(batch_size or len(x), len(x)) if is_stateful(model) else None
            shape = (rows, *((None, *x.shape[2:]) if isinstance(x, Sequences) else x.shape[1:]))
            model.build(shape)
            if type(model).forward is not Layer.forward:  # a layer that is trained by itself
                model._first_shape = shape
        return [data.fitted(x, model.input_shape, "Model {!r}", model.name)]
    described = zip(sources, model.input_names, data.shapes(model.input_shape), strict=True)
    return [data.fitted(x, shape, "Model {!r}, input {!r}", model.name, name) for x, name, shape in described]


def one_batch(model: Compiled, sources: Sequence[Source]) -> list[Array]:
    """All rows of the inputs as `forward` takes them."""
    if len(sources) == 1:  # in half the time
        return [data.whole(sources[0], model.input_dtype)]
    return [data.whole(x, dtype) for x, dtype in zip(sources, model.input_dtypes, strict=True)]


def check_batches(model: Compiled, count: int, size: int) -> None:
    """ValueError where a stateful model, whose states are those of a fixed number of rows, gets other batches."""
    if not is_stateful(model):
        return
    if distribution.current() is not None:
        raise ValueError(
            f"Model {model.name!r} is stateful, and under DataParallel each rank would have states for its rows of "
            "the batch alone; take layers without stateful=True."
        )
    rows = data.shapes(model.input_shape)[0][0]
    size = min(size, count)  # the one batch of fewer samples than asked for
    if rows is not None and (size != rows or count % size):  # None of a model with a `call`, whose layers say it
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


def reserved(model: Layer, puts_back: bool) -> AbstractContextManager[None]:
    """Inside, the states of a stateful model are this thread's alone; where it fails they may be put back."""
    if not is_stateful(model):
        return nullcontext()
    from fastgru.layers.rnn import session

    return session.reserved(model, puts_back)
