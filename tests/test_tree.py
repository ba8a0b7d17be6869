"""Nests are flattened, filled and compared as Keras's tree does."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest

from fastgru import tree

Point = namedtuple("Point", "x y")
NESTS = [
    1,
    None,
    [],
    [1, (2, [3])],
    {"b": 1, "a": [2, None]},
    OrderedDict([("b", 1), ("a", (2,))]),
    Point(1, [2, 3]),
    ({"z": {"y": 1}}, [None]),
]


@pytest.mark.keras
@pytest.mark.parametrize("nest", NESTS, ids=repr)
def test_nests_are_what_they_are_in_keras(keras: Any, nest: Any) -> None:
    theirs = keras.tree
    assert tree.is_nested(nest) == theirs.is_nested(nest)
    flat = tree.flatten(nest)
    assert [leaf for leaf in flat if leaf is not None] == [leaf for leaf in theirs.flatten(nest) if leaf is not None]
    again = tree.pack_sequence_as(nest, flat)
    assert again == nest
    assert type(again) is type(nest)
    assert tree.map_structure(lambda x: (x, 1), nest, none_is_leaf=False) == theirs.map_structure(
        lambda x: (x, 1), nest, none_is_leaf=False
    )
    assert tree.lists_to_tuples(nest) == theirs.lists_to_tuples(nest)
    for other in NESTS:
        outcomes = []
        for library in (tree, theirs):
            try:
                library.assert_same_structure(nest, other)
                outcomes.append(True)
            except Exception:
                outcomes.append(False)
        assert outcomes[0] == outcomes[1] or (nest is None or other is None)


@pytest.mark.keras
@pytest.mark.parametrize("top_down", [False, True])
def test_traversal_replaces_what_keras_replaces(keras: Any, top_down: bool) -> None:
    def function(part: Any) -> Any:
        return "list" if isinstance(part, list) else part + 1 if isinstance(part, int) else None

    nest = {"a": [1, 2], "b": (3, [4])}
    assert tree.traverse(function, nest, top_down) == keras.tree.traverse(function, nest, top_down)


def test_leaves_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 leaves for the structure, got 3"):
        tree.pack_sequence_as([1, 2], [1, 2, 3])
    with pytest.raises(TypeError, match="expected a function first"):
        tree.map_structure(3, [1])  # type: ignore[arg-type]


@pytest.mark.keras
def test_parts_paths_and_shapes_are_those_of_keras(keras: Any) -> None:
    shallow, deep = {"b": 0, "a": (0, 0)}, {"b": [1, 2], "a": ({"c": 3}, 4)}
    assert tree.map_structure_up_to(shallow, repr, deep) == keras.tree.map_structure_up_to(shallow, repr, deep)
    shapes = {"x": (None, 3), "y": [(2,), (4, 5)]}
    assert tree.map_shape_structure(len, shapes) == keras.tree.map_shape_structure(len, shapes)
    assert tree.flatten_with_path(deep) == [tuple(row) for row in keras.tree.flatten_with_path(deep)]


def test_a_structure_that_is_too_shallow_and_no_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a structure of the form"):
        tree.map_structure_up_to([None, [None]], len, [[1], 2])
    with pytest.raises(ValueError, match="expected shapes"):
        tree.map_shape_structure(len, {"x": 3})
