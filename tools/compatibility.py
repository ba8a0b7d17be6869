"""Writes docs/compatibility.md: what fastgru reads and writes, and what it decides while reading.

    python tools/compatibility.py
    python tools/compatibility.py --keep-public

The second leaves the section on public files, which takes longest, as it stands on the page.

The tables come from the code and from what is tried while the page is made: each layer is saved and opened again in
every format and in the words of older versions, and each decision is taken on a small file. Where Keras is installed
it opens what fastgru wrote. Where the folder `../shared/models` stands beside the checkout, fastgru and Keras open
the public files in it. What cannot be tried is left out of the page, and said so.
"""

from __future__ import annotations

import ast
import datetime
import importlib
import io
import json
import os
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import h5py
import numpy as np

import fastgru
from fastgru import activations, cli, registry
from fastgru.layers import (
    GRU,
    RNN,
    Dense,
    GRUCell,
    Input,
    LSTMCell,
    SimpleRNNCell,
)
from fastgru.models import Functional, Sequential, load_model, model_from_json
from fastgru.ops.operation import OPERATIONS
from fastgru.saving import ModelFileError, api, old_configs, old_operations

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/compatibility.md"
PUBLIC = ROOT.parent / "shared/models"
TOLERANCE = 2e-5  # of the largest number of an output
SEED = 20261123
YES, NO, NONE = "✓", "no", ""

Rows = Iterable[Sequence[str]]


def main() -> None:
    keras = imported_keras()
    if keras is None:
        print("Keras is not installed: the page does without what Keras does.", file=sys.stderr)
    kept = PAGE.read_text().partition(f"\n{PUBLIC_TITLE}")[2] if "--keep-public" in sys.argv[1:] else ""
    if not kept and not PUBLIC.is_dir():
        print("The folder of public files is not beside the checkout: the page does without them.", file=sys.stderr)
    parts = [opening(keras), formats(), layers(keras), old_words(), decisions(), known_names(), limits()]
    missing = undescribed("\n".join(parts))
    if missing:
        raise SystemExit("The page does not tell: " + "; ".join(missing))
    if kept:
        parts.append(PUBLIC_TITLE + kept)
    elif PUBLIC.is_dir():
        parts.append(public_files(keras))
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n".join(part.strip() for part in parts) + "\n")


def imported_keras() -> Any:
    try:
        return importlib.import_module("keras")
    except ImportError:
        return None


