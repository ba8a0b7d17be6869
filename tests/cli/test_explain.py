"""`fastgru explain` shows a sample's gates on the terminal and as a page, and refuses the rest in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru import cli, object_registration, ops
from fastgru.layers import GRU, Concatenate, Conv1D, Dense, Embedding, Flatten, Input, Layer
from fastgru.models import Model, Sequential


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command; returns its exit status, and what it wrote to stdout and stderr."""

    def command(*words: str) -> tuple[int, str, str]:
        try:
            status = cli.main(["explain", *words])
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.fixture
def digits(rng: np.random.Generator) -> np.ndarray:
    """A model of rows of pixels, in digits.keras, and three samples of bytes, in x.npy."""
    Sequential([Input((8, 8)), GRU(6, name="rows"), Dense(3, activation="softmax")]).save("digits.keras")
    x = rng.integers(0, 256, (3, 8, 8)).astype("uint8")
    np.save("x.npy", x)
    return x


def test_a_summary_and_a_page(run: Any, digits: np.ndarray) -> None:
    np.save("one.npy", digits[1])
    status, out, err = run("digits.keras", "one.npy", "--report", "--classes", "cat,dog,fish")
    assert (status, err) == (0, "")
    assert "rows (6 units)" in out and "update" in out and "Saved: explain.html" in out
    page = Path("explain.html").read_text(encoding="utf-8")
    assert "http" not in page and "Inside digits.keras" in page
    assert (
        run("digits.keras", "x.npy", "--index", "1", "--classes", "cat,dog,fish")[1].replace(
            "Saved: explain.html\n", ""
        )
        in out
    )


def test_a_model_is_explained_up_to_a_layer(run: Any, digits: np.ndarray) -> None:
    status, out, _ = run("digits.keras", "x.npy", "--outputs", "rows")
    assert status == 0 and "rows (6 units)" in out and "Answer rows:" in out


def test_a_page_in_chinese(run: Any, digits: np.ndarray) -> None:
    status, out, _ = run("digits.keras", "x.npy", "--report", "page.html", "--language", "zh")
    assert status == 0 and "Answer " in out
    assert "看见 digits.keras 的内部" in Path("page.html").read_text(encoding="utf-8")


def test_a_language_needs_a_page(run: Any, digits: np.ndarray) -> None:
    status, out, err = run("digits.keras", "x.npy", "--language", "zh")
    assert (status, out) == (1, "") and "--language is that of the page; add --report" in err


def test_answers_begin_where_a_convolution_has_its_steps(run: Any, digits: np.ndarray) -> None:
    Sequential([Input((8, 8)), Conv1D(4, 3), GRU(4), Dense(3, activation="softmax")]).save("conv.keras")
    status, out, _ = run("conv.keras", "x.npy", "--report", "conv.html")
    assert status == 0 and "none before step 3: the model needs so many" in out and "after each step: step 3:" in out
    assert "It needs 3 steps before it can answer." in Path("conv.html").read_text(encoding="utf-8")


@object_registration.register_keras_serializable("explained")
class Running(Layer):
    def call(self, x: Any) -> Any:
        return ops.cumsum(x, axis=1)


def test_a_recurrence_that_a_call_computes_by_ops_is_named_as_not_seen(run: Any, digits: np.ndarray) -> None:
    Sequential([Input((8, 8)), Running(name="mine"), Flatten(), Dense(3)]).save("own.keras")
    status, _, err = run("own.keras", "x.npy")
    assert status == 1 and "what the call of mine computes by ops of its own is not seen" in err


def test_without_a_report_nothing_is_written(run: Any, digits: np.ndarray) -> None:
    before = sorted(Path().iterdir())
    status, out, _ = run("digits.keras", "x.npy")
    assert status == 0 and "the most probable after each step: step 1:" in out
    assert sorted(Path().iterdir()) == before


def test_several_inputs_come_by_name(run: Any, rng: np.random.Generator) -> None:
    words, extra = Input((5,), dtype="int32", name="words"), Input((2,), name="extra")
    code = GRU(4, name="reader")(Embedding(9, 3, mask_zero=True)(words))
    Model([words, extra], Dense(1)(Concatenate()([code, extra]))).save("two.keras")
    np.savez("one.npz", words=np.array([3, 4, 0, 0, 0]), extra=np.ones(2, "float32"))
    status, out, err = run("two.keras", "one.npz", "--report", "two.html")
    assert (status, err) == (0, "")
    assert "reader (4 units)" in out and "masked" in out
    assert "<strong>words" in Path("two.html").read_text(encoding="utf-8")
    np.savez("wrong.npz", words=np.array([3, 4, 0, 0, 0]))
    assert "expected an array for each input of the model (words, extra), got words" in run("two.keras", "wrong.npz")[2]


def test_a_model_that_takes_whole_sequences_alone_shows_its_gates(run: Any, digits: np.ndarray) -> None:
    Sequential([Input((8, 8)), GRU(4, return_sequences=True), Flatten(), Dense(2)]).save("flat.keras")
    status, out, _ = run("flat.keras", "x.npy", "--report", "flat.html")
    assert status == 0 and "cannot answer after 1 of them" in out
    assert "cannot answer after 1 of them" in Path("flat.html").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("digits.keras", "x.npy", "--index", "3"), "there is no sample 3 among 3"),
        (("digits.keras", "x.npy", "--classes", "a,b"), "expected 3 names, one for each number of the output"),
        (("digits.keras", "flat.npy"), "expected one sample of shape (8, 8), or a batch of them, got (8,)"),
        (("digits.keras", "digits.keras"), "expected a file named *.npy or *.npz, got 'digits.keras'"),
        (("digits.keras", "text.npy"), "is not a numpy file of numbers"),
        (("dense.keras", "flat.npy"), "dense.keras has no recurrent layers, whose gates could be shown"),
        (("digits.keras", "x.npy", "--report", "page.pdf"), "expected a file named *.html or *.htm"),
        (("digits.keras", "absent.npy"), "absent.npy: No such file or directory."),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(words: Any, sentence: str, run: Any, digits: np.ndarray) -> None:
    np.save("flat.npy", np.zeros(8))
    Path("text.npy").write_text("no array")
    Sequential([Input((8,)), Dense(2)]).save("dense.keras")
    status, _, err = run(*words)
    assert status in (1, 2) and sentence in err
