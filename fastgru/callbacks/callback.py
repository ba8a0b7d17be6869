"""The base of all callbacks, and those that are made of others.

Epochs and batches are counted from 0; `logs` maps the names of the loss and the metrics to numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import fastgru
from fastgru import checks

__all__ = ["Callback", "CallbackList", "History", "LambdaCallback", "Logs"]

Logs = dict[str, Any] | None


class Callback:
    """Base of all callbacks; every method does nothing until a subclass writes it.

    Attributes
    ----------
    params : dict or None
        What the run is: verbose, epochs, steps.
    model
        The model that runs. ``model.stop_training = True`` ends the training after the batch or epoch at hand.
    state_names : tuple of str
        Attributes that change as a training goes: numbers, text, arrays, generators of numpy, lists and dicts of them.
        A training that goes on from a checkpoint (`BackupAndRestore`) sets them to what they were.
    writes : bool
        Whether it writes files or sends something: under `DataParallel` the first process alone calls it.
    """

    state_names: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[bool] = False
    params: Mapping[str, Any] | None = None
    _model: Any = None

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        """Called once before the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called once before the run."""
        self._model = model

    @property
    def model(self) -> Any:
        return self._model

    def saved_state(self) -> dict[str, Any]:
        """What a training goes on from in another process."""
        return {name: getattr(self, name) for name in self.state_names}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `saved_state` returned there; called after `on_train_begin`."""
        for name, value in state.items():
            setattr(self, name, value)

    def on_train_begin(self, logs: Logs = None) -> None: ...

    def on_train_end(self, logs: Logs = None) -> None: ...

    def on_test_begin(self, logs: Logs = None) -> None: ...

    def on_test_end(self, logs: Logs = None) -> None: ...

    def on_predict_begin(self, logs: Logs = None) -> None: ...

    def on_predict_end(self, logs: Logs = None) -> None: ...

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None: ...

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None: ...

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None: ...

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None: ...


class History(Callback):
    """The numbers of every epoch; `fit` returns one.

    Attributes
    ----------
    history : dict
        For each name in the logs a list with one number for each epoch.
    epoch : list of int
    """

    state_names = ("epoch", "history")

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self

    def plot(self, names: Sequence[str] = ("loss",), *, ax: Any = None) -> Any:
        """The numbers over the epochs, drawn by `fastgru.plot.history`, which needs the extra ``[plot]``."""
        return fastgru.plot.history(self, names, ax=ax)

    def __repr__(self) -> str:
        numbers = [
            f"{name} {_short(values[0])} -> {_short(values[-1])}" for name, values in self.history.items() if values
        ]
        return f"<History of {len(self.epoch)} epochs{': ' * bool(numbers)}{', '.join(numbers)}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: each number at first, at last and how it went."""
        from fastgru.pages import element, sparkline, table

        rows = [
            [name, sparkline(values), _short(values[0]), _short(values[-1])]
            for name, values in self.history.items()
            if values
        ]
        count = element("p", f"History of {len(self.epoch)} epochs")
        return element("div", count, table(["", "over the epochs", "first", "last"], rows) if rows else None)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


class CallbackList(Callback):
    """Several callbacks that are called as one, for training loops of users.

    Parameters
    ----------
    callbacks : iterable of Callback, optional
    add_history : bool
        Add a `History` where there is none.
    model
        Handed to the callbacks, with `params`.
    **params
    """

    def __init__(
        self, callbacks: Iterable[Callback] | None = None, add_history: bool = False, model: Any = None, **params: Any
    ) -> None:
        self.callbacks = list(callbacks or [])
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        for name in [name for name in dir(Callback) if name.startswith("on_")]:
            setattr(self, name, self._all(name))
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def _all(self, name: str) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            for callback in self.callbacks:
                getattr(callback, name)(*args, **kwargs)

        return call


class LambdaCallback(Callback):
    """A callback made of functions, each by the name of its method: ``LambdaCallback(on_epoch_end=f)``."""

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        methods = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, value in methods.items():
            if name.startswith("on_"):
                checks.optional(checks.function)(value, type(self).__name__, name)
        self.__dict__.update((name, value) for name, value in methods.items() if value is not None)