def table(titles: Sequence[str], rows: Rows) -> str:
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def code(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# --- the page's beginning and the formats -----------------------------------------------------------------------------


def opening(keras: Any) -> str:
    return f"""# Compatibility

What fastgru reads, what it writes, and what it decides while it reads. This page is made by `tools/compatibility.py`
from the code and from trying; do not edit it.

{made(keras)}

A tick (✓) means that it was tried while the page was made, and worked. A model file gives the numbers that the
version of Keras gave that wrote it. Nothing in a file is run: no pickle, no marshalled code, no Lambda."""


def made(keras: Any) -> str:
    versions = f"fastgru {fastgru.__version__}, numpy {np.__version__}, h5py {h5py.__version__}"
    return f"Made on {datetime.date.today()} with {versions}" + (
        f" and Keras {keras.__version__} on {keras.backend.backend()}." if keras else "."
    )


def formats() -> str:
    written = f"as Keras {api.KERAS_VERSION} writes it"
    rows = [
        ("`.h5`, `.hdf5`: whole model", "Keras 1, 2, tf.keras, 3", "`load_model`", f"`model.save`, {written}"),
        ("`.h5`, `.hdf5`: weights alone", "Keras 0.3, 1, 2, tf.keras", "`model.load_weights`, by order or by name", NO),
        ("`.keras`", "Keras 2.12 to 2.15, 3", "`load_model`", f"`model.save`, {written}"),
        ("`.keras`, unpacked into a folder", "Keras 3", "`load_model`", NO),
        (
            "`.keras` with `model.weights.npz`",
            "Keras 3 without h5py",
            "`load_model`, without running its pickles",
            NO,
        ),
        ("`.weights.h5`", "Keras 2.12 to 2.15, 3", "`model.load_weights`", f"`model.save_weights`, {written}"),
        ("`.weights.json` and its parts", "Keras 3", "`model.load_weights`", NO),
        ("JSON of the config alone", "Keras 0.3 to 3", "`model_from_json`", "`model.to_json`"),
    ]
    foreign = [(f"`{beginning.decode('latin-1').encode('unicode_escape').decode()}`", f"The file {reason}.")
               for beginning, reason in api.FOREIGN]  # fmt: skip
    return f"""## Formats

The format is told by the first bytes of a file, never by its name: `.keras` files that are HDF5 and `.h5` files that
are archives open too. A TensorFlow SavedModel (a folder with `saved_model.pb`) is not read.

{table(("Format", "Written by", "Read by", "Written by fastgru"), rows)}

Files that are called models and are none are told in a sentence:

{table(("The file begins with", "What is said"), foreign)}"""


# --- layers -----------------------------------------------------------------------------------------------------------

SEQUENCE, IMAGE, VECTOR = (6, 4), (6, 6, 2), (5,)
# options of each layer, and the shapes of its inputs without the batch; a sequence and no options where absent
EXAMPLES: dict[str, tuple[Callable[[], dict[str, Any]], tuple[tuple[int, ...], ...]]] = {
    "Activation": (lambda: {"activation": "gelu"}, (SEQUENCE,)),
    "LeakyReLU": (lambda: {"negative_slope": 0.2}, (SEQUENCE,)),
    "Dropout": (lambda: {"rate": 0.5}, (SEQUENCE,)),
    **dict.fromkeys(("SpatialDropout1D", "AlphaDropout"), (lambda: {"rate": 0.5}, (SEQUENCE,))),
    "SpatialDropout2D": (lambda: {"rate": 0.5}, (IMAGE,)),
    "GaussianNoise": (lambda: {"stddev": 0.5}, (SEQUENCE,)),
    "GaussianDropout": (lambda: {"rate": 0.5}, (SEQUENCE,)),
    "Dense": (lambda: {"units": 3, "activation": "relu"}, (VECTOR,)),
    **dict.fromkeys(("GRU", "LSTM", "SimpleRNN"), (lambda: {"units": 3, "return_sequences": True}, (SEQUENCE,))),
    "RNN": (lambda: {"cell": [GRUCell(3), LSTMCell(2)]}, (SEQUENCE,)),
    "Bidirectional": (lambda: {"layer": GRU(3)}, (SEQUENCE,)),
    "TimeDistributed": (lambda: {"layer": Dense(3)}, (SEQUENCE,)),
    **dict.fromkeys(("Conv1D", "SeparableConv1D"),
                    (lambda: {"filters": 3, "kernel_size": 2, "padding": "same"}, (SEQUENCE,))),
    "DepthwiseConv1D": (lambda: {"kernel_size": 2}, (SEQUENCE,)),
    "DepthwiseConv2D": (lambda: {"kernel_size": 2}, (IMAGE,)),
    "SeparableConv2D": (lambda: {"filters": 3, "kernel_size": 2}, (IMAGE,)),
    "GroupNormalization": (lambda: {"groups": 2}, (SEQUENCE,)),
    "Rescaling": (lambda: {"scale": 0.5, "offset": 1.0}, (SEQUENCE,)),
    **dict.fromkeys(("Cropping2D", "UpSampling2D", "ZeroPadding2D"), (dict, (IMAGE,))),
    "Conv2D": (lambda: {"filters": 3, "kernel_size": 2, "strides": 2}, (IMAGE,)),
    **dict.fromkeys(("GlobalMaxPooling2D", "GlobalAveragePooling2D"), (dict, (IMAGE,))),
    **dict.fromkeys(("MaxPooling2D", "AveragePooling2D"), (lambda: {"pool_size": 2}, (IMAGE,))),
    **dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), (lambda: {"pool_size": 2}, (SEQUENCE,))),
    "Embedding": (lambda: {"input_dim": 9, "output_dim": 3}, (VECTOR,)),
    "Reshape": (lambda: {"target_shape": (3, 8)}, (SEQUENCE,)),
    "Permute": (lambda: {"dims": (2, 1)}, (SEQUENCE,)),
    "RepeatVector": (lambda: {"n": 3}, (VECTOR,)),
    **dict.fromkeys(("Add", "Average", "Multiply", "Maximum", "Minimum", "Concatenate"),
                    (dict, (SEQUENCE, SEQUENCE, SEQUENCE))),
    **dict.fromkeys(("Subtract", "Attention"), (dict, (SEQUENCE, SEQUENCE))),
    "AdditiveAttention": (dict, (SEQUENCE, SEQUENCE)),
    "Dot": (lambda: {"axes": 2}, (SEQUENCE, SEQUENCE)),
}  # fmt: skip
# layers that stand in another one
CELLS: dict[str, Callable[[], Any]] = {
    "GRUCell": lambda: GRUCell(3),
    "LSTMCell": lambda: LSTMCell(3),
    "SimpleRNNCell": lambda: SimpleRNNCell(3),
    "StackedRNNCells": lambda: [GRUCell(3, reset_after=False), GRUCell(2)],
}
# what Keras 1 had; all layers here were in Keras 2
IN_KERAS_1 = {
    "Activation", "ActivityRegularization", "AveragePooling1D", "AveragePooling2D", "BatchNormalization",
    "Bidirectional", "Conv1D", "Conv2D", "Cropping1D", "Cropping2D", "Dense", "Dropout", "ELU", "Embedding", "Flatten",
    "GRU", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "InputLayer", "LSTM", "LeakyReLU", "Masking", "MaxPooling1D", "MaxPooling2D", "PReLU",
    "Permute", "RepeatVector", "Reshape", "SimpleRNN", "SpatialDropout1D", "SpatialDropout2D", "TimeDistributed",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
}  # fmt: skip
FORMATS = (".keras", ".h5", ".weights.h5", "JSON")


def example(name: str) -> tuple[Any, list[np.ndarray]]:
    """A model around one layer, with random weights, and its inputs."""
    rng = np.random.default_rng(SEED)
    options, shapes = EXAMPLES.get(name, (dict, (SEQUENCE,)))
    x = [rng.normal(size=(3, *shape)).astype("float32") for shape in shapes]
    if name == "InputLayer":
        model: Any = Sequential([Input(SEQUENCE), Dense(2)])
    elif name in CELLS:
        model = Sequential([Input(SEQUENCE), RNN(CELLS[name]())])
    elif len(shapes) > 1:
        inputs = [Input(shape, name=f"x{number}") for number, shape in enumerate(shapes)]
        model = Functional(inputs, registry.lookup("keras.layers", name)(**options())(inputs))
    else:
        model = Sequential([Input(shapes[0]), registry.lookup("keras.layers", name)(**options())])
    if name == "Embedding":
        x = [rng.integers(0, 9, size=(3, *VECTOR)).astype("int32")]
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.weights])
    return model, x


