"""What users call: save and load models and weights. The format of a file is told by its first bytes, not its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastgru.layers.core.masking import Masking
from fastgru.layers.layer import Layer, unfilled_weights
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.rnn import RNN
from fastgru.saving import (
    atomic,
    configs,
    graphs,
    hdf5,
    keras_zip,
    legacy_h5,
    matching,
    old_configs,
    old_training,
    old_weights,
    shards,
    weights_h5,
)
from fastgru.saving.errors import ModelFileError, ModelFileMissing, Report, notice, reading
from fastgru.saving.keras_zip import KerasFile
from fastgru.saving.legacy_h5 import LegacyFile
from fastgru.saving.matching import Matching
from fastgru.saving.weights_h5 import WeightsFile

KERAS_VERSION = "3.15.0"  # whose form is written

ModelFile = KerasFile | LegacyFile | WeightsFile
FilePath = str | os.PathLike[str]

HDF5_START = b"\x89HDF\r\n\x1a\n"
ZIP_START = b"PK\x03\x04"
_PICKLE = "is a Python pickle, which can run any code and is never opened"
_SAVE_AGAIN = "open it with the TensorFlow that wrote it and save the model as .h5 or its weights as .weights.h5"
# what stands in files that are called models and are none
FOREIGN = (
    (b"\x93NUMPY", "is an array of numpy, not a model"),
    (b"Rar!", "is compressed with RAR; unpack it first"),
    (b"7z\xbc\xaf", "is compressed with 7-Zip; unpack it first"),
    (b"model_checkpoint_path", f"is the index of TensorFlow checkpoints; {_SAVE_AGAIN}"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"),
    (b"\x80", _PICKLE),
    (b"<", "is a page of HTML or XML, probably an error page saved in the place of a download"),
    (b"{", "is JSON: a config without weights; give its text to model_from_json"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
)
# what the ending says of those whose first bytes say nothing
FOREIGN_ENDINGS = (
    (".pb", f"is a graph of TensorFlow; {_SAVE_AGAIN}"),
    (".index", f"is part of a TensorFlow checkpoint; {_SAVE_AGAIN}"),
    (".ckpt", f"is a TensorFlow checkpoint; {_SAVE_AGAIN}"),
    (".meta", f"is part of a TensorFlow checkpoint; {_SAVE_AGAIN}"),
    (".onnx", "is an ONNX model; give the Keras file from which it was made"),
    (".pkl", _PICKLE),
    (".pickle", _PICKLE),
    (".joblib", _PICKLE),
)
LEGACY_ATTRIBUTES = ("layer_names", "layer_names0", "model_config", "nb_layers")


@contextmanager
def opened(filepath: FilePath) -> Iterator[ModelFile]:
    """A model file of any format, open for reading."""
    path = Path(filepath)
    file = str(path)
    if not path.exists():
        raise ModelFileMissing(f"{file}: there is no such file.")
    with reading(file):
        if path.is_dir():
            if (path / "saved_model.pb").is_file():
                raise ValueError(f"is a SavedModel of TensorFlow, which holds code; {_SAVE_AGAIN}")
            if not (path / keras_zip.CONFIG).is_file():
                raise ValueError(f"is a folder without a {keras_zip.CONFIG}; give a .keras, .h5 or .weights.h5 file")
            start = ZIP_START
        elif not path.is_file():
            raise ValueError("is neither a file nor a folder")
        else:
            with path.open("rb") as stream:
                start = stream.read(64)
        if start.startswith(ZIP_START):
            kind = "zip"
        elif start.startswith(HDF5_START):
            kind = "hdf5"
        elif path.name.endswith(shards.ENDING) and start.lstrip().startswith(b"{"):
            kind = "shards"
        else:
            raise ValueError(_foreign(start, path.name))
    if kind == "zip":
        with keras_zip.opened(file, path) as found:
            yield found
    elif kind == "shards":
        with shards.opened(file, path) as weights:
            yield weights
    else:
        with hdf5.opened(file, path) as root:
            yield _hdf5_file(root)


def _foreign(start: bytes, name: str) -> str:
    """What a file that is no model seems to be, and what to do."""
    if not start:
        return "is empty"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    reason = next((reason for beginning, reason in FOREIGN if text.startswith(beginning)), None)
    if start[4:8] == b"TFL3":
        reason = "is a TensorFlow Lite model; give the Keras file from which it was made"
    if ".data-0" in name:
        name = ".ckpt"
    reason = reason or next((reason for ending, reason in FOREIGN_ENDINGS if name.lower().endswith(ending)), None)
    return reason or f"is neither an HDF5 file nor a .keras archive; it starts with {start[:8]!r}"


def _hdf5_file(root: hdf5.Node) -> LegacyFile | WeightsFile:
    if "model_weights" in root or any(root.has_attribute(name) for name in LEGACY_ATTRIBUTES):
        return LegacyFile(root)
    return WeightsFile(root.file, root.arrays())


def load_model(
    filepath: FilePath,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    outputs: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
) -> Any:
    """Load a model that any Keras or fastgru saved, from a `.keras` archive or a legacy HDF5 file.

    The model gives the numbers that the version of Keras gave that wrote the file. What was decided for that stands, a
    sentence each, in the model's `load_report`.

    Parameters
    ----------
    filepath : path
        The file, or the folder of an unpacked archive; the format is told by the content.
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
    with opened(filepath) as file, reading(str(filepath)):
        if isinstance(file, WeightsFile) or file.model is None:
            raise ModelFileError(
                f"{filepath}: holds weights without a model; build the model and call its load_weights with this file."
            )
        report = Report()
        report.decide(f"Written by {file.written_by}")
        builder = configs.Builder(file.file, custom_objects, report)
        with reading(file.file, "model config"):
            whole = old_configs.modern(file.model, file.version, report)
            if "stored_layers" not in whole:
                raise ValueError(
                    f"the model is of the class {whole['class_name']!r}, whose code is not in the file; build the same "
                    "layers and call load_weights with this file"
                )

            def shape_of(reference: list[Any]) -> Any:
                with unfilled_weights(_room(file)):
                    before = builder.model(graphs.part(whole, [reference[0]], None, shape_of))
                shapes = before.output_shape
                return shapes[reference[2]] if isinstance(shapes, list) else shapes

            spec = graphs.part(whole, outputs, inputs, shape_of)
            if spec is not whole:
                kept = {form["name"] for form in spec["config"]["layers"]}
                for _, name, _ in whole["stored_layers"]:
                    if name not in kept:
                        report.decide("Left out, as the outputs do not need them", name)
            with unfilled_weights(_room(file)):
                model = builder.model(spec)
                _build_by_weights(model, file)
            _follow_tensorflow(model, file.tensorflow, report)
            how = Matching(made_for=True, entries=builder.entries, report=report)
            found = file.pairs(model, how)
            if len(found) != len(model.weights):
                raise ModelFileError(
                    f"{filepath}: the model has {len(model.weights)} weights, the file fills {len(found)}."
                )
            matching.assign(found)
            if compile and file.training and spec is whole:
                _compile(model, file, builder)
        model.load_report = report.sentences()
        return model


