"""What the gates of a model do with one sample, step by step, as text or as an HTML page."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastgru import __version__
from fastgru.cli.arguments import MODEL, STOP, add_running, file_named, whole_number
from fastgru.datasets import files
from fastgru.text import printable
from fastgru.types import Array

EXAMPLE = "fastgru explain digits.keras sample.npy --report page.html"
PAGE = "explain.html"
MOST_NUMBERS = 10_000_000  # of gates in a page, which a browser still opens


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", **MODEL)
    parser.add_argument(
        "sample",
        metavar="SAMPLE.npy",
        type=file_named(".npy", ".npz"),
        help="one sample, or a batch of them; for several inputs a .npz with an array for each, by name",
    )
    parser.add_argument(
        "--report",
        metavar="PAGE.html",
        nargs="?",
        const=PAGE,
        type=file_named(".html", ".htm"),
        help=f"write a page with heat maps and a slider over time ({PAGE} where no name is said)",
    )
    parser.add_argument(
        "--index", metavar="N", type=whole_number("of at least 0", 0), default=0, help="which of a batch (default: 0)"
    )
    parser.add_argument(
        "--classes", metavar="A,B,...", type=lambda text: text.split(","), help="the names of the classes, in order"
    )
    parser.add_argument(
        "--language",
        choices=("en", "zh"),
        help="of the page of --report as it opens (default: en)",
    )
    parser.add_argument("--outputs", **STOP)
    add_running(parser)


def run(options: argparse.Namespace) -> None:
    from fastgru import atomic, pages
    from fastgru.models import load_model

    if options.language and not options.report:
        raise ValueError("--language is that of the page; add --report, or leave --language out.")
    model = load_model(options.model, outputs=options.outputs)
    x = _inputs(options, model)
    shown = _explanation(options, model, x)
    for line in _summary(shown):
        print(line)
    if options.report:
        page = pages.explanation_page(shown, options.language or "en", __version__)
        atomic.write(Path(options.report), page.encode())
        print(f"Saved: {options.report}")


# --- what goes in -----------------------------------------------------------------------------------------------------


def _inputs(options: argparse.Namespace, model: Any) -> dict[str, Array]:
    """A batch of one sample for each input, by its name."""
    try:
        stored = np.load(options.sample, allow_pickle=False)
        arrays = {"": stored} if isinstance(stored, np.ndarray) else {name: stored[name] for name in stored.files}
    except (ValueError, EOFError) as error:
        raise ValueError(f"{options.sample} is not a numpy file of numbers ({error}).") from None
    names = model.input_names or ["input"]
    shapes = model.input_shape if len(names) > 1 else [model.input_shape]
    if len(arrays) == len(names) == 1:
        arrays = dict(zip(names, arrays.values(), strict=True))
    if sorted(arrays) != sorted(names):
        raise ValueError(
            f"{options.sample}: expected an array for each input of the model ({', '.join(names)}), got "
            f"{', '.join(sorted(arrays)) if '' not in arrays else 'one array'}; save them by name with numpy.savez."
        )
    return {
        name: _one_sample(files.scaled(arrays[name], options.scale), shape, options.index, f"{options.sample}, {name}")
        for name, shape in zip(names, shapes, strict=True)
    }


def _one_sample(x: Array, shape: Any, index: int, where: str) -> Array:
    """A batch of one: the array itself, or one of its rows where it has a batch axis."""
    if x.ndim == len(shape) - 2 and shape[-1] == 1:  # (T,) numbers of one feature
        x = x[:, np.newaxis]
    elif x.ndim == len(shape) - 1 and shape[-1] == 1 != x.shape[-1]:
        x = x[..., np.newaxis]
    if x.ndim == len(shape) - 1:
        x = x[np.newaxis]
    if x.ndim != len(shape):
        raise ValueError(
            f"{where}: expected one sample of shape {tuple(shape[1:])}, or a batch of them, got {x.shape}."
        )
    if index >= len(x):
        raise ValueError(f"{where}: there is no sample {index} among {len(x)}; give another --index.")
    return x[index : index + 1]


# --- what is shown ----------------------------------------------------------------------------------------------------


def _explanation(options: argparse.Namespace, model: Any, x: dict[str, Array]) -> Any:
    from fastgru import pages
    from fastgru.models.explaining import gates_and_masks

    data = x if len(x) > 1 else next(iter(x.values()))
    layers: dict[str, dict[str, Array]] = {}
    for name, (gates, mask) in gates_and_masks(model, data).items():
        layers.update(_of_one_sample(name, gates, mask))
    if not layers:
        own = ", ".join(layer.name for layer in [model, *_inside(model)] if layer.runs_call)
        ops = f"; what the call of {printable(own)} computes by ops of its own is not seen" if own else ""
        raise ValueError(f"{options.model} has no recurrent layers, whose gates could be shown{ops}.")
    numbers = sum(values.size for gates in layers.values() for values in gates.values())
    if options.report and numbers > MOST_NUMBERS:
        raise ValueError(
            f"{options.report}: the page would hold {numbers:,} numbers, more than a browser opens ({MOST_NUMBERS:,}); "
            "take a shorter sample, or leave --report out."
        )
    answers, note = _answers(model, data, options.classes)
    inputs = {name: array[0].reshape(array.shape[1] if array.ndim > 1 else 1, -1) for name, array in x.items()}
    sample = Path(options.sample).name + (f" [{options.index}]" if options.index else "")
    return pages.Explanation(Path(options.model).name, sample, inputs, layers, answers, note)


def _inside(layer: Any) -> Iterator[Any]:
    for inner in layer.sublayers:
        yield inner
        yield from _inside(inner)


def _of_one_sample(name: str, gates: Mapping[str, Any], mask: Array | None) -> dict[str, dict[str, Array]]:
    """The arrays (T, H) of the first sample by layer, direction or cell, and gate; gates of masked steps are NaN."""
    if any(isinstance(values, Mapping) for values in gates.values()):
        parts = [_of_one_sample(f"{name}, {part}", values, mask) for part, values in gates.items()]
        return {layer: arrays for part in parts for layer, arrays in part.items()}
    shown = {}
    for gate, values in gates.items():
        array = values[0]
        if array.ndim > 2:  # a layer at every step: what it came to in its own last one
            array = array[:, -1]
        if mask is not None and gate not in ("state", "cell"):
            array = np.where(mask[0][:, None], array, np.nan)
        shown[gate] = array
    return {name: shown}


def _answers(model: Any, x: Any, classes: list[str] | None) -> tuple[list[Any], str]:
    """The outputs after each step; or none, and why."""
    from fastgru import pages

    try:
        outputs = model.predict_prefixes(x)
    except ValueError as error:
        return [], str(error)
    listed = [*outputs.values()] if isinstance(outputs, dict) else outputs if isinstance(outputs, list) else [outputs]
    names = model.output_names or ["output"]
    answers = []
    for name, output in zip(names, listed, strict=True):
        values = np.asarray(output[0], np.float64).reshape(output.shape[1], -1)
        labels = classes or [*map(str, range(values.shape[1]))]
        if len(labels) != values.shape[1]:
            raise ValueError(
                f"--classes: expected {values.shape[1]} names, one for each number of the output {name!r}, "
                f"got {len(labels)}."
            )
        answers.append(pages.Answer(name, values, labels))
    return answers, ""


def _summary(shown: Any) -> Iterator[str]:
    """The lines for a terminal."""
    for name, array in shown.inputs.items():
        yield f"Input {printable(name)}: {array.shape[0]} steps of {array.shape[1]}"
    for name, gates in shown.layers.items():
        units = next(iter(gates.values())).shape[1]
        yield f"\n{printable(name)} ({units} units)"
        yield f"  {'':<10}{'mean':>8}{'least':>8}{'most':>8}    mean at the first, middle and last step"
        for gate, values in gates.items():
            used = values[np.isfinite(values).all(axis=1)]
            whole = (used.mean(), used.min(), used.max()) if len(used) else (np.nan,) * 3
            at = values[[0, len(values) // 2, -1]].mean(axis=1)
            texts = ["masked" if np.isnan(value) else f"{value:.3f}" for value in (*whole, *at)]
            columns = [f"{text:>8}" for text in texts]
            yield f"  {gate:<10}{''.join(columns[:3])}   {''.join(columns[3:])}"
    if shown.note:
        yield f"\nNo answers step by step: {shown.note}"
    for answer in shown.answers:
        last = answer.values[-1]
        if 1 < answer.first <= len(answer.values):
            early = f"\n  none before step {answer.first}: the model needs so many"
        else:
            early = ""
        if answer.is_classes:
            changes = [f"step {step}: {printable(label)}" for step, label in answer.changes()]
            best = int(last.argmax())
            yield f"\nAnswer {printable(answer.name)}: {printable(answer.labels[best])} ({last[best]:.3f}){early}"
            yield f"  the most probable after each step: {', '.join(changes)}"
        else:
            numbers = ", ".join(f"{value:.4g}" for value in last[:8]) + (", ..." if len(last) > 8 else "")
            yield f"\nAnswer {printable(answer.name)}: {numbers}{early}"
