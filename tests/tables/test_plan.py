"""The plan beside a model comes back as it was, and one that is damaged is refused."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fastgru import cli, models
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
    opened = models.load_model(path)
    assert opened.count_params() == 3
    opened.save(tmp_path / "again.keras")
    assert plans.load(str(tmp_path / "again.keras")) == PLAN
    models.Sequential(opened.layers).save(tmp_path / "other.keras")
    assert plans.load(str(tmp_path / "other.keras")) is None


def test_it_survives_convert_and_is_left_where_the_model_stops_elsewhere(tmp_path: Path) -> None:
    old, new, cut = (tmp_path / f"{name}.keras" for name in ("old", "new", "cut"))
    plans.save(models.Sequential([Dense(3, input_shape=(2,), name="first"), Dense(1)]), PLAN, old)
    assert (
        cli.main(["convert", str(old), str(new)])
        == 0
        == cli.main(["convert", str(old), str(cut), "--outputs", "first"])
    )
    assert plans.load(str(new)) == PLAN and plans.load(str(cut)) is None


def test_a_legacy_file_says_that_it_stays_behind(tmp_path: Path) -> None:
    plans.save(model := models.Sequential([Dense(1, input_shape=(2,))]), PLAN, tmp_path / "m.keras")
    with pytest.warns(UserWarning, match="how it reads a table stays behind"):
        model.save(tmp_path / "m.h5")


def test_what_is_no_archive_has_none(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"something")
    assert plans.load(str(tmp_path / "m.h5")) is None and plans.load(str(tmp_path / "absent")) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "steal"), ("target", 3), ("window", "7"), ("window", -1), ("horizon", None), ("step", [0, "us"]),
        ("step", [1, "year"]), ("step", None), ("window", None), ("time", None), ("features", []), ("groups", [1]),
        ("classes", 5), ("gaps", "ignore"),
        ("known", ["Umsatz"]), ("known", ["weekday"]), ("known", 3), ("encoding", None), ("surplus", 1),
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
