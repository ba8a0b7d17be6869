"""fastgru, through its public API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastgru
from bench.engines import Batcher, Caller, Masked, Streamer, Trainer
from bench.network import Cell, Floats, Labels, Network
from fastgru.layers import GRU, Bidirectional, Dense
from fastgru.models import Sequential
from fastgru.serving.limits import Limits
from fastgru.serving.served import of_model
from fastgru.streaming import Sessions


def versions() -> dict[str, str]:
    config = fastgru.show_config()
    return {"fastgru": fastgru.__version__, "isa": config["isa"], "blas": ", ".join(config["blas"])}


def _model(network: Network, steps: int | None) -> Sequential:
    last = len(network.cells) - 1
    model = Sequential([GRU(cell.units, return_sequences=n < last) for n, cell in enumerate(network.cells)])
    model.add(Dense(network.classes, activation="sigmoid" if network.classes == 1 else "softmax"))
    model.build((None, steps, network.features))
    model.set_weights([*(array for cell in network.cells for array in cell), network.kernel, network.bias])
    return model


def save(network: Network, steps: int, path: Path) -> None:
    _model(network, steps).save(path)


def callers(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    fastgru.set_num_threads(threads)
    model = _model(network, steps)
    return {"predict(x)": lambda x: model.predict(x, verbose=0), "model(x)": model}


def batchers(network: Network, steps: int, threads: int) -> dict[str, Batcher]:
    fastgru.set_num_threads(threads)
    model = _model(network, steps)
    return {"predict": lambda x, size: model.predict(x, batch_size=size, verbose=0)}


def masked(network: Network, steps: int, threads: int) -> dict[str, Masked]:
    fastgru.set_num_threads(threads)
    cell = network.cells[0]
    layer = GRU(cell.units)
    layer.build((None, steps, cell.features))
    layer.set_weights(cell)
    return {"layer(x, mask)": lambda x, mask, lengths: layer(x, mask=mask)}


def bidirectional(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    fastgru.set_num_threads(threads)
    cell = network.cells[0]
    layer = Bidirectional(GRU(cell.units))
    layer.build((None, steps, cell.features))
    layer.set_weights([*cell, *cell.backward])
    return {"layer(x)": layer}


def steppers(cell: Cell) -> dict[str, Caller]:
    fastgru.set_num_threads(1)
    model = Sequential([GRU(cell.units)])
    model.build((None, None, cell.features))
    model.set_weights(cell)
    sessions = Sessions(model, capacity=2)
    first, second = [sessions.open()], [sessions.open()]
    out = np.empty((1, cell.units), np.float32)
    return {
        "step(ids, x)": lambda x: sessions.step(first, x),
        "step(ids, x, out)": lambda x: sessions.step(second, x, out=out),
    }


def streamers(network: Network, count: int, threads: int) -> dict[str, Streamer]:
    fastgru.set_num_threads(threads)
    sessions = Sessions(_model(network, None), capacity=count)
    return {"step(ids, x)": Streamer(np.array([sessions.open() for _ in range(count)]), sessions.step)}


def predictors(network: Network, x: Floats, threads: int) -> dict[str, Callable[[], Caller]]:
    def make() -> Caller:
        fastgru.set_num_threads(threads)
        fastgru.config.set_products("tiles")  # as `fastgru serve` does
        served = of_model("model", _model(network, x.shape[1]), Limits().batch)
        return lambda batch: served.predict([batch])[0]

    return {"as fastgru serve does": make}


class _Trainer:
    def __init__(self, network: Network, steps: int, batch_size: int) -> None:
        self.model = _model(network, steps)
        self.batch_size = batch_size
        loss = "binary_crossentropy" if network.classes == 1 else "sparse_categorical_crossentropy"
        self.model.compile(optimizer="adam", loss=loss)

    def epoch(self, x: Floats, y: Labels, shuffle: bool = True) -> None:
        self.model.fit(x, y, batch_size=self.batch_size, verbose=0, shuffle=shuffle)

    def outputs(self, x: Floats) -> Floats:
        return self.model.predict(x, verbose=0)


def trainers(network: Network, steps: int, batch_size: int, threads: int) -> dict[str, Callable[[], Trainer]]:
    fastgru.set_num_threads(threads)
    return {"fit": lambda: _Trainer(network, steps, batch_size)}
