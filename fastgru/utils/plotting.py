"""Pictures of models: SVG and DOT by themselves, PNG and PDF where matplotlib is installed."""

from __future__ import annotations

import html
import io
import os
from collections.abc import Hashable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastgru import atomic
from fastgru.checks import choice
from fastgru.utils.graph_layout import Box, Layout, arranged

__all__ = ["ModelGraph", "model_to_dot", "plot_model"]

DIRECTIONS = ("TB", "BT", "LR", "RL")
FONT, LINE, CHARACTER, MARGIN = 12.0, 18.0, 7.0, 12.0  # in points
TITLE_FILL, FILL, EDGE = "#20242c", "#ffffff", "#20242c"

Edge = tuple[Hashable, Hashable]


class ModelGraph:
    """The layers of a model and what leads to what.

    Parameters
    ----------
    boxes : dict
        The lines of text of each box, the title first.
    edges : list
        Pairs of keys of boxes.
    rankdir : {"TB", "BT", "LR", "RL"}
        From where to where the picture goes.
    """

    def __init__(self, boxes: dict[Hashable, list[str]], edges: list[Edge], rankdir: str) -> None:
        self.boxes, self.edges, self.rankdir = boxes, edges, rankdir

    def to_string(self) -> str:
        """The graph in the language of Graphviz."""
        numbers = {key: number for number, key in enumerate(self.boxes)}
        lines = ["digraph model {", f"  rankdir={self.rankdir};", "  node [shape=box, fontname=Helvetica];"]
        for key, texts in self.boxes.items():
            label = "\\n".join(text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
            lines.append(f'  {numbers[key]} [label="{label}"];')
        lines += [f"  {numbers[source]} -> {numbers[target]};" for source, target in self.edges]
        return "\n".join([*lines, "}", ""])

    def create(self, prog: Any = None, format: str = "svg", dpi: float = 200) -> bytes:
        """The picture, of "svg", "dot", or what matplotlib draws; `prog` is pydot's and of no account."""
        if format in ("dot", "gv", "raw"):
            return self.to_string().encode()
        layout = self._layout()
        return _svg(layout).encode() if format == "svg" else _by_matplotlib(layout, format, dpi)

    def write(self, path: str | os.PathLike[str], prog: Any = None, format: str = "raw") -> bool:
        """Write `create` into a file, as pydot does."""
        atomic.write(Path(path), self.create(prog, format))
        return True

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return _svg(self._layout())

    def _layout(self) -> Layout:
        boxes = {
            key: Box(texts, CHARACTER * max(map(len, texts)) + 2 * MARGIN, LINE * len(texts) + MARGIN)
            for key, texts in self.boxes.items()
        }
        return arranged(boxes, self.edges, self.rankdir)


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> ModelGraph:
    """The graph of a model, with pydot's `to_string`, `create` and `write`; the arguments are those of `plot_model`."""
    choice(rankdir, DIRECTIONS, "model_to_dot", "rankdir")
    if not model.built:
        raise ValueError(
            f"model_to_dot: This model has not yet been built; build model {model.name!r} first by calling "
            "`build()` or by calling the model on a batch of data."
        )
    boxes: dict[Hashable, list[str]] = {}
    edges: list[Edge] = []

    def text_of(layer: Any, shape: Any) -> list[str]:
        kind = type(layer).__name__
        lines = [f"{layer.name} ({kind})" if show_layer_names else kind]
        activation = getattr(layer, "activation", None)
        if show_layer_activations and activation is not None:
            lines.append(
                f"Activation: {getattr(activation, 'name', None) or getattr(activation, '__name__', activation)}"
            )
        if show_shapes:
            if layer.nodes and layer.nodes[0].inputs:
                lines.append(f"Input shape: {_shapes([tensor.shape for tensor in layer.nodes[0].inputs])}")
            lines.append(f"Output shape: {shape}")
        if show_dtype:
            lines.append(f"Output dtype: {layer.nodes[0].outputs[0].dtype if layer.nodes else layer.dtype}")
        if show_trainable and layer.weights:
            lines.append("Trainable" if layer.trainable else "Non-trainable")
        return lines

    def add(part: Any, path: tuple[str, ...]) -> tuple[list[Hashable], list[Hashable]]:
        """The boxes and edges of a model; returns where it begins and where it ends."""
        ends: dict[str, tuple[list[Hashable], list[Hashable]]] = {}
        for layer, shape in zip(part.operations, part.output_shapes, strict=True):
            if expand_nested and hasattr(layer, "operations"):
                ends[layer.name] = add(layer, (*path, layer.name))
            else:
                key = (*path, layer.name)
                boxes[key] = text_of(layer, shape)
                ends[layer.name] = [key], [key]
        links = list(_links(part))
        for source, target in links:
            edges.extend((one, other) for one in ends[source][1] for other in ends[target][0])
        sources, targets = {source for source, _ in links}, {target for _, target in links}
        begins = [key for name, (first, _) in ends.items() if name not in targets for key in first]
        return begins, [key for name, (_, last) in ends.items() if name not in sources for key in last]

    add(model, ())
    return ModelGraph(boxes, list(dict.fromkeys(edges)), rankdir)


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] | None = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
) -> ModelGraph:
    """Draw a model into a file.

    Parameters
    ----------
    model : Model
        Built.
    to_file : path or None
        Its ending says the format: ``.svg`` and ``.dot`` need nothing else, others matplotlib. None: no file.
    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable : bool
        What stands in the boxes beside the classes.
    rankdir : {"TB", "BT", "LR", "RL"}
        From where to where the picture goes: top to bottom, left to right, or back.
    expand_nested : bool
        The layers of a model inside, in the place of that model.
    dpi : int
        Dots per inch, where a picture has dots.
    splines
        In Keras's signature; lines are straight.

    Returns
    -------
    ModelGraph
        Which a notebook shows.

    Raises
    ------
    ValueError
        The model is not built.
    ImportError
        The format needs matplotlib, and that is not installed.
    """
    graph = model_to_dot(
        model, show_shapes, show_dtype, show_layer_names, rankdir, expand_nested, dpi,
        show_layer_activations=show_layer_activations, show_trainable=show_trainable, splines=splines,
    )  # fmt: skip
    if to_file is not None:
        path = Path(to_file)
        atomic.write(path, graph.create(format=path.suffix[1:] or "png", dpi=dpi))
    return graph


