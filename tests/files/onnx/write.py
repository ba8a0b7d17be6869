"""Writes the golden ONNX files: ``write.py tf2onnx`` needs tensorflow and tf2onnx, ``write.py torch`` onnxscript.

`tf2onnx.onnx` is of Keras 3 on TensorFlow by tf2onnx, `dynamo.onnx` of torch's newer exporter. The `.npz` beside each
has an input and what ONNX Runtime answers, which needs onnxruntime.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
RNG = np.random.default_rng(20261128)


def answered(path: Path, x: Any) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    outputs = session.run(None, {session.get_inputs()[0].name: x})
    np.savez(path.with_suffix(".npz"), x=x, **{f"y{index}": y for index, y in enumerate(outputs)})


def by_tf2onnx() -> None:
    import tensorflow as tf
    import tf2onnx
    from tensorflow import keras
    from tensorflow.keras import layers

    keras.utils.set_random_seed(0)
    stack = [
        layers.Conv1D(4, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling1D(2),
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.LSTM(3),
        layers.Dense(2),
    ]
    model = keras.Sequential([keras.Input((8, 3)), *stack])
    signature = [tf.TensorSpec((None, 8, 3), tf.float32, name="x")]
    function = tf.function(lambda x: {"out": model(x)}, input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=15)
    (FOLDER / "tf2onnx.onnx").write_bytes(proto.SerializeToString())


def by_torch() -> None:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = torch.nn.GRU(3, 3, 2, batch_first=True, bidirectional=True)
            self.head = torch.nn.Linear(6, 4)
            self.lstm = torch.nn.LSTM(6, 4, batch_first=True)

        def forward(self, x: Any) -> Any:
            y, _ = self.gru(x)
            return torch.softmax(self.head(y[:, -1]), -1), self.lstm(y)[0]

    torch.manual_seed(0)
    free = {"x": {0: torch.export.Dim("b"), 1: torch.export.Dim("t")}}
    program = torch.onnx.export(
        Net().eval(), (torch.randn(2, 7, 3),), dynamo=True, input_names=["x"], output_names=["p", "z"],
        dynamic_shapes=free, verbose=False,
    )  # fmt: skip
    for node in program.model.graph:  # where in torch's source each node comes from
        node.metadata_props.clear()
    program.save(FOLDER / "dynamo.onnx")


if __name__ == "__main__":
    if sys.argv[1] == "tf2onnx":
        by_tf2onnx()
    elif sys.argv[1] == "torch":
        by_torch()
    else:
        for name in ("tf2onnx", "dynamo"):
            answered(FOLDER / f"{name}.onnx", RNG.normal(size=(2, 8, 3)).astype("float32"))
