"""Steps of which each process computes its rows of the batch: the sums of all make the one that a process would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastgru.layers.share import sharing
from fastgru.training.sums import RunningSums

if TYPE_CHECKING:
    from fastgru.distribution import Ranks
    from fastgru.parameters import Parameters
    from fastgru.training.objective import Objective

__all__ = ["SharedMethod", "shared_evaluation", "shared_step"]


def shared_step(
    ranks: Ranks,
    objective: Objective,
    parameters: Parameters,
    differentiate: Callable[[Any], None],
    update: Callable[[], None],
) -> Callable[[Any], None]:
    """`differentiate` on the rows of this process, the sums over all, `update` on each.

    Behind the gradients stand what the batch adds to the sums of losses and metrics, so that one message carries both.
    """
    sums, size = RunningSums(objective), len(parameters.gradients)
    summed = parameters.summed[: size + sums.size]

    def step(batch: Any) -> None:
        objective.summed, before = sums.metrics, sums.taken()
        with sharing(batch.share):
            differentiate(batch)
        summed[size:] = sums.taken() - before
        ranks.add(summed)
        sums.put(before + summed[size:])
        with summed_gradients(ranks):
            update()

    return step


def shared_evaluation(ranks: Ranks, objective: Objective, evaluate: Callable[[Any], None]) -> Callable[[Any], None]:
    """`evaluate` on the rows of this process, and the sums over all."""
    sums = RunningSums(objective)

    def step(batch: Any) -> None:
        objective.summed, before = sums.metrics, sums.taken()
        with sharing(batch.share):
            evaluate(batch)
        sums.put(before + ranks.add(sums.taken() - before))

    return step


class SharedMethod:
    """A step of one's own, which takes the rows of this process for a whole batch.

    What it returns are means over the rows so far, of which those of all processes are averaged; so are the gradients
    that it hands to the optimizer.
    """

    def __init__(self, ranks: Ranks, objective: Objective) -> None:
        self._ranks, self._objective = ranks, objective
        self._rows = 0

    def run(self, method: Callable[[Any], Any], data: Any, batch: Any) -> Any:
        """What the method returns."""
        with sharing(batch.share._replace(is_mean=True)):
            return method(data)

    def of_all(self, logs: Mapping[str, Any], batch: Any) -> tuple[dict[str, Any], int]:
        """Numbers for the rows of all processes, and how many rows there are in the batch."""
        if self._objective.count == 0:
            self._rows = 0
        self._rows += (batch.share.stop - batch.share.start) * batch.share.counts
        return self._ranks.mean(logs, self._rows), batch.share.total


@contextmanager
def summed_gradients(ranks: Ranks) -> Iterator[None]:
    """Inside, the gradients that an optimizer is handed are sums over all processes already."""
    ranks.is_summed = True
    try:
        yield
    finally:
        ranks.is_summed = False
