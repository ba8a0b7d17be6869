"""Each decision that the loader can take, taken on a small file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fastgru.layers import GRU, Dense, Input
from fastgru.models import Sequential, load_model, model_from_json
from fastgru.saving import ModelFileError

Form = dict[str, Any]
Arrays = Sequence[tuple[int, ...]] | Mapping[str, tuple[int, ...]]


def form(class_name: str, name: str, **options: Any) -> Form:
    return {"class_name": class_name, "config": {"name": name, **options}}


def gru(class_name: str = "GRU", **options: Any) -> Form:
    usual = {"units": 2, "batch_input_shape": [None, 4, 3], "recurrent_activation": "sigmoid", "reset_after": True}
    return form(class_name, "gru", **{key: value for key, value in {**usual, **options}.items() if value != "absent"})


def report_of_config(*forms: Form, version: str | None = "2.9.0", **more: Any) -> list[str]:
    config = {"class_name": "Sequential", "config": list(forms), "keras_version": version, **more}
    return sentences(lambda: model_from_json(json.dumps(config)))


def report_of_file(
    *forms: Form,
    version: str | None = "2.9.0",
    backend: str = "tensorflow",
    training: Form | None = None,
    optimizer: Sequence[tuple[int, ...]] = (),
    **arrays: Arrays,
) -> list[str]:
    """What is said of a legacy file with these layers, and arrays of these shapes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": list(forms)})
            file.attrs["backend"] = backend
            if version:
                file.attrs["keras_version"] = version
            if training:
                file.attrs["training_config"] = json.dumps(training)
            groups = {"model_weights": {one["config"]["name"]: arrays.get(one["config"]["name"], ()) for one in forms}}
            groups["model_weights"]["left"] = arrays.get("left", ())
            file.create_group("model_weights").attrs["layer_names"] = list(groups["model_weights"])
            for name, shapes in groups["model_weights"].items():
                write_arrays(file["model_weights"].create_group(name), shapes)
            write_arrays(file.create_group("optimizer_weights"), optimizer)
        return sentences(lambda: load_model(path))


def write_arrays(group: h5py.Group, arrays: Arrays) -> None:
    """Arrays of these shapes, by their names or by numbers."""
    named = arrays if isinstance(arrays, Mapping) else {f"{number}:0": shape for number, shape in enumerate(arrays)}
    group.attrs["weight_names"] = list(named)
    for name, shape in named.items():
        group[name] = np.zeros(shape)


def sentences(open_model: Callable[[], Any]) -> list[str]:
    """A model's report without its first line, or the reason why there is no model."""
    try:
        report: list[str] = open_model().load_report
        return report[1:]
    except ModelFileError as error:
        return [str(error).partition(": ")[2]]


def graph_of_function(function: str) -> list[str]:
    layers = [
        {**form("InputLayer", "x", batch_input_shape=[None, 3]), "name": "x", "inbound_nodes": []},
        {**form("TFOpLambda", "op", function=function), "name": "op", "inbound_nodes": [["x", 0, 0, {}]]},
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["op", 0, 0]]}
    text = json.dumps({"class_name": "Functional", "config": config, "keras_version": "2.9.0"})
    return sentences(lambda: model_from_json(text))


def masked_start() -> list[str]:
    layers = [form("Masking", "masking", batch_input_shape=[2, 4, 3]), gru(stateful=True)]
    return report_of_file(*layers, gru=[(3, 6), (2, 6), (2, 6)])


def unneeded_layer() -> list[str]:
    layers = [
        {**form("InputLayer", "x", batch_input_shape=[None, 3]), "name": "x", "inbound_nodes": []},
        {**dense(), "name": "dense", "inbound_nodes": [[["x", 0, 0, {}]]]},
        {**form("SelfAttention", "attention"), "name": "attention", "inbound_nodes": [[["x", 0, 0, {}]]]},
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["dense", 0, 0]]}
    text = json.dumps({"class_name": "Functional", "config": config, "keras_version": "2.9.0"})
    return sentences(lambda: model_from_json(text))


def frozen_direction() -> list[str]:
    shapes = dict(enumerate([(3, 6), (2, 6), (2, 6)]))
    arrays = {f"{way}_gru/{n}:0": shape for way in ("backward", "forward") for n, shape in shapes.items()}
    layer = form("Bidirectional", "both", layer=gru(), batch_input_shape=[None, 4, 3])
    return report_of_file(layer, both=arrays)


def own_model() -> list[str]:
    layers = [{**form("InputLayer", "x", batch_input_shape=[None, 3]), "name": "x", "inbound_nodes": []}]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["x", 0, 0]]}
    text = json.dumps({"class_name": "MyModel", "config": config, "keras_version": "2.9.0"})
    return sentences(lambda: model_from_json(text))


def merged(at_the_beginning: bool) -> list[str]:
    branches = [{"class_name": "Sequential", "config": [dense(f"d{number}")]} for number in range(2)]
    report = report_of_config(form("Merge", "merge", mode="sum", layers=branches), version="1.2.2")
    return [sentence for sentence in report if ("begins" in sentence) == at_the_beginning]


def dense(name: str = "dense", **options: Any) -> Form:
    return form("Dense", name, **{"units": 2, "batch_input_shape": [None, 3], "activation": "linear", **options})


