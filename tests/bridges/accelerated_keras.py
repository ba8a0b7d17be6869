"""For pytest: every recurrent layer that Keras's own tests make runs on fastgru's kernels.

The file that FASTGRU_PASSES names gets a line for each pass that the kernels have run.
"""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path
from typing import Any

import keras

from fastgru.keras import accelerate
from fastgru.keras.acceleration import InnerLoop

PASSES = Path(os.environ["FASTGRU_PASSES"])


def accelerated(build: Any) -> Any:
    @functools.wraps(build)
    def build_accelerated(self: Any, *shapes: Any, **named_shapes: Any) -> None:
        build(self, *shapes, **named_shapes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            accelerate(self)

    return build_accelerated


def counted(options: Any) -> Any:
    @functools.wraps(options)
    def options_counted(self: InnerLoop, mask: Any) -> Any:
        with PASSES.open("a", encoding="utf-8") as file:
            file.write(f"{type(self._layer).__name__}\n")
        return options(self, mask)

    return options_counted


for layer in (keras.layers.GRU, keras.layers.LSTM):
    layer.build = accelerated(layer.build)
InnerLoop._options = counted(InnerLoop._options)  # type: ignore[method-assign]
