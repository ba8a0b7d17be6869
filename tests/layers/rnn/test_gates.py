"""`gates` shows what the equations give at every step, whichever way the layer runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from plain_gates import assert_gates_agree, bent, plain_gates

from fastgru.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    ConvLSTM1D,
    GRUCell,
    Layer,
    LSTMCell,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
)  # fmt: skip

KINDS = {
    "GRU": (GRU, {}),
    "GRU, reset before": (GRU, {"reset_after": False}),
    "GRU without bias": (GRU, {"use_bias": False}),
    "GRU of Keras 1": (GRU, {"reset_after": False, "recurrent_activation": "hard_sigmoid", "activation": "relu"}),
    "GRU in numpy": (GRU, {"activation": bent}),
    "GRU backwards": (GRU, {"go_backwards": True}),
    "GRU with zeros for masked steps": (GRU, {"zero_output_for_mask": True, "return_sequences": True}),
    "GRU that would drop": (GRU, {"dropout": 0.5, "recurrent_dropout": 0.5}),
    "LSTM": (LSTM, {}),
    "LSTM backwards": (LSTM, {"go_backwards": True, "return_state": True}),
    "LSTM in numpy": (LSTM, {"activation": bent, "go_backwards": True}),
    "SimpleRNN": (SimpleRNN, {}),
    "SimpleRNN in numpy": (SimpleRNN, {"activation": bent}),
}
# (B, T, F, H): rows of a tile and fewer, several blocks of rows, units that several threads share
SIZES = [(3, 5, 4, 7), (1, 6, 2, 130), (70, 4, 3, 33)]


def made(kind: str, units: int, dtype: str, features: int, rng: np.random.Generator) -> Any:
    cls, options = KINDS[kind]
    layer = cls(units, dtype=dtype, **options)
    layer.build((None, None, features))
    layer.set_weights([rng.normal(size=weight.shape) / len(weight.value) ** 0.5 / 2 for weight in layer.weights])
    return layer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_gates_are_those_of_the_equations(kind: str, size: tuple[int, ...], dtype: str, rng) -> None:
    batch, steps, features, units = size
    layer = made(kind, units, dtype, features, rng)
    x = rng.normal(size=(batch, steps, features))
    mask = rng.random((batch, steps)) > 0.4
    states = [rng.normal(size=(batch, units)) for _ in range(2 if isinstance(layer, LSTM) else 1)]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for initial_state in (None, states):
        for one in (None, mask, np.ones_like(mask)):
            gates = layer.gates(x, initial_state=initial_state, mask=one)
            assert {values.dtype for values in gates.values()} == {np.dtype(dtype)}
            assert_gates_agree(gates, plain_gates(layer, x, initial_state or (), one), tolerance)


@pytest.mark.parametrize("reset_after", [True, False])
def test_every_instruction_set_leaves_the_same_gates(every_engine: str, reset_after: bool, rng) -> None:
    for batch, layer in ((9, GRU(20, reset_after=reset_after)), (2, GRU(5, reset_after=reset_after)), (9, LSTM(20))):
        x, mask = rng.normal(size=(batch, 6, 3)), rng.random((batch, 6)) > 0.3
        assert_gates_agree(layer.gates(x, mask=mask), plain_gates(layer, x, (), mask))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_directions_stand_in_the_order_of_the_input(dtype: str, rng) -> None:
    layer = Bidirectional(LSTM(4, dtype=dtype), backward_layer=GRU(5, go_backwards=True, dtype=dtype))
    x, mask = rng.normal(size=(2, 6, 3)), rng.random((2, 6)) > 0.3
    gates = layer.gates(x, mask=mask)
    assert [*gates] == ["forward", "backward"]
    assert_gates_agree(gates, plain_gates(layer, x, (), mask))
    y = layer(x, mask=mask)
    np.testing.assert_array_equal(y[:, :4], gates["forward"]["state"][:, -1])
    np.testing.assert_array_equal(y[:, 4:], gates["backward"]["state"][:, 0])


def test_initial_states_of_wrappers_go_to_their_layers(rng) -> None:
    x, states = rng.normal(size=(2, 6, 3)), [rng.normal(size=(2, 4)) for _ in range(4)]
    both, cell = Bidirectional(LSTM(4)), RNN(LSTMCell(4))
    assert_gates_agree(both.gates(x, initial_state=states), plain_gates(both, x, states))
    assert_gates_agree(cell.gates(x, initial_state=states[:2]), plain_gates(cell, x, states[:2]))


@pytest.mark.parametrize("go_backwards", [False, True])
def test_a_cell_has_the_gates_of_its_layer_and_several_have_names(go_backwards: bool, rng) -> None:
    x, mask = rng.normal(size=(2, 6, 3)), rng.random((2, 6)) > 0.3
    for cell in (GRUCell(4), LSTMCell(4), SimpleRNNCell(4)):
        layer = RNN(cell, go_backwards=go_backwards)
        assert_gates_agree(layer.gates(x, mask=mask), plain_gates(layer, x, (), mask))
    stacked = RNN([GRUCell(4, name="low"), LSTMCell(5, name="high")], go_backwards=go_backwards)
    gates = stacked.gates(x, mask=mask)
    low, high = stacked.cell.cells
    plain = {"low": plain_gates(RNN(low, go_backwards=go_backwards), x, (), mask)}
    plain["high"] = plain_gates(RNN(high, go_backwards=go_backwards), plain["low"]["state"], (), mask)
    assert_gates_agree(gates, plain)


def test_a_mask_comes_with_the_input(rng) -> None:
    x = rng.normal(size=(2, 4, 3))
    x[:, 2] = 0
    gates = GRU(3).gates(Masking()(x))
    np.testing.assert_array_equal(gates["state"][:, 2], gates["state"][:, 1])


def test_what_a_masked_step_holds_reaches_no_state(rng) -> None:
    x, mask = rng.normal(size=(2, 4, 3)), np.array([[True, False, True, True]] * 2)
    layer = GRU(3)
    expected = layer.gates(x, mask=mask)["state"]
    x[:, 1] = np.nan
    np.testing.assert_array_equal(layer.gates(x, mask=mask)["state"], expected)


def test_looking_changes_nothing(rng) -> None:
    layer = GRU(3, stateful=True, batch_shape=(2, 4, 3))
    layer.build((2, 4, 3))
    x = rng.normal(size=(2, 4, 3))
    layer(x)
    stored = layer.states[0].copy()
    first, second = layer.gates(x), layer.gates(x)
    np.testing.assert_array_equal(layer.states[0], stored)
    np.testing.assert_array_equal(first["state"], second["state"])
    np.testing.assert_array_equal(layer(x), first["state"][:, -1])


class OwnCell:
    state_size = 3

    def call(self, inputs: Any, states: Any) -> Any:
        return states[0] + inputs.sum(), [states[0]]


class OwnGRU(GRU):
    def call(self, sequences: Any) -> Any:
        return super().call(sequences)


@pytest.mark.parametrize("layer", [RNN(OwnCell()), OwnGRU(3), ConvLSTM1D(3, 2)], ids=["cell", "layer", "convolution"])
def test_steps_that_run_in_python_are_refused_in_a_sentence(layer: Layer) -> None:
    with pytest.raises(ValueError, match="its steps run op by op in Python, and leave no gates that could be shown"):
        layer.gates(np.zeros((2, 3, 4, 2)[: layer.input_rank]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sequences": np.zeros((2, 3))}, r"expected input of shape \(batch, timesteps, 4\), got \(2, 3\)"),
        ({"sequences": np.zeros((2, 3, 5))}, r"expected input of shape \(batch, timesteps, 4\), got \(2, 3, 5\)"),
        ({"sequences": np.zeros((2, 3, 4)), "mask": np.ones((2, 4))}, r"expected a mask of shape \(2, 3\)"),
        ({"sequences": np.zeros((2, 3, 4)), "initial_state": np.zeros((2, 3))}, "expected one initial state of shape"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    layer = GRU(5)
    layer.build((None, None, 4))
    with pytest.raises(ValueError, match=sentence):
        layer.gates(**arguments)
