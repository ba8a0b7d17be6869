"""What `compile` makes of a layer: something with losses, metrics and an optimizer, and the step that uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fastgru import checks, distribution, registry
from fastgru.layers.layer import Layer
from fastgru.layers.workspace import Call
from fastgru.types import Shape

if TYPE_CHECKING:
    from fastgru.data import Batch
    from fastgru.distribution import Ranks
    from fastgru.optimizers import Optimizer
    from fastgru.parameters import Parameters
    from fastgru.training.objective import Objective
    from fastgru.training.step import Step

_OF_OBJECTIVE = ("loss", "loss_weights", "metrics", "weighted_metrics")  # arguments of `compile`


class Compiled(Layer):
    """A layer that can be compiled, which is all that the loops of training know of a model.

    The forward pass leaves the sum of the activity regularizers' penalties in ``call.penalty``.

    Attributes
    ----------
    input_names, output_names : sequence of str or None
        Under which data are handed over and losses reported; None for a row of layers, which has one of each.
    optimizer : Optimizer or None
    loss
        As `compile` took it.
    compiled : bool
    steps_per_execution : int
        How many batches lie between the calls of callbacks.
    run_eagerly, jit_compile, auto_scale_loss : bool
        As `compile` took them.
    stop_training, stop_evaluating, stop_predicting : bool
        A callback sets it to end the loop after the batch at hand.
    """

    input_names: Sequence[str] | None = None
    output_names: Sequence[str] | None = None
    # of a model with a `call`, when it has seen data: how its inputs and outputs are nested, dtypes, shapes of outputs
    input_structure: Any = None
    output_structure: Any = None
    own_dtypes: list[str | None] | None = None
    own_shapes: list[Shape] | None = None
    takes_any = False  # whether the shapes of inputs are what a `call` or a step of one's own takes
    has_own_steps = False  # whether steps in Python replace those of this package, and say which targets they need
    run_eagerly, jit_compile, auto_scale_loss, steps_per_execution = False, True, True, 1

    def __init__(self, *, name: str | None = None, trainable: bool = True, dtype: Any = None) -> None:
        if "name" not in vars(self):  # else a layer that this is mixed in with has been made already
            super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.optimizer: Optimizer | None = None
        self.loss: Any = None
        self.compiled = False
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self._compile_config: dict[str, Any] = {}
        self._parameters: Parameters | None = None
        self._step: Step | None = None
        self._sharers: Ranks | None = None  # for which it is

    def __getstate__(self) -> dict[str, Any]:
        # what training makes again where it needs it
        return {**super().__getstate__(), "_parameters": None, "_step": None, "_sharers": None}

    @cached_property
    def _objective(self) -> Objective:
        """Losses and metrics: none before `compile` sets it."""
        from fastgru.training.objective import Objective  # deferred with all losses: a prediction needs none

        return Objective(None, None, None, None)

    @property
    def input_shape(self) -> Any:
        """Shape of a batch of inputs, the batch axis first; an AttributeError before the model is built."""
        if self._first_shape is not None:
            return self._first_shape
        raise AttributeError(
            f"{type(self).__name__} {self.name!r} has no input_shape: a model with a call takes inputs of any, and one "
            "with forward and backward defines it."
        )

    def first_layers(self) -> list[list[Layer]]:
        """For each input the layers that read it first, those inside of models one by one."""
        return [[self]] * self._n_inputs

    @property
    def input_dtypes(self) -> list[str | None]:
        """The dtype of each input; None for tokens, which may be of any."""
        return [self.input_dtype] if self.own_dtypes is None else self.own_dtypes

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
        steps_per_execution : int
            Callbacks are called before and after every that many batches.
        run_eagerly, jit_compile, auto_scale_loss
            Kept as attributes, for programs that ask; they change nothing here.

        Raises
        ------
        ValueError
            For an unknown name or another number of outputs; the model stays compiled as it was.
        """
        from fastgru import optimizers

        steps_per_execution = checks.positive_integer(steps_per_execution, "compile", "steps_per_execution")
        run_eagerly = bool(checks.optional(checks.flag)(run_eagerly, "compile", "run_eagerly"))
        auto_scale_loss = checks.flag(auto_scale_loss, "compile", "auto_scale_loss")
        if jit_compile != "auto":
            checks.optional(checks.flag)(jit_compile, "compile", "jit_compile")
        resolved = None if optimizer is None else optimizers.get(optimizer)
        unseen = self.runs_call and self.output_names is None  # whose outputs the first data show
        arguments = dict(zip(_OF_OBJECTIVE, (loss, loss_weights, metrics, weighted_metrics), strict=True))
        self._set_objective(arguments, self._output_names_of(loss, unseen))
        self.optimizer, self.loss, self.compiled = resolved, loss, True
        self.stop_training = False
        self.run_eagerly, self.auto_scale_loss = run_eagerly, auto_scale_loss
        self.jit_compile = bool(jit_compile) and not run_eagerly  # "auto" is True
        self.steps_per_execution = steps_per_execution
        self._compile_config = {
            "optimizer": resolved,
            **arguments,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": self.jit_compile,
        }

    def compile_objective(self) -> None:
        """Take what `compile` was called with for the outputs that are now known."""
        self._set_objective({name: self._compile_config[name] for name in _OF_OBJECTIVE}, self.output_names)

    def _set_objective(self, arguments: Mapping[str, Any], names: Sequence[str] | None) -> None:
        from fastgru.training.objective import Objective

        objective = Objective(**arguments, names=names)
        objective.needs_targets = not self.has_own_steps
        self._objective, self._step = objective, None

    def _output_names_of(self, loss: Any, unseen: bool) -> Sequence[str] | None:
        """The names of the outputs; of those that nobody has seen yet as many as there are losses."""
        if not unseen or not isinstance(loss, (list, tuple, dict)) or len(loss) < 2:
            return self.output_names
        return sorted(loss) if isinstance(loss, dict) else [f"output_{index + 1}" for index in range(len(loss))]

    def get_compile_config(self) -> dict[str, Any] | None:
        """Keras 3's ``compile_config``: what `compile` was called with; None before."""
        return registry.serialize(self._compile_config) if self.compiled else None

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile as `get_compile_config` describes; a built model then takes the optimizer's saved variables."""
        from fastgru import losses, metrics

        get = {"loss": losses.get, "metrics": metrics.get, "weighted_metrics": metrics.get}
        restored = {name: registry.deserialize_nested(config[name], get[name]) for name in get if name in config}
        self.compile(**{**config, **restored})
        if self.built and self.optimizer is not None and self._objective.has_loss:
            self._training_step()

    @property
    def metrics(self) -> list[Any]:
        """As in Keras 3 the mean of the loss, the metrics of `compile` as one, and the losses of several outputs."""
        return self._objective.reported

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`; those of the numbers of `evaluate` are the keys of ``evaluate(return_dict=True)``."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Forget what loss and metrics have seen."""
        self._objective.reset()

    # --- for the loops ------------------------------------------------------------------------------

    def _training_step(self) -> Step:
        """What one batch does, with the parameters in one buffer and the optimizer ready."""
        from fastgru.parameters import Parameters
        from fastgru.training.step import training_step
        from fastgru.training.sums import RunningSums

        if self.optimizer is None or not (self._objective.has_loss or _may_add_losses(self)):
            raise ValueError("fit: training needs an optimizer and a loss; call compile(optimizer, loss) with both.")
        weights, ranks = self.trainable_weights, distribution.current()
        extra = 0 if ranks is None else RunningSums(self._objective).size
        held = self._parameters
        if held is None or not held.holds(weights) or len(held.summed) < len(held.gradients) + extra:
            for weight in self.weights:
                weight.gradient = None  # a frozen layer takes no gradient
            self._parameters = held = Parameters(weights, extra)
            self._step = None
        if self._step is None or self._sharers is not ranks:
            self._step = training_step(self, self._objective, held, self.optimizer, self._n_inputs, ranks)
            self._sharers = ranks
        return self._step

    def _evaluation_step(self, call: Call) -> Step:
        """What an evaluation does with one batch."""
        from fastgru.training.step import evaluation_step

        return evaluation_step(self, self._objective, call, self._n_inputs, distribution.current())

    def _predictions(self, call: Call, inputs: Batch) -> Any:
        """The outputs for one batch, which live in the call's memory."""
        return self.forward(call, *inputs)

    def as_predicted(self, outputs: Sequence[Any]) -> Any:
        """What `predict` returns of the outputs in a row."""
        return self.as_structure(outputs)

    @property
    def _n_inputs(self) -> int:
        return 1 if self.input_names is None else len(self.input_names)


def _may_add_losses(layer: Layer) -> bool:
    """Whether a layer, or one inside, may have a loss of its own: by `add_loss`, or a regularizer."""
    regularized = layer.activity_regularizer is not None or any(weight.regularizer for weight in layer.weights)
    return layer.runs_call or regularized or any(map(_may_add_losses, layer.sublayers))
