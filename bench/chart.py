"""The chart of a run: a panel for each job."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engines import ENGINES, title
from bench.outcome import OWN, Outcome, Result, amount

_COLOURS = {
    OWN: "#c8102e",
    "keras_jax": "#4c72b0",
    "pytorch": "#dd8452",
    "onnxruntime": "#55a868",
    "openvino": "#8172b3",
}
_INK, _FAINT = "#222222", "#999999"


def draw(path: Path, outcomes: Sequence[Outcome], where: dict[str, Any]) -> str:
    """Write the PNG file; a line that tells what became of it."""
    if importlib.util.find_spec("matplotlib") is None:
        return "No chart: matplotlib is not installed (extra: plot)"
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    panels = [(outcome, task) for outcome in outcomes for task in _panel_tasks(outcome)]
    if not panels:
        return "No chart: nothing was measured"
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(6.6 * columns, 1 + 2.2 * rows), layout=ConstrainedLayoutEngine(hspace=0.08))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (outcome, task) in zip(axes, panels, strict=False):
        if task is None:
            _ratios(axis, outcome)
        else:
            _bars(axis, outcome, task)
    for axis in axes[len(panels) :]:
        axis.axis("off")
    figure.suptitle(
        f"fastgru and its peers: {where['cpu']}, {where['threads']} threads, {where['date'][:10]}\n"
        "shorter is better; lines: all rounds; in brackets: times fastgru's own; each peer in its quickest way",
        fontsize=11, color=_INK, x=0.01, ha="left",
    )  # fmt: skip
    figure.savefig(path, dpi=130, format="png")
    return f"Saved: {path}"


def _panel_tasks(outcome: Outcome) -> list[str | None]:
    """The tasks that get a panel each; one panel for all, None, where they are many."""
    return [None] if outcome.job == "scale" else list(outcome.tasks)


def _bars(axis: Any, outcome: Outcome, task: str) -> None:
    """A bar for each engine at its best, the range of the rounds as a line, its ratio to fastgru behind it."""
    found = [outcome.best(task, engine) for engine in outcome.engines]
    results: list[Result] = [result for result in found if result]
    longest = max(result.median for result in results)
    for place, result in enumerate(results):
        # a single slow round must not make all bars short
        least, most = min(result.values), min(max(result.values), 1.2 * longest)
        axis.barh(place, result.median, color=_COLOURS[result.engine], height=0.68)
        axis.plot([least, most], [place, place], color=_INK, linewidth=1)
        ratio = outcome.ratio(result)
        text = amount(result.median, outcome.unit)
        if result.engine != OWN and ratio:
            text += f"  ({ratio:.1f}x)"
        elif share := outcome.share(result):
            text += f"  ({share:.0%} of sgemm)"
        weight = "bold" if result.engine == OWN else "normal"
        at = max(result.median, most) + 0.015 * longest
        axis.text(at, place, text, va="center", fontsize=9, color=_INK, fontweight=weight)
    axis.set_yticks(range(len(results)), [title(result.engine) for result in results], fontsize=9)
    # bars are equally thick in all panels
    axis.set_ylim(len(ENGINES) - 0.4, -0.6)
    axis.set_xlim(0, 1.55 * longest)
    axis.spines["left"].set_bounds(len(results) - 0.5, -0.5)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.spines["left"].set_color(_FAINT)
    text = f"{outcome.job}: {task or outcome.title}"
    axis.set_title(text, fontsize=10, loc="left", color=_INK)


def _ratios(axis: Any, outcome: Outcome) -> None:
    """A dot for each size and peer at how many times fastgru's time the peer takes."""
    peers = [engine for engine in outcome.engines if engine != OWN and outcome.ratios(engine)]
    axis.axvline(1, color=_COLOURS[OWN], linewidth=1.5)
    for place, engine in enumerate(peers):
        ratios = outcome.ratios(engine)
        # the sizes in the order of their ratio, from the top of the engine's band down, so that no two dots meet
        heights = [place - 0.3 + 0.6 * number / max(1, len(ratios) - 1) for number in range(len(ratios))]
        axis.scatter(list(ratios.values()), heights, s=14, color=_COLOURS[engine], linewidths=0)
    axis.set_xscale("log")
    axis.set_yticks(range(len(peers)), [title(engine) for engine in peers], fontsize=9)
    axis.set_ylim(len(peers) - 0.4, -0.6)
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
    axis.set_xticks(ticks, [f"{tick:g}x" for tick in ticks], fontsize=8)
    axis.minorticks_off()
    axis.tick_params(length=0)
    axis.grid(axis="x", color="#e5e5e5", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.spines["left"].set_color(_FAINT)
    text = f"{outcome.job}: {outcome.title}, times of fastgru's time (right of the line: fastgru ahead)"
    axis.set_title(text, fontsize=10, loc="left", color=_INK)
