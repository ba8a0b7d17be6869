"""What the rows of one process draw and divide by, where several share a batch; without MPI."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru.layers.share import Share, batch_size_of, drawn, part_of_mean, sharing, uniform
from fastgru.losses import SparseCategoricalCrossentropy


class Alone:
    """Stands for the others, who add nothing."""

    def add(self, array: Any) -> Any:
        return array

    def gathered(self, array: Any, share: Share) -> Any:
        raise AssertionError


def share(start: int, stop: int, total: int, **options: Any) -> Share:
    return Share(start, stop, total, **{"counts": True, "is_mean": False, "sharers": Alone(), **options})


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937])
@pytest.mark.parametrize(("start", "stop"), [(0, 3), (3, 7), (6, 7), (7, 8)])
@pytest.mark.parametrize(("shape", "axis"), [((8, 5), 0), ((3, 8, 5), 1), ((8,), 0), ((16, 3), 0)])
@pytest.mark.parametrize("before", [0, 1])
def test_the_rows_draw_what_one_process_draws_for_them(
    generator: Any, start: int, stop: int, shape: tuple[int, ...], axis: int, before: int
) -> None:
    alone, ours = (np.random.Generator(generator(3)) for _ in range(2))
    for one in (alone, ours):
        one.random(before, np.float32)  # half of what PCG64 makes at once
    times = shape[axis] // 8
    own = tuple(size // 8 * (stop - start) if place == axis else size for place, size in enumerate(shape))
    whole = alone.random(shape, np.float32)
    with sharing(share(start, stop, 8)):
        part = uniform(ours, own, axis)
    np.testing.assert_array_equal(part, whole.take(range(start * times, stop * times), axis))
    np.testing.assert_array_equal(ours.random(3, np.float32), alone.random(3, np.float32))


def test_what_all_rows_share_is_drawn_once() -> None:
    alone, ours = np.random.default_rng(3), np.random.default_rng(3)
    with sharing(share(2, 4, 8)):
        np.testing.assert_array_equal(uniform(ours, (1, 5), None), alone.random((1, 5), np.float32))


def test_other_draws_are_made_for_the_whole_batch() -> None:
    alone, ours = np.random.default_rng(3), np.random.default_rng(3)
    with sharing(share(2, 4, 8)):
        part = drawn(ours.standard_normal, (2, 5))
    np.testing.assert_array_equal(part, alone.standard_normal((8, 5))[2:4])
    assert ours.random() == alone.random()


def test_numbers_that_do_not_follow_the_rows_are_refused() -> None:
    with sharing(share(0, 4, 8)), pytest.raises(ValueError, match=r"each of the 4 rows.*axis 0 does not follow"):
        uniform(np.random.default_rng(0), (6, 2))


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
def test_the_parts_of_a_loss_add_up_to_that_of_the_batch(reduction: str, rng: np.random.Generator) -> None:
    loss = SparseCategoricalCrossentropy(reduction=reduction)
    y, predictions = rng.integers(0, 3, 7), rng.dirichlet(np.ones(3), 7)
    value, gradient = loss.value_and_gradient(y, predictions)
    for is_mean in (False, True):
        total, gradients = 0.0, []
        for start, stop in ((0, 2), (2, 7)):
            with sharing(share(start, stop, 7, is_mean=is_mean)):
                part, of_rows = loss.value_and_gradient(y[start:stop], predictions[start:stop])
            weight = (stop - start) / 7 if is_mean else 1.0  # a step of one's own averages
            total += weight * part
            gradients.append(weight * of_rows)
        assert total == pytest.approx(value)
        np.testing.assert_allclose(np.concatenate(gradients), gradient, rtol=1e-12)


def test_rows_that_do_not_count_add_nothing() -> None:
    with sharing(share(0, 1, 1, counts=False)):
        assert 1 / batch_size_of(1) == part_of_mean() == 0
        value, gradient = SparseCategoricalCrossentropy().value_and_gradient([1], np.array([[0.2, 0.8]]))
    assert value == 0 and not gradient.any()
