"""Configs of Keras 0.3, 1, 2 and tf.keras in Keras 3's words: JSON in, JSON out. The layers know those alone."""

from __future__ import annotations

from typing import Any

from fastgru.models.references import input_form, tensor_form
from fastgru.saving.forms import described, is_model, layers_of, stored_as
from fastgru.saving.legacy.time_major import TIME_MAJOR, samples_first
from fastgru.saving.legacy.words import (
    CLASSES,
    CUDNN,
    DEFAULTS,
    IGNORED,
    IGNORED_IN,
    MERGED_BY,
    PRUNING,
    RECURRENT,
    RENAMED,
    RENAMED_IN,
)
from fastgru.saving.report import Report
from fastgru.saving.stored import KERAS_3, Config, Version

ENDS = ("input_layers", "output_layers")
ZERO_UNTIL_USED = "zero_until_used"  # an option that no Keras writes


def modern(spec: Any, version: Version, tensorflow: bool, report: Report) -> Config:
    """A model's config, whatever version wrote it, in the form of Keras 3.

    Parameters
    ----------
    spec : dict
        A JSON object with ``class_name`` and ``config``.
    version : tuple of int
        Of the Keras that wrote it.
    tensorflow : bool
        Whether TensorFlow computed, whose recurrent layers put out 0 before the first step that is not masked: they get
        the option ``zero_until_used``.
    report : Report
        Gets the decisions that were taken.

    Returns
    -------
    dict
        Each model in it has its ``class_in_file`` and ``stored_layers`` besides: for every layer its class in the file,
        its name, and the attribute under which the file has it in a wrapper that was taken off. Its ends are lists of
        references; as the file of a Keras 3 nests and names them, they stand in the config's ``structure``.
    """
    return _Translation(version, tensorflow, report).layer(spec)


