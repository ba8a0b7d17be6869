"""Ops on symbolic tensors are Keras's operations: in graphs, in files that both open, and under training."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from op_cases import CASES, label

import fastgru
from fastgru import operations, ops, registry, tree
from fastgru.operations.names import CALLED_WITH, OP_OF_CLASS, module_of
from fastgru.operations.operation import operation


@pytest.mark.keras
@pytest.mark.parametrize("name", OP_OF_CLASS)
def test_a_class_has_the_arguments_of_keras_in_its_config_and_its_call(keras: Any, name: str) -> None:
    theirs = getattr(importlib.import_module(f"keras.src.ops.{module_of(OP_OF_CLASS[name])}"), name)
    config = [one for one in inspect.signature(theirs.__init__).parameters if one not in ("self", "name", "kwargs")]
    call = [one for one, what in inspect.signature(theirs.call).parameters.items() if what.kind not in (2, 4)][1:]
    ours = operation(name)
    assert set(ours.options) <= set(config)
    assert set(config) - set(ours.options) <= {"rms_scaling", "size", "fill_value"}
    assert len(ours.called_with) == len(call)
    assert set(CALLED_WITH) <= set(OP_OF_CLASS.values())


@pytest.mark.parametrize("name", OP_OF_CLASS)
def test_a_class_is_found_by_its_name(name: str) -> None:
    assert registry.lookup(registry.OPERATIONS, name) is operation(name)
    assert getattr(operations, name) is operation(name)


DRAWN = [
    pytest.param(*case, id=f"{place}-{label(case)}")
    for place, case in enumerate(CASES)
    if case[0] in OP_OF_CLASS.values()
    and isinstance(case[1][0], np.ndarray)
    and case[1][0].ndim > 1
    and "float16" not in map(str, case[1])  # which files are read as float32
    and case[0] not in ("inv", "det", "solve", "nonzero", "unique", "stop_gradient", "zeros_like", "ones_like")
]


@pytest.mark.parametrize(("name", "arguments", "options"), DRAWN)
def test_an_op_is_drawn_saved_and_comes_back(name: str, arguments: Any, options: Any, tmp_path: Any) -> None:
    x, *others = arguments
    tensor = fastgru.Input(batch_shape=x.shape, dtype=x.dtype.name)
    expected = tree.flatten(getattr(ops, name)(x, *others, **options))
    outputs = tree.flatten(getattr(ops, name)(tensor, *others, **options))
    assert [(one.shape, one.dtype) for one in outputs] == [(one.shape, one.dtype.name) for one in expected]
    model = fastgru.Model(tensor, outputs)
    again = fastgru.models.model_from_json(model.to_json())
    for one in (model, again):
        results = tree.flatten(one.predict_on_batch(x))
        for ours, same in zip(results, expected, strict=True):
            np.testing.assert_array_equal(ours, same)


def residual(K: Any) -> Any:
    x = K.Input((4, 3))
    y = K.layers.GRU(3, return_sequences=True)(x)
    z = K.ops.concatenate([y, x * 2 - 1], axis=-1)
    z = K.ops.where(z > 0, z, 0.1 * z) + K.ops.mean(z, axis=1, keepdims=True)
    weights = K.ops.softmax(K.ops.einsum("btf,bsf->bts", z, z) / 2.5)
    z = K.ops.matmul(weights, z)[:, -1]
    first, second = K.ops.split(z, 2, axis=-1)
    return K.Model(x, K.layers.Dense(2)(K.ops.clip(first * second, -3, 3)))


@pytest.mark.keras
def test_a_graph_of_ops_trains_and_is_saved_as_in_keras(keras: Any, tmp_path: Any) -> None:
    theirs, ours = residual(keras), residual(fastgru)
    ours.set_weights(theirs.get_weights())
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(12, 4, 3)).astype("float32"), rng.normal(size=(12, 2)).astype("float32")
    losses = []
    for library, model in ((keras, theirs), (fastgru, ours)):
        model.compile(library.optimizers.SGD(0.1), "mse")
        losses.append(model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
    expected = ours.predict(x, verbose=0)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    for library, file in ((keras, "ours.keras"), (fastgru, "theirs.keras")):
        opened = library.models.load_model(tmp_path / file)
        np.testing.assert_allclose(opened.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_a_list_between_brackets_stays_one_in_a_file() -> None:
    x = fastgru.Input((4,))
    model = fastgru.Model(x, [x[:, [0, 2]], x[0, 1], x[..., None]])
    numbers = np.arange(8.0, dtype="float32").reshape(2, 4)
    for one in (model, fastgru.models.model_from_json(model.to_json())):
        fancy, single, more = one.predict_on_batch(numbers)
        assert fancy.tolist() == [[0, 2], [4, 6]]
        assert single == 1
        assert more.shape == (2, 4, 1)


def test_a_symbolic_tensor_draws_before_anything_else_was_used(tmp_path: Any) -> None:
    program = "from fastgru.layers import Input; print((Input((3,)) * 2)[:, 0].shape)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "(None,)\n"


def test_an_op_that_graphs_do_not_have_says_so() -> None:
    with pytest.raises(TypeError, match="takes arrays, and no symbolic tensors"):
        ops.map(lambda y: y, fastgru.Input((3,)))
