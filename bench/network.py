"""The networks that are raced: their weights, drawn once for all engines, and the arithmetic they take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]

_PREFIX = "weights."


class Cell(NamedTuple):
    """The weights of one GRU layer as Keras has them, gates z r h: kernel (F, 3H), recurrent (H, 3H), bias (2, 3H)."""

    kernel: Floats
    recurrent: Floats
    bias: Floats

    @property
    def features(self) -> int:
        return len(self.kernel)

    @property
    def units(self) -> int:
        return len(self.recurrent)

    @property
    def backward(self) -> Cell:
        """Other weights of the same shapes, for the other direction of a bidirectional layer."""
        return Cell(*(np.ascontiguousarray(array[::-1]) for array in self))


class Network(NamedTuple):
    """GRU layers, each but the last handing on its whole sequence, then a Dense layer on the last state.

    Its `kernel` is (H, C), its `bias` (C,), its activation the sigmoid for C = 1 and else the softmax.
    """

    cells: list[Cell]
    kernel: Floats
    bias: Floats

    @property
    def features(self) -> int:
        return self.cells[0].features

    @property
    def classes(self) -> int:
        return len(self.bias)

    def arrays(self) -> Arrays:
        """By name, for a file."""
        flat = [*(array for cell in self.cells for array in cell), self.kernel, self.bias]
        return {f"{_PREFIX}{number}": array for number, array in enumerate(flat)}


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Network:
    """The network whose `Network.arrays` are among these."""
    count = sum(name.startswith(_PREFIX) for name in arrays)
    *flat, kernel, bias = (arrays[f"{_PREFIX}{number}"] for number in range(count))
    return Network([Cell(*flat[start : start + 3]) for start in range(0, len(flat), 3)], kernel, bias)


def draw(features: int, units: int, classes: int, layers: int = 1, seed: int = 0) -> Network:
    """A network with weights of the size that Keras's initializers give, and biases other than zero."""
    rng = np.random.default_rng(seed)

    def uniform(fan_in: int, columns: int, fan_out: int) -> Floats:
        limit = (6 / (fan_in + fan_out)) ** 0.5
        return rng.uniform(-limit, limit, (fan_in, columns)).astype(np.float32)

    cells = []
    for width in [features] + [units] * (layers - 1):
        recurrent = np.concatenate(
            [np.linalg.qr(rng.standard_normal((units, units)))[0] for _gate in range(3)], axis=1, dtype=np.float32
        )
        bias = rng.uniform(-0.1, 0.1, (2, 3 * units)).astype(np.float32)
        cells.append(Cell(uniform(width, 3 * units, 3 * units), recurrent, bias))
    return Network(cells, uniform(units, classes, classes), np.zeros(classes, np.float32))


def flops(features: int, units: int, classes: int, steps: int, layers: int = 1, training: bool = False) -> float:
    """Floating-point operations of the products for one sample; those of gates and optimizer are not counted.

    A product of a row with a matrix (m, n) takes 2 m n. The first state is zero, so T - 1 steps have a recurrent
    product. Training takes the same again for the gradients of the weights, and again for those of the states and of
    the inputs, but not of the first layer's inputs. classes = 0 stands for no Dense layer.
    """
    total = 0.0
    for layer in range(layers):
        inputs, states = 2 * (units if layer else features) * 3 * units * steps, 2 * 3 * units**2 * (steps - 1)
        total += inputs + states
        if training:
            total += inputs + 2 * states + (inputs if layer else 0)
    return total + 2 * units * classes * (3 if training else 1)
