"""The command line does what it says, and says in one sentence what it cannot do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import models
from fastgru.callbacks import History
from fastgru.datasets import digits, mnist
from fastgru.optimizers import Adam

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test stands in an empty folder, with no MNIST at hand and none to be had."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FASTGRU_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:9/mnist.npz")
    return tmp_path


def stored(name: str, **arrays: Any) -> str:
    np.savez(name, **arrays)
    return name


def tiny(n: int = 50) -> dict[str, np.ndarray]:
    """Sequences whose class is told by their sign."""
    y = np.arange(n) % 2
    return {"x": (RNG.random((n, 4, 3)) * (2 * y - 1)[:, None, None]).astype("float32"), "y": y}


def split(n: int = 50) -> dict[str, np.ndarray]:
    train, test = tiny(n), tiny(10)
    return {"x_train": train["x"], "y_train": train["y"], "x_test": test["x"], "y_test": test["y"]}


@pytest.fixture
def model(run: Any) -> str:
    """A model file, trained for a moment on `tiny`."""
    assert (
        run("train", "--data", stored("t.npz", **split()), "--units", "4", "--epochs", "5", "--out", "m.keras")[0] == 0
    )
    return "m.keras"


# --- train ----------------------------------------------------------------------------------------


def test_train_on_a_file_learns_tells_and_saves(run: Any) -> None:
    file = stored("mine.npz", **split(200))
    status, out, err = run("train", "--data", file, "--units", "8", "--epochs", "10", "--seed", "1", "--threads", "1")
    assert (status, err) == (0, "")
    assert "Data:           mine.npz\n" in out
    assert "200 to train on, 10 to test on, of 4 x 3 numbers" in out
    assert "GRU(8) and Dense(2)" in out
    assert "10 epochs, batch size 32, 1 thread\n" in out
    assert "Test accuracy:  100.00%" in out
    assert re.search(r"Training speed: [\d,]+ samples per second", out)
    assert models.load_model("fastgru-mine.keras").predict(split()["x_test"], verbose=0).shape == (10, 2)


def test_train_without_arguments_is_mnist_where_it_is_at_hand(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (x, y), (x_test, y_test) = digits.load_data()
    (folder / "mnist.npz").touch()
    monkeypatch.setenv("FASTGRU_DATA", str(folder))
    monkeypatch.setattr(mnist, "load_data", lambda: ((x[:300], y[:300]), (x_test, y_test)))
    status, out, _ = run("train", "--units", "4", "--epochs", "1")
    assert status == 0
    assert f"Data:           MNIST, found at {folder / 'mnist.npz'}\n" in out
    assert (folder / "fastgru-mnist.keras").is_file()


def test_train_without_arguments_is_the_digits_where_mnist_cannot_be_had(run: Any, folder: Path) -> None:
    status, out, _ = run("train", "--units", "8", "--epochs", "1")
    assert status == 0
    why = "digits of the package, because MNIST cannot be downloaded (Connection refused)"
    assert out.splitlines()[0] == f"Data:           {why}"
    assert "1,415 to train on, 382 to test on, of 8 x 8 numbers" in out
    assert (folder / "fastgru-digits.keras").is_file()


def test_train_without_arguments_is_the_digits_where_mnist_is_damaged(run: Any, folder: Path) -> None:
    mnist.cache_file().parent.mkdir(parents=True)
    mnist.cache_file().write_bytes(b"half a file")
    status, out, _ = run("train", "--units", "4", "--epochs", "1")
    assert status == 0
    assert f"because {mnist.cache_file()} is damaged" in out


def test_x_and_y_alone_are_split(run: Any) -> None:
    status, out, _ = run("train", "--data", stored("xy.npz", **tiny(50)), "--units", "4", "--epochs", "1")
    assert status == 0
    assert "xy.npz, of which the last 20% are held out\n" in out
    assert "40 to train on, 10 to test on" in out


@pytest.mark.parametrize("form", [(-1,), (-1, 1), "one-hot", "float"])
def test_labels_come_in_several_forms(run: Any, form: Any) -> None:
    data = tiny(20)
    y = data["y"]
    data["y"] = np.eye(2)[y] if form == "one-hot" else y.astype(float) if form == "float" else y.reshape(form)
    assert run("train", "--data", stored("f.npz", **data), "--units", "2", "--epochs", "1")[0] == 0


def test_the_same_seed_gives_the_same_file_of_weights(run: Any) -> None:
    file = stored("s.npz", **split())
    for out in ("a.keras", "b.keras"):
        assert run("train", "--data", file, "--units", "4", "--epochs", "2", "--seed", "5", "--out", out)[0] == 0
    a, b = models.load_model("a.keras").get_weights(), models.load_model("b.keras").get_weights()
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_loss_of_nan_ends_with_a_sentence_and_saves_no_model(
    run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(self: Adam, parameters: Any) -> None:
        parameters.updated.fill(np.nan)
        parameters.publish()

    monkeypatch.setattr(Adam, "update", spoil)
    status, _, err = run("train", "--data", stored("data.npz", **tiny()), "--units", "4", "--resume", "run")
    assert status == 1 and "fastgru: the loss became infinite or NaN, so no model is saved" in err
    assert not list(folder.glob("*.keras"))


@pytest.mark.usefixtures("ctrl_c")
def test_train_resumes(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("train", "--data", stored("data.npz", **tiny()), "--units", "4", "--epochs", "3", "--resume", "run")
    epochs: list[int] = []

    def interrupt(self: History, epoch: int, logs: Any = None) -> None:
        epochs.append(epoch)
        record(self, epoch, logs)
        if epochs == [0, 1]:
            os.kill(os.getpid(), signal.SIGINT)

    record = History.on_epoch_end
    monkeypatch.setattr(History, "on_epoch_end", interrupt)
    status, _, err = run(*command)
    assert (status, err) == (130, "fastgru: interrupted; the same command goes on from run\n")
    assert run(*command)[0] == 0
    assert epochs == [0, 1, 2]
    assert run(*command)[0] == 0, "it is over"
    status, _, err = run(*command, "--batch-size", "7")
    assert status == 1 and "of a run with other batches of the data" in err


def test_control_c_saves_nothing_and_exits_with_130(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(models.Sequential, "fit", interrupted)
    status, _, err = run("train", "--data", "digits", "--out", "never.keras")
    assert (status, err) == (130, "fastgru: interrupted\n")
    assert list(folder.iterdir()) == []


# --- evaluate, predict, summary, info ---------------------------------------------------------------


@pytest.mark.parametrize("arrays", [tiny(30), split(), {f"{k}_test": v for k, v in tiny(30).items()}])
def test_evaluate_tells_loss_accuracy_and_speed(run: Any, model: str, arrays: dict[str, Any]) -> None:
    status, out, err = run("evaluate", model, "--data", stored("e.npz", **arrays))
    assert (status, err) == (0, "")
    assert re.search(r"^Test loss: \d\.\d{4}$", out, re.MULTILINE)
    assert re.search(r"^Test accuracy: [\d.]+%$", out, re.MULTILINE)
    assert re.search(r"^\d\d samples of e, [\d,]+ samples per second", out, re.MULTILINE)


def test_evaluate_takes_class_numbers_for_a_model_that_was_compiled_for_one_hot_labels(run: Any) -> None:
    (x, y), _ = digits.load_data()
    net = models.Sequential([fastgru.layers.GRU(4, input_shape=(8, 8)), fastgru.layers.Dense(10, activation="softmax")])
    net.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    net.save("onehot.keras")
    status, out, _ = run("evaluate", "onehot.keras", "--data", stored("d.npz", x=x, y=y), "--scale", "16")
    expected = (net.predict(x / 16, verbose=0).argmax(axis=1) == y).mean()
    assert status == 0
    assert f"Test accuracy: {expected:.2%}" in out


def test_evaluate_measures_a_model_that_was_never_compiled(run: Any) -> None:
    net = models.Sequential([fastgru.layers.GRU(4, input_shape=(4, 3)), fastgru.layers.Dense(2, activation="softmax")])
    net.save("plain.keras")
    status, out, _ = run("evaluate", "plain.keras", "--data", stored("e.npz", **tiny(30)))
    assert status == 0
    assert "Test accuracy" in out


def test_predict_writes_what_the_model_predicts(run: Any, model: str) -> None:
    x = tiny(7)["x"]
    np.save("in.npy", x)
    status, out, err = run("predict", model, "in.npy", "-o", "out.npy")
    assert (status, out, err) == (0, "Saved: out.npy, (7, 2) float32\n", "")
    np.testing.assert_array_equal(np.load("out.npy"), models.load_model(model).predict(x, verbose=0))


def test_bytes_are_pixels_and_a_scale_overrides_that(run: Any, model: str) -> None:
    x = RNG.integers(0, 17, (5, 4, 3), dtype=np.uint8)
    np.save("in.npy", x)
    for words, scale in (((), 255), (("--scale", "16"), 16)):
        assert run("predict", model, "in.npy", "-o", "out.npy", *words)[0] == 0
        expected = models.load_model(model).predict(x / np.float32(scale), verbose=0)
        np.testing.assert_allclose(np.load("out.npy"), expected, rtol=1e-6)


def test_sequences_of_single_numbers_need_no_feature_axis(run: Any) -> None:
    x, y = RNG.standard_normal((30, 6)), np.arange(30) % 3
    file = stored("flat.npz", x=x, y=y)
    np.save("flat.npy", x)
    assert run("train", "--data", file, "--units", "2", "--epochs", "1", "--out", "flat.h5")[0] == 0
    assert run("evaluate", "flat.h5", "--data", file)[0] == 0
    assert run("predict", "flat.h5", "flat.npy", "-o", "out.npy")[0] == 0
    assert np.load("out.npy").shape == (30, 3)


def test_summary_shows_the_layers(run: Any, model: str) -> None:
    status, out, _ = run("summary", model)
    assert status == 0
    assert "GRU" in out
    assert "Dense" in out
    assert str(models.load_model(model).count_params()) in out


def test_info_tells_what_computes(run: Any) -> None:
    status, out, _ = run("info")
    config = fastgru.kernels.show_config()
    assert status == 0
    for part in (fastgru.__version__, config["isa"], *config["blas"], str(config["threads"]), np.__version__):
        assert part in out


@pytest.mark.parametrize("products", fastgru.config.PRODUCTS)
def test_info_tells_how_matrices_are_multiplied(run: Any, monkeypatch: pytest.MonkeyPatch, products: str) -> None:
    monkeypatch.setattr(fastgru.config, "_products", products)
    pattern = {"auto": r"(tiles|blas) \(auto\)"}.get(products, rf"{products} \({products}\)")
    assert re.search(rf"^products: +{pattern}$", run("info")[1], re.MULTILINE)


def test_version(run: Any) -> None:
    assert run("--version")[:2] == (0, f"fastgru {fastgru.__version__}\n")


# --- what cannot be done ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "COMMAND"),
        (["trian"], "train"),
        (["train", "--epochs", "0"], "--epochs: expected a whole number of at least 1, got '0'"),
        (["train", "--units", "many"], "--units: expected a whole number"),
        (["train", "--threads", "-1"], "--threads"),
        (["train", "--seed", "1.5"], "--seed: expected a whole number from 0"),
        (["train", "--data", "cifar"], "expected mnist, digits or a file named *.npz, got 'cifar'"),
        (["train", "--out", "model.pkl"], "expected a file named *.keras or *.h5, got 'model.pkl'"),
        (["train", "--scale", "0"], "--scale: expected a positive number"),
        (["evaluate", "m.keras"], "--data"),
        (["predict", "m.keras", "x.npy"], "--out"),
        (
            ["predict", "m.keras", "x.npy", "-o", "m.keras"],
            "--out: expected a file named *.npy or *.csv, got 'm.keras'",
        ),
        (["info", "--colour"], "--colour"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_status_2(run: Any, words: list[str], complaint: str) -> None:
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert complaint in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["train", "--data", "mnist"], "MNIST cannot be downloaded"),
        (["train", "--data", "absent.npz"], "absent.npz: No such file"),
        (["train", "--data", "text.npz"], "text.npz is not a numpy .npz file"),
        (["train", "--data", "objects.npz"], "objects.npz is not a numpy .npz file"),
        (
            ["train", "--data", "names.npz"],
            "names.npz: expected arrays named x_train, y_train, x_test and y_test, or x and y",
        ),
        (["train", "--data", "lengths.npz"], "as many samples as labels"),
        (["train", "--data", "rank.npz"], "expected x of shape (samples, steps)"),
        (["train", "--data", "labels.npz"], "one class number"),
        (["train", "--data", "negative.npz"], "one class number"),
        (["train", "--data", "words.npz"], "real numbers"),
        (["train", "--data", "empty.npz"], "at least one"),
        (["train", "--data", "digits", "--out", "absent/m.keras"], "--out: expected a folder"),
        (["evaluate", "absent.keras", "--data", "digits"], "absent.keras"),
        (["evaluate", "text.npz", "--data", "digits"], "text.npz"),
        (["predict", "absent.keras", "good.npy", "-o", "out.npy"], "absent.keras"),
        (["summary", "text.npz"], "text.npz"),
        (["summary", "."], "."),
    ],
)
def test_what_fails_is_one_sentence_and_exit_status_1(run: Any, folder: Path, words: list[str], complaint: str) -> None:
    good = tiny(20)
    Path("text.npz").write_text("not a zip file")
    stored("objects.npz", x=np.array([None]), y=np.array([None]))
    stored("names.npz", a=good["x"])
    stored("lengths.npz", x_train=good["x"], y_train=good["y"][:-1], x_test=good["x"], y_test=good["y"])
    stored("rank.npz", x=good["x"][..., None], y=good["y"])
    stored("labels.npz", x=good["x"], y=good["y"] + 0.5)
    stored("negative.npz", x=good["x"], y=good["y"] - 1)
    stored("words.npz", x=np.full((20, 4, 3), "a"), y=good["y"])
    stored("empty.npz", x=good["x"][:0], y=good["y"][:0])
    np.save("good.npy", good["x"])
    before = {file.name for file in folder.iterdir()}
    status, _, err = run(*words)
    assert status == 1
    assert err.startswith("fastgru: ")
    assert complaint in err
    assert len(err.splitlines()) == 1
    assert {file.name for file in folder.iterdir()} - before <= {"keras"}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("absent.npy", None, "absent.npy: No such file"),
        ("text.npy", b"numbers", "text.npy is not a numpy .npy file"),
        ("wide.npy", np.zeros((2, 4, 9)), "9"),
        ("words.npy", np.array([["a"]]), "real numbers"),
        ("objects.npy", np.array([None]), "objects.npy is not a numpy .npy file"),
    ],
)
def test_predict_refuses_bad_input_and_leaves_the_old_answers(
    run: Any, model: str, name: str, content: Any, complaint: str
) -> None:
    if isinstance(content, bytes):
        Path(name).write_bytes(content)
    elif content is not None:
        np.save(name, content)
    Path("out.npy").write_text("old")
    status, _, err = run("predict", model, name, "-o", "out.npy")
    assert status == 1
    assert complaint in err
    assert len(err.splitlines()) == 1
    assert Path("out.npy").read_text() == "old"


def outside(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m fastgru` as its own process, in a folder outside of the checkout, which would hide the package."""
    # the package under test also where it is not installed but built in place
    path = os.pathsep.join([str(Path(fastgru.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path} | variables
    command = [sys.executable, "-m", "fastgru", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_python_m_fastgru_works_outside_the_checkout(tmp_path: Path) -> None:
    done = outside(tmp_path, "info")
    assert (done.returncode, done.stderr) == (0, "")
    assert "instruction set" in done.stdout


@pytest.mark.parametrize("variables", [{}, {"FASTGRU_ISA": "mmx"}, {"FASTGRU_NUM_THREADS": "many"}], ids=str)
def test_no_traceback_reaches_the_user(variables: dict[str, str], tmp_path: Path) -> None:
    done = outside(tmp_path, "info", **variables) if variables else outside(tmp_path, "summary", "absent.keras")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert all(name in done.stderr for name in variables)
