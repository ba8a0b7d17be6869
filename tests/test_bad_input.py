"""Wrong input is told in one sentence, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential, model_from_json

X = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2])


def model() -> Sequential:
    found = Sequential([Input((5, 3)), GRU(4), Dense(3, activation="softmax")], name="m")
    found.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return found


def fit(**changed: Any) -> Callable[[Sequential], Any]:
    return lambda m: m.fit(**({"x": X, "y": LABELS, "verbose": 0} | changed))


def not_numbers(at: int) -> np.ndarray:
    y = LABELS.astype("float32")
    y[at] = np.nan
    return y


class Half:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.zeros((6, 5, 3), "complex64")


CASES: dict[str, tuple[Callable[[Sequential], Any], str]] = {
    "wrong rank": (fit(x=X[:, 0]), r"Model 'm': expected input of shape \(None, 5, 3\), got \(6, 3\)"),
    "wrong feature count": (fit(x=X[..., :2]), r"expected input of shape \(None, 5, 3\), got \(6, 5, 2\)"),
    "wrong feature count in predict": (lambda m: m.predict(X[..., :2]), r"got \(6, 5, 2\)"),
    "wrong feature count in a call": (lambda m: m(X[..., :2]), r"got \(6, 5, 2\)"),
    "words": (fit(x=X.astype(str)), "x: expected real numbers, got ndarray of dtype <U"),
    "complex numbers": (fit(x=Half()), "x: expected real numbers, got Half of dtype complex64"),
    "objects": (lambda m: m.predict([[1], None]), "x: expected"),
    "ragged lists": (lambda m: m.predict([[1, 2], [3]]), "nested lists of unequal lengths"),
    "words as labels": (fit(y=np.array(list("abcabc"))), "y: expected real numbers"),
    "NaN labels": (fit(y=not_numbers(5)), "y: expected numbers, got 1 NaN"),
    "NaN labels in validation": (fit(validation_data=(X, not_numbers(2))), "y: expected numbers, got 1 NaN"),
    "label too large": (fit(y=LABELS + 1), "labels from 0 to 2, got 3"),
    "label below 0": (fit(y=LABELS - 1), "labels from 0 to 2, got -1"),
    "label too large in validation": (fit(validation_data=(X, LABELS * 2)), "labels from 0 to 2, got 4"),
    "label too large in evaluate": (lambda m: m.evaluate(X, LABELS * 5), "labels from 0 to 2, got 5"),
    "labels of another shape": (fit(y=np.zeros((6, 2))), "one class number for each prediction"),
    "empty x": (fit(x=X[:0], y=LABELS[:0]), r"x: expected an array with at least one sample, got shape \(0, 5, 3\)"),
    "empty x in predict": (lambda m: m.predict(X[:0]), "at least one sample"),
    "empty x in a call": (lambda m: m(X[:0]), "at least one sample"),
    "no time steps": (fit(x=X[:, :0]), "at least one sample"),
    "a number": (lambda m: m.predict(3.0), r"at least one sample, got shape \(\)"),
    "no x": (lambda m: m.fit(y=LABELS), "x: expected real numbers, got NoneType"),
    "no y": (lambda m: m.fit(X), "fit: needs the targets y"),
    "no y in evaluate": (lambda m: m.evaluate(X), "evaluate: needs the targets y"),
    "shorter y": (fit(y=LABELS[:4]), "x and y must have equally many samples, got 6 and 4"),
    "shorter weights": (
        fit(sample_weight=np.ones(5)),
        "x and sample_weight must have equally many samples, got 6 and 5",
    ),
    "weights of another shape": (fit(sample_weight=np.ones((6, 2))), "sample weights of shape"),
    "both weights": (fit(sample_weight=np.ones(6), class_weight={0: 1}), "cannot be given at the same time"),
    "class weights in a list": (fit(class_weight=[1, 2, 3]), "class_weight: expected a dict"),
    "class weights of words": (fit(class_weight={0: "much"}), "class_weight: expected a dict"),
    "a batch of zero": (fit(batch_size=0), "batch_size: expected a whole number of at least 1, got 0"),
    "half a batch": (fit(batch_size=1.5), "batch_size: expected a whole number"),
    "a batch of zero in predict": (lambda m: m.predict(X, batch_size=0), "batch_size: expected"),
    "no steps": (fit(steps_per_epoch=-1), "steps: expected a whole number"),
    "all for validation": (fit(validation_split=1.0), "leaves none to train"),
    "validation without labels": (fit(validation_data=(X,)), r"validation_data: expected \(x, y\)"),
    "validation never": (fit(validation_freq=0), "validation_freq: expected"),
    "another verbosity": (fit(verbose="loud"), "verbose: expected"),
    "a callback that is none": (fit(callbacks=[print]), "callbacks: expected Callback objects"),
    "unknown optimizer": (lambda m: m.compile("adamm", "mse"), "'adamm' is not known to fastgru; did you mean 'adam'"),
    "unknown loss": (lambda m: m.compile("adam", "mean_square_error"), "did you mean 'mean_squared_error'"),
    "unknown metric": (lambda m: m.compile("adam", "mse", metrics=["acuracy"]), "did you mean 'accuracy'"),
    "unknown activation": (lambda m: m.add(Dense(1, activation="sigmoyd")), "did you mean 'sigmoid'"),
    "a metric without a list": (lambda m: m.compile("adam", "mse", metrics="mse"), r"write metrics=\['mse'\]"),
    "two losses": (lambda m: m.compile("adam", ["mse", "mae"]), "one output, got 2 entries in loss"),
    "too few weights": (lambda m: m.set_weights(m.get_weights()[:-1]), "expected 5 weight arrays, got 4"),
    "weights that do not fit": (
        lambda m: m.set_weights([*m.get_weights()[:-1], np.zeros(7)]),
        r"Layer 'm', weight 'bias': expected shape \(3,\), got \(7,\)",
    ),
    "no such layer": (lambda m: m.get_layer("dens"), "has no layer 'dens'; did you mean"),
    "no such index": (lambda m: m.get_layer(index=2), "no layer at index 2"),
    "which layer": (lambda m: m.get_layer(), "either a name or an index"),
    "another input shape": (lambda m: m.build((None, 5, 4)), r"has the input shape \(None, 5, 3\)"),
    "two inputs": (lambda m: m(X, X), "expected one input, got 2"),
    "a missing file": (lambda m: m.load_weights("nowhere.weights.h5"), "nowhere.weights.h5"),
    "an ending that is none": (lambda m: m.save("model.txt"), "model.txt"),
    "a folder": (lambda m: m.save("model.keras", zipped=False), "zipped=False"),
    "several files": (lambda m: m.save_weights("a.weights.h5", max_shard_size=1), "max_shard_size=1"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_told_and_the_model_stays_as_it_was(case: str, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    found = model()
    found.fit(X, LABELS, verbose=0)
    before, config, compiled = found.get_weights(), found.get_config(), found.get_compile_config()
    state = [np.array(value) for _, value in found.optimizer.variables()]
    attempt, message = CASES[case]
    with pytest.raises((ValueError, FileNotFoundError), match=message) as told:
        attempt(found)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 300
    assert all(np.array_equal(a, b) for a, b in zip(before, found.get_weights(), strict=True))
    assert all(np.array_equal(a, b) for a, (_, b) in zip(state, found.optimizer.variables(), strict=True))
    assert found.get_config() == config
    assert found.get_compile_config() == compiled
    assert found.fit(X, LABELS, verbose=0).history["loss"]
    assert list(tmp_path.iterdir()) == []


UNREADY: dict[str, tuple[Callable[[Sequential], Any], str]] = {
    "fit": (lambda m: m.fit(X, LABELS), "the model is not compiled"),
    "evaluate": (lambda m: m.evaluate(X, LABELS), "the model is not compiled"),
    "train_on_batch": (lambda m: m.train_on_batch(X, LABELS), "the model is not compiled"),
    "test_on_batch": (lambda m: m.test_on_batch(X, LABELS), "the model is not compiled"),
    "count_params": (lambda m: m.count_params(), "is not built yet"),
    "save_weights": (lambda m: m.save_weights("a.weights.h5"), "is not built yet"),
    "load_weights": (lambda m: m.load_weights("a.weights.h5"), "is not built yet"),
    "set_weights": (lambda m: m.set_weights([np.zeros(3)]), "expected 0 weight arrays, got 1"),
}


@pytest.mark.parametrize("case", UNREADY)
def test_a_model_that_is_not_built_or_compiled_says_so(case: str, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    attempt, message = UNREADY[case]
    with pytest.raises(ValueError, match=message):
        attempt(Sequential([GRU(4), Dense(3)]))


def test_a_model_without_layers_says_so() -> None:
    with pytest.raises(ValueError, match="has no layers to build"):
        Sequential().predict(X)


def test_training_needs_a_loss_and_an_optimizer_and_evaluation_does_not() -> None:
    found = model()
    for arguments in ({"loss": None, "metrics": ["accuracy"]}, {"optimizer": None, "loss": "mse"}):
        found.compile(**arguments)
        with pytest.raises(ValueError, match="needs an optimizer and a loss"):
            found.fit(X, np.eye(3)[LABELS])
        found.evaluate(X, np.eye(3)[LABELS], verbose=0)


@pytest.mark.parametrize("text", ["{", "[]", "3", "{}", '{"class_name": "Sequential"}'])
def test_json_that_describes_no_model_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="model_from_json"):
        model_from_json(text)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([GRU(2, name="a"), Dense(2, name="a")], "the name 'a' is taken"),
        ([Dense(2), Input((3,))], "the Input comes first"),
        ([Input((3,)), Input((3,))], "the Input comes first"),
        ([Input((3,)), GRU(2)], "GRU"),
        ([Input((None,)), Dense(2)], "the last axis must be known"),
        ([Input((5, 3)), GRU(2, return_state=True), Dense(2)], "has several outputs"),
        ([Input((3,)), Dense(2), Dense(2, dtype="float64")], "float32 and float64"),
        ([Dense], "expected a layer to add"),
        (["dense"], "expected a layer to add"),
    ],
)
def test_a_row_of_layers_that_cannot_be_is_told(layers: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sequential(layers)


def test_a_model_with_several_outputs_is_not_trained() -> None:
    found = Sequential([Input((5, 3)), GRU(2, return_state=True)])
    found.compile("adam", "mse")
    with pytest.raises(ValueError, match="one output, got 2"):
        found.fit(X, X[:, 0, :2])
