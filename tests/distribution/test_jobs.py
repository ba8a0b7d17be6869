"""Jobs of several processes as people run them: files, errors, a process that dies, checkpoints, the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ranks_run as processes

processes.need_mpi()
pytestmark = pytest.mark.slow

# EPOCHS, FOLDER: a training that is saved as it goes; the environment says what happens in it
TRAINING = """
import os, sys, time
import numpy as np
import fastgru
from fastgru import callbacks, distribution
from fastgru.layers import GRU, Dense, Dropout
from fastgru.models import Sequential

epochs, folder, event = int(sys.argv[1]), sys.argv[2], os.environ.get("EVENT", "")
rng = np.random.default_rng(7)
x, y = rng.normal(size=(37, 6, 3)), rng.integers(0, 4, 37)
written = []

class Event(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if distribution.rank() == distribution.size() - 1 and self.epoch == 2 and batch == 1:
            if event == "error":
                raise ValueError("the last rank has had enough")
            if event == "stop":
                self.model.stop_training = True
            if event == "kill":
                open(f"{folder}.pid", "w").write(str(os.getpid()))
                time.sleep(60)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

with distribution.DataParallel():
    fastgru.utils.set_random_seed(5 + distribution.rank() * (event == "seed"))
    units = 8 + distribution.rank() * (event == "model")
    rows = 37 - distribution.rank() * (event == "data")
    layers = [GRU(units, input_shape=(6, 3)), Dropout(0.3), Dense(4, activation="softmax")]
    model = Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x[:rows], y[:rows], batch_size=12, epochs=epochs, verbose=2, validation_data=(x[:9], y[:9]),
        callbacks=[
            callbacks.BackupAndRestore(folder, save_freq=1, delete_checkpoint=False),
            callbacks.CSVLogger(f"{folder}.csv"),
            callbacks.TensorBoard(f"{folder}.logs"),
            callbacks.ModelCheckpoint(f"{folder}.keras", save_best_only=True),
            callbacks.EarlyStopping(patience=3 if event == "early" else 99),
            callbacks.ReduceLROnPlateau(patience=1),
            Event(),
        ],
    )
    model.save(f"{folder}.last.keras")
    numbers = np.hstack([w.ravel() for w in model.get_weights()])
    np.savez(f"{folder}.{distribution.rank()}.npz", w=numbers, loss=history.history["loss"])
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "training.py"
    path.write_text(TRAINING)
    return path


def train(count: int, program: Path, epochs: int, folder: Path, event: str = "") -> Any:
    return processes.run(count, program, str(epochs), folder, env=processes.environment(EVENT=event))


def result(folder: Path, rank: int = 0) -> dict[str, np.ndarray]:
    return dict(np.load(f"{folder}.{rank}.npz"))


def assert_alike(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    for name, expected in theirs.items():
        np.testing.assert_allclose(ours[name], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_training_saved_by_two_goes_on_with_one_and_with_three(program: Path, tmp_path: Path) -> None:
    assert train(1, program, 6, tmp_path / "whole").returncode == 0
    for count, epochs in ((2, 2), (1, 4), (3, 6)):
        done = train(count, program, epochs, tmp_path / "run")
        assert done.returncode == 0, done.stdout + done.stderr
    for rank in range(3):
        assert_alike(result(tmp_path / "run", rank), result(tmp_path / "whole"))


def test_the_first_process_alone_prints_and_writes(program: Path, tmp_path: Path) -> None:
    alone, both = train(1, program, 3, tmp_path / "alone"), train(2, program, 3, tmp_path / "both")
    assert both.returncode == 0, both.stderr
    assert [line.split(" - ")[0] for line in both.stdout.splitlines() if line.startswith("Epoch")] == [
        "Epoch 1/3", "Epoch 2/3", "Epoch 3/3",
    ]  # fmt: skip
    assert len(both.stdout.splitlines()) == len(alone.stdout.splitlines())
    ours, theirs = ((tmp_path / f"{name}.csv").read_text().splitlines() for name in ("both", "alone"))
    assert ours[0] == theirs[0] and len(ours) == len(theirs) == 4
    np.testing.assert_allclose(
        *(np.array([row.split(",") for row in rows[1:]], float) for rows in (ours, theirs)), 1e-5
    )
    for ending in (".keras", ".last.keras"):
        assert (tmp_path / f"both{ending}").is_file()
    for run in ("train", "validation"):
        assert len([*(tmp_path / "both.logs" / run).iterdir()]) == 1, run


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ("model", "have other shapes of weights"),
        ("data", "have other data"),
        ("seed", "have other seeds (5 and 6)"),
        ("error", "fastgru: rank 1 of 2 ended with ValueError: the last rank has had enough; all ranks end with it."),
    ],
)
def test_what_goes_wrong_on_one_process_ends_all_with_a_sentence(
    program: Path, tmp_path: Path, event: str, sentence: str
) -> None:
    began = time.monotonic()
    done = train(2, program, 3, tmp_path / "run", event)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert time.monotonic() - began < 60


