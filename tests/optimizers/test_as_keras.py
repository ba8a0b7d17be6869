"""Thirty steps of every optimizer with every option end where Keras's do: weights and state."""

from __future__ import annotations

import subprocess
import sys

import keras_steps
import numpy as np
import pytest

import fastgru
from fastgru.layers.weight import Weight


@pytest.fixture(scope="session")
def expected(keras, tmp_path_factory):
    """What Keras comes to, by case and number."""
    path = tmp_path_factory.mktemp("steps") / "keras.npz"
    subprocess.run([sys.executable, keras_steps.__file__, str(path)], check=True)
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("case", keras_steps.CASES)
def test_thirty_steps_end_where_those_of_keras_end(expected, case):
    name, options = keras_steps.CASES[case]
    weights = [Weight(value, key, key) for key, value in zip(keras_steps.SHAPES, keras_steps.values(), strict=True)]
    ours = keras_steps.results(fastgru, name, options, weights, np.asarray)
    theirs = [expected[key] for key in (f"{case}/{index}" for index in range(1000)) if key in expected]
    assert [array.shape for array in ours] == [array.shape for array in theirs]
    for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        scale = max(1, abs(other).max())  # of what has grown large, as Ftrl's sums do, a difference may be small
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * scale, err_msg=f"number {index}")
