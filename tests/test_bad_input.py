"""Wrong input is told in one sentence, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fastgru import layers, losses, optimizers
from fastgru.callbacks import Callback
from fastgru.layers import GRU, Activation, Dense, Dropout, Input
from fastgru.models import Sequential, model_from_json

X = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2])


def model() -> Sequential:
    network = Sequential([Input((5, 3)), GRU(4), Dense(3, activation="softmax")], name="m")
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def fit(**changed: Any) -> Callable[[Sequential], Any]:
    return lambda m: m.fit(**({"x": X, "y": LABELS, "verbose": 0} | changed))


def not_numbers(at: int) -> np.ndarray:
    y = LABELS.astype("float32")
    y[at] = np.nan
    return y


class Endless:
    """Like Keras's PyDataset: any index is answered."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return X[:0]


class Half:
    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.zeros((6, 5, 3), "complex64")


CASES: dict[str, tuple[Callable[[Sequential], Any], str]] = {
    "wrong rank": (fit(x=X[:, 0]), r"Model 'm': expected input of shape \(None, 5, 3\), got \(6, 3\)"),
    "one sample": (lambda m: m.predict(X[0]), r"got \(5, 3\); add a batch axis: x\[None\]\."),
    "one sample in fit": (fit(x=X[0]), r"equally many samples, got 5 and 6|add a batch axis: x\[None\]"),
    "one sample in a call": (lambda m: m(X[0]), r"add a batch axis: x\[None\]\."),
    "another rank is no missing axis": (lambda m: m.predict(X[:, 0]), r"got \(6, 3\)\.$"),
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
    "half a label": (fit(y=LABELS + 0.5), "expected whole numbers as labels, got 0.5"),
    "label below 0": (fit(y=LABELS - 1), "labels from 0 to 2, got -1"),
    "label too large in validation": (fit(validation_data=(X, LABELS * 2)), "labels from 0 to 2, got 4"),
    "label too large in evaluate": (lambda m: m.evaluate(X, LABELS * 5), "labels from 0 to 2, got 5"),
    "labels of another shape": (fit(y=np.zeros((6, 2))), "one class number for each prediction"),
    "empty x": (fit(x=X[:0], y=LABELS[:0]), r"x: expected an array with at least one sample, got shape \(0, 5, 3\)"),
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
    "validation after an epoch of another name": (fit(validation_freq=[1, "a"]), "validation_freq: expected"),
    "validation never": (fit(validation_freq=0), "validation_freq: expected"),
    "epochs below none": (fit(epochs=-1), "fit: epochs must be at least 0, got -1"),
    "half an epoch": (fit(epochs=0.5), "fit: epochs must be an integer, got 0.5"),
    "another order": (fit(shuffle="no"), "fit: expected shuffle to be True, False or \"batch\", got 'no'"),
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
    "metrics in the place of loss_weights": (
        lambda m: m.compile("adam", "mse", ["accuracy"]),
        r"loss_weights, its third argument, to be a number, got \['accuracy'\]; .*metrics=\['accuracy'\]",
    ),
    "a loss without end": (lambda m: m.compile("adam", "mse", loss_weights=np.inf), "finite numbers as loss_weights"),
    "several metrics in the place of loss_weights": (lambda m: m.compile("adam", "mse", ["mae", "mse"]), "metrics="),
    "a loss that is not reduced": (
        lambda m: m.compile("adam", losses.MeanSquaredError(reduction=None)),
        "reduction None gives no single number",
    ),
    "a generator beside y": (fit(x=iter([(X, LABELS)])), "y: the generator gives batches .* so y cannot be given"),
    "a generator of words": (
        fit(x=iter([("a", LABELS)]), y=None),
        "Batch 0 of the generator: x: expected real numbers",
    ),
    "a generator without targets": (fit(x=iter([(X,)]), y=None), "Batch 0 of the generator: fit: needs the targets y"),
    "a generator without batches": (fit(x=iter([]), y=None), "x: expected batches, but the generator gave none"),
    "a batch of four": (fit(x=iter([(X, LABELS, 1, 2)]), y=None), r"expected \(x,\), \(x, y\) or .* got 4 entries"),
    "a data set that numpy would read for ever": (
        fit(x=Endless(), y=None),
        "got Endless; give an array, or what makes batches of it",
    ),
    "inputs by name": (fit(x={"input": X}), "x: expected real numbers, got dict"),
    "NaN weights": (fit(sample_weight=[1, 1, np.nan, 1, 1, 1]), "sample_weight: expected numbers, got 1 NaN"),
    "infinite weights": (fit(sample_weight=[1, 1, np.inf, 1, 1, 1]), "sample_weight: expected numbers, got 1 infinite"),
    "infinite class weights": (fit(class_weight={0: np.inf}), "class_weight: expected numbers, got infinity"),
    "a class that is absent": (fit(class_weight={3: 2.0}), "class_weight: expected the classes 0 to 2 as keys, got 3"),
    "a class below 0": (fit(class_weight={-1: 2.0}), "class_weight: expected the classes 0 to 2 as keys, got -1"),
    "classes by name": (fit(class_weight={"0": 2.0}), "class_weight: expected the classes 0 to 2 as keys, got '0'"),
    "NaN in x": (fit(x=X * np.nan), r"x: expected numbers, got 90 NaN; .* the first is sample 0 at \(0, 0\)"),
    "NaN class weights": (fit(class_weight={0: np.nan}), "class_weight: expected numbers, got NaN"),
    "a validation batch of zero": (fit(validation_data=(X, LABELS), validation_batch_size=0), "batch_size: expected"),
    "a class of callbacks": (fit(callbacks=[Callback]), "callbacks: expected Callback objects, got <class"),
    "a mask of other samples": (
        lambda m: m(X, mask=np.ones((2, 2), bool)),
        r"Layer 'm': expected a mask of shape \(6, 5\) \(batch, timesteps\), got \(2, 2\)",
    ),
    "a mask for each feature": (lambda m: m(X, mask=np.ones((6, 5, 3), bool)), r"got \(6, 5, 3\)"),
    "a single mask": (lambda m: m(X, mask=True), r"expected a mask of shape \(6, 5\).*got \(\)"),
    "words as weights": (
        lambda m: m.set_weights([w.astype(str) for w in m.get_weights()]),
        "weight 'kernel': expected real numbers, got ndarray of dtype <U",
    ),
    "complex weights": (lambda m: m.set_weights([w + 1j for w in m.get_weights()]), "dtype complex"),
    "a learning rate of NaN in a saved state": (
        lambda m: m.optimizer.set_variables([9, np.nan, *m.optimizer.variables[2:]]),
        "expected a float as learning_rate, got nan",
    ),
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
    network = model()
    network.fit(X, LABELS, verbose=0)
    before, config, compiled = network.get_weights(), network.get_config(), network.get_compile_config()
    state = [np.array(variable) for variable in network.optimizer.variables]
    attempt, message = CASES[case]
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        attempt(network)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(state, network.optimizer.variables, strict=True))
    assert network.get_config() == config
    assert network.get_compile_config() == compiled
    assert network.fit(X, LABELS, verbose=0).history["loss"]
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
    network = model()
    for arguments in ({"loss": None, "metrics": ["accuracy"]}, {"optimizer": None, "loss": "mse"}):
        network.compile(**arguments)
        with pytest.raises(ValueError, match="needs an optimizer and a loss"):
            network.fit(X, np.eye(3)[LABELS])
        network.evaluate(X, np.eye(3)[LABELS], verbose=0)


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