def _links(model: Any) -> Iterator[tuple[str, str]]:
    """Names of layers of which the first leads to the second."""
    names = [layer.name for layer in model.operations]
    if not hasattr(model, "connections"):
        yield from pairwise(names)
        return
    for layer in model.operations:
        for connection in dict.fromkeys(model.connections(layer)):
            yield connection.rsplit("[", 2)[0], layer.name


def _shapes(shapes: list[Any]) -> str:
    return str(shapes[0]) if len(shapes) == 1 else ", ".join(map(str, shapes))


# --- the picture ----------------------------------------------------------------------------------------


def _svg(layout: Layout) -> str:
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-MARGIN:g} {-MARGIN:g} {width:g} {height:g}" font-family="Helvetica, Arial, sans-serif" '
        f'font-size="{FONT:g}">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{EDGE}"/></marker></defs>',
        f'<rect x="{-MARGIN:g}" y="{-MARGIN:g}" width="{width:g}" height="{height:g}" fill="#ffffff"/>',
    ]
    for points in layout.lines:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{EDGE}" marker-end="url(#arrow)"/>')
    for box in layout.boxes.values():
        left, top = box.x - box.width / 2, box.y - box.height / 2
        for fill, depth in ((FILL, box.height), (TITLE_FILL, _title_height(box))):
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{depth:.1f}" fill="{fill}" '
                f'stroke="{EDGE}"/>'
            )
        for line, (text, y) in enumerate(_lines(box)):
            style = f'fill="{FILL}" font-weight="bold"' if line == 0 else f'fill="{EDGE}"'
            parts.append(
                f'<text x="{box.x:.1f}" y="{y:.1f}" text-anchor="middle" dominant-baseline="central" {style}>'
                f"{html.escape(text)}</text>"
            )
    return "\n".join([*parts, "</svg>", ""])


def _title_height(box: Box) -> float:
    return LINE + (MARGIN if len(box.lines) == 1 else MARGIN / 2)


def _lines(box: Box) -> Iterator[tuple[str, float]]:
    """Each line of a box with the height of its middle."""
    top = box.y - box.height / 2
    for number, text in enumerate(box.lines):
        yield text, top + (_title_height(box) / 2 if number == 0 else MARGIN * 0.75 + LINE * (number + 0.5))


def _by_matplotlib(layout: Layout, format: str, dpi: float) -> bytes:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle
    except ImportError:
        raise ImportError(
            f"plot_model: a .{format} file is drawn by matplotlib, which is not installed; install it "
            "(`pip install 'fastgru[plot]'`), or give a to_file that ends in .svg or .dot."
        ) from None
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    figure = Figure(figsize=(width / 72, height / 72), facecolor=FILL)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-MARGIN, width - MARGIN)
    axes.set_ylim(height - MARGIN, -MARGIN)
    axes.axis("off")
    for points in layout.lines:
        axes.plot(*zip(*points[:-1], strict=True), color=EDGE, linewidth=1)
        arrow = {"arrowstyle": "-|>", "color": EDGE, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", points[-1], points[-2], arrowprops=arrow)
    for box in layout.boxes.values():
        corner = box.x - box.width / 2, box.y - box.height / 2
        axes.add_patch(Rectangle(corner, box.width, box.height, facecolor=FILL, edgecolor=EDGE))
        axes.add_patch(Rectangle(corner, box.width, _title_height(box), facecolor=TITLE_FILL, edgecolor=EDGE))
        for number, (text, y) in enumerate(_lines(box)):
            style: dict[str, Any] = {"color": FILL, "weight": "bold"} if number == 0 else {"color": EDGE}
            axes.text(box.x, y, text, ha="center", va="center", fontsize=FONT - 1, **style)
    stream = io.BytesIO()
    figure.savefig(stream, format=format, dpi=dpi)
    return stream.getvalue()