def test_one_that_stops_stops_all_in_the_same_batch(program: Path, tmp_path: Path) -> None:
    done = train(2, program, 9, tmp_path / "both", "stop")
    assert done.returncode == 0, done.stderr
    assert train(1, program, 9, tmp_path / "alone", "stop").returncode == 0
    assert len(result(tmp_path / "alone")["loss"]) == 3
    for rank in range(2):
        assert_alike(result(tmp_path / "both", rank), result(tmp_path / "alone"))


def test_a_process_that_is_killed_ends_the_job_and_the_next_goes_on(program: Path, tmp_path: Path) -> None:
    folder, note = tmp_path / "run", tmp_path / "run.pid"
    words = processes.command(2, program, "5", folder)
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env=processes.environment(EVENT="kill"), **pipes) as job:
        until = time.monotonic() + processes.SECONDS
        while not (note.exists() and note.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(int(note.read_text()), signal.SIGKILL)
        _, errors = job.communicate(timeout=20)
    assert job.returncode != 0
    assert "rank 1" in errors and "signal 9" in errors  # mpirun's sentence
    assert not (tmp_path / "run.0.npz").exists()
    done = train(2, program, 5, folder)
    assert done.returncode == 0, done.stderr
    assert "Epoch 1/5" not in done.stdout and "Epoch 3/5" in done.stdout
    assert train(1, program, 5, tmp_path / "whole").returncode == 0
    assert_alike(result(folder), result(tmp_path / "whole"))


def test_an_interrupt_of_one_process_ends_all(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal\nfrom fastgru import distribution\n"
        "with distribution.DataParallel():\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    if distribution.rank():\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    distribution.current().wait()\n"
    )
    done = processes.run(2, program, timeout=30)
    assert done.returncode == 130
    assert "fastgru: rank 1 of 2 ended with Ctrl-C; all ranks end with it." in done.stderr


def test_one_that_is_left_alone_says_so(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import time\nimport numpy as np\nfrom fastgru import distribution\nfrom fastgru.distribution import watch\n"
        "from fastgru.layers import Dense\nfrom fastgru.models import Sequential\n"
        "watch.PATIENCE = 0.3\n"
        "with distribution.DataParallel():\n"
        "    model = Sequential([Dense(1, input_shape=(2,))])\n"
        "    model.compile('sgd', 'mse')\n"
        "    time.sleep(2.0 * distribution.rank())\n"
        "    model.evaluate(np.ones((4, 2)), np.ones((4, 1)), verbose=0)\n"
    )
    done = processes.run(2, program)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("evaluate: rank 0 has waited 0 s for the other ranks") == 1


def test_one_that_catches_its_own_error_does_not_hold_up_the_others_for_ever(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import numpy as np\nfrom fastgru import callbacks, distribution\nfrom fastgru.distribution import watch\n"
        "from fastgru.layers import Dense\nfrom fastgru.models import Sequential\n"
        "watch.PATIENCE = 0.3\n"
        "class Event(callbacks.Callback):\n"
        "    def on_train_batch_end(self, batch, logs=None):\n"
        "        if batch == 1 and distribution.rank():\n"
        "            raise ValueError('its own')\n"
        "with distribution.DataParallel(timeout=2):\n"
        "    model = Sequential([Dense(1, input_shape=(2,))])\n"
        "    model.compile('sgd', 'mse')\n"
        "    try:\n"
        "        model.fit(np.ones((40, 2)), np.ones((40, 1)), batch_size=4, verbose=0, callbacks=[Event()])\n"
        "    except ValueError:\n"
        "        pass\n"
    )
    done = processes.run(2, program, timeout=60)
    assert done.returncode == 1
    assert "DataParallel: rank 0 has waited 0 s for the other ranks, and waits on for at most 2 s" in done.stderr
    assert "has waited 2 s for the other ranks, and ends all; give DataParallel a longer timeout" in done.stderr


def test_processes_that_train_apart_say_so_once(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nimport numpy as np\nfrom fastgru.layers import Dense\nfrom fastgru.models import Sequential\n"
        "model = Sequential([Dense(1, input_shape=(2,))])\n"
        "model.compile('sgd', 'mse')\n"
        "for _ in range(2):\n"
        "    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)\n"
        "assert 'mpi4py' not in sys.modules\n"
    )
    done = processes.run(2, program)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("fit: mpirun started 2 processes, and each of them trains alone") == 1
    assert processes.run(1, program).stderr == ""


def test_the_command_shares_the_work(tmp_path: Path) -> None:
    lines = {}
    for count in (1, 2):
        words = ["-m", "fastgru", "train", "--data", "digits", "--epochs", "2", "--units", "8", "--out"]
        done = processes.run(count, *words, tmp_path / f"{count}.keras")
        assert done.returncode == 0, done.stderr
        lines[count] = done.stdout.splitlines()
        assert (tmp_path / f"{count}.keras").is_file()
    tests = [next(line for line in lines[count] if line.startswith("Test accuracy")) for count in lines]
    assert tests[0] == tests[1]
    assert any("2 processes of 1 thread" in line for line in lines[2])
    assert len(lines[2]) == len(lines[1])


def test_the_command_fails_in_a_sentence(tmp_path: Path) -> None:
    words = ["-m", "fastgru", "train", tmp_path / "none.csv", "--target", "a", "--task", "regress"]
    done = processes.run(2, *words)
    assert done.returncode != 0
    assert " of 2 ended with FileNotFoundError: " in done.stderr and "none.csv" in done.stderr
    assert "Traceback" not in done.stderr


def test_threads_are_shared_out_among_the_processes_of_a_machine(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import fastgru\nfrom fastgru import distribution, threads\n"
        "with distribution.DataParallel():\n"
        "    assert 1 <= fastgru.get_num_threads() <= max(1, threads.available_cpus() // 2), threads.available_cpus()\n"
        "assert fastgru.get_num_threads() == threads.available_cpus()\n"
    )
    environment = processes.environment(OMPI_MCA_hwloc_base_binding_policy="none")
    del environment["FASTGRU_NUM_THREADS"]
    done = processes.run(2, program, env=environment)
    assert done.returncode == 0, done.stderr


def test_without_mpirun_mpi_is_not_loaded(tmp_path: Path) -> None:
    program = (
        "import sys, fastgru\n"
        "with fastgru.distribution.DataParallel():\n"
        "    assert (fastgru.distribution.rank(), fastgru.distribution.size()) == (0, 1)\n"
        "assert 'mpi4py' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        ("sys.modules['mpi4py'] = None", "mpirun started 2 processes, which need mpi4py to train together"),
        ("pass", "mpirun started 2 processes, but mpi4py sees one: it is built for another MPI"),
    ],
)
def test_an_mpi_that_cannot_join_them_is_an_error(before: str, sentence: str, tmp_path: Path) -> None:
    program = f"import sys, fastgru\n{before}\nwith fastgru.distribution.DataParallel(): pass"
    variables = {name: value for name, value in processes.environment().items() if "COMM_WORLD" not in name}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**variables, "PMI_SIZE": "2"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
