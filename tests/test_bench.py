"""The race is fair, counts right, and writes down what it saw; how fast anything is, is not tested."""

from __future__ import annotations

import itertools
import json
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from paths import ROOT

# at the end, so that an installed fastgru comes first
sys.path.append(str(ROOT))

from bench import __main__ as main
from bench import chart, jobs, load, network, process, profile, programs, race, report, stored, tables
from bench.jobs import cold, memory, scale
from bench.outcome import Outcome, Result, Settings, amount, counted, duration, times

WHERE = {"cpu": "A CPU", "threads": 2, "python": "3.12", "date": "2026-01-02T03:04:05", "commit": "abc"}


def an_outcome() -> Outcome:
    outcome = Outcome("train", "an epoch", work={"": 8e9}, samples={"": 10}, sgemm={"": [10e9, 10e9, 10e9]})
    outcome.versions = {"fastgru": {"fastgru": "1.0"}, "keras_jax": {"keras": "3.0", "jax": "0.1"}}
    outcome.results = [
        Result("fastgru", "", "fit", [1.0, 1.1, 0.9], check={"accuracy": 0.5}),
        Result("fastgru", "", "other", [0.5] * 3, plain=False),
        Result("keras_jax", "", "fit", [4.0, 4.2, 3.8]),
        Result("keras_jax", "", "own loop", [3.0, 3.3, 2.7], plain=False),
    ]
    return outcome


# --- counting -----------------------------------------------------------------------------------------


def test_the_mnist_model_takes_the_operations_that_its_products_do() -> None:
    inputs, states, head = 28 * 2 * 28 * 384, 27 * 2 * 128 * 384, 2 * 128 * 10
    assert network.flops(28, 128, 10, 28) == inputs + states + head
    assert network.flops(28, 128, 10, 28, training=True) == 2 * inputs + 3 * states + 3 * head


def test_the_second_layer_needs_the_gradient_of_its_inputs() -> None:
    one, two = (network.flops(8, 8, 0, 5, layers, training=True) for layers in (1, 2))
    assert two == 2 * one + 5 * 2 * 8 * 24


