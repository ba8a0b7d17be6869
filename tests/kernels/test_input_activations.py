"""The kernels of activations that read the input compute the numpy functions, and layers run them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from layer_checks import gradients_hold

import fastgru
from fastgru import GradientTape, activations, kernels
from fastgru.layers import GRU, RNN, Activation, Bidirectional, Conv1D, Dense, GRUCell, Input, LeakyReLU
from fastgru.models import load_model

FORMS = [("silu", {}), ("hard_silu", {}), ("mish", {}), ("gelu", {}), ("gelu", {"approximate": True})]
forms = pytest.mark.parametrize(("name", "options"), FORMS, ids=["silu", "hard_silu", "mish", "gelu", "gelu by tanh"])


@forms
@pytest.mark.usefixtures("every_engine")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_are_those_of_numpy(name, options, dtype) -> None:
    activation = activations.get(name)
    x = np.concatenate([np.linspace(-40, 40, 10_001), [0, -0.0, 1e-30, -1e5, 1e5]]).astype(dtype)
    d, wide = np.linspace(-1, 1, x.size).astype(dtype), x.astype("float64")
    y = activation.function(wide, **options)
    slope = activation.derivative(d.astype("float64"), y, wide, **options)
    tolerance = 3e-6 if dtype == "float32" else 3e-14
    np.testing.assert_allclose(activation(x, **options), y, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(activation.backward(d, y, x, **options), slope, rtol=tolerance, atol=tolerance)
    assert np.isnan(activation(np.array([np.nan], dtype), **options)).all()


@forms
def test_a_kernel_computes_them_where_arrays_are_in_one_piece(name, options, monkeypatch) -> None:
    activation, x = activations.get(name), np.linspace(-3, 3, 12, dtype="float32").reshape(3, 4)
    here = activation(x, **options)
    np.testing.assert_array_equal(activation(x[:, ::2], **options), activation.function(x[:, ::2], **options))
    assert activation(x[:0], **options).shape == (0, 4)

    def refuse(*arguments: object) -> None:
        raise AssertionError("numpy")

    alone = copy.copy(activation)
    object.__setattr__(alone, "function", refuse)
    alone.__dict__["_input_ids"] = activation._input_ids
    np.testing.assert_array_equal(alone(x, **options), here)
    with GradientTape() as tape:
        tensor = fastgru.ops.convert_to_tensor(x)
        tape.watch(tensor)
        y = activation(tensor, **options)
    slope = activation.derivative(np.ones_like(x), here, x, **options)
    np.testing.assert_allclose(tape.gradient(y, tensor), slope, atol=1e-6)


@pytest.mark.parametrize("name", ["silu", "gelu"])
@pytest.mark.parametrize("layer", [Dense, lambda units, **options: Conv1D(units, 2, **options)], ids=["Dense", "Conv"])
def test_layers_learn_through_them(rng, layer, name) -> None:
    gradients_hold(layer(3, activation=name, dtype="float64"), rng, rng.normal(size=(2, 4, 3)))


@pytest.mark.parametrize("arguments", [(-1,), (99,)])
def test_a_number_that_no_kernel_has_is_refused(arguments) -> None:
    x = np.ones(3, "float32")
    for call in (kernels.module("float32").activate_input, kernels.module("float32").input_derivative):
        with pytest.raises(ValueError, match="expected an activation from 0 to 4"):
            call(*arguments, *[x] * (2 if call.__name__ == "activate_input" else 3))
    with pytest.raises(ValueError, match="y"):
        kernels.module("float32").activate_input(0, x, np.ones(2, "float32"))


def test_a_pickled_activation_finds_its_kernels_anew() -> None:
    activation = activations.get("mish")
    assert activation.is_compiled
    assert "_input_ids" not in pickle.loads(pickle.dumps(activation)).__dict__


def test_what_runs_in_numpy_is_said(tmp_path) -> None:
    def doubled(x: object) -> object:
        return x * 2  # type: ignore[operator]

    rows = [
        Input((4, 3)),
        GRU(2, "silu", return_sequences=True, name="first"),
        Bidirectional(GRU(2, recurrent_activation="mish", name="inside"), name="both"),
        Dense(2, "gelu"),
        Dense(2, "log_sigmoid", name="last"),
        Activation(doubled, name="own"),
    ]
    model = fastgru.Sequential(rows)
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    said = [line.strip() for line in "\n".join(lines).splitlines() if "numpy" in line]
    assert said == [
        "Runs in numpy: activation 'silu' (first)",
        "Runs in numpy: activation 'mish' (forward_inside, backward_inside)",
        "Runs in numpy: activation 'log_sigmoid' (last)",
        "Runs in numpy: activation 'doubled' (own)",
    ]
    fastgru.Sequential(rows[:-1]).save(tmp_path / "model.keras")
    report = load_model(tmp_path / "model.keras").load_report
    assert "Runs in numpy: activation 'silu': layer first." in report
    assert "Runs in numpy: activation 'log_sigmoid': layer last." in report
    assert not any("gelu" in sentence for sentence in report)


def test_what_the_kernels_compute_is_not_said() -> None:
    model = fastgru.Sequential(
        [Input((4, 3)), RNN(GRUCell(2, "relu")), Dense(2, "silu"), LeakyReLU(), Dense(3, "softmax")]
    )
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "numpy" not in "\n".join(lines)
