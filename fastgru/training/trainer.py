"""Training, evaluation and prediction of anything with a forward and a backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from fastgru import config, data, losses, metrics, optimizers, registry, threads
from fastgru.callbacks import History
from fastgru.data import Batches, Samples
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.layer import Array, Call, Layer, Weight
from fastgru.layers.symbolic import is_symbolic
from fastgru.optimizers import Optimizer
from fastgru.parameters import Parameters
from fastgru.regularizers import Regularizer
from fastgru.training.hooks import Hook, Hooks
from fastgru.training.objective import Objective
from fastgru.training.progress import Progress, progress

Step = Callable[[tuple[Any, ...]], None]

# predict works on this many samples at a time, fewer where they are large: a batch as the user asked for would leave
# threads idle, and but for rounding a sample's result does not depend on the others
PREDICT_ROWS = 256
PREDICT_NUMBERS = 1 << 22


class Trainer(Layer):
    """A layer that is compiled, trained and evaluated as a Keras model is.

    The forward pass leaves the sum of the activity regularizers' penalties in ``call.saved["penalty"]``.

    Attributes
    ----------
    input_names, output_names : sequence of str or None
        Under which data and losses are given and results told; None for a row of layers, which has one of each.
    optimizer : Optimizer or None
    loss
        As given to `compile`.
    compiled : bool
    stop_training : bool
        A callback sets it to end `fit` after the batch at hand.
    history : History
        Of the last `fit`.
    """

    input_names: Sequence[str] | None = None
    output_names: Sequence[str] | None = None

    def __init__(self, *, name: str | None = None, trainable: bool = True, dtype: Any = None) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.optimizer: Optimizer | None = None
        self.loss: Any = None
        self.compiled = False
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.history: History | None = None
        self._compile_config: dict[str, Any] = {}
        self._objective = Objective(None, None, None, None)
        self._parameters: Parameters | None = None
        self._step: Step | None = None

    def __getstate__(self) -> dict[str, Any]:
        # what training makes again where it needs it
        return {**self.__dict__, "_parameters": None, "_step": None}

    # --- compile ------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how to train.

        Parameters
        ----------
        optimizer : str, dict or Optimizer
        loss : str, callable or Loss, or a list or dict of them by output, optional
            "crossentropy" picks the form that fits the shapes. One is for all outputs; None, and in a dict no entry, is
            for an output without a loss.
        loss_weights : float, or list or dict by output, optional
            Factors of the losses, which are then added.
        metrics : list, or list of lists or dict by output, optional
            Names or Metric objects, taken without sample weights; "accuracy" picks the form that fits the shapes.
        weighted_metrics : list, or list of lists or dict by output, optional
            The same, with sample weights.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Accepted for Keras's sake; they change nothing here.

        Raises
        ------
        ValueError
            For an unknown name or another number of outputs; the model stays compiled as it was.
        """
        found = None if optimizer is None else optimizers.get(optimizer)
        self._objective = Objective(loss, loss_weights, metrics, weighted_metrics, self.output_names)
        self.optimizer, self.loss, self.compiled = found, loss, True
        self.stop_training = False
        self._step = None
        self._compile_config = {
            "optimizer": found,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": not run_eagerly if jit_compile == "auto" else jit_compile,
        }

    def get_compile_config(self) -> dict[str, Any] | None:
        """Keras 3's ``compile_config``: what `compile` was called with; None before."""
        return _serialized(self._compile_config) if self.compiled else None

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile as `get_compile_config` describes; a built model then takes the optimizer's saved variables."""
        get = {"loss": losses.get, "metrics": metrics.get, "weighted_metrics": metrics.get}
        self.compile(**{name: _restored(value, get[name]) if name in get else value for name, value in config.items()})
        if self.built and self.optimizer is not None and self._objective.has_loss:
            self._training_step()

    @property
    def metrics(self) -> list[Any]:
        """The metrics that `compile` asked for, known once the model has seen data."""
        return self._objective.metrics

    @property
    def metrics_names(self) -> list[str]:
        """Names of the numbers that `evaluate` returns, in its order (Keras 3 has "compile_metrics" after the loss)."""
        return self._objective.names

    def reset_metrics(self) -> None:
        """Forget what loss and metrics have seen."""
        self._objective.reset()

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
    ) -> History:
        """Train for a number of passes over the data.

        Parameters
        ----------
        x : array_like, or a list or dict of them by input
            Inputs, samples along the first axis.
        y : array_like, or a list or dict of them by output
            Targets; None for an output with neither loss nor metrics.
        batch_size : int, optional
            Samples per update; 32 where absent.
        epochs : int
            Number of the last epoch.
        verbose : {"auto", 0, 1, 2}
            0 shows nothing, 1 a bar, 2 a line an epoch; "auto" a bar on a terminal and lines elsewhere.
        callbacks : list of Callback, optional
        validation_split : float
            This fraction of the samples, the last ones before any shuffling, is kept for validation.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Takes the place of `validation_split`.
        shuffle : bool or "batch"
            Draw a new order before each epoch; "batch" within the batches only.
        class_weight : dict, optional
            Weight of the samples of each class; 1 for classes it does not name. For one output.
        sample_weight : (N,) or (N, T) array_like, or a list or dict of them by output, optional
            One of shape (N,) is for all outputs.
        initial_epoch : int
            Number of the first epoch, counted from 0.
        steps_per_epoch : int, optional
            Batches an epoch; one pass over the data where absent.
        validation_steps, validation_batch_size : int, optional
        validation_freq : int or list of int
            Validate after every that many epochs, or after the listed ones (counted from 1).

        Returns
        -------
        History
            Its `history` maps each name to one value per epoch.

        Raises
        ------
        ValueError
            For data that do not fit the model; nothing is changed then, but a model without weights may have got them.
        """
        given, held_out = self._samples(x, y, sample_weight), None
        if validation_data is not None:
            held_out = self._samples(*data.unpack(validation_data))
        elif validation_split:
            given, held_out = data.split(given, validation_split)
        if class_weight is not None:
            given = data.class_weighted(given, class_weight)
        batches = self._batches("fit", given, batch_size, shuffle, steps_per_epoch)
        validation = None
        if held_out is not None:
            validation_size = batch_size if validation_batch_size is None else validation_batch_size
            validation = self._batches("fit", held_out, validation_size, False, validation_steps)
        due = _validation_epochs(validation_freq)
        bar = progress(verbose)
        step = self._training_step()
        hooks = Hooks(self, callbacks, {"verbose": verbose, "epochs": epochs, "steps": len(batches)}, with_history=True)
        assert self.history is not None
        batch_hooks = (
            hooks.written("on_batch_begin", "on_train_batch_begin"),
            hooks.written("on_batch_end", "on_train_batch_end"),
        )
        self.stop_training = False
        with threads.one_blas_thread(not config.multiplies_with_tiles()), bar:
            hooks.call("on_train_begin", None)
            logs: dict[str, float] = {}
            for epoch in range(initial_epoch, epochs):
                hooks.call("on_epoch_begin", epoch, None)
                bar.begin(f"Epoch {epoch + 1:>{len(str(epochs))}}/{epochs}", len(batches))
                logs = self._epoch(batches, step, batch_hooks, bar, "stop_training")
                if validation is not None and due(epoch + 1):
                    found = self._evaluated(validation, hooks, Progress())
                    logs.update((f"val_{name}", value) for name, value in found.items())
                logs = dict(sorted(logs.items()))
                hooks.call("on_epoch_end", epoch, logs)
                bar.end(logs)
                if self.stop_training:
                    break
            hooks.call("on_train_end", logs)
        return self.history

    def _epoch(
        self, batches: Batches, step: Step, hooks: tuple[list[Hook], list[Hook]], bar: Progress, stop: str
    ) -> dict[str, float]:
        """Run a step on each batch of an epoch, until the attribute `stop` is set; returns the logs."""
        objective, done = self._objective, 0
        before_batch, after_batch = hooks
        objective.reset()
        for batch in batches.epoch():
            for hook in before_batch:
                hook(done, None)
            step(batch)
            if after_batch:
                seen = objective.results()
                for hook in after_batch:
                    hook(done, seen)
            done += 1
            if perf_counter() >= bar.due:
                bar.show(done, objective.count, objective.results())
            if getattr(self, stop):
                break
        logs = objective.results()
        bar.trained(done, objective.count, logs)
        return logs

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
        given = self._samples(x, y, sample_weight)
        if class_weight is not None:
            given = data.class_weighted(given, class_weight)
        (batch,) = self._batches("train_on_batch", given, given.size).epoch()
        step = self._training_step()
        self._objective.reset()
        step(batch)
        return self._objective.results() if return_dict else self._objective.values()

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
        x, y : array_like, or lists or dicts of them by input and by output
        batch_size : int, optional
            32 where absent.
        verbose : {"auto", 0, 1, 2}
            As for `fit`.
        sample_weight : (N,) or (N, T) array_like, or a list or dict of them by output, optional
        steps : int, optional
            Stop after this many batches.
        callbacks : list of Callback, optional
        return_dict : bool

        Returns
        -------
        float, list of float or dict
            The loss; a list of it and the metrics where there are any; a dict by name with `return_dict`.
        """
        batches = self._batches("evaluate", self._samples(x, y, sample_weight), batch_size, False, steps)
        bar = progress(verbose)
        hooks = Hooks(self, callbacks, {"verbose": verbose, "epochs": 1, "steps": len(batches)})
        with threads.one_blas_thread(not config.multiplies_with_tiles()), bar:
            bar.begin("Evaluate", len(batches))
            logs = self._evaluated(batches, hooks, bar)
            bar.end(logs)
        return logs if return_dict else self._objective.values()

    def _evaluated(self, batches: Batches, hooks: Hooks, bar: Progress) -> dict[str, float]:
        batch_hooks = hooks.written("on_test_batch_begin"), hooks.written("on_test_batch_end")
        self.stop_evaluating = False
        hooks.call("on_test_begin", None)
        batches.restart()
        logs = self._epoch(batches, self._evaluation_step(), batch_hooks, bar, "stop_evaluating")
        hooks.call("on_test_end", logs)
        return logs

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics of one batch, returned as by `train_on_batch`."""
        given = self._samples(x, y, sample_weight)
        batches = self._batches("test_on_batch", given, given.size)
        logs = self._evaluated(batches, Hooks(self, None, {}), Progress())
        return logs if return_dict else self._objective.values()

    # --- predict ------------------------------------------------------------------------------------

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Outputs for inputs, in new arrays. Several threads may predict with one model at the same time.

        Parameters
        ----------
        x : array_like, or a list or dict of them by input
        batch_size : int, optional
            32 where absent. Larger batches are taken inside where nothing but the rounding can tell the difference.
        verbose : {"auto", 0, 1, 2}
            "auto" shows a bar on a terminal when it takes a while.
        steps : int, optional
            Stop after this many batches.
        callbacks : list of Callback, optional

        Returns
        -------
        ndarray, or a list of them where the model has several outputs.
        """
        inputs = self._inputs(x, rows=batch_size)
        count = len(inputs[0])
        size = data.batch_size_of(batch_size, count, steps)
        count = count if steps is None else min(count, steps * size)
        self._check_batches(count, size)
        if callbacks is None and steps is None and count <= size and verbose in ("auto", 0):
            return self._outputs(inputs)  # one batch that nobody watches
        hooks = Hooks(self, callbacks, {"verbose": verbose, "epochs": 1, "steps": -(-count // size)})
        before_batch, after_batch = hooks.written("on_predict_batch_begin"), hooks.written("on_predict_batch_end")
        if not (before_batch or after_batch or _stateful(self)):
            size = max(size, self._predict_rows(inputs))
        outputs: list[Array] = []
        bar = progress(verbose, lasting=False)
        self.stop_predicting = False
        with threads.one_blas_thread(not config.multiplies_with_tiles()), bar:
            bar.begin("Predict", -(-count // size))
            hooks.call("on_predict_begin", None)
            for index, start in enumerate(range(0, count, size)):
                rows = slice(start, min(start + size, count))
                for hook in before_batch:
                    hook(index, None)
                found = self.forward(self._workspace(), *(column[rows] for column in inputs))
                parts = found if isinstance(found, tuple) else (found,)
                outputs = outputs or [np.empty((count, *part.shape[1:]), part.dtype) for part in parts]
                for output, part in zip(outputs, parts, strict=True):
                    output[rows] = part
                if perf_counter() >= bar.due:
                    bar.show(index + 1, rows.stop, {})
                for hook in after_batch:
                    batch = [output[rows] for output in outputs]
                    hook(index, {"outputs": self.packed(batch)})
                if self.stop_predicting:
                    outputs = [output[: rows.stop] for output in outputs]
                    break
            bar.trained(-(-count // size), count, {})
            hooks.call("on_predict_end", None)
            bar.end({})
        return self.packed(outputs)

    def predict_on_batch(self, x: Any) -> Any:
        """Outputs for one batch of inputs, in new arrays."""
        return self(x)

    def __call__(self, *inputs: Any, mask: Any = None, training: bool = False) -> Any:
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
        ndarray, or a list of them where the model has several outputs.
        """
        if not (inputs and type(inputs[0]) is np.ndarray) and is_symbolic(inputs):
            return super().__call__(*inputs, mask=mask)
        if len(inputs) != 1 and self.input_names is None:
            raise ValueError(f"Model {self.name!r}: expected one input, got {len(inputs)}.")
        arrays = self._inputs(inputs[0] if len(inputs) == 1 else inputs)
        self._check_batches(len(arrays[0]), len(arrays[0]))
        if mask is None:
            return self._outputs(arrays, bool(training))
        masks = mask if len(arrays) > 1 and isinstance(mask, (list, tuple)) else [mask]
        found = [None if one is None else self.as_mask(one, x) for one, x in zip(masks, arrays, strict=False)]
        return self._outputs(arrays, bool(training), tuple(found))

    def _outputs(self, arrays: Sequence[Array], training: bool = False, masks: tuple[Array | None, ...] = ()) -> Any:
        """Outputs for one batch, in new arrays."""
        found = self._new_outputs(arrays, training, masks)
        return self.packed(found if isinstance(found, list) else [found])

    # --- what the loops share -----------------------------------------------------------------------

    def _inputs(self, x: Any, rows: int | None = None) -> list[Array]:
        """The inputs as `forward` takes them, the model built on them, for batches of `rows`, where it was not."""
        if self.input_names is None:
            array = self.as_input(data.array(x, "x"))
            if not self.built:
                self.build((min(rows or len(array), len(array)) if _stateful(self) else None, *array.shape[1:]))
            return [data.fitted(array, self.input_shape, "Model {!r}", self.name)]
        described = zip(self.input_names, data.shapes(self.input_shape), strict=True)
        arrays = self.as_inputs(data.inputs(x, self.input_names))
        return [
            data.fitted(array, shape, "Model {!r}, input {!r}", self.name, name)
            for array, (name, shape) in zip(arrays, described, strict=True)
        ]

    def _workspace(self) -> Call:
        """The calling thread's memory for a forward pass; asked for anew by each, as callbacks may have made others."""
        call = self._workspaces.call
        if call is None:
            call = self._workspaces.call = Call()
        call.training, call.masks = False, ()
        return call

    def _samples(self, x: Any, y: Any, weight: Any) -> Samples:
        """The checked arrays of a data set for this model."""
        told = self._objective.with_loss
        if isinstance(y, (list, tuple)) and len(y) == len(told) < len(self.output_names or ()):
            y = dict(zip(told, y, strict=True))  # as Keras takes them, without those of the outputs that have no loss
        return data.samples(x, y, weight, self.input_names, self.output_names)

    @property
    def input_shape(self) -> Any:
        """Shape of a batch of inputs, the batch axis first; an AttributeError before the model is built."""
        raise AttributeError(
            f"{type(self).__name__} {self.name!r} does not define input_shape; a class derived from Model defines it "
            "and layers, forward and backward, not Keras's call; or draw a graph and use Model(inputs, outputs)."
        )

    def _batches(
        self, where: str, given: Samples, batch_size: int | None, shuffle: bool | str = False, steps: int | None = None
    ) -> Batches:
        """Checked data as batches of inputs, targets and weights."""
        if not self.compiled:
            raise ValueError(f"{where}: the model is not compiled; call compile(optimizer, loss) first.")
        inputs = self._inputs(given.x, rows=data.batch_size_of(batch_size, given.size, steps))
        shapes = [x.shape for x in inputs]
        outputs = data.shapes(self.compute_output_shape(shapes if len(shapes) > 1 else shapes[0]))
        targets = self._objective.bind(where, given.y, outputs, self.dtype)
        weights = [None if weight is None else np.asarray(weight, self.dtype) for weight in given.weight]
        batches = Batches([*inputs, *targets, *weights], batch_size, shuffle, steps)
        self._check_batches(batches.count, batches.batch_size)
        return batches

    def _check_batches(self, count: int, size: int) -> None:
        """ValueError where a stateful model, whose states are those of a fixed number of rows, gets other batches."""
        if not _stateful(self):
            return
        rows = data.shapes(self.input_shape)[0][0]
        if size != rows or count % size:
            raise ValueError(
                f"Model {self.name!r} is stateful and takes batches of exactly {rows} samples, "
                f"got {count} samples in batches of {size}; give batch_size={rows} and whole batches."
            )

    def _training_step(self) -> Step:
        """What one batch does, with the parameters in one buffer and the optimizer ready."""
        if self.optimizer is None or not self._objective.has_loss:
            raise ValueError("fit: training needs an optimizer and a loss; call compile(optimizer, loss) with both.")
        weights = self.trainable_weights
        if self._parameters is None or not self._parameters.holds(weights):
            for weight in self.weights:
                weight.gradient = None  # a frozen layer takes no gradient
            self._parameters = Parameters(weights)
            self._step = None
        if self._step is None:
            self._step = self._new_step(self._parameters, self.optimizer)
        return self._step

    def _new_step(self, parameters: Parameters, optimizer: Optimizer) -> Step:
        optimizer.build(parameters)
        objective, forward, backward, compute_mask = self._objective, self.forward, self.backward, self.compute_mask
        first, targets, weights = self._columns()
        call = Call(training=True, differentiate=True)
        call.input_gradient = False
        regularized = _regularized(parameters.weights)

        def step(batch: tuple[Any, ...]) -> None:
            inputs = batch[:first]
            parameters.take()  # a callback may have trained another model that shares a layer
            outputs = forward(call, *inputs)
            penalty = call.saved["penalty"]
            if regularized:
                penalty += sum(regularizer(weight.value) for weight, regularizer in regularized)
            masks = compute_mask(call, *inputs)
            gradients = objective.take(batch[targets], outputs, batch[weights], masks, penalty, True)
            parameters.zero_gradients()
            backward(call, *gradients)
            for weight, regularizer in regularized:
                weight.gradient += regularizer.gradient(weight.value)
            optimizer.apply(parameters)

        return step

    def _evaluation_step(self) -> Step:
        objective, forward, compute_mask = self._objective, self.forward, self.compute_mask
        first, targets, weights = self._columns()
        penalty = self._weight_penalty()

        def step(batch: tuple[Any, ...]) -> None:
            inputs, call = batch[:first], self._workspace()
            outputs = forward(call, *inputs)
            masks = compute_mask(call, *inputs)
            objective.take(batch[targets], outputs, batch[weights], masks, penalty + call.saved["penalty"])

        return step

    def _columns(self) -> tuple[int, slice, slice]:
        """Where in a batch the inputs end, and where its targets and weights are."""
        first = len(self.input_names or " ")
        last = first + len(self.output_names or " ")
        return first, slice(first, last), slice(last, None)

    def _weight_penalty(self) -> float:
        """What the regularizers of the trained weights add to the loss."""
        return sum(regularizer(weight.value) for weight, regularizer in _regularized(self.trainable_weights))

    def _predict_rows(self, inputs: Iterable[Array]) -> int:
        """How many samples fit the memory that `predict` allows itself, if its widest layer saves every step."""
        widest = max((weight.shape[-1] for weight in self.weights if weight.shape), default=1)
        # the last axis is one of features, or of tokens that get features of their own
        last = None if _embeds(self) else -1
        size = max(max(int(np.prod(x.shape[1:last])) * widest, x[0].size) for x in inputs)
        return min(PREDICT_ROWS, PREDICT_NUMBERS // size)


def _regularized(weights: Iterable[Weight]) -> list[tuple[Weight, Regularizer]]:
    return [(weight, weight.regularizer) for weight in weights if weight.regularizer is not None]


def _stateful(layer: Layer) -> bool:
    """Whether the layer, or one inside, goes on from the state that the last batch left."""
    if layer.stateful:
        return True
    # no any(), which takes three times as long, and no call for what holds no layers: every prediction asks
    for inner in layer.sublayers:  # noqa: SIM110
        if inner.stateful or (inner.sublayers and _stateful(inner)):
            return True
    return False


def _embeds(layer: Layer) -> bool:
    return isinstance(layer, Embedding) or any(_embeds(inner) for inner in layer.sublayers)


def _validation_epochs(frequency: Any) -> Callable[[int], bool]:
    """Whether to validate after an epoch, counted from 1."""
    if isinstance(frequency, int) and frequency > 0:
        return lambda epoch: epoch % frequency == 0
    if isinstance(frequency, (list, tuple, set)):
        return lambda epoch: epoch in frequency
    raise ValueError(f"validation_freq: expected a whole number of at least 1 or a list of epochs, got {frequency!r}.")


def _restored(value: Any, get: Callable[[Any], Any]) -> Any:
    """What `_serialized` made of a loss or metrics, with objects in the place of their configs."""
    if isinstance(value, Mapping):
        return get(value) if "class_name" in value else {key: _restored(entry, get) for key, entry in value.items()}
    if isinstance(value, list):
        return [_restored(entry, get) for entry in value]
    return value


def _serialized(value: Any) -> Any:
    """Keras's JSON form of what `compile` takes."""
    if isinstance(value, Mapping):
        return {key: _serialized(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_serialized(entry) for entry in value]
    if hasattr(value, "get_config"):
        return registry.serialize(value)
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    return value
