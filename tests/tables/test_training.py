"""From a file of data, one command: what it learns, what it does not see, and what its model does with raw data."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru import models, utils
from fastgru.tables import fitting, reading, tasks
from fastgru.tables import plan as plans
from fastgru.tables.network import Size
from fastgru.tables.plan import Plan

FORECAST = ("--target", "demand", "--task", "forecast", "--window", "168", "--horizon", "24")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name: str, columns: dict[str, Any]) -> str:
    with Path(name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return name


def rows_of(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def demand(rng: np.random.Generator, weeks: int = 12) -> dict[str, Any]:
    """Hourly numbers that go by the hour and the weekday, with noise that nobody can foresee."""
    hours = np.arange(weeks * 168)
    times = np.datetime64("2025-01-06T00:00") + hours * np.timedelta64(1, "h")
    day, week = 2 * np.pi * hours / 24, 2 * np.pi * hours / 168
    noise = rng.normal(0, 25, len(hours))
    values = 500 + 120 * np.sin(day) + 80 * np.sin(week) + 40 * np.cos(2 * day) + noise
    return {"time": times.astype(str).tolist(), "demand": values.round(2).tolist()}


def daily(rng: np.random.Generator, days: int = 90, level: float = 100.0) -> dict[str, Any]:
    times = np.datetime64("2025-01-01") + np.arange(days)
    values = level * (1 + 0.3 * np.sin(2 * np.pi * np.arange(days) / 7) + 0.05 * rng.normal(size=days))
    return {"day": times.astype(str).tolist(), "sales": values.round(3).tolist()}


SMALL = ("--target", "sales", "--task", "forecast", "--window", "7", "--horizon", "3", "--units", "4", "--epochs", "1")


# --- forecasts --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_forecast_of_hourly_demand_beats_the_seasonal_naive_one(run: Any, rng: Any) -> None:
    file = written("demand.csv", demand(rng))
    status, out, err = run("train", file, *FORECAST, "--units", "32", "--epochs", "25", "--out", "m.keras")
    assert (status, err) == (0, "")
    assert "The model beats the value one week before by" in out
    assert "168 rows every hour of demand, sin hour of day, cos hour of day, sin weekday, cos weekday" in out
    assert run("predict", "m.keras", file, "-o", "next.csv")[0] == 0
    answers = rows_of("next.csv")
    assert len(answers) == 24
    assert answers[0]["time"] == "2025-03-31 00:00" and answers[-1]["time"] == "2025-03-31 23:00"
    hours = 12 * 168 + np.arange(24)
    truth = 500 + 120 * np.sin(2 * np.pi * hours / 24) + 80 * np.sin(2 * np.pi * hours / 168)
    truth += 40 * np.cos(4 * np.pi * hours / 24)
    assert np.abs([float(row["demand"]) for row in answers] - truth).mean() < 30
    status, out, _ = run("evaluate", "m.keras", file)
    assert status == 0 and "Verdict:        The model beats the value one week before" in out


def test_what_comes_after_the_training_part_changes_neither_scaling_nor_training(run: Any, rng: Any) -> None:
    columns = daily(rng)
    other = {**columns, "sales": [*columns["sales"][:63], *(1000 * rng.random(27)).tolist()]}
    models_of = []
    for index, one in enumerate((columns, other)):
        written(f"{index}.csv", one)
        table = reading.read(f"{index}.csv", Plan("forecast", "sales").wording)
        problem = tasks.problem(
            table, Plan("forecast", "sales", time="day", window=7, horizon=3), None, (70, 15, 15), 0, 1
        )
        models_of.append((problem, problem.networks(Size(4))))
    (first, networks), (second, others) = models_of
    np.testing.assert_array_equal(first.scaling.mean, second.scaling.mean)
    np.testing.assert_array_equal(first.scaling.deviation, second.scaling.deviation)
    assert first.plan == second.plan
    np.testing.assert_array_equal(first.parts[0].x[:], second.parts[0].x[:])
    np.testing.assert_array_equal(first.parts[0].y[:], second.parts[0].y[:])
    assert not np.array_equal(first.parts[1].x[:], second.parts[1].x[:])
    training = fitting.Training(epochs=1, batch_size=16)
    for problem, pair in models_of:
        utils.set_random_seed(1)
        weights = np.random.default_rng(2)
        pair.trained.set_weights([0.1 * weights.normal(size=one.shape) for one in pair.trained.get_weights()])
        fitting.compile_model(pair.trained, problem, training)
        fitting.fit(pair.trained, problem, training, verbose=0)
    for one, two in zip(networks.served.get_weights(), others.served.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(networks.served.layers, others.served.layers, strict=True):
        assert one.get_config().get("mean") == two.get_config().get("mean")


def test_the_saved_model_takes_and_gives_raw_numbers(run: Any, rng: Any) -> None:
    file = written("s.csv", daily(rng))
    assert run("train", file, *SMALL, "--out", "m.keras")[0] == 0
    model = models.load_model("m.keras")
    series = np.array(daily(np.random.default_rng(0))["sales"], "float32")
    assert 20 < model.predict(series[None, :7, None].repeat(3, 2), verbose=0).mean() < 200
    run("predict", "m.keras", file, "-o", "a.npy")
    run("predict", "m.keras", file, "-o", "a.csv")
    array = np.load("a.npy")
    assert array.shape == (1, 3)
    np.testing.assert_allclose([float(row["sales"]) for row in rows_of("a.csv")], array[0], rtol=1e-5)
    table = reading.read(file, plans.load("m.keras").wording)
    problem = tasks.problem(table, plans.load("m.keras"), None, None)
    windows = problem.inputs(problem.first)[:]
    np.testing.assert_array_equal(
        problem.inputs(problem.first)[-1:][0, -7:, 0],
        np.float32(table.columns["sales"][-10:-3]),
    )
    np.save("windows.npy", windows)
    assert run("predict", "m.keras", "windows.npy", "-o", "w.npy")[0] == 0
    np.testing.assert_array_equal(np.load("w.npy"), model.predict(windows, verbose=0))


@pytest.mark.keras
def test_keras_opens_the_file_and_predicts_the_same_of_raw_numbers(run: Any, rng: Any, keras: Any) -> None:
    pairs = [daily(rng), daily(rng, level=9.0)]
    columns = {name: pairs[0][name] + pairs[1][name] for name in pairs[0]}
    written("one.csv", pairs[0])
    written("two.csv", {**columns, "shop": ["a"] * 90 + ["b"] * 90})
    for file, words in (("one.csv", ()), ("two.csv", ("--group", "shop"))):
        assert run("train", file, *SMALL, *words, "--out", "m.keras")[0] == 0
        ours, theirs = models.load_model("m.keras"), keras.models.load_model("m.keras")
        window = rng.normal(100, 30, (5, 7, 3)).astype("float32")
        x = [window, np.array([[0], [1], [1], [0], [1]], "int32")] if words else window
        np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-4)


def test_series_of_several_groups_are_scaled_by_their_own_numbers(run: Any, rng: Any) -> None:
    parts = {"north": daily(rng, 200, 1000.0), "south": daily(rng, 200, 10.0)}
    columns = {name: [value for part in parts.values() for value in part[name]] for name in ("day", "sales")}
    file = written("shops.csv", {**columns, "shop": [name for name in parts for _ in range(200)]})
    words = ("--target", "sales", "--task", "forecast", "--window", "14", "--horizon", "7", "--group", "shop")
    status, out, _ = run("train", file, *words, "--units", "16", "--epochs", "30", "--out", "m.keras", "--report", "r")
    assert "Mean absolute error by series" in Path("r/report.html").read_text()
    assert status == 0 and "Series:         2 of 'shop'" in out and "The model beats" in out
    run("predict", "m.keras", file, "-o", "next.csv")
    answers = rows_of("next.csv")
    assert [row["shop"] for row in answers] == ["north"] * 7 + ["south"] * 7
    for name, level in (("north", 1000), ("south", 10)):
        values = [float(row["sales"]) for row in answers if row["shop"] == name]
        assert 0.6 * level < min(values) and max(values) < 1.4 * level
    written("west.csv", {**parts["north"], "shop": ["west"] * 200})
    status, _, err = run("predict", "m.keras", "west.csv", "-o", "next.csv")
    assert status == 1 and "the model knows no series 'west'" in err


def promoted(rng: np.random.Generator, days: int = 240, level: float = 100.0) -> dict[str, Any]:
    """Sales that a promotion lifts, on days that nothing in the past tells of."""
    columns, promotion = daily(rng, days, level), rng.integers(0, 2, days)
    sales = level * (1 + 0.6 * promotion + 0.02 * rng.normal(size=days))
    return {"day": columns["day"], "sales": sales.round(3).tolist(), "promotion": promotion.tolist()}


KNOWN = (*SMALL[:8], "--units", "12", "--epochs", "60", "--known", "promotion")


def test_what_is_known_of_the_days_ahead_is_read(run: Any, rng: Any) -> None:
    columns = promoted(rng)
    file = written("s.csv", columns)
    status, out, _ = run("train", file, *KNOWN, "--out", "m.keras")
    assert status == 0 and "Known ahead:    promotion" in out and "The model beats" in out
    error = float(re.search(r"Test: +mean absolute error ([\d.]+)", out)[1])
    assert error < 12  # where the last value is wrong by 60 every other day
    ahead = {"day": (np.datetime64("2025-08-29") + np.arange(4)).astype(str).tolist(), "sales": [""] * 4}
    ahead["promotion"] = [1, 0, 1, 1]
    file = written("ahead.csv", {name: [*columns[name], *ahead[name]] for name in columns})
    for words in ((), ("--gaps", "refuse"), ("--gaps", "fill")):
        status, out, err = run("predict", "m.keras", file, "-o", "o.csv", *words)
        assert (status, err) == (0, "") and "missing" not in out
        answers = rows_of("o.csv")
        assert [row["day"] for row in answers] == ["2025-08-29", "2025-08-30", "2025-08-31"]
        np.testing.assert_allclose([float(row["sales"]) for row in answers], [160, 100, 160], atol=25)
    with_ahead, without = (run("evaluate", "m.keras", name, "--gaps", "fill")[1] for name in (file, "s.csv"))
    assert [line for line in with_ahead.splitlines() if "Test" in line] == [
        line for line in without.splitlines() if "Test" in line
    ]


def test_keras_opens_a_model_that_knows_the_days_ahead(run: Any, rng: Any, keras: Any) -> None:
    assert run("train", written("s.csv", promoted(rng, 90)), *KNOWN, "--epochs", "1", "--out", "m.keras")[0] == 0
    ours, theirs = models.load_model("m.keras"), keras.models.load_model("m.keras")
    x = [rng.normal(100, 30, (5, *shape[1:])).astype("float32") for shape in ours.input_shape]
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-4, atol=1e-3)


def test_what_is_known_has_to_be_said_for_all_steps_ahead(run: Any, rng: Any) -> None:
    columns = promoted(rng, 90)
    assert run("train", written("s.csv", columns), *KNOWN, "--epochs", "1", "--out", "m.keras")[0] == 0
    status, _, err = run("predict", "m.keras", "s.csv", "-o", "o.csv")
    assert status == 1 and "or the next 3 are not, in which 'sales' is empty and promotion is known" in err
    short = {"day": [*columns["day"], "2025-04-01", "2025-04-02"], "sales": [*columns["sales"], "", ""]}
    written("short.csv", {**short, "promotion": [*columns["promotion"], 1, 0]})
    assert run("predict", "m.keras", "short.csv", "-o", "o.csv")[0] == 1
    for words, complaint in ((("sales",), "expected columns beside the target"), (("promo",), "no column 'promo'")):
        status, _, err = run("train", "s.csv", *KNOWN[:-1], *words, "--out", "n.keras")
        assert status == 1 and err.startswith("fastgru: --known: ") and complaint in err


def test_series_know_what_is_ahead_of_each(run: Any, rng: Any) -> None:
    parts = {"north": promoted(rng, 120, 1000.0), "south": promoted(rng, 120, 10.0)}
    for part in parts.values():
        part["sales"][-3:] = [""] * 3
        part["promotion"][-3:] = [0, 1, 0]
    columns = {name: [value for part in parts.values() for value in part[name]] for name in parts["north"]}
    file = written("shops.csv", {**columns, "shop": [name for name in parts for _ in range(120)]})
    status, out, _ = run("train", file, *KNOWN, "--group", "shop", "--out", "m.keras")
    assert status == 0 and "The model beats" in out
    assert run("predict", "m.keras", file, "-o", "o.csv")[0] == 0
    answers = rows_of("o.csv")
    for name, level in (("north", 1000), ("south", 10)):
        values = [float(row["sales"]) for row in answers if row["shop"] == name]
        assert len(values) == 3 and values[1] > values[0] + 0.3 * level and values[1] > values[2] + 0.3 * level


def test_gaps_are_told_and_the_forecast_needs_none_at_the_end(run: Any, rng: Any) -> None:
    columns = daily(rng)
    for name in columns:
        del columns[name][40:42], columns[name][85]
    file = written("gaps.csv", columns)
    status, out, _ = run("train", file, *SMALL, "--split", "60,20,20", "--out", "m.keras")
    assert status == 0
    assert "Note:           missing times: 3, in 2 gaps (first: after 2025-02-09, line 41" in out
    status, _, err = run("predict", "m.keras", file, "-o", "o.csv")
    assert status == 1 and "the last 7 rows, which the model looks at, are not there without a gap" in err
    assert run("predict", "m.keras", file, "-o", "o.csv", "--gaps", "fill")[0] == 0
    status, _, err = run("train", file, *SMALL, "--gaps", "refuse")
    assert status == 1 and "--gaps fill fills them" in err


def test_months_are_steps(run: Any, rng: Any) -> None:
    months = np.arange("2010-01", "2020-01", dtype="datetime64[M]").astype("datetime64[D]")
    values = 10 + np.sin(2 * np.pi * np.arange(120) / 12) + 0.1 * rng.normal(size=120)
    file = written("m.csv", {"month": months.astype(str), "sales": values})
    words = (*SMALL[:4], "--window", "12", "--horizon", "2", "--epochs", "1", "--out", "m.keras")
    status, out, _ = run("train", file, *words)
    assert status == 0 and "12 rows every month of sales" in out and "the value one year before" in out
    run("predict", "m.keras", file, "-o", "o.csv")
    assert [row["month"] for row in rows_of("o.csv")] == ["2020-01-01", "2020-02-01"]


def test_a_model_that_learned_nothing_is_told_so(run: Any, rng: Any) -> None:
    walk = np.cumsum(rng.normal(size=200))
    days = (np.datetime64("2025-01-01") + np.arange(200)).astype(str)
    status, out, _ = run("train", written("w.csv", {"day": days, "sales": walk}), *SMALL, "--out", "m.keras")
    assert status == 0
    assert "The model does NOT beat the last value" in out and "that simple rule serves better" in out


# --- classes, numbers, texts ------------------------------------------------------------------------


def shapes(rng: np.random.Generator, count: int) -> dict[str, Any]:
    x, y = rng.normal(size=(2, count)).round(3)
    kind = rng.choice(["round", "square"], count)
    price = 50 + 10 * x - 5 * y + 8 * (kind == "round")
    return {"x": x, "y": y, "kind": kind, "price": price.round(3)}


def test_rows_are_classified_and_their_classes_written_with_probabilities(run: Any, rng: Any) -> None:
    columns = shapes(rng, 300)
    columns["label"] = np.where(columns.pop("price") > 54, "dear", "cheap")
    file = written("rows.csv", columns)
    words = ("--target", "label", "--task", "classify", "--units", "16", "--epochs", "40", "--learning-rate", "0.01")
    status, out, err = run("train", file, *words, "--out", "m.keras", "--report", "pages")
    assert (status, err) == (0, "")
    assert "x, y, kind = round, kind = square" in out and "The model beats always" in out
    columns.pop("label")
    assert run("predict", "m.keras", written("new.csv", columns), "-o", "o.csv")[0] == 0
    answers = rows_of("o.csv")
    assert len(answers) == 300 and set(answers[0]) == {"row", "label", "p(cheap)", "p(dear)"}
    for row in answers[:20]:
        assert row["label"] == max(("cheap", "dear"), key=lambda name: float(row[f"p({name})"]))
    page = Path("pages/report.html").read_text()
    assert "Confusion matrix" in page and "precision" in page and "http" not in page


def test_a_number_is_predicted_in_its_own_unit(run: Any, rng: Any) -> None:
    file = written("rows.csv", shapes(rng, 400))
    words = ("--target", "price", "--task", "regress", "--units", "16", "--epochs", "60", "--out", "m.keras")
    status, out, _ = run("train", file, *words, "--report", "pages")
    assert status == 0 and "The model beats the mean of the training part" in out
    run("predict", "m.keras", file, "-o", "o.csv")
    predicted = np.array([float(row["price"]) for row in rows_of("o.csv")])
    truth = np.array([float(row["price"]) for row in rows_of(file)])
    assert np.abs(predicted - truth).mean() < 3
    assert "Samples in the order of their truth" in Path("pages/report.html").read_text()


def test_a_group_without_a_target_is_left_out(run: Any, rng: Any) -> None:
    rows = [f"{group},{rng.normal():.3f},{'' if group == 3 else group}" for group in range(40) for _ in range(5)]
    Path("groups.csv").write_text("\n".join(["id,x,size", *rows]))
    words = ("--target", "size", "--task", "regress", "--group", "id", "--units", "4", "--epochs", "1")
    status, out, err = run("train", "groups.csv", *words)
    assert (status, err) == (0, ""), out


def test_all_rows_of_a_group_are_one_sequence(run: Any, rng: Any) -> None:
    rows = [
        (f"s{i}", round(np.sin(t * (1 + i % 2)) + 0.1 * rng.normal(), 3), ["slow", "fast"][i % 2])
        for i in range(120)
        for t in range(rng.integers(5, 12))
    ]
    file = written("seq.csv", dict(zip(("id", "v", "kind"), zip(*rows, strict=True), strict=True)))
    words = ("--target", "kind", "--task", "classify", "--group", "id", "--units", "16", "--epochs", "60")
    status, out, _ = run("train", file, *words, "--out", "m.keras")
    assert status == 0 and "84 to train on, 18 to validate, 18 to test" in out and "The model beats always" in out
    run("predict", "m.keras", file, "-o", "o.csv")
    answers = {row["id"]: row["kind"] for row in rows_of("o.csv")}
    assert len(answers) == 120
    assert np.mean([answers[f"s{i}"] == ["slow", "fast"][i % 2] for i in range(120)]) > 0.8
    one = [row for row in rows if row[0] == "s0"]
    written("one.csv", dict(zip(("id", "v", "kind"), zip(*one, strict=True), strict=True)))
    run("predict", "m.keras", "one.csv", "-o", "o.csv")
    assert rows_of("o.csv")[0]["kind"] == answers["s0"]


def test_a_window_of_rows_says_the_class_of_its_last(run: Any, rng: Any) -> None:
    signal = rng.normal(size=400).round(3)
    label = ["up" if sum(signal[max(0, i - 2) : i + 1]) > 0 else "down" for i in range(400)]
    file = written("s.csv", {"signal": signal, "label": label})
    words = ("--target", "label", "--task", "classify", "--window", "3", "--units", "8", "--epochs", "60")
    status, out, _ = run("train", file, *words, "--out", "m.keras")
    assert status == 0 and "The model beats always" in out
    run("predict", "m.keras", file, "-o", "o.csv")
    answers = rows_of("o.csv")
    assert len(answers) == 398 and answers[0]["row"] == "3"
    assert np.mean([row["label"] == label[int(row["row"]) - 1] for row in answers]) > 0.8


def test_texts_go_into_the_saved_model_as_they_are(run: Any, rng: Any) -> None:
    words = ["the", "a", "film", "it", "was", "and", "of", "day"]
    texts = []
    for i in range(200):
        text = list(rng.choice(words, 6))
        text.insert(int(rng.integers(6)), ["Great,", "awful!"][i % 2])
        texts.append(" ".join(text))
    file = written("t.csv", {"review": texts, "mood": ["good", "bad"] * 100})
    status, out, _ = run(
        "train", file, "--target", "mood", "--task", "text", "--units", "8", "--epochs", "20", "--out", "m.keras"
    )
    assert status == 0 and "7 words of 'review'" in out and "The model beats always" in out
    model = models.load_model("m.keras")
    probabilities = model.predict(np.array([["it was great"], ["it was AWFUL"]], object), verbose=0)
    assert probabilities.argmax(axis=1).tolist() == [1, 0]
    run("predict", "m.keras", file, "-o", "o.csv")
    moods = [row["mood"] for row in rows_of("o.csv")]
    assert np.mean(np.array(moods) == ["good", "bad"] * 100) > 0.95


# --- other files, options ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npz", "npy", "parquet", "tsv"])
def test_other_files_hold_the_same_table(run: Any, rng: Any, kind: str) -> None:
    columns = daily(rng)
    arrays = {"day": np.array(columns["day"], "datetime64[D]"), "sales": np.array(columns["sales"])}
    if kind == "npz":
        np.savez("t.npz", **arrays)
    elif kind == "npy":
        rows = [*zip(*arrays.values(), strict=True)]
        np.save("t.npy", np.array(rows, [("day", "datetime64[D]"), ("sales", float)]))
    elif kind == "tsv":
        written("t.tsv", columns)
        Path("t.tsv").write_text(Path("t.tsv").read_text().replace(",", "\t"))
    else:
        pyarrow = pytest.importorskip("pyarrow", reason="the extra [parquet] is not installed")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(arrays), "t.parquet")
    written("t.csv", columns)
    outputs = []
    for file in (f"t.{kind}", "t.csv"):
        assert run("train", file, *SMALL, "--out", "m.keras")[0] == 0
        assert run("predict", "m.keras", file, "-o", "o.csv")[0] == 0
        outputs.append(Path("o.csv").read_text())
    assert outputs[0] == outputs[1]


def test_parquet_without_pyarrow_says_what_to_install(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    Path("t.parquet").write_bytes(b"PAR1")
    status, _, err = run("train", "t.parquet", *SMALL)
    assert status == 1 and "pip install 'fastgru[parquet]'" in err


def test_a_dry_run_tells_memory_and_time_and_writes_nothing(run: Any, rng: Any, folder: Path) -> None:
    file = written("s.csv", daily(rng))
    status, out, _ = run("train", file, *SMALL, "--dry-run", "--layers", "2", "--bidirectional")
    assert status == 0
    assert "2 x Bidirectional(GRU(4))" in out and "an epoch" in out and "Memory:" in out
    assert [path.name for path in folder.iterdir()] == [file]


def test_a_dry_run_of_series_and_of_sequences(run: Any, rng: Any) -> None:
    columns = daily(rng, 80)
    both = {name: values * 2 for name, values in columns.items()}
    file = written("s.csv", {**both, "shop": ["a"] * 80 + ["b"] * 80})
    assert "an epoch" in run("train", file, *SMALL, "--group", "shop", "--dry-run")[1]
    ids, values = np.repeat(np.arange(20), 4), rng.normal(size=80)
    file = written("q.csv", {"id": ids[:-1], "v": values[:-1], "kind": np.where(ids % 2, "odd", "even")[:-1]})
    words = ("--target", "kind", "--task", "classify", "--group", "id", "--dry-run")
    assert "an epoch" in run("train", file, *words)[1]


def test_what_cannot_be_read_is_left_out_and_said(run: Any, rng: Any) -> None:
    columns = {**daily(rng), "note": [f"remark {i}" for i in range(90)], "empty": [""] * 90, "same": [7] * 90}
    status, out, _ = run("train", written("s.csv", columns), *SMALL, "--out", "m.keras")
    assert status == 0
    assert "Note:           'note' is left out: it holds" in out
    assert "different texts, such as 'remark 0', and at most 50 can be told apart." in out
    assert "'same' is left out: it is the same in all rows of the training part." in out
    assert "Hint:           the last epoch was the best" in out
    assert "'empty' is left out: it holds nothing in the training part" in out


def test_series_that_are_too_short_for_a_forecast_are_left_out_and_said(run: Any, rng: Any) -> None:
    columns = daily(rng)
    shops = ["a"] * 86 + ["b"] * 4
    file = written("s.csv", {**columns, "shop": shops})
    status, out, _ = run("train", file, *SMALL, "--group", "shop", "--out", "m.keras")
    assert status == 0
    status, out, _ = run("predict", "m.keras", file, "-o", "o.csv")
    assert status == 0 and "Note: no forecast for shop b: the last 7 rows" in out
    assert {row["shop"] for row in rows_of("o.csv")} == {"a"}


def test_another_file_may_be_written_otherwise(run: Any, rng: Any) -> None:
    columns = daily(rng)
    assert run("train", written("s.csv", columns), *SMALL, "--out", "m.keras")[0] == 0
    Path("k.csv").write_bytes(Path("s.csv").read_text().replace(",", ";").replace(".", ",").encode("utf-16"))
    for file, words in (("s.csv", ()), ("k.csv", ("--decimal", ","))):
        assert run("predict", "m.keras", file, "-o", f"{file}.npy", *words)[0] == 0
    np.testing.assert_array_equal(np.load("s.csv.npy"), np.load("k.csv.npy"))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "exponential", "plateau"])
def test_schedules_layers_and_seeds(run: Any, rng: Any, schedule: str) -> None:
    file = written("s.csv", daily(rng))
    words = ("--lr-schedule", schedule, "--layers", "2", "--bidirectional", "--seed", "3", "--learning-rate", "0.01")
    for out in ("a.keras", "b.keras"):
        assert run("train", file, *SMALL, "--epochs", "3", *words, "--out", out)[0] == 0
    a, b = (models.load_model(name).get_weights() for name in ("a.keras", "b.keras"))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def test_training_stops_where_the_validation_part_gets_no_better(run: Any, rng: Any) -> None:
    days = (np.datetime64("2025-01-01") + np.arange(200)).astype(str)
    file = written("noise.csv", {"day": days, "sales": rng.normal(size=200)})
    words = (*SMALL[:-1], "300", "--patience", "2", "--learning-rate", "0.05", "--out", "m.keras", "--report", "r")
    assert run("train", file, *words)[0] == 0
    epochs = int(Path("r/report.html").read_text().split(" epochs</td>")[0].rpartition(" ")[2])
    assert 3 <= epochs < 100


def test_a_training_resumes(run: Any, rng: Any) -> None:
    file = written("s.csv", daily(rng))
    command = ("train", file, *SMALL, "--epochs", "2", "--resume", "run", "--out", "m.keras")
    assert run(*command)[0] == 0
    weights = models.load_model("m.keras").get_weights()
    assert run(*command)[0] == 0, "it is over"
    for one, other in zip(weights, models.load_model("m.keras").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_report_of_a_forecast_is_one_page_that_asks_for_nothing(run: Any, rng: Any) -> None:
    file = written("s.csv", daily(rng))
    status, out, _ = run("train", file, *SMALL, "--out", "m.keras", "--report", "some/pages")
    assert status == 0 and "Report:         some/pages/report.html" in out
    page = Path("some/pages/report.html").read_text()
    for part in ("Forecast of sales", "By how far ahead", "By the time at which", "Learning curves", "the last value"):
        assert part in page
    assert "http" not in page and " src=" not in page and "<generator" not in page


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("s.csv", "--task", "forecast"), "expected --target, the column to predict: day, sales."),
        (("s.csv", "--target", "sales"), "expected --task"),
        (("s.csv", "--target", "sales", "--task", "forecast"), "expected --window"),
        (("s.csv", "--target", "sale", *SMALL[2:]), "has no column 'sale'"),
        (("s.csv", *SMALL, "--time", "sales", "--time-format", "%Y"), "in the form '%Y'"),
        (("s.csv", *SMALL, "--time", "dya"), "has no column 'dya'"),
        (("s.csv", *SMALL[:4], "--window", "80", "--horizon", "3"), "has no stretch of 83 rows without a gap"),
        (("s.csv", "--target", "day", *SMALL[2:]), "expected numbers to forecast"),
        (("s.csv", "--target", "sales", "--task", "classify", "--horizon", "3"), "--horizon: is for --task forecast"),
        (("s.csv", "--target", "sales", "--task", "regress", "--stride", "3"), "--stride: is the distance of windows"),
        (("s.csv", *SMALL, "--scale", "3"), "--scale: is for --data"),
        (("s.csv", *SMALL, "--data", "digits"), "got both"),
        (("s.csv", *SMALL, "--out", "m.h5"), "expected a file named *.keras"),
        (("s.csv", *SMALL, "--out", "absent/m.keras"), "--out: expected a folder"),
        (("s.xlsx", *SMALL), "expected a file named *.csv"),
        (("absent.csv", *SMALL), "absent.csv: No such file"),
        (("s.csv", "--target", "sales", "--task", "regress"), "has no column to learn from"),
        (("s.csv", "--target", "sales", "--task", "regress", "--columns", "day"), "holds times"),
        (("s.csv", "--target", "sales", "--task", "classify"), "too many to be classes"),
        (("no_time.csv", *SMALL), "a forecast needs a column of times"),
        (("two_times.csv", *SMALL), "day, other hold times; name the one"),
        (("german.csv", *SMALL), "day or month first"),
        (("double.csv", *SMALL), "--doubles first, last or mean"),
        (("--window", "3"), "--window: belongs to a file of data"),
        (("--data", "digits", "--report", "x"), "--report: belongs to a file of data"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(
    run: Any, rng: Any, folder: Path, words: tuple[str, ...], complaint: str
) -> None:
    columns = daily(rng)
    written("s.csv", columns)
    written("no_time.csv", {"sales": columns["sales"]})
    written("two_times.csv", {**columns, "other": columns["day"]})
    written("german.csv", {**columns, "day": [f"{d[8:]}.{d[5:7]}.{d[:4]}" for d in columns["day"]]})
    written("double.csv", {**columns, "day": [columns["day"][0], *columns["day"][:-1]]})
    before = {path.name for path in folder.iterdir()}
    status, _, err = run("train", *words)
    assert status == 1 and complaint in err and len(err.splitlines()) == 1
    assert {path.name for path in folder.iterdir()} == before


def test_models_without_a_table_say_so(run: Any, rng: Any) -> None:
    file = written("s.csv", daily(rng))
    assert run("train", "--data", "digits", "--units", "4", "--epochs", "1", "--out", "d.keras")[0] == 0
    status, _, err = run("evaluate", "d.keras", file)
    assert status == 1 and "does not say how a table is read" in err
    status, _, err = run("predict", "d.keras", file, "-o", "o.csv")
    assert status == 1 and "was not trained on a table" in err
    status, _, err = run("predict", "d.keras", "x.npy", "-o", "o.npy", "--gaps", "fill")
    assert status == 1 and "--gaps" in err
