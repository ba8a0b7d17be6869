"""The command line.

A command is a module: the first line of its docstring is its help, `EXAMPLE` stands below that, `add_arguments`
declares its options, `run` does it.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from fastgru import __version__, threads
from fastgru.cli import (
    completion,
    convert,
    evaluate,
    explain,
    info,
    inspect,
    playground,
    predict,
    serve,
    summary,
    train,
)
from fastgru.cli.arguments import Parser

# What loads the kernels is imported inside `run`: help is quick, and a wrong FASTGRU_ISA is told in a sentence.
COMMANDS = (train, evaluate, predict, explain, summary, inspect, convert, serve, playground, info, completion)


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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="fastgru", description="Train and run GRU networks on the CPU, in Keras's model files.")
    parser.add_argument("--version", action="version", version=f"fastgru {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        sentence = (command.__doc__ or "").splitlines()[0]
        subparser = subparsers.add_parser(
            command.__name__.rpartition(".")[2],
            help=sentence,
            description=sentence,
            epilog=f"example: {command.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,  # an example is copied, and no line of it cut
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run, commands=subparsers.choices)
    return parser
