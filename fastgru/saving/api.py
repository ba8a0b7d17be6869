"""What users call: save and load models and weights. The format of a file is told by its first bytes, not its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastgru.layers.layer import unfilled_weights
from fastgru.saving import atomic, configs, hdf5, keras_zip, legacy_h5, matching, weights_h5
from fastgru.saving.errors import ModelFileError, ModelFileMissing, notice, reading
from fastgru.saving.keras_zip import KerasFile
from fastgru.saving.legacy_h5 import LegacyFile
from fastgru.saving.weights_h5 import WeightsFile

KERAS_VERSION = "3.15.0"  # whose form is written

ModelFile = KerasFile | LegacyFile | WeightsFile
FilePath = str | os.PathLike[str]

HDF5_START = b"\x89HDF\r\n\x1a\n"
ZIP_START = b"PK\x03\x04"
# what stands in files that are called models and are none
FOREIGN = (
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"),
    (b"\x80", "is a Python pickle, which can run any code and is never opened"),
    (b"<", "is a page of HTML or XML, probably an error page saved in the place of a download"),
    (b"{", "is JSON: a config without weights"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
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
            raise ValueError("is a folder; give a .keras, .h5 or .weights.h5 file")
        with path.open("rb") as stream:
            start = stream.read(64)
        if start.startswith(ZIP_START):
            kind = "zip"
        elif start.startswith(HDF5_START):
            kind = "hdf5"
        else:
            raise ValueError(_foreign(start))
    if kind == "zip":
        with keras_zip.opened(file, path) as found:
            yield found
    else:
        with hdf5.opened(file, path) as root:
            yield _hdf5_file(root)


def _foreign(start: bytes) -> str:
    if not start:
        return "is empty"
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    reason = next((reason for beginning, reason in FOREIGN if text.startswith(beginning)), None)
    return reason or f"is neither an HDF5 file nor a .keras archive; it starts with {start[:8]!r}"


def _hdf5_file(root: hdf5.Node) -> LegacyFile | WeightsFile:
    if "model_weights" in root or any(root.has_attribute(name) for name in LEGACY_ATTRIBUTES):
        return LegacyFile(root)
    return WeightsFile(root)


def load_model(
    filepath: FilePath, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Load a model that Keras or fastgru saved, from a `.keras` archive or a legacy HDF5 file.

    Parameters
    ----------
    filepath : path
        The file; its format is told by its content.
    custom_objects : mapping, optional
        Your classes and functions by the names that stand in the file.
    compile : bool
        Compile the model as it was when it was saved and restore its optimizer, so that training goes on where it
        stopped. What fastgru does not know of that setup is named in a warning, and the model is not compiled.
    safe_mode : bool
        Accepted for Keras's sake; code from a file is never run, whatever it says.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        The file cannot be read; the message names it, the place in it and the reason.
    """
    with opened(filepath) as file:
        if isinstance(file, WeightsFile) or file.model is None:
            raise ModelFileError(
                f"{filepath}: holds weights without a model; build the model and call its load_weights with this file."
            )
        builder = configs.Builder(file.file, file.version, custom_objects)
        with unfilled_weights():
            model = builder.model(file.model)
        found = file.pairs(model)
        if len(found) != len(model.weights):
            raise ModelFileError(
                f"{filepath}: the model has {len(model.weights)} weights, the file fills {len(found)}."
            )
        matching.assign(found)
        if compile and file.training and builder.compile(model, file.training) and model.optimizer is not None:
            state = matching.read_optimizer(model.optimizer, file.optimizer_state())
            if state is not None:
                model.optimizer.set_variables(state)
        return model


def load_weights(model: Any, filepath: FilePath, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Load the weights of a built model from a file of any format.

    Parameters
    ----------
    model : Model
    filepath : path
        A `.weights.h5`, `.keras` or legacy HDF5 file. The first two also restore the state of the model's optimizer
        once it has been used.
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
    with opened(filepath) as file:
        found = file.pairs(model, skip_mismatch, by_name)
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