def built(layer: Any, shape: tuple[int, ...]) -> Any:
    layer(np.zeros(shape))
    return layer


@pytest.mark.parametrize(
    ("shape", "layer", "message"),
    [
        ((5, 7), built(GRU(2), (1, 5, 3)), r"\(batch, timesteps, 3\), got \(1, 5, 7\)"),
        ((7,), built(Dense(2), (1, 3)), r"\(batch, ..., 3\), got \(1, 7\)"),
        ((5, 7), Sequential([Input((5, 3)), GRU(2)]), r"\(None, 5, 3\), got \(1, 5, 7\)"),
        ((9, 3), Sequential([Input((5, 3)), GRU(2)]), r"\(None, 5, 3\), got \(1, 9, 3\)"),
        ((5, 3), built(GRU(2, stateful=True), (6, 5, 3)), "batches of 6 rows"),
    ],
)
def test_a_layer_that_was_built_for_other_inputs_is_told_and_never_computes_beyond_its_weights(
    shape: tuple[int, ...], layer: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Sequential([Input(shape), layer])


@pytest.mark.parametrize(
    ("attempt", "message"),
    [
        (lambda: GRU(4)(X, mask=np.ones((2, 2), bool)), r"expected a mask of shape \(6, 5\).*got \(2, 2\)"),
        (lambda: GRU(4)(X, mask=[True, False]), r"expected a mask of shape \(6, 5\).*got \(2,\)"),
        (lambda: GRU(4)(X, mask=[["yes"] * 5] * 6), "mask: expected real numbers"),
        (lambda: GRU(4)(X[0]), r"\(batch, timesteps, features\), got \(5, 3\); add a batch axis: x\[None\]"),
        (lambda: GRU(4)(Endless()), "expected real numbers, got Endless; give an array"),
        (lambda: Dropout(0.5)(X, True), "expected one input, got 2; give mask and training by name"),
        (lambda: Activation("softmax")(np.zeros((3, 0))), r"the input is empty, its shape is \(3, 0\)"),
        (lambda: Dropout(0.5, noise_shape=(1, 2))(X, training=True), r"noise_shape \(1, 2\) does not fit"),
        (lambda: Dropout(0.5, noise_shape=(6, 2, 3))(X, training=True), r"noise_shape \(6, 2, 3\) does not fit"),
        (lambda: GRU(4, dropout=1.5), r"dropout must lie in \[0, 1\], got 1.5"),
        (lambda: GRU(4, recurrent_dropout=-0.5), r"recurrent_dropout must lie in \[0, 1\], got -0.5"),
        (lambda: built(GRU(4), X.shape).build((None, 5, 3)), "is built already"),
        (lambda: built(Dense(4), X.shape).kernel.assign([["a"] * 4] * 3), "kernel': expected real numbers"),
    ],
)
def test_a_layer_tells_what_it_cannot_take(attempt: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attempt()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: optimizers.get({"name": "adam"}),
        lambda: optimizers.get({"class_name": 3}),
        lambda: losses.get({"config": {}}),
        lambda: layers.Dense(1, kernel_regularizer={"class_name": "L2", "config": [3]}),
        lambda: Sequential.from_config({"name": "m", "layers": [3]}),
        lambda: Sequential.from_config({"name": "m", "layers": 3}),
    ],
)
def test_a_config_that_is_none_is_told(attempt: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"expected (a config of the form|layers to be a list of configs)"):
        attempt()


def test_a_model_with_several_outputs_is_not_trained() -> None:
    network = Sequential([Input((5, 3)), GRU(2, return_state=True)])
    network.compile("adam", "mse")
    with pytest.raises(ValueError, match="one output, got 2"):
        network.fit(X, X[:, 0, :2])
