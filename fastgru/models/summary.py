"""The table that `model.summary()` prints, laid out as Keras's."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fastgru.layers.in_numpy import activations_in_numpy
from fastgru.layers.layer import Layer
from fastgru.layers.weight import Weight
from fastgru.text import printable
from fastgru.types import Shape

WIDTH = 88
# right edges of the columns: layer, output shape, parameters
POSITIONS = (0.45, 0.80, 1.0)
# of a graph, which also tells what each layer is connected to
GRAPH_WIDTH = 108
GRAPH_POSITIONS = (0.3, 0.56, 0.74, 1.0)
TRAINABLE_WIDTH = 12


def memory(size: float) -> str:
    """A number of bytes in the largest unit that leaves at least 1."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} TB"


def _count(weights: Iterable[Weight]) -> tuple[int, int]:
    values = [weight.value for weight in weights]
    return sum(value.size for value in values), sum(value.nbytes for value in values)


def _shape(shape: Any) -> str:
    if shape is None:
        return "?"
    if any(isinstance(axis, tuple) for axis in shape):
        return f"[{', '.join(_shape(one) for one in shape)}]"
    return f"({', '.join(str(axis) for axis in shape)})"


def _rows(
    layers: Sequence[Layer], shapes: Sequence[Shape | None], nested: bool, level: int = 0
) -> Iterable[tuple[Layer, str, str, str]]:
    for layer, shape in zip(layers, shapes, strict=True):
        prefix = "   " * level + "└ " if level else ""
        params = f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"
        yield layer, f"{prefix}{layer.name} ({type(layer).__name__})", _shape(shape), params
        model: Any = layer
        if nested and hasattr(model, "operations"):
            shapes_of = dict(zip(model.operations, model.output_shapes, strict=True))
            yield from _rows(model.layers, [shapes_of[inner] for inner in model.layers], nested, level + 1)


def _in_numpy(model: Any) -> list[str]:
    """A line for each activation that no kernel computes."""
    in_numpy = activations_in_numpy(model).items()
    return [printable(f" Runs in numpy: activation {name!r} ({', '.join(users)})") for name, users in in_numpy]


def html_summary(model: Any) -> str:
    """The layers of a model as a notebook shows them."""
    from fastgru.pages import element, table

    layers = model.operations
    is_graph = not getattr(model, "is_chain", True)
    rows = [
        [*map(printable, cells), *([", ".join(map(printable, model.connections(layer))) or "-"] if is_graph else [])]
        for layer, *cells in _rows(layers, model.output_shapes, False)
    ]
    header = ["Layer (type)", "Output Shape", "Param #", *(["Connected to"] if is_graph else [])]
    params, size = _count(model.weights)
    title = element("p", "Model: ", element("strong", printable(model.name)))
    total = element("p", f"{params:,} params ({memory(size)})")
    return element("div", title, table(header, rows), total)


def _range(layers: Sequence[Layer], layer_range: Sequence[str] | None) -> slice:
    """Where the layers between two names (or patterns of names) stand, both included."""
    if layer_range is None:
        return slice(None)
    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"summary: expected layer_range to be two layer names, got {layer_range!r}.")
    first, last = (
        [index for index, layer in enumerate(layers) if re.match(pattern, layer.name)] for pattern in layer_range
    )
    if not first or not last:
        names = [layer.name for layer in layers]
        raise ValueError(f"summary: layer_range {tuple(layer_range)!r} matches no layers; there are {names}.")
    start, stop = min(first), max(last)
    return slice(min(start, stop), max(start, stop) + 1)


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Print the layers of a model with output shapes and parameters; the arguments are those of `Model.summary`."""
    # deferred: rich takes a tenth of a second to load
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    is_graph = not getattr(model, "is_chain", True)
    edges = list(positions or (GRAPH_POSITIONS if is_graph else POSITIONS))
    default = GRAPH_WIDTH if is_graph else WIDTH
    if show_trainable:
        edges = [0.9 * edge for edge in edges] + [1.0]
        default += TRAINABLE_WIDTH
    width = line_length or min(default, shutil.get_terminal_size().columns - 4)
    # relative edges lie in [0, 1], absolute ones beyond
    rights = [int(edge * width) if edges[-1] <= 1 else int(edge) for edge in edges]
    widths = [right - left for left, right in zip([0, *rights], rights, strict=False)]
    if min(widths) < 4:
        raise ValueError(f"summary: a line of {width} characters is too short for the table.")

    table = Table(width=width, show_lines=True)
    heads: list[tuple[str, Any]] = [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")]
    heads += [("Connected to", "left")] * is_graph + [("Trainable", "center")] * show_trainable
    for (head, side), column in zip(heads, widths, strict=True):
        table.add_column(head, justify=side, width=column)
    layers = model.operations
    shown = _range(layers, layer_range)
    for layer, *cells in _rows(layers[shown], model.output_shapes[shown], expand_nested):
        if is_graph:
            cells.append(", ".join(model.connections(layer)) or "-")
        if show_trainable:
            cells.append(("Y" if layer.trainable else "N") if layer.weights else "-")
        table.add_row(*(Text(printable(cell)) for cell in cells))

    sizes = {"Trainable": _count(model.trainable_weights), "Non-trainable": _count(model.non_trainable_weights)}
    if model.optimizer is not None and model.optimizer.built:
        values = [variable.value for variable in model.optimizer.variables]
        sizes["Optimizer"] = (sum(value.size for value in values), sum(value.nbytes for value in values))
    total = tuple(sum(size) for size in zip(*sizes.values(), strict=True))

    totals = [
        Text.assemble((f" {label} params: ", "bold"), f"{params:,} ({memory(size)})")
        for label, (params, size) in {"Total": total, **sizes}.items()
    ]
    whole = Group(Text(printable(f'Model: "{model.name}"'), "bold"), table, *totals, *map(Text, _in_numpy(model)))
    if print_fn is None:
        Console(highlight=False).print(whole)
        return
    plain = Console(width=width, color_system=None, force_terminal=False)
    with plain.capture() as captured:
        plain.print(whole)
    print_fn(captured.get())
