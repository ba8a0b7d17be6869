"""The methods for generators of Keras 2, whose work `fit`, `evaluate` and `predict` do."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from fastgru import data
from fastgru.training.trainer import Trainer
from fastgru.types import Outputs

if TYPE_CHECKING:
    from fastgru.callbacks import History
    from fastgru.data import BatchStream


class GeneratorTrainer(Trainer):
    """A model with `fit_generator`, `evaluate_generator` and `predict_generator`, for old programs."""

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        validation_freq: Any = 1,
        class_weight: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> History:
        """`fit` on a generator or a `PyDataset`, with the arguments of Keras 2.

        Parameters
        ----------
        max_queue_size : int
            Batches that are made ahead.
        workers, use_multiprocessing
            Of a `PyDataset`; a generator has one thread.
        """
        return self.fit(
            _stream("fit", generator, max_queue_size, workers, use_multiprocessing, shuffle),
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            class_weight=class_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
        )

    def evaluate_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Any:
        """`evaluate` on a generator or a `PyDataset`; the other arguments are those of `fit_generator`."""
        stream = _stream("evaluate", generator, max_queue_size, workers, use_multiprocessing)
        return self.evaluate(stream, steps=steps, callbacks=callbacks, verbose=verbose)

    def predict_generator(
        self,
        generator: Any,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: Any = 0,
    ) -> Outputs:
        """`predict` on a generator or a `PyDataset`; the other arguments are those of `fit_generator`."""
        stream = _stream("predict", generator, max_queue_size, workers, use_multiprocessing)
        return self.predict(stream, steps=steps, callbacks=callbacks, verbose=verbose)


def _stream(
    new_name: str, generator: Any, max_queue_size: int, workers: int, use_multiprocessing: bool, shuffle: bool = False
) -> BatchStream:
    """The generator as a stream, and a warning where the old method was called."""
    warnings.warn(f"{new_name}_generator is called {new_name} now.", DeprecationWarning, stacklevel=3)
    stream = data.stream_of(generator, shuffle, max_queue_size)
    if stream is None:
        raise ValueError(f"{new_name}_generator: expected a generator or a PyDataset, got {type(generator).__name__}.")
    stream.ahead = max_queue_size
    if isinstance(stream, data.Indexed):
        stream.workers, stream.use_multiprocessing = workers, use_multiprocessing
    return stream
