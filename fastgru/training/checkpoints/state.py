"""All that a training goes on from."""

from __future__ import annotations

import random as python_random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastgru import random
from fastgru.callbacks import Callback
from fastgru.layers.layer import Layer
from fastgru.layers.rnn.sequence_layer import SequenceLayer
from fastgru.metrics import Metric
from fastgru.training.boundary import Position
from fastgru.training.checkpoints.folder import Checkpoint
from fastgru.training.checkpoints.packing import Arrays, packed, packed_attributes, restore_attributes, unpacked
from fastgru.training.checkpoints.settings import DIGEST, LEARNING_RATE, layers_of, names_of, renamed
from fastgru.training.compilation import Compiled
from fastgru.training.feeding import Feed
from fastgru.training.hooks import Hooks

__all__ = ["RunState"]


class RunState:
    """What a training changes as it goes, taken between two batches and put back in another process.

    Parameters
    ----------
    where : str
        The folder, for errors.
    settings : dict
        Which run it is, see `settings_of`: a checkpoint of another is refused.
    model, hooks, position
        Of the training.
    feeds
        Where the batches to train on come from, and those to validate on.
    """

    def __init__(
        self,
        where: str,
        settings: dict[str, Any],
        model: Compiled,
        feeds: Sequence[Feed | None],
        hooks: Hooks,
        position: Position,
    ) -> None:
        self._where, self._settings = where, settings
        self._is_placed = False  # whether the data are where they were
        self._model, self._feeds, self._position = model, feeds, position
        # others may have the methods that `fit` calls and no more
        self._callbacks = [callback for callback in hooks.callbacks if isinstance(callback, Callback)]

    def taken(self) -> Checkpoint:
        """The state as it is now; nothing in it changes any more."""
        arrays = Arrays()
        model, objective = self._model, self._model._objective
        assert model.optimizer is not None
        tree = {
            "settings": self._settings,
            "names": names_of(model),
            "position": packed(vars(self._position), arrays),
            "stopped": model.stop_training,
            "weights": [packed(weight, arrays) for weight in model.weights],
            "optimizer": packed([np.array(variable) for variable in model.optimizer.variables], arrays),
            "layers": [_packed_layer(layer, arrays) for layer in layers_of(model)],
            "random": packed(_random_state(), arrays),
            "data": [None if feed is None else packed(feed.position, arrays) for feed in self._feeds],
            "sums": list(objective.sums),
            "metrics": [
                [packed_attributes(metric, arrays), packed([variable.numpy() for variable in metric.variables], arrays)]
                for metric in _metrics_of(model)
            ],
            "callbacks": [
                [type(callback).__name__, packed(callback.saved_state(), arrays)] for callback in self._callbacks
            ],
        }
        return tree, arrays

    def check(self, checkpoint: Checkpoint) -> None:
        """ValueError where the checkpoint is of another run."""
        tree, arrays = checkpoint[0], Arrays(checkpoint[1])
        saved = tree["settings"]
        rate = self._settings[LEARNING_RATE]
        if isinstance(rate, float) and rate == unpacked(tree["optimizer"], arrays)[1]:
            saved[LEARNING_RATE] = rate  # the model is the one that was trained, and its rate was changed as it was
        for name, value in self._settings.items():
            if saved.get(name) != value:
                is_short = not isinstance(value, list) and DIGEST not in f"{saved.get(name)}{value}"
                shown = f" ({saved.get(name)!r} there, {value!r} here)" if is_short else ""
                raise ValueError(
                    f"fit: the checkpoints in {self._where!r} are of a run with other {name}{shown}; go on with the "
                    "same, or give another folder to begin anew."
                )

    def put_back(self, checkpoint: Checkpoint) -> None:
        """Let the training be where the checkpoint was taken."""
        tree, arrays = checkpoint[0], Arrays(checkpoint[1])
        model, objective, position = self._model, self._model._objective, self._position
        assert model.optimizer is not None
        vars(position).update(unpacked(self._in_names_of_today(tree, "position"), arrays))
        model.stop_training = tree["stopped"]
        unpacked(tree["weights"], arrays, model.weights)
        model.optimizer.set_variables(unpacked(tree["optimizer"], arrays))
        for layer, state in zip(layers_of(model), tree["layers"], strict=True):
            restore_attributes(layer, state, arrays)
        if not self._is_placed:  # a stream cannot go on twice
            firsts = (0 if position.trained is not None else position.batch), 0
            for feed, place, first in zip(self._feeds, tree["data"], firsts, strict=True):
                if feed is not None:
                    feed.resume(unpacked(place, arrays), first)
            self._is_placed = True
        _set_random_state(tree["random"], arrays)
        objective.sums = tree["sums"]
        for metric, (state, values) in zip(_metrics_of(model), tree["metrics"], strict=True):
            restore_attributes(metric, state, arrays)
            for variable, value in zip(metric.variables, unpacked(values, arrays), strict=True):
                variable.assign(value)

    def put_back_callbacks(self, checkpoint: Checkpoint) -> None:
        """The same with the callbacks; one that was not there begins anew."""
        tree, arrays = checkpoint[0], Arrays(checkpoint[1])
        callbacks = self._in_names_of_today(tree, "callbacks")
        saved = {name: unpacked(state, arrays) for name, state in _numbered(callbacks)}
        for name, callback in _numbered([[type(callback).__name__, callback] for callback in self._callbacks]):
            if name in saved:
                callback.restore_state(saved[name])

    def _in_names_of_today(self, tree: dict[str, Any], key: str) -> Any:
        """A part of a checkpoint with the names that losses and metrics have in this process."""
        today, saved = names_of(self._model), tree["names"]
        pairs = [(saved[neutral], name) for neutral, name in today.items()]
        names = {prefix + old: prefix + new for old, new in pairs if old != new for prefix in ("", "val_")}
        return renamed(tree[key], names) if names else tree[key]


def _metrics_of(model: Compiled) -> list[Metric]:
    return [*model._objective.metrics, *getattr(model, "own_metrics", ())]


def _numbered(pairs: Sequence[Any]) -> Iterator[tuple[tuple[str, int], Any]]:
    """The second of each pair under the first, a class's name, and how many of the class came before."""
    seen: Counter[str] = Counter()
    for name, value in pairs:
        yield (name, seen[name]), value
        seen[name] += 1


def _packed_layer(layer: Layer, arrays: Arrays) -> dict[str, Any]:
    """The states of a stateful layer, and the generators of one that draws with a seed of its own."""
    state = {
        name: packed(value, arrays) for name, value in vars(layer).items() if isinstance(value, np.random.Generator)
    }
    if isinstance(layer, SequenceLayer) and layer.states is not None:
        state["states"] = packed(layer.states, arrays)
    return state


def _random_state() -> dict[str, Any]:
    """That of the package, of numpy's global generator and of Python's: all that `set_random_seed` seeds."""
    version, internal, gauss = python_random.getstate()
    return {
        "fastgru": random.stream(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - user code may draw from it
        "python": (version, np.asarray(internal, np.uint64), gauss),
    }


def _set_random_state(node: Any, arrays: Arrays) -> None:
    state = unpacked(node, arrays, {"fastgru": random.stream()})
    np.random.set_state(state["numpy"])  # noqa: NPY002
    version, internal, gauss = state["python"]
    python_random.setstate((version, tuple(map(int, internal)), gauss))
