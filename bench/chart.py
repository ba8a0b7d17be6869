"""The chart of a run: a panel for each job."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.engines import ENGINES, title
from bench.outcome import OWN, Outcome, Result, amount, counted, times

COLOURS = {
    OWN: "#c8102e",
    "keras_jax": "#4c72b0",
    "pytorch": "#dd8452",
    "onnxruntime": "#55a868",
    "openvino": "#8172b3",
    "by_heart": "#999999",
    "litert": "#937860",
    "ncnn": "#da8bc3",
    "tract": "#8c8c8c",
}
INK, _FAINT = "#222222", "#999999"
# the same results are the same file; text stays text, in the reader's own font
SVG = {"svg.hashsalt": "fastgru", "svg.fonttype": "none", "font.family": "sans-serif"}
_SIZES = "scale"  # the job whose tasks are many: one panel for all of them
_TIMES_THE_LEAST = 12


def draw(path: Path, outcomes: Sequence[Outcome], where: dict[str, Any], headed: bool = True) -> str:
    """Write the picture, PNG or SVG by its name; a line that tells what became of it."""
    if importlib.util.find_spec("matplotlib") is None:
        return "No chart: matplotlib is not installed (extra: plot)"
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    bars = [(outcome, task) for outcome in outcomes if outcome.job != _SIZES for task in outcome.tasks]
    sizes = [outcome for outcome in outcomes if outcome.job == _SIZES and _peers(outcome)]
    count = len(bars) + len(sizes)
    if not count:
        return "No chart: nothing to compare was measured"
    columns = min(2, count)
    rows = -(-count // columns)
    places = max((len(outcome.engines) for outcome, _task in bars), default=len(ENGINES))
    height = (0.7 + 0.3 * places) * rows + (1.2 if headed else 0)
    figure = Figure(figsize=(6.6 * columns, height), layout=ConstrainedLayoutEngine(hspace=0.08))
    grid = figure.add_gridspec(rows, columns)
    # the last panel, the sizes where they were raced, takes the whole of its row if it is alone there
    spots = [grid[number // columns, number % columns] for number in range(count - 1)]
    spots.append(grid[rows - 1, (count - 1) % columns :])
    axes = [figure.add_subplot(place) for place in spots]
    for axis, (outcome, task) in zip(axes, bars, strict=False):
        _bars(axis, outcome, task, places)
    for axis, outcome in zip(axes[len(bars) :], sizes, strict=True):
        _ratios(axis, outcome)
    if headed:
        figure.suptitle(
            f"fastgru and its peers: {where['cpu']}, {counted(where['threads'], 'thread')}, {where['date'][:10]}\n"
            "shorter is better; in brackets: times fastgru's own\n"
            "each peer in its quickest way; in cold and memory in the one that was tried\n"
            "lines: least to most of the rounds, with an arrow where that is further away",
            fontsize=11, color=INK, x=0.01, ha="left",
        )  # fmt: skip
    with rc_context(SVG):
        figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)
    return f"Saved: {path}"


def _peers(outcome: Outcome) -> list[str]:
    return [engine for engine in outcome.engines if engine != OWN and outcome.ratios(engine)]


def _bars(axis: Any, outcome: Outcome, task: str, places: int) -> None:
    """A bar for each engine at its best, the range of the rounds as a line, its ratio to fastgru behind it."""
    best = [outcome.best(task, engine) for engine in outcome.engines]
    results: list[Result] = [result for result in best if result]
    # bars are cut where one that is many times as long would leave nothing of the others
    longest = min(max(result.median for result in results), _TIMES_THE_LEAST * min(r.median for r in results))
    for place, result in enumerate(results):
        end = min(result.median, longest)
        # nor must a single slow round make all bars short
        least, most = min(result.values), min(max(result.values), 1.15 * longest)
        axis.barh(place, end, color=COLOURS[result.engine], height=0.68)
        if result.median > longest:
            _cut(axis, place, longest)
        else:
            axis.plot([least, most], [place, place], color=INK, linewidth=1)
            if max(result.values) > most:
                axis.plot(most, place, marker=">", markersize=4, color=INK)
            end = max(end, most)
        ratio = outcome.ratio(result)
        text = amount(result.median, outcome.unit)
        if result.engine != OWN and ratio:
            text += f"  ({times(ratio)}x)"
        elif share := outcome.sgemm_share(result):
            text += f"  ({share:.0%} of sgemm)"
        weight = "bold" if result.engine == OWN else "normal"
        axis.text(end + 0.025 * longest, place, text, va="center", fontsize=9, color=INK, fontweight=weight)
    axis.set_yticks(range(len(results)), [title(result.engine) for result in results], fontsize=9)
    # bars are equally thick in all panels
    axis.set_ylim(places - 0.4, -0.6)
    axis.set_xlim(0, 1.55 * longest)
    axis.spines["left"].set_bounds(len(results) - 0.5, -0.5)
    axis.set_xticks([])
    plain(axis)
    axis.set_title(f"{outcome.job}: {task or outcome.title}", fontsize=10, loc="left", color=INK)


def _cut(axis: Any, place: int, end: float) -> None:
    """A white gap across a bar shortly before its end: it is longer than it is drawn."""
    for start in (0.93 * end, 0.95 * end):
        axis.plot([start, start + 0.01 * end], [place + 0.4, place - 0.4], color="white", linewidth=2)


def _ratios(axis: Any, outcome: Outcome) -> None:
    """A dot for each size and peer at how many times fastgru's time the peer takes."""
    peers = _peers(outcome)
    axis.axvline(1, color=COLOURS[OWN], linewidth=1.5)
    for place, engine in enumerate(peers):
        ratios = outcome.ratios(engine)
        # the sizes in the order of their ratio, from the top of the engine's band down, so that no two dots touch
        heights = [place - 0.3 + 0.6 * number / max(1, len(ratios) - 1) for number in range(len(ratios))]
        axis.scatter(list(ratios.values()), heights, s=14, color=COLOURS[engine], linewidths=0)
    axis.set_xscale("log")
    axis.set_yticks(range(len(peers)), [title(engine) for engine in peers], fontsize=9)
    axis.set_ylim(len(peers) - 0.4, -0.6)
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if axis.get_xlim()[0] <= tick <= axis.get_xlim()[1]]
    axis.set_xticks(ticks, [f"{tick:g}x" for tick in ticks], fontsize=8)
    axis.minorticks_off()
    axis.grid(axis="x", color="#e5e5e5", linewidth=0.8)
    axis.set_axisbelow(True)
    plain(axis)
    axis.set_xlabel(
        "a peer's time, in times of fastgru's: right of the red line fastgru is ahead", fontsize=9, color=INK
    )
    axis.set_title(f"{outcome.job}: a dot for each of {outcome.title}", fontsize=10, loc="left", color=INK)


def plain(axis: Any) -> None:
    axis.tick_params(length=0)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.spines["left"].set_color(_FAINT)