def test_a_network_survives_its_way_through_a_file() -> None:
    drawn = network.draw(3, 5, 2, layers=2)
    again = network.from_arrays(drawn.arrays() | {"x": np.zeros(1)})
    assert [cell.kernel.shape for cell in again.cells] == [(3, 15), (5, 15)]
    assert again.classes == 2
    for old, new in zip(drawn.arrays().values(), again.arrays().values(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_peers_race_at_their_best_and_fastgru_as_it_comes() -> None:
    outcome = an_outcome()
    assert outcome.ratios("keras_jax") == pytest.approx({"": 3.0})
    assert outcome.best("", "fastgru") is outcome.results[0]
    assert outcome.sgemm_share(outcome.results[0]) == pytest.approx(0.8)


def test_a_ratio_is_the_quotient_of_the_medians_beside_it() -> None:
    outcome = Outcome("latency", "an image")
    outcome.results = [Result("fastgru", "", "w", [1.0, 2.0, 4.0]), Result("openvino", "", "w", [4.0, 3.0, 2.0])]
    assert outcome.ratios("openvino") == {"": 1.5}


def test_a_machine_that_slows_down_changes_no_ratio() -> None:
    outcome = an_outcome()
    for result in outcome.results:
        result.values = [result.values[0], 2 * result.values[0], 2 * result.values[0]]
    outcome.sgemm[""] = [10e9, 5e9, 5e9]
    assert outcome.ratios("keras_jax") == pytest.approx({"": 3.0})
    assert outcome.sgemm_share(outcome.results[0]) == pytest.approx(0.8)


def test_the_closest_sizes_come_first() -> None:
    outcome = Outcome("scale", "sizes")
    for task, ratio in (("a", 3.0), ("b", 0.5), ("c", 1.0)):
        outcome.results += [Result("fastgru", task, "w", [2.0]), Result("openvino", task, "w", [2.0 * ratio])]
    assert outcome.closest(2) == ["b", "c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((duration(seconds), text) for seconds, text in ((12.3456, "12.3 s"), (0.9996, "1 s"), (0.0123, "12.3 ms"))),
        (duration(6.1e-5), "61 us"),
        *((times(ratio), text) for ratio, text in ((1.03, "1.03"), (0.699, "0.70"), (9.996, "10.0"), (20.12, "20.1"))),
        *((counted(n, "thread"), text) for n, text in ((1, "1 thread"), (2, "2 threads"), (10_000, "10,000 threads"))),
        (amount(3 * 2**30, "bytes"), "3,072 MiB"),
    ],
)
def test_amounts_have_three_digits_and_a_unit(text: str, expected: str) -> None:
    assert text == expected


def test_a_grid_has_everything_and_nothing_that_takes_forever() -> None:
    grid = scale.sizes(quick=False)
    assert {size.kind for size in grid} == {"predict", "masked", "bidirectional", "train"}
    assert {size.layers for size in grid} == {1, 2, 3, 4}
    assert {1, 1024} <= {size.B for size in grid}
    assert {10, 2000} <= {size.T for size in grid}
    assert {16, 1024} <= {size.H for size in grid}
    assert len(set(map(str, grid))) == len(grid)


def test_masks_are_right_padded_and_never_empty() -> None:
    arrays = scale.data(scale.Size("masked", 30, 50, 4))
    assert arrays["mask"].any(axis=1).all()
    np.testing.assert_array_equal(arrays["mask"].sum(axis=1), arrays["lengths"])
    assert (np.diff(arrays["mask"].astype(int), axis=1) <= 0).all()


# --- fairness -----------------------------------------------------------------------------------------


def test_no_engine_sees_what_steers_openblas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    environment = process.environment(3)
    assert "OPENBLAS_CORETYPE" not in environment
    assert environment["OPENBLAS_NUM_THREADS"] == environment["FASTGRU_NUM_THREADS"] == "3"
    assert process.removed()["OPENBLAS_CORETYPE"] == "Haswell"
    assert report.machine(3)["removed_for_engines"]["OPENBLAS_CORETYPE"] == "Haswell"


def test_an_engine_that_is_not_installed_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "missing", lambda name: [] if name == "fastgru" else ["this", "that"])
    outcome, lines = Outcome("predict", ""), []
    assert race.installed(outcome, Settings(["fastgru", "openvino"], 1), lines.append) == ["fastgru"]
    assert lines == outcome.notes == ["OpenVINO: skipped, this and that not installed"]


class FakeWorker:
    """Engines whose variants and outputs the test sets; notes who ran."""

    outputs: ClassVar[dict[str, dict[str, float | None]]] = {}
    runs: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, engine: str, threads: int, folder: Path) -> None:
        self.engine = engine

    def ask(self, do: str, **arguments: Any) -> Any:
        variants = self.outputs.get(self.engine, {"sgemm": 0.0})
        if "dies" in variants and do == "run":
            raise process.DiedError(self.engine, "out of memory")
        if do == "prepare":
            answers = {f"{n}.0": np.full(3, value) for n, value in enumerate(variants.values()) if value is not None}
            if self.engine == race.YARDSTICK:
                answers = {}
            np.savez(arguments["answers"], **answers)
            failed = {name: "it broke" for name, value in variants.items() if value is None}
            # the later a variant stands, the quicker it is
            trials = {name: None if name in failed else 1.0 / (n + 1) for n, name in enumerate(variants)}
            return {"trials": trials, "failed": failed}
        if do == "run":
            self.runs.append((self.engine, arguments["variant"]))
            return 1.0
        return {}

    def end(self) -> None:
        pass


