"""The GRU in JavaScript computes what the engine computes."""

from __future__ import annotations

from typing import Any

import javascript
import numpy as np
import pytest

from fastgru.layers import GRU, Dense
from fastgru.models import Sequential
from fastgru.playground.description import ACTIVATIONS, described

STATES = "tanh", "tanh", "relu", "linear", "elu", "softsign", "silu"
GATES = "sigmoid", "sigmoid", "hard_sigmoid", "hard_sigmoid_old"


def random_model(rng: np.random.Generator) -> Sequential:
    """One to three GRU layers and one or two Dense layers, of any size and activation that files have."""
    size = int(rng.choice([28, 8]))
    layers: list[Any] = []
    for _ in range(rng.integers(1, 4)):
        options = {
            "activation": str(rng.choice(STATES)),
            "recurrent_activation": str(rng.choice(GATES)),
            "reset_after": bool(rng.integers(2)),
            "use_bias": bool(rng.random() < 0.8),
            "return_sequences": True,
        }
        layers.append(GRU(int(rng.integers(1, 40)), **options))
    layers[0] = GRU.from_config({**layers[0].get_config(), "input_shape": (size, size)})
    if rng.integers(2):
        hidden = rng.choice([name for name in ACTIVATIONS if "sigmoid" not in name])
        layers.append(Dense(int(rng.integers(2, 20)), activation=str(hidden)))
    layers.append(Dense(int(rng.integers(2, 11)), activation="softmax", use_bias=bool(rng.integers(2))))
    model = Sequential(layers)
    model.set_weights([rng.normal(0, 0.8 / np.sqrt(len(weight)), weight.shape) for weight in model.get_weights()])
    return model


def images(rng: np.random.Generator, model: Sequential) -> np.ndarray:
    return rng.random((1, *model.input_shape[1:])).astype("float32")


def test_a_hundred_random_models_answer_as_the_engine_does_after_every_row(rng: np.random.Generator) -> None:
    models = [random_model(rng) for _ in range(100)]
    inputs = [images(rng, model) for model in models]
    pairs = [[described(model, "m"), x[0].tolist()] for model, x in zip(models, inputs, strict=True)]
    program = "input.map(([model, rows]) => read(withWeights(model), rows))"
    for model, x, steps in zip(models, inputs, javascript.result(program, pairs, "step.js"), strict=True):
        recurrent = [layer for layer in model.layers if isinstance(layer, GRU)]
        states = x
        for index, layer in enumerate(recurrent):
            states = np.asarray(layer(states))
            ours = [step["layers"][index]["state"] for step in steps]
            np.testing.assert_allclose(ours, states[0], rtol=1e-5, atol=1e-5, err_msg=str(model.get_config()))
        answers = model.predict(x, verbose=0)
        np.testing.assert_allclose([step["answer"] for step in steps], answers[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_each_activation_is_that_of_the_package(name: str, rng: np.random.Generator) -> None:
    from fastgru import activations

    x = np.append(rng.normal(0, 4, 200), 0).astype("float32")
    ours = javascript.result(f"input.map(ACTIVATIONS.{name})", x.tolist(), "step.js")
    np.testing.assert_allclose(ours, activations.get(name)(x), rtol=1e-5, atol=1e-6)


def test_the_page_has_no_other_activations() -> None:
    assert javascript.result("Object.keys(ACTIVATIONS)", None, "step.js") == list(ACTIVATIONS)


# --- gates held by hand ---------------------------------------------------------------------------


def held(model: Sequential, x: np.ndarray, gates: dict[str, dict[int, float]]) -> dict[str, np.ndarray]:
    """Gates and states of the first layer where gates are held from the fifth row on."""
    program = "read(withWeights(input[0]), input[1], (layer, step) => (step >= 4 ? input[2] : undefined))"
    steps = javascript.result(program, [described(model, "m"), x[0].tolist(), gates], "step.js")
    names = "update", "reset", "candidate", "state"
    return {name: np.array([step["layers"][0][name] for step in steps]) for name in names}


@pytest.mark.parametrize("reset_after", [True, False])
def test_held_gates_do_what_the_page_says(reset_after: bool, rng: np.random.Generator) -> None:
    model = Sequential([GRU(5, input_shape=(8, 8), reset_after=reset_after), Dense(3, activation="softmax")])
    x, everywhere = images(rng, model), range(5)
    own = held(model, x, {})

    frozen = held(model, x, {"update": dict.fromkeys(everywhere, 1)})["state"]
    np.testing.assert_array_equal(frozen[:4], own["state"][:4])
    np.testing.assert_array_equal(frozen[4:], np.tile(own["state"][3], (4, 1)))

    overwritten = held(model, x, {"update": dict.fromkeys(everywhere, 0)})
    np.testing.assert_array_equal(overwritten["state"][4:], overwritten["candidate"][4:])

    # without its past a candidate is that of a sequence of one row
    cut = held(model, x, {"reset": dict.fromkeys(everywhere, 0)})["candidate"]
    for row in range(4, 8):
        alone = javascript.result(
            "gruStep(withWeights(input[0]).gru[0], input[1], [0, 0, 0, 0, 0], { reset: [0, 0, 0, 0, 0] })",
            [described(model, "m"), x[0, row].tolist()],
            "step.js",
        )
        np.testing.assert_allclose(cut[row], alone["candidate"], atol=1e-12)

    one = held(model, x, {"update": {2: 1}})["state"]
    assert (one[4:, 2] == own["state"][3, 2]).all() and (np.diff(one[4:], axis=0)[:, [0, 1, 3, 4]] != 0).all()