def layers(keras: Any) -> str:
    titles = ["Layer", *FORMATS, "Keras 2's words", "Keras 1's words"]
    titles += [f"Keras {keras.__version__} opens"] if keras else []
    rows, remarks = [], []
    for name in sorted(registry.known("keras.layers")):
        outcomes = list(tried(name, keras))
        rows.append([f"`{name}`", *(NONE if one is None else NO if one else YES for one in outcomes)])
        remarks += [f"`{name}`, {title}: {one}" for title, one in zip(titles[1:], outcomes, strict=True) if one]
    by_keras = (
        f"""
The last column: Keras {keras.__version__} opened the `.keras`, the `.h5` and the `.weights.h5` file, and its numbers
were those of fastgru within {TOLERANCE:g} of the largest.
"""
        if keras
        else ""
    )
    return f"""## Layers

For each layer a model with random weights was saved and opened again; a tick says that its numbers came back bit for
bit. For Keras 1 and 2 the saved file was rewritten in the words of that version, with its keys and class names and
without a version or as 2.9.0, and opened; an empty place says that Keras 1 did not have the layer.
{by_keras}
{table(titles, rows)}
{"".join(chr(10) + f"- {remark}" for remark in remarks)}

Models (`Sequential`, `Functional`, and your own subclass where its config describes a graph) stand inside models as
layers do. The operations that Keras draws into a graph without a layer are read and written as well:
{code(sorted(registry.known(OPERATIONS)))}. Your own layer opens with `fastgru.saving.register(name, cls)` or
`custom_objects=`. A model that needs a layer fastgru does not know opens up to the layers before it: the error names
them, and `load_model(path, outputs=[...])` or `fastgru convert --outputs` stops there."""


def tried(name: str, keras: Any) -> Iterator[str | None]:
    """For each column nothing where it worked, else the reason; None where it does not apply."""
    with tempfile.TemporaryDirectory() as folder:
        model, x = example(name)
        expected = model.predict(arguments(x), verbose=0)
        base = Path(folder)

        def came_back(found: Any, exact: bool = True) -> str:
            again = found.predict(arguments(x), verbose=0)
            same = np.array_equal(again, expected) if exact else agrees([again], [expected])
            return "" if same else "the numbers are others"

        def saved(ending: str) -> Any:
            path = base / f"model{ending}"
            if ending == "JSON":
                found = model_from_json(model.to_json())
                found.set_weights(model.get_weights())
                return found
            if ending != ".weights.h5":
                model.save(path)
                return load_model(path)
            model.save_weights(path)
            found = model_from_json(model.to_json())
            found.load_weights(path)
            return found

        for ending in FORMATS:
            yield outcome(lambda ending=ending: came_back(saved(ending)))
        for version in ("2.9.0", None):
            old = version is not None or name in IN_KERAS_1
            yield outcome(lambda version=version: came_back(load_model(aged(base, version)))) if old else None
        if keras:
            yield outcome(lambda: came_back_in_keras(keras, base, x, expected))


def outcome(attempt: Callable[[], str]) -> str:
    try:
        return attempt()
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())[:200]


def came_back_in_keras(keras: Any, base: Path, x: list[np.ndarray], expected: np.ndarray) -> str:
    for ending in (".keras", ".h5"):
        theirs = keras.models.load_model(base / f"model{ending}", compile=False)
        if not agrees([np.asarray(theirs(arguments(x), training=False))], [expected]):
            return f"the numbers of {ending} are others"
    theirs.set_weights([np.zeros(weight.shape) for weight in theirs.weights])
    theirs.load_weights(base / "model.weights.h5")
    return "" if agrees([np.asarray(theirs(arguments(x)))], [expected]) else "the numbers of .weights.h5 are others"


def arguments(x: Sequence[Any]) -> Any:
    return list(x) if len(x) > 1 else x[0]


