"""`fastgru.tables` does in Python what the commands do."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru import cli, models, tables

OPTIONS = {"window": 7, "horizon": 3, "units": 6, "epochs": 3, "seed": 5}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> str:
    monkeypatch.chdir(tmp_path)
    days = (np.datetime64("2025-01-01") + np.arange(120)).astype(str)
    sales = 100 + 30 * np.sin(2 * np.pi * np.arange(120) / 7) + rng.normal(size=120)
    with Path("s.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("day", "sales", "shop"), *zip(days, sales, ["a"] * 120, strict=True)])
    return "s.csv"


def test_it_trains_what_the_command_trains(file: str) -> None:
    words = [part for name, value in OPTIONS.items() for part in (f"--{name}", str(value))]
    arguments = ["train", file, "--target", "sales", "--task", "forecast", *words]
    assert cli.main([*arguments, "--out", "command.keras", "--report", "command"]) == 0
    assert cli.main(["predict", "command.keras", file, "-o", "o.npy"]) == 0
    trained = tables.train(file, "sales", "forecast", **OPTIONS, verbose=0)
    for ours, theirs in zip(trained.model.get_weights(), models.load_model("command.keras").get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(trained.predict(file).array, np.load("o.npy"))
    assert trained.outcome.verdict.startswith("The model") and len(trained.history.epoch) == 3
    assert trained.notes == ["'shop' is left out: it is the same in all rows of the training part"]
    assert trained.report("python").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_saved_model_opens_for_python_and_for_the_commands(file: str) -> None:
    trained = tables.train(file, "sales", "forecast", **OPTIONS, verbose=0)
    trained.save("m.keras")
    opened = tables.load("m.keras")
    assert opened.plan == trained.plan
    answers = opened.predict(file)
    assert [*answers.columns] == ["day", "sales"] and answers.columns["day"][0] == "2025-05-01"
    assert opened.evaluate(file).count == 120 - 7 - 3 + 1
    assert cli.main(["evaluate", "m.keras", file]) == 0
    with pytest.raises(ValueError, match=r"expected a file named \*\.keras"):
        trained.save("m.h5")
    models.Sequential().save("plain.keras")
    with pytest.raises(ValueError, match="does not say how a table is read"):
        tables.load("plain.keras")


def test_a_file_may_be_read_otherwise_than_in_training(file: str) -> None:
    trained = tables.train(file, "sales", "forecast", **OPTIONS, verbose=0)
    lines = Path(file).read_text().splitlines()
    Path("gap.csv").write_text("\n".join([*lines[:-3], *lines[-2:]]))
    with pytest.raises(ValueError, match="are not there without a gap"):
        trained.predict("gap.csv")
    assert trained.predict("gap.csv", gaps="fill").array.shape == (1, 3)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"task": "guess"}, "--task: expected forecast, classify, regress, text, got 'guess'"),
        ({"window": None}, "--task forecast: expected --window"),
        ({"task": "regress"}, "--horizon: is for --task forecast, not regress"),
        ({"target": "sale"}, "has no column 'sale'.* did you mean 'sales'"),
        ({"gaps": "ignore"}, "--gaps: expected skip, fill, refuse, got 'ignore'"),
        ({"time_format": "%Y"}, "--time-format: expected --time"),
    ],
)
def test_what_does_not_go_together_is_refused(file: str, changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        tables.train(**{"file": file, "target": "sales", "task": "forecast", **OPTIONS, **changed})


@pytest.mark.parametrize("option", ["columns", "known"])
def test_one_column_is_a_list_too(tmp_path: Path, option: str) -> None:
    (tmp_path / "sales.csv").write_text("day,sales,promotion\n2026-01-01,3,1\n")
    with pytest.raises(ValueError, match=rf"--{option}: expected a list of columns, got the text 'promotion'; write"):
        tables.train(tmp_path / "sales.csv", "sales", "forecast", window=2, verbose=0, **{option: "promotion"})
