"""What each test of an instruction set rests on: that its kernels are the ones that run."""

from __future__ import annotations

from typing import Any

import instruction_sets
import numpy as np
import pytest

from fastgru import config, kernels
from fastgru.layers import Dense


def product(isa: str, x: Any, kernel: Any) -> Any:
    with instruction_sets.running(isa), config.tiles_in_this_thread():
        dense = Dense(kernel.shape[1], use_bias=False)
        dense.build(x.shape)
        dense.set_weights([kernel])
        return dense(x)


@pytest.mark.skipif(not {"avx2", "baseline"} <= {*kernels.available()}, reason="needs one with and one without FMA")
def test_a_sum_is_rounded_as_its_instructions_do(rng: Any) -> None:
    x, kernel = rng.normal(size=(5, 200)).astype("float32"), rng.normal(size=(200, 40)).astype("float32")
    baseline, avx2 = product("baseline", x, kernel), product("avx2", x, kernel)
    assert (baseline != avx2).any()
    np.testing.assert_allclose(baseline, avx2, atol=1e-4)
    np.testing.assert_array_equal(product("baseline", x, kernel), baseline)