@pytest.fixture
def run_fakes(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(outputs: dict[str, dict[str, float | None]], rounds: int = 1) -> Outcome:
        monkeypatch.setattr(race, "Worker", FakeWorker)
        monkeypatch.setattr(FakeWorker, "outputs", outputs)
        monkeypatch.setattr(FakeWorker, "runs", [])
        outcome = Outcome("predict", "")
        with race.Race(outcome, list(outputs), Settings(list(outputs), 1), 0.1, lambda line: None) as running:
            running.run("predict", {}, rounds)
        return outcome

    return run


def test_engines_take_turns_with_the_yardstick(run_fakes: Any) -> None:
    run_fakes({"fastgru": {"a": 1.0}, "pytorch": {"b": 1.0}}, rounds=2)
    assert [engine for engine, _variant in FakeWorker.runs] == ["fastgru", "pytorch", "scipy_blas"] * 2


def test_each_engine_races_in_its_plainest_and_its_quickest_variant(run_fakes: Any) -> None:
    outcome = run_fakes({"fastgru": {"a": 1.0, "b": 1.0, "c": 1.0}})
    assert [(result.variant, result.plain) for result in outcome.results] == [("a", True), ("c", False)]


def test_nothing_is_timed_where_numbers_differ(run_fakes: Any) -> None:
    with pytest.raises(RuntimeError, match=r"OpenVINO, b: its numbers differ by 0\.001"):
        run_fakes({"fastgru": {"a": 0.5}, "openvino": {"b": 0.501}})
    assert not FakeWorker.runs


def test_fastgru_is_never_timed_in_a_variant_that_contradicts_itself(run_fakes: Any) -> None:
    with pytest.raises(RuntimeError, match=r"fastgru, b: its numbers differ by 0\.5"):
        run_fakes({"fastgru": {"a": 0.5, "b": 1.0}, "openvino": {"c": 0.5}})


def test_a_variant_whose_numbers_differ_is_left_out_where_another_agrees(run_fakes: Any) -> None:
    outcome = run_fakes({"fastgru": {"a": 0.5}, "openvino": {"b": 0.5, "c": 0.9}, "pytorch": {"d": 0.9}})
    assert [(result.engine, result.variant) for result in outcome.results] == [("fastgru", "a"), ("openvino", "b")]
    why = "its numbers differ by 0.4 from those of the first engine, more than 0.0001; left out"
    assert outcome.notes == [f"OpenVINO, c: {why}", f"PyTorch nn.GRU, d: {why}"]
    assert "pytorch" not in outcome.differences[""]


def test_nan_is_no_agreement(run_fakes: Any) -> None:
    with pytest.raises(RuntimeError, match="differ by nan"):
        run_fakes({"fastgru": {"a": 0.5}, "openvino": {"b": float("nan")}})


def test_a_variant_that_fails_is_left_out_with_a_line(run_fakes: Any) -> None:
    outcome = run_fakes({"fastgru": {"a": 1.0}, "openvino": {"b": None, "c": 1.0}})
    assert [result.variant for result in outcome.results] == ["a", "c"]
    assert outcome.notes == ["OpenVINO, b: left out, it broke"]


def test_a_peer_that_dies_is_left_out_and_the_race_goes_on(run_fakes: Any) -> None:
    outcome = run_fakes({"fastgru": {"a": 1.0}, "openvino": {"dies": 1.0}, "pytorch": {"b": 1.0}}, rounds=2)
    assert [(result.engine, len(result.values)) for result in outcome.results] == [("fastgru", 2), ("pytorch", 2)]
    assert outcome.notes == ["OpenVINO failed: out of memory; left out from here on"]


def test_without_fastgru_there_is_no_race(run_fakes: Any) -> None:
    with pytest.raises(RuntimeError, match="fastgru failed"):
        run_fakes({"fastgru": {"dies": 1.0}})


def test_a_race_that_begins_anew_tells_nothing_twice(run_fakes: Any) -> None:
    outcome = run_fakes({"fastgru": {"a": 1.0}, "openvino": {"b": None, "c": 1.0}, "pytorch": {"dies": 1.0}})
    assert outcome.notes == [
        "OpenVINO, b: left out, it broke",
        "PyTorch nn.GRU failed: out of memory; left out from here on",
    ]


def test_no_engine_that_can_do_a_job_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="nobody to race"):
        race.installed(Outcome("train", ""), Settings(["onnxruntime"], 1), print, "train")


def fake_fresh(broken: str, wrong: str) -> Any:
    """`process.fresh` with an engine whose program fails to predict many, and one whose numbers are wrong."""

    def fresh(module: str, arguments: list[str], threads: int) -> tuple[float, str]:
        if module not in ("save", "train"):
            x = np.load(arguments[1])
            if module == broken and len(x) > 1:
                raise RuntimeError("killed by SIGKILL")
            np.save(arguments[2], np.full(len(x), float(module == wrong)))
        return 1.0, str(2**20)

    return fresh