def agrees(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> bool:
    if [one.shape for one in found] != [one.shape for one in expected]:
        return False
    return all(
        np.allclose(
            one, other, rtol=0, atol=TOLERANCE * max(np.nanmax(np.abs(other), initial=0), 1e-30), equal_nan=True
        )
        for one, other in zip(found, expected, strict=True)
    )


# --- in the words of older versions -----------------------------------------------------------------------------------


def aged(base: Path, version: str | None) -> Path:
    """The saved `.h5` file in the words of an older version; None is Keras 1."""
    path = base / f"old_{version}.h5"
    path.write_bytes((base / "model.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        config = _old_form(json.loads(file.attrs["model_config"]), version is None)
        file.attrs["model_config"] = json.dumps(config)
        for group in (file, file["model_weights"]):
            del group.attrs["keras_version"]
            group.attrs["backend"] = "tensorflow"
            if version:
                group.attrs["keras_version"] = version
    return path


def _old_form(form: Any, first: bool) -> Any:
    """A config in old words: the translation's own tables, read the other way."""
    if isinstance(form, list):
        return [_old_form(entry, first) for entry in form]
    if not isinstance(form, dict):
        return form
    if form.get("class_name") == "DTypePolicy":
        return form["config"]["name"]
    found = {key: _old_form(value, first) for key, value in form.items() if key not in ("module", "registered_name")}
    if not {"class_name", "config"} <= found.keys() or not isinstance(found["config"], dict):
        return found
    name, config = found["class_name"], found["config"]
    if "inbound_nodes" in found:
        found["inbound_nodes"] = [_old_node(node) for node in form["inbound_nodes"]]
    if name == "Sequential":
        return {**found, "config": config["layers"]}
    if name in old_configs.MODELS:
        return {**found, "class_name": "Model"}
    tables = (old_configs.RENAMED, old_configs.RENAMED_IN.get(name, {})) if first else ()
    words = {new: old for one in tables for old, new in one.items() if old != "custom_name"}
    words |= {"batch_shape": "batch_input_shape", **({"negative_slope": "alpha"} if name == "LeakyReLU" else {})}
    classes = {new: old for old, new in old_configs.CLASSES.items() if old.startswith("Convolution") and first}
    found["config"] = {words.get(key, key): value for key, value in config.items()}
    return {**found, "class_name": classes.get(name, name)}


def _old_node(node: dict[str, Any]) -> list[Any]:
    tensors = node["args"][0] if isinstance(node["args"][0], list) else node["args"]
    return [[*tensor["config"]["keras_history"], {}] for tensor in tensors]


def old_words() -> str:
    classes = sorted((old, new) for old, new in old_configs.CLASSES.items() if old not in ("Model", "Container"))
    options = [("every layer", *pair) for pair in sorted(old_configs.RENAMED.items())]
    owners: dict[tuple[str, str], list[str]] = {}
    known = registry.known("keras.layers")
    for layer, names in old_configs.RENAMED_IN.items():
        for pair in names.items() if layer in known else ():
            owners.setdefault(pair, []).append(layer)
    options += [(code(found), *pair) for pair, found in sorted(owners.items())]
    ignored = [("every layer", code(sorted(old_configs.IGNORED)))]
    ignored += [(f"`{layer}`", code(sorted(keys))) for layer, keys in sorted(old_configs.IGNORED_IN.items())]
    defaults = [
        (f"`{layer}`", f"before {version[0]}.{version[1]}", f"`{key}`", f"`{value!r}`")
        for version, layer, absent in old_configs.DEFAULTS
        for key, value in absent.items()
    ]
    cudnn = [(f"`{name}`", code(f"{key}={value!r}" for key, value in options.items()))
             for name, options in old_configs.CUDNN.items()]  # fmt: skip
    functions = sorted((name, new) for name, (new, _, _) in old_operations.OPERATION.items())
    return f"""## Words of older versions

Layers that had another name:

{table(("In the file", "Read as"), [(f"`{old}`", f"`{new}`") for old, new in classes])}

Options that had another name:

{table(("Layer", "In the file", "Read as"), [(layer, f"`{old}`", f"`{new}`") for layer, old, new in options])}

Options that say nothing about the numbers of a loaded model, and are ignored (`time_major` only where it is False):

{table(("Layer", "Options"), ignored)}

What an absent option means:

{table(("Layer", "Version", "Option", "Meaning"), defaults)}

What cuDNN's layers mean by themselves:

{table(("Layer", "Options"), cudnn)}

`Merge` of Keras 1 by its mode: {", ".join(f"`{mode}` is `{new}`" for mode, new in old_configs.MERGED_BY.items())}.

TensorFlow's functions in a graph of Keras 2 ({code(old_operations.CLASSES)}) that are read, each as the operation of
Keras 3: {", ".join(f"`{old}` as `{new}`" for old, new in functions)}; as a layer:
{", ".join(f"`{old}` as `{new}`" for old, (new, _, _) in sorted(old_operations.LAYERS.items()))}, `matmul` of sequences
as `Dot`; and as an `Activation`: {code(old_operations.ACTIVATIONS)}."""


# --- decisions --------------------------------------------------------------------------------------------------------

Form = dict[str, Any]


def form(class_name: str, name: str, **options: Any) -> Form:
    return {"class_name": class_name, "config": {"name": name, **options}}


def gru(class_name: str = "GRU", **options: Any) -> Form:
    usual = {"units": 2, "batch_input_shape": [None, 4, 3], "recurrent_activation": "sigmoid", "reset_after": True}
    return form(class_name, "gru", **{key: value for key, value in {**usual, **options}.items() if value != "absent"})


def report_of_config(*forms: Form, version: str | None = "2.9.0", **more: Any) -> list[str]:
    config = {"class_name": "Sequential", "config": list(forms), "keras_version": version, **more}
    return said(lambda: model_from_json(json.dumps(config)))


def report_of_file(
    *forms: Form,
    version: str | None = "2.9.0",
    backend: str = "tensorflow",
    training: Form | None = None,
    optimizer: Sequence[tuple[int, ...]] = (),
    **arrays: Sequence[tuple[int, ...]],
) -> list[str]:
    """What is said of a legacy file with these layers, and arrays of these shapes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": list(forms)})
            file.attrs["backend"] = backend
            if version:
                file.attrs["keras_version"] = version
            if training:
                file.attrs["training_config"] = json.dumps(training)
            groups = {"model_weights": {one["config"]["name"]: arrays.get(one["config"]["name"], ()) for one in forms}}
            groups["model_weights"]["left"] = arrays.get("left", ())
            file.create_group("model_weights").attrs["layer_names"] = list(groups["model_weights"])
            for name, shapes in groups["model_weights"].items():
                write_arrays(file["model_weights"].create_group(name), shapes)
            write_arrays(file.create_group("optimizer_weights"), optimizer)
        return said(lambda: load_model(path))


def write_arrays(group: h5py.Group, shapes: Sequence[tuple[int, ...]]) -> None:
    group.attrs["weight_names"] = [f"{number}:0" for number in range(len(shapes))]
    for number, shape in enumerate(shapes):
        group[f"{number}:0"] = np.zeros(shape)


def said(opened: Callable[[], Any]) -> list[str]:
    """A model's report without its first line, or the reason why there is no model."""
    try:
        report: list[str] = opened().load_report
        return report[1:]
    except ModelFileError as error:
        return [str(error).partition(": ")[2]]


def graph_of_function(function: str) -> list[str]:
    layers = [
        {**form("InputLayer", "x", batch_input_shape=[None, 3]), "name": "x", "inbound_nodes": []},
        {**form("TFOpLambda", "op", function=function), "name": "op", "inbound_nodes": [["x", 0, 0, {}]]},
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["op", 0, 0]]}
    text = json.dumps({"class_name": "Functional", "config": config, "keras_version": "2.9.0"})
    return said(lambda: model_from_json(text))


def masked_start() -> list[str]:
    layers = [form("Masking", "masking", batch_input_shape=[2, 4, 3]), gru(stateful=True)]
    return report_of_file(*layers, gru=[(3, 6), (2, 6), (2, 6)])


def unneeded_layer() -> list[str]:
    layers = [
        {**form("InputLayer", "x", batch_input_shape=[None, 3]), "name": "x", "inbound_nodes": []},
        {**dense(), "name": "dense", "inbound_nodes": [[["x", 0, 0, {}]]]},
        {**form("SelfAttention", "attention"), "name": "attention", "inbound_nodes": [[["x", 0, 0, {}]]]},
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["dense", 0, 0]]}
    text = json.dumps({"class_name": "Functional", "config": config, "keras_version": "2.9.0"})
    return said(lambda: model_from_json(text))


def own_model() -> list[str]:
    layers = [{**form("InputLayer", "x", batch_input_shape=[None, 3]), "name": "x", "inbound_nodes": []}]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["x", 0, 0]]}
    text = json.dumps({"class_name": "MyModel", "config": config, "keras_version": "2.9.0"})
    return said(lambda: model_from_json(text))


