"""A model's config in the words of Keras 2, in which hard_sigmoid has the meaning that Keras 3 has no name for."""

from __future__ import annotations

from typing import Any

from fastgru.models.references import history, is_tensor
from fastgru.saving.forms import described, is_model
from fastgru.saving.stored import Config

VERSION = "2.15.0"
OLD_HARD_SIGMOID = "hard_sigmoid_old"
# options that Keras 2 does not know, of layers and of what stands in their configs
BY_NAME = ("value", "key")  # the tensors of MultiHeadAttention behind the first
_LATER = ("input_axes", "output_axes", "optional", "rms_scaling", "build_config", "seed_generator")
_LATER_IN = {"GRU": ("seed",), "LSTM": ("seed",), "SimpleRNN": ("seed",), "GRUCell": ("seed",), "LSTMCell": ("seed",),
             "SimpleRNNCell": ("seed",)}  # fmt: skip
_NAMES = {"batch_shape": "batch_input_shape"}
_NAMES_IN = {"LeakyReLU": {"negative_slope": "alpha"}}


def in_words_of_keras_2(spec: Config) -> Config | None:
    """A model's form as Keras 2 writes it; None where it holds what that had not: operations, models in graphs."""
    config = spec["config"]
    if "layers" not in config or any(not _is_plain(form) for form in config["layers"]):
        return None
    layers = [_layer(form) for form in config["layers"]]
    if spec["class_name"] == "Sequential":
        return {"class_name": "Sequential", "config": {"name": config["name"], "layers": layers}}
    ends = {key: _ends(config[key]) for key in ("input_layers", "output_layers")}
    for form, new in zip(layers, config["layers"], strict=True):
        form.update(name=new["name"], inbound_nodes=[*map(_node, new["inbound_nodes"])])
    return {"class_name": "Functional", "config": {"name": config["name"], "layers": layers, **ends}}


def _is_plain(form: Config) -> bool:
    """Whether a layer's form is that of one that Keras 2 had, and has no activation of Keras 3 of the same name."""
    name, config = described(form)
    return not is_model(name, config) and form.get("module") == "keras.layers" and "'hard_sigmoid'" not in str(config)


def _layer(form: Config) -> Config:
    name, config = described(form)
    names = {**_NAMES, **_NAMES_IN.get(name, {})}
    left_out = (*_LATER, *_LATER_IN.get(name, ()))
    options = {names.get(key, key): _value(value) for key, value in config.items() if key not in left_out}
    return {"class_name": name, "config": options}


def _value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_value(entry) for entry in value]
    if not isinstance(value, dict):
        return "hard_sigmoid" if value == OLD_HARD_SIGMOID else value
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    return _layer(value) if isinstance(value.get("config"), dict) else value


def _node(call: Config) -> list[Any]:
    """A call as a list of the tensors that go in, each with the arguments by name."""
    inputs, *more = call["args"]
    tensors = [inputs] if is_tensor(inputs) else inputs
    by_name = {**dict(zip(BY_NAME, more, strict=False)), **call["kwargs"]}
    options = {key: _references(value) for key, value in by_name.items()}
    return [[*history(tensor), options] for tensor in tensors]


def _references(value: Any) -> Any:
    if is_tensor(value):
        return history(value)
    return [_references(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def _ends(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    return [list(value)] if value and isinstance(value[0], str) else [list(end) for end in value]