@pytest.mark.parametrize("job", [cold, memory])
def test_a_peer_whose_program_fails_is_left_out_and_the_job_goes_on(monkeypatch: pytest.MonkeyPatch, job: Any) -> None:
    fresh = fake_fresh("pytorch", wrong="openvino")
    for module in (programs, memory):
        monkeypatch.setattr(module, "fresh", fresh)
    monkeypatch.setattr(race, "missing", lambda name: [])
    outcome = job.run(Settings(["fastgru", "pytorch", "openvino"], 1, rounds=2, quick=True), lambda line: None)
    assert all(len(result.values) == 2 for result in outcome.results)
    why = "its numbers differ by 1 from those of the first engine"
    notes = [f"OpenVINO failed: {why}; left out from here on"]
    if job is memory:
        notes.append("PyTorch nn.GRU failed: killed by SIGKILL; left out from here on")
    assert outcome.notes == notes
    assert outcome.engines == (["fastgru"] if job is memory else ["fastgru", "pytorch"])


def test_without_fastgru_s_program_there_is_no_race(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "fresh", fake_fresh("fastgru", wrong=""))
    with pytest.raises(RuntimeError, match="fastgru failed: killed by SIGKILL"):
        memory.run(Settings(["fastgru"], 1, quick=True), lambda line: None)


# --- processes ----------------------------------------------------------------------------------------


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[process.Worker]:
    worker = process.Worker("scipy_blas", 1, tmp_path)
    worker.ask("versions")
    yield worker
    worker.end()


def state(pid: int) -> str:
    """What Linux calls it: T is stopped, Z is ended; nothing if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def in_time(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@on_linux
def test_a_worker_is_stopped_between_its_runs(worker: process.Worker) -> None:
    assert in_time(lambda: state(worker._process.pid) == "T")
    assert "scipy" in worker.ask("versions")
    assert in_time(lambda: state(worker._process.pid) == "T")


@on_linux
def test_a_killed_worker_is_told_by_its_signal(worker: process.Worker) -> None:
    worker._process.kill()
    with pytest.raises(process.DiedError, match="killed by SIGKILL"):
        worker.ask("versions")


def test_a_worker_that_hangs_is_given_up(
    worker: process.Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "data.npz")
    monkeypatch.setattr(process, "_MINUTES_TO_PREPARE", 0.01)
    with pytest.raises(process.DiedError, match=r"no answer in 0\.01 minutes"):
        worker.ask("prepare", job="sgemm", data=str(tmp_path / "data.npz"), answers="", seconds=100)


@pytest.mark.slow
@on_linux
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_a_run_that_is_ended_leaves_no_worker_behind(tmp_path: Path, name: str) -> None:
    words = ["latency", "--quick", "--rounds", "100000", "--engines", "fastgru", "--json", str(tmp_path / "b.json")]
    command = [sys.executable, "-m", "bench", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout
        assert any(line.startswith("round 3") for line in run.stdout)
        workers = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        assert len(workers) == 2
        run.send_signal(getattr(signal, name))
        run.communicate()
    assert run.returncode == (143 if name == "SIGTERM" else -signal.SIGKILL)
    assert in_time(lambda: all(state(int(pid)) in ("", "Z") for pid in workers))


# --- load ---------------------------------------------------------------------------------------------


class Answering(socketserver.StreamRequestHandler):
    """A service that sends back what it got, the answer in two pieces, and refuses a request that says so."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            fields = dict(line.decode().lower().split(": ", 1) for line in iter(self.rfile.readline, b"\r\n"))
            assert line.startswith(b"POST /v2/models/model/infer ")
            body = self.rfile.read(int(fields["content-length"]))
            status = b"200 OK" if body[-4:] != b"\0\0\0\0" else b"429 Too Many Requests"
            self.wfile.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: %d\r\n\r\n" % len(body))
            self.wfile.write(body)


@pytest.fixture
def echoing() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_clients_get_the_answers_to_their_own_requests(echoing: int) -> None:
    rows = [np.full((1, 2, 3), number + 1, np.float32) for number in range(20)]
    done = load.drive(echoing, load.numbered([load.request(row) for row in rows]), clients=3)
    assert len(done.latencies) == 20 and 0 < max(done.latencies) <= done.seconds
    assert [load.answer(done.answers[n], 2).tolist() for n in range(20)] == [[n + 1, n + 1] for n in range(20)]