def merged(at_the_beginning: bool) -> list[str]:
    branches = [{"class_name": "Sequential", "config": [dense(f"d{number}")]} for number in range(2)]
    found = report_of_config(form("Merge", "merge", mode="sum", layers=branches), version="1.2.2")
    return [one for one in found if ("begins" in one) == at_the_beginning]


def dense(name: str = "dense", **options: Any) -> Form:
    return form("Dense", name, **{"units": 2, "batch_input_shape": [None, 3], "activation": "linear", **options})


def convolution(**options: Any) -> Form:
    return form("Conv1D", "conv", filters=2, kernel_size=[2], batch_input_shape=[None, 4, 3], **options)


def saved_report(change: Callable[[h5py.File], None], **load: Any) -> list[str]:
    """What is said of a `.keras` folder after a change of its weights."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        model = Sequential([Input((4, 3)), GRU(2, name="gru"), Dense(2, name="dense")])
        model.save_weights(base / "model.weights.h5")
        with h5py.File(base / "model.weights.h5", "r+") as file:
            change(file)
        (base / "config.json").write_text(json.dumps(model.serialized()))
        (base / "metadata.json").write_text(json.dumps({"keras_version": "3.10.0"}))
        return said(lambda: load_model(base, **load))


def more_weights(file: h5py.File) -> None:
    file["layers/dense_1/vars/0"] = np.zeros(2)


GRU_3 = [(3, 6), (2, 6), (6,)]
NINE = [(3, 2), (2, 2), (2,)] * 3
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.001}}

# subject, versions of the writer, what is decided and why, the sentences of the report
DECISIONS: tuple[tuple[str, str, str, Callable[[], list[str]]], ...] = (
    ("`reset_after` absent", "up to Keras 2.3 (tf.keras writes it)",
     "GRU had no such option before 2.1.5, and then False as its default.",
     lambda: report_of_config(gru(reset_after="absent"), version="2.1.4")),
    ("`reset_after` and the bias differ", "1, 2",
     "The bias has two rows with `reset_after`, else one: the numbers in the file have the last word.",
     lambda: report_of_file(gru(), gru=GRU_3)),
    ("`recurrent_activation` absent", "before 2.3", "It was hard_sigmoid.",
     lambda: report_of_config(gru(recurrent_activation="absent"), version="2.2.4")[:1]),
    ("`hard_sigmoid`", "1, 2, tf.keras",
     "Keras 3 gave the name to another function, clip(x / 6 + 0.5, 0, 1). Files of Keras 3 have that one. "
     "`fastgru convert` multiplies the weights before it by 1.2, where that is the same.",
     lambda: report_of_config(gru(recurrent_activation="hard_sigmoid"), version="2.2.4")),
    ("`CuDNNGRU`", "2, tf.keras 1", "It is a GRU with tanh, sigmoid and `reset_after`, whose weights lie otherwise.",
     lambda: report_of_file(gru("CuDNNGRU", recurrent_activation="absent", reset_after="absent"), version="2.2.4",
                            gru=[(3, 6), (2, 6), (12,)])),
    ("`CuDNNLSTM`", "2, tf.keras 1", "The same for LSTM, whose two biases are added up.",
     lambda: report_of_file(form("CuDNNLSTM", "lstm", units=2, batch_input_shape=[None, 4, 3]), version="2.2.4",
                            lstm=[(3, 8), (2, 8), (16,)])),
    ("Arrays of a GRU or LSTM", "0.3, 1", "Nine or twelve arrays, of each gate the kernel, the recurrent kernel and "
     "the bias; with `consume_less=\"gpu\"` three, as today.",
     lambda: report_of_file(gru(reset_after=False), version=None, gru=NINE)),
    ("Kernels of convolutions", "0.3, 1", "They had one more axis, and up to 1.1 stood as (filters, channels, steps).",
     lambda: report_of_file(convolution(), version=None, conv=[(2, 1, 3, 2), (2,)])),
    ("Theano's convolutions", "1, 2", "Theano convolves in the sense of mathematics, with the kernel turned round. "
     "Keras 1 often left out the backend: then the names of the arrays tell, which end in `:0` under TensorFlow.",
     lambda: report_of_file(convolution(), version="2.0.4", backend="theano", conv=[(2, 3, 2), (2,)])),
    ("Theano's `padding=\"same\"`", "1, 2", "It pads on the other side where a size is even or the strides are not 1.",
     lambda: report_of_file(convolution(padding="same"), version="2.0.4", backend="theano",
                            conv=[(2, 3, 2), (2,)])[1:]),
    ("`time_major=False`", "2, tf.keras", "Keras 3 refuses the key.", lambda: report_of_config(gru(time_major=False))),
    ("`time_major=True`", "tf.keras", "Refused.", lambda: report_of_config(gru(time_major=True))),
    ("`alpha` of LeakyReLU absent", "1, 2", "It was 0.3.",
     lambda: report_of_config(form("LeakyReLU", "leaky", batch_input_shape=[None, 3]))),
    ("`Merge`", "1", "Read by its mode; a mode that is a Python function is refused.", lambda: merged(False)),
    ("A Sequential that begins with a `Merge`", "1", "The branches become a graph.", lambda: merged(True)),
    ("`PruneLowMagnitude`", "tf.keras", "The layer in it is read.",
     lambda: report_of_config(form("PruneLowMagnitude", "pruned", layer=gru()))),
    ("float16, bfloat16 and the mixed policies", "all", "Weights of these types are read and kept in float32.",
     lambda: report_of_config(gru(dtype="float16"))),
    ("Your own model class", "2, 3", "Where its config describes a graph, this is built; its code is not needed.",
     own_model),
    ("`TFOpLambda`, `SlicingOpLambda`", "tf.keras 2.4 and later", "See the functions above.",
     lambda: graph_of_function("math.square")),
    ("`TFOpLambda` of a layer", "tf.keras 2.4 and later", "See the functions above.",
     lambda: graph_of_function("nn.relu")),
    ("An option that is not known", "all", "Ignored with a warning, unless it is None, False or 0.",
     lambda: report_of_config(gru(unheard_of=3))),
    ("An initializer, regularizer or constraint that is not known", "all",
     "It has no meaning for the numbers. A regularizer or constraint that is missing keeps the model from being "
     "compiled.", lambda: report_of_config(gru(kernel_constraint={"class_name": "WeightClip", "config": {}}))),
    ("A loss, metric or optimizer that is not known", "all", "The model opens and is not compiled.",
     lambda: report_of_file(dense(), dense=[(3, 2), (2,)],
                            training={"optimizer_config": ADAM, "loss": "my_loss", "metrics": []})),
    ("An optimizer without its number of steps", "2", "Keras 2's old optimizers could leave it out.",
     lambda: report_of_file(dense(), dense=[(3, 2), (2,)],
                            training={"optimizer_config": ADAM, "loss": "mse", "metrics": []},
                            optimizer=[(3, 2), (2,), (3, 2), (2,)])),
    ("Steps masked before the first used one", "Keras on TensorFlow", "See below.", masked_start),
    ("Weights that no layer of the model needs", "legacy HDF5", "Told and left out.",
     lambda: report_of_file(dense(), dense=[(3, 2), (2,)], left=[(2,)])),
    ("Weights that no layer of the model needs", "`.keras`", "Told and left out.",
     lambda: saved_report(more_weights)),
    ("`outputs=` and `inputs=`", "all", "The model between these layers, not compiled.",
     lambda: saved_report(lambda file: None, outputs=["gru"])[:1]),
    ("`Lambda`", "all", "Refused where the outputs need it.",
     lambda: report_of_config(gru(), form("Lambda", "lambda", function=["4wEAAAA=", None, None]))),
    ("A layer that is not known", "all", "Refused where the outputs need it.",
     lambda: report_of_config(gru(), form("SelfAttention", "attention"))),
    ("A layer that is not known and leads to no output", "all", "The model opens without it.", unneeded_layer),
    ("`mode` of BatchNormalization that is not 0", "1", "Refused.",
     lambda: report_of_config(form("BatchNormalization", "norm", mode=1, batch_input_shape=[None, 3]), version=None)),
    ("`causal=True` of Attention", "tf.keras", "Refused.",
     lambda: report_of_config(gru(), form("Attention", "attention", causal=True))),
)  # fmt: skip


def decisions() -> str:
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for subject, versions, why, sentences in DECISIONS:
            rows.append((subject, versions, why, "<br>".join(map(as_text, sentences()))))
    return f"""## Decisions

