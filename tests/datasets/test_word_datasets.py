"""IMDB and Reuters: small files in the form that numpy writes, against real Keras, and files that are programs."""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru.datasets import imdb, object_arrays, reuters

Arrays = dict[str, Any]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("FASTGRU_DATA", raising=False)
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def texts(rng: np.random.Generator, count: int) -> np.ndarray:
    lists = np.empty(count, dtype=object)
    lists[:] = [rng.integers(1, 30, size=rng.integers(1, 12)).tolist() for _ in range(count)]
    return lists


def imdb_arrays(rng: np.random.Generator) -> Arrays:
    return {
        "x_train": texts(rng, 20), "y_train": rng.integers(0, 2, 20),
        "x_test": texts(rng, 10), "y_test": rng.integers(0, 2, 10),
    }  # fmt: skip


OPTIONS: list[dict[str, Any]] = [
    {},
    {"num_words": 12, "skip_top": 5, "maxlen": 9},
    {"start_char": None, "oov_char": None, "num_words": 20, "seed": 4},
    {"index_from": 0, "start_char": None},
]


def same_as_keras(ours: Any, theirs: Any) -> None:
    for our_part, their_part in zip(ours, theirs, strict=True):
        assert [list(text) for text in our_part[0]] == [list(text) for text in their_part[0]]
        np.testing.assert_array_equal(our_part[1], their_part[1])
        assert our_part[0].dtype == object


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch, keras: Any) -> Any:
    """Real Keras, taking the small files for the published ones."""
    file_utils = importlib.import_module("keras.src.utils.file_utils")
    monkeypatch.setattr(file_utils, "validate_file", lambda *arguments, **options: True)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: os.environ["KERAS_HOME"])
    return keras


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.keras
def test_imdb_is_keras_own(unchecked, cache: Path, rng, options: dict[str, Any]) -> None:
    np.savez(cache / "imdb.npz", **imdb_arrays(rng))
    same_as_keras(imdb.load_data(**options), unchecked.datasets.imdb.load_data(**options))


@pytest.mark.parametrize("options", [*OPTIONS, {"test_split": 0.45}])
@pytest.mark.keras
def test_reuters_is_keras_own(unchecked, cache: Path, rng, options: dict[str, Any]) -> None:
    np.savez(cache / "reuters.npz", x=texts(rng, 30), y=rng.integers(0, 46, 30))
    same_as_keras(reuters.load_data(**options), unchecked.datasets.reuters.load_data(**options))
    assert reuters.get_label_names() == tuple(unchecked.datasets.reuters.get_label_names())


def test_the_word_index_is_that_in_the_file(cache: Path) -> None:
    for module, name in ((imdb, "imdb"), (reuters, "reuters")):
        (cache / f"{name}_word_index.json").write_text(json.dumps({"the": 1, "and": 2}))
        assert module.get_word_index() == {"the": 1, "and": 2}
    (cache / "imdb_word_index.json").write_text("[1")
    with pytest.raises(ValueError, match=r"imdb_word_index\.json is damaged"):
        imdb.get_word_index()


def test_the_file_may_lie_in_the_folder_of_the_environment(
    cache: Path, rng, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "imdb.npz", **imdb_arrays(rng))
    monkeypatch.setenv("FASTGRU_DATA", str(tmp_path))
    (x, y), (x_test, _) = imdb.load_data()
    assert len(x) == len(y) == 20
    assert len(x_test) == 10


def test_without_a_network_the_error_says_where_to_put_the_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("fastgru.datasets.cache.ORIGIN", "http://127.0.0.1:9/")
    with pytest.raises(OSError, match="IMDB cannot be downloaded") as caught:
        imdb.load_data()
    assert str(cache / "imdb.npz") in str(caught.value)


def test_a_maxlen_that_leaves_nothing_is_refused(cache: Path, rng) -> None:
    np.savez(cache / "imdb.npz", **imdb_arrays(rng))
    with pytest.raises(ValueError, match="no sequence is shorter than maxlen=1"):
        imdb.load_data(maxlen=1)


# --- files that are programs ----------------------------------------------------------------------------


class Program:
    def __init__(self, *call: Any) -> None:
        self._call = call

    def __reduce__(self) -> Any:
        function, *arguments = self._call
        return function, tuple(arguments)


def npz_of(file: Path, stored: bytes, shape: tuple[int, ...] = (1,)) -> None:
    """A file whose array x is this pickle behind numpy's header of an object array."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", stream.getvalue() + stored)


def test_a_file_that_names_a_function_is_refused_and_the_function_is_not_run(cache: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    for program in (Program(victim.touch), Program(exec, f"open({str(victim)!r}, 'w')"), Program(np.load, "x")):
        npz_of(cache / "bad.npz", pickle.dumps(program))
        with pytest.raises(ValueError, match="code from a file is never run"):
            object_arrays.arrays(cache / "bad.npz", "x")
    assert not victim.exists()


@pytest.mark.parametrize(
    "stored",
    [
        b"", pickle.dumps([1, 2]), pickle.dumps(np.ndarray)[:20], pickle.dumps(Program(np.dtype, "f8")),
        pickle.dumps(np.array([["a"], None], dtype=object)), pickle.dumps(np.array([[1], [1.5]], dtype=object)),
        pickle.dumps(np.arange(3)), pickle.dumps(np.ndarray),
    ],
)  # fmt: skip
def test_another_object_than_lists_of_whole_numbers_is_refused(cache: Path, stored: bytes) -> None:
    npz_of(cache / "bad.npz", stored, (2,))
    with pytest.raises(ValueError, match="is damaged or not the data set's file"):
        object_arrays.arrays(cache / "bad.npz", "x")


@pytest.mark.parametrize("protocol", [3, 4, 5])  # numpy on Python 3 has written no other
def test_every_form_that_numpy_wrote_is_read(cache: Path, rng, protocol: int) -> None:
    lists = texts(rng, 5)
    stored = [pickle.dumps(lists, protocol)]
    if protocol == 3:  # numpy 1, and Python 2, where text was bytes
        stored.append(stored[0].replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
        stored.append(stored[1].replace(b"\x80\x03", b"\x80\x02").replace(b"C\x01b", b"U\x01b"))
    for form in stored:
        npz_of(cache / "x.npz", form, (5,))
        (received,) = object_arrays.arrays(cache / "x.npz", "x")
        assert received.tolist() == lists.tolist()
