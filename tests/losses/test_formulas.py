"""The losses that are formulas: values, weights, reductions and gradients are Keras's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastgru
from fastgru import losses


def softmax(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def draws(rng: np.random.Generator) -> dict[str, Callable[[], Any]]:
    """Labels and predictions by the kind that a loss takes."""
    normal = rng.normal
    return {
        "numbers": lambda: (normal(size=(6, 4)), 2 * normal(size=(6, 4))),
        "positive": lambda: (rng.random((6, 4)), rng.random((6, 4)) + 0.1),
        "distributions": lambda: (softmax(normal(size=(6, 4))), softmax(normal(size=(6, 4)))),
        "bits": lambda: (rng.integers(0, 2, (6, 4)), 0.9 * rng.random((6, 4)) + 0.05),
        "bits of logits": lambda: (rng.integers(0, 2, (6, 4)), normal(size=(6, 4))),
        "classes": lambda: (np.eye(4)[rng.integers(0, 4, 6)], softmax(normal(size=(6, 4)))),
        "classes of logits": lambda: (np.eye(4)[rng.integers(0, 4, 6)], normal(size=(6, 4))),
        "class numbers": lambda: (rng.integers(0, 4, 6), softmax(normal(size=(6, 4)))),
        "embeddings": lambda: (rng.integers(0, 3, 6), _unit(normal(size=(6, 5)))),
        "sequences": lambda: (np.array([[1, 2, 2, 0], [3, 1, 0, 0], [1, 1, 1, 2]]), normal(size=(3, 12, 5))),
    }


def _unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


class Case(NamedTuple):
    name: str
    kind: str
    options: dict[str, Any] = {}  # noqa: RUF012

    def __str__(self) -> str:
        return f"{self.name} {self.options or ''}"


CASES = [
    Case("MeanAbsolutePercentageError", "numbers"),
    Case("MeanSquaredLogarithmicError", "positive"),
    Case("Huber", "numbers"),
    Case("Huber", "numbers", {"delta": 0.3}),
    Case("LogCosh", "numbers"),
    Case("CosineSimilarity", "numbers"),
    Case("KLDivergence", "distributions"),
    Case("Poisson", "positive"),
    Case("Hinge", "bits of logits"),
    Case("SquaredHinge", "bits of logits"),
    Case("CategoricalHinge", "classes of logits"),
    Case("BinaryFocalCrossentropy", "bits"),
    Case("BinaryFocalCrossentropy", "bits of logits", {"from_logits": True, "gamma": 3.0}),
    Case("BinaryFocalCrossentropy", "bits", {"apply_class_balancing": True}),
    Case("BinaryFocalCrossentropy", "bits", {"label_smoothing": 0.1, "alpha": 0.4}),
    Case("CategoricalFocalCrossentropy", "classes"),
    Case("CategoricalFocalCrossentropy", "classes of logits", {"from_logits": True, "label_smoothing": 0.1}),
    Case("Dice", "bits"),
    Case("Dice", "bits", {"axis": -1}),
    Case("Tversky", "bits", {"alpha": 0.3, "beta": 0.8}),
    Case("Tversky", "bits", {"axis": -1}),
    Case("CategoricalGeneralizedCrossEntropy", "class numbers", {"q": 0.7}),
    Case("Circle", "embeddings"),
    Case("Circle", "embeddings", {"gamma": 10.0, "margin": 0.2, "remove_diagonal": False}),
    Case("CTC", "sequences"),
]


@pytest.mark.keras
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_configs_are_those_of_keras(case: Case, reduction: str, keras: Any, rng: Any) -> None:
    y_true, y_pred = (np.float32(array) for array in draws(rng)[case.kind]())
    ours, theirs = (
        getattr(module, case.name)(reduction=reduction, **case.options) for module in (losses, keras.losses)
    )
    for weights in (None, rng.random(len(y_true), "float32")):
        expected = np.asarray(theirs(y_true, y_pred, sample_weight=weights))
        np.testing.assert_allclose(ours(y_true, y_pred, sample_weight=weights), expected, rtol=2e-5, atol=1e-5)
    assert ours.get_config() == theirs.get_config()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_those_of_differences(case: Case, rng: np.random.Generator) -> None:
    y_true, y_pred = draws(rng)[case.kind]()
    loss, weights, h = getattr(losses, case.name)(**case.options), rng.random(len(y_true)), 1e-6
    value, gradient = loss.value_and_gradient(y_true, y_pred, weights)
    for _ in range(20):
        direction = rng.normal(size=y_pred.shape)
        ahead, behind = (float(loss(y_true, y_pred + sign * h * direction, weights)) for sign in (1, -1))
        assert (gradient * direction).sum() == pytest.approx((ahead - behind) / (2 * h), rel=1e-5, abs=1e-7)
    followed = fastgru.ops.convert_to_tensor(y_pred)
    with fastgru.GradientTape() as tape:
        tape.watch(followed)
        result = loss(y_true, followed, weights)
    assert float(result) == pytest.approx(value)
    np.testing.assert_allclose(tape.gradient(result, followed), gradient, rtol=1e-12)


def test_ctc_adds_up_all_ways_to_spell_the_labels(rng: np.random.Generator) -> None:
    logits, n_steps = rng.normal(size=(1, 5, 3)), 4
    p = softmax(logits)[0, :n_steps]
    total = 0.0
    for classes in np.ndindex(*[3] * n_steps):
        spelled = [one for one, before in zip(classes, (-1, *classes), strict=False) if one not in (before, 0)]
        total += np.prod(p[np.arange(n_steps), classes]) if spelled == [1, 1] else 0.0
    ours = fastgru.ops.ctc_loss(np.array([[1, 1, 0]]), logits, np.array([2]), np.array([n_steps]))
    assert float(ours[0]) == pytest.approx(-np.log(total))


@pytest.mark.keras
@pytest.mark.parametrize("labels", [[1, 2, 0, 2], [1, 0, 2, 2], [0, 1, 2, 0], [1, 1, 0, 0], [0, 0, 0, 0]], ids=str)
def test_ctc_is_that_of_keras_also_where_zeros_stand_among_labels(
    keras: Any, rng: np.random.Generator, labels: list[int]
) -> None:
    logits, y = rng.normal(size=(1, 5, 3)).astype("float32"), np.array([labels])
    expected = np.asarray(keras.losses.CTC()(y, logits))
    np.testing.assert_allclose(np.asarray(fastgru.losses.CTC()(y, logits)), expected, rtol=1e-5)
    _, gradient = fastgru.losses.CTC().value_and_gradient(y, logits.astype("float64"))
    step = np.zeros(logits.shape)
    for index in [(0, 0, 1), (0, 2, 0), (0, 4, 2)]:
        step[index] = 1e-6
        above, below = (fastgru.losses.CTC().value(y, logits + sign * step) for sign in (1, -1))
        np.testing.assert_allclose(gradient[index], (above - below) / 2e-6, atol=1e-6)
        step[index] = 0


@pytest.mark.keras
def test_a_greedy_ctc_decode_spells_as_keras_does(keras: Any, rng: np.random.Generator) -> None:
    scores, lengths = rng.normal(size=(4, 9, 5)).astype("float32"), np.array([9, 3, 6, 1])
    for merge in (True, False):
        (ours, our_scores), (theirs, their_scores) = (
            module.ops.ctc_decode(scores, lengths, merge_repeated=merge, mask_index=0) for module in (fastgru, keras)
        )
        np.testing.assert_array_equal(ours, np.asarray(theirs))
        np.testing.assert_allclose(our_scores, np.asarray(their_scores), rtol=1e-5)
