"""fastgru.dask: the answers of Model.predict, block by block, in threads and in processes of which some die."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dask", reason="fastgru.dask needs the extra [dask]")

import cloudpickle
import dask
import dask.array as da
import dask.dataframe as dd
import pandas as pd

import fastgru
from fastgru import threads
from fastgru.layers import GRU, Dense, Embedding, Input, TextVectorization
from fastgru.models import Model, Sequential

DRAW = np.random.default_rng(11)
X = DRAW.standard_normal((200, 6, 3)).astype("f4")


def network() -> Sequential:
    return Sequential([Input((None, 3)), GRU(8), Dense(2, activation="softmax")])


@pytest.fixture(autouse=True)
def _in_this_process() -> Any:
    with ThreadPoolExecutor(2) as pool, dask.config.set(scheduler="threads", pool=pool):
        yield


@pytest.mark.parametrize("chunks", [(200, 6, 3), (64, 6, 3), (50, 2, 1)])
def test_an_array_has_the_answers_of_predict(chunks: tuple[int, ...]) -> None:
    model = network()
    answers = fastgru.dask.predict(model, da.from_array(X, chunks))
    assert answers.shape == (200, 2)
    assert answers.dtype == np.float32
    assert answers.chunks[0] == da.from_array(X, chunks).chunks[0]
    np.testing.assert_allclose(answers.compute(), model.predict(X, verbose=0), atol=1e-6)


def test_a_file_is_a_model_too(tmp_path: Path) -> None:
    model = network()
    model.save(tmp_path / "model.keras")
    answers = fastgru.dask.predict(tmp_path / "model.keras", da.from_array(X, (50, 6, 3)))
    (tmp_path / "model.keras").unlink()
    np.testing.assert_allclose(answers.compute(), model.predict(X, verbose=0), atol=1e-6)


def test_a_stateful_model_is_refused() -> None:
    model = Sequential([Input(batch_shape=(1, 6, 3)), GRU(4, stateful=True)])
    with pytest.raises(ValueError, match="is stateful, and blocks are predicted in any order"):
        fastgru.dask.predict(model, da.from_array(X, (50, 6, 3)), batch_size=1)


def test_several_inputs_and_outputs_keep_their_names() -> None:
    steps, numbers = Input((6, 3), name="steps"), Input((4,), name="numbers")
    outputs = {"every": Dense(3)(GRU(5, return_sequences=True)(steps)), "one": Dense(2)(numbers)}
    model = Model({"steps": steps, "numbers": numbers}, outputs)
    y = DRAW.standard_normal((200, 4)).astype("f4")
    parts = {"steps": da.from_array(X, (60, 6, 3)), "numbers": da.from_array(y, (45, 4))}
    answers = dask.compute(fastgru.dask.predict(model, parts))[0]
    expected = model.predict({"steps": X, "numbers": y}, verbose=0)
    for name, array in expected.items():
        np.testing.assert_allclose(answers[name], array, atol=1e-6)


def test_samples_may_be_unknown_in_number_and_none_at_all() -> None:
    model = network()
    array = da.from_array(X, (50, 6, 3))
    large = array[array[:, 0, 0] > 1]
    answers = fastgru.dask.predict(model, large).compute()
    np.testing.assert_allclose(answers, model.predict(X[X[:, 0, 0] > 1], verbose=0), atol=1e-6)
    assert fastgru.dask.predict(model, array[array[:, 0, 0] > 1e9]).compute().shape == (0, 2)


def test_later_training_does_not_change_an_answer_asked_for() -> None:
    model = network()
    before = model.predict(X, verbose=0)
    answers = fastgru.dask.predict(model, da.from_array(X, (50, 6, 3)))
    model.set_weights([weight + 1 for weight in model.get_weights()])
    np.testing.assert_allclose(answers.compute(), before, atol=1e-6)


@pytest.mark.parametrize("dtypes", [{"c0": "bool"}, {"c0": "Int64"}, {"c0": "Float32", "c1": "boolean", "c2": "int8"}])
def test_a_frame_may_hold_truths_and_dtypes_of_pandas_beside_numbers(dtypes: dict[str, str]) -> None:
    numbers = DRAW.integers(0, 2, (20, 18)).astype("f4")
    frame = pd.DataFrame(numbers, columns=[f"c{i}" for i in range(18)])
    model = network()
    answers = fastgru.dask.predict(model, dd.from_pandas(frame.astype(dtypes), npartitions=3)).compute()
    np.testing.assert_allclose(answers, model.predict(numbers.reshape(20, 6, 3), verbose=0), atol=1e-6)


def test_a_number_that_pandas_has_not_is_not_a_number_in_the_answers() -> None:
    model = Sequential([Input((1,)), Dense(2)])
    series = pd.Series([1, None, 3], dtype="Int64")
    answers = fastgru.dask.predict(model, dd.from_pandas(series, npartitions=1)).compute()
    assert np.isnan(answers).all(axis=1).tolist() == [False, True, False]


def test_a_frame_has_a_row_of_answers_for_each_row() -> None:
    model = network()
    frame = pd.DataFrame(X.reshape(200, 18), index=np.arange(200)[::-1], columns=[f"c{i}" for i in range(18)])
    answers = fastgru.dask.predict(model, dd.from_pandas(frame, npartitions=3, sort=False)).compute()
    assert answers.index.tolist() == frame.index.tolist()
    assert answers.columns.tolist() == [0, 1]
    np.testing.assert_allclose(answers.to_numpy(), model.predict(X, verbose=0), atol=1e-6)


def test_a_series_of_texts_goes_into_a_model_that_reads_text() -> None:
    words = TextVectorization(output_sequence_length=5)
    words.adapt(["a cold day", "a warm night", "cold cold night"])
    model = Sequential([Input((1,), dtype="string"), words, Embedding(9, 4, mask_zero=True), GRU(4), Dense(1)])
    texts = pd.Series(["a cold night", "warm", "night night day", "a day"])
    answers = fastgru.dask.predict(model, dd.from_pandas(texts, npartitions=2)).compute()
    np.testing.assert_allclose(answers.to_numpy(), model.predict(texts.to_numpy(object)[:, None], verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    ("collection", "error"),
    [
        (X, "expected arrays or frames of Dask, or a list or dict of its arrays, got ndarray"),
        (dd.from_pandas(pd.DataFrame(X[:, 0, :2]), npartitions=1), r"sample of the shape \(None, 3\), got 2"),
    ],
)
def test_what_the_model_does_not_take_is_refused_at_once(collection: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        fastgru.dask.predict(network(), collection)


def test_a_block_takes_as_many_threads_as_asked_for_and_leaves_the_process_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = []
    monkeypatch.setattr(Sequential, "predict", lambda *_a, **_k: counts.append(threads.get_num_threads()) or X[:1, 0])
    before = threads.get_num_threads()
    fastgru.dask.predict(network(), da.from_array(X, (100, 6, 3)), num_threads=3).compute()
    assert counts == [3, 3, 3]  # the first learns the shape of an answer
    assert threads.get_num_threads() == before


@pytest.mark.parametrize("options", [{"num_threads": 0}, {"num_threads": 9999}, {"batch_size": 0}], ids=str)
def test_options_out_of_their_range_are_refused_at_once(options: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a whole number"):
        fastgru.dask.predict(network(), da.from_array(X, (100, 6, 3)), **options)


class Own(Model):
    """A class that the workers cannot import."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = GRU(4), Dense(2)

    def call(self, x: Any) -> Any:
        return self.head(self.gru(x)) * 2.0


