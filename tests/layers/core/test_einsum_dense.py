"""EinsumDense: real Keras, central differences, files, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from layer_checks import agrees_with_keras, gradients_hold, labelled, normal

from fastgru import Sequential
from fastgru.layers import EinsumDense
from fastgru.models import load_model

CASES = labelled(
    [
        ("ab,b->a", (), None, (2, 4)),
        ("ab,bc->ac", 3, "c", (2, 4)),
        ("abc,cde->abde", (7, 3, 4), "be", (2, 7, 2)),
        ("abc,cde->abde", (None, 3, 4), "d", (2, 5, 2)),
        ("BFNH,NHD->BFD", (None, 4), "D", (2, 3, 2, 3)),
        ("ibd,nd->ibn", (2, 3), None, (2, 2, 2)),
        ("...c,cde->...de", (3, 4), "d", (2, 5, 2)),
        ("...bc,bc->...b", 3, None, (2, 3, 4)),
        ("bc...,cde->bde...", (3, 4), "de", (2, 2, 5)),
    ]
)


@pytest.mark.keras
@pytest.mark.parametrize("equation, output_shape, bias_axes, shape", CASES)
def test_it_is_that_of_keras(keras, rng, equation, output_shape, bias_axes, shape) -> None:
    options = {"equation": equation, "output_shape": output_shape, "bias_axes": bias_axes, "activation": "tanh"}
    agrees_with_keras(keras, rng, "EinsumDense", {**options, "kernel_regularizer": "l2"}, normal(rng, shape))


@pytest.mark.parametrize("equation, output_shape, bias_axes, shape", CASES)
def test_its_gradients_are_those_of_its_outputs(rng, equation, output_shape, bias_axes, shape) -> None:
    layer = EinsumDense(equation, output_shape, "tanh", bias_axes, activity_regularizer="l2", dtype="float64")
    gradients_hold(layer, rng, rng.normal(size=shape))


@pytest.mark.keras
def test_initial_kernels_have_the_spread_of_keras(keras) -> None:
    layers = [library(("abc,cde->abde"), (None, 30, 40)) for library in (EinsumDense, keras.layers.EinsumDense)]
    for layer in layers:
        layer.build((None, 3, 50))
    ours, theirs = (np.abs(np.asarray(layer.kernel)).max() for layer in layers)
    assert ours == pytest.approx(float(theirs), rel=1e-2)
    assert ours == pytest.approx(np.sqrt(6 / (50 + 30 * 40)), rel=1e-2)


@pytest.mark.keras
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_files_go_both_ways(keras, rng, tmp_path, ending) -> None:
    x = normal(rng, (2, 5, 4))
    arguments = "...c,cd->...d", 3, "relu", "d"
    ours = Sequential([EinsumDense(*arguments, input_shape=(5, 4))])
    ours.save(tmp_path / f"ours{ending}")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / f"ours{ending}")(x), ours(x), atol=1e-6)
    theirs = keras.Sequential([keras.Input((5, 4)), keras.layers.EinsumDense(*arguments)])
    theirs.save(tmp_path / f"theirs{ending}")
    np.testing.assert_allclose(load_model(tmp_path / f"theirs{ending}").predict(x), theirs(x), atol=1e-6)


def test_the_output_shape_is_known_before_it_is_built() -> None:
    layer = EinsumDense("abc,cd->abd", (None, 4))
    assert layer.compute_output_shape((None, 3, 8)) == (None, 3, 4)
    assert layer.compute_output_shape((None, None, 8)) == (None, None, 4)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("ab,bc", 3), "expected an equation like 'ab,bc->ac'"),
        (("...ab,bc->ac", 3), "expected an equation like 'ab,bc->ac'"),
        (("ab,bz->a", 3), "'z' stands in one part"),
        (("ab,bc->acz", 3), "'z' stands in one part"),
        (("ab,bc->ac", 3, None, "b"), "'b' stands in one part"),
        (("ab,bc->ac", 3.5), "output_shape must be a size, or a list of sizes and None, got 3.5"),
        (("ab,bc->ac", 0), "output_shape must be a size"),
    ],
)
def test_bad_arguments_are_refused(arguments, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        EinsumDense(*arguments)


@pytest.mark.parametrize("option", ["lora_rank", "quantization_config", "gptq_unpacked_column_size"])
def test_what_is_not_supported_is_refused_by_name(option) -> None:
    with pytest.raises(ValueError, match=f"{option} is not supported by fastgru, got 4"):
        EinsumDense("ab,bc->ac", 3, **{option: 4})


@pytest.mark.parametrize(
    "equation, output_shape, shape, sentence",
    [
        ("abc,cd->abd", (3, 4), (2, 5, 6), "do not match at the axis 'b', got 5 and 3"),
        ("abc,cd->abd", (3, 4), (2, 6), r"expected 3 axes for 'abc,cd->abd', got \(2, 6\)"),
        ("abc,cd->abd", 4, (2, 5, 6), "expected an output_shape for the axes of 'abc,cd->abd'"),
        ("ab,bc->ac", 4, (2, None), r"must be known to build it, got \(2, None\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(equation, output_shape, shape, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        EinsumDense(equation, output_shape).build(shape)


def test_another_number_of_features_is_refused(rng) -> None:
    layer = EinsumDense("ab,bc->ac", 3)
    layer(rng.normal(size=(2, 4)))
    with pytest.raises(ValueError, match=r"built for a kernel of shape \(4, 3\), got input of shape \(2, 1\)"):
        layer(np.ones((2, 1)))