def _follow_tensorflow(model: Any, by_tensorflow: bool, report: Report) -> None:
    """Keras's backends disagree about what comes out of a row before its first step that is not masked."""
    if not by_tensorflow:
        return
    inside = list(old_weights.leaves(model))
    masked = any(isinstance(layer, Masking) or getattr(layer, "mask_zero", False) for layer in inside)
    for layer in inside:
        if isinstance(layer, (Recurrent, RNN)):
            layer.zero_until_used = True
            if masked and (layer.stateful or any(len(node.inputs) > 1 for node in layer.nodes)):
                report.decide("Steps masked before the first used one put out 0, as in TensorFlow", layer.name)


def _room(file: KerasFile | LegacyFile) -> int:
    """How many numbers the weights of a file's model can have: some layouts are smaller than ours."""
    return 2 * file.numbers + 4096


def _build_by_weights(model: Any, file: KerasFile | LegacyFile) -> None:
    """Build a model whose file does not tell the shape of its input, by the shape of its first array."""
    if model.built or not model.layers:
        return
    arrays = next((arrays for arrays in file.stored().values() if arrays), None)
    first = next((layer for layer in model.layers if type(layer).build is not Layer.build), None)
    if arrays is None or first is None:
        return
    kind = type(first).__name__
    rank = {"Dense": 2, "Embedding": 2, "Conv2D": 4}.get(kind, 3)
    features = None if kind == "Embedding" else arrays[0].shape[-2]
    model.build((*[None] * (rank - 1), features))


def _compile(model: Any, file: KerasFile | LegacyFile, builder: configs.Builder) -> None:
    """Compile as the file says and restore the optimizer, as far as fastgru knows both."""
    training = file.training
    assert training is not None
    old = file.version < old_configs.KERAS_3
    with reading(file.file, "training setup"):
        if old:
            training = old_training.modern_training(training)
        if not builder.compile(model, training) or model.optimizer is None:
            return
        stored = file.optimizer_state()
        if old:
            stored = old_training.state_in_order(model.optimizer, stored, builder.report)
        state = matching.read_optimizer(model.optimizer, stored)
        if state is not None:
            model.optimizer.set_variables(state)


