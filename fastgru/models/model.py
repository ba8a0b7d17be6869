"""What every model is: layers that run one after the other, trained together, named, counted, saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from fastgru import registry, saving
from fastgru.layers.layer import Layer
from fastgru.models.summary import print_summary
from fastgru.models.training import Trainer

Path = str | PathLike[str]


class Model(Trainer):
    """Base of all models; see `Sequential` for one to use.

    A subclass has `layers`, `output_shapes`, `input_shape`, and the forward and backward pass of a layer, in which it
    runs its inner layers with ``call.child(index)`` through `run_forward` and `run_backward`.

    Parameters
    ----------
    inputs, outputs
        Of a graph of layers, in Keras's signature; not supported.
    name : str, optional
    trainable : bool
    dtype : {"float32", "float64"}, optional
    """

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
            raise ValueError("Model(inputs, outputs): graphs of layers are not supported by fastgru; use Sequential.")
        super().__init__(name=name, trainable=trainable, dtype=dtype)

    @property
    def layers(self) -> list[Layer]:
        """The layers in the order in which they run."""
        return []

    @property
    def output_shapes(self) -> list[Any]:
        """The output shape of each of the `layers`; None where the model is not built."""
        return [None] * len(self.layers)

    @property
    def sublayers(self) -> list[Layer]:
        return self.layers

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.layers:
            layer.trainable = self._trainable

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
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"get_layer: model {self.name!r} has no layer {name!r}; "
            + registry.suggestion(name, (layer.name for layer in layers))
        )

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
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    # --- files and configs --------------------------------------------------------------------------

    def file_items(self) -> Any:
        return [("layers", self.layers), *super().file_items()]

    def save(self, filepath: Path, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Write the whole model: ``.keras`` or legacy ``.h5`` by the ending of the name.

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
        saving.save_model(self, filepath, overwrite, zipped, **kwargs)

    def save_weights(self, filepath: Path, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Write the weights alone, to a ``.weights.h5`` file.

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
        saving.save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Path, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Read weights from ``.weights.h5``, ``.keras`` or legacy ``.h5``; the model stays as it was where that fails.

        Parameters
        ----------
        filepath : path
        skip_mismatch : bool
            Leave out layers whose weights do not fit instead of failing.
        by_name : bool
            Match the layers of a legacy file by name.
        """
        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def serialized(self) -> dict[str, Any]:
        """Keras 3's JSON form of the model: class, config, and what it was built and compiled with."""
        return serialized_layer(self, getattr(self, "input_shape", None))

    def to_json(self, **kwargs: Any) -> str:
        """The model without its weights as JSON, which `model_from_json` reads.

        Parameters
        ----------
        **kwargs
            For `json.dumps`.
        """
        return json.dumps(self.serialized(), **kwargs)


def serialized_layer(layer: Layer, input_shape: Any) -> dict[str, Any]:
    """Keras 3's JSON form of a layer, with the shape it was built for where building does something."""
    form = registry.serialize(layer)
    assert form is not None
    if input_shape is not None and type(layer).build is not Layer.build:
        form["build_config"] = {"input_shape": input_shape}
    if isinstance(layer, Model):
        form["module"] = "keras"  # models are public at the top of Keras, layers in keras.layers
        form["compile_config"] = layer.get_compile_config() or {}
    return form


def deserialized_layer(form: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer or model that a JSON form describes."""
    name = form.get("class_name") if isinstance(form, Mapping) else None
    kind = "keras.models" if name in registry.known("keras.models") else "keras.layers"
    return registry.deserialize(form, kind, custom_objects)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `Model.to_json` described, with new weights, compiled as it was.

    Raises
    ------
    ValueError
        The text is no JSON, or describes no model.
    """
    try:
        form = json.loads(json_string)
    except json.JSONDecodeError as error:
        raise ValueError(f"model_from_json: the text is not JSON ({error}).") from None
    if not isinstance(form, dict) or not isinstance(form.get("config"), dict) or "class_name" not in form:
        raise ValueError("model_from_json: expected a JSON object with class_name and config.")
    model = deserialized_layer(form, custom_objects)
    if form.get("compile_config"):
        model.compile_from_config(form["compile_config"])
    return model
