"""A fresh process that opens a model and predicts loads what it uses, and no more."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fastgru.layers import GRU, Dense
from fastgru.models import Sequential, load_model

PROGRAM = """
import sys
import numpy as np
before = set(sys.modules)
from fastgru.models import load_model
path, x, y = sys.argv[1:]
np.save(y, load_model(path).predict(np.load(x), verbose=0))
print(*sorted(set(sys.modules) - before))
"""
# what takes long to import and is for other things: other files, training, drawing
OTHERS = {
    "bz2", "copy", "difflib", "graphlib", "h5py", "lzma", "numpy.random", "pathlib", "rich", "scipy", "shutil",
    "tempfile", "urllib", "zipfile",
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules that a process loads, besides numpy's, for its first prediction."""
    folder = tmp_path_factory.mktemp("cold")
    model = Sequential([GRU(8, input_shape=(5, 3)), Dense(2, activation="softmax")])
    model.compile("adam", "mse")
    path, x = folder / "m.keras", np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    model.save(path, include_optimizer=False)
    np.save(folder / "x.npy", x)
    files = [str(file) for file in (path, folder / "x.npy", folder / "y.npy")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *files], capture_output=True, text=True, check=True, cwd=folder
    )
    np.testing.assert_array_equal(np.load(folder / "y.npy"), load_model(path).predict(x, verbose=0))
    return set(done.stdout.split())


def test_it_does_without_what_is_slow_to_import(loaded: set[str]) -> None:
    assert loaded & OTHERS == set()


@pytest.mark.parametrize(
    "other",
    [
        "callbacks", "data.batches", "data.streams", "distribution.ranks", "losses", "metrics", "models.functional",
        "operations", "optimizers", "parameters", "saving.exporting", "saving.subgraph", "training.feeding",
        "training.loops", "training.objective", "training.progress",
    ],
)  # fmt: skip
def test_it_loads_nothing_that_trains_draws_graphs_or_writes(loaded: set[str], other: str) -> None:
    assert [module for module in loaded if f"{module}.".startswith(f"fastgru.{other}.")] == []


def test_it_loads_no_more_of_the_package_than_it_did(loaded: set[str]) -> None:
    assert sum(module.split(".")[0] == "fastgru" for module in loaded) <= 105
