"""The loops over batches and epochs, with the callbacks and the progress bar in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import config, distribution, threads
from fastgru.data import Stream
from fastgru.layers.layer import Layer
from fastgru.layers.workspace import Call
from fastgru.training.boundary import Boundary, Checkpoints, Logs, Position
from fastgru.training.compilation import Compiled
from fastgru.training.intake import reserved
from fastgru.training.interrupts import held_back
from fastgru.training.predictions import Predictions
from fastgru.training.progress import Progress
from fastgru.types import Array

if TYPE_CHECKING:
    from fastgru.layers.share import Share
    from fastgru.training.feeding import Feed
    from fastgru.training.hooks import Hook, Hooks
    from fastgru.training.objective import Objective
    from fastgru.training.step import Step


_HEAP = 1 << 24  # bytes


@cache
def _have_freed_memory_kept() -> None:
    """Free one large array, once: from then on glibc keeps up to twice as much of what is freed.

    Until then it gives the memory of a step's arrays back to the system, which clears each page for the next step:
    a tenth of the time of a model with a small own layer.
    """
    np.empty(_HEAP, np.uint8)


def train(
    model: Compiled,
    step: Step,
    batches: Feed,
    validation: Feed | None,
    epochs: int,
    is_validated: Callable[[int], bool],
    hooks: Hooks,
    bar: Progress,
    position: Position,
    checkpoints: Checkpoints,
) -> None:
    """Epochs of training from `position` on, each with its validation where `is_validated` says so of its number."""
    batch_hooks = (
        hooks.written("on_batch_begin", "on_train_batch_begin"),
        hooks.written("on_batch_end", "on_train_batch_end"),
    )
    model.stop_training, ranks = False, distribution.current()
    _have_freed_memory_kept()
    with reserved(model, False), held_back() as interrupt, checkpoints, threads.one_blas_thread(lasting=True), bar:
        is_resumed = checkpoints.restore()  # before the callbacks begin, which may look at the model
        if position.finished and (position.epoch >= epochs or model.stop_training):
            checkpoints.restore_callbacks()
            return
        boundary = Boundary(model._objective, position, interrupt, checkpoints)
        hooks.call("on_train_begin", {})
        is_begun = is_resumed and (position.batch > 0 or position.trained is not None)
        if is_begun:
            hooks.call("on_epoch_begin", position.epoch, {})
        if is_resumed:
            checkpoints.restore()  # once more: callbacks may have drawn or set something
            checkpoints.restore_callbacks()
            position.finished = False  # there are more epochs now
        else:
            checkpoints.save()
        for epoch in range(position.epoch, position.epoch if model.stop_training else epochs):
            if not is_begun:
                hooks.call("on_epoch_begin", epoch, {})
            is_begun = False
            bar.begin(f"Epoch {epoch + 1:>{len(str(epochs))}}/{epochs}", batches.steps)
            if position.trained is None:  # else it was killed during the validation
                position.trained = _epoch(
                    model, batches, step, batch_hooks, bar, "stop_training", boundary.after_batch, position.batch
                )
            logs = dict(position.trained)
            if validation is not None and is_validated(epoch + 1):
                validation_logs = evaluate(model, validation, hooks, Progress(), boundary.heed)
                logs.update((f"val_{name}", value) for name, value in validation_logs.items())
            logs = dict(sorted(logs.items()))
            hooks.call("on_epoch_end", epoch, logs)
            bar.end(logs)
            boundary.after_epoch(logs)
            if ranks is not None:
                model.stop_training = ranks.any(model.stop_training)
            if model.stop_training:
                break
        assert model.optimizer is not None
        model.optimizer.finalize_variable_values(model.trainable_weights)
        hooks.call("on_train_end", position.logs)
        boundary.after_training()


def evaluate(
    model: Compiled, batches: Feed, hooks: Hooks, bar: Progress, between: Callable[[int], None] | None = None
) -> Logs:
    """One pass over the data without training."""
    batch_hooks = hooks.written("on_test_batch_begin"), hooks.written("on_test_batch_end")
    with reserved(model, True), _workspace(model, "stop_evaluating", hooks, "on_test_begin") as call:
        batches.restart()
        step = model._evaluation_step(call)
        logs = _epoch(model, batches, step, batch_hooks, bar, "stop_evaluating", between)
        hooks.call("on_test_end", logs)
    return logs


@contextmanager
def _workspace(model: Compiled, stop: str, hooks: Hooks, begin: str) -> Iterator[Call]:
    """The model's memory for this thread, with the weights as the hooks `begin` leave them, and `stop` unset.

    Memory and attribute are left as they were: this loop may run in the middle of another, out of a callback or a
    signal handler.
    """
    before = getattr(model, stop)
    setattr(model, stop, False)
    try:
        hooks.call(begin, {})
        call = model._acquired_call()
        try:
            yield call
        finally:
            model._release(call)
    finally:
        setattr(model, stop, before)


def _epoch(
    model: Compiled,
    batches: Feed,
    step: Step,
    hooks: tuple[list[Hook], list[Hook]],
    bar: Progress,
    stop: str,
    between: Callable[[int], None] | None = None,
    done: int = 0,
) -> Logs:
    """Run a step on each batch of an epoch, of which some are `done`, until the attribute `stop` is set; the logs.

    The hooks are called before and after every `steps_per_execution` batches; as in Keras, what the last ones would end
    with is their number, too, where fewer are left.
    """
    objective, each = model._objective, model.steps_per_execution
    before_batch, after_batch = hooks
    ranks = distribution.current()
    # of several processes each may be told to stop, where something is called behind every batch
    asks = ranks is not None and ranks.any(bool(before_batch or after_batch))
    with objective.run(is_begun=done > 0), closing(batches.epoch()) as epoch:
        for batch in _in_step(epoch, batches):
            if done % each == 0:
                for hook in before_batch:
                    hook(done, {})
            step(batch)
            done += 1
            if done % each == 0:
                _call(after_batch, done - 1, objective)
            if perf_counter() >= bar.due:
                bar.show(done, objective.count, objective.results())
            if between is not None:
                between(done)
            if ranks is not None:
                if asks and ranks.any(getattr(model, stop)):
                    setattr(model, stop, True)
                    break
            elif getattr(model, stop):
                break
        if done % each:
            _call(after_batch, done + each - done % each - 1, objective)
        logs = objective.results()
        bar.trained(done, objective.count, logs)
    return logs


def _call(hooks: list[Hook], batch: int, objective: Objective) -> None:
    if hooks:
        logs = objective.results()
        for hook in hooks:
            hook(batch, logs)


def _runs_ops(layer: Layer) -> bool:
    """Whether a layer, or one inside, is written with ops, whose products may be BLAS's."""
    return layer.runs_call or any(map(_runs_ops, layer.sublayers))


