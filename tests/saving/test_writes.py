"""Whoever saves replaces a file whole or not at all, and nothing but a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from paths import FILES

from fastgru import cli
from fastgru.callbacks import ModelCheckpoint
from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential, load_model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs FIFOs, links, modes and signals")

Save = Callable[[Path], object]


def small_model() -> Sequential:
    model = Sequential([Input((4, 3)), GRU(5), Dense(2)])
    model.compile("sgd", "mse")
    return model


def checkpoint(path: Path) -> None:
    rng = np.random.default_rng(0)
    callback = ModelCheckpoint(path)
    small_model().fit(rng.normal(size=(4, 4, 3)), rng.normal(size=(4, 2)), verbose=0, callbacks=[callback])


def command(*arguments: object) -> None:
    if cli.main([*map(str, arguments)]):
        raise OSError


def predict(path: Path) -> None:
    np.save(path.parent / "x.npy", np.zeros((2, 4, 3), np.float32))
    model = path.parent / "to_predict.keras"
    small_model().save(model)
    command("predict", model, path.parent / "x.npy", "--out", path)


WRITERS: dict[str, tuple[str, Save]] = {
    "save": ("m.keras", lambda path: small_model().save(path)),
    "save as legacy": ("m.h5", lambda path: small_model().save(path)),
    "save_weights": ("m.weights.h5", lambda path: small_model().save_weights(path)),
    "ModelCheckpoint": ("m.keras", checkpoint),
    "convert": ("m.keras", lambda path: command("convert", FILES / "reset_after.h5", path)),
    "predict": ("y.npy", predict),
}


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_a_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


def a_link_to_a_device(path: Path) -> None:
    # a terminal: where the save is not refused, nothing can be put in its place either, as it could for /dev/null
    _, terminal = os.openpty()
    path.symlink_to(os.ttyname(terminal))


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("place", [a_fifo, a_link_to_a_fifo, a_link_to_a_device, a_folder])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_no_regular_file_stays(
    writer: str, place: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, save = WRITERS[writer]
    path = tmp_path / name
    place(path)
    before = path.lstat(), path.stat()
    with pytest.raises(OSError) as caught:
        save(path)
    sentence = f"{caught.value}{capsys.readouterr().err}"
    kind = place.__name__.rpartition("_")[2].replace("fifo", "FIFO")
    assert str(path) in sentence and f"this is a {kind}" in sentence
    after = path.lstat(), path.stat()
    assert [(one.st_ino, one.st_mode) for one in before] == [(one.st_ino, one.st_mode) for one in after]
    assert not [*tmp_path.glob(".*")]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_read_only_file_stays(writer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, save = WRITERS[writer]
    path = tmp_path / name
    path.write_bytes(b"precious")
    path.chmod(0o444)
    with pytest.raises(OSError) as caught:
        save(path)
    sentence = f"{caught.value}{capsys.readouterr().err}"
    assert str(path) in sentence and "read-only (mode 0444)" in sentence
    assert isinstance(caught.value, PermissionError) or "fastgru: " in sentence
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("writer", WRITERS)
def test_an_error_names_the_path_that_was_asked_for(
    writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, save = WRITERS[writer]
    path = tmp_path / "missing" / name
    real = Path.replace

    def refused(source: Path, target: Path) -> Path:
        if Path(target).name == name:
            raise PermissionError(13, "Permission denied", str(source), str(target))
        return real(source, target)

    path.parent.mkdir()
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError) as caught:
        save(path)
    sentence = f"{caught.value}{capsys.readouterr().err}"
    assert str(path) in sentence and ".tmp" not in sentence


# a process that is stopped in the middle of its save, where the bytes are written and have no name yet
SAVING = """
import os, signal, sys
from fastgru.models import load_model
model = load_model(sys.argv[1])
fsync = os.fsync
def stopped(handle):
    print("in the middle", flush=True)
    sys.stdin.readline()
    fsync(handle)
os.fsync = stopped
model.save(sys.argv[1])
"""


def saving(path: Path) -> subprocess.Popen[str]:
    """A process in the middle of saving to a path where a model is."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", SAVING, str(path)],
        cwd=path.parent, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout and child.stdout.readline() == "in the middle\n"
    return child


def test_the_next_save_removes_what_killed_saves_left(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    small_model().save(path)
    for _ in range(2):
        child = saving(path)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert len([*tmp_path.iterdir()]) > 1
    small_model().save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]


def test_a_save_leaves_alone_what_another_process_is_writing(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    first, second = small_model(), small_model()
    first.save(path)
    child = saving(path)
    second.save(path)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], second.get_weights()[0])
    child.communicate("\n")
    assert child.returncode == 0
    np.testing.assert_array_equal(load_model(path).get_weights()[0], first.get_weights()[0])
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]


def test_threads_save_to_one_path_side_by_side(tmp_path: Path) -> None:
    path, model, errors = tmp_path / "m.keras", small_model(), []

    def save() -> None:
        try:
            for _ in range(10):
                model.save(path)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=save) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert load_model(path).built
    assert [file.name for file in tmp_path.iterdir()] == ["m.keras"]


def test_of_a_link_the_file_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link, nowhere = tmp_path / "target.keras", tmp_path / "link.keras", tmp_path / "nowhere.keras"
    target.write_bytes(b"old")
    link.symlink_to(target)
    nowhere.symlink_to(tmp_path / "new.keras")
    for path in (link, nowhere):
        small_model().save(path)
        assert path.is_symlink() and load_model(path.resolve()).built
