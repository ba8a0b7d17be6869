"""Graphs inside of `If` nodes: their values are their own, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_models import assert_same, by_model, by_runtime, graph_of, onnx_file, opened

from fastgru.saving import ModelFileError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3)).astype("float32")
A, B = RNG.normal(size=(2, 3, 3)).astype("float32")


def branching(into: str, out: str, activation: str, weight: Any) -> tuple[Any, ...]:
    """An If node whose branch that runs is a product with an activation behind it."""
    nodes = [("MatMul", [into, "W"], ["h"]), (activation, ["h"], ["end"])]
    branch = {"g": graph_of(nodes, {}, ["end"], {"W": weight}), "type": 5}
    return ("If", ["yes"], [out], {"then_branch": branch, "else_branch": branch})


def same_as_the_runtime(nodes: list[Any], **constants: Any) -> None:
    data = onnx_file(nodes, {"X": ("b", 3)}, ["Y"], {"yes": np.array(True), **constants})
    assert_same(by_model(opened(data), X), by_runtime(data, X))


def test_branches_of_two_nodes_may_have_the_same_names() -> None:
    first, second = branching("X", "p", "Identity", A), branching("X", "q", "Relu", B)
    same_as_the_runtime([first, second, ("Sub", ["p", "q"], ["Y"])])


def test_a_constant_of_a_branch_leaves_the_one_outside() -> None:
    nodes = [branching("X", "p", "Relu", A), ("MatMul", ["X", "W"], ["q"]), ("Sub", ["p", "q"], ["Y"])]
    same_as_the_runtime(nodes, W=B)


def test_an_activation_in_a_branch_is_none_of_the_layer_outside() -> None:
    branch = {"g": graph_of([("Relu", ["q"], ["end"])], {}, ["end"]), "type": 5}
    inside = ("If", ["yes"], ["p"], {"then_branch": branch, "else_branch": branch})
    same_as_the_runtime([("MatMul", ["X", "W"], ["q"]), inside, ("Sub", ["p", "q"], ["Y"])], W=B)


def test_a_branch_that_makes_a_value_twice_is_refused() -> None:
    nodes = [("Relu", ["X"], ["end"]), ("Neg", ["X"], ["end"])]
    branch = {"g": graph_of(nodes, {}, ["end"]), "type": 5}
    inside = ("If", ["yes"], ["Y"], {"then_branch": branch, "else_branch": branch})
    with pytest.raises(ModelFileError, match="makes the value 'end' 2 times"):
        opened(onnx_file([inside], {"X": ("b", 3)}, ["Y"], {"yes": np.array(True)}))
