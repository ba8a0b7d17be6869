"""What users call: save and load models and weights."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import fastgru
from fastgru import activations
from fastgru.layers.layer import Layer
from fastgru.object_registration import CustomObjectScope
from fastgru.saving import endpoints, legacy, matching, sniff
from fastgru.saving.build import Builder, bounded_weights, build_by_arrays, report_behaviour
from fastgru.saving.endpoints import FileLike
from fastgru.saving.formats import json_text, weights_h5
from fastgru.saving.leaves import leaves
from fastgru.saving.matching import Matching
from fastgru.saving.report import ModelFileError, Report, notice, reading
from fastgru.saving.stored import KERAS_3, WRITER, StoredModel

if TYPE_CHECKING:
    import h5py

    from fastgru.models.model import Model

KERAS_VERSION = "3.15.0"  # whose form is written


def load_model(
    filepath: FileLike,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    outputs: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
) -> Model:
    """Load a model that any Keras or fastgru saved, from a `.keras` archive, a legacy HDF5 file or a SavedModel.

    The model gives the numbers that the version of Keras gave that wrote the file. What was decided for that stands, a
    sentence each, in the model's `load_report`.

    Parameters
    ----------
    filepath : path, binary file or h5py.File
        The file, or the folder of a SavedModel or an unpacked archive; the format is told by the content.
    custom_objects : mapping, optional
        Your classes and functions by the names that stand in the file; see also `register`.
    compile : bool
        Compile the model as it was when it was saved and restore its optimizer, so that training goes on where it
        stopped. What fastgru does not know of that setup is named in a warning, and the model is not compiled.
    safe_mode : bool
        Accepted for Keras's sake; code from a file is never run, whatever it says.
    outputs : list of str, optional
        Names of layers at which the model stops, in the place of its own outputs; what leads only elsewhere is left
        out. A model cut so is not compiled.
    inputs : list of str, optional
        Names of layers from which the model starts, inputs or others.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        The file cannot be read; the message names it, the place in it and the reason. Where the outputs need a layer
        that fastgru does not know, or code, it also names the layers at which one can stop.
    """
    if sniff.is_onnx(filepath):
        return _of_onnx(filepath, inputs, outputs)
    with sniff.stored_model(filepath) as stored, reading(stored.file), CustomObjectScope(custom_objects):
        if stored.config is None:
            raise ModelFileError(
                f"{stored.file}: holds weights without a model; build the model and give its load_weights this file."
            )
        report = Report()
        report.decide(f"Written by {stored.written_by}")
        builder = Builder(stored.file, custom_objects, report)
        with reading(stored.file, "model config"):
            whole = legacy.modern(stored, report)
            part = builder.part(whole, outputs, inputs)
            with bounded_weights(stored):
                model = builder.model(part)
                build_by_arrays(model, stored)
            report_behaviour(model, report)
            _fill(model, stored if part is whole.config else stored._replace(table_plan=None), builder)
            if compile and stored.training and part is whole.config:
                _compile(model, stored, builder)
        model.load_report = report.sentences()
        return model


def _of_onnx(filepath: FileLike, inputs: Sequence[str] | None, outputs: Sequence[str] | None) -> Model:
    if inputs is not None:
        raise ModelFileError(
            f"{endpoints.name_of(filepath)}: is an ONNX model, which is not cut at its inputs; give outputs=[...] "
            "alone, or cut the graph by onnx.utils.extract_model."
        )
    return fastgru.onnx.load_model(filepath, outputs)  # by the package's door: the room stands above this one


def _fill(model: Any, stored: StoredModel, builder: Builder) -> None:
    """Give each weight of a model that was made from a file its array there."""
    how = Matching(builder.report, made_for=True, entries=builder.entries)
    if model.runs_call and not model.weights and stored.holds_weights:
        raise ModelFileError(
            f"{stored.file}: a model of the class {type(model).__name__} has no weights before it is called; make one, "
            "call it on data, and give its load_weights this file."
        )
    matched = matching.pairs(model, stored, how)
    filled = len({id(weight) for weight, *_ in matched})  # a kernel that two layers own stands in the file twice
    if filled != len(model.weights):
        raise ModelFileError(f"{stored.file}: the model has {len(model.weights)} weights, the file fills {filled}.")
    matching.assign(matched, matching.restorings(model, stored, builder.entries))
    model.table_plan = stored.table_plan  # none for a model that stops elsewhere, which answers otherwise


def _compile(model: Any, stored: StoredModel, builder: Builder) -> None:
    """Compile as the file says and restore the optimizer, as far as fastgru knows both."""
    with reading(stored.file, "training setup"):
        training = legacy.modern_training(stored).training
        if training is None or not builder.compile(model, training) or model.optimizer is None:
            return
        arrays = stored.optimizer_arrays()
        if stored.version < KERAS_3:
            from fastgru.saving.legacy.training import state_in_order

            arrays = state_in_order(model.optimizer, arrays, builder.report)
        state = matching.read_optimizer(model.optimizer, arrays)
        if state is not None:
            model.optimizer.set_variables(state)


def load_weights(
    model: Any,
    filepath: FileLike,
    skip_mismatch: bool = False,
    by_name: bool = False,
    objects_to_skip: Sequence[Layer] | None = None,
) -> None:
    """Load the weights of a built model from a file of any format.

    Parameters
    ----------
    model : Model
    filepath : path, binary file or h5py.File
        A `.weights.h5`, `.weights.json` (with its parts beside it), `.keras` or legacy HDF5 file, a `.safetensors`, a
        state dict of PyTorch (`.pt`, `.pth`), the folder of a SavedModel or the name of a checkpoint of TensorFlow. The
        first three also restore the state of the model's optimizer once it has been used.
    skip_mismatch : bool
        Leave out what does not fit, with a warning.
    by_name : bool
        Match layers by their names, and leave out those without a namesake; for legacy HDF5 files and PyTorch's.
    objects_to_skip : list of Layer, optional
        Layers of the model that keep the weights they have; not for legacy HDF5 files.

    Raises
    ------
    ModelFileError
        The file cannot be read or does not fit; the model is as it was.
    """
    from fastgru.saving.legacy.weights import activated

    _check_built(model, "loading weights into")
    with sniff.stored_model(filepath) as stored, reading(stored.file):
        skipped = frozenset(map(id, _with_inner(objects_to_skip)))
        entries = matching.entries_of_pruned(model, stored)
        how = Matching(Report(), skip_mismatch, by_name, entries=entries, skipped=skipped)
        matched = matching.pairs(model, stored, how)
        state = None
        if model.optimizer is not None and not stored.by_layer:
            state = matching.read_optimizer(model.optimizer, stored.optimizer_arrays())
        # a vocabulary is no weight
        matching.assign(matched, matching.restorings(model, stored._replace(assets={})))
        if state is not None:
            model.optimizer.set_variables(state)
    names = ", ".join(layer.name for layer, _, _ in activated(model, activations.hard_sigmoid))
    if stored.version < KERAS_3 and names:
        notice(
            f"{stored.file}: was written by a Keras whose hard_sigmoid is clip(0.2 x + 0.5, 0, 1), and the layers "
            f"{names} have Keras 3's, clip(x / 6 + 0.5, 0, 1), and give other numbers; build them with "
            "'hard_sigmoid_old'."
        )


def save_model(
    model: Any,
    filepath: FileLike,
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
    save_format: str | None = None,
) -> None:
    """Save a model with its weights and, if it is compiled, its optimizer, in a form that Keras 3 opens.

    Parameters
    ----------
    model : Model
    filepath : path, binary file or h5py.File
        A path ends in `.keras`, or in `.h5` or `.hdf5` for the legacy format, which an HDF5 file gets, too; a file that
        is open is written from where it stands.
    overwrite : bool
        Replace a file that is already there; where Keras would ask first, fastgru refuses.
    zipped : bool, optional
        False, Keras's unpacked folder, is not supported.
    include_optimizer : bool
        Save what the model was compiled with, and the state of its optimizer.
    save_format : str, optional
        "keras" or "h5": the format for an open file; the ending of a path says it.
    """
    from fastgru.saving.formats import hdf5, keras_zip, legacy_h5

    if zipped is False:
        raise ValueError("save_model: zipped=False, a folder in the place of a .keras archive, is not supported.")
    if save_format not in (None, "keras", "h5", "hdf5"):
        raise ValueError(
            "save_model: the `save_format` argument is deprecated in Keras 3, where the name's ending says it; "
            f"expected 'keras' or 'h5', got {save_format!r}."
        )
    of_stream = ".keras" if save_format in (None, "keras") else ".h5"
    ending = endpoints.ending(filepath, (".keras", ".h5", ".hdf5"), overwrite, of_stream)
    if ending != ".keras":
        _check_all_in_config(model, endpoints.name_of(filepath))
    if not model.built:
        notice(f"Model {model.name!r} is saved before it is built and holds no weights yet.")
    spec = model.serialized()
    # Keras has {} for a model that is not compiled
    training = (spec.pop("compile_config") or None) if include_optimizer else None
    spec, training, version = _in_known_words(model, spec, training, ending)
    if ending == ".keras":
        data = keras_zip.image(model, spec, training, KERAS_VERSION)
    else:
        notice(
            f"Model {model.name!r} is saved as an HDF5 file, a format that Keras considers legacy; the name of one in "
            "its own ends in .keras."
        )
        if model.table_plan is not None:
            notice(f"Model {model.name!r}: how it reads a table stays behind, which a .keras file alone keeps.")
        data = hdf5.image(lambda file: legacy_h5.write(file, model, spec, training, version))
    endpoints.write(filepath, data)


def _in_known_words(model: Model, spec: Any, training: Any, ending: str) -> tuple[Any, Any, str]:
    """Config, training setup and the version of Keras in whose words they are, with a word of what stays behind."""
    from fastgru.saving.legacy import writing

    if "'<lambda>'" in str(spec):
        notice(
            f"Model {model.name!r} holds a lambda, of which the file keeps no code: give it by custom_objects when you "
            "load the model, that of a Lambda layer by the layer's name, or use a function with a name."
        )
    if writing.OLD_HARD_SIGMOID not in str(spec):
        return spec, training, KERAS_VERSION
    in_old_words = None if ending == ".keras" else writing.in_words_of_keras_2(spec)
    reader = "Keras 3" if in_old_words is None else "Keras 2 opens it, without a training setup; Keras 3"
    notice(
        f"Model {model.name!r} uses the hard_sigmoid of Keras 2, which has no name in Keras 3: fastgru opens the saved "
        f"file, {reader} does not."
    )
    return (spec, training, KERAS_VERSION) if in_old_words is None else (in_old_words, None, writing.VERSION)


def save_weights(
    model: Any, filepath: FileLike, overwrite: bool = True, objects_to_skip: Sequence[Layer] | None = None
) -> None:
    """Save the weights of a built model, and the state of its optimizer, as a `.weights.h5` file.

    Parameters
    ----------
    model : Model
    filepath : path, binary file or h5py.File
        A path ends in `.weights.h5`, or in `.safetensors` for the weights alone.
    overwrite : bool
        Replace a file that is already there; where Keras would ask first, fastgru refuses.
    objects_to_skip : list of Layer, optional
        Layers whose weights are left out.
    """
    from fastgru.saving.formats import hdf5

    ending = endpoints.ending(filepath, (".weights.h5", ".safetensors"), overwrite, ".weights.h5")
    _check_built(model, "saving")
    skipped = frozenset(map(id, _with_inner(objects_to_skip)))
    if ending == ".safetensors" and isinstance(filepath, (str, os.PathLike)):
        from fastgru.saving.formats import safetensors

        safetensors.write_model(filepath, model, skipped)
        return

    def fill(file: h5py.File) -> None:
        weights_h5.write(file, model, model.optimizer, skipped)
        file.attrs[WRITER] = fastgru.__version__

    endpoints.write(filepath, hdf5.image(fill))


def _with_inner(layers: Sequence[Layer] | None) -> list[Layer]:
    """Layers and all layers in them."""
    return [inner for layer in layers or () for inner in leaves(layer)]


def _check_all_in_config(model: Any, file: str) -> None:
    """ValueError where a layer has what a legacy file has no place for."""
    for _, layer in weights_h5.owners(model):
        if layer.stored_files() or layer.stored_arrays():  # type: ignore[attr-defined]
            raise ValueError(
                f"Cannot save to {file}: the vocabulary of layer {layer.name!r} has no place in a legacy HDF5 file; "
                "save as .keras, or make the layer with vocabulary=[...]."
            )


def _check_built(model: Any, doing: str) -> None:
    if not model.built:
        raise ValueError(
            f"Model {model.name!r} is not built yet and has no weights; call it on data or build it. You are {doing} a "
            "model that has not yet been built."
        )


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model that `Model.to_json` of any Keras described, with new weights, compiled where the text says how.

    Parameters
    ----------
    json_string : str
        The text itself.
    custom_objects : mapping, optional
        Your classes and functions by the names that stand in the text.

    Returns
    -------
    Model
        Its `load_report` tells what was decided. Weights that stand in a file of their own: `Model.load_weights`.

    Raises
    ------
    ModelFileError
        The text is no JSON, or describes no model.
    """
    from fastgru.saving.legacy.words import version_of_words

    file = "model_from_json"
    config = json_text.parsed(json_string, file, "") or {}
    with reading(file), CustomObjectScope(custom_objects):
        keras_version = config.get("keras_version")
        version = json_text.version(keras_version) if keras_version else version_of_words(config)
        report = Report()
        words = f"by Keras {keras_version}" if keras_version else f"in the words of Keras {version[0]}"
        report.decide(f"Written {words}")
        builder = Builder(file, custom_objects, report)
        stored = StoredModel(
            file=file,
            format="JSON",
            written_by=words,
            arrays={},
            version=version,
            backend="tensorflow" if version < KERAS_3 else None,
            config=config,
            training=config.get("compile_config"),
        )
        model = builder.model(builder.part(legacy.modern(stored, report)))
        report_behaviour(model, report)
        training = legacy.modern_training(stored).training
        if training:
            builder.compile(model, training)
        model.load_report = report.sentences()
        return model
