"""Clients of all kinds against `fastgru serve` in a process of its own: no wrong answer, and nothing stays behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

for package in ("starlette", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")
if sys.platform != "linux":
    pytest.skip("memory and files of a process are read from Linux's /proc", allow_module_level=True)

from soak.service import soak

KINDS = {"honest", "babbler", "stranger", "quitter", "dawdler", "onlooker", "killed", "streamer", "clamorer"}


def test_garbage_and_clients_that_leave_cost_no_other_request(tmp_path: Path) -> None:
    outcome = soak(tmp_path, seconds=2, seed=1, rounds=1)
    assert {*outcome.counts} >= KINDS


@pytest.mark.slow
def test_a_minute_of_load_takes_no_memory_and_no_file(tmp_path: Path) -> None:
    outcome = soak(tmp_path, seconds=60, seed=2, rounds=6)
    assert min(outcome.counts["version 0"], outcome.counts["version 1"]) > 0  # the file was taken anew
    # some 30 MiB that large bodies took are given back to the system now and then
    assert max(outcome.memory[1:]) < outcome.memory[0] + (48 << 20)
    assert max(outcome.files) <= outcome.files[0] + 2
