"""Writes `pickled.pickle` and its answers, `pickled_layers.pickle` and their configs.

Run it with fastgru at commit 42b1328, before modules moved and options were declared.
"""

import json
import pickle
from pathlib import Path

import numpy as np

from fastgru.layers import (
    GRU,
    LSTM,
    ActivityRegularization,
    BatchNormalization,
    Bidirectional,
    Concatenate,
    Conv1D,
    Cropping2D,
    Dense,
    Embedding,
    Input,
    MaxPooling2D,
    SeparableConv2D,
    Softmax,
    UnitNormalization,
    ZeroPadding2D,
)
from fastgru.models import Model
from fastgru.utils import set_random_seed

FOLDER = Path(__file__).parent

set_random_seed(1)
words, signal = Input((5,), dtype="int32", name="words"), Input((4, 3), name="signal")
text = Bidirectional(GRU(3, bias_initializer="random_normal"))(Embedding(7, 2, mask_zero=True)(words))
last = Concatenate()([text, LSTM(2)(signal)])
model = Model([words, signal], Dense(2, activation="softmax")(last))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
rng = np.random.default_rng(1)
x = [rng.integers(0, 7, (6, 5)), rng.standard_normal((6, 4, 3)).astype("float32")]
model.fit(x, rng.integers(0, 2, 6), batch_size=3, epochs=2, verbose=0)
(FOLDER / "pickled.pickle").write_bytes(pickle.dumps(model, protocol=4))
np.savez(FOLDER / "pickled.npz", words=x[0], signal=x[1], y=model.predict(x, verbose=0))

layers = [
    Conv1D(3, 2, padding="causal", dilation_rate=2, name="conv"),
    SeparableConv2D(3, (2, 1), strides=2, name="separable"),
    MaxPooling2D(2, 3, "same", name="pooling"),
    ZeroPadding2D(((1, 2), (0, 1)), name="padding"),
    Cropping2D((1, 2), name="cropping"),
    BatchNormalization(name="batch"),
    Softmax(name="softmax"),
    ActivityRegularization(0.1, name="penalty"),
    UnitNormalization(name="unit"),
]
(FOLDER / "pickled_layers.pickle").write_bytes(pickle.dumps(layers, protocol=4))
(FOLDER / "pickled_layers.json").write_text(json.dumps([layer.get_config() for layer in layers], indent=1) + "\n")
