"""fastgru, through its public API."""

from __future__ import annotations

import fastgru
from bench.engines import Floats, Labels
from fastgru.kernels import show_config
from fastgru.layers import GRU, Dense
from fastgru.models import Sequential


def versions() -> dict[str, str]:
    config = show_config()
    return {"fastgru": fastgru.__version__, "isa": config["isa"], "blas": ", ".join(config["blas"])}


class trainer:
    def __init__(self, units: int, classes: int, shape: tuple[int, int], batch_size: int, threads: int) -> None:
        fastgru.set_num_threads(threads)
        self.batch_size = batch_size
        self.model = Sequential([GRU(units, input_shape=shape), Dense(classes, activation="softmax")])
        self.model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")

    def epoch(self, x: Floats, y: Labels) -> None:
        self.model.fit(x, y, batch_size=self.batch_size, epochs=1, verbose=0)

    def accuracy(self, x: Floats, y: Labels) -> float:
        return float((self.model.predict(x, batch_size=1000, verbose=0).argmax(axis=1) == y).mean())
