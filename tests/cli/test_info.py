"""`fastgru info` has what a bug report needs."""

from __future__ import annotations

import json
import re

import pytest

import fastgru
from fastgru import cli, kernels, threads


def test_as_json_it_has_what_a_bug_report_needs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert cli.main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["fastgru"] == fastgru.__version__
    assert kernels.isa in facts["instruction set"]
    assert "-O3" in facts["compiled by"] and re.search("gcc|[Cc]lang", facts["compiled by"])
    assert set(facts["packages"]) == {"numpy", "scipy", "h5py", "rich", "threadpoolctl"}
    assert facts["threads"] == threads.get_num_threads()
    assert facts["environment"]["OPENBLAS_NUM_THREADS"] == "3"
    assert facts["processor"] and facts["cgroup quota"] and facts["BLAS"]


def test_the_table_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["info", "--json"])
    facts = json.loads(capsys.readouterr().out)
    cli.main(["info"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(facts)


@pytest.mark.parametrize(("text", "quota"), [("max 100000", None), ("150000 100000", 1.5), ("400000 100000", 4.0)])
def test_the_quota_is_that_of_the_cgroup(text: str, quota: float | None, tmp_path) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert threads.cgroup_quota(tmp_path) == quota
    assert threads.available_cpus(tmp_path) <= (2 if quota == 1.5 else 1 << 30)
