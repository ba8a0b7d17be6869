"""The layers of a saved model, with shapes and sizes."""

from __future__ import annotations

import argparse

from fastgru.cli.arguments import MODEL
from fastgru.cli.running import model_file

EXAMPLE = "fastgru summary digits.keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **MODEL)


def run(options: argparse.Namespace) -> None:
    model_file(options.model).summary()
