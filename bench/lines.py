"""Lines of the job with many sizes: time over the batch, and over the steps of a sequence, a line for each engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bench.chart import COLOURS, INK, SVG, plain
from bench.engines import title
from bench.outcome import Outcome, duration

_TASK = re.compile(r"predict T=(\d+) B=(\d+) H=128$")
_MARKERS = "os^Dv"  # engines differ in more than their colour


def draw(folder: Path, outcome: Outcome) -> list[Path]:
    """``scale-batch.svg``: time of a sample over the batch for each length; ``scale-steps.svg``: over the length."""
    sizes = {task: tuple(map(int, size.groups())) for task in outcome.tasks if (size := _TASK.match(task))}
    steps, batches = (sorted({size[axis] for size in sizes.values()}) for axis in (0, 1))
    files = []
    for name, along, panels, label in (
        ("batch", 1, steps, "{} steps"),
        ("steps", 0, batches, "batch of {}"),
    ):
        files.append(folder / f"scale-{name}.svg")
        _draw(files[-1], outcome, sizes, along, panels, label)
    return files


def _draw(path: Path, outcome: Outcome, sizes: dict[str, Any], along: int, panels: list[int], label: str) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.9), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, fixed in zip(axes, panels, strict=True):
        points = sorted((size[along], size[1], task) for task, size in sizes.items() if size[1 - along] == fixed)
        for engine, marker in zip(outcome.engines, _MARKERS, strict=False):
            best = [(x, batch, outcome.best(task, engine)) for x, batch, task in points]
            measured = [(x, result.median / batch) for x, batch, result in best if result]
            axis.plot(
                *zip(*measured, strict=True), marker=marker, markersize=4, linewidth=1.2,
                color=COLOURS[engine], label=title(engine),
            )  # fmt: skip
        axis.set(xscale="log", yscale="log", title=label.format(fixed), xlabel=("steps", "batch")[along])
        axis.set_xticks([x for x, _batch, _task in points], [f"{x:,}" for x, _batch, _task in points], fontsize=7)
        axis.minorticks_off()
        axis.title.set_fontsize(10)
        axis.grid(color="#e5e5e5", linewidth=0.8)
        plain(axis)
    axes[0].set_ylabel("time a sample", color=INK)
    axes[0].yaxis.set_major_formatter(lambda seconds, _place: duration(seconds))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=5, fontsize=9, frameon=False)
    with rc_context(SVG):
        figure.savefig(path, metadata={"Date": None})
