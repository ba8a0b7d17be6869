"""A save that fails, is killed or is forbidden leaves the old file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from saved_models import assert_same, batch, small_model, trained_model

from fastgru.models import load_model


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, path = trained_model(), tmp_path / name
    save = model.save_weights if name.endswith(".weights.h5") else model.save
    save(path)
    before = path.read_bytes()
    model.train_on_batch(*batch())

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "fsync", full)
        save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [name]
    save(path)
    assert path.read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == [name]


KILLED_WHILE_SAVING = """
import os, signal, sys
from fastgru.models import load_model
model = load_model(sys.argv[1])
model.set_weights([weight * 0 for weight in model.get_weights()])
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
model.save(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_save_leaves_the_old_file(tmp_path: Path) -> None:
    model, path = small_model(), tmp_path / "model.keras"
    model.save(path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(path)], cwd=tmp_path, env=environment, check=False
    )
    assert child.returncode == -signal.SIGKILL
    assert_same(load_model(path).get_weights(), model.get_weights())


def test_overwriting_can_be_forbidden(tmp_path: Path) -> None:
    model = small_model()
    for name, save in (("a.keras", model.save), ("a.h5", model.save), ("a.weights.h5", model.save_weights)):
        save(tmp_path / name, overwrite=False)
        with pytest.raises(ValueError, match="the file exists and overwrite is False"):
            save(tmp_path / name, overwrite=False)
        save(tmp_path / name)


@pytest.mark.skipif(os.name != "posix", reason="needs links and modes")
def test_links_modes_and_missing_folders_are_respected(tmp_path: Path) -> None:
    model, path, link = small_model(), tmp_path / "new" / "folder" / "model.keras", tmp_path / "link.keras"
    model.save(path)
    path.chmod(0o640)
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
