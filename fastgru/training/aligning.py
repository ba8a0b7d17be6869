"""That processes which train together begin with the same model, data and random state."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import distribution, random
from fastgru.layers.layer import Layer
from fastgru.layers.weight import publish
from fastgru.training.compilation import Compiled

if TYPE_CHECKING:
    from fastgru.distribution import Ranks

__all__ = ["align", "check"]


def align(ranks: Ranks, model: Compiled, facts: Mapping[str, Any]) -> None:
    """Give every process the weights, the optimizer's state and the random state of the first.

    Parameters
    ----------
    ranks : Ranks
    model : Compiled
        Built, its step made.
    facts : mapping
        What must be the same on all of them, by name.

    Raises
    ------
    ValueError
        It is not.
    """
    import random as python_random  # which no process needs that is alone

    ranks.alike("fit", {**facts, "seeds": random.stream_seed()})
    optimizer, generators = model.optimizer, list(_generators(model))
    assert optimizer is not None
    weights, variables, states, of_numpy, of_python = ranks.first(
        (
            [weight.value for weight in model.weights],
            [np.array(variable) for variable in optimizer.variables],
            [generator.bit_generator.state for generator in generators],
            np.random.get_state(),  # noqa: NPY002 - user code may draw from it
            python_random.getstate(),
        )
    )
    if ranks.rank:
        publish(dict(zip(model.weights, weights, strict=True)))
        optimizer.set_variables(variables)
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        np.random.set_state(of_numpy)  # noqa: NPY002
        python_random.setstate(of_python)


def check(model: Compiled, where: str, *counts: Any) -> None:
    """ValueError where processes that go on together do not have the same weights, samples and batches."""
    ranks = distribution.current()
    if ranks is not None:
        weights = [(weight.shape, zlib.crc32(np.ascontiguousarray(weight.value))) for weight in model.weights]
        ranks.alike(where, {"numbers of samples or batches": counts, "weights": weights})


def _generators(model: Layer) -> Iterator[np.random.Generator]:
    """The package's, and those of layers with a seed."""
    yield random.stream()
    layers: list[Layer] = [model]
    for layer in layers:
        yield from (value for value in vars(layer).values() if isinstance(value, np.random.Generator))
        layers += layer.sublayers
