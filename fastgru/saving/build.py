"""Models of configs in Keras 3's form: what an older Keras meant by its words is translated before (`legacy`)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from fastgru import activations, constraints, initializers, registry, regularizers
from fastgru.layers.in_numpy import activations_in_numpy
from fastgru.layers.layer import Layer
from fastgru.layers.weighted import unfilled_weights
from fastgru.models.model import Model
from fastgru.models.sequential import Sequential
from fastgru.naming import snake_case
from fastgru.object_registration import custom_function, custom_object, custom_objects_in_force
from fastgru.registry import MODELS, OPERATIONS
from fastgru.saving import lambdas
from fastgru.saving.forms import as_graph, described, is_model
from fastgru.saving.lambdas import LAMBDA
from fastgru.saving.leaves import leaves
from fastgru.saving.legacy.configs import ZERO_UNTIL_USED
from fastgru.saving.legacy.words import CLASSES, RECURRENT
from fastgru.saving.legacy.words import MODELS as STORED_MODELS
from fastgru.saving.report import Report, notice, reading, sentence
from fastgru.saving.stored import Config, Entry, StoredModel

if TYPE_CHECKING:
    from fastgru.models.references import Reference

FROM_NAMES = {"_initializer": initializers.get, "_regularizer": regularizers.get, "_constraint": constraints.get}
# whose inputs have steps and features, as many as the last axis but one of their first array says
OF_SEQUENCES = (*RECURRENT, "Bidirectional", "Conv1D", "TimeDistributed")
INNER = ("layer", "backward_layer", "forward_layer", "cell")


class Builder:
    """Makes the model that a config in Keras 3's form describes.

    Parameters
    ----------
    file : str
        Name of the file, for error messages.
    custom_objects : mapping, optional
        The user's classes and functions by the names that stand in the file.
    report : Report
        Gets the decisions that were taken.

    Attributes
    ----------
    unknown : list of str
        What of the training setup inside the layers fastgru does not know.
    entries : dict
        For each model built, by its `id`, how a weight file lists its layers.
    """

    def __init__(self, file: str, custom_objects: Mapping[str, Any] | None, report: Report) -> None:
        self.file = file
        self.custom_objects = custom_objects_in_force(custom_objects)
        self.report = report
        self.unknown: list[str] = []
        self.entries: dict[int, list[Entry]] = {}

    def part(
        self, stored: StoredModel, outputs: Sequence[str] | None = None, inputs: Sequence[str] | None = None
    ) -> Config:
        """The config of a stored model between layers of these names; all of it where none are named.

        ValueError where it is no Sequential and no graph.
        """
        whole: Any = stored.config
        if "stored_layers" not in whole and self._own_class(whole, Model) is not None:
            if outputs is not None or inputs is not None:
                raise ValueError(f"the model is of your class {whole['class_name']!r} and cannot be cut at its layers")
            return whole
        if "stored_layers" not in whole:
            raise ValueError(
                f"the model is of the class {whole['class_name']!r}, whose code is not in the file; build the same "
                "layers and call load_weights with this file, or give the class with custom_objects"
            )

        if outputs is None and inputs is None:
            return whole
        from fastgru.saving import subgraph

        def shape_of(reference: Reference, behind: Config) -> Any:
            try:
                with bounded_weights(stored):
                    before = self.model(subgraph.part(whole, [reference[0]], None, shape_of))
            except ValueError:
                shape = _shape_in_file(reference, behind, stored)
                if shape is None:
                    raise
                return shape
            shapes = before.output_shape
            return shapes[reference[2]] if isinstance(shapes, list) else shapes

        part = subgraph.part(whole, outputs, inputs, shape_of)
        names = {form["name"] for form in part["config"]["layers"]}
        for _, name, _ in whole["stored_layers"]:
            if name not in names:
                self.report.decide("Left out, as the outputs do not need them", name)
        return part

    def model(self, spec: Config) -> Any:
        """The model, without its weights, not compiled."""
        with reading(self.file, "model config"):
            if "stored_layers" not in spec:
                return self._own_model(spec)
            spec = self._with_known_layers(spec)
            class_name, config = described(spec)
            if class_name == "Sequential":
                model = self._sequential(config)
            else:
                ends = config.get("structure") or {}
                cls = self._graph_class(spec)
                model = cls.from_config({**config, **ends}, self.custom_objects, make_layer=self._make)
            built = {layer.name: layer for layer in model.layers}
            stored = spec.get("stored_layers") or []
            self.entries[id(model)] = [(snake_case(name), inside, built.get(layer)) for name, layer, inside in stored]
            if "trainable" in config and config["trainable"] is False:
                model.trainable = False
            return model

    def _own_class(self, form: Config, base: Any) -> Any:
        """The user's class of a form, if it is derived from a class; else None."""
        custom = custom_object(form, self.custom_objects)
        return custom if isinstance(custom, type) and issubclass(custom, base) else None

    def _own_model(self, spec: Config) -> Any:
        """A model of the user's class, which knows its config."""
        model = registry.deserialize(spec, MODELS, self.custom_objects)
        build_config = spec.get("build_config")
        if build_config and not model.built:
            model.build_from_config(build_config)
        return model

    def _graph_class(self, spec: Config) -> Any:
        """The class of a graph: the user's, where it is known and made of inputs and outputs, too."""
        name = spec.get("class_in_file")
        from fastgru.models.functional import Functional

        own = self._own_class({**spec, "class_name": name}, Functional)
        if own is not None and own.__init__ is Functional.__init__:
            return own
        if CLASSES.get(str(name), name) not in (*STORED_MODELS, None):
            self.report.decide(
                f"{name} is read as the graph of layers that its config describes", spec["config"].get("name")
            )
        return Functional

    def _make(self, form: Config, custom_objects: Any = None) -> Any:
        """One layer of a graph."""
        return self.layer(form)

    def _sequential(self, config: Config) -> Any:
        model = Sequential([self.layer(layer) for layer in config["layers"]], name=config.get("name"))
        if not model.built and config.get("build_input_shape"):
            model.build(tuple(config["build_input_shape"]))
        return model

    def layer(self, spec: Config) -> Any:
        """One layer, or a model as a layer."""
        class_name, config = described(spec)
        if is_model(class_name, config):
            return self.model(spec)
        if _is_operation(spec):
            return registry.deserialize(spec, OPERATIONS)
        name = config.get("name")
        with reading(self.file, f"layer {name!r} ({class_name})"):
            cls = self._class(spec)
            config = dict(config)
            for key in INNER:
                if isinstance(config.get(key), dict) and "class_name" in config[key]:
                    config[key] = self.layer(config[key])
            if isinstance(config.get("cells"), list):
                config["cells"] = [self.layer(cell) for cell in config["cells"]]
            zero_until_used = config.pop(ZERO_UNTIL_USED, False)
            function = lambdas.function_of(config, self.custom_objects, self.report) if class_name == LAMBDA else None
            if function is not None:
                return cls(**self._for_inference(cls, lambdas.with_function(config, function)))
            layer = cls.from_config(self._for_inference(cls, self._custom(config)))
            if zero_until_used and hasattr(layer, ZERO_UNTIL_USED):
                layer.zero_until_used = True
            return layer

    def _for_inference(self, cls: Any, config: Config) -> Config:
        """The config with objects in the place of their configs, without what is unknown and of no account."""
        options: Config = {}
        accepted = _arguments(cls)
        if config.get("synchronized"):  # of a BatchNormalization: there is one replica
            self.report.decide("synchronized=True is left out: a batch stands in one process", config.get("name"))
            config = {**config, "synchronized": False}
        for key, value in config.items():
            get = next((get for ending, get in FROM_NAMES.items() if key.endswith(ending)), None)
            if get is not None:
                try:
                    options[key] = get(value)
                except Exception as error:
                    # initial values are of no use to a model whose weights stand in the file
                    self.report.decide(f"{key} is not known and left out", config.get("name"))
                    if not key.endswith("_initializer") and sentence(error) not in self.unknown:
                        self.unknown.append(sentence(error))
            elif accepted is None or key in accepted:
                options[key] = value
            elif value:
                self.report.decide(f"The option {key}={value!r} is not known and ignored", config.get("name"))
                where = f"{self.file}, layer {config.get('name')!r}, {key}"
                notice(f"{where}: the option {key}={value!r} is not known to fastgru and is ignored.")
        return options

    # --- what is known ------------------------------------------------------------------------------------------------

    def _class(self, form: Config) -> Any:
        custom = custom_object(form, self.custom_objects)
        return registry.lookup("keras.layers", form["class_name"]) if custom is None else custom

    def unknown_in(self, form: Config) -> str | None:
        """The first class in a layer's form that fastgru does not know."""
        class_name, config = described(form)
        if is_model(class_name, config):
            return next((bad for inner in config["layers"] if (bad := self.unknown_in(inner))), None)
        if _is_operation(form):
            return None
        if custom_object(form, self.custom_objects) is None:
            try:
                registry.lookup("keras.layers", class_name)
            except ValueError:
                return class_name
            if class_name == LAMBDA and lambdas.function_of(config, self.custom_objects, Report()) is None:
                return LAMBDA
        for key, value in config.items() if isinstance(config, dict) else ():
            if key.endswith("activation") and (bad := self._unknown_activation(value)):
                return bad
        return next((bad for inner in _inner_forms(config) if (bad := self.unknown_in(inner))), None)

    def _unknown_activation(self, value: Any) -> str | None:
        """The name of an activation that fastgru does not know."""
        if isinstance(value, dict) and value.get("class_name") == "__lambda__":
            return "Lambda"
        name = value.get("config") if isinstance(value, dict) and value.get("class_name") == "function" else value
        if not isinstance(name, str) or custom_function(name, self.custom_objects) is not None:
            return None
        try:
            activations.get(name)
        except ValueError:
            return name
        return None

    def _with_known_layers(self, spec: Config) -> Config:
        """The model without unknown layers that lead to no output.

        ValueError where the outputs need a layer that cannot be built; it says where one can stop instead.
        """
        if not any(self.unknown_in(form) for form in spec["config"]["layers"]):
            return spec
        from fastgru.saving import subgraph

        spec, dead_ends = subgraph.without_dead_ends(spec, self.unknown_in)
        for name in dead_ends:
            self.report.decide("Left out, as no output needs them", name)
        form, stops = subgraph.stops(spec, self.unknown_in)
        if form is None:
            return spec
        class_name = self.unknown_in(form)
        layer = form["config"].get("name", form.get("name"))
        if class_name == LAMBDA:
            reason = "holds Python code, and code from a file is never run"
        else:
            reason = "is not known to fastgru"
        ways = [f"stop before it with outputs={stops[-4:]}"] if stops else []
        if form["class_name"] == LAMBDA:
            ways.insert(0, lambdas.remedy(form["config"]))
        elif class_name != LAMBDA:
            ways.insert(0, f"give your own with custom_objects={{{class_name!r}: ...}}")
        kind = class_name if class_name == form["class_name"] else f"{form['class_name']} with {class_name}"
        where = f"layer {layer!r} ({kind}) {reason}, and the model's outputs need it"
        raise ValueError("; ".join([where, *([" or ".join(ways)] if ways else [])]))

    # --- training -----------------------------------------------------------------------------------------------------

    def compile(self, model: Any, training: Config) -> bool:
        """Compile the model as it was; warn and leave it as it is where fastgru does not know a part of the setup."""
        reasons = self.unknown
        if not reasons:
            try:
                model.compile_from_config(self._custom(training))
            except Exception as error:
                reasons = [sentence(error)]
        if reasons:
            self.report.decide(f"The training setup is not restored ({' '.join(reasons).rstrip('.')})")
            notice(f"{self.file}: the model is loaded but not compiled: {' '.join(reasons)}")
        return not reasons

    def _custom(self, value: Any) -> Any:
        """The user's objects in the place of their names and configs."""
        if isinstance(value, list):
            return [self._custom(entry) for entry in value]
        if isinstance(value, str):
            return self.custom_objects.get(value, value)
        if not isinstance(value, dict):
            return value
        if value.get("class_name") == "__lambda__":
            raise ValueError("holds the code of a Python lambda, and code from a file is never run")
        if value.get("class_name") == "function":
            name = value["config"]
            return custom_function(name, self.custom_objects) or name
        named = isinstance(value.get("class_name"), str)
        custom = custom_object(value, self.custom_objects) if named else None
        if custom is None:
            return {key: entry if key == "name" else self._custom(entry) for key, entry in value.items()}
        return registry.from_class(custom, value.get("config") or {})


