"""A part of a model's config: up to named layers, from named layers, and what stands in the way of the rest.

Configs are in Keras 3's form (`old_configs.modern`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastgru.naming import suggestion

Config = dict[str, Any]
Node = tuple[str, int]
Reference = list[Any]  # layer, node, tensor


def part(
    spec: Config,
    outputs: Sequence[str] | None,
    inputs: Sequence[str] | None,
    shape_of: Callable[[Reference], Sequence[int | None]],
) -> Config:
    """The config of the layers between `inputs` and `outputs`, layers given by their names.

    Parameters
    ----------
    spec : dict
        Of a Sequential or a graph.
    outputs, inputs : sequence of str, optional
        The model's own where absent.
    shape_of : callable
        The shape of what a reference refers to, asked for where the part begins at a layer that is no input.
    """
    if outputs is None and inputs is None:
        return spec
    for argument, names in (("outputs", outputs), ("inputs", inputs)):
        if isinstance(names, str) or (names is not None and not names):
            raise ValueError(f"expected {argument} to be a list of names of layers, got {names!r}")
    graph = _Graph(as_graph(spec))
    ends = graph.ends if outputs is None else [end for name in outputs for end in graph.ends_at(name)]
    begun = [] if inputs is None else [graph.begin_at(name, shape_of) for name in inputs]
    config = graph.restricted(ends, begun)
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
    return bad[0], [name for name in graph.layers if name in whole & last and not _is_input(graph.layers[name])]


def without_dead_ends(spec: Config, unknown: Callable[[Config], str | None]) -> tuple[Config, list[str]]:
    """A model without the layers that no output needs, if one of these is unknown; and the names of what is left out.

    Keras 2 keeps so what `add_loss` and `add_metric` compute. The inputs stay.
    """
    graph = _Graph(as_graph(spec))
    needed = {name for name, _ in graph.needed(graph.ends)}
    if not any(unknown(form) for name, form in graph.layers.items() if name not in needed):
        return spec, []
    config = graph.restricted(graph.ends, [])
    left = [form for name, form in graph.layers.items() if name not in needed]
    config["layers"] = [*(form for form in left if _is_input(form)), *config["layers"]]
    config["input_layers"] = graph.config["input_layers"]
    return {**spec, "config": {**spec["config"], **config}}, [form["name"] for form in left if not _is_input(form)]


def as_graph(spec: Config) -> Config:
    """A Sequential as a graph in a row; a graph as it is."""
    if spec["class_name"] != "Sequential":
        return spec
    config = spec["config"]
    layers, last = [], None
    for number, form in enumerate(config["layers"]):
        name = form["config"].get("name") or f"layer_{number}"
        shape = form["config"].get("batch_shape")
        if last is None and not _is_input(form):
            shape = shape or config.get("build_input_shape")
            last = f"{name}_input"
            layers.append(input_layer(last, shape))
        node = {"args": [tensor([last, 0, 0])], "kwargs": {}}
        layers.append({**form, "name": name, "inbound_nodes": [] if last is None else [node]})
        last = name
    ends = {"input_layers": [[layers[0]["name"], 0, 0]], "output_layers": [[last, 0, 0]]} if layers else {}
    return {**spec, "class_name": "Functional", "config": {"name": config.get("name"), "layers": layers, **ends}}


class _Graph:
    def __init__(self, spec: Config) -> None:
        self.spec = spec
        self.config = spec["config"]
        self.layers: dict[str, Config] = {form["name"]: form for form in self.config["layers"]}
        self.ends: list[Reference] = [
            [name, node - self._own_nodes(name), tensor] for name, node, tensor in self.config.get("output_layers", [])
        ]

    def _own_nodes(self, name: str) -> int:
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
        found: set[Node] = set()
        waiting: list[Node] = [(name, number) for name, number, _ in ends]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += self.before(node)
        return found

    def in_order(self) -> Iterator[str]:
        """The layers' names, each after those that it needs; none of a circle."""
        missing = {
            name: {other for node in self.nodes(name) for other, _ in self.before(node)} - {name}
            for name in self.layers
        }
        follows: dict[str, list[str]] = {}
        for name, before in missing.items():
            for other in before:
                follows.setdefault(other, []).append(name)
        ready = [name for name, before in missing.items() if not before]
        while ready:
            name = ready.pop()
            yield name
            for other in follows.get(name, []):
                missing[other].discard(name)
                if not missing[other]:
                    ready.append(other)

    def ends_at(self, name: str) -> list[Reference]:
        """The outputs of a layer: those that are the model's too, or else its first."""
        if name not in self.layers:
            raise ValueError(f"there is no layer {name!r} to stop at; {suggestion(name, self.layers)}")
        return [end for end in self.ends if end[0] == name] or [[name, 0, 0]]

    def begin_at(self, name: str, shape_of: Callable[[Reference], Sequence[int | None]]) -> str:
        """Cut the graph before a layer; the name of the input there."""
        if name not in self.layers:
            raise ValueError(f"there is no layer {name!r} to start from; {suggestion(name, self.layers)}")
        form = self.layers[name]
        if _is_input(form):
            return name
        found = self._references((name, 0))
        if len(found) != 1 or len(form["inbound_nodes"]) != 1:
            raise ValueError(f"cannot start from layer {name!r}, which has {len(found)} inputs, not one")
        given = f"{name}_input"
        self.layers[given] = input_layer(given, list(shape_of(found[0])))
        node = renamed(form["inbound_nodes"][0], lambda reference: [given, 0, 0])
        self.layers[name] = {**form, "inbound_nodes": [node]}
        return given

    def restricted(self, ends: list[Reference], begun: list[str]) -> Config:
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
            kept = [node for number, node in enumerate(form["inbound_nodes"]) if (name, number) in numbers]
            if (name, 0) in numbers or kept:
                layers.append({**form, "inbound_nodes": [renamed(node, renumbered) for node in kept]})
        own = [name for name, _, _ in self.config["input_layers"]]
        inputs = [form["name"] for form in layers if _is_input(form)]
        inputs.sort(key=lambda name: own.index(name) if name in own else len(own))
        if begun:
            left = [name for name in inputs if name not in begun]
            if left:
                raise ValueError(f"the outputs also need the input {left[0]!r}, which is not among inputs")
            inputs = [name for name in begun if name in inputs]
        outputs = [renumbered(end) for end in ends]
        return {
            "layers": layers,
            "input_layers": [[name, 0, 0] for name in inputs],
            "output_layers": [[name, node + self._own_nodes(name), tensor] for name, node, tensor in outputs],
        }


