"""PyTorch's state dicts, whatever file they stand in: arrays by names such as `encoder.gru.weight_ih_l0`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastgru.saving.stored import StoredArray, StoredModel

OF_DIRECTION = re.compile(r"(.+)_l(\d{1,4})(_reverse)?", re.ASCII)


def stored(
    file: str,
    format: str,
    arrays: Sequence[tuple[str, StoredArray]],
    place: str = "",
    in_order: bool = True,
) -> StoredModel:
    """The arrays of a state dict by the modules that own them.

    Parameters
    ----------
    file, format : str
        For messages.
    arrays : sequence of (str, StoredArray)
        With their full names.
    place : str
        Where in the file the dict is.
    in_order : bool
        Whether they stand in the order in which the modules were made; else they are sorted by their names.

    Returns
    -------
    StoredModel
        A recurrent module of several layers or directions counts as several: `gru`, `gru_reverse`, `gru.l1`.
    """
    owners: dict[str, list[StoredArray]] = {}
    for name, array in arrays if in_order else sorted(arrays, key=lambda item: natural(item[0])):
        owners.setdefault(owner_of(name), []).append(array)
    return StoredModel(
        file=file,
        format=format,
        written_by="PyTorch (weights alone)",
        arrays=owners,
        in_order=True,
        of_torch=True,
        sorted_by_name=not in_order,
        weights_file=file,
        place=place,
    )


def owner_of(name: str) -> str:
    """The module of a parameter, and of a recurrent one its layer and direction."""
    module, _, parameter = name.rpartition(".")
    match = OF_DIRECTION.fullmatch(parameter)
    if not match:
        return module
    layer = "" if match[2] == "0" else f".l{match[2]}"
    return f"{module}{layer}{match[3] or ''}"


def parameter_of(name: str) -> str:
    """The name of a parameter without its module, layer and direction."""
    parameter = name.rpartition(".")[2]
    match = OF_DIRECTION.fullmatch(parameter)
    return match[1] if match else parameter


def natural(name: str) -> list[tuple[int, str]]:
    """A key by which `layer10` comes after `layer9`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,9})", name)]