def test_clients_ask_for_as_long_as_they_should(echoing: int) -> None:
    request = load.request(np.ones((1, 2, 3), np.float32))
    done = load.drive(echoing, load.numbered([request], 0.2), clients=2)
    assert done.seconds >= 0.2 and len(done.latencies) > 10


def test_a_refused_request_is_an_error_of_the_load(echoing: int) -> None:
    with pytest.raises(RuntimeError, match="429 Too Many"):
        load.drive(echoing, load.numbered([load.request(np.zeros((1, 2, 3), np.float32))]), clients=1)


# --- what is written ----------------------------------------------------------------------------------


def test_how_far_numbers_differ_is_told_before_and_after_updates() -> None:
    outcome = an_outcome()
    outcome.differences = {"": {"fastgru": 0.0, "keras_jax": 3e-7}}
    outcome.differences_trained = {"": {"fastgru": 0.0, "keras_jax": 2e-4}}
    assert "numbers of all engines: equal within 3e-07, after updates within 0.0002" in list(report.lines(outcome))


def test_the_json_file_holds_every_run_and_difference(tmp_path: Path) -> None:
    outcome = an_outcome()
    outcome.differences_trained = {"": {"fastgru": 0.0, "keras_jax": 2e-4}}
    report.write_json(tmp_path / "b.json", [outcome], WHERE)
    job = json.loads((tmp_path / "b.json").read_text())["jobs"]["train"]
    own = job["results"][0]
    assert (own["way"], own["values"], own["median"], own["ratio"]) == ("fit", [1.0, 1.1, 0.9], 1.0, 1.0)
    assert own["share_of_sgemm"] == pytest.approx(0.8)
    assert job["differences_trained"][""]["keras_jax"] == 2e-4


def test_stored_results_are_read_as_they_were_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    sizes = Outcome("scale", "sizes")
    for steps, batch in itertools.product((10, 50), (1, 32)):
        task = f"predict T={steps} B={batch} H=128"
        sizes.results += [Result("fastgru", task, "w", [1.0]), Result("openvino", task, "w", [2.0])]
    report.write_json(tmp_path / "b.json", [an_outcome(), sizes], WHERE)
    assert stored.outcomes(tmp_path / "b.json") == ([an_outcome(), sizes], WHERE)
    monkeypatch.setattr(stored, "RESULTS", tmp_path)
    drawn = stored.draw_all(tmp_path / "charts")
    assert [file.name for file in drawn] == [
        f"{name}.svg" for name in ("train", "scale", "scale-batch", "scale-steps", "speed")
    ]
    assert "Keras on JAX" in drawn[0].read_text() and "OpenVINO" in drawn[2].read_text()
    assert drawn[0].read_bytes() == stored.draw_all(tmp_path / "again")[0].read_bytes()


def test_the_charts_of_the_documentation_are_of_results_in_the_checkout() -> None:
    jobs = {outcome.job for path in stored.RESULTS.glob("*.json") for outcome in stored.outcomes(path)[0]}
    page = (ROOT / "docs/measured.md").read_text()
    assert set(re.findall(r"_made/(\w+)\.svg", page)) <= jobs


def a_race_of(job: str, tasks: list[str], check: dict[str, float]) -> Outcome:
    outcome = Outcome(job, "things", samples=dict.fromkeys(tasks, 10), notes=["a note"])
    for task in tasks:
        outcome.results += [
            Result(engine, task, "w", [seconds], check=check)
            for engine, seconds in (("fastgru", 1e-3), ("onnxruntime", 2e-3))
        ]
    return outcome


