"""What stands in a model file, as facts, without needing all of it to be known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastgru.saving import api, sniff
from fastgru.saving.endpoints import FileLike, name_of
from fastgru.saving.forms import layers_of, stored_as
from fastgru.saving.report import ModelFileError, reading

# the options that say most of a layer, in the order in which they are listed
OPTIONS = (
    "units", "filters", "kernel_size", "strides", "input_dim", "output_dim", "rate", "pool_size", "activation",
    "recurrent_activation", "reset_after", "return_sequences", "return_state", "go_backwards", "stateful", "merge_mode",
    "mask_zero", "mask_value", "padding", "target_shape", "dims", "axis",
)  # fmt: skip
# what is not listed
USUAL: dict[str, Any] = {
    "activation": ("linear", None), "recurrent_activation": ("sigmoid",), "reset_after": (True,), "padding": ("valid",),
    "axis": (-1,), "merge_mode": ("concat",),
}  # fmt: skip
USUAL_RECURRENT = {**USUAL, "activation": ("tanh",)}
USUAL_ELSE = (None, False)


def described(filepath: FileLike, outputs: list[str] | None = None, custom_objects: Any = None) -> dict[str, Any]:
    """Facts about a model file.

    Parameters
    ----------
    filepath : path
    outputs : list of str, optional
        Names of layers at which the model stops.

    Returns
    -------
    dict
        ``file``, ``format``, ``written_by``, ``layers`` (name, class, options, output shape, shapes of the weights,
        number of parameters, each where known), ``parameters``, ``decisions``, ``training`` and ``error``, the reason
        why the model cannot be loaded, else None.

    Raises
    ------
    ModelFileError
        It is no model file at all.
    """
    facts: dict[str, Any]
    if sniff.is_onnx(filepath):
        model = api.load_model(filepath, outputs=outputs)
        written_by = model.load_report[0].removeprefix("Written by ").removesuffix(".")
        facts = {"file": name_of(filepath), "format": "ONNX", "written_by": written_by, "training": None, "error": None}
        return {**facts, **_of_model(model)}
    with sniff.stored_model(filepath) as stored, reading(stored.file):
        arrays = {name: [list(array.shape) for array in arrays] for name, arrays in stored.layer_arrays.items()}
        only_weights = stored.config is None and stored.by_layer
        facts = {
            "file": stored.file,
            "format": f"{stored.format}, weights alone" if only_weights else stored.format,
            "written_by": stored.written_by,
            "decisions": [],
            "training": None if stored.training is None else _training(stored.training),
            "error": None,
        }
    if stored.config is None:
        return {**facts, "layers": [{"name": name, "weights": shapes} for name, shapes in arrays.items()]}
    try:
        model = api.load_model(filepath, custom_objects, compile=False, outputs=outputs)
    except ModelFileError as error:
        return {**facts, "layers": _from_config(stored.config, arrays), "error": str(error)}
    return {**facts, **_of_model(model)}


def _of_model(model: Any) -> dict[str, Any]:
    """What a model says of itself."""
    layers = [_layer(layer, shape) for layer, shape in zip(model.operations, model.output_shapes, strict=True)]
    return {"layers": layers, "parameters": model.count_params() if model.built else None,
            "decisions": model.load_report}  # fmt: skip


def _layer(layer: Any, shape: Any) -> dict[str, Any]:
    config = layer.get_config()
    inner = next((config[key] for key in ("layer", "cell") if isinstance(config.get(key), Mapping)), None)
    kind = type(layer).__name__
    if inner is not None:
        kind = f"{kind}({inner['class_name']})"
    return {
        "name": layer.name,
        "class": kind,
        "options": _options({**(inner["config"] if inner else {}), **config}),
        "output_shape": shape,
        "weights": [list(weight.shape) for weight in layer.weights],
        "parameters": layer.count_params() if layer.built else None,
    }


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    usual = USUAL_RECURRENT if "recurrent_initializer" in config or "inner_init" in config else USUAL
    options = {key: config[key] for key in OPTIONS if not isinstance(config.get(key), (Mapping, type(None)))}
    return {
        key: value
        for key, value in options.items()
        # 0 is not False here
        if not any(type(value) is type(one) and value == one for one in usual.get(key, USUAL_ELSE))
    }


def _from_config(spec: Any, arrays: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers of a model that cannot be built, as far as the config tells of them."""
    try:
        rows = []
        for form in layers_of(spec):
            kind, name, _ = stored_as(form)
            row = {"name": name, "class": kind, "options": _options(form["config"]), "weights": arrays.get(name, [])}
            rows.append(row)
        return rows
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _training(training: Mapping[str, Any]) -> dict[str, Any]:
    """Optimizer, loss and metrics in short."""
    optimizer = training.get("optimizer")
    config = optimizer.get("config", {}) if isinstance(optimizer, Mapping) else {}
    rate = config.get("learning_rate", config.get("lr")) if isinstance(config, Mapping) else None
    settings = {
        "optimizer": _short(optimizer) + (f" (learning rate {rate:g})" if isinstance(rate, (int, float)) else ""),
        "loss": _short(training.get("loss")),
        "metrics": _short(training.get("metrics")),
    }
    return {key: value for key, value in settings.items() if value}


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        if "class_name" in value:
            config = value.get("config")
            inner = config.get("fn", config.get("name")) if isinstance(config, Mapping) else config
            name = str(value["class_name"]).removeprefix("Custom>")
            return str(inner) if name in ("MeanMetricWrapper", "function", "LossFunctionWrapper") else name
        return ", ".join(f"{key}: {_short(entry)}" for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, map(_short, value)))
    return "" if value is None else str(value)