class _Translation:
    def __init__(self, version: Version, tensorflow: bool, report: Report) -> None:
        self.version = version
        self.tensorflow = tensorflow
        self.report = report
        self.old = version < KERAS_3

    # --- layers -------------------------------------------------------------------------------------------------------

    def layer(self, spec: Any) -> Config:
        """A layer or a model."""
        name, config = described(spec)
        outside = {key: value for key, value in spec.items() if key not in ("class_name", "config")}
        if name == PRUNING:
            return self._without_pruning(config, outside)
        if is_model(name, config):
            return self._model(name, config, outside)
        if not isinstance(config, dict):
            raise ValueError(f"expected the config of a {name} to be a JSON object, got {type(config).__name__}")
        config = dict(config)
        if self.old:
            new_name = CLASSES.get(name, name)
            config = self._layer_config(name, new_name, config)
            name = new_name if new_name != "Merge" else self._merge(config)
        if self.tensorflow and (name in (*RECURRENT, "RNN") or "return_sequences" in config):
            config[ZERO_UNTIL_USED] = True
        self._dtype(config, config.get("name"))
        for inner in ("layer", "backward_layer", "cell", "attention_layer"):
            if isinstance(config.get(inner), dict) and "class_name" in config[inner]:
                config[inner] = self._inside(config[inner])
        if self.old and name == "Bidirectional":
            self._turn_copy(config)
        if isinstance(config.get("cell"), list):
            config["cell"] = {"class_name": "StackedRNNCells", "config": {"cells": config["cell"]}}
        if isinstance(config.get("cells"), list):
            config["cells"] = [self.layer(cell) for cell in config["cells"]]
        return {**outside, "class_name": name, "config": config}

    def _turn_copy(self, config: Config) -> None:
        """Give a Bidirectional around a layer that goes backwards the copy that Keras 2 made, which goes forwards."""
        layer = config["layer"]
        if layer["config"].get("go_backwards") and "backward_layer" not in config:
            name = f"backward_{str(layer['config'].get('name')).removeprefix('forward_')}"
            options = {**layer["config"], "go_backwards": False, "name": name}
            config["backward_layer"] = {**layer, "config": options}
            self.report.decide(
                "The copy of a layer that goes backwards goes forwards, as up to Keras 2", config.get("name")
            )

    def _inside(self, spec: Any) -> Config:
        """A layer in a wrapper, which gets its shape from that."""
        form = self.layer(spec)
        if not is_model(form["class_name"], form["config"]):
            form["config"].pop("batch_shape", None)
        return form

    def _without_pruning(self, config: Config, outside: Config) -> Config:
        inner = self.layer(config["layer"])
        shape = config.get("batch_input_shape", config.get("batch_shape"))
        if shape is not None:
            inner["config"].setdefault("batch_shape", shape)
        # the graph around it knows the wrapper's name
        inner["config"]["name"] = config.get("name", inner["config"].get("name"))
        self.report.decide("PruneLowMagnitude is taken off, its masks and thresholds are not read", config.get("name"))
        return {**outside, **inner}

    def _layer_config(self, old_class: str, new_class: str, config: Config) -> Config:
        """The options of a layer in Keras 3's words."""
        layer = config.get("name")
        names = {**RENAMED, **RENAMED_IN.get(new_class, {})}
        options: Config = {}
        for key, value in config.items():
            name = names.get(key, key)
            if name not in options or key == name:
                options[name] = value
        if not options.get(TIME_MAJOR):
            options.pop(TIME_MAJOR, None)
        self._shape_of_sample(new_class, options)
        ignored = IGNORED | IGNORED_IN.get(new_class, set())
        options = {key: value for key, value in options.items() if key not in ignored}
        for before, name, absent in DEFAULTS:
            if name == new_class and self.version < before and old_class not in CUDNN:
                for key, value in absent.items():
                    if key not in options:
                        options[key] = value
                        self.report.decide(f"{key} is absent and means {value}, the default of that version", layer)
        if old_class in CUDNN:
            options.update(CUDNN[old_class])
            self.report.decide(f"{old_class} is read as {new_class}, its weights are converted", layer)
        if "axis" in options and isinstance(options["axis"], list) and new_class == "BatchNormalization":
            (options["axis"],) = options["axis"]
        if new_class == "BatchNormalization" and config.get("mode", 0) != 0:
            raise ValueError(f"mode={config['mode']!r} of Keras 1's BatchNormalization is not supported by fastgru")
        if new_class == "Attention" and options.pop("causal", False):
            raise ValueError("causal=True is not supported by fastgru as an option of the layer")
        if new_class == "Conv2D" and "nb_row" in options:
            options["kernel_size"] = [options.pop("nb_row"), options.pop("nb_col")]
        if "data_format" in options:
            formats: dict[str, str | None] = {"th": "channels_first", "tf": "channels_last", "default": None}
            options["data_format"] = formats.get(options["data_format"], options["data_format"])
        for key, value in options.items():
            if key.endswith("activation"):
                options[key] = self._activation(value, layer)
        return options

    def _shape_of_sample(self, class_name: str, config: Config) -> None:
        """The shape that Keras 1 could also give as the size of the last axis and the length of the sequence."""
        length = config.get("input_length")
        features = None if class_name == "Embedding" else config.pop("input_dim", None)
        if config.get("batch_shape") is None:
            config.pop("batch_shape", None)
            if config.get("input_shape"):
                config["batch_shape"] = [None, *config["input_shape"]]
            elif class_name == "Embedding" and length is not None:
                config["batch_shape"] = [None, *(length if isinstance(length, list) else [length])]
            elif features is not None:
                sequence = class_name in RECURRENT or class_name == "Conv1D"
                config["batch_shape"] = [None, length, features] if sequence else [None, features]
        config.pop("input_shape", None)

    def _dtype(self, config: Config, layer: object) -> None:
        dtype = config.get("dtype")
        name = dtype.get("config", {}).get("name") if isinstance(dtype, dict) else dtype
        if name in ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16"):
            config["dtype"] = "float32"
            self.report.decide(f"{name} is computed in float32", layer)

    def _activation(self, value: Any, layer: object) -> Any:
        name = value
        if isinstance(value, dict) and isinstance(value.get("config"), str):
            name = value["config"]
        if isinstance(value, dict) and value.get("class_name") == "Activation":
            return self._activation(described(value)[1].get("activation"), layer)
        if name in ("softmax_v2", "log_softmax_v2"):  # TensorFlow 2.0's names of its functions
            return name.removesuffix("_v2")
        if name == "hard_sigmoid":
            self.report.decide("hard_sigmoid is clip(0.2 x + 0.5, 0, 1) as up to Keras 2, not Keras 3's", layer)
            return "hard_sigmoid_old"
        return self.layer(value) if isinstance(value, dict) and isinstance(value.get("config"), dict) else value

    def _merge(self, config: Config) -> str:
        """Keras 1's Merge as the class of today; changes its config into that class's."""
        mode, axes = config.get("mode"), config.get("dot_axes")
        if config.get("mode_type", "raw") != "raw" or mode not in MERGED_BY:
            raise ValueError(f"Merge with mode={mode!r} holds code or is unknown, and code from a file is never run")
        name = MERGED_BY[mode]
        options: Config = {"name": config.get("name"), "trainable": True}
        if name == "Concatenate":
            options["axis"] = config.get("concat_axis", -1)
        elif name == "Dot":
            pairs = axes if isinstance(axes, list) else [axes, axes]
            options["axes"] = [axis[0] if isinstance(axis, list) else axis for axis in pairs]
            options["normalize"] = mode == "cos"
        self.report.decide(f"Merge(mode={mode!r}) is read as {name}", config.get("name"))
        config.clear()
        config.update(options)
        return name

    # --- models -------------------------------------------------------------------------------------------------------

    def _model(self, name: str, config: Any, outside: Config) -> Config:
        if not isinstance(config, dict):
            config = {"layers": config}
        if not isinstance(config.get("layers"), list):
            raise ValueError(f"expected the layers of a {name} to be a list, got {type(config.get('layers')).__name__}")
        config = {**config, "layers": [_named(form, number) for number, form in enumerate(config["layers"])]}
        stored = [stored_as(form) for form in config["layers"]]
        form = self._sequential(config) if name == "Sequential" else self._functional(config)
        form = {"class_in_file": name, "stored_layers": stored, **samples_first(form, self.report)}
        return {**outside, **form}

    def _sequential(self, config: Config) -> Config:
        forms = config["layers"]
        if forms and forms[0].get("class_name") == "Merge":
            return self._joined(config, forms)
        layers = [self.layer(form) for form in forms]
        options = {key: value for key, value in config.items() if key in ("trainable", "build_input_shape", "name")}
        return {"class_name": "Sequential", "config": {"name": None, **options, "layers": layers}}

    def _joined(self, config: Config, forms: list[Config]) -> Config:
        """Keras 1's Sequential that begins by merging the ends of others: a graph."""
        layers: list[Config] = []
        inputs: list[list[Any]] = []
        merged = described(forms[0])[1]

        def chain(forms: list[Config], last: Any) -> Any:
            for form in forms:
                if form.get("class_name") == "Merge":
                    last = [chain(layers_of(branch), None) for branch in described(form)[1]["layers"]]
                form = self.layer(form)
                if is_model(form["class_name"], form["config"]):
                    last = chain(form["config"]["layers"], last)
                    continue
                shape = form["config"].pop("batch_shape", None)
                name = form["config"].setdefault("name", f"{form['class_name'].lower()}_{len(layers)}")
                if form["class_name"] == "InputLayer" or (last is None and shape is not None):
                    input_name = name if form["class_name"] == "InputLayer" else f"{name}_input"
                    last = [input_name, 0, 0]
                    inputs.append(last)
                    layers.append(input_form(input_name, shape))
                    if input_name == name:
                        continue
                if last is None:
                    raise ValueError(f"layer {name!r}: the shape of the input is not known")
                many = isinstance(last[0], list)
                node = {"args": [[tensor_form(one) for one in last] if many else tensor_form(last)], "kwargs": {}}
                layers.append({**form, "name": name, "inbound_nodes": [node]})
                last = [name, 0, 0]
            return last

        end = chain(forms, None)
        self.report.decide("A Sequential that begins with a Merge is read as a graph", merged.get("name"))
        graph = {"name": config.get("name"), "layers": layers, "input_layers": inputs, "output_layers": [end]}
        return {
            "class_name": "Functional",
            "config": graph,
            "stored_layers": [stored_as(form) for form in layers],
        }

    def _functional(self, config: Config) -> Config:
        from fastgru.saving.legacy import operations
        from fastgru.saving.legacy.graph_calls import OldGraph

        names = [form.get("name") or described(form)[1].get("name") for form in config["layers"]]
        layers = [self.layer(form) for form in config["layers"]]
        classes = {name: form["class_name"] for name, form in zip(names, layers, strict=True)}
        graph = OldGraph(config, classes)
        for name, form in zip(names, layers, strict=True):
            form["name"] = name
            if form["class_name"] != "InputLayer" and not is_model(form["class_name"], form["config"]):
                form["config"].pop("batch_shape", None)
            nodes = form.get("inbound_nodes", [])
            if not isinstance(nodes, list):
                raise ValueError(f"layer {name!r}: expected inbound_nodes to be a list, got {nodes!r}")
            form["inbound_nodes"] = [graph.node(name, node) for node in nodes]
        layers = [
            operations.modern_operation(form, self.report) if form["class_name"] in operations.CLASSES else form
            for form in layers
        ]
        options = {key: value for key, value in config.items() if key in ("trainable", "name")}
        ends = {key: graph.ends(config.get(key), key) for key in ENDS}
        if not graph.old:
            options["structure"] = {key: config[key] for key in ENDS}
        return {"class_name": "Functional", "config": {"name": None, **options, "layers": layers, **ends}}


def _named(form: Any, number: int) -> Any:
    """A layer's form with class and name apart; Keras 0.3 called the class the name."""
    if isinstance(form, dict) and "class_name" not in form and isinstance(form.get("name"), str):
        options = {"custom_name": f"{form['name'].lower()}_{number}", **form}
        return {"class_name": options.pop("name"), "config": options}
    return form
