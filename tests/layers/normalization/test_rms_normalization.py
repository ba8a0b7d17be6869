"""RMSNormalization: real Keras, central differences, files, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold, normal

from fastgru import Sequential
from fastgru.layers import RMSNormalization
from fastgru.models import load_model

AXES = [-1, [-1], [2, 1], [-1, -2]]


@pytest.mark.keras
@pytest.mark.parametrize("axis", AXES, ids=str)
def test_it_is_that_of_keras(keras, rng, axis) -> None:
    agrees_with_keras(keras, rng, "RMSNormalization", {"axis": axis, "epsilon": 1e-3}, normal(rng, (3, 5, 4)))


@pytest.mark.parametrize("axis", [*AXES, 1], ids=str)  # where Keras multiplies along the last axis, or fails
def test_its_gradients_are_those_of_its_outputs(rng, axis) -> None:
    gradients_hold(RMSNormalization(axis, epsilon=0.1, dtype="float64"), rng, rng.normal(size=(3, 4, 2)))


@pytest.mark.keras
@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore")
def test_files_go_both_ways(keras, rng, tmp_path, ending) -> None:
    x, scale = normal(rng, (2, 5, 4)), normal(rng, 4)
    ours = Sequential([RMSNormalization(epsilon=0.1, input_shape=(5, 4))])
    theirs = keras.Sequential([keras.Input((5, 4)), keras.layers.RMSNormalization(epsilon=0.1)])
    for name, model in (("ours", ours), ("theirs", theirs)):
        model.set_weights([scale])
        model.save(tmp_path / f"{name}{ending}")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / f"ours{ending}")(x), theirs(x), atol=1e-6)
    np.testing.assert_allclose(load_model(tmp_path / f"theirs{ending}").predict(x), theirs(x), atol=1e-6)


def test_an_axis_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"axes \[3\] are out of bounds for input shape \(2, 4\)"):
        RMSNormalization(3).build((2, 4))
    with pytest.raises(ValueError, match=r"the axes \[-1\] must be known to build it, got \(2, None\)"):
        RMSNormalization().build((2, None))


def test_another_number_of_features_is_refused() -> None:
    layer = RMSNormalization(name="norm")
    layer(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"'norm': expected sizes \(4,\) of the axes \[-1\], got shape \(2, 1\)"):
        layer(np.ones((2, 1)))
