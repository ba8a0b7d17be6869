"""The loops over batches and epochs, with the callbacks and the progress bar in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import numpy as np

from fastgru import config, threads
from fastgru.data import Batches
from fastgru.layers.workspace import Call
from fastgru.training.compilation import Compiled
from fastgru.training.hooks import Hook, Hooks
from fastgru.training.progress import Progress
from fastgru.training.step import Step, evaluation_step
from fastgru.types import Array

Logs = dict[str, float]


def train(
    model: Compiled,
    step: Step,
    batches: Batches,
    validation: Batches | None,
    epochs: range,
    is_validated: Callable[[int], bool],
    hooks: Hooks,
    bar: Progress,
) -> None:
    """Epochs of training, each with its validation where `is_validated` says so of its number from 1 on."""
    batch_hooks = (
        hooks.written("on_batch_begin", "on_train_batch_begin"),
        hooks.written("on_batch_end", "on_train_batch_end"),
    )
    model.stop_training = False
    with threads.one_blas_thread(not config.multiplies_with_tiles()), bar:
        hooks.call("on_train_begin", None)
        logs: Logs = {}
        for epoch in epochs:
            hooks.call("on_epoch_begin", epoch, None)
            bar.begin(f"Epoch {epoch + 1:>{len(str(epochs.stop))}}/{epochs.stop}", len(batches))
            logs = _epoch(model, batches, step, batch_hooks, bar, "stop_training")
            if validation is not None and is_validated(epoch + 1):
                validation_logs = evaluate(model, validation, hooks, Progress())
                logs.update((f"val_{name}", value) for name, value in validation_logs.items())
            logs = dict(sorted(logs.items()))
            hooks.call("on_epoch_end", epoch, logs)
            bar.end(logs)
            if model.stop_training:
                break
        assert model.optimizer is not None
        model.optimizer.finalize_variable_values(model.trainable_weights)
        hooks.call("on_train_end", logs)


def evaluate(model: Compiled, batches: Batches, hooks: Hooks, bar: Progress) -> Logs:
    """One pass over the data without training."""
    batch_hooks = hooks.written("on_test_batch_begin"), hooks.written("on_test_batch_end")
    with _workspace(model, "stop_evaluating") as call:
        hooks.call("on_test_begin", None)
        batches.restart()
        step = evaluation_step(model, model._objective, call, model._n_inputs)
        logs = _epoch(model, batches, step, batch_hooks, bar, "stop_evaluating")
        hooks.call("on_test_end", logs)
    return logs


@contextmanager
def _workspace(model: Compiled, stop: str) -> Iterator[Call]:
    """The model's memory for this thread, and its attribute `stop` unset.

    Both are left as they were: this loop may run in the middle of another, out of a callback or a signal handler.
    """
    before = getattr(model, stop)
    setattr(model, stop, False)
    call = model._acquired_call()
    try:
        yield call
    finally:
        model._release(call)
        setattr(model, stop, before)


def _epoch(
    model: Compiled, batches: Batches, step: Step, hooks: tuple[list[Hook], list[Hook]], bar: Progress, stop: str
) -> Logs:
    """Run a step on each batch of an epoch, until the attribute `stop` is set; returns the logs."""
    objective, done = model._objective, 0
    before_batch, after_batch = hooks
    with objective.run():
        for batch in batches.epoch():
            for hook in before_batch:
                hook(done, None)
            step(batch)
            if after_batch:
                logs = objective.results()
                for hook in after_batch:
                    hook(done, logs)
            done += 1
            if perf_counter() >= bar.due:
                bar.show(done, objective.count, objective.results())
            if getattr(model, stop):
                break
        logs = objective.results()
        bar.trained(done, objective.count, logs)
    return logs


def predict(model: Compiled, batches: Batches, hooks: Hooks, bar: Progress) -> list[Array]:
    """The outputs for all batches of inputs, until the model's `stop_predicting` is set."""
    before_batch, after_batch = hooks.written("on_predict_batch_begin"), hooks.written("on_predict_batch_end")
    outputs: list[Array] = []
    stop = 0
    with _workspace(model, "stop_predicting") as call, threads.one_blas_thread(not config.multiplies_with_tiles()), bar:
        bar.begin("Predict", len(batches))
        hooks.call("on_predict_begin", None)
        for index, inputs in enumerate(batches.epoch()):
            for hook in before_batch:
                hook(index, None)
            predictions = model.forward(call, *inputs)
            parts = predictions if isinstance(predictions, tuple) else (predictions,)
            outputs = outputs or [np.empty((batches.count, *part.shape[1:]), part.dtype) for part in parts]
            start, stop = stop, stop + len(inputs[0])
            for output, part in zip(outputs, parts, strict=True):
                output[start:stop] = part
            if perf_counter() >= bar.due:
                bar.show(index + 1, stop, {})
            for hook in after_batch:
                hook(index, {"outputs": model.as_structure([output[start:stop] for output in outputs])})
            if model.stop_predicting:
                outputs = [output[:stop] for output in outputs]
                break
        bar.trained(len(batches), batches.count, {})
        hooks.call("on_predict_end", None)
        bar.end({})
    return outputs
