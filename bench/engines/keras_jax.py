"""Keras on its JAX backend: as a Keras user runs it, and in the quicker variants that Keras offers.

JAX has no setting for threads: it takes one for each CPU it may use, and the worker may use as many as were asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import keras
import numpy as np

from bench.engines import Batcher, Caller, Masked, Trainer, in_turn, side_by_side
from bench.network import Floats, Labels, Network

# unrolled steps are compiled one by one, and the time for that grows faster than their number: of an update with 64 it
# takes 14 s, with 100 more than half a minute, rolled up 3 s; up to here both race
_UNROLLED_STEPS = 64
# steps in one execution take the cost of a call from small steps; their graph grows with their number
_STEPS_PER_EXECUTION = 32
_SMALL_STEP = 1024
_WHOLE = 1 << 20  # a batch size that no input of `callers` reaches


def versions() -> dict[str, str]:
    return {"keras": keras.__version__, "jax": jax.__version__}


def _model(network: Network, steps: int, unroll: bool) -> Any:
    layers, last = keras.layers, len(network.cells) - 1
    stack = [layers.GRU(cell.units, return_sequences=n < last, unroll=unroll) for n, cell in enumerate(network.cells)]
    head = layers.Dense(network.classes, activation="sigmoid" if network.classes == 1 else "softmax")
    model = keras.Sequential([layers.Input((steps, network.features)), *stack, head])
    model.set_weights([*(array for cell in network.cells for array in cell), network.kernel, network.bias])
    return model


def _unrolls(network: Network, steps: int) -> dict[str, bool]:
    few = steps * len(network.cells) <= _UNROLLED_STEPS
    return {"": False, ", unroll=True": True} if few else {"": False}


def save(network: Network, steps: int, path: Path) -> None:
    _model(network, steps, False).save(path)


def _values(variables: Any) -> list[Any]:
    # copies: Keras's own loops give the arrays of its variables away
    return [jax.numpy.array(variable.value) for variable in variables]


def _jitted(model: Any) -> Caller:
    """`stateless_call` as one compiled function from numpy to numpy."""
    trained, others = _values(model.trainable_variables), _values(model.non_trainable_variables)
    call = jax.jit(lambda x: model.stateless_call(trained, others, x, training=False)[0])
    return lambda x: np.asarray(call(x))


def callers(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    variants: dict[str, Caller] = {}
    for suffix, unroll in _unrolls(network, steps).items():
        model = _model(network, steps, unroll)
        variants[f"predict(x){suffix}"] = partial(model.predict, verbose=0, batch_size=_WHOLE)
        variants[f"predict_on_batch{suffix}"] = model.predict_on_batch
    return variants | quick_callers(network, steps, threads)


def quick_callers(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    return {
        f"jit(stateless_call){suffix}": _jitted(_model(network, steps, unroll))
        for suffix, unroll in _unrolls(network, steps).items()
    }


def batchers(network: Network, steps: int, threads: int) -> dict[str, Batcher]:
    variants: dict[str, Batcher] = {}
    for suffix, unroll in _unrolls(network, steps).items():
        model = _model(network, steps, unroll)
        variants[f"predict{suffix}"] = partial(model.predict, verbose=0)
        call = _jitted(model)
        variants[f"jit(stateless_call){suffix}"] = in_turn(call)
        variants[f"jit(stateless_call){suffix}, batches side by side"] = side_by_side(call, threads)
    return variants


def predictors(network: Network, x: Floats, threads: int) -> dict[str, Callable[[], Caller]]:
    suffix, unroll = list(_unrolls(network, x.shape[1]).items())[-1]

    def make() -> Caller:
        call = _jitted(_model(network, x.shape[1], unroll))

        def filled_up(batch: Floats) -> Floats:
            rows = np.zeros((1 << (len(batch) - 1).bit_length(), *batch.shape[1:]), np.float32)
            rows[: len(batch)] = batch
            return call(rows)[: len(batch)]

        return filled_up

    return {f"jit(stateless_call){suffix}, batches filled up to a power of two": make}


def _masked(layer: Any) -> Masked:
    trained, others = _values(layer.trainable_variables), _values(layer.non_trainable_variables)
    call = jax.jit(lambda x, mask: layer.stateless_call(trained, others, x, mask=mask, training=False)[0])
    return lambda x, mask, lengths: np.asarray(call(x, mask))


def _with_weights(layer: Any, network: Network, steps: int, weights: Any) -> Any:
    layer.build((None, steps, network.features))
    layer.set_weights(weights)
    return layer


def masked(network: Network, steps: int, threads: int) -> dict[str, Masked]:
    cell = network.cells[0]
    return {
        f"jit(stateless_call){suffix}": _masked(
            _with_weights(keras.layers.GRU(cell.units, unroll=unroll), network, steps, cell)
        )
        for suffix, unroll in _unrolls(network, steps).items()
    }


def bidirectional(network: Network, steps: int, threads: int) -> dict[str, Caller]:
    cell, layers = network.cells[0], keras.layers
    weights = [*cell, *cell.backward]
    return {
        f"jit(stateless_call){suffix}": _jitted(
            _with_weights(layers.Bidirectional(layers.GRU(cell.units, unroll=unroll)), network, steps, weights)
        )
        for suffix, unroll in _unrolls(network, steps).items()
    }


class _Fit:
    """Keras's own loop."""

    def __init__(self, network: Network, steps: int, batch_size: int, unroll: bool, steps_per_execution: int) -> None:
        self.model = _model(network, steps, unroll)
        self.batch_size = batch_size
        loss = "binary_crossentropy" if network.classes == 1 else "sparse_categorical_crossentropy"
        self.model.compile(optimizer="adam", loss=loss, steps_per_execution=steps_per_execution)

    def epoch(self, x: Floats, y: Labels, shuffle: bool = True) -> None:
        self.model.fit(x, y, batch_size=self.batch_size, verbose=0, shuffle=shuffle)

    def outputs(self, x: Floats) -> Floats:
        return self.model.predict(x, batch_size=250, verbose=0)


