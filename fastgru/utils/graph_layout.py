"""Where the boxes of a graph stand: in rows by their distance from the start, so that lines cross little."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

__all__ = ["Box", "Layout", "arranged"]

BETWEEN_ROWS, BETWEEN_BOXES, BEND = 34.0, 26.0, 14.0  # in points; a bend is where a line passes a row
SWEEPS = 4

Point = tuple[float, float]


@dataclass
class Box:
    """A layer in the picture: lines of text, a size, where its middle is, and how far the row reaches beyond it."""

    lines: list[str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    margin: float = 0.0

    def size(self, sideways: bool) -> tuple[float, float]:
        """Across the direction of the graph, and along it."""
        return (self.height, self.width) if sideways else (self.width, self.height)

    def ends(self, direction: str, beyond: float = 0.0) -> tuple[Point, Point]:
        """Where lines come in, and where they go out: so far from the box."""
        sign = 1 if direction in ("TB", "LR") else -1
        if direction in ("LR", "RL"):
            half = sign * (self.width / 2 + beyond)
            return (self.x - half, self.y), (self.x + half, self.y)
        half = sign * (self.height / 2 + beyond)
        return (self.x, self.y - half), (self.x, self.y + half)

    def through(self, direction: str) -> tuple[Point, Point, Point, Point]:
        """What a line meets on its way: the row, the box, and both again."""
        (before, behind), (begin, end) = self.ends(direction, self.margin), self.ends(direction)
        return before, begin, end, behind


@dataclass
class Layout:
    """Boxes by their keys, the lines between them as points, and the size of the whole."""

    boxes: dict[Hashable, Box]
    lines: list[list[Point]] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def arranged(
    boxes: Mapping[Hashable, Box], edges: Sequence[tuple[Hashable, Hashable]], direction: str = "TB"
) -> Layout:
    """Boxes and edges of a graph without circles, from the top ("TB"), the bottom, the left ("LR") or the right."""
    sideways = direction in ("LR", "RL")
    all_boxes: dict[Hashable, Box] = dict(boxes)
    row_of = _rows(boxes, edges)
    chains = []
    for number, (source, target) in enumerate(edges):
        bends = [(number, row) for row in range(row_of[source] + 1, row_of[target])]
        for bend in bends:
            all_boxes[bend], row_of[bend] = Box([], BEND, BEND), bend[1]
        chains.append([source, *bends, target])
    rows = _in_order(row_of, [pair for chain in chains for pair in pairwise(chain)])
    length = 0.0
    breadths = []
    for row in rows:
        sizes = [all_boxes[key].size(sideways) for key in row]
        breadths.append(sum(breadth for breadth, _ in sizes) + BETWEEN_BOXES * (len(row) - 1))
        depth = max(depth for _, depth in sizes)
        for key, (_, own_depth) in zip(row, sizes, strict=True):
            all_boxes[key].margin = (depth - own_depth) / 2
        across = -breadths[-1] / 2
        for key, (breadth, _) in zip(row, sizes, strict=True):
            along, middle = length + depth / 2, across + breadth / 2
            all_boxes[key].x, all_boxes[key].y = (along, middle) if sideways else (middle, along)
            across += breadth + BETWEEN_BOXES
        length += depth + BETWEEN_ROWS
    length -= BETWEEN_ROWS
    breadth = max(breadths, default=0.0)
    for box in all_boxes.values():
        if direction == "BT":
            box.y = length - box.y
        elif direction == "RL":
            box.x = length - box.x
        box.x, box.y = (box.x, box.y + breadth / 2) if sideways else (box.x + breadth / 2, box.y)
    # from the end of the first box through the bends to the beginning of the last
    paths = [[point for key in chain for point in all_boxes[key].through(direction)][2:-2] for chain in chains]
    lines = [[point for point, _ in groupby(path)] for path in paths]
    size = (length, breadth) if sideways else (breadth, length)
    return Layout({key: all_boxes[key] for key in boxes}, lines, *size)


def _rows(keys: Iterable[Hashable], edges: Sequence[tuple[Hashable, Hashable]]) -> dict[Hashable, int]:
    """The row of each box: one behind the last of those that lead to it."""
    sources: dict[Hashable, list[Hashable]] = {key: [] for key in keys}
    for source, target in edges:
        sources[target].append(source)
    rows: dict[Hashable, int] = {}
    pending = list(sources)
    while pending:
        ready = [key for key in pending if all(source in rows for source in sources[key])]
        if not ready:
            raise ValueError("plot_model: the layers stand in a circle.")
        for key in ready:
            rows[key] = max((rows[source] + 1 for source in sources[key]), default=0)
        pending = [key for key in pending if key not in rows]
    return rows


def _in_order(row_of: Mapping[Hashable, int], pairs: Sequence[tuple[Hashable, Hashable]]) -> list[list[Hashable]]:
    """The boxes of each row, each near the middle of those that it is tied to in the rows beside."""
    rows: list[list[Hashable]] = [[] for _ in range(max(row_of.values(), default=-1) + 1)]
    for key, number in row_of.items():
        rows[number].append(key)
    before: dict[Hashable, list[Hashable]] = {key: [] for key in row_of}
    behind: dict[Hashable, list[Hashable]] = {key: [] for key in row_of}
    for source, target in pairs:
        before[target].append(source)
        behind[source].append(target)
    for sweep in range(SWEEPS):
        tied, order = (before, rows[1:]) if sweep % 2 == 0 else (behind, list(reversed(rows[:-1])))
        places = {key: (place + 0.5) / len(row) for row in rows for place, key in enumerate(row)}
        for row in order:
            wishes = {key: [places[one] for one in tied[key]] or [places[key]] for key in row}
            means = {key: sum(wished) / len(wished) for key, wished in wishes.items()}
            row.sort(key=means.__getitem__)
            places.update({key: (place + 0.5) / len(row) for place, key in enumerate(row)})
    return rows
