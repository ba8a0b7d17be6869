"""Parameters: one buffer for the weights of a model."""

from __future__ import annotations

import numpy as np
import pytest

from fastgru.layers.weight import Weight
from fastgru.parameters import Parameters


@pytest.fixture
def weights(rng):
    return [
        Weight(rng.standard_normal(shape), f"w{i}", f"layer/w{i}") for i, shape in enumerate([(3, 4), (4,), (2, 2, 2)])
    ]


def test_weights_keep_their_numbers_and_become_views(weights):
    before = [weight.numpy() for weight in weights]
    parameters = Parameters(weights)
    assert parameters.values.shape == parameters.gradients.shape == (24,)
    for weight, numbers in zip(weights, before, strict=True):
        assert np.array_equal(weight.value, numbers)
        assert np.shares_memory(weight.value, parameters.values) and weight.gradient.base is parameters.gradients
    parameters.values[12:16] = 7
    assert (weights[1].value == 7).all()


def test_what_is_assigned_is_taken_into_the_buffer(weights):
    parameters = Parameters(weights)
    weights[1].assign([1, 2, 3, 4])
    parameters.gather()
    assert parameters.values[12:16].tolist() == [1, 2, 3, 4]


def test_gradients_start_at_zero_and_go_back_there(weights):
    parameters = Parameters(weights)
    assert not parameters.gradients.any()
    weights[2].gradient += 1
    assert parameters.gradients.sum() == 8
    parameters.zero_gradients()
    assert not weights[2].gradient.any()


def test_views_cut_any_flat_array_the_same_way(weights):
    parameters = Parameters(weights)
    views = parameters.views(np.arange(24.0))
    assert [view.shape for view in views] == [(3, 4), (4,), (2, 2, 2)]
    assert views[2].ravel().tolist() == list(range(16, 24))


def test_holds_until_another_model_takes_a_weight(weights):
    parameters = Parameters(weights)
    assert parameters.holds(weights)
    assert not parameters.holds(weights[:2])
    Parameters(weights[1:2])
    assert not parameters.holds(weights)


def test_take_brings_back_what_another_model_took_with_its_new_numbers(weights):
    parameters = Parameters(weights)
    other = Parameters(weights[1:2])
    other.values[...] += 1
    parameters.gather()
    assert parameters.holds(weights) and not other.holds(weights[1:2])
    assert np.array_equal(parameters.views(parameters.values)[1].ravel(), other.values)


def test_a_shared_weight_is_moved_once(weights):
    parameters = Parameters([*weights, weights[0]])
    assert parameters.values.size == 24 and parameters.holds([*weights, weights[0]])


def test_dtypes_cannot_be_mixed(weights):
    weights[0].value = weights[0].value.astype("float32")
    with pytest.raises(ValueError, match="one dtype, got float32 and float64"):
        Parameters(weights)


def test_nothing_to_train_is_an_empty_buffer():
    assert Parameters([]).values.shape == (0,)
