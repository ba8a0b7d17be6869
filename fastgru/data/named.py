"""Lists and dicts with an entry for each input or output of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastgru.naming import suggestion
from fastgru.text import notice

Names = Sequence[str] | None


def labels(argument: str, names: Names, port: str) -> list[str]:
    """What errors call each entry of an argument: the argument itself where there is one."""
    if names is None or len(names) == 1:
        return [argument]
    return [f"{argument}, {port} {name!r}" for name in names]


def entries(values: Any, names: Names, argument: str, port: str) -> list[Any]:
    """What a list or a dict by name says for each of the inputs or outputs; None for a name that a dict leaves out.

    Parameters
    ----------
    values
        For one input or output also what it is about itself, without a list.
    names : sequence of str, optional
        Of the inputs or outputs; absent where there is one without a name.
    argument, port : str
        For the error: the argument's name, and "input" or "output".

    Raises
    ------
    ValueError
        Another number of entries, or an output that the model has not. As in Keras, a dict may hold more than the
        inputs, which draws a warning.
    """
    if values is None and port == "output":
        return [None] * (1 if names is None else len(names))
    if names is None:
        return [values]
    if isinstance(values, Mapping):
        unknown = [name for name in values if name not in names]
        if unknown and (port == "output" or len(values) - len(unknown) < len(names)):
            raise ValueError(f"{argument}: the model has no {port} {unknown[0]!r}; {suggestion(unknown[0], names)}")
        missing = [name for name in names if name not in values]
        if missing and port == "input":
            raise ValueError(f"{argument}: expected an entry for the input {missing[0]!r}, got {sorted(values)}.")
        if unknown:
            notice(
                f"The structure of `inputs` doesn't match the expected structure: {argument} has an entry "
                f"{unknown[0]!r}, which is left out; the model's inputs are {', '.join(names)}."
            )
        return [values.get(name) for name in names]
    if len(names) == 1:
        return [values]
    listed = ", ".join(map(repr, names))
    if not isinstance(values, (list, tuple)):
        raise ValueError(
            f"{argument}: expected a list or dict with an entry for each {port} ({listed}), "
            f"got {type(values).__name__}."
        )
    if len(values) != len(names):
        raise ValueError(f"{argument}: expected an entry for each {port} ({listed}), got {len(values)}.")
    return list(values)