def _shape_in_file(reference: Reference, behind: Config, stored: StoredModel) -> Any:
    """The shape of what goes into a layer where what lies before it cannot be built; None where the file has none."""
    layers: Any = stored.config
    before = next(form for form in as_graph(layers)["config"]["layers"] if form["name"] == reference[0])
    if before["class_name"] == LAMBDA and (shape := lambdas.output_shape(before["config"])) is not None:
        return shape
    arrays = stored.arrays.get(behind["name"])  # of a legacy file: Keras 3 writes the shape beside the reference
    return [None, None, arrays[0].shape[-2]] if arrays and behind["class_name"] in OF_SEQUENCES else None


def _is_operation(form: Config) -> bool:
    """Whether a form is that of an operation: legacy files leave out its module, and it has no options of a layer."""
    module = form.get("module")
    if module.startswith(OPERATIONS) if isinstance(module, str) else "trainable" not in form["config"]:
        from fastgru import operations  # which few files hold

        return form["class_name"] in operations.__all__
    return False


def _inner_forms(config: Any) -> Iterator[Config]:
    """The forms of the layers in a wrapper."""
    if isinstance(config, dict):
        forms = [config.get(key) for key in INNER] + list(config.get("cells") or [])
        yield from (form for form in forms if isinstance(form, dict) and "class_name" in form)


