"""From the name of a task to what does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fastgru.tables import forecast, supervised, text
from fastgru.tables.plan import Plan
from fastgru.tables.samples import Answers, Predict, Problem
from fastgru.tables.table import Table, listed

Shares = tuple[float, float, float]


def problem(
    table: Table, plan: Plan, columns: Sequence[str] | None, shares: Shares | None, seed: int = 0, stride: int = 1
) -> Problem:
    """The samples of a table: in three parts, or with no shares all for testing.

    Raises
    ------
    ValueError
        The table has not what the plan asks for.
    """
    known = [(name, "--known") for name in plan.known]
    for name, option in ((plan.target, "--target"), (plan.group, "--group"), (plan.time, "--time"), *known):
        if name is not None:
            table.require(name, option)
    if plan.task == "forecast":
        return forecast.Forecast(table, plan, columns, shares, stride)
    if plan.task == "text":
        return text.Texts(table, plan, shares, seed)
    return supervised.Supervised(table, plan, columns, shares, seed, stride)


def answer(table: Table, plan: Plan, predict: Predict) -> Answers:
    """What a served model says of a table."""
    if plan.task == "forecast":
        return forecast.next_steps(table, plan, predict)
    return text.answer(table, plan, predict) if plan.task == "text" else supervised.answer(table, plan, predict)


def with_time(table: Table, plan: Plan) -> Plan:
    """The plan with the column of times that the table has, where it needs one and names none.

    Raises
    ------
    ValueError
        A forecast has no such column, or there are several.
    """
    if plan.time is not None or plan.task == "text" or (plan.task != "forecast" and plan.window is None):
        return plan
    times = table.times()
    if len(times) > 1:
        raise ValueError(f"{table.file}: {listed(times)} hold times; name the one that counts by --time.")
    if not times and plan.task == "forecast":
        raise ValueError(
            f"{table.file}: a forecast needs a column of times such as 2026-01-31 18:00, and there is none among "
            f"{listed(table.names)}; name it by --time, and its form by --time-format."
        )
    return replace(plan, time=times[0]) if times else plan
