"""Recurrent layers of Keras 2 that took the steps along the first axis: in a graph, between two permutes."""

from __future__ import annotations

from typing import Any

from fastgru.models.references import Reference, is_tensor, tensor_form
from fastgru.registry import OPERATIONS
from fastgru.saving.forms import as_graph, described, renamed
from fastgru.saving.report import Report
from fastgru.saving.stored import Config

TIME_MAJOR = "time_major"


def samples_first(model: Config, report: Report) -> Config:
    """A model in which no layer has the option: the axes before and behind those that had it are exchanged.

    ValueError for masks, which no operation of a graph carries on.
    """
    layers = model["config"]["layers"]
    names = [form["config"].get("name") for form in layers if _takes_time_first(form)]
    if not names:
        return model
    for form in layers:
        if form["class_name"] == "Masking" or form["config"].get("mask_zero"):
            raise ValueError(f"time_major=True of layer {names[0]!r} is not supported by fastgru beside masks")
    graph = as_graph(model)
    return {**graph, "config": _exchanged(graph["config"], names, report)}


def _takes_time_first(form: Config) -> bool:
    """Take the option out of a layer's form, and out of those inside a Bidirectional; whether one had it."""
    configs = [form["config"]]
    for inner in ("layer", "backward_layer"):
        if isinstance(form["config"].get(inner), dict):
            configs.append(described(form["config"][inner])[1])
    options = [config.pop(TIME_MAJOR, False) for config in configs]
    if any(options[1:]) and form["class_name"] != "Bidirectional":
        raise ValueError(f"time_major=True inside a {form['class_name']} is not supported by fastgru")
    return any(options)


def _exchanged(config: Config, names: list[Any], report: Report) -> Config:
    layers: list[Config] = []
    behind: dict[tuple[str, int, int], Reference] = {}
    for form in config["layers"]:
        if form["config"].get("name") not in names:
            layers.append(form)
            continue
        name, nodes = form["name"], []
        report.decide("time_major=True is computed between two permutes", name)
        after: list[Config] = []
        for number, node in enumerate(form["inbound_nodes"]):
            first, *more = node["args"]
            sequence, *states = first if isinstance(first, list) else [first]
            before = _exchange(f"{name}_samples_first_{number}", sequence)
            layers.append(before)
            sequence = tensor_form([before["name"], 0, 0])
            nodes.append({**node, "args": [[sequence, *states] if states else sequence, *more]})
            for tensor in _sequences(form):
                after.append(_exchange(f"{name}_steps_first_{number}_{tensor}", tensor_form([name, number, tensor])))
                behind[name, number, tensor] = [after[-1]["name"], 0, 0]
        layers += [{**form, "inbound_nodes": nodes}, *after]
    own = {reference[0] for reference in behind.values()}

    def moved(reference: Reference) -> Reference:
        return behind.get(tuple(reference), reference)

    layers = [
        form if form["name"] in own else {**form, "inbound_nodes": renamed(form["inbound_nodes"], moved)}
        for form in layers
    ]
    return {**config, "layers": layers, "output_layers": [moved(end) for end in config["output_layers"]]}


def _exchange(name: str, tensor: Any) -> Config:
    """The operation that exchanges steps and samples."""
    if not is_tensor(tensor):
        raise ValueError(f"expected a sequence as the input of {name!r}, got {tensor!r}")
    return {
        "module": f"{OPERATIONS}.numpy",
        "class_name": "Transpose",
        "config": {"name": name, "axes": [1, 0, 2]},
        "name": name,
        "inbound_nodes": [{"args": [tensor], "kwargs": {}}],
    }


def _sequences(form: Config) -> range:
    """Which outputs of a layer are sequences."""
    config = form["config"]
    both = form["class_name"] == "Bidirectional"
    inside = described(config["layer"])[1] if both else config
    if not inside.get("return_sequences"):
        return range(0)
    return range(2 if both and config.get("merge_mode", "concat") is None else 1)
