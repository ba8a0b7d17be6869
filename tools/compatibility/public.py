"""The public files of many authors in fastgru and in Keras, before and after `fastgru convert`."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from fastgru import cli
from fastgru.models import load_model
from fastgru.saving import ModelFileError

from .examples import arguments
from .markdown import rows
from .trials import agree

FOLDER = Path(__file__).resolve().parents[3] / "shared/models"
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
HEADING = "## The same files in fastgru"
NO_MODEL = r"No model config found|holds weights without a model"
RIGHT, OPENED, OTHER, FAILED, REFUSED, ALONE = "right", "opened", "other", "failed", "refused", "weights alone"
CONVERTED = (
    (RIGHT, "expected numbers"),
    (OPENED, "opens, the numbers are not known"),
    (OTHER, "other numbers"),
    (FAILED, "opens and fails when called"),
    (REFUSED, "refuses"),
)


def values(keras: Any) -> dict[str, str]:
    """What stands in the places of public.md."""
    index = json.loads((FOLDER / "index.json").read_text())
    ours: defaultdict[str, Counter[str]] = defaultdict(Counter)
    theirs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    converted: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        for number, entry in enumerate(index):
            print(f"\r{number + 1} of {len(index)} public files", end="", file=sys.stderr)
            path, expected, group = FOLDER / entry["file"], expected_of(entry), writer(entry)
            ours[group][with_fastgru(path, expected)] += 1
            outcome, reason = with_keras(keras, path, expected)
            theirs[group][outcome] += 1
            reasons.update([reason] if reason else [])
            converted.update(after_conversion(keras, path, expected, Path(folder)))
        print(file=sys.stderr)
    return {
        "files": str(len(index)),
        "answered": str(sum(entry["expected"] for entry in index)),
        "outcomes": rows(outcome_rows(ours, theirs)),
        "reasons": rows((reason, str(count)) for reason, count in reasons.most_common()),
        "converted": rows(
            (text, str(converted[f".keras {outcome}"]), str(converted[f".h5 {outcome}"])) for outcome, text in CONVERTED
        ),
    }


def outcome_rows(ours: dict[str, Counter[str]], theirs: dict[str, Counter[str]]) -> Iterator[list[str]]:
    """The counts of each version that wrote files, and below them the sums."""
    groups = [(group, ours[group], theirs[group]) for group in sorted(ours, key=version_key)]
    groups.append(("all", sum(ours.values(), Counter()), sum(theirs.values(), Counter())))
    for group, mine, other in groups:
        if mine[OTHER] + mine[FAILED]:
            raise SystemExit(f"fastgru gives other numbers for public files of Keras {group}.")
        counts = [mine.total(), mine[ALONE], mine[RIGHT], mine[OPENED], mine[REFUSED]]
        counts += [other[RIGHT], other[OPENED], other[OTHER] + other[FAILED], other[REFUSED]]
        yield [group, *map(str, counts)]


def writer(entry: dict[str, Any]) -> str:
    version = re.match(r"\d+\.\d+", str(entry["keras_version"]))
    return version[0] if version else "not recorded"


def version_key(group: str) -> list[int]:
    return [int(part) for part in group.split(".")] if group[0].isdigit() else [0]


def expected_of(entry: dict[str, Any]) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    if not entry["expected"]:
        return None
    with np.load(FOLDER / "expected" / f"{entry['file']}.npz") as stored:
        x, y = ([stored[name] for name in sorted(stored) if name.startswith(letter)] for letter in "xy")
    return x, y


def compared(expected: Any, call: Callable[[Any], Any]) -> str:
    if expected is None:
        return OPENED
    x, y = expected
    try:
        outputs = call(arguments(x))
    except Exception:
        return FAILED
    outputs = list(outputs.values()) if isinstance(outputs, dict) else outputs
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    return RIGHT if agree([np.asarray(output) for output in outputs], y) else OTHER


def with_fastgru(path: Path, expected: Any) -> str:
    for stop in (None, stop_of(path)):
        try:
            model = load_model(path, compile=False, outputs=stop)
        except ModelFileError as error:
            if re.search(NO_MODEL, str(error)):
                return ALONE
            continue
        # of a model that was cut the expected numbers count where they are of that part
        outcome = compared(expected, lambda x, model=model: model.predict(x, verbose=0))
        return outcome if stop is None or outcome == RIGHT else OPENED
    return REFUSED


def stop_of(path: Path) -> list[str] | None:
    """The layers at which the error for a file says that one can stop."""
    try:
        load_model(path, compile=False)
    except ModelFileError as error:
        layers = re.search(r"outputs=(\[[^]]*\])", str(error))
        return ast.literal_eval(layers[1])[-1:] if layers else None
    return None


def with_keras(keras: Any, path: Path, expected: Any) -> tuple[str, str]:
    try:
        with redirect_stdout(io.StringIO()):
            model = keras.models.load_model(path, compile=False)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        if re.search(NO_MODEL, text):
            return ALONE, ""
        return REFUSED, next((kind for pattern, kind in KINDS if re.search(pattern, text)), type(error).__name__)
    return compared(expected, lambda x: model(x, training=False)), ""


def after_conversion(keras: Any, path: Path, expected: Any, folder: Path) -> list[str]:
    outcomes = []
    for ending in (".keras", ".h5"):
        new, stop = folder / f"new{ending}", stop_of(path)
        new.unlink(missing_ok=True)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            cli.main(["convert", str(path), str(new), *(["--outputs", *stop] if stop else [])])
        if new.exists():
            kind, _ = with_keras(keras, new, expected)
            outcomes.append(f"{ending} {OPENED if stop and kind in (OTHER, FAILED) else kind}")
    return outcomes
