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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np

from fastgru import __version__, threads
from fastgru.datasets import files
from fastgru.types import Array

# What loads the kernels is imported inside the commands: help is quick, and a wrong FASTGRU_ISA is told in a sentence.

# Samples computed at once where nothing is learned.
_BATCH_SIZE = 256


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
    except KeyboardInterrupt as interrupt:
        return _failed(str(interrupt) or "interrupted", 130)
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
    from fastgru.callbacks import TerminateOnNaN
    from fastgru.layers import GRU, Dense

    data = files.load(options.data, options.scale, training=True)
    print(f"Data:           {data.origin}", flush=True)
    out = Path(options.out or f"fastgru-{data.name}.keras")
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise ValueError(f"--out: expected a folder that can be written to, got {str(out.parent)!r}.")
    x, x_test = (files.sequences(pair[0], data.name) for pair in (data.train, data.test))
    y, y_test = (files.class_numbers(pair[1], data.name) for pair in (data.train, data.test))
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
    try:
        history = model.fit(x, y, batch_size, epochs, callbacks=[TerminateOnNaN()], resume=options.resume)
    except KeyboardInterrupt:
        resumed = f"; the same command goes on from {options.resume}" if options.resume else ""
        raise KeyboardInterrupt(f"interrupted{resumed}") from None
    seconds = time.perf_counter() - began
    if not np.isfinite(history.history["loss"]).all():
        raise ValueError("the loss became infinite or NaN, so no model is saved; divide x by more with --scale.")
    loss, accuracy = model.evaluate(x_test, y_test, batch_size=_BATCH_SIZE, verbose=0)
    model.save(out)
    print(f"Test accuracy:  {accuracy:.2%} (loss {loss:.4f})")
    if options.resume is None:  # else some of it may have been trained before
        print(f"Training speed: {epochs * len(x) / seconds:,.0f} samples per second ({seconds:.1f} s in all)")
    print(f"Saved:          {out}")


