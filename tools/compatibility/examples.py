"""A small model around each layer, with random weights, and its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastgru import activations, registry
from fastgru.layers import GRU, RNN, Dense, GRUCell, Input, LSTMCell, SimpleRNNCell
from fastgru.models import Functional, Sequential

SEED = 20261123
SEQUENCE, IMAGE, VECTOR = (6, 4), (6, 6, 2), (5,)
# options of each layer, and the shapes of its inputs without the batch; a sequence and no options where absent
EXAMPLES: dict[str, tuple[Callable[[], dict[str, Any]], tuple[tuple[int, ...], ...]]] = {
    "Activation": (lambda: {"activation": "gelu"}, (SEQUENCE,)),
    "Lambda": (lambda: {"function": activations.tanh}, (SEQUENCE,)),
    "LeakyReLU": (lambda: {"negative_slope": 0.2}, (SEQUENCE,)),
    "Dropout": (lambda: {"rate": 0.5}, (SEQUENCE,)),
    **dict.fromkeys(("SpatialDropout1D", "AlphaDropout"), (lambda: {"rate": 0.5}, (SEQUENCE,))),
    "SpatialDropout2D": (lambda: {"rate": 0.5}, (IMAGE,)),
    "GaussianNoise": (lambda: {"stddev": 0.5}, (SEQUENCE,)),
    "GaussianDropout": (lambda: {"rate": 0.5}, (SEQUENCE,)),
    "Dense": (lambda: {"units": 3, "activation": "relu"}, (VECTOR,)),
    **dict.fromkeys(("GRU", "LSTM", "SimpleRNN"), (lambda: {"units": 3, "return_sequences": True}, (SEQUENCE,))),
    "RNN": (lambda: {"cell": [GRUCell(3), LSTMCell(2)]}, (SEQUENCE,)),
    "Bidirectional": (lambda: {"layer": GRU(3)}, (SEQUENCE,)),
    "TimeDistributed": (lambda: {"layer": Dense(3)}, (SEQUENCE,)),
    **dict.fromkeys(("Conv1D", "SeparableConv1D"),
                    (lambda: {"filters": 3, "kernel_size": 2, "padding": "same"}, (SEQUENCE,))),
    "Conv1DTranspose": (lambda: {"filters": 3, "kernel_size": 3, "strides": 2}, (SEQUENCE,)),
    "ConvLSTM1D": (lambda: {"filters": 3, "kernel_size": 2}, ((4, 5, 2),)),
    "DepthwiseConv1D": (lambda: {"kernel_size": 2}, (SEQUENCE,)),
    "DepthwiseConv2D": (lambda: {"kernel_size": 2}, (IMAGE,)),
    "SeparableConv2D": (lambda: {"filters": 3, "kernel_size": 2}, (IMAGE,)),
    "GroupNormalization": (lambda: {"groups": 2}, (SEQUENCE,)),
    "Rescaling": (lambda: {"scale": 0.5, "offset": 1.0}, (SEQUENCE,)),
    **dict.fromkeys(("Cropping2D", "UpSampling2D", "ZeroPadding2D"), (dict, (IMAGE,))),
    "Conv2D": (lambda: {"filters": 3, "kernel_size": 2, "strides": 2}, (IMAGE,)),
    **dict.fromkeys(("GlobalMaxPooling2D", "GlobalAveragePooling2D"), (dict, (IMAGE,))),
    **dict.fromkeys(("MaxPooling2D", "AveragePooling2D"), (lambda: {"pool_size": 2}, (IMAGE,))),
    **dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), (lambda: {"pool_size": 2}, (SEQUENCE,))),
    "SpectralNormalization": (lambda: {"layer": Dense(3)}, (SEQUENCE,)),
    "EinsumDense": (lambda: {"equation": "...b,bc->...c", "output_shape": 3, "bias_axes": "c"}, (SEQUENCE,)),
    "Embedding": (lambda: {"input_dim": 9, "output_dim": 3}, (VECTOR,)),
    "Reshape": (lambda: {"target_shape": (3, 8)}, (SEQUENCE,)),
    "Permute": (lambda: {"dims": (2, 1)}, (SEQUENCE,)),
    "RepeatVector": (lambda: {"n": 3}, (VECTOR,)),
    **dict.fromkeys(("Add", "Average", "Multiply", "Maximum", "Minimum", "Concatenate"),
                    (dict, (SEQUENCE, SEQUENCE, SEQUENCE))),
    **dict.fromkeys(("Subtract", "Attention"), (dict, (SEQUENCE, SEQUENCE))),
    "AdditiveAttention": (dict, (SEQUENCE, SEQUENCE)),
    "Dot": (lambda: {"axes": 2}, (SEQUENCE, SEQUENCE)),
    "MultiHeadAttention": (lambda: {"num_heads": 2, "key_dim": 3}, (SEQUENCE, SEQUENCE)),
    "CategoryEncoding": (lambda: {"num_tokens": 9}, (VECTOR,)),
    "Discretization": (lambda: {"bin_boundaries": [-0.5, 0.0, 1.0]}, (VECTOR,)),
    "Hashing": (lambda: {"num_bins": 7}, (VECTOR,)),
    "IntegerLookup": (lambda: {"vocabulary": [1, 2, 5]}, (VECTOR,)),
    "StringLookup": (lambda: {"vocabulary": ["the", "cat"]}, (VECTOR,)),
    "TextVectorization": (lambda: {"vocabulary": ["the", "cat"], "output_sequence_length": 4}, ((1,),)),
}  # fmt: skip
# the dtype of what goes into layers of tokens
TOKENS = {
    "CategoryEncoding": "int32",
    "Embedding": "int32",
    "Hashing": "int64",
    "IntegerLookup": "int64",
    "StringLookup": "string",
    "TextVectorization": "string",
}
WORDS = ["the", "cat", "sat", "The cat!", ""]
# layers that Keras itself runs with TensorFlow alone; there they are compared in the tests of the layers
ON_TENSORFLOW = {"Hashing", "IntegerLookup", "StringLookup", "TextVectorization"}
# layers that stand in another one
CELLS: dict[str, Callable[[], Any]] = {
    "GRUCell": lambda: GRUCell(3),
    "LSTMCell": lambda: LSTMCell(3),
    "SimpleRNNCell": lambda: SimpleRNNCell(3),
    "StackedRNNCells": lambda: [GRUCell(3, reset_after=False), GRUCell(2)],
}
# what Keras 1 had; all layers here were in Keras 2
IN_KERAS_1 = {
    "Activation", "ActivityRegularization", "AveragePooling1D", "AveragePooling2D", "BatchNormalization",
    "Bidirectional", "Conv1D", "Conv2D", "Cropping1D", "Cropping2D", "Dense", "Dropout", "ELU", "Embedding", "Flatten",
    "GRU", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D",
    "GlobalMaxPooling2D", "InputLayer", "LSTM", "LeakyReLU", "Masking", "MaxPooling1D", "MaxPooling2D", "PReLU",
    "Permute", "RepeatVector", "Reshape", "SimpleRNN", "SpatialDropout1D", "SpatialDropout2D", "TimeDistributed",
    "UpSampling1D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
}  # fmt: skip


def example(name: str) -> tuple[Any, list[np.ndarray]]:
    """A model around one layer, with random weights, and its inputs."""
    rng = np.random.default_rng(SEED)
    options, shapes = EXAMPLES.get(name, (dict, (SEQUENCE,)))
    x = [rng.normal(size=(3, *shape)).astype("float32") for shape in shapes]
    if name == "InputLayer":
        model: Any = Sequential([Input(SEQUENCE), Dense(2)])
    elif name in CELLS:
        model = Sequential([Input(SEQUENCE), RNN(CELLS[name]())])
    elif len(shapes) > 1:
        inputs = [Input(shape, name=f"x{number}") for number, shape in enumerate(shapes)]
        layer = registry.lookup("keras.layers", name)(**options())
        model = Functional(inputs, layer(inputs) if layer.takes_list else layer(*inputs))
    else:
        dtype = None if name == "Embedding" else TOKENS.get(name)
        model = Sequential([Input(shapes[0], dtype=dtype), registry.lookup("keras.layers", name)(**options())])
    if name in TOKENS:
        size = (3, *shapes[0])
        is_text = TOKENS[name] == "string"
        x = [rng.choice(WORDS, size) if is_text else rng.integers(0, 9, size=size).astype(TOKENS[name])]
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.weights])
    return model, x


def arguments(x: list[Any]) -> Any:
    """The inputs as a model takes them: one array, or a list of several."""
    return x if len(x) > 1 else x[0]