def predict(
    model: Compiled, batches: Feed, hooks: Hooks, bar: Progress, outputs: Predictions | None = None
) -> list[Any]:
    """The outputs for all batches of inputs, until the model's `stop_predicting` is set."""
    before_batch, after_batch = hooks.written("on_predict_batch_begin"), hooks.written("on_predict_batch_end")
    outputs = outputs or Predictions(batches.count)
    each, n_inputs, done = model.steps_per_execution, model._n_inputs, 0
    first = 0  # sample since the last hook
    workspace = _workspace(model, "stop_predicting", hooks, "on_predict_begin")
    ranks = distribution.current()
    asks = ranks is not None and ranks.any(bool(before_batch or after_batch))
    blas = threads.one_blas_thread(not config.multiplies_with_tiles() or _runs_ops(model), lasting=True)
    with reserved(model, True), workspace as call, blas, bar, closing(batches.epoch()) as epoch:
        bar.begin("Predict", batches.steps)
        for batch in _in_step(epoch, batches):
            inputs, call.masks = batch[:n_inputs], batch[n_inputs:]
            if done % each == 0:
                for hook in before_batch:
                    hook(done, {})
                first = outputs.count
            predictions = model._predictions(call, inputs)
            masks = model.outgoing_mask(call, *inputs) if call.masks else None
            parts = predictions if isinstance(predictions, tuple) else (predictions,)
            if ranks is not None:
                parts, masks = _of_all_ranks(batch.share, parts, masks)
            outputs.add(parts, masks)
            call.version.commit()
            done += 1
            if perf_counter() >= bar.due:
                bar.show(done, outputs.count, {})
            if done % each == 0:
                for hook in after_batch:
                    hook(done - 1, {"outputs": model.as_predicted(outputs.since(first))})
            if model.stop_predicting if ranks is None else asks and ranks.any(model.stop_predicting):
                break
        if done % each:
            for hook in after_batch:
                hook(done + each - done % each - 1, {"outputs": model.as_predicted(outputs.since(first))})
        bar.trained(done, outputs.count, {})
        hooks.call("on_predict_end", {})
        bar.end({})
    return outputs.whole()


def _in_step(epoch: Iterator[Any], batches: Feed) -> Iterator[Any]:
    """The batches of an epoch; of a stream that each of several processes reads for itself, as far as all have them."""
    ranks = distribution.current()
    return ranks.in_step(epoch, "the data") if ranks is not None and isinstance(batches, Stream) else epoch


def _of_all_ranks(share: Share, parts: tuple[Array, ...], masks: Any) -> tuple[tuple[Array, ...], Any]:
    """Outputs and masks of a whole batch, of those for the rows of each process."""
    several = masks if isinstance(masks, tuple) else (masks,)
    whole_masks = tuple(share.whole(several))
    return tuple(share.whole(parts)), whole_masks if isinstance(masks, tuple) else whole_masks[0]