Every decision is a sentence in `model.load_report`, which `fastgru inspect FILE` prints. The sentences here were given
by small files while the page was made. The first sentence of every report names the writer, `Written by Keras 2.9.0 on
tensorflow`; where a config alone leaves out its version, the words it uses tell, `Written in the words of Keras 2`;
and a file that leaves out its version is of Keras 1.

{table(("In the file", "Written by", "What is done, and why", "What is said"), rows)}

{MASKS}"""


def as_text(sentence: str) -> str:
    return "`" + sentence.replace("`", "'") + "`"


MASKS = """A masked step leaves the state as it was and puts it out again. Keras's own backends differ where a row
begins with masked steps, or is masked as a whole: TensorFlow puts out zeros until the first step that counts, JAX and
numpy put out the initial state. The two are the same unless the layer is given an initial state or is `stateful`.
fastgru follows TensorFlow in a file that TensorFlow's Keras wrote, and JAX in all else: in models built here, and in
`.keras` archives of Keras 3, which do not say what backend wrote them."""


# --- names ------------------------------------------------------------------------------------------------------------


def known_names() -> str:
    rows = [("Activations", code(sorted(activations._BY_NAME)))]
    for kind in ("optimizers", "losses", "metrics", "initializers", "regularizers", "constraints"):
        rows.append((kind.capitalize(), code(sorted(registry.known(f"keras.{kind}")))))
    return f"""## Names

{table(("Kind", "Read and written"), rows)}

