"""The command line: train, evaluate, predict, summary, inspect, convert, info."""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np

from fastgru import __version__, threads
from fastgru.datasets import digits, mnist
from fastgru.types import Array

# What loads the kernels is imported inside the commands: help is quick, and a wrong FASTGRU_ISA is told in a sentence.

Pair = tuple[Array, Array]

# The main job fetches MNIST only where that takes no longer than this.
_FETCH_SECONDS = 20.0
# The part of x and y held out for testing, where a file brings no test data of its own.
_HELD_OUT = 0.2
# Samples computed at once where nothing is learned.
_BATCH_SIZE = 256
_RANGES = {"mnist": 255.0, "digits": 16.0}


@dataclass
class Data:
    """Samples in the range that a model sees, with labels; nothing to train on where only testing was asked for."""

    name: str
    train: Pair
    test: Pair
    origin: str


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 1 failed, 2 wrong usage, 130 interrupted)."""
    try:
        options = _parser().parse_args(argv)
        if getattr(options, "threads", None):
            threads.set_num_threads(options.threads)
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except BrokenPipeError:  # the reader, say `head`, has left; nor shall Python's own flush at exit complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failed(f"{error.filename}: {error.strerror}." if error.filename and error.strerror else str(error), 1)
    except (ValueError, IndexError, MemoryError) as error:
        return _failed(str(error) or "not enough memory.", 1)
    return 0


def _failed(sentence: str, status: int) -> int:
    print(f"fastgru: {sentence}", file=sys.stderr)
    return status


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"fastgru: warning: {message}", file=sys.stderr)


# --- the commands ---------------------------------------------------------------------------------


def train(options: argparse.Namespace) -> None:
    """Train a GRU classifier, test it, save it."""
    from fastgru import models, utils
    from fastgru.layers import GRU, Dense

    data = _load(options.data, options.scale, training=True)
    print(f"Data:           {data.origin}", flush=True)
    out = Path(options.out or f"fastgru-{data.name}.keras")
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise ValueError(f"--out: expected a folder that can be written to, got {str(out.parent)!r}.")
    x, x_test = (_sequences(pair[0], data.name) for pair in (data.train, data.test))
    y, y_test = (_class_numbers(pair[1], data.name) for pair in (data.train, data.test))
    classes = int(max(y.max(), y_test.max())) + 1
    # few samples want smaller steps and more rounds
    few = len(x) < 10000
    batch_size = options.batch_size or (32 if few else 128)
    epochs = options.epochs or (40 if few else 10)

    utils.set_random_seed(options.seed)
    model = models.Sequential([GRU(options.units, input_shape=x.shape[1:]), Dense(classes, activation="softmax")])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    shape = " x ".join(map(str, x.shape[1:]))
    print(f"Samples:        {len(x):,} to train on, {len(x_test):,} to test on, of {shape} numbers")
    print(f"Model:          GRU({options.units}) and Dense({classes}), {model.count_params():,} parameters")
    print(f"Training:       {epochs} epoch{'s' * (epochs > 1)}, batch size {batch_size}, {_threads()}", flush=True)
    began = time.perf_counter()
    model.fit(x, y, batch_size=batch_size, epochs=epochs)
    seconds = time.perf_counter() - began
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=_BATCH_SIZE, verbose=0)
    model.save(out)
    print(f"Test accuracy:  {accuracy:.2%} (loss {loss:.4f})")
    print(f"Training speed: {epochs * len(x) / seconds:,.0f} samples per second ({seconds:.1f} s in all)")
    print(f"Saved:          {out}")


def evaluate(options: argparse.Namespace) -> None:
    """Loss and metrics of a saved model on test data."""
    from fastgru import utils

    model = _model(options.model)
    data = _load(options.data, options.scale, training=False)
    x, y = _shaped(data.test[0], model), data.test[1]
    if not model.compiled:
        model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    name = model.loss if isinstance(model.loss, str) else type(model.loss).__name__
    if y.ndim == 1 and name.replace("_", "").lower() == "categoricalcrossentropy":
        y = utils.to_categorical(y, model.output_shape[-1])
    began = time.perf_counter()
    results = model.evaluate(x, y, batch_size=options.batch_size, verbose=0, return_dict=True)
    seconds = time.perf_counter() - began
    for metric, value in results.items():
        print(f"Test {metric}: {value:.2%}" if "accuracy" in metric else f"Test {metric}: {value:.4f}")
    print(f"{len(x):,} samples of {data.name}, {len(x) / seconds:,.0f} samples per second, {_threads()}")


def predict(options: argparse.Namespace) -> None:
    """Predictions of a saved model for an array in a .npy file."""
    from fastgru.saving import atomic

    model = _model(options.model)
    try:
        x = np.load(options.input, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{options.input} is not a numpy .npy file of numbers ({error}).") from None
    if not isinstance(x, np.ndarray):
        raise ValueError(f"{options.input} holds several arrays (.npz); expected one array (.npy).")
    x = _shaped(_scaled(x, options.scale), model)
    predictions = model.predict(x, batch_size=options.batch_size, verbose=0)
    if isinstance(predictions, list):
        raise ValueError(f"{options.model} has {len(predictions)} outputs; a .npy file holds one.")
    buffer = io.BytesIO()
    np.save(buffer, predictions)
    atomic.write(Path(options.out), buffer.getbuffer())
    print(f"Saved: {options.out}, {predictions.shape} {predictions.dtype}")


def summary(options: argparse.Namespace) -> None:
    """The layers of a saved model, with shapes and sizes."""
    _model(options.model).summary()


def inspect(options: argparse.Namespace) -> None:
    """What stands in a model file of any Keras: layers, weights, version, decisions, training setup."""
    from fastgru.saving.describe import described

    facts = described(options.file, options.outputs)
    if options.json:
        print(json.dumps(facts, indent=1, default=str))
    else:
        _print_facts(facts)
    if facts["error"]:
        raise ValueError(facts["error"])


def _print_facts(facts: dict[str, Any]) -> None:
    from rich.console import Console, Group
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    from fastgru.saving.errors import printable

    console = Console(highlight=False)

    def shown(value: Any) -> str:
        return escape(printable(str(value)))

    def tell(text: str) -> None:
        # what is not read by eye, but by a program, has a sentence on one line
        console.print(text, soft_wrap=not console.is_terminal)

    tell(f"[bold]{shown(facts['file'])}[/]\n{facts['format']}, written by {shown(facts['written_by'])}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Layer", "Output shape", "Weights"):
        table.add_column(title, overflow="fold")
    table.add_column("Parameters", justify="right")
    for layer in facts["layers"]:
        options = ", ".join(f"{key}={value}" for key, value in layer.get("options", {}).items())
        kind = f" [cyan]{shown(layer['class'])}[/]" if "class" in layer else ""
        below = [Padding(f"[dim]{shown(options)}[/]", (0, 0, 0, 2))] if options else []
        name = Group(f"{shown(layer['name'])}{kind}", *below)
        shape = _shape_text(layer.get("output_shape"))
        weights = " ".join("x".join(map(str, one)) or "1" for one in layer["weights"])
        count = layer.get("parameters")
        table.add_row(name, shape, weights, f"{count:,}" if count else "")
    console.print(table)
    if facts.get("parameters"):
        tell(f"{facts['parameters']:,} parameters")
    if facts["training"]:
        told = "; ".join(f"{key} {value}" for key, value in facts["training"].items())
        tell(f"\n[bold]Training setup[/]\n{shown(told)}")
    if facts["decisions"]:
        tell("\n[bold]Decisions[/]")
        for decision in facts["decisions"]:
            tell(f"- {shown(decision)}")


def _shape_text(shape: Any) -> str:
    if not isinstance(shape, (tuple, list)):
        return ""
    if any(isinstance(axis, (tuple, list)) for axis in shape):
        return "\n".join(map(_shape_text, shape))
    return f"({', '.join(map(str, shape))})"


def convert(options: argparse.Namespace) -> None:
    """Write a model file of any Keras as one that Keras 3 opens, with the same numbers."""
    from fastgru.models import load_model
    from fastgru.saving.convert import without_old_hard_sigmoid
    from fastgru.saving.errors import printable

    model = load_model(options.old, outputs=options.outputs)
    changed, left = without_old_hard_sigmoid(model)
    if left and not options.force:
        raise ValueError(
            f"{options.old}: hard_sigmoid had another slope up to Keras 2, which Keras 3 cannot keep in layer "
            f"{printable(', '.join(left))}; --force writes the file all the same, for fastgru alone."
        )
    for decision in model.load_report:
        print(decision)
    if changed:
        names = printable(", ".join(changed))
        print(f"Weights before hard_sigmoid are multiplied by 1.2, for Keras 3's slope: {names}.")
    if options.new.endswith(".weights.h5"):
        model.save_weights(options.new)
    else:
        # the optimizer's state belongs to the weights as they were
        model.save(options.new, include_optimizer=not changed)
    print(f"Saved: {options.new}")


def info(options: argparse.Namespace) -> None:
    """Versions, instruction set, BLAS, threads."""
    import scipy

    from fastgru import config as settings
    from fastgru import kernels

    config = kernels.show_config()
    products = "tiles" if settings.multiplies_with_tiles() else "blas"
    rows = {
        "fastgru": __version__,
        "instruction set": f"{config['isa']} (available: {', '.join(config['available'])})",
        "products": f"{products} ({settings.get_products()})",
        "BLAS": ", ".join(config["blas"]) or "unknown to threadpoolctl",
        "threads": str(config["threads"]),
        "Python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    for name, value in rows.items():
        print(f"{name + ':':<17}{value}")


# --- what the commands share ----------------------------------------------------------------------


def _model(path: str) -> Any:
    from fastgru import models

    return models.load_model(path)


def _threads() -> str:
    count = threads.get_num_threads()
    return f"{count} thread{'s' * (count > 1)}"


def _load(source: str | None, scale: float | None, training: bool) -> Data:
    """The data set of a name or a file; without one MNIST where it is at hand or quickly fetched, else the digits."""
    if source is None:
        return _main_job(scale)
    if source == "mnist":
        return _named(source, mnist.load_data(), scale, "MNIST")
    if source == "digits":
        return _named(source, digits.load_data(), scale, "digits of the package")
    return _from_file(Path(source), scale, training)


def _main_job(scale: float | None) -> Data:
    try:
        file, how = mnist.find(), "found at"
        if file is None:
            file, how = mnist.download(seconds=_FETCH_SECONDS), "downloaded to"
        return _named("mnist", mnist.load_data(), scale, f"MNIST, {how} {file}")
    except mnist.UnavailableError as error:
        reason = f"MNIST cannot be downloaded ({error.reason})"
    except (OSError, ValueError) as error:
        reason = str(error).rstrip(".")
    return _named("digits", digits.load_data(), scale, f"digits of the package, because {reason}")


def _named(name: str, pairs: tuple[Pair, Pair], scale: float | None, origin: str) -> Data:
    (x, y), (x_test, y_test) = pairs
    scale = scale or _RANGES[name]
    return Data(name, (_scaled(x, scale), y), (_scaled(x_test, scale), y_test), origin)


def _from_file(file: Path, scale: float | None, training: bool) -> Data:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} is not a numpy .npz file of numbers ({error}).") from None
    origin = str(file)
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        train, test = (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    elif {"x", "y"} <= arrays.keys():
        x, y = arrays["x"], arrays["y"]
        cut = round(len(x) * (1 - _HELD_OUT)) if training else 0
        train, test = (x[:cut], y[:cut]), (x[cut:], y[cut:])
        origin += f", of which the last {_HELD_OUT:.0%} are held out" * training
    elif {"x_test", "y_test"} <= arrays.keys() and not training:
        test = arrays["x_test"], arrays["y_test"]
        train = test[0][:0], test[1][:0]
    else:
        expected = "x_train, y_train, x_test and y_test, or x and y"
        raise ValueError(f"{file}: expected arrays named {expected}, got {', '.join(sorted(arrays)) or 'none'}.")
    for x, y in (train, test) if training else (test,):
        if len(x) != len(y) or not len(x):
            raise ValueError(f"{file}: expected as many samples as labels and at least one, got {len(x)} and {len(y)}.")
    return Data(file.stem, (_scaled(train[0], scale), train[1]), (_scaled(test[0], scale), test[1]), origin)


def _scaled(x: Array, scale: float | None) -> Array:
    """`x` as float32 divided by `scale`; without one, bytes are taken for pixels and brought to 0..1."""
    if x.dtype.kind not in "fiub":
        raise ValueError(f"Expected an array of real numbers as input, got dtype {x.dtype}.")
    if scale is None:
        scale = 255.0 if x.dtype == np.uint8 else 1.0
    return x.astype(np.float32) / np.float32(scale)


def _sequences(x: Array, where: str) -> Array:
    """(N, T) numbers as N sequences of T steps with one feature; (N, T, F) as they are."""
    if x.ndim not in (2, 3):
        raise ValueError(f"{where}: expected x of shape (samples, steps) or (samples, steps, features), got {x.shape}.")
    return x[..., np.newaxis] if x.ndim == 2 else x


def _shaped(x: Array, model: Any) -> Array:
    """`x` with the axis of one feature that `_sequences` gave the model in training."""
    shape = model.input_shape
    return x[..., np.newaxis] if shape[-1] == 1 and x.ndim == len(shape) - 1 else x


def _class_numbers(y: Array, where: str) -> Array:
    """Labels as (N,) class numbers: from class numbers, (N,) or (N, 1), or from one row of zeros and a one each."""
    labels = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    numbers = labels.dtype.kind in "fiub" and bool(np.isfinite(labels).all())
    if numbers and labels.ndim == 2 and np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all():
        labels = labels.argmax(axis=1)
    if not numbers or labels.ndim != 1 or (labels < 0).any() or (labels % 1).any():
        raise ValueError(f"{where}: expected one class number (0, 1, ...) per sample, got {y.dtype} labels {y.shape}.")
    return np.asarray(labels, dtype=np.int64)


# --- the grammar ----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 2**32 - 1, got {text!r}")
    return int(text)


def _divisor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def _source(text: str) -> str:
    if text not in _RANGES and Path(text).suffix != ".npz":
        raise argparse.ArgumentTypeError(f"expected {', '.join(_RANGES)} or a file named *.npz, got {text!r}")
    return text


def _model_file(text: str) -> str:
    if Path(text).suffix not in (".keras", ".h5"):
        raise argparse.ArgumentTypeError(f"expected a file named *.keras or *.h5, got {text!r}")
    return text


def _array_file(text: str) -> str:
    if Path(text).suffix != ".npy":
        raise argparse.ArgumentTypeError(f"expected a file named *.npy, got {text!r}")
    return text


def _new_file(text: str) -> str:
    if not text.endswith((".keras", ".h5")):
        raise argparse.ArgumentTypeError(f"expected a file named *.keras, *.h5 or *.weights.h5, got {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fastgru", description="Train and run GRU networks on the CPU, in Keras's model files.")
    parser.add_argument("--version", action="version", version=f"fastgru {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        said = (run.__doc__ or "").splitlines()[0]
        added = commands.add_parser(run.__name__, help=said, description=said)
        added.set_defaults(run=run)
        return added

    sources = "mnist, digits, or FILE.npz with x_train, y_train, x_test and y_test, or x and y"
    scale: dict[str, Any] = {"type": _divisor, "metavar": "S", "help": "divide x by S (default: 255 for uint8)"}
    count: dict[str, Any] = {"type": _positive, "metavar": "N"}
    cpus = {**count, "help": "threads (default: the CPUs this process may use)"}
    batch = {**count, "default": _BATCH_SIZE, "help": "samples computed at once (default: %(default)s)"}

    added = command(train)
    added.add_argument("--data", type=_source, help=f"{sources} (default: mnist where it can be had, else digits)")
    added.add_argument("--units", **count, default=128, help="size of the GRU (default: %(default)s)")
    added.add_argument("--epochs", **count, help="rounds over the data (default: 10; 40 below 10,000 samples)")
    added.add_argument("--batch-size", **count, help="samples a step (default: 128; 32 below 10,000 samples)")
    added.add_argument("--seed", type=_seed, metavar="N", default=0, help="of the random numbers (default: 0)")
    added.add_argument("--threads", **cpus)
    added.add_argument("--scale", **scale)
    added.add_argument("--out", type=_model_file, metavar="MODEL", help="*.keras or *.h5 (default: fastgru-DATA.keras)")

    added = command(evaluate)
    added.add_argument("model", metavar="MODEL", help="a model file of Keras or fastgru")
    added.add_argument("--data", type=_source, required=True, help=sources)
    added.add_argument("--batch-size", **batch)
    added.add_argument("--threads", **cpus)
    added.add_argument("--scale", **scale)

    added = command(predict)
    added.add_argument("model", metavar="MODEL", help="a model file of Keras or fastgru")
    added.add_argument("input", metavar="INPUT.npy", help="one array of samples")
    added.add_argument(
        "-o", "--out", metavar="OUT.npy", required=True, type=_array_file, help="where the predictions go"
    )
    added.add_argument("--batch-size", **batch)
    added.add_argument("--threads", **cpus)
    added.add_argument("--scale", **scale)

    command(summary).add_argument("model", metavar="MODEL", help="a model file of Keras or fastgru")
    stop: dict[str, Any] = {
        "metavar": "LAYER",
        "nargs": "+",
        "help": "stop at these layers instead of the model's own outputs",
    }
    added = command(inspect)
    added.add_argument("file", metavar="FILE", help="a model file of any Keras, or of fastgru")
    added.add_argument("--outputs", **stop)
    added.add_argument("--json", action="store_true", help="print the facts as JSON")

    added = command(convert)
    added.add_argument("old", metavar="OLD", help="a model file of any Keras")
    added.add_argument("new", type=_new_file, metavar="NEW", help="*.keras, *.h5 or *.weights.h5")
    added.add_argument("--outputs", **stop)
    added.add_argument("--force", action="store_true", help="write also what Keras 3 would compute otherwise")

    command(info)
    return parser
