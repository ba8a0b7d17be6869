"""Writes the golden files of TensorFlow 2: needs tensorflow and tf_keras.

`saved_model` is of Keras 2 with Adam as it is today, `saved_graph` with that of before Keras 2.11. Beside each are
its weights alone, as a checkpoint, and in the `.npz` what it answers and its weights after one more step of training.
`saved_module` holds variables without Keras. The functions are taken out of `saved_model.pb`: they would be a hundred
times the rest, and fastgru does not look at them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow.core.protobuf import saved_model_pb2
from tf_keras import layers

SEED = 20261128
FOLDER = Path(__file__).parent


def sequential() -> Any:
    model = keras.Sequential(
        [
            layers.Bidirectional(layers.GRU(2, return_sequences=True), input_shape=(5, 3)),
            layers.BatchNormalization(),
            layers.GRU(3, reset_after=False, recurrent_activation="hard_sigmoid"),
            layers.Dense(2),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def graph() -> Any:
    x, words = layers.Input((5, 3), name="x"), layers.Input((4,), dtype="int32", name="words")
    states = layers.GRU(2, return_state=True, name="first")(x)
    read = layers.GRU(2, name="second")(layers.Embedding(7, 2)(words), initial_state=states[1])
    model = keras.Model([x, words], layers.Dense(1, name="out")(layers.Concatenate()([states[1], read])))
    model.compile(keras.optimizers.legacy.Adam(), "mse")
    return model


def without_functions(folder: Path) -> None:
    """Take out of a SavedModel all but the objects and who wrote them."""
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    meta = saved.meta_graphs[0]
    meta.ClearField("graph_def")
    meta.ClearField("signature_def")
    meta.meta_info_def.ClearField("stripped_op_list")
    meta.object_graph_def.ClearField("concrete_functions")
    for node in meta.object_graph_def.nodes:
        for kind in ("function", "bare_concrete_function"):
            if node.HasField(kind):
                node.ClearField(kind)
    path.write_bytes(saved.SerializeToString(deterministic=True))
    (folder / "fingerprint.pb").unlink()
    shutil.rmtree(folder / "assets", ignore_errors=True)


def write(name: str, model: Any, inputs: list[Any]) -> None:
    rng = np.random.default_rng(SEED)
    model.set_weights([rng.uniform(-1, 1, weight.shape) + (weight.ndim == 1) for weight in model.get_weights()])
    single = inputs if len(inputs) > 1 else inputs[0]
    for _ in range(2):
        model.train_on_batch(single, rng.normal(size=(4, model.output_shape[-1])))
    model.save(FOLDER / name, save_format="tf")
    without_functions(FOLDER / name)
    model.save_weights(FOLDER / f"{name}_weights")
    (FOLDER / "checkpoint").unlink()
    meta = {"keras": keras.__version__, "tensorflow": tf.__version__, "seed": SEED}
    arrays = {f"x{number}": value for number, value in enumerate(inputs)}
    arrays["y"] = model.predict(single, verbose=0)
    model.train_on_batch(single, np.zeros((4, model.output_shape[-1])))
    trained = {f"w{number}": value for number, value in enumerate(model.get_weights())}
    np.savez_compressed(FOLDER / f"{name}.npz", meta=json.dumps(meta), **arrays, **trained)


def main() -> None:
    keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(4, 5, 3)).astype("float32")
    write("saved_model", sequential(), [x])
    write("saved_graph", graph(), [x, rng.integers(0, 7, (4, 4)).astype("int32")])
    module = tf.Module()
    module.gru = [tf.Variable(rng.normal(size=shape).astype("float32")) for shape in ((3, 6), (2, 6), (2, 6))]
    module.count = tf.Variable(3)
    module.dense = tf.Module()
    module.dense.kernel = tf.Variable(rng.normal(size=(2, 1)), dtype=tf.bfloat16)
    module.dense.bias = tf.Variable([0.5], dtype=tf.float16)
    tf.saved_model.save(module, FOLDER / "saved_module")
    without_functions(FOLDER / "saved_module")


if __name__ == "__main__":
    main()