class _Loop:
    """A loop of one's own around a compiled step of Keras's stateless functions."""

    def __init__(self, network: Network, steps: int, batch_size: int, unroll: bool) -> None:
        model = _model(network, steps, unroll)
        self.batch_size = batch_size
        self.random = np.random.default_rng(0)
        losses = keras.losses
        loss = losses.BinaryCrossentropy() if network.classes == 1 else losses.SparseCategoricalCrossentropy()
        optimizer = keras.optimizers.Adam()
        optimizer.build(model.trainable_variables)

        def objective(trained: Any, others: Any, x: Any, y: Any) -> Any:
            outputs, others = model.stateless_call(trained, others, x, training=True)
            return loss(y, outputs), others

        def step(state: Any, x: Any, y: Any) -> Any:
            trained, others, slots = state
            (_, others), gradients = jax.value_and_grad(objective, has_aux=True)(trained, others, x, y)
            trained, slots = optimizer.stateless_apply(slots, gradients, trained)
            return trained, others, slots

        self.step = jax.jit(step, donate_argnums=0)
        self.call = jax.jit(lambda state, x: model.stateless_call(state[0], state[1], x, training=False)[0])
        parts = model.trainable_variables, model.non_trainable_variables, optimizer.variables
        self.state: Any = tuple(_values(part) for part in parts)

    def epoch(self, x: Floats, y: Labels, shuffle: bool = True) -> None:
        order = self.random.permutation(len(x)) if shuffle else np.arange(len(x))
        for start in range(0, len(x), self.batch_size):
            rows = order[start : start + self.batch_size]
            self.state = self.step(self.state, x[rows], y[rows])
        jax.block_until_ready(self.state)

    def outputs(self, x: Floats) -> Floats:
        return np.asarray(self.call(self.state, x))


def trainers(network: Network, steps: int, batch_size: int, threads: int) -> dict[str, Callable[[], Trainer]]:
    small = steps * max(cell.units for cell in network.cells) <= _SMALL_STEP
    variants: dict[str, Callable[[], Trainer]] = {}
    for count in [1, _STEPS_PER_EXECUTION] if small else [1]:
        for suffix, unroll in _unrolls(network, steps).items():
            name = f"fit{suffix}" + (f", steps_per_execution={count}" if count > 1 else "")
            variants[name] = partial(_Fit, network, steps, batch_size, unroll, count)
    return variants | quick_trainers(network, steps, batch_size, threads)


def quick_trainers(network: Network, steps: int, batch_size: int, threads: int) -> dict[str, Callable[[], Trainer]]:
    return {
        f"own loop{suffix}": partial(_Loop, network, steps, batch_size, unroll)
        for suffix, unroll in _unrolls(network, steps).items()
    }
