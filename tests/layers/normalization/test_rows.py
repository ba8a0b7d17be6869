"""What a normalizing layer makes of a row has the same bits in any batch."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from fastgru.layers import BatchNormalization, LayerNormalization, RMSNormalization, UnitNormalization

LAYERS: dict[str, Any] = {
    "BatchNormalization": BatchNormalization,
    "LayerNormalization": LayerNormalization,
    "LayerNormalization by root mean squares": partial(LayerNormalization, rms_scaling=True),
    "RMSNormalization": RMSNormalization,
    "UnitNormalization": UnitNormalization,
}
ROWS = 70


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", [1, 3, 6, 8, 13, 17, 33, 64, 100])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_row_has_the_same_bits_in_batches_of_1_to_70(
    kind: str, features: int, dtype: str, rng: np.random.Generator
) -> None:
    layer: Any = LAYERS[kind](dtype=dtype)
    x = rng.normal(size=(ROWS, features)).astype(dtype)
    expected = np.asarray(layer(x))
    for count in range(1, ROWS):
        first = int(rng.integers(ROWS - count))
        part = slice(first, first + count)
        np.testing.assert_array_equal(layer(x[part]), expected[part])
        np.testing.assert_array_equal(layer(x[part, None])[:, 0], expected[part])
        np.testing.assert_array_equal(layer(x[None, part])[0], expected[part])
