"""What has moved is reached under its old path for one release, with a warning that names the new one."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from paths import FILES

from fastgru import moved


@pytest.mark.parametrize("old", sorted(moved.MODULES))
def test_an_old_module_path_leads_to_the_new_module(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new = importlib.import_module(moved.MODULES[old])
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} has moved to {new.__name__}"):
        assert importlib.import_module(old) is new
    assert new.__spec__ is not None
    assert new.__spec__.name == new.__name__


@pytest.mark.parametrize(
    ("module", "name", "home"),
    [(module, name, home) for module, names in moved.NAMES.items() for name, home in names.items()],
)
def test_a_name_that_left_its_module_is_still_there(module: str, name: str, home: str) -> None:
    home, _, new_name = home.partition(":")
    new_name = new_name or name
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{name} has moved to {home}\.{new_name}"):
        old = getattr(importlib.import_module(module), name)
    assert old is getattr(importlib.import_module(home), new_name)


def test_an_old_path_warns_where_it_is_imported(tmp_path: Path) -> None:
    program = (
        "import fastgru.layers.gru\nfrom fastgru.layers import recurrent\nprint(fastgru.layers.gru.GRU.__module__)"
    )
    command = [sys.executable, "-W", "default", "-c", program]
    # elsewhere than in a checkout, whose source folder would hide the installed package
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "fastgru.layers.rnn.gru\n"
    assert "<string>:1: DeprecationWarning: fastgru.layers.gru has moved to fastgru.layers.rnn.gru" in done.stderr
    assert "<string>:2: DeprecationWarning: fastgru.layers.recurrent has moved" in done.stderr


def test_a_model_pickled_before_the_move_answers_as_it_did() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = pickle.loads((FILES / "pickled.pickle").read_bytes())
    with np.load(FILES / "pickled.npz") as stored:
        x, y = [stored["words"], stored["signal"]], stored["y"]
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-5)
    model.fit(x, np.zeros(6), batch_size=3, verbose=0)  # its optimizer goes on, too
    assert model.optimizer.iterations == 6
