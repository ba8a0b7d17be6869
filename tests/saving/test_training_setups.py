"""What a model was compiled with goes from Keras to fastgru and back: training goes on with the same numbers.

The tables have a row for every optimizer, loss and metric of Keras. What fastgru does not have (yet) opens uncompiled,
with a sentence in the report; a row needs no change when it gets there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:.*considers legacy")]

ENDINGS = [".keras", pytest.param(".h5", marks=pytest.mark.slow)]
STEPS = 3
Make = Callable[[Any], Any]


def default(name: str, **options: Any) -> Make:
    return lambda part: getattr(part, name)(**options)


# NAME: how a part of either library makes it
OPTIMIZERS: dict[str, Make] = {
    "SGD": default("SGD", learning_rate=0.1, momentum=0.5, nesterov=True, clipnorm=0.3),
    "RMSprop": default("RMSprop", learning_rate=0.01, centered=True, momentum=0.2),
    "Adam": default("Adam", learning_rate=0.01, amsgrad=True, weight_decay=0.02),
    "AdamW": default("AdamW", learning_rate=0.01, weight_decay=0.05),
    "Adamax": default("Adamax", learning_rate=0.01, beta_1=0.8),
    "Nadam": default("Nadam", learning_rate=0.01),
    "Adagrad": default("Adagrad", learning_rate=0.05),
    "Adadelta": default("Adadelta", learning_rate=0.5),
    "Adafactor": default("Adafactor", learning_rate=0.01),
    "Ftrl": default("Ftrl", learning_rate=0.05),
    "Lamb": default("Lamb", learning_rate=0.01),
    "Lion": default("Lion", learning_rate=0.01),
    "Muon": default("Muon", learning_rate=0.01),
    "ScheduleFreeAdamW": default("ScheduleFreeAdamW", learning_rate=0.01, warmup_steps=2),
    "LossScaleOptimizer": lambda part: part.LossScaleOptimizer(part.SGD(0.1, momentum=0.5), initial_scale=8.0),
    "ExponentialDecay": lambda part: part.SGD(part.schedules.ExponentialDecay(0.1, 2, 0.5)),
    "CosineDecayRestarts": lambda part: part.Adam(part.schedules.CosineDecayRestarts(0.01, 2)),
    "averages": default("SGD", learning_rate=0.1, use_ema=True, ema_momentum=0.5),
    "accumulated gradients": default("Adam", learning_rate=0.01, gradient_accumulation_steps=2),
}
FRACTIONS, LABELS, ONE_HOT, SIGNS = "fractions", "labels", "one-hot", "signs"
# NAME: what targets it takes, and how it is made
LOSSES: dict[str, tuple[str, Make]] = {
    "BinaryCrossentropy": (FRACTIONS, default("BinaryCrossentropy", label_smoothing=0.1)),
    "BinaryFocalCrossentropy": (FRACTIONS, default("BinaryFocalCrossentropy", gamma=1.5)),
    "CategoricalCrossentropy": (ONE_HOT, default("CategoricalCrossentropy", label_smoothing=0.1)),
    "CategoricalFocalCrossentropy": (ONE_HOT, default("CategoricalFocalCrossentropy", gamma=1.5)),
    "CategoricalGeneralizedCrossEntropy": (LABELS, default("CategoricalGeneralizedCrossEntropy", q=0.4)),
    "CategoricalHinge": (ONE_HOT, default("CategoricalHinge")),
    "Circle": (LABELS, default("Circle", gamma=4.0)),
    "CosineSimilarity": (FRACTIONS, default("CosineSimilarity", axis=-1)),
    "Dice": (ONE_HOT, default("Dice", axis=(0, 1))),
    "Hinge": (SIGNS, default("Hinge")),
    "Huber": (FRACTIONS, default("Huber")),  # Keras's config leaves out delta
    "KLDivergence": (FRACTIONS, default("KLDivergence")),
    "LogCosh": (FRACTIONS, default("LogCosh")),
    "MeanAbsoluteError": (FRACTIONS, default("MeanAbsoluteError", reduction="sum")),
    "MeanAbsolutePercentageError": (FRACTIONS, default("MeanAbsolutePercentageError")),
    "MeanSquaredError": (FRACTIONS, default("MeanSquaredError", reduction="sum")),
    "MeanSquaredLogarithmicError": (FRACTIONS, default("MeanSquaredLogarithmicError")),
    "Poisson": (FRACTIONS, default("Poisson")),
    "SparseCategoricalCrossentropy": (LABELS, default("SparseCategoricalCrossentropy", ignore_class=1)),
    "SquaredHinge": (SIGNS, default("SquaredHinge")),
    "Tversky": (ONE_HOT, default("Tversky", alpha=0.3)),
    "huber": (FRACTIONS, lambda part: "huber"),
    "mse": (FRACTIONS, lambda part: "mse"),
    "mean_squared_error": (FRACTIONS, lambda part: part.mean_squared_error),
    "log_cosh": (FRACTIONS, lambda part: "log_cosh"),
}
METRICS: dict[str, tuple[str, Make]] = {
    "AUC": (ONE_HOT, default("AUC", num_thresholds=50)),
    "Accuracy": (LABELS, lambda part: "accuracy"),
    "BinaryAccuracy": (ONE_HOT, default("BinaryAccuracy", threshold=0.4)),
    "BinaryCrossentropy": (ONE_HOT, default("BinaryCrossentropy")),
    "CategoricalAccuracy": (ONE_HOT, default("CategoricalAccuracy")),
    "CategoricalCrossentropy": (ONE_HOT, default("CategoricalCrossentropy")),
    "CategoricalHinge": (ONE_HOT, default("CategoricalHinge")),
    "CosineSimilarity": (FRACTIONS, default("CosineSimilarity")),
    "F1Score": (ONE_HOT, default("F1Score", average="macro")),
    "FBetaScore": (ONE_HOT, default("FBetaScore", beta=2.0, average="micro")),
    "FalseNegatives": (ONE_HOT, default("FalseNegatives", thresholds=0.4)),
    "FalsePositives": (ONE_HOT, default("FalsePositives", thresholds=0.4)),
    "Hinge": (SIGNS, default("Hinge")),
    "KLDivergence": (FRACTIONS, default("KLDivergence")),
    "LogCoshError": (FRACTIONS, default("LogCoshError")),
    "MeanAbsoluteError": (FRACTIONS, lambda part: "mae"),
    "MeanAbsolutePercentageError": (FRACTIONS, default("MeanAbsolutePercentageError")),
    "MeanSquaredError": (FRACTIONS, lambda part: part.mean_squared_error),
    "MeanSquaredLogarithmicError": (FRACTIONS, default("MeanSquaredLogarithmicError")),
    "OneHotIoU": (ONE_HOT, default("OneHotIoU", num_classes=3, target_class_ids=[0, 2])),
    "Poisson": (FRACTIONS, default("Poisson")),
    "Precision": (ONE_HOT, default("Precision", thresholds=0.4)),
    "PrecisionAtRecall": (ONE_HOT, default("PrecisionAtRecall", recall=0.5)),
    "R2Score": (FRACTIONS, default("R2Score")),
    "Recall": (ONE_HOT, default("Recall", top_k=2)),
    "RecallAtPrecision": (ONE_HOT, default("RecallAtPrecision", precision=0.4)),
    "RootMeanSquaredError": (FRACTIONS, default("RootMeanSquaredError")),
    "SensitivityAtSpecificity": (ONE_HOT, default("SensitivityAtSpecificity", specificity=0.5)),
    "SparseCategoricalAccuracy": (LABELS, default("SparseCategoricalAccuracy")),
    "SparseCategoricalCrossentropy": (LABELS, default("SparseCategoricalCrossentropy")),
    "SparseTopKCategoricalAccuracy": (LABELS, default("SparseTopKCategoricalAccuracy", k=2)),
    "SpecificityAtSensitivity": (ONE_HOT, default("SpecificityAtSensitivity", sensitivity=0.5)),
    "SquaredHinge": (SIGNS, default("SquaredHinge")),
    "TopKCategoricalAccuracy": (ONE_HOT, default("TopKCategoricalAccuracy", k=2)),
    "TrueNegatives": (ONE_HOT, default("TrueNegatives")),
    "TruePositives": (ONE_HOT, default("TruePositives")),
}
LOSS_OF = {LABELS: "sparse_categorical_crossentropy", ONE_HOT: "categorical_crossentropy"}


def data(kind: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(8, 5)).astype("float32"), rng.integers(0, 3, 8)
    if kind == LABELS:
        return x, labels
    if kind == FRACTIONS:
        return x, rng.uniform(0.1, 0.9, (8, 3)).astype("float32")
    one_hot = np.eye(3, dtype="float32")[labels]
    return x, one_hot if kind == ONE_HOT else 2 * one_hot - 1


def compiled(library: Any, optimizer: Any, loss: Any, metrics: Any = None) -> Any:
    layers = library.layers
    model = library.Sequential([layers.Input((5,)), layers.Dense(4, activation="tanh"), layers.Dense(3, "softmax")])
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    eagerly = {"run_eagerly": True, "jit_compile": False} if library is not fastgru else {}
    model.compile(optimizer, loss, metrics=metrics, **eagerly)
    return model


def trained(model: Any, kind: str) -> list[float]:
    x, y = data(kind)
    return [np.ravel(model.train_on_batch(x, y))[0] for _ in range(STEPS)]


def is_known(part: str, make: Make) -> bool:
    try:
        made = make(getattr(fastgru, part))
        return made is not None and getattr(fastgru, part).get(made) is not None
    except (AttributeError, ValueError):
        return False


def assert_goes_on(keras: Any, make: Callable[[Any], Any], kind: str, ending: str, folder: Path) -> None:
    """A model trained in Keras, saved, and trained further here, and the other way round, follows Keras's losses."""
    theirs, ours = make(keras), make(fastgru)
    trained(theirs, kind), trained(ours, kind)
    theirs.save(folder / f"theirs{ending}")
    ours.save(folder / f"ours{ending}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here = fastgru.models.load_model(folder / f"theirs{ending}")
    assert here.compiled and "not restored" not in " ".join(here.load_report)
    expected = trained(theirs, kind)
    np.testing.assert_allclose(trained(here, kind), expected, rtol=1e-4, atol=1e-5)
    if ending == ".keras":  # from legacy files of its own, too, Keras takes an optimizer without its state
        there = keras.models.load_model(folder / f"ours{ending}")
        np.testing.assert_allclose(trained(there, kind), expected, rtol=1e-4, atol=1e-5)


def assert_opens_uncompiled(keras: Any, make: Callable[[Any], Any], ending: str, folder: Path) -> None:
    make(keras).save(folder / f"theirs{ending}")
    with pytest.warns(UserWarning, match="loaded but not compiled"):
        model = fastgru.models.load_model(folder / f"theirs{ending}")
    assert not model.compiled and "The training setup is not restored" in " ".join(model.load_report)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_goes_on_where_it_stopped(keras: Any, name: str, ending: str, tmp_path: Path) -> None:
    if (name, ending) == ("Adafactor", ".h5"):
        pytest.skip("Keras gives its states one name and cannot write them")

    def make(library: Any) -> Any:
        return compiled(library, OPTIMIZERS[name](library.optimizers), "mse")

    if is_known("optimizers", OPTIMIZERS[name]):
        assert_goes_on(keras, make, FRACTIONS, ending, tmp_path)
    else:
        assert_opens_uncompiled(keras, make, ending, tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_the_same_on_the_other_side(keras: Any, name: str, ending: str, tmp_path: Path) -> None:
    kind, loss = LOSSES[name]

    def make(library: Any) -> Any:
        return compiled(library, library.optimizers.SGD(0.05), loss(library.losses))

    if is_known("losses", loss):
        assert_goes_on(keras, make, kind, ending, tmp_path)
    else:
        assert_opens_uncompiled(keras, make, ending, tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_the_same_on_the_other_side(keras: Any, name: str, ending: str, tmp_path: Path) -> None:
    kind, metric = METRICS[name]
    x, y = data(kind)

    def make(library: Any) -> Any:
        return compiled(library, "sgd", LOSS_OF.get(kind, "mse"), [metric(library.metrics)])

    if not is_known("metrics", metric):
        assert_opens_uncompiled(keras, make, ending, tmp_path)
        return
    theirs, ours = make(keras), make(fastgru)
    expected = theirs.evaluate(x, y, verbose=0)
    theirs.save(tmp_path / f"theirs{ending}")
    ours.save(tmp_path / f"ours{ending}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here = fastgru.models.load_model(tmp_path / f"theirs{ending}")
    there = keras.models.load_model(tmp_path / f"ours{ending}")
    for model in (here, there):
        np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected, rtol=1e-4, atol=1e-5)
