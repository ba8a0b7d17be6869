"""Writes docs/compatibility.md: what fastgru reads and writes, and what it decides while reading.

    python -m tools.compatibility
    python -m tools.compatibility --keep-public

The second leaves the section on public files, which takes longest, as it stands on the page.

The prose is in page.md and public.md, with a `$name` for each thing that comes from the code or from trying: each layer
is saved and opened again in every format and in the words of older versions, each decision is taken on a small file,
and Keras opens what fastgru wrote. fastgru and Keras open the public files in the folder `../shared/models` beside the
checkout.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import h5py
import numpy as np

import fastgru

from . import contents, keras_suite, public, trials
from .markdown import PAGE, Template, rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Write docs/compatibility.md.")
    parser.add_argument("--keep-public", action="store_true", help="leave the section on public files as it stands")
    keep_public = parser.parse_args().keep_public
    keras = imported_keras()
    if not keep_public and not public.FOLDER.is_dir():
        raise SystemExit(f"There are no public files at {public.FOLDER}: --keep-public leaves their section as it is.")
    values = contents.values() | heading(keras)
    page = Template("page.md").substitute(values | layers(keras) | keras_suite.values())
    if missing := contents.missing(page):
        raise SystemExit("The page does not tell: " + "; ".join(missing))
    section = kept_section() if keep_public else Template("public.md").substitute(values | public.values(keras))
    PAGE.write_text(f"{page}\n{section}")


def imported_keras() -> Any:
    try:
        return importlib.import_module("keras")
    except ImportError as error:
        raise SystemExit(f"The page says what Keras opens, and Keras cannot be imported ({error}).") from None


def heading(keras: Any) -> dict[str, str]:
    versions = f"fastgru {fastgru.__version__}, numpy {np.__version__}, h5py {h5py.__version__}"
    made = (
        f"Made on {datetime.date.today()} with {versions} and Keras {keras.__version__} on {keras.backend.backend()}."
    )
    return {"keras": keras.__version__, "made": made, "tolerance": f"{trials.TOLERANCE:g}"}


def layers(keras: Any) -> dict[str, str]:
    """The table of layers, and below it a line for each attempt that failed."""
    ticks: list[list[str]] = []
    remarks: list[str] = []
    for name in contents.layer_names():
        outcomes = trials.outcomes(name, keras)
        ticks.append([f"`{name}`", *map(trials.mark, outcomes.values())])
        remarks += [f"- `{name}`, {column}: {reason}" for column, reason in outcomes.items() if reason]
    return {"layers": "\n\n".join(filter(None, [rows(ticks), "\n".join(remarks)]))}


def kept_section() -> str:
    _before, heading, section = PAGE.read_text().partition(public.HEADING)
    if not heading:
        raise SystemExit(f"{PAGE} has no section {public.HEADING!r} to keep: run without --keep-public.")
    return heading + section


if __name__ == "__main__":
    main()