`hard_sigmoid_old` is fastgru's name for hard_sigmoid as it was up to Keras 2. All others are Keras 3's names; classes
are also found by their names in snake case. Names that are not known here are told in `model.load_report`; an
activation that is not known is an error, unless `custom_objects=` has it."""


# --- limits -----------------------------------------------------------------------------------------------------------

# what each limit in fastgru.saving bounds, and its unit
LIMITS = {
    "archives.MAX_MEMBERS": ("Members of an archive (`.keras`, `.npz`)", ""),
    "archives.MAX_DIRECTORY": ("The list of an archive's members", "bytes"),
    "archives.MAX_UNPACKED": ("A member of an archive, whatever its room", "bytes"),
    "archives.MAX_EXPANSION": ("A larger member of an archive", "times its room in the archive"),
    "configs.MAX_TEXT": ("A config, or another JSON text in a file", "bytes"),
    "configs.MAX_DEPTH": ("Nesting of such a text", ""),
    "configs.MAX_LAYERS": ("Layers, calls of layers and cells that a config describes", ""),
    "errors.MAX_SENTENCE": ("An error or a decision; the middle of a longer one is left out", "characters"),
    "hdf5.MAX_DEPTH": ("Nesting of groups in an HDF5 file", ""),
    "hdf5.MAX_OBJECTS": ("Groups and arrays in an HDF5 file", ""),
    "hdf5.MAX_STRINGS": ("Texts in a list of names", ""),
    "hdf5.MAX_TEXT": ("An attribute of an HDF5 file", "bytes"),
    "hdf5.MAX_UNPACKED": ("All arrays of an HDF5 file, whatever its size", "bytes"),
    "hdf5.MAX_EXPANSION": ("All arrays of a larger HDF5 file", "times its size"),
    "hdf5.MAX_CHUNKS": ("Chunks of all arrays of an HDF5 file", ""),
    "npz.MAX_HEADER": ("The header of an array in `model.weights.npz`", "bytes"),
    "shards.MAX_SHARDS": ("Files of weights that a `.weights.json` names", ""),
}


def bounds() -> dict[str, int]:
    """Every constant of fastgru.saving that is a limit, by its module and name."""
    found = {}
    for path in sorted(Path(api.__file__).parent.glob("*.py")):
        module = vars(importlib.import_module(f"fastgru.saving.{path.stem}"))
        found.update({f"{path.stem}.{name}": value for name, value in module.items() if name.startswith("MAX_")})
    return found


def limits() -> str:
    rows = []
    for name, value in bounds().items():
        what, unit = LIMITS.get(name, (f"`{name}`", ""))
        rows.append((what, f"{value:,} {unit}".strip()))
    room = api._room(SimpleNamespace(numbers=0))
    factor = api._room(SimpleNamespace(numbers=1)) - room
    rows.append(("Numbers in the weights of a file's model", f"{factor} times those in the file and {room:,}"))
    return f"""## Limits

A file is refused before memory is taken for what it declares. These bounds stand in `fastgru/saving`; the error names
the one that was passed.

{table(("What", "At most"), rows)}

Also refused: soft and external links, external storage, virtual datasets and filters other than gzip in HDF5; members
of an archive whose path
is absolute or leads out of it; links in an unpacked folder; pickles with anything but arrays of numbers; and HDF5 files
whose heap of texts is damaged in a way that the HDF5 library does not survive. Whatever is wrong with a file,
`fastgru.saving.ModelFileError` (a ValueError) names the file, the place in it and the reason."""


# --- the public files -------------------------------------------------------------------------------------------------

# what Keras's errors say, in short
KINDS = (
    (r"time_major", "the option `time_major`"),
    (r"CuDNN", "the layer `CuDNNGRU` or `CuDNNLSTM`"),
    (r"Lambda", "a `Lambda` layer"),
    (r"Could not interpret", "a constraint, regularizer or initializer of the author's"),
    (r"found ndim=", "the shape of the input, which it takes for one axis more"),
    (r"pop expected", "a Sequential whose config is a list"),
    (r"Could not locate class", "the form of a layer in a wrapper"),
    (r"Unknown layer", "an operation that it does not find"),
    (r"accessible `\.keras`", "HDF5 under the name `.keras`"),
)
PUBLIC_TITLE = "## The same files in fastgru"
NO_MODEL = r"No model config found|holds weights without a model"
RIGHT, OPENED, OTHER, FAILED, REFUSED, ALONE = "right", "opened", "other", "failed", "refused", "weights alone"


def public_files(keras: Any) -> str:
    index = json.loads((PUBLIC / "index.json").read_text())
    ours: dict[str, Counter[str]] = {}
    theirs: dict[str, Counter[str]] = {}
    converted: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        for number, entry in enumerate(index):
            print(f"\r{number + 1} of {len(index)} public files", end="", file=sys.stderr)
            path, answer = PUBLIC / entry["file"], expected_of(entry)
            group = writer(entry)
            ours.setdefault(group, Counter())[with_fastgru(path, answer)] += 1
            if keras:
                found, reason = with_keras(keras, path, answer)
                theirs.setdefault(group, Counter())[found] += 1
                kinds.update([reason] if reason else [])
                converted.update(after_conversion(keras, path, answer, Path(folder)))
            else:
                theirs.setdefault(group, Counter())
        print(file=sys.stderr)
    answered = sum(entry["expected"] for entry in index)
    name = f"Keras {keras.__version__}" if keras else ""
    titles = ["Written by Keras", "Files", "Weights alone", "fastgru: expected numbers", "opens", "refuses"]
    titles += [f"{name}: expected numbers", "opens", "other numbers", "refuses"] if keras else []
    rows = []
    for group in [*sorted(ours, key=version_key), "all"]:
        mine = sum(ours.values(), Counter()) if group == "all" else ours[group]
        other = sum(theirs.values(), Counter()) if group == "all" else theirs[group]
        if mine[OTHER] + mine[FAILED]:
            raise SystemExit(f"fastgru gives other numbers for public files of Keras {group}.")
        counts = [mine[ALONE], mine[RIGHT], mine[OPENED], mine[REFUSED]]
        counts += [other[RIGHT], other[OPENED], other[OTHER] + other[FAILED], other[REFUSED]] if keras else []
        rows.append([group, str(mine.total()), *map(str, counts)])
    comparison = f"""
