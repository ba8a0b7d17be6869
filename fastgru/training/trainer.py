"""Training, evaluation and prediction, under Keras's names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, data, distribution, threads
from fastgru.data.sequences import Sequences
from fastgru.layers.symbolic import is_symbolic
from fastgru.training import intake
from fastgru.training.own_steps import OwnSteps
from fastgru.types import Array, Outputs

if TYPE_CHECKING:
    from fastgru.callbacks import History
    from fastgru.training.feeding import Feed
    from fastgru.training.hooks import Hooks
    from fastgru.training.unequal import UnequalPredictions


class Trainer(OwnSteps):
    """A layer that is compiled, trained and evaluated as a Keras model is.

    Attributes
    ----------
    history : History
        Of the last `fit`.
    """

    def __init__(self, *, name: str | None = None, trainable: bool = True, dtype: Any = None) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.history: History | None = None

    # --- fit ----------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train for a number of passes over the data, and return what each of them came to.

        Parameters
        ----------
        x, y, sample_weight
            Inputs, targets and weights: arrays, or lists or dicts of them by input or output, samples along the first
            axis; one weight a sample is for all outputs. Or as `x` alone a stream of batches ``(x, y, sample_weight)``:
            a generator, a `PyDataset`, a `tf.data.Dataset`, a DataLoader (docs/data.md).
        batch_size, steps_per_epoch : int, optional
            Samples an update, 32 where absent; updates an epoch, one pass over the data where absent.
        epochs, initial_epoch : int
            Number of the last epoch, and of those that are done already.
        verbose : {"auto", 0, 1, 2}
            0 shows nothing, 1 a bar, 2 a line an epoch; "auto" a bar on a terminal and lines elsewhere.
        callbacks : list of Callback, optional
        validation_data : (x, y), (x, y, sample_weight) or a stream, optional
            Else the fraction `validation_split` of the samples, the last ones before any shuffling, is kept for it.
        validation_steps, validation_batch_size, validation_freq
            As for training; `validation_freq` is every how many epochs, or a list of them (from 1).
        shuffle : bool or "batch"
            Draw a new order before each epoch, "batch" within the batches only; of streams a `PyDataset` is shuffled.
        class_weight : dict, optional
            Weight of the samples of each class, 1 for those it does not name; for one output.
        resume : path, optional
            A folder in which the training is saved as it goes and from which it goes on, see `BackupAndRestore`.
        """
        from fastgru.training import feeding, loops, resuming
        from fastgru.training.boundary import Position
        from fastgru.training.hooks import Hooks
        from fastgru.training.progress import progress

        distribution.say_apart("fit")
        numbers = _epoch_numbers(initial_epoch, epochs)
        training, held_out = feeding.datasets(self, x, y, sample_weight, shuffle, validation_split, validation_data)
        batches = feeding.batches(self, "fit", training, batch_size, shuffle, steps_per_epoch, class_weight)
        sizes = batch_size, validation_batch_size, validation_steps
        validation = None if held_out is None else feeding.validation_batches(self, held_out, *sizes)
        is_validated, bar, step = _validation_epochs(validation_freq), progress(verbose), self._training_step()
        hooks = Hooks(self, callbacks, {"verbose": verbose, "epochs": epochs, "steps": batches.steps}, True)
        position = Position(numbers.start)
        settings = {"shuffle": shuffle, "initial_epoch": initial_epoch, "validation_freq": validation_freq}
        feeds, datasets = (batches, validation), (training, held_out)
        saved = resuming.checkpoints(resume, self, hooks, position, feeds, datasets, settings, numbers.stop)
        loops.train(self, step, batches, validation, numbers.stop, is_validated, hooks, bar, position, saved)
        assert self.history is not None
        return self.history

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One update on one batch.

        Returns
        -------
        float, list of float or dict
            The loss; a list of it and the metrics where there are any; a dict by name with `return_dict`.
        """
        from fastgru.training import aligning, feeding

        samples = feeding.samples(self, x, y, sample_weight)
        (batch,) = feeding.batches(self, "train_on_batch", samples, samples.size, class_weight=class_weight).epoch()
        before, step = self._step, self._training_step()
        if step is not before:
            aligning.check(self, "train_on_batch", samples.size)
        with intake.reserved(self, True), self._objective.run():
            step(batch)
            logs = self._objective.results()
        return logs if return_dict else self._objective.in_order(logs)

    # --- evaluate -----------------------------------------------------------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data.

        Parameters
        ----------
        x, y, sample_weight, batch_size, verbose
            As for `fit`.
        steps : int, optional
            Stop after this many batches.
        callbacks : list of Callback, optional
        return_dict : bool

        Returns
        -------
        float, list of float or dict
            The loss; a list of it and the metrics where there are any; a dict by name with `return_dict`.
        """
        from fastgru.training import aligning, feeding, loops
        from fastgru.training.progress import progress

        dataset = feeding.dataset(self, x, y, sample_weight)
        batches = feeding.batches(self, "evaluate", dataset, batch_size, steps=steps)
        bar = progress(verbose)
        hooks = self._hooks(callbacks, verbose, batches.steps)
        aligning.check(self, "evaluate", batches.count, batches.steps)
        with threads.one_blas_thread(lasting=True), bar:
            bar.begin("Evaluate", batches.steps)
            logs = loops.evaluate(self, batches, hooks, bar)
            bar.end(logs)
        return logs if return_dict else self._objective.in_order(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch, returned as by `train_on_batch`."""
        from fastgru.training import aligning, feeding, loops
        from fastgru.training.hooks import Hooks
        from fastgru.training.progress import Progress

        samples = feeding.samples(self, x, y, sample_weight)
        batches = feeding.batches(self, "test_on_batch", samples, samples.size)
        aligning.check(self, "test_on_batch", samples.size)
        logs = loops.evaluate(self, batches, Hooks(self, None, {}), Progress())
        return logs if return_dict else self._objective.in_order(logs)

    # --- predict ------------------------------------------------------------------------------------

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Outputs:
        """Outputs for inputs, in new arrays. Several threads may predict with one model at the same time.

        But for a stateful one, which goes on from the states of the last batch: while a thread runs it, another one
        gets a RuntimeError. Its states stay as they are where a batch fails.

        Parameters
        ----------
        x : array_like, a list or dict of them by input, a list of sequences of unequal length, or a stream of batches
            Of the batches of a stream only the inputs are read.
        batch_size : int, optional
            32 where absent. Larger batches are taken inside where nothing but the rounding can tell the difference.
        verbose : {"auto", 0, 1, 2}
            "auto" shows a bar on a terminal when it takes a while.
        steps : int, optional
            Stop after this many batches.
        callbacks : list of Callback, optional

        Returns
        -------
        ndarray, or a list or dict of them where the model has several outputs.
        """
        if intake.lacks_rows(self, x):
            return intake.no_predictions(self, x)
        stream = None if type(x) is np.ndarray else data.stream_of(x)
        inputs = [] if stream is not None else intake.inputs(self, x, batch_size)
        if stream is None and not isinstance(inputs[0], Sequences):
            count = len(inputs[0])
            size = data.batch_size_of(batch_size, count, steps)
            count = count if steps is None else min(count, steps * size)
            intake.check_batches(self, count, size)
            if callbacks is None and steps is None and count <= size and verbose in ("auto", 0):
                return self._one_prediction(intake.one_batch(self, inputs))  # that nobody watches
        from fastgru.training import feeding  # deferred with all that makes batches

        if stream is not None:
            stream_batches = feeding.input_batches(self, stream, batch_size, steps)
            return self._predicted(stream_batches, self._hooks(callbacks, verbose, stream_batches.steps), verbose)
        if isinstance(inputs[0], Sequences):
            batches, outputs = feeding.unequal_batches(self, inputs[0], batch_size, steps, callbacks is not None)
            return self._predicted(batches, self._hooks(callbacks, verbose, batches.steps), verbose, outputs)
        hooks = self._hooks(callbacks, verbose, -(-count // size))
        is_watched = hooks.written("on_predict_batch_begin") or hooks.written("on_predict_batch_end")
        if not (is_watched or intake.is_stateful(self)):
            size = max(size, distribution.size() * feeding.prediction_rows(self, inputs))
        columns = feeding.columns(self, [x[:count] for x in inputs])
        batches = data.Batches(columns, size, sharing=distribution.current())
        return self._predicted(batches, hooks, verbose)

    def _hooks(self, callbacks: Any, verbose: Any, steps: int | None) -> Hooks:
        from fastgru.training.hooks import Hooks

        return Hooks(self, callbacks, {"verbose": verbose, "epochs": 1, "steps": steps})

    def _predicted(
        self, batches: Feed, hooks: Hooks, verbose: Any, outputs: UnequalPredictions | None = None
    ) -> Outputs:
        """The outputs of all batches, by the loop, which a first prediction of one batch does without."""
        from fastgru.training import aligning, loops
        from fastgru.training.progress import progress

        aligning.check(self, "predict", batches.count, batches.steps)
        return self.as_predicted(loops.predict(self, batches, hooks, progress(verbose, lasting=False), outputs))

    def predict_on_batch(self, x: Any) -> Outputs:
        """Outputs for one batch of inputs, in new arrays."""
        if intake.lacks_rows(self, x):
            return intake.no_predictions(self, x)
        return self._one_prediction(intake.one_batch(self, intake.inputs(self, x)))

    def __call__(self, *inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Outputs for inputs, in new arrays; or what the model puts out in a graph, drawn of symbolic tensors.

        Parameters
        ----------
        *inputs : array_like or SymbolicTensor
            For several inputs also one list, or a dict by name.
        mask : (B, T) bool array_like, optional
            True where a step counts; for several inputs a list, one or None for each.
        training : bool
            Whether dropout drops.

        Returns
        -------
        Tensor, or a list of them where the model has several outputs.
        """
        if not (inputs and type(inputs[0]) is np.ndarray) and is_symbolic(inputs):
            return super().__call__(*inputs, mask=mask)
        if len(inputs) != 1 and self.input_names is None:
            raise ValueError(f"Model {self.name!r}: expected one input, got {len(inputs)}.")
        structure = inputs[0] if len(inputs) == 1 else inputs
        arrays = intake.one_batch(self, intake.inputs(self, structure))
        intake.check_batches(self, len(arrays[0]), len(arrays[0]))
        sources = [structure] if self.input_names is None else self.in_order(structure)
        if mask is None:
            masks = tuple([getattr(x, "_keras_mask", None) for x in sources])
        else:
            listed = mask if len(arrays) > 1 and isinstance(mask, (list, tuple)) else [mask]
            masks = tuple(None if one is None else self.as_mask(one, x) for one, x in zip(listed, arrays, strict=False))
        outputs = self._new_tensors(sources, arrays, training, masks)
        return self.as_structure(outputs if isinstance(outputs, list) else [outputs])

    def _one_prediction(self, arrays: Sequence[Array]) -> Outputs:
        if "predict_step" not in self.own_steps:
            return self._outputs(arrays)
        with intake.reserved(self, True):
            return self._predicted_by_step(arrays)

    def _outputs(
        self, arrays: Sequence[Array], training: bool = False, masks: tuple[Array | None, ...] = ()
    ) -> Outputs:
        """Outputs for one batch, in new arrays."""
        return self.as_structure(self._new_outputs(arrays, training, masks))

    def _new_outputs(
        self, arrays: Sequence[Array], training: bool = False, masks: tuple[Array | None, ...] = ()
    ) -> list[Array | None]:
        call = self._acquired_call(training, masks)
        try:
            outputs = self.forward(call, *arrays)
            parts = outputs if isinstance(outputs, (tuple, list)) else [outputs]
            copies = [None if part is None else np.array(part) for part in parts]
            if call.version.transaction is not None:
                call.version.commit()
            return copies
        finally:
            self._release(call)


def _epoch_numbers(initial_epoch: Any, epochs: Any) -> range:
    """The epochs of a run, counted from 0."""
    first, stop = (
        checks.not_negative(checks.integer(value, "fit", name), "fit", name)
        for name, value in (("initial_epoch", initial_epoch), ("epochs", epochs))
    )
    return range(first, stop)


def _validation_epochs(frequency: Any) -> Callable[[int], bool]:
    """Whether to validate after an epoch, counted from 1."""
    if isinstance(frequency, int) and frequency > 0:
        return lambda epoch: epoch % frequency == 0
    if isinstance(frequency, (list, tuple, set)) and all(isinstance(epoch, checks.INTEGERS) for epoch in frequency):
        return lambda epoch: epoch in frequency
    raise ValueError(f"validation_freq: expected a whole number of at least 1 or a list of epochs, got {frequency!r}.")
