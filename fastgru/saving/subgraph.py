"""A part of a model's config: up to named layers, from named layers, and what stands in the way of the rest.

Configs are in Keras 3's form (`legacy.configs.modern`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter

from fastgru.models.references import Reference, input_form, is_tensor, leaves, references
from fastgru.naming import suggestion
from fastgru.saving.forms import as_graph, is_input, renamed
from fastgru.saving.stored import Config

Node = tuple[str, int]
ShapeOf = Callable[[Reference, Config], Sequence[int | None]]


def part(
    spec: Config,
    outputs: Sequence[str] | None,
    inputs: Sequence[str] | None,
    shape_of: ShapeOf,
) -> Config:
    """The config of the layers between `inputs` and `outputs`, the layers by their names.

    Parameters
    ----------
    spec : dict
        Of a Sequential or a graph.
    outputs, inputs : sequence of str, optional
        The model's own where absent.
    shape_of : callable
        The shape of what a reference refers to, asked for where the part begins at a layer that is no input, whose form
        is the second argument, and the file does not say it.
    """
    for argument, names in (("outputs", outputs), ("inputs", inputs)):
        if isinstance(names, str) or (names is not None and not names):
            raise ValueError(f"expected {argument} to be a list of names of layers, got {names!r}")
    graph = _Graph(as_graph(spec))
    ends = graph.ends if outputs is None else [end for name in outputs for end in graph.ends_at(name)]
    starts = [] if inputs is None else [graph.begin_at(name, shape_of) for name in inputs]
    config = graph.restricted(ends, starts)
    return {**graph.spec, "config": {**graph.config, **config}}


def stops(spec: Config, unknown: Callable[[Config], str | None]) -> tuple[Config | None, list[str]]:
    """The first layer that the outputs need and that cannot be built, and the layers at which one can stop instead.

    Parameters
    ----------
    unknown : callable
        The class that a layer's form needs and that is not known, or None.
    """
    graph = _Graph(as_graph(spec))
    needed = graph.needed(graph.ends)
    bad = [form for name, form in graph.layers.items() if unknown(form) and any(node[0] == name for node in needed)]
    if not bad:
        return None, []
    whole: set[str] = set()
    for name in graph.in_order():
        before = {other for node in graph.nodes(name) for other, _ in graph.before(node)}
        if not unknown(graph.layers[name]) and before <= whole:
            whole.add(name)
    followed = {
        other
        for name in graph.layers
        if name not in whole
        for node in graph.nodes(name)
        for other, _ in graph.before(node)
    }
    last = followed | {name for name, _, _ in graph.ends}
    return bad[0], [name for name in graph.layers if name in whole & last and not is_input(graph.layers[name])]


def without_dead_ends(spec: Config, unknown: Callable[[Config], str | None]) -> tuple[Config, list[str]]:
    """A model without the layers that no output needs, if one of these is unknown; and the names of what is left out.

    Keras 2 keeps so what `add_loss` and `add_metric` compute. The inputs stay.
    """
    graph = _Graph(as_graph(spec))
    needed = {name for name, _ in graph.needed(graph.ends)}
    if not any(unknown(form) for name, form in graph.layers.items() if name not in needed):
        return spec, []
    config = graph.restricted(graph.ends, [])
    dead = [form for name, form in graph.layers.items() if name not in needed]
    config["layers"] = [*(form for form in dead if is_input(form)), *config["layers"]]
    config["input_layers"] = graph.config["input_layers"]
    return {**spec, "config": {**spec["config"], **config}}, [form["name"] for form in dead if not is_input(form)]


class _Graph:
    def __init__(self, spec: Config) -> None:
        self.spec = spec
        self.config = spec["config"]
        self.layers: dict[str, Config] = {form["name"]: form for form in self.config["layers"]}
        self.ends: list[Reference] = [
            [name, node - self._node_offset(name), tensor]
            for name, node, tensor in self.config.get("output_layers", [])
        ]

    def _node_offset(self, name: str) -> int:
        """The outputs of a model count as if a Functional inside began with a node of its own."""
        return int(self._form(name)["class_name"] == "Functional")

    def _form(self, name: str) -> Config:
        if name not in self.layers:
            raise ValueError(f"the graph refers to a layer {name!r} that it does not have")
        return self.layers[name]

    def nodes(self, name: str) -> list[Node]:
        """All applications of a layer."""
        return [(name, number) for number in range(max(1, len(self._form(name)["inbound_nodes"])))]

    def before(self, node: Node) -> list[Node]:
        """The applications whose outputs one needs."""
        return [(name, number) for name, number, _ in self._references(node)]

    def _references(self, node: Node) -> list[Reference]:
        nodes = self._form(node[0])["inbound_nodes"]
        if not 0 <= node[1] < max(1, len(nodes)):
            raise ValueError(f"the graph refers to application {node[1]} of layer {node[0]!r}, which has {len(nodes)}")
        return list(references(nodes[node[1]])) if nodes else []

    def needed(self, ends: Sequence[Reference]) -> set[Node]:
        """All applications that lead to the ends."""
        visited: set[Node] = set()
        stack: list[Node] = [(name, number) for name, number, _ in ends]
        while stack:
            node = stack.pop()
            if node not in visited:
                visited.add(node)
                stack += self.before(node)
        return visited

    def in_order(self) -> Iterator[str]:
        """The layers' names, each after those that it needs; none of a circle."""
        needs = {
            name: {other for node in self.nodes(name) for other, _ in self.before(node)} - {name}
            for name in self.layers
        }
        sorter = TopologicalSorter(needs)
        with suppress(CycleError):
            sorter.prepare()
        while ready := sorter.get_ready():
            yield from ready
            sorter.done(*ready)

    def ends_at(self, name: str) -> list[Reference]:
        """The outputs of a layer: those that are the model's too, or else its first."""
        if name not in self.layers:
            raise ValueError(f"there is no layer {name!r} to stop at; {suggestion(name, self.layers)}")
        return [end for end in self.ends if end[0] == name] or [[name, 0, 0]]

    def begin_at(self, name: str, shape_of: ShapeOf) -> str:
        """Cut the graph before a layer; the name of the input there."""
        if name not in self.layers:
            raise ValueError(f"there is no layer {name!r} to start from; {suggestion(name, self.layers)}")
        form = self.layers[name]
        if is_input(form):
            return name
        inputs = self._references((name, 0))
        if len(inputs) != 1 or len(form["inbound_nodes"]) != 1:
            raise ValueError(f"cannot start from layer {name!r}, which has {len(inputs)} inputs, not one")
        input_name = f"{name}_input"
        (tensor,) = leaves(form["inbound_nodes"][0], is_tensor)
        shape = tensor["config"].get("shape") or shape_of(inputs[0], form)
        self.layers[input_name] = input_form(input_name, list(shape))
        node = renamed(form["inbound_nodes"][0], lambda reference: [input_name, 0, 0])
        self.layers[name] = {**form, "inbound_nodes": [node]}
        return input_name

    def restricted(self, ends: list[Reference], starts: list[str]) -> Config:
        """Layers, inputs and outputs of the graph that leads to the ends."""
        needed = self.needed(ends)
        numbers: dict[Node, int] = {}
        for name in self.layers:
            numbers.update((node, new) for new, node in enumerate(sorted(n for n in needed if n[0] == name)))

        def renumbered(reference: Reference) -> Reference:
            name, number, tensor = reference
            return [name, numbers[name, number], tensor]

        layers = []
        for name, form in self.layers.items():
            calls = [call for number, call in enumerate(form["inbound_nodes"]) if (name, number) in numbers]
            if (name, 0) in numbers or calls:
                layers.append({**form, "inbound_nodes": [renamed(call, renumbered) for call in calls]})
        order = [name for name, _, _ in self.config["input_layers"]]
        inputs = [form["name"] for form in layers if is_input(form)]
        inputs.sort(key=lambda name: order.index(name) if name in order else len(order))
        if starts:
            missing = [name for name in inputs if name not in starts]
            if missing:
                raise ValueError(f"the outputs also need the input {missing[0]!r}, which is not among inputs")
            inputs = [name for name in starts if name in inputs]
        outputs = [renumbered(end) for end in ends]
        return {
            "structure": None,
            "layers": layers,
            "input_layers": [[name, 0, 0] for name in inputs],
            "output_layers": [[name, node + self._node_offset(name), tensor] for name, node, tensor in outputs],
        }