### Why {name} refuses

{table(("Its error is about", "Files"), [(reason, str(count)) for reason, count in kinds.most_common()])}

### After `fastgru convert`

Every model that fastgru opens was converted to `.keras` and to `.h5`, and these were opened by {name}. Models that
need a layer fastgru does not know were cut where its error says.

{table(("Outcome in " + name, "`.keras`", "`.h5`"),
       [(text, str(converted[f".keras {one}"]), str(converted[f".h5 {one}"])) for one, text in CONVERTED])}
""" if keras else ""  # fmt: skip
    return f"""{PUBLIC_TITLE}{" and in " + name if keras else ""}

{made(keras)}

{len(index)} public model files with GRU layers, of many authors, were opened with `compile=False` and all else at its
default. Of {answered} the numbers are known that the version of Keras gave that wrote them. "Expected numbers" are
those within {TOLERANCE:g} of the largest; "opens" are files whose numbers are not known. The files are for testing and
are not part of the project.

{table(titles, rows)}

"Weights alone" are files without a model, for `load_weights`; no loader can open them as a model. Some models need a
layer that their author wrote, or Python code that stands in the file (`Lambda`). fastgru opens them with `outputs=` up
to the layers that its error names; that counts as opened, or as expected numbers where the numbers known are of that
part.
{comparison}"""


CONVERTED = (
    (RIGHT, "expected numbers"),
    (OPENED, "opens, the numbers are not known"),
    (OTHER, "other numbers"),
    (FAILED, "opens and fails when called"),
    (REFUSED, "refuses"),
)


def writer(entry: dict[str, Any]) -> str:
    found = re.match(r"\d+\.\d+", str(entry["keras_version"]))
    return found[0] if found else "not recorded"


def version_key(group: str) -> list[int]:
    return [int(part) for part in group.split(".")] if group[0].isdigit() else [0]


def expected_of(entry: dict[str, Any]) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    if not entry["expected"]:
        return None
    with np.load(PUBLIC / "expected" / f"{entry['file']}.npz") as stored:
        found = [[stored[name] for name in sorted(stored) if name.startswith(letter)] for letter in "xy"]
    return found[0], found[1]


def compared(answer: Any, call: Callable[[Any], Any]) -> str:
    if answer is None:
        return OPENED
    x, y = answer
    try:
        found = call(arguments(x))
    except Exception:
        return FAILED
    found = list(found.values()) if isinstance(found, dict) else found
    found = list(found) if isinstance(found, (list, tuple)) else [found]
    return RIGHT if agrees([np.asarray(one) for one in found], y) else OTHER


def with_fastgru(path: Path, answer: Any) -> str:
    for stop in (None, stop_of(path)):
        try:
            model = load_model(path, compile=False, outputs=stop)
        except ModelFileError as error:
            if re.search(NO_MODEL, str(error)):
                return ALONE
            continue
        # of a model that was cut the expected numbers count where they are of that part
        found = compared(answer, lambda x, model=model: model.predict(x, verbose=0))
        return found if stop is None or found == RIGHT else OPENED
    return REFUSED


def stop_of(path: Path) -> list[str] | None:
    """The layers at which the error for a file says that one can stop."""
    try:
        load_model(path, compile=False)
    except ModelFileError as error:
        found = re.search(r"outputs=(\[[^]]*\])", str(error))
        return ast.literal_eval(found[1])[-1:] if found else None
    return None


def with_keras(keras: Any, path: Path, answer: Any) -> tuple[str, str]:
    try:
        with redirect_stdout(io.StringIO()):
            model = keras.models.load_model(path, compile=False)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if re.search(NO_MODEL, text):
            return ALONE, ""
        return REFUSED, next((kind for pattern, kind in KINDS if re.search(pattern, text)), type(error).__name__)
    return compared(answer, lambda x: model(x, training=False)), ""


def after_conversion(keras: Any, path: Path, answer: Any, folder: Path) -> list[str]:
    found = []
    for ending in (".keras", ".h5"):
        new, stop = folder / f"new{ending}", stop_of(path)
        new.unlink(missing_ok=True)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            cli.main(["convert", str(path), str(new), *(["--outputs", *stop] if stop else [])])
        if new.exists():
            kind, _ = with_keras(keras, new, answer)
            found.append(f"{ending} {OPENED if stop and kind in (OTHER, FAILED) else kind}")
    return found


# --- nothing is left out ----------------------------------------------------------------------------------------------


def sentences_of_code() -> Iterator[str]:
    """A pattern for each sentence that the code can put into a report."""
    for path in sorted(Path(api.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "decide":
                said = node.args[0]
                for one in (said.body, said.orelse) if isinstance(said, ast.IfExp) else (said,):
                    yield pattern_of(one)


def pattern_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    assert isinstance(node, ast.JoinedStr), ast.dump(node)
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[^`]+?" for part in node.values)


def undescribed(page: str) -> list[str]:
    """What the code knows, decides or bounds and the page does not tell."""
    flat = " ".join(page.split())
    missing = [f"the sentence {pattern!r}" for pattern in sentences_of_code() if not re.search(pattern, flat)]
    names = [*registry.known("keras.layers"), *registry.known(OPERATIONS), *activations._BY_NAME]
    names += [name for kind in ("optimizers", "losses", "metrics") for name in registry.known(f"keras.{kind}")]
    missing += [f"the name {name}" for name in names if f"`{name}`" not in page]
    return missing + [f"what {name} limits" for name in bounds() if name not in LIMITS]


if __name__ == "__main__":
    main()
