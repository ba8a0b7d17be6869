"""Models with layers of one's own, as people write them for Keras: each takes the library that it is to run on."""

from __future__ import annotations

from typing import Any

import numpy as np


def attention(K: Any) -> Any:
    """A layer with weights, sublayers in a list, a mask and no build."""
    ops = K.ops

    class Pooling(K.layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = units
            self.scores = []
            self.scores.append(K.layers.Dense(units, activation="tanh"))
            self.scores.append(K.layers.Dense(1, use_bias=False))

        def call(self, x: Any, mask: Any = None) -> Any:
            score = x
            for layer in self.scores:
                score = layer(score)
            score = ops.squeeze(score, -1)
            if mask is not None:
                score = ops.where(mask, score, -1e9)
            weights = ops.softmax(score, axis=-1)
            return ops.sum(x * weights[..., None], axis=1)

    x = K.Input((6,), dtype="int32")
    y = K.layers.Embedding(9, 4, mask_zero=True)(x)
    y = K.layers.GRU(5, return_sequences=True)(y)
    return K.Model(x, K.layers.Dense(2)(Pooling(3)(y)))


def several_arguments(K: Any) -> Any:
    """Tensors, numbers and flags among the arguments of call, shapes by name in build, several outputs."""

    class Mixed(K.layers.Layer):
        def build(self, query_shape: Any, value_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(query_shape[-1], value_shape[-1]), initializer="glorot_uniform")
            self.scale = self.add_weight(name="scale", initializer="ones")

        def call(self, query: Any, value: Any, factor: float = 1.0, training: bool = False) -> Any:
            mixed = query @ self.kernel * self.scale * factor + value
            return {"mixed": mixed, "mean": K.ops.mean(mixed, axis=-1, keepdims=True)}

    a, b = K.Input((3,)), K.Input((4,))
    outputs = Mixed()(a, value=K.layers.Dense(4)(b), factor=0.5)
    return K.Model([a, b], [outputs["mixed"] * 2, outputs["mean"]])


def losses(K: Any) -> Any:
    """add_loss, an activity regularizer, weight regularizers, and layers in a dict."""

    class Penalized(K.layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(activity_regularizer=K.regularizers.L2(0.01), **kwargs)
            self.parts = {"a": K.layers.Dense(3, kernel_regularizer="l2"), "b": K.layers.Dense(3, activation="relu")}

        def call(self, x: Any) -> Any:
            y = self.parts["a"](x) * self.parts["b"](x)
            self.add_loss(0.1 * K.ops.mean(K.ops.square(y)))
            return y

    x = K.Input((5,))
    return K.Model(x, K.layers.Dense(2)(Penalized()(K.layers.Dense(4)(x))))


def derived(K: Any) -> Any:
    """A class derived from a built-in layer, whose call builds on it."""

    class Residual(K.layers.GRU):
        def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
            return sequences + super().call(sequences, mask=mask, training=training)

    x = K.Input((4, 3))
    y = Residual(3, return_sequences=True)(K.layers.Masking()(x))
    return K.Model(x, K.layers.Dense(2)(K.layers.GRU(4)(y)))


def nested(K: Any) -> Any:
    """Layers of one's own in layers of one's own, in a wrapper and in a Sequential; Python's loops and branches."""

    class Block(K.layers.Layer):
        def __init__(self, units: int) -> None:
            super().__init__()
            self.dense = K.layers.Dense(units, activation="tanh")
            self.normalization = K.layers.LayerNormalization()

        def call(self, x: Any, training: bool | None = None) -> Any:
            y = self.dense(x)
            return self.normalization(y + x if y.shape[-1] == x.shape[-1] else y)

    class Stack(K.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [Block(4) for _ in range(3)]

        def build(self, input_shape: Any) -> None:
            for block in self.blocks:
                block.build(input_shape)
                input_shape = (*input_shape[:-1], 4)

        def call(self, x: Any) -> Any:
            for index, block in enumerate(self.blocks):
                x = block(x) if index % 2 == 0 else block(x) - 0.1 * x
            return x

    return K.Sequential([K.Input((5, 3)), Block(4), Stack(), K.layers.GRU(4), K.layers.Dense(2)])


def cells(K: Any) -> Any:
    """Recurrent cells of one's own, alone and with built-in ones, under a mask and backwards."""
    ops = K.ops

    class Cell(K.layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.units = self.state_size = units

        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
            self.recurrent = self.add_weight(shape=(self.units, self.units), initializer="uniform", name="recurrent")

        def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
            h = ops.tanh(ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent))
            return h, [h]

    x = K.Input((4, 3))
    y = K.layers.RNN(Cell(5), return_sequences=True)(K.layers.Masking()(x))
    y, *states = K.layers.RNN([Cell(3), K.layers.GRUCell(3)], go_backwards=True, return_state=True)(y)
    return K.Model(x, K.layers.Dense(2)(y + states[0]))


def lambdas(K: Any) -> Any:
    """Functions as layers."""
    x = K.Input((4, 3))
    y = K.layers.Lambda(lambda z, factor: z * factor, arguments={"factor": 2.0})(K.layers.Masking()(x))
    y = K.layers.Lambda(lambda z: z[:, ::2], output_shape=(2, 3))(y)
    y = K.layers.Lambda(lambda z: K.ops.concatenate([z, K.ops.tanh(z)], axis=-1))(y)
    return K.Model(x, K.layers.Dense(2)(K.layers.GRU(4)(y)))


PROGRAMS = [attention, several_arguments, losses, derived, nested, cells, lambdas]


def data(model: Any, rows: int = 12) -> Any:
    """Random inputs and targets for a model, whole numbers where it takes them; some steps are masked."""
    rng = np.random.default_rng(3)
    inputs = []
    for tensor in model.inputs:
        shape = (rows, *tensor.shape[1:])
        if "int" in str(tensor.dtype):
            x = rng.integers(0, 9, shape).astype("int32")
        else:
            x = rng.normal(size=shape).astype("float32")
        if len(shape) > 2 or "int" in str(tensor.dtype):
            x[: rows // 2, 2:] = 0
        inputs.append(x)
    targets = [rng.normal(size=(rows, *tensor.shape[1:])).astype("float32") for tensor in model.outputs]
    return inputs if len(inputs) > 1 else inputs[0], targets if len(targets) > 1 else targets[0]