@pytest.mark.parametrize(
    ("job", "line"),
    [
        ("step", "| ONNX Runtime | 3 us (2.00x) | 3 us (2.00x) |"),
        ("stream", "| a | 100 us, 10,000/s | 200 us, 5,000/s (2.00x) |"),
        ("serve", "| a | 1,000/s, p99 5 us | 500/s, p99 5 us (2.00x) |"),
        ("bridge", "| a | 2 ms | 1 ms | 2.00 |"),
    ],
)
def test_the_tables_of_the_documentation_are_made_of_the_stored_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, line: str
) -> None:
    check = {"p50": 3e-6, "p99": 5e-6, "p99.9": 7e-6, "max": 9e-6, "steps": 1000}
    report.write_json(tmp_path / "b.json", [a_race_of(job, ["a", "b"], check)], WHERE)
    monkeypatch.setattr(stored, "RESULTS", tmp_path)
    tables.write(tmp_path)
    text = (tmp_path / f"{job}.md").read_text()
    assert line in text.splitlines()
    assert text.startswith("*A CPU, 2026-01-02, commit abc.*") and text.endswith("- a note\n")
    page = (ROOT / "docs/measured.md").read_text()
    assert f"_made/{job}.md" in page and {file.stem for file in tmp_path.glob("*.md")} <= {
        *re.findall(r"_made/(\w+)\.md", page)
    }


def test_many_sizes_without_a_peer_are_all_told() -> None:
    outcome = Outcome("scale", "sizes", results=[Result("fastgru", f"size {n}", "w", [1.0]) for n in range(8)])
    assert [row[0] for row in report.rows(outcome)] == [f"size {n}" for n in range(8)]
    assert list(report.lines(outcome)) == []


def test_many_sizes_are_told_by_the_five_worst() -> None:
    outcome = Outcome("scale", "sizes")
    for number in range(8):
        task = f"size {number}"
        outcome.results += [Result("fastgru", task, "w", [1.0]), Result("openvino", task, "w", [8.0 - number])]
    assert list(dict.fromkeys(row[0] for row in report.rows(outcome))) == [f"size {n}" for n in (7, 6, 5, 4, 3)]
    assert "OpenVINO: 1.00 to 8.00, median 4.50, ahead at 0 of 8 sizes" in list(report.lines(outcome))


def test_the_chart_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    many = Outcome("scale", "sizes")
    for number in range(8):
        many.results += [Result("fastgru", f"{number}", "w", [1.0]), Result("openvino", f"{number}", "w", [2.0])]
    file = tmp_path / "b.png"
    assert chart.draw(file, [an_outcome(), many], WHERE) == f"Saved: {file}"
    assert file.read_bytes().startswith(b"\x89PNG")


def test_one_extreme_peer_leaves_the_other_bars_long_enough_to_see() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    values = {"fastgru": 1.0, "pytorch": 2.0, "openvino": 1000.0}
    outcome = Outcome("cold", "t", results=[Result(engine, "", "w", [value]) for engine, value in values.items()])
    axis = figure.subplots()
    chart._bars(axis, outcome, "", 3)
    own, _pytorch, extreme = (bar.get_width() for bar in axis.patches)
    assert extreme == 12 * own
    assert "1e+03 s  (1000.0x)" in [text.get_text() for text in axis.texts]


def test_without_matplotlib_there_is_a_line_instead_of_a_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart.importlib.util, "find_spec", lambda name: None)
    assert "matplotlib is not installed" in chart.draw(tmp_path / "b.png", [an_outcome()], WHERE)


def test_c_functions_are_sorted_by_what_they_do() -> None:
    report_lines = """
# Overhead  Shared Object     Symbol
    40.00%  _float32_avx512.cpython-311-x86_64-linux-gnu.so  [.] tile_product
    20.00%  libscipy_openblas.so  [.] sgemm_kernel_SKYLAKEX
     8.00%  libscipy_openblas.so  [.] sgemm_itcopy_SKYLAKEX
     9.00%  _float32_avx512.cpython-311-x86_64-linux-gnu.so  [.] __pyx_f_7fastgru_7kernels_8_kernels_activate
     7.00%  _float32_avx512.cpython-311-x86_64-linux-gnu.so  [.] __pyx_f_7fastgru_7kernels_8_kernels_adam_block
     6.00%  _runtime.cpython-311-x86_64-linux-gnu.so  [.] pool_worker
     5.00%  libpython3.11.so.1.0  [.] _PyEval_EvalFrameDefault
"""
    functions = profile.parse(report_lines)
    assert functions[3] == (0.09, "_float32_avx512.cpython-311-x86_64-linux-gnu.so", "activate")
    shares = {name: share for name, share in profile.parts(functions).items() if share}
    assert shares == pytest.approx(
        {
            "products": 0.6,
            "packing and transposing": 0.08,
            "gates, forward and backward": 0.09,
            "optimizer": 0.07,
            "waiting for the other threads": 0.06,
            "Python and numpy": 0.05,
        }
    )