@functools.cache
def _arguments(cls: Any) -> frozenset[str] | None:
    """The names that a class's constructor takes; None where it takes any."""
    names: set[str] = set()
    for base in inspect.getmro(cls) if isinstance(cls, type) else ():
        if not {"__init__", "__signature__"} & vars(base).keys():
            continue
        parameters = inspect.signature(base).parameters.values() if base is not object else ()
        names.update(parameter.name for parameter in parameters)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return frozenset(names)
    return None


# --- what the arrays of a file say of its model -----------------------------------------------------------------------


def weight_limit(numbers: int) -> int:
    """How many numbers the weights of a model can have whose file holds so many: some layouts are smaller than ours."""
    return 2 * numbers + 4096


def bounded_weights(stored: StoredModel) -> AbstractContextManager[None]:
    """Inside, models get weights without first values, and no more of them than the file has arrays for."""
    return unfilled_weights(weight_limit(stored.numbers))


def build_by_arrays(model: Any, stored: StoredModel) -> None:
    """Build a model whose file does not say the shape of its input, by the shape of its first array."""
    if model.built or not model.layers:
        return
    arrays = next((arrays for arrays in stored.layer_arrays.values() if arrays), None)
    first = next((layer for layer in model.layers if type(layer).build is not Layer.build), None)
    if arrays is None or first is None:
        return
    features = None if first.takes_tokens else arrays[0].shape[-2]
    model.build((*[None] * (first.input_rank - 1), features))


def report_behaviour(model: Any, report: Report) -> None:
    """Say where a model computes as one backend of Keras and not another, and what no kernel computes."""
    _report_masking(model, report)
    _report_activations(model, report)


def _report_masking(model: Any, report: Report) -> None:
    """Keras's backends disagree about what comes out of a row before its first step that is not masked."""
    layers = list(leaves(model))
    for layer in layers:
        has_state = layer.stateful or any(len(node.inputs) > 1 for node in layer.nodes)
        if has_state and getattr(layer, ZERO_UNTIL_USED, False) and any(map(_masks, layers)):
            report.decide("Steps masked before the first used one put out 0, as in TensorFlow", layer.name)


def _masks(layer: Layer) -> bool:
    from fastgru.layers.core.masking import Masking

    return isinstance(layer, Masking) or bool(getattr(layer, "mask_zero", False))


def _report_activations(model: Any, report: Report) -> None:
    """Say which activations no kernel computes."""
    for name, users in activations_in_numpy(model).items():
        for user in users:
            report.decide(f"Runs in numpy: activation {name!r}", user)
