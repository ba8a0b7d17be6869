"""Configs of Keras 0.3, 1, 2 and tf.keras in Keras 3's words: JSON in, JSON out.

The layers know Keras 3's words alone. Here stands what older versions called the same things, what they meant by what
they left out, and how they wrote the graph of a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastgru.models.graph_config import input_form, leaves, tensor_form
from fastgru.saving.legacy import operations
from fastgru.saving.report import Report
from fastgru.saving.stored import KERAS_3, Config, Version

MODELS = ("Sequential", "Functional", "Model")
PRUNING = "PruneLowMagnitude"
ZERO_UNTIL_USED = "zero_until_used"  # an option that no Keras writes
CONSTANT = "_CONSTANT_VALUE"  # stands in the place of a layer's name where a call has a constant

# --- names ------------------------------------------------------------------------------------------------------------

CLASSES = {
    "Model": "Functional",
    "Container": "Functional",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    **{
        f"{kind}{name}{number}": name for kind in ("", "Unified") for name in ("GRU", "LSTM") for number in ("V1", "V2")
    },
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "TimeDistributedDense": "Dense",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
}
RECURRENT = ("GRU", "LSTM", "SimpleRNN")
# what a recurrent layer takes besides its sequence stands beside it in old graphs
TAKES_STATES = (*RECURRENT, "RNN", "Bidirectional", "ConvLSTM2D")

RENAMED = {
    "batch_input_shape": "batch_shape",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "bias": "use_bias",
    "border_mode": "padding",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "U_constraint": "recurrent_constraint",
    "b_constraint": "bias_constraint",
    "dim_ordering": "data_format",
    "custom_name": "name",
}
_UNITS = {"output_dim": "units"}
_RATE = {"p": "rate"}
_POOLING = {"pool_length": "pool_size", "stride": "strides"}
RENAMED_IN: dict[str, dict[str, str]] = {
    **dict.fromkeys((*RECURRENT, "GRUCell", "LSTMCell", "SimpleRNNCell", "Dense"), _UNITS),
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "AlphaDropout"), _RATE),
    **dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), _POOLING),
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "GaussianNoise": {"sigma": "stddev"},
    "Conv1D": {
        "nb_filter": "filters",
        "filter_length": "kernel_size",
        "subsample_length": "strides",
        "atrous_rate": "dilation_rate",
    },
    "Conv2D": {"nb_filter": "filters", "subsample": "strides", "atrous_rate": "dilation_rate"},
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "PReLU": {"init": "alpha_initializer"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ReLU": {"theta": "threshold"},
    "UpSampling1D": {"length": "size"},
    "InputLayer": {"input_dtype": "dtype"},
}
# what has no meaning for the numbers of a loaded model
IGNORED = {
    "implementation", "consume_less", "enable_caching_device", "weights", "input_dtype", "input_length", "time_major",
    "forget_bias_init", "input_spec", "num_constants", "cache_enabled", "experimental_autocast", "autocast",
}  # fmt: skip
IGNORED_IN = {
    "BatchNormalization": {
        "renorm", "renorm_clipping", "renorm_momentum", "fused", "virtual_batch_size", "adjustment", "mode",
        "experimental_sync",
    },
    "Embedding": {"dropout", "sparse", "input_length"},
    "SpatialDropout1D": {"noise_shape", "data_format"},
    "SpatialDropout2D": {"noise_shape"},
    **{
        name: {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"}  # those of a convolution
        for name in ("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D")
    },
    "InputLayer": {"sparse", "ragged", "type_spec", "trainable", "input_tensor"},
}  # fmt: skip

# --- what was left out ------------------------------------------------------------------------------------------------

HARD_SIGMOID = {"recurrent_activation": "hard_sigmoid"}
BEFORE = {"reset_after": False}
# (up to this version, exclusively; class; what an absent key means)
DEFAULTS: tuple[tuple[Version, str, Config], ...] = (
    ((2, 3), "GRU", HARD_SIGMOID),
    ((2, 3), "GRUCell", HARD_SIGMOID),
    ((2, 3), "LSTM", HARD_SIGMOID),
    ((2, 3), "LSTMCell", HARD_SIGMOID),
    (KERAS_3, "GRU", BEFORE),
    (KERAS_3, "GRUCell", BEFORE),
    (KERAS_3, "LeakyReLU", {"negative_slope": 0.3}),
)
CUDNN: dict[str, Config] = {
    "CuDNNGRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},
    "CuDNNLSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
}
MERGED_BY = {
    "sum": "Add",
    "mul": "Multiply",
    "concat": "Concatenate",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "cos": "Dot",
}


def version_of_words(spec: Any) -> Version:
    """The version in whose words a config is written, where nothing else tells: what is right for the numbers."""
    text = str(spec)
    if "'module'" in text or "'__keras_tensor__'" in text:
        return KERAS_3
    first = ("'inner_activation'", "'nb_filter'", "'W_regularizer'", "'inner_init'", "'b_constraint'")
    return (1, 0) if any(word in text for word in first) else (2, 0)


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
        Each model in it has ``stored_layers`` besides: for every layer its class in the file, its name, and the
        attribute under which the file has it in a wrapper that was taken off.
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
        if isinstance(config.get("cell"), list):
            config["cell"] = {"class_name": "StackedRNNCells", "config": {"cells": config["cell"]}}
        if isinstance(config.get("cells"), list):
            config["cells"] = [self.layer(cell) for cell in config["cells"]]
        return {**outside, "class_name": name, "config": config}

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
        if options.get("time_major"):
            raise ValueError("time_major=True is not supported by fastgru; put a Permute before and after the layer")
        if "time_major" in options:
            self.report.decide("time_major=False is what fastgru always does and is ignored", layer)
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
        if name == "Sequential":
            form = self._sequential(config)
        else:
            if CLASSES.get(name, name) != "Functional":
                self.report.decide(
                    f"{name} is read as the graph of layers that its config describes", config.get("name")
                )
            form = self._functional(config)
        form.setdefault("stored_layers", stored)
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
        names = [form.get("name") or described(form)[1].get("name") for form in config["layers"]]
        layers = [self.layer(form) for form in config["layers"]]
        classes = {name: form["class_name"] for name, form in zip(names, layers, strict=True)}
        graph = _OldGraph(config, classes)
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
        ends = {key: graph.ends(config.get(key), key) for key in ("input_layers", "output_layers")}
        return {"class_name": "Functional", "config": {"name": None, **options, "layers": layers, **ends}}


class _OldGraph:
    """References between the layers of one graph: Keras 2's lists ``[layer, node, tensor, options]`` as Keras 3's.

    A model inside a graph began, for Keras 1 and 2, with a node of its own, number 0. In Keras 3 it does not, but the
    model's outputs still count as if a Functional did.
    """

    def __init__(self, config: Config, classes: dict[str, str]) -> None:
        self.classes = classes
        used: dict[str, int] = {}
        old_nodes = [node for form in config["layers"] for node in form.get("inbound_nodes", []) if not _is_new(node)]
        self.old = bool(old_nodes)
        for name, number in _old_references([old_nodes, config.get("output_layers")]):
            used[name] = min(used.get(name, number), number)
        # 1 where the node of its own was counted
        self.offset = {
            name: 1 for name, kind in classes.items() if self.old and kind in MODELS and used.get(name, 0) >= 1
        }

    def ends(self, references: Any, place: str) -> list[list[Any]]:
        """The inputs or outputs of the model as a list of references."""
        if isinstance(references, dict):
            references = [references[key] for key in sorted(references)]  # the order in which Keras counts them
        if not isinstance(references, list) or not references:
            raise ValueError(f"expected {place} to be a list of references to layers, got {references!r}")
        if _is_reference(references):
            references = [references]
        ends = []
        for end in references:
            while isinstance(end, list) and len(end) == 1:
                (end,) = end
            if not _is_reference(end):
                raise ValueError(f"expected {place} to refer to layers as [name, node, tensor], got {end!r}")
            name, node, number = end[:3]
            if self.offset.get(name) and self.classes[name] == "Sequential":
                node -= 1
            ends.append([name, node, number])
        return ends

    def node(self, layer: str, node: Any) -> Config:
        """One application of a layer."""
        if _is_new(node):
            return dict(node)
        kwargs: Config = {}
        if isinstance(node, dict):
            inputs: Any = {key: self._input(value, kwargs) for key, value in node.items()}
        elif isinstance(node, list):
            alone = _is_reference(node) or node[:1] == [CONSTANT]
            inputs = [self._input(entry, kwargs) for entry in ([node] if alone else node)]
            # in one list, as here, states leave the layer the mask that comes with the sequence; by name they do not
            if self.classes[layer] in TAKES_STATES and kwargs.get("initial_state") is not None:
                inputs = inputs[:1]
            inputs = inputs[0] if len(inputs) == 1 else inputs
        else:
            raise ValueError(f"layer {layer!r}: expected a list of references to layers, got {node!r}")
        options = {key: self._value(value) for key, value in kwargs.items() if value is not None}
        return {"args": [inputs], "kwargs": options}

    def _input(self, entry: Any, kwargs: Config) -> Any:
        if isinstance(entry, list) and len(entry) >= 3 and entry[0] == CONSTANT:
            value = entry[2]
        elif _is_reference(entry):
            value = self._tensor(entry)
        elif isinstance(entry, list) and entry and all(isinstance(one, list) for one in entry):
            return [self._input(one, kwargs) for one in entry]
        else:
            raise ValueError(f"expected a reference to a layer, [name, node, tensor, options], got {entry!r}")
        if len(entry) > 3 and isinstance(entry[3], dict):
            kwargs.update(entry[3])
        return value

    def _value(self, value: Any) -> Any:
        """An option of a call, in which references stand for tensors."""
        if _is_reference(value) and len(value) == 3 and value[0] in self.classes:
            return self._tensor(value)
        if isinstance(value, list):
            return [self._value(entry) for entry in value]
        return value

    def _tensor(self, reference: list[Any]) -> Config:
        name, node, number = reference[:3]
        return tensor_form([name, node - self.offset.get(name, 0), number])


def _is_new(node: Any) -> bool:
    return isinstance(node, dict) and "args" in node


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(number, int) for number in value[1:3])
    )


def _old_references(nodes: Any) -> Iterator[tuple[str, int]]:
    """Layer and node of every reference in old nodes, also of those among the options of another."""
    for reference in leaves(nodes, _is_reference):
        yield reference[0], reference[1]
        yield from _old_references(reference[3:])


def described(spec: Any) -> tuple[str, Any]:
    """Class and config of a JSON form."""
    if not isinstance(spec, dict) or not isinstance(spec.get("class_name"), str) or "config" not in spec:
        raise ValueError("expected a JSON object with 'class_name' and 'config'")
    return spec["class_name"], spec["config"]


def layers_of(spec: Any) -> list[Config]:
    """The layers of a model's form, of one layer itself."""
    name, config = described(spec)
    if not is_model(name, config):
        return [spec]
    layers: list[Config] = config if isinstance(config, list) else config["layers"]
    return layers


def is_model(class_name: str, config: Any) -> bool:
    """Whether a form is that of a model; a class of the user's that is a graph of layers counts as one."""
    graph = isinstance(config, dict) and {"layers", "input_layers", "output_layers"} <= config.keys()
    return class_name in MODELS or graph


def stored_as(form: Any) -> tuple[str, Any, str]:
    """How a weight file calls a layer: its class there, its name, and where in a wrapper the layer itself is."""
    class_name, config = described(form)
    layer_name = form.get("name") or (config.get("name") if isinstance(config, dict) else None)
    return class_name, layer_name, "layer" if class_name == PRUNING else ""


def _named(form: Any, number: int) -> Any:
    """A layer's form with class and name apart; Keras 0.3 called the class the name."""
    if isinstance(form, dict) and "class_name" not in form and isinstance(form.get("name"), str):
        options = {"custom_name": f"{form['name'].lower()}_{number}", **form}
        return {"class_name": options.pop("name"), "config": options}
    return form
