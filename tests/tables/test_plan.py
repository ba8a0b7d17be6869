"""The plan beside a model comes back as it was, and one that is damaged is refused."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fastgru import models
from fastgru.layers import Dense
from fastgru.tables import plan as plans
from fastgru.tables.plan import Feature, Plan

PLAN = Plan(
    "forecast",
    "Umsatz",
    (Feature("Umsatz", fill=3.5), Feature("Ort", "category", ("Köln", "北京")), Feature("weekday", "calendar")),
    time="t",
    group="g",
    window=7,
    horizon=2,
    step=(3_600_000_000, "us"),
    gaps="fill",
    groups=("a", "b"),
)


def test_it_comes_back_and_the_model_opens_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    model = models.Sequential([Dense(1, input_shape=(2,))])
    plans.save(model, PLAN, path)
    assert plans.load(str(path)) == PLAN
    assert models.load_model(path).count_params() == 3
    model.save(path)
    assert plans.load(str(path)) is None


def test_what_is_no_archive_has_none(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"something")
    assert plans.load(str(tmp_path / "m.h5")) is None and plans.load(str(tmp_path / "absent")) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "steal"), ("target", 3), ("window", "7"), ("window", -1), ("horizon", None), ("step", [0, "us"]),
        ("step", [1, "year"]), ("step", None), ("window", None), ("time", None), ("features", []), ("groups", [1]),
        ("classes", 5), ("gaps", "ignore"), ("encoding", None), ("surplus", 1),
        ("features", [{"column": "x", "kind": "calendar", "values": [], "fill": 0}]),
        ("features", [{"column": "x", "kind": "number", "values": [], "fill": "0"}]), ("features", [3]),
    ],
)  # fmt: skip
def test_one_that_is_damaged_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(plans.MEMBER, json.dumps({**asdict(PLAN), name: value}))
    with pytest.raises(ValueError, match=r"fastgru\.json: is not the plan of a training"):
        plans.load(str(path))
