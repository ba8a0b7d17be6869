"""Random tensors are distributed as they say, and are the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import GradientTape, ops, random, utils

SHAPE = (200, 100)
DRAWS = {  # and the mean and deviation that the numbers have
    "normal": (lambda seed: random.normal(SHAPE, 1, 2, seed=seed), 1, 2),
    "truncated_normal": (lambda seed: random.truncated_normal(SHAPE, 1, 2, seed=seed), 1, 2 * 0.8796),
    "uniform": (lambda seed: random.uniform(SHAPE, -1, 3, seed=seed), 1, 4 / 12**0.5),
    "randint": (lambda seed: random.randint(SHAPE, 0, 10, seed=seed), 4.5, 8.25**0.5),
    "gamma": (lambda seed: random.gamma(SHAPE, 2.0, seed=seed), 2, 2**0.5),
    "beta": (lambda seed: random.beta(SHAPE, 2.0, 3.0, seed=seed), 0.4, 0.2),
    "binomial": (lambda seed: random.binomial(SHAPE, 10, 0.3, seed=seed), 3, 2.1**0.5),
    "categorical": (lambda seed: random.categorical(np.log([[0.5, 0.25, 0.25]] * 200), 100, seed=seed), 0.75, 0.829),
}


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_are_distributed_as_they_say(name: str) -> None:
    draw, mean, deviation = DRAWS[name]
    x = draw(3)
    assert x.shape == SHAPE
    assert x.dtype == ("int32" if name in ("randint", "categorical") else "float32")
    assert float(ops.mean(x)) == pytest.approx(mean, abs=0.05 * deviation)
    assert float(np.asarray(x).std()) == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_says_the_numbers(name: str) -> None:
    draw = DRAWS[name][0]
    np.testing.assert_array_equal(draw(3), draw(3))
    assert (np.asarray(draw(3)) != np.asarray(draw(4))).any()
    first, second = random.SeedGenerator(5), random.SeedGenerator.from_config({"seed": 5})
    numbers = [draw(first) for _ in range(2)]
    assert (np.asarray(numbers[0]) != np.asarray(numbers[1])).any()
    np.testing.assert_array_equal(numbers, [draw(second) for _ in range(2)])
    utils.set_random_seed(1)
    package = draw(None)
    utils.set_random_seed(1)
    np.testing.assert_array_equal(draw(None), package)


def test_dropout_drops_and_scales_and_is_differentiated() -> None:
    x = ops.ones((100, 100))
    with GradientTape() as tape:
        tape.watch(x)
        y = random.dropout(x, 0.3, seed=1)
    assert float((y == 0).mean()) == pytest.approx(0.3, abs=0.02)
    assert np.unique(y).tolist() == pytest.approx([0, 1 / 0.7])
    np.testing.assert_array_equal(tape.gradient(y, x), y)
    rows = random.dropout(x, 0.5, noise_shape=(None, 1), seed=1)
    assert (np.asarray(rows) == np.asarray(rows)[:, :1]).all()


def test_shuffling_keeps_the_entries() -> None:
    x = np.arange(20.0, dtype="float32").reshape(4, 5)
    shuffled = np.asarray(random.shuffle(x, axis=1, seed=2))
    assert (shuffled != x).any()
    np.testing.assert_array_equal(np.sort(shuffled, 1), x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: random.normal((2,), seed=-1), "seed must be None or a whole number"),
        (lambda: random.dropout([1.0], 1.0), r"rate must lie in \[0, 1\)"),
        (lambda: random.randint((2,), 0, 3, dtype="float32"), "expected a dtype of whole numbers"),
        (lambda: random.uniform((2,), dtype="int32"), "those of random.randint"),
        (lambda: random.categorical([0.0], 2), r"expected logits of shape \(batch, classes\)"),
        (lambda: random.SeedGenerator(1, backend="x"), "unrecognized arguments"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
