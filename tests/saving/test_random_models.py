"""Random models go from real Keras to fastgru and back, in every format, with the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import LAYERS, MERGES, Draw, drawn_layer, random_inputs, random_model

from fastgru.models import load_model

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]

MODELS, OFTEN = 300, 12
AGREEMENT = 2e-5  # of the largest output
SEEDS = [pytest.param(seed, marks=[] if seed < OFTEN else pytest.mark.slow) for seed in range(MODELS)]


@pytest.fixture(autouse=True)
def _no_initializers(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All weights are 0 until they are set: JAX would compile each initializer for each shape."""

    def zeros(variable: Any, initializer: Any) -> None:
        variable._initialize(np.zeros(variable.shape, variable.dtype))

    monkeypatch.setattr(keras.Variable, "_initialize_with_initializer", zeros)


class Oracle:
    """Runs one model of Keras, and others with the same configuration without compiling them again."""

    def __init__(self, model: Any, x: list[np.ndarray]) -> None:
        jax = pytest.importorskip("jax")
        self._x, self._inputs = x, x if len(x) > 1 else x[0]
        self._configuration = model.to_json()
        self._forward = jax.jit(lambda trained, others, inputs: model.stateless_call(trained, others, inputs)[0])

    def __call__(self, model: Any) -> list[np.ndarray]:
        if model.to_json() != self._configuration:
            return Oracle(model, self._x)(model)
        variables = model.trainable_variables, model.non_trainable_variables
        outputs = self._forward(*([variable.value for variable in some] for some in variables), self._inputs)
        return [np.asarray(y) for y in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def predicted(model: Any, x: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a model of fastgru."""
    outputs = model.predict(x if len(x) > 1 else x[0], verbose=0)
    return outputs if isinstance(outputs, list) else [outputs]


def assert_same(outputs: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert [y.shape for y in outputs] == [y.shape for y in expected]
    for one, other in zip(outputs, expected, strict=True):
        largest = np.abs(other[np.isfinite(other)]).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=0, atol=AGREEMENT * max(largest, 1e-30))


def scrambled(model: Any) -> Any:
    """The model with other weights, so that it is seen which are read."""
    model.set_weights([weight + 1 for weight in model.get_weights()])
    return model


def accepted_model(keras: Any, seed: int) -> tuple[Any, list[np.ndarray], Oracle, list[np.ndarray]]:
    """The first random model of a seed that Keras itself runs, with inputs, oracle and outputs."""
    reasons = []
    for attempt in range(10):
        try:
            model = random_model(keras, seed, attempt)
            x = random_inputs(model, seed, attempt)
            oracle = Oracle(model, x)
            return model, x, oracle, oracle(model)
        except Exception as error:
            reasons.append(repr(error))
    raise AssertionError(f"Keras refuses all models of seed {seed}: {reasons}")


def layers_of(config: dict[str, Any], indent: str = "  ") -> Iterator[str]:
    """A line for each layer of a model."""
    for form in config["layers"]:
        inner = form["config"]
        nodes = json.dumps([form["inbound_nodes"]]) if "inbound_nodes" in form else ""
        before = sorted({part.split('"')[0] for part in nodes.split('"keras_history": ["')[1:]})
        options = {k: v for k, v in inner.items() if k not in ("layers", "dtype", "name", "trainable")}
        yield f"{indent}{form['class_name']} {inner.get('name', form.get('name'))!r} on {before}: {json.dumps(options)}"
        if "layers" in inner:
            yield from layers_of(inner, indent + "  ")


@contextmanager
def described_on_failure(seed: int, model: Any, step: str) -> Iterator[None]:
    """A failure says which model it was, and how to get it again."""
    try:
        yield
    except Exception as error:
        config = json.loads(model.to_json())["config"]
        raise AssertionError(
            f"seed {seed}, {step}: {error!r}\n"
            f"again: pytest 'tests/saving/test_random_models.py::test_random_models_agree[{seed}]'\n"
            + "\n".join(layers_of(config))
        ) from error


@pytest.mark.parametrize("seed", SEEDS)
def test_random_models_agree(keras: Any, seed: int, tmp_path: Path) -> None:
    model, x, oracle, expected = accepted_model(keras, seed)
    written, again = (lambda ending, who=who: tmp_path / f"{who}{ending}" for who in ("keras", "fastgru"))
    loaded: dict[str, Any] = {}

    for ending in (".keras", ".h5"):
        model.save(written(ending))
        with described_on_failure(seed, model, f"Keras's {ending} opened by fastgru"):
            loaded[ending] = load_model(written(ending))
            assert_same(predicted(loaded[ending], x), expected)
    ours = loaded[".keras"]
    model.save_weights(written(".weights.h5"))
    with described_on_failure(seed, model, "Keras's .weights.h5 read by fastgru"):
        scrambled(ours).load_weights(written(".weights.h5"))
        assert_same(predicted(ours, x), expected)

    for ending in loaded:
        with described_on_failure(seed, model, f"fastgru's {ending} opened by Keras"):
            ours.save(again(ending))
            assert_same(oracle(keras.models.load_model(again(ending))), expected)
    with described_on_failure(seed, model, "fastgru's .weights.h5 read by Keras"):
        ours.save_weights(again(".weights.h5"))
        scrambled(model).load_weights(again(".weights.h5"))
        assert_same(oracle(model), expected)


def in_keras(draw: Callable[[Draw, tuple[int, ...]], Any], keras: Any, name: str) -> None:
    """A line of a table gives a layer that Keras accepts, for some shape."""
    d = Draw(keras, 0)
    for shape in [(4,), (6, 4), (6, 5, 4)] * 5:
        if draw(d, shape) is not None:
            return
    raise AssertionError(f"{name}: no shape goes with it")


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_of_the_table_is_one_that_keras_builds(keras: Any, name: str) -> None:
    def draw(d: Draw, shape: tuple[int, ...]) -> Any:
        layer = drawn_layer(d, name, shape)
        return layer and layer(keras.Input(shape))

    in_keras(draw, keras, name)


@pytest.mark.parametrize("name", MERGES)
def test_every_merge_of_the_table_is_one_that_keras_builds(keras: Any, name: str) -> None:
    def draw(d: Draw, shape: tuple[int, ...]) -> Any:
        least, _, drawn = MERGES[name]
        options = drawn(d, shape)
        inputs = [keras.Input(shape) for _ in range(least)]
        return None if options is None else getattr(keras.layers, name)(**options)(inputs)

    in_keras(draw, keras, name)
