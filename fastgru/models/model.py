"""What every model is: layers that run together, are trained together, named, counted, saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from os import PathLike
from typing import Any, BinaryIO

import fastgru
from fastgru import distribution, registry
from fastgru.checks import missing_axis
from fastgru.layers.layer import Layer
from fastgru.layers.symbolic import is_symbolic
from fastgru.layers.tracking import file_order, tracked
from fastgru.naming import suggestion
from fastgru.training.generator_methods import GeneratorTrainer
from fastgru.types import Array

Path = str | PathLike[str] | BinaryIO  # or an open file or group of h5py


class Model(GeneratorTrainer):
    """Base of all models; ``Model(inputs, outputs)`` makes a `Functional`.

    A subclass sets layers as attributes and has a `call`, as a layer of one's own; it takes any inputs. One that is to
    be as quick as those of the package has `layers`, `output_shapes`, `input_shape`, and the forward and backward pass
    of a layer, in which it runs its inner layers with ``call.child(index)`` through `run_forward` and `run_backward`.

    Parameters
    ----------
    inputs, outputs
        Of a graph of layers; for `Model` itself, not for subclasses of it.
    name : str, optional
    trainable : bool
    dtype : {"float32", "float64"}, optional

    Attributes
    ----------
    load_report : list of str
        Of a model that came from a file: a sentence for each decision about what its version of Keras meant.
    table_plan : bytes or None
        Of a model that was trained on a table: how it reads one, which `.keras` files keep.
    """

    load_report: list[str]
    table_plan: bytes | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and (args or "inputs" in kwargs or "outputs" in kwargs):
            # a subclass, defined on top of this one
            return super().__new__(registry.lookup("keras.models", "Functional"))
        base = next(one for one in cls.__mro__ if not getattr(one, "is_own", False))
        if base is Model is not cls and not cls.runs_call and is_symbolic(args[:1] or kwargs.get("inputs")):
            # as in Keras: a class with a training step of its own, say, of a graph
            return super().__new__(_graph_class(cls, registry.lookup("keras.models", "Functional")))  # type: ignore[arg-type]
        return super().__new__(cls)

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        if inputs is not None or outputs is not None:
            raise ValueError(
                f"{type(self).__name__}(inputs, outputs): a graph of layers is a Functional; derive your class from it."
            )
        super().__init__(name=name, trainable=trainable, dtype=dtype)

    @property
    def layers(self) -> list[Layer]:
        """The layers: in the order in which they run, or in which a class of one's own set them as attributes."""
        return tracked(self, Layer)

    @layers.setter
    def layers(self, layers: Any) -> None:
        raise AttributeError(
            "`Model.layers` attribute is reserved and should not be used; give the list of layers another name."
        )

    @property
    def operations(self) -> list[Layer]:
        """The layers, and what stands between them without being one."""
        return self.layers

    @property
    def output_shapes(self) -> list[Any]:
        """The output shape of each of the `operations`; None where the model is not built."""
        return [None] * len(self.operations)

    @property
    def sublayers(self) -> list[Layer]:
        return self.layers

    def check_inputs(self, *inputs: Array) -> None:
        expected = self.input_shape if self.takes_list else [self.input_shape]
        if len(inputs) != len(expected):
            raise ValueError(f"Model {self.name!r}: expected {len(expected)} inputs, got {len(inputs)}.")
        for x, shape in zip(inputs, expected, strict=True):
            if x.size == 0:
                raise ValueError(f"Model {self.name!r}: the input is empty, its shape is {x.shape}.")
            sizes = zip(shape[1:], x.shape[1:], strict=False)
            if x.ndim != len(shape) or any(known not in (None, size) for known, size in sizes):
                remedy = missing_axis(x.shape, shape)
                raise ValueError(f"Model {self.name!r}: expected input of shape {shape}, got {x.shape}{remedy}.")

    # --- looking inside -----------------------------------------------------------------------------

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or at an index.

        Raises
        ------
        ValueError
            There is none, or not exactly one of the arguments is given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer: give either a name or an index, got name={name!r} and index={index!r}.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"get_layer: no layer at index {index}; model {self.name!r} has {len(layers)} layers.")
            return layers[index]
        names = [layer.name for layer in layers]
        if name not in names:
            raise ValueError(f"get_layer: model {self.name!r} has no layer {name!r}; " + suggestion(name, names))
        return layers[names.index(name)]

    def explain(self, x: Any) -> dict[str, Any]:
        """The gates and states of the recurrent layers at every step, dropout off; all states stay as they are.

        Parameters
        ----------
        x : array_like, or a list or dict of them by input
            A batch, as `predict` takes it. What the layers compute stays in memory all at once: a few samples.

        Returns
        -------
        dict of str to dict
            For each `GRU`, `LSTM`, `SimpleRNN`, `RNN` and `Bidirectional` by name what its `gates` returns for what
            comes to it, masks included. A layer in a model inside, or in a `TimeDistributed`, has their names before
            its own (``encoder/gru``), and so has one that a layer's or model's own `call` calls; in a
            `TimeDistributed` arrays are (B, T, T inside, H); a layer that is called several times stands there for each
            call (``gru``, ``gru[1]``). A recurrence that a `call` computes by ops is none of these.

        Raises
        ------
        ValueError
            A layer runs a cell of one's own.
        """
        from fastgru.models.explaining import explained  # few ask

        return explained(self, x)

    def predict_prefixes(self, x: Any) -> Any:
        """What the model would have answered after each step, had the sequences ended there.

        Parameters
        ----------
        x : array_like, or a list or dict of them by input
            A batch, as `predict` takes it. Inputs (B, T, ...) are cut, all of one length, and others are not.

        Returns
        -------
        (B, T, ...) ndarray, or a list or dict of them where the model has several outputs
            At ``[:, t]`` the prediction for ``x[:, :t + 1]``, of an output for every step its last; NaN where the
            sequence is still too short for the model, say for the kernel of a `Conv1D`. A row of layers that goes
            forward takes one pass for all, any other model one for each step.

        Raises
        ------
        ValueError
            The model takes whole sequences alone, as one with Flatten does.
        """
        from fastgru.models.explaining import prefix_predictions

        return prefix_predictions(self, x)

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print the layers with their output shapes and numbers of parameters.

        Parameters
        ----------
        line_length : int, optional
            Width of the table; 88 or what the terminal has where absent.
        positions : list of float, optional
            Right edges of the columns, as fractions of the line or in characters.
        print_fn : callable, optional
            Called once with the whole text, instead of printing.
        expand_nested : bool
            Also list the layers of models inside.
        show_trainable : bool
            Add a column that tells which layers are trained.
        layer_range : (str, str), optional
            Names, or patterns of names, of the first and last layer to list.
        """
        from fastgru.models.summary import print_summary

        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the table of `summary`."""
        from fastgru.models.summary import html_summary

        return html_summary(self)

    # --- files and configs --------------------------------------------------------------------------

    def file_items(self) -> Any:
        of_layers = ("layers", self.layers)
        if not self.runs_call:
            return [of_layers, ("", self.own_weights), *self.tracked_items(Layer)]
        # `layers` is an attribute like others: Keras files there what no attribute before it in the alphabet has
        items = [*self.tracked_items(Layer), of_layers]
        return [("", self.own_weights), *sorted(items, key=lambda item: file_order(item[0]))]

    def save(self, filepath: Path, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the whole model: ``.keras`` or legacy ``.h5`` by the ending of the name.

        Under `DataParallel` the first process writes, and the others do nothing; the same holds of `save_weights`.

        Parameters
        ----------
        filepath : path
        overwrite : bool
            Whether an existing file may be replaced.
        zipped : bool, optional
            Only a zipped ``.keras`` file is supported, Keras's default.
        **kwargs
            For `fastgru.saving.save_model`.
        """
        if distribution.is_first() or not isinstance(filepath, (str, PathLike)):
            fastgru.saving.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(self, filepath: Path, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Write the weights alone, to a ``.weights.h5`` or a ``.safetensors`` file.

        Parameters
        ----------
        filepath : path
        overwrite : bool
            Whether an existing file may be replaced.
        max_shard_size : float, optional
            In Keras's signature; several files are not supported.
        """
        if max_shard_size is not None:
            raise ValueError(f"save_weights: max_shard_size={max_shard_size!r} is not supported by fastgru.")
        if distribution.is_first() or not isinstance(filepath, (str, PathLike)):
            fastgru.saving.save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Path, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Read weights from a file; the model stays as it was where that fails.

        Parameters
        ----------
        filepath : path
            A ``.weights.h5``, ``.keras`` or legacy ``.h5``; of PyTorch a ``.pt``, ``.pth`` or ``.safetensors``;
            of TensorFlow a SavedModel's folder or a checkpoint's name.
        skip_mismatch : bool
            Leave out layers whose weights do not fit instead of failing.
        by_name : bool
            Match the layers of a legacy file or a state dict by name.
        """
        fastgru.saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(
        self,
        filepath: str | PathLike[str],
        format: str | None = None,
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Write the model as it predicts, for programs that know no Keras: ``.onnx``; or its weights: ``.safetensors``.

        Parameters
        ----------
        filepath : path
        format : {"onnx", "safetensors"}, optional
            What the name's ending says where absent; Keras's "tf_saved_model", "openvino" and "litert" are refused.
        verbose : bool, optional
            Whether to print where the model went.
        input_signature : optional
            In Keras's signature; the inputs are those of the model, so only None is accepted.
        **kwargs
            Of Keras's options for ONNX ``opset_version`` is accepted where it is the one that is written, 17.

        Raises
        ------
        ValueError
            A layer, or an option of it, cannot be written; the message names it, and there is no file.
        """
        fastgru.saving.export_model(self, filepath, format, verbose, input_signature, **kwargs)

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        """Keras 3's JSON form of the model: class, config, and what it was built and compiled with."""
        form = super().serialized(getattr(self, "input_shape", input_shape))
        if form["registered_name"] is None:  # models are public at the top of Keras, layers in keras.layers
            form["module"] = "keras"
        return {**form, "compile_config": self.get_compile_config() or {}}

    def to_json(self, **kwargs: Any) -> str:
        """The model without its weights as JSON, which `model_from_json` reads.

        Parameters
        ----------
        **kwargs
            For `json.dumps`.
        """
        return json.dumps(self.serialized(), **kwargs)


@cache
def _graph_class(cls: type, functional: type) -> type:
    """A class of one's own with the graph's methods behind its own."""
    if issubclass(cls, functional):
        return cls
    return type(cls.__name__, (cls, functional), {"__module__": cls.__module__, "__qualname__": cls.__qualname__})
