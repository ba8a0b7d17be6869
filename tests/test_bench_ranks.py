"""The model of cost of several machines, and its tables."""

from __future__ import annotations

import json

import pytest

from bench import ranks


def test_a_ring_sends_each_part_twice_around() -> None:
    network = ranks.Network("", bandwidth=1e9, latency=1e-3)
    # 4 machines: 6 messages of a quarter of the buffer
    assert ranks.ring(4e6, 4, network) == pytest.approx(6 * (1e6 / 1e9 + 1e-3))


def test_a_machine_is_a_line_through_its_steps() -> None:
    steps = {f"1 x 2, {rows} rows": 2.0 + 0.5 * rows for rows in (8, 32, 128)}
    assert ranks.machine(steps, 128) == pytest.approx((2.0, 0.5))


def test_the_tables_have_every_model_and_network_of_the_stored_run() -> None:
    stored = json.loads(ranks.STORED.read_text(encoding="utf-8"))
    text = ranks.tables(stored)
    for shape in ranks.SHAPES.values():
        assert text.count(f"| {shape.words} |") == 1 + 2 * len(ranks.NETWORKS)
    widths = {line.count("|") for block in text.split("\n\n") for line in block.splitlines() if line.startswith("|")}
    assert widths == {8, 3}