def load_weights(model: Any, filepath: FilePath, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Load the weights of a built model from a file of any format.

    Parameters
    ----------
    model : Model
    filepath : path
        A `.weights.h5`, `.weights.json` (with its parts beside it), `.keras` or legacy HDF5 file. All but the last also
        restore the state of the model's optimizer once it has been used.
    skip_mismatch : bool
        Leave out what does not fit, with a warning.
    by_name : bool
        Match layers by their names, and leave out those without a namesake; for legacy HDF5 files.

    Raises
    ------
    ModelFileError
        The file cannot be read or does not fit; the model is as it was.
    """
    _check_built(model)
    with opened(filepath) as file, reading(str(filepath)):
        found = file.pairs(model, Matching(skip_mismatch, by_name))
        state = None
        if model.optimizer is not None and not isinstance(file, LegacyFile):
            state = matching.read_optimizer(model.optimizer, file.optimizer_state())
        matching.assign(found)
        if state is not None:
            model.optimizer.set_variables(state)


def save_model(
    model: Any,
    filepath: FilePath,
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
    save_format: str | None = None,
) -> None:
    """Save a model with its weights and, if it is compiled, its optimizer, in a form that Keras 3 opens.

    Parameters
    ----------
    model : Model
    filepath : path
        Ends in `.keras`, or in `.h5` or `.hdf5` for the legacy format.
    overwrite : bool
        Replace a file that is already there; where Keras would ask first, fastgru refuses.
    zipped : bool, optional
        False, Keras's unpacked folder, is not supported.
    include_optimizer : bool
        Save what the model was compiled with, and the state of its optimizer.
    save_format : str, optional
        Accepted for Keras's sake; the name's ending says it.
    """
    if zipped is False:
        raise ValueError("save_model: zipped=False, a folder in the place of a .keras archive, is not supported.")
    path = _writable(filepath, overwrite, (".keras", ".h5", ".hdf5"))
    if not model.built:
        notice(f"Model {model.name!r} is saved before it is built and holds no weights yet.")
    spec = model.serialized()
    # Keras has {} for a model that is not compiled
    training = (spec.pop("compile_config") or None) if include_optimizer else None
    if "hard_sigmoid_old" in str(spec):
        notice(
            f"Model {model.name!r} uses the hard_sigmoid of Keras 2, which has no name in Keras 3: fastgru opens the "
            "saved file, Keras 3 does not."
        )
    if path.suffix == ".keras":
        data = keras_zip.image(model, spec, training, KERAS_VERSION)
    else:
        data = hdf5.image(lambda file: legacy_h5.write(file, model, spec, training, KERAS_VERSION))
    atomic.write(path, data)


def save_weights(model: Any, filepath: FilePath, overwrite: bool = True) -> None:
    """Save the weights of a built model, and the state of its optimizer, as a `.weights.h5` file.

    Parameters
    ----------
    model : Model
    filepath : path
        Ends in `.weights.h5`.
    overwrite : bool
        Replace a file that is already there; where Keras would ask first, fastgru refuses.
    """
    path = _writable(filepath, overwrite, (".weights.h5",))
    _check_built(model)
    atomic.write(path, hdf5.image(lambda file: weights_h5.write(file, model, model.optimizer)))


def _check_built(model: Any) -> None:
    if not model.built:
        raise ValueError(f"Model {model.name!r} is not built yet and has no weights; call it on data or build it.")


def _writable(filepath: FilePath, overwrite: bool, endings: tuple[str, ...]) -> Path:
    path = Path(filepath)
    if not path.name.endswith(endings):
        raise ValueError(f"Cannot save to {path}: the name must end in {' or '.join(endings)}.")
    if path.exists() and not overwrite:
        raise ValueError(f"Cannot save to {path}: the file exists and overwrite is False.")
    return path


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
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
    file = "model_from_json"
    spec = configs.parsed(json_string, file, "")
    assert spec is not None
    with reading(file):
        said = spec.get("keras_version")
        version = configs.version(said) if said else old_configs.version_of_words(spec)
        report = Report()
        report.decide(f"Written by Keras {said}" if said else f"Written in the words of Keras {version[0]}")
        builder = configs.Builder(file, custom_objects, report)
        model = builder.model(old_configs.modern(spec, version, report))
        _follow_tensorflow(model, version < old_configs.KERAS_3, report)
        training = spec.get("compile_config")
        if training:
            builder.compile(model, old_training.modern_training(training) if version < (3, 0) else training)
        model.load_report = report.sentences()
        return model