def evaluate(options: argparse.Namespace) -> None:
    """Loss and metrics of a saved model on test data."""
    from fastgru import utils

    model = _model(options.model)
    data = files.load(options.data, options.scale, training=False)
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
    from fastgru import atomic

    model = _model(options.model)
    try:
        x = np.load(options.input, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{options.input} is not a numpy .npy file of numbers ({error}).") from None
    if not isinstance(x, np.ndarray):
        raise ValueError(f"{options.input} holds several arrays (.npz); expected one array (.npy).")
    x = _shaped(files.scaled(x, options.scale), model)
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
    from fastgru.saving.facts_table import print_facts

    facts = described(options.file, options.outputs)
    if options.json:
        print(json.dumps(facts, indent=1, default=str))
    else:
        print_facts(facts)
    if facts["error"]:
        raise ValueError(facts["error"])


def convert(options: argparse.Namespace) -> None:
    """Write a model file of any Keras as one that Keras 3 opens, with the same numbers."""
    from fastgru.models import load_model
    from fastgru.saving.convert import without_old_hard_sigmoid
    from fastgru.text import printable

    model = load_model(options.old, outputs=options.outputs)
    changed, unchanged = without_old_hard_sigmoid(model)
    if unchanged and not options.force:
        raise ValueError(
            f"{options.old}: hard_sigmoid had another slope up to Keras 2, which Keras 3 cannot keep in layer "
            f"{printable(', '.join(unchanged))}; --force writes the file all the same, for fastgru alone."
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


def _shaped(x: Array, model: Any) -> Array:
    """`x` with the axis of one feature that `files.sequences` gave the model in training."""
    shape = model.input_shape
    return x[..., np.newaxis] if shape[-1] == 1 and x.ndim == len(shape) - 1 else x


# --- the grammar ----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def _whole_number(expected: str, least: int, most: float = float("inf")) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number {expected}, got {text!r}")
        return int(text)

    return number


def _file(*suffixes: str) -> Callable[[str], str]:
    def path(text: str) -> str:
        if Path(text).suffix not in suffixes:
            *others, last = (f"*{suffix}" for suffix in suffixes)
            names = f"{', '.join(others)} or {last}" if others else last
            raise argparse.ArgumentTypeError(f"expected a file named {names}, got {text!r}")
        return text

    return path


def _divisor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def _source(text: str) -> str:
    if text not in files.RANGES and Path(text).suffix != ".npz":
        raise argparse.ArgumentTypeError(f"expected {', '.join(files.RANGES)} or a file named *.npz, got {text!r}")
    return text


_SOURCES = "mnist, digits, or FILE.npz with x_train, y_train, x_test and y_test, or x and y"
_COUNT: dict[str, Any] = {"type": _whole_number("of at least 1", 1), "metavar": "N"}
_MODEL: dict[str, Any] = {"metavar": "MODEL", "help": "a model file of Keras or fastgru"}
_STOP: dict[str, Any] = {
    "metavar": "LAYER",
    "nargs": "+",
    "help": "stop at these layers instead of the model's own outputs",
}


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fastgru", description="Train and run GRU networks on the CPU, in Keras's model files.")
    parser.add_argument("--version", action="version", version=f"fastgru {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        sentence = (run.__doc__ or "").splitlines()[0]
        subparser: argparse.ArgumentParser = commands.add_parser(run.__name__, help=sentence, description=sentence)
        subparser.set_defaults(run=run)
        return subparser

    _add_train_options(command(train))
    _add_evaluate_options(command(evaluate))
    _add_predict_options(command(predict))
    command(summary).add_argument("model", **_MODEL)
    _add_inspect_options(command(inspect))
    _add_convert_options(command(convert))
    command(info)
    return parser


def _add_train_options(parser: argparse.ArgumentParser) -> None:
    seed = _whole_number("from 0 to 2**32 - 1", 0, 2**32 - 1)
    parser.add_argument("--data", type=_source, help=f"{_SOURCES} (default: mnist where it can be had, else digits)")
    parser.add_argument("--units", **_COUNT, default=128, help="size of the GRU (default: %(default)s)")
    parser.add_argument("--epochs", **_COUNT, help="rounds over the data (default: 10; 40 below 10,000 samples)")
    parser.add_argument("--batch-size", **_COUNT, help="samples a step (default: 128; 32 below 10,000 samples)")
    parser.add_argument("--seed", type=seed, metavar="N", default=0, help="of the random numbers (default: 0)")
    _add_running_options(parser)
    parser.add_argument("--resume", metavar="FOLDER", help="save as it trains, and go on from there when started again")
    parser.add_argument(
        "--out", type=_file(".keras", ".h5"), metavar="MODEL", help="*.keras or *.h5 (default: fastgru-DATA.keras)"
    )


def _add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **_MODEL)
    parser.add_argument("--data", type=_source, required=True, help=_SOURCES)
    _add_batch_size(parser)
    _add_running_options(parser)


def _add_predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **_MODEL)
    parser.add_argument("input", metavar="INPUT.npy", help="one array of samples")
    parser.add_argument(
        "-o", "--out", metavar="OUT.npy", required=True, type=_file(".npy"), help="where the predictions go"
    )
    _add_batch_size(parser)
    _add_running_options(parser)


def _add_batch_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch-size", **_COUNT, default=_BATCH_SIZE, help="samples computed at once (default: %(default)s)"
    )


def _add_running_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", **_COUNT, help="threads (default: the CPUs this process may use)")
    parser.add_argument("--scale", type=_divisor, metavar="S", help="divide x by S (default: 255 for uint8)")


def _add_inspect_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a model file of any Keras, or of fastgru")
    parser.add_argument("--outputs", **_STOP)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def _add_convert_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="a model file of any Keras")
    parser.add_argument(
        "new", type=_file(".keras", ".h5", ".weights.h5"), metavar="NEW", help="*.keras, *.h5 or *.weights.h5"
    )
    parser.add_argument("--outputs", **_STOP)
    parser.add_argument("--force", action="store_true", help="write also what Keras 3 would compute otherwise")