# --- the whole of it ----------------------------------------------------------------------------------


def run_bench(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_a_quick_run_of_all_jobs_writes_its_results(tmp_path: Path) -> None:
    files = {"json": str(tmp_path / "bench.json"), "plot": str(tmp_path / "bench.png")}
    words = ["--quick", "--rounds", 2, "--threads", 1, "--engines", "fastgru"]
    done = run_bench(*words, "--json", files["json"], "--plot", files["plot"])
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(Path(files["json"]).read_text())
    assert content["threads"] == 1
    assert {"cpu", "date", "commit", "python"} <= content.keys()
    left_out = {"bridge"} if find_spec("uvicorn") else {"bridge", "serve"}
    assert list(content["jobs"]) == [name for name in jobs.JOBS if name not in left_out]
    for job in content["jobs"].values():
        assert job["results"]
        for result in job["results"]:
            assert result["engine"] == "fastgru"
            assert len(result["values"]) == 2
            assert min(result["values"]) > 0
    assert 0 <= content["jobs"]["train"]["results"][0]["check"]["accuracy"] <= 1


@pytest.mark.slow
def test_a_quick_profile_tells_the_shares() -> None:
    done = run_bench("profile", "--quick", "--threads", 1)
    assert (done.returncode, done.stderr) == (0, "")
    assert "gru_forward" in done.stdout and "Python and numpy" in done.stdout


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["trian"], "unknown job 'trian': choose from train, small"),
        (["--rounds", "0"], "argument --rounds: 0 is no positive whole number"),
        (["--threads", "two"], "argument --threads: two is no positive whole number"),
        (["--threads", "4096"], "argument --threads: 4096 are more than the"),
        (["--json", "missing/b.json"], "there is no folder missing to write b.json into"),
        (["--plot", "missing/b.png"], "there is no folder missing to write b.png into"),
        (["--json", "b.png"], "the JSON file and the chart cannot both be b.png"),
    ],
)
def test_what_cannot_be_done_is_told_before_the_race(words: list[str], complaint: str) -> None:
    done = run_bench("latency", *words)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stdout == ""


def test_a_job_that_no_engine_can_do_is_told(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    done = run_bench("train", "--quick", "--engines", "onnxruntime", "--json", tmp_path / "b.json")
    assert (done.returncode, done.stderr) == (1, "bench: train: nobody to race\n")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def main_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`main` with words, in this process, whose CPUs and signals it leaves alone."""
    monkeypatch.setattr(main.os, "sched_setaffinity", lambda *_cpus: None, raising=False)
    monkeypatch.setattr(main.signal, "signal", lambda *_handler: None)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        return main.main()

    return call


def test_a_job_that_is_interrupted_takes_no_other_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main_here: Callable[..., int]
) -> None:
    def run(name: str, *_others: object) -> Outcome:
        if name == "small":
            raise KeyboardInterrupt
        return an_outcome()

    monkeypatch.setattr(main.jobs, "run", run)
    file = tmp_path / "b.json"
    assert main_here("train", "small", "--json", str(file)) == 130
    assert list(json.loads(file.read_text())["jobs"]) == ["train"]


def test_an_engine_named_twice_races_once_and_fastgru_first(
    monkeypatch: pytest.MonkeyPatch, main_here: Callable[..., int]
) -> None:
    racing = []
    monkeypatch.setattr(main, "_race", lambda options, console: racing.append(options.engines) or 0)
    assert main_here("--engines", "pytorch", "fastgru", "pytorch") == 0
    assert racing == [["fastgru", "pytorch"]]


def test_the_installed_package_is_not_hidden_by_the_checkout(tmp_path: Path) -> None:
    """With an installed fastgru elsewhere, `python -m bench` in the root takes that one."""
    installed = tmp_path / "fastgru"
    installed.mkdir()
    (installed / "__init__.py").touch()
    program = "import bench, fastgru; print(fastgru.__file__)"
    command = [sys.executable, "-S", "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {program}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == installed