def references(value: Any) -> Iterator[Reference]:
    """All references to layers in a node."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            yield _history(value)
            return
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            yield from references(entry)


def renamed(value: Any, rename: Callable[[Reference], Reference]) -> Any:
    """A node with other references."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            return {**value, "config": {**value["config"], "keras_history": rename(_history(value))}}
        return {key: renamed(entry, rename) for key, entry in value.items()}
    return [renamed(entry, rename) for entry in value] if isinstance(value, list) else value


def _history(form: Config) -> Reference:
    config = form.get("config")
    found = config.get("keras_history") if isinstance(config, dict) else None
    if not isinstance(found, list) or [type(entry) for entry in found] != [str, int, int] or min(found[1:]) < 0:
        raise ValueError(f"expected a tensor's keras_history to be [layer, node, tensor], got {found!r}")
    return found


def _is_input(form: Config) -> bool:
    return bool(form["class_name"] == "InputLayer")


def tensor(reference: Reference) -> Config:
    """Keras 3's form of a reference to an output of a layer."""
    return {
        "class_name": "__keras_tensor__",
        "config": {"shape": None, "dtype": "float32", "keras_history": reference},
    }


def input_layer(name: str, shape: Any) -> Config:
    """The form of an input of a graph."""
    if shape is None:
        raise ValueError(f"the shape of the input {name!r} is not known")
    config = {"batch_shape": shape, "dtype": "float32", "name": name}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}