@pytest.mark.slow
@pytest.mark.parametrize("make", [network, Own])
def test_a_worker_that_is_killed_costs_its_own_blocks_alone(make: Any, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="fastgru.dask's cluster needs the extra [dask]")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not find the tests

    def load(block: Any, folder: str, victim: int | None, block_info: Any = None) -> Any:
        """A block, and a note of who loaded it; where the block is the victim's, its worker dies the first time."""
        number = block_info[0]["chunk-location"][0]
        with Path(folder, "loads").open("a") as notes:
            notes.write(f"{number}\n")
        death = Path(folder, "death")
        if number == victim and not death.exists():
            death.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    model = make()
    expected = model.predict(X, verbose=0)
    with dask.config.set(pool=None):  # workers get a copy of the settings, and a pool cannot be sent
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        )
    with cluster, distributed.Client(cluster) as client:
        for victim in (None, 9):
            blocks = da.from_array(X, (10, 6, 3)).map_blocks(load, str(tmp_path), victim, dtype=X.dtype, meta=X[:0])
            answers = client.compute(fastgru.dask.predict(model, blocks)).result(timeout=120)
            np.testing.assert_allclose(answers, expected, atol=1e-6)
            (tmp_path / "loads").rename(tmp_path / f"loads {victim}")
    assert (tmp_path / "death").exists()
    assert Counter((tmp_path / "loads None").read_text().split()) == Counter(map(str, range(20)))
    loads = Counter((tmp_path / "loads 9").read_text().split())
    assert set(loads) == set(map(str, range(20)))
    assert max(loads.values()) == 2  # the dead worker's blocks once more, and nobody's a third time
