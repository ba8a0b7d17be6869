"""What is done with one batch: a step of training or of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from fastgru.data import Batch
from fastgru.layers.layer import Layer
from fastgru.layers.share import part_of_mean
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call
from fastgru.regularizers import Regularizer
from fastgru.training.shared import shared_evaluation, shared_step

if TYPE_CHECKING:
    from fastgru.distribution import Ranks
    from fastgru.optimizers import Optimizer
    from fastgru.parameters import Parameters
    from fastgru.training.objective import Objective

Step = Callable[[Batch], None]


def training_step(
    model: Layer,
    objective: Objective,
    parameters: Parameters,
    optimizer: Optimizer,
    n_inputs: int,
    ranks: Ranks | None = None,
) -> Step:
    """Forward pass, loss, backward pass and update of a batch: the inputs, then the targets, then the weights."""
    optimizer.prepare(parameters.weights)
    forward, backward, outgoing_mask = model.forward, model.backward, model.outgoing_mask
    targets, weights = _targets_and_weights(n_inputs, objective)
    call = Call(training=True, differentiate=True)
    call.input_gradient = False
    call.version.updates = parameters.others
    regularized = _regularized(parameters.weights)

    def differentiate(batch: Batch) -> None:
        inputs = batch[:n_inputs]
        call.masks = batch[weights.stop :]
        parameters.gather()  # a callback may have trained another model that shares a layer
        predictions = forward(call, *inputs)
        penalty = call.penalty
        if regularized:
            penalty += part_of_mean() * sum(regularizer(weight.value) for weight, regularizer in regularized)
        masks = outgoing_mask(call, *inputs)
        gradients = objective.add(batch[targets], predictions, batch[weights], masks, penalty, True)
        if not objective.has_loss:  # but those that layers add
            outputs = predictions if isinstance(predictions, tuple) else (predictions,)
            gradients = [np.zeros_like(output) for output in outputs]
        parameters.zero_gradients()
        backward(call, *gradients)

    def update() -> None:
        for weight, regularizer in regularized:
            weight.gradient += regularizer.gradient(weight.value)
        optimizer.update(parameters)

    def step(batch: Batch) -> None:
        try:
            differentiate(batch)
            update()
            call.version.commit()
        finally:
            call.version.forget()

    return step if ranks is None else shared_step(ranks, objective, parameters, differentiate, update)


def evaluation_step(model: Layer, objective: Objective, call: Call, n_inputs: int, ranks: Ranks | None = None) -> Step:
    """Forward pass and loss."""
    forward, outgoing_mask = model.forward, model.outgoing_mask
    targets, weights = _targets_and_weights(n_inputs, objective)
    penalty = sum(regularizer(call.value(weight)) for weight, regularizer in _regularized(model.trainable_weights))

    def step(batch: Batch) -> None:
        inputs = batch[:n_inputs]
        call.masks = batch[weights.stop :]
        predictions = forward(call, *inputs)
        masks = outgoing_mask(call, *inputs)
        of_weights = penalty * part_of_mean()
        objective.add(batch[targets], predictions, batch[weights], masks, of_weights + call.penalty)
        call.version.commit()

    return step if ranks is None else shared_evaluation(ranks, objective, step)


def _targets_and_weights(n_inputs: int, objective: Objective) -> tuple[slice, slice]:
    """Where in a batch the targets and the weights are; behind them are masks of the inputs, where there are any."""
    last = n_inputs + objective.n_outputs
    return slice(n_inputs, last), slice(last, last + objective.n_outputs)


def _regularized(weights: Iterable[Weight]) -> list[tuple[Weight, Regularizer]]:
    return [(weight, weight.regularizer) for weight in weights if weight.regularizer is not None]
