"""The arguments that several commands have, and how a word of the command line becomes a value."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from fastgru.cli.running import BATCH_SIZE
from fastgru.datasets import files


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence instead of a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def whole_number(expected: str, least: int, most: float = float("inf")) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number {expected}, got {text!r}")
        return int(text)

    return number


def file_named(*suffixes: str) -> Callable[[str], str]:
    def path(text: str) -> str:
        if Path(text).suffix not in suffixes:
            *others, last = (f"*{suffix}" for suffix in suffixes)
            names = f"{', '.join(others)} or {last}" if others else last
            raise argparse.ArgumentTypeError(f"expected a file named {names}, got {text!r}")
        return text

    return path


def divisor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")
    return value


def source(text: str) -> str:
    if text not in files.RANGES and Path(text).suffix != ".npz":
        raise argparse.ArgumentTypeError(f"expected {', '.join(files.RANGES)} or a file named *.npz, got {text!r}")
    return text


SOURCES = "mnist, digits, or FILE.npz with x_train, y_train, x_test and y_test, or x and y"
COUNT: dict[str, Any] = {"type": whole_number("of at least 1", 1), "metavar": "N"}
MODEL: dict[str, Any] = {"metavar": "MODEL", "help": "a model file of Keras or fastgru"}
STOP: dict[str, Any] = {
    "metavar": "LAYER",
    "nargs": "+",
    "help": "stop at these layers instead of the model's own outputs",
}


def add_batch_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch-size", **COUNT, default=BATCH_SIZE, help="samples computed at once (default: %(default)s)"
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", **COUNT, help="threads (default: the CPUs this process may use)")
    parser.add_argument("--scale", type=divisor, metavar="S", help="divide x by S (default: 255 for uint8)")
