"""What a process may choose, instruction set and products, and that the choice is the one that computes."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from fastgru import config, kernels, layers
from fastgru.layers import GRU, Dense


@pytest.fixture
def run(tmp_path):
    """Run code in a process of its own, away from the checkout, which would hide the installed package."""

    def run_there(code, **environment):
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run_there


@pytest.mark.parametrize("isa", kernels.available())
def test_the_instruction_set_can_be_forced(isa, run):
    done = run("from fastgru import kernels; print(kernels.module('float32')._compiled.__name__)", FASTGRU_ISA=isa)
    assert done.stdout.strip().endswith(f"_float32_{isa}")


def test_an_unknown_instruction_set_is_an_error_that_lists_the_choices(run):
    done = run("import fastgru.kernels", FASTGRU_ISA="sse9")
    assert done.returncode != 0
    assert "FASTGRU_ISA: 'sse9' is not available on this machine" in done.stderr
    assert all(isa in done.stderr for isa in kernels.available())


def test_the_products_can_be_chosen_by_environment_and_by_call(monkeypatch):
    monkeypatch.setattr(config, "_products", None)
    monkeypatch.setenv("FASTGRU_PRODUCTS", "blas")
    assert config.get_products() == "blas" and not config.multiplies_with_tiles()
    config.set_products("tiles")
    assert config.get_products() == "tiles" and config.multiplies_with_tiles()
    config.set_products(None)
    assert config.get_products() == "blas"


def test_an_unknown_way_to_multiply_is_an_error_that_suggests_one():
    with pytest.raises(ValueError, match=r"set_products: 'tile' is no way to multiply; did you mean 'tiles'\?"):
        config.set_products("tile")


@pytest.mark.parametrize(
    "layer",
    [GRU(7, reset_after=True), GRU(7, reset_after=False), Dense(5)],
    ids=["reset after", "reset before", "dense"],
)
def test_packed_weights_follow_every_change_of_the_weights(layer, rng, monkeypatch):
    x = rng.normal(size=(3, 4, 6)).astype("float32")
    monkeypatch.setattr(config, "_products", "tiles")
    layer(x)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
        tiles = layer(x)
        config.set_products("blas")
        np.testing.assert_allclose(tiles, layer(x), atol=1e-5)
        config.set_products("tiles")


@pytest.fixture
def channels_first():
    config.set_image_data_format("channels_first")
    yield
    config.set_image_data_format("channels_last")


def test_layers_take_the_data_format_that_was_chosen(channels_first):
    assert layers.Conv2D(2, 3).data_format == "channels_first"
    assert layers.Conv2D(2, 3, data_format="channels_last").data_format == "channels_last"
    assert layers.UpSampling1D(2).data_format == "channels_last"  # has none in Keras


def test_only_what_is_in_force_can_be_set():
    config.set_floatx("float32")
    config.set_epsilon(config.epsilon())
    config.set_dtype_policy(config.dtype_policy())
    for refused in (
        lambda: config.set_floatx("float16"),
        lambda: config.set_epsilon(1e-3),
        lambda: config.set_dtype_policy("mixed_float16"),
    ):
        with pytest.raises(ValueError, match="not supported by fastgru"):
            refused()
    with pytest.raises(ValueError, match="'channels_last' or 'channels_first'"):
        config.set_image_data_format("channels_middle")
