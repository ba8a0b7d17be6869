"""What stands for tensors in Keras's JSON of graphs: references to the outputs of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Reference = list[Any]  # layer, node, tensor

TENSOR = "__keras_tensor__"


def tensor_form(reference: Reference, shape: Any = None, dtype: str = "float32") -> dict[str, Any]:
    """What stands for an output of a layer in the arguments of a call."""
    return {"class_name": TENSOR, "config": {"shape": shape, "dtype": dtype, "keras_history": reference}}


def input_form(name: str, shape: Any) -> dict[str, Any]:
    """The JSON form of an input of a graph."""
    if shape is None:
        raise ValueError(f"the shape of the input {name!r} is not known")
    config = {"batch_shape": shape, "dtype": "float32", "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def leaves(value: Any, is_leaf: Callable[[Any], bool]) -> Iterator[Any]:
    """The leaves of nested lists and dicts, in order."""
    if is_leaf(value):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from leaves(entry, is_leaf)


def is_tensor(value: Any) -> bool:
    """Whether a value is a `tensor_form`."""
    return isinstance(value, Mapping) and value.get("class_name") == TENSOR


def references(call: Any) -> Iterator[Reference]:
    """The outputs of layers that the arguments of a call name."""
    return map(history, leaves(call, is_tensor))


def history(form: Mapping[str, Any]) -> Reference:
    """The reference in a `tensor_form`; ValueError where it is none."""
    config = form.get("config")
    reference = config.get("keras_history") if isinstance(config, Mapping) else None
    kinds = [type(entry) for entry in reference] if isinstance(reference, (list, tuple)) else []
    if reference is None or kinds != [str, int, int] or min(reference[1:]) < 0:
        raise ValueError(f"expected a tensor's keras_history to be [layer, node, tensor], got {reference!r}")
    return [*reference]
