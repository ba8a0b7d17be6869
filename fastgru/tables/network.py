"""The networks: one that is trained on scaled numbers, and one of the same layers that takes and gives raw ones.

The second is what is saved. It scales by layers that Keras has, so that whoever opens the file, with Keras too, hands
it what stands in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgru.layers import (
    GRU,
    Add,
    Bidirectional,
    Concatenate,
    Dense,
    Embedding,
    Flatten,
    Input,
    Multiply,
    Normalization,
    RepeatVector,
    Rescaling,
    Subtract,
)
from fastgru.models.model import Model
from fastgru.tables.scaling import Scaling
from fastgru.types import Array

KNOWN_OF_A_SERIES = 8  # numbers at most that a network learns of each series


@dataclass(frozen=True)
class Size:
    """Of the recurrent part."""

    units: int = 64
    layers: int = 1
    bidirectional: bool = False

    def __str__(self) -> str:
        layer = f"Bidirectional(GRU({self.units}))" if self.bidirectional else f"GRU({self.units})"
        return layer if self.layers == 1 else f"{self.layers} x {layer}"


@dataclass(frozen=True)
class Networks:
    """Two models of the same layers.

    Attributes
    ----------
    trained
        Its targets are scaled.
    served
        Its inputs and outputs are those of the table.
    """

    trained: Any
    served: Any


def recurrent(size: Size, x: Any) -> Any:
    """The last state over steps."""
    for index in range(size.layers):
        layer: Any = GRU(size.units, return_sequences=index < size.layers - 1)
        x = (Bidirectional(layer) if size.bidirectional else layer)(x)
    return x


def forecasting(size: Size, state: Any, horizon: int, future: Any = None) -> Any:
    """The scaled forecast (B, H) of a state, and of what is known of the steps ahead (B, H, K), scaled."""
    if future is None:
        return Dense(horizon, name="scaled")(state)
    steps = Concatenate()([RepeatVector(horizon)(state), future])
    return Flatten(name="scaled")(Dense(1)(GRU(size.units, return_sequences=True, name="ahead")(steps)))


def of_numbers(
    size: Size,
    shape: tuple[int | None, int],
    scaling: Scaling,
    outputs: int,
    target: Scaling | None,
    axis: int = -1,
    ahead: Sequence[int] = (),
) -> Networks:
    """A network over steps of numbers: to classes, or to numbers that have a scaling.

    Parameters
    ----------
    size : Size
    shape : (T, F)
        Of the input.
    scaling : Scaling
        Of the input, along `axis`.
    outputs : int
        How many numbers or classes.
    target : Scaling, optional
        Of the numbers that it predicts; absent for classes.
    ahead : sequence of int
        The features that are known of the steps ahead, which are a second input (B, outputs, K).
    """
    window = Input(shape, name="window")
    state = recurrent(size, _normalized(scaling, axis)(window))
    if target is None:
        model = Model(window, Dense(outputs, activation="softmax", name="classes")(state))
        return Networks(model, model)
    inputs, future = [window], None
    if ahead:
        inputs.append(Input((outputs, len(ahead)), name="future"))
        future = _normalized(scaling.of(ahead))(inputs[1])
    scaled = forecasting(size, state, outputs, future)
    mean, deviation = float(target.mean[0, 0]), float(target.deviation[0, 0])
    raw = Rescaling(deviation, mean, name="unscaled")(scaled)
    x = inputs if ahead else window
    return Networks(Model(x, scaled), Model(x, raw))


def of_series(
    size: Size, shape: tuple[int, int], scaling: Scaling, outputs: int, ahead: Sequence[int] = ()
) -> Networks:
    """A network for several series: beside the window it takes the number of the series, by which it scales.

    The statistics are embeddings that are not trained; one that is says how series differ beyond them. The first
    feature is the target; those that are known `ahead` are a third input.
    """
    count = len(scaling.mean)
    window, number = Input(shape, name="window"), Input((1,), dtype="int32", name="series")
    x = Subtract()([window, _table(scaling.mean, "mean", number)])
    state = recurrent(size, Multiply()([x, _table(1 / scaling.deviation, "scale", number)]))
    learned = Flatten()(Embedding(count, min(count, KNOWN_OF_A_SERIES), name="character")(number))
    inputs, future = [window, number], None
    if ahead:
        inputs.append(Input((outputs, len(ahead)), name="future"))
        known = scaling.of(ahead)
        future = Subtract()([inputs[2], _table(known.mean, "mean_ahead", number)])
        future = Multiply()([future, _table(1 / known.deviation, "scale_ahead", number)])
    scaled = forecasting(size, Concatenate()([state, learned]), outputs, future)
    deviation = Flatten()(_table(scaling.deviation[:, :1], "target_deviation", number))
    mean = Flatten()(_table(scaling.mean[:, :1], "target_mean", number))
    raw = Add(name="unscaled")([Multiply()([scaled, deviation]), mean])
    return Networks(Model(inputs, scaled), Model(inputs, raw))


def _normalized(scaling: Scaling, axis: int = -1) -> Normalization:
    return Normalization(axis=axis, mean=scaling.mean[0].tolist(), variance=scaling.variance[0].tolist())


def _table(values: Array, name: str, number: Any) -> Any:
    """(B, 1, F): the row of the values that a series has."""
    layer = Embedding(*values.shape, name=name, trainable=False)
    rows = layer(number)
    layer.set_weights([np.asarray(values, np.float32)])
    return rows
