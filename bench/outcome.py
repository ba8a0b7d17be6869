"""What a job finds out."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

OWN = "fastgru"


@dataclass
class Settings:
    """What the command line asks of every job."""

    engines: Sequence[str]
    threads: int
    rounds: int | None = None
    quick: bool = False


@dataclass
class Result:
    """One engine at one task: a value (seconds, or bytes) for each round."""

    engine: str
    task: str
    variant: str
    values: list[float] = field(default_factory=list)
    plain: bool = True  # the engine's plainest variant, not merely its quickest
    check: dict[str, float] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass
class Outcome:
    """All results of a job.

    Attributes
    ----------
    unit : {"s", "bytes"}
    work : dict
        Floating-point operations of each task, where they are counted.
    samples : dict
        Samples of each task.
    sgemm : dict
        For each task the machine's rate in each round, in floating-point operations a second.
    versions : dict
        Of each engine and what it stands on.
    trials : dict
        For each task and engine the seconds of all its variants, by which the quickest was picked.
    differences : dict
        For each task and engine how far its numbers are at most from those of the first engine.
    differences_trained : dict
        The same after a few updates, where the task is training.
    notes : list of str
        What a reader has to know besides: who was left out, and why.
    """

    job: str
    title: str
    unit: str = "s"
    results: list[Result] = field(default_factory=list)
    work: dict[str, float] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)
    sgemm: dict[str, list[float]] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    trials: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    differences: dict[str, dict[str, float]] = field(default_factory=dict)
    differences_trained: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(result.task for result in self.results))

    @property
    def engines(self) -> list[str]:
        return list(dict.fromkeys(result.engine for result in self.results))

    def best(self, task: str, engine: str) -> Result | None:
        """An engine's best result; fastgru's plainest, so that it alone has no choice."""
        results = [result for result in self.results if (result.task, result.engine) == (task, engine)]
        if engine == OWN:
            results = [result for result in results if result.plain]
        return min(results, key=lambda result: result.median, default=None)

    def ratio(self, result: Result) -> float | None:
        """How many times fastgru's median this one's is, as the two are shown; None where fastgru did not take part."""
        own = self.best(result.task, OWN)
        return None if own is None else result.median / own.median

    def sgemm_share(self, result: Result) -> float | None:
        """The part of the machine's sgemm rate that the task's products ran at, the median over the rounds."""
        if result.task not in self.sgemm:
            return None
        times = zip(result.values, self.sgemm[result.task], strict=True)
        return statistics.median(self.work[result.task] / (seconds * rate) for seconds, rate in times)

    def ratios(self, engine: str) -> dict[str, float]:
        """A peer's best ratio at each task, the worst for fastgru first."""
        ratios = {}
        for task in self.tasks:
            result = self.best(task, engine)
            ratio = self.ratio(result) if result else None
            if ratio is not None:
                ratios[task] = ratio
        return dict(sorted(ratios.items(), key=lambda item: item[1]))

    def closest(self, count: int) -> list[str]:
        """The tasks at which a peer comes closest to fastgru or goes past it, the worst first."""
        worst: dict[str, float] = {}
        for engine in self.engines:
            if engine != OWN:
                for task, ratio in self.ratios(engine).items():
                    worst[task] = min(ratio, worst.get(task, ratio))
        return sorted(worst, key=lambda task: worst[task])[:count]


def duration(seconds: float) -> str:
    """Three digits and the unit that suits them."""
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 0.9995:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def times(ratio: float) -> str:
    """Two digits below ten, so that 1.03 does not look like a draw."""
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.1f}"


def counted(number: int, thing: str) -> str:
    """A number of things, of which one takes no s."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def amount(value: float, unit: str) -> str:
    """A value of an outcome's unit."""
    return duration(value) if unit == "s" else f"{value / 2**20:,.0f} MiB"