def convolution(**options: Any) -> Form:
    return form("Conv1D", "conv", filters=2, kernel_size=[2], batch_input_shape=[None, 4, 3], **options)


def saved_report(change: Callable[[h5py.File], None], **load: Any) -> list[str]:
    """What is said of a `.keras` folder after a change of its weights."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        model = Sequential([Input((4, 3)), GRU(2, name="gru"), Dense(2, name="dense")])
        model.save_weights(base / "model.weights.h5")
        with h5py.File(base / "model.weights.h5", "r+") as file:
            change(file)
        (base / "config.json").write_text(json.dumps(model.serialized()))
        (base / "metadata.json").write_text(json.dumps({"keras_version": "3.10.0"}))
        return sentences(lambda: load_model(base, **load))


def more_weights(file: h5py.File) -> None:
    file["layers/dense_1/vars/0"] = np.zeros(2)


GRU_3 = [(3, 6), (2, 6), (6,)]
NINE = [(3, 2), (2, 2), (2,)] * 3
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.001}}

# the report's sentences about each decision, in the order of the page
DECISIONS: dict[str, Callable[[], list[str]]] = {
    "reset_after_absent": lambda: report_of_config(gru(reset_after="absent"), version="2.1.4"),
    "reset_after_contradicts_the_bias": lambda: report_of_file(gru(), gru=GRU_3),
    "recurrent_activation_absent": lambda: report_of_config(gru(recurrent_activation="absent"), version="2.2.4")[:1],
    "hard_sigmoid": lambda: report_of_config(gru(recurrent_activation="hard_sigmoid"), version="2.2.4"),
    "cudnn_gru": lambda: report_of_file(
        gru("CuDNNGRU", recurrent_activation="absent", reset_after="absent"),
        version="2.2.4",
        gru=[(3, 6), (2, 6), (12,)],
    ),
    "cudnn_lstm": lambda: report_of_file(
        form("CuDNNLSTM", "lstm", units=2, batch_input_shape=[None, 4, 3]),
        version="2.2.4",
        lstm=[(3, 8), (2, 8), (16,)],
    ),
    "arrays_of_each_gate": lambda: report_of_file(gru(reset_after=False), version=None, gru=NINE),
    "convolution_kernels_of_keras_1": lambda: report_of_file(convolution(), version=None, conv=[(2, 1, 3, 2), (2,)]),
    "theano_convolution": lambda: report_of_file(
        convolution(), version="2.0.4", backend="theano", conv=[(2, 3, 2), (2,)]
    ),
    "theano_same_padding": lambda: report_of_file(
        convolution(padding="same"), version="2.0.4", backend="theano", conv=[(2, 3, 2), (2,)]
    )[1:],
    "time_major_true": lambda: report_of_config(gru(time_major=True)),
    "leaky_relu_alpha_absent": lambda: report_of_config(form("LeakyReLU", "leaky", batch_input_shape=[None, 3])),
    "merge": lambda: merged(False),
    "merge_at_the_beginning": lambda: merged(True),
    "pruned_layer": lambda: report_of_config(form("PruneLowMagnitude", "pruned", layer=gru())),
    "synchronized": lambda: report_of_config(
        gru(return_sequences=True), form("BatchNormalization", "normalization", synchronized=True)
    ),
    "float16": lambda: report_of_config(gru(dtype="float16")),
    "model_class_of_an_author": own_model,
    "tensorflow_function": lambda: graph_of_function("math.square"),
    "tensorflow_function_as_layer": lambda: graph_of_function("nn.relu"),
    "unknown_option": lambda: report_of_config(gru(unheard_of=3)),
    "unknown_constraint": lambda: report_of_config(gru(kernel_constraint={"class_name": "WeightClip", "config": {}})),
    "unknown_loss": lambda: report_of_file(
        dense(), dense=[(3, 2), (2,)], training={"optimizer_config": ADAM, "loss": "my_loss", "metrics": []}
    ),
    "optimizer_without_steps": lambda: report_of_file(
        dense(),
        dense=[(3, 2), (2,)],
        training={"optimizer_config": ADAM, "loss": "mse", "metrics": []},
        optimizer=[(3, 2), (2,), (3, 2), (2,)],
    ),
    "masked_start": masked_start,
    "activation_in_numpy": lambda: report_of_config(gru(activation="swish")),
    "unneeded_weights_h5": lambda: report_of_file(dense(), dense=[(3, 2), (2,)], left=[(2,)]),
    "unneeded_weights_keras": lambda: saved_report(more_weights),
    "part_of_a_model": lambda: saved_report(lambda file: None, outputs=["gru"])[:1],
    "turned_copy": lambda: report_of_config(form("Bidirectional", "both", layer=gru(go_backwards=True))),
    "frozen_direction": frozen_direction,
    "lambda_layer": lambda: report_of_config(gru(), form("Lambda", "lambda", function=["4wEAAAA=", None, None])),
    "unknown_layer": lambda: report_of_config(gru(), form("SelfAttention", "attention")),
    "unknown_layer_without_output": unneeded_layer,
    "mode_of_batch_normalization": lambda: report_of_config(
        form("BatchNormalization", "norm", mode=1, batch_input_shape=[None, 3]), version=None
    ),
    "causal_attention": lambda: report_of_config(gru(), form("Attention", "attention", causal=True)),
}
