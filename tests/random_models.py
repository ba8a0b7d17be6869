"""Random models of real Keras: any layer that fastgru has, in any order that Keras accepts.

What is drawn depends on the seed alone. `LAYERS` and `MERGES` tell the options that a layer may get for the shape of
its input, without the batch axis; None where it does not go with that shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BATCH, LENGTH, WORDS = 5, 6, 9  # LENGTH also where a model leaves the length free
ACTIVATIONS = (
    "celu", "elu", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear", "log_sigmoid",
    "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus",
    "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "tanh", "tanh_shrink",
)  # fmt: skip
RECURRENT = ("GRU", "LSTM", "SimpleRNN")

Shape = tuple[int | None, ...]
Options = dict[str, Any] | None


class Draw:
    """Choices from a seed, and the library that they are for."""

    def __init__(self, keras: Any, *seed: int) -> None:
        self.keras = keras
        self.layers = keras.layers
        self.rng = np.random.default_rng(seed)
        self._names = 0

    def one_of(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def rate(self) -> float:
        return float(self.one_of(0.0, 0.25, 0.5))

    def some(self, **values: Any) -> dict[str, Any]:
        """Each of the options with a small chance."""
        return {name: value for name, value in values.items() if self.chance(0.15)}

    def name(self) -> dict[str, str]:
        """Seldom a name of the user's."""
        self._names += 1
        return (
            {"name": f"{self.one_of('my layer', 'b-lock', 'x.y', 'Ebene')} {self._names}"} if self.chance(0.15) else {}
        )


# --- options ----------------------------------------------------------------------------------------------------------


def dense(d: Draw, shape: Shape) -> Options:
    return {
        "units": d.number(2, 4),
        "activation": d.one_of(None, *ACTIVATIONS),
        "use_bias": d.chance(0.8),
        **d.some(kernel_regularizer="l2", bias_constraint="non_neg", kernel_initializer="he_normal"),
    }


def einsum_dense(d: Draw, shape: Shape) -> Options:
    return {
        "equation": "...b,bc->...c",
        "output_shape": d.number(2, 4),
        "bias_axes": d.one_of(None, "c"),
        "activation": d.one_of(None, "tanh"),
    }


def normalization(d: Draw, shape: Shape) -> Options:
    return {
        "axis": d.one_of(*known_axes(shape)),
        "epsilon": d.one_of(1e-3, 1e-5),
        "center": d.chance(0.8),
        "scale": d.chance(0.8),
    }


def convolution(d: Draw, shape: Shape) -> Options:
    """Of any rank."""
    first = len(shape) > 2 and None not in shape and d.chance(0.2)
    sizes, channels = (shape[1:], shape[0]) if first else (shape[:-1], shape[-1])
    window = window_options(d, sizes, "kernel_size")
    if window["strides"] == 1:
        window["dilation_rate"] = d.one_of(1, 1, 2)
    groups = d.one_of(*[n for n in (1, 1, 2, 3) if channels % n == 0])
    return {
        **window,
        "filters": groups * d.number(1, 2),
        "groups": groups,
        "activation": d.one_of(None, "relu", "tanh"),
        "use_bias": d.chance(0.8),
        **({"data_format": "channels_first"} if first else {}),
    }


def convolution_1d(d: Draw, shape: Shape) -> Options:
    options = convolution(d, shape)
    return {**options, "padding": "causal"} if d.chance(0.3) else options


def convolution_1d_transpose(d: Draw, shape: Shape) -> Options:
    padding = d.one_of("valid", "same")
    return {"filters": d.number(1, 3), "kernel_size": d.number(1, 3), "strides": d.number(1, 2), "padding": padding}


def pooling(d: Draw, shape: Shape) -> Options:
    return window_options(d, shape[:-1], "pool_size")


def window_options(d: Draw, sizes: Shape, name: str) -> dict[str, Any]:
    """Windows that find room at every length: with a free one they are padded."""
    padding = "same" if None in sizes else d.one_of("valid", "same")
    return {name: d.number(1, 3), "strides": d.one_of(1, 1, 2), "padding": padding}


def global_pooling(d: Draw, shape: Shape) -> Options:
    return {"keepdims": d.chance(0.3)}


def reshape(d: Draw, shape: Shape) -> Options:
    """To another shape: given its own, Keras on JAX hands on its very input and mask; on TensorFlow and Torch not."""
    if None in shape:
        return None
    size = int(np.prod(shape))
    factor = d.one_of(*[n for n in (1, 2, 3, 4) if size % n == 0])
    target = d.one_of((size // factor, factor), (-1, factor), (1, factor, size // factor), (size,))
    moves = shape != tuple(size // factor if n == -1 else n for n in target)
    return {"target_shape": target} if moves else None


def permute(d: Draw, shape: Shape) -> Options:
    """In another order, for the same reason."""
    dims = tuple(int(axis) for axis in 1 + d.rng.permutation(len(shape)))
    return {"dims": dims} if dims != tuple(sorted(dims)) else None


def cropping(d: Draw, shape: Shape) -> Options:
    return {"cropping": d.one_of(1, (0, 2), (1, 0))} if shape[0] is not None and shape[0] > 2 else None


def prelu(d: Draw, shape: Shape) -> Options:
    return {"shared_axes": [1] if shape[0] is None or d.chance(0.3) else None}


def masking(d: Draw, shape: Shape) -> Options:
    return {"mask_value": d.one_of(0.0, 0.0, 1.0)}


def recurrent(d: Draw, shape: Shape) -> dict[str, Any]:
    """What all recurrent layers have."""
    unroll = shape[0] is not None and d.chance(0.1)
    return {
        **cell(d),
        "return_sequences": d.chance(0.6),
        "go_backwards": d.chance(0.2),
        "unroll": unroll,
        # Keras on JAX forgets it in an unrolled layer
        "zero_output_for_mask": not unroll and d.chance(0.15),
    }


def cell(d: Draw) -> dict[str, Any]:
    return {
        "units": d.number(2, 4),
        "activation": d.one_of("tanh", "tanh", "relu", "softsign", "hard_sigmoid", "linear"),
        "use_bias": d.chance(0.85),
        **d.some(dropout=0.2, recurrent_dropout=0.3, recurrent_regularizer="l1", kernel_constraint="max_norm"),
    }


def gates(d: Draw, kind: str) -> dict[str, Any]:
    """What only some kinds of recurrent layers or cells have."""
    if kind == "SimpleRNN":
        return {}
    gate = {"recurrent_activation": d.one_of("sigmoid", "sigmoid", "hard_sigmoid", "tanh")}
    return {**gate, **({"reset_after": d.chance(0.6)} if kind == "GRU" else d.some(unit_forget_bias=False))}


def recurrent_layer(d: Draw, shape: Shape, kind: str | None = None, **fixed: Any) -> Any:
    kind = kind or d.one_of(*RECURRENT)
    return getattr(d.layers, kind)(**{**recurrent(d, shape), **gates(d, kind), **fixed})


def rnn_of_cells(d: Draw, shape: Shape) -> Options:
    kinds = [d.one_of(*RECURRENT) for _ in range(d.number(1, 3))]
    cells = [getattr(d.layers, f"{kind}Cell")(**cell(d), **gates(d, kind)) for kind in kinds]
    options = {"return_sequences": d.chance(0.6), "go_backwards": d.chance(0.2)}
    return {"cell": cells[0] if len(cells) == 1 and d.chance(0.7) else cells, **options}


def bidirectional(d: Draw, shape: Shape) -> Options:
    kind = d.one_of(*RECURRENT)
    sequences, units = d.chance(0.6), d.number(2, 3)
    # Bidirectional sets zero_output_for_mask itself
    fixed = {"return_sequences": sequences, "units": units, "unroll": False, "zero_output_for_mask": False}
    forward = d.chance(0.8)
    options = {
        "layer": recurrent_layer(d, shape, kind, **fixed, go_backwards=not forward),
        "merge_mode": d.one_of("concat", "concat", "sum", "mul", "ave", None),
    }
    if d.chance(0.3):
        options["backward_layer"] = recurrent_layer(d, shape, d.one_of(kind, *RECURRENT), **fixed, go_backwards=forward)
    return options


def time_distributed(d: Draw, shape: Shape) -> Options:
    if None in shape:
        return None
    inner = [name for name in LAYERS if name not in ("TimeDistributed", "Masking", "Bidirectional")]
    layer = None
    while layer is None:
        layer = drawn_layer(d, d.one_of(*inner), shape[1:])
    return {"layer": layer}


def none_of(d: Draw, shape: Shape) -> Options:
    return {}


def known_only(d: Draw, shape: Shape) -> Options:
    return None if None in shape else {}


def known_axes(shape: Shape) -> list[int]:
    return [-1, -1, *(axis + 1 for axis, size in enumerate(shape) if size is not None)]


ANY, VECTOR, SEQUENCE, IMAGE, MANY = (1, 2, 3), (1,), (2,), (3,), (2, 3)
# the ranks that a layer takes, and its options
LAYERS: dict[str, tuple[tuple[int, ...], Callable[[Draw, Shape], Options]]] = {
    "Activation": (ANY, lambda d, shape: {"activation": d.one_of(*ACTIVATIONS)}),
    "AveragePooling1D": (SEQUENCE, pooling),
    "AveragePooling2D": (IMAGE, pooling),
    "BatchNormalization": (ANY, normalization),
    "Bidirectional": (SEQUENCE, bidirectional),
    "Conv1D": (SEQUENCE, convolution_1d),
    "Conv1DTranspose": (SEQUENCE, convolution_1d_transpose),
    "Conv2D": (IMAGE, convolution),
    "Cropping1D": (SEQUENCE, cropping),
    "Dense": (ANY, dense),
    "Dropout": (ANY, lambda d, shape: {"rate": d.rate(), **d.some(seed=3)}),
    "EinsumDense": (ANY, einsum_dense),
    "ELU": (ANY, lambda d, shape: {"alpha": d.one_of(1.0, 0.3)}),
    "Flatten": (ANY, known_only),
    "GRU": (SEQUENCE, lambda d, shape: {**recurrent(d, shape), **gates(d, "GRU")}),
    "GaussianDropout": (ANY, lambda d, shape: {"rate": d.rate()}),
    "GaussianNoise": (ANY, lambda d, shape: {"stddev": d.rate()}),
    "GlobalAveragePooling1D": (SEQUENCE, global_pooling),
    "GlobalAveragePooling2D": (IMAGE, global_pooling),
    "GlobalMaxPooling1D": (SEQUENCE, global_pooling),
    "GlobalMaxPooling2D": (IMAGE, global_pooling),
    "LSTM": (SEQUENCE, lambda d, shape: {**recurrent(d, shape), **gates(d, "LSTM")}),
    "LayerNormalization": (ANY, normalization),
    "LeakyReLU": (ANY, lambda d, shape: {"negative_slope": d.one_of(0.3, 0.1)}),
    "Masking": (SEQUENCE, masking),
    "MaxPooling1D": (SEQUENCE, pooling),
    "MaxPooling2D": (IMAGE, pooling),
    "PReLU": (ANY, prelu),
    "Permute": (MANY, permute),
    "RMSNormalization": (ANY, lambda d, shape: {"epsilon": d.one_of(1e-6, 0.1)}),
    "RNN": (SEQUENCE, rnn_of_cells),
    "ReLU": (ANY, lambda d, shape: {**d.some(max_value=1.0, negative_slope=0.2, threshold=0.5)}),
    "RepeatVector": (VECTOR, lambda d, shape: {"n": d.number(2, 4)}),
    "Reshape": (ANY, reshape),
    "SimpleRNN": (SEQUENCE, recurrent),
    "Softmax": (ANY, lambda d, shape: {"axis": d.one_of(-1, -1, 1)}),
    "SpatialDropout1D": (SEQUENCE, lambda d, shape: {"rate": d.rate()}),
    "TimeDistributed": (MANY, time_distributed),
    "ZeroPadding1D": (SEQUENCE, lambda d, shape: {"padding": d.one_of(1, (0, 2), (2, 1))}),
}


def drawn_layer(d: Draw, name: str, shape: Shape) -> Any:
    """A layer of this class for an input of this shape, or None where there is none."""
    ranks, options = LAYERS[name]
    arguments = options(d, shape) if len(shape) in ranks else None
    return None if arguments is None else getattr(d.layers, name)(**arguments, **d.name())


def scores(d: Draw) -> dict[str, Any]:
    return {"use_scale": d.chance(0.5), "dropout": d.rate()}


def dot(d: Draw, shape: Shape) -> Options:
    axes = d.one_of(1, 2, -1, (1, 1), (2, 2)) if len(shape) == 2 and None not in shape else -1
    return {"axes": axes, "normalize": d.chance(0.3)} if len(shape) < 3 else None


# of layers that take several inputs of one shape: the least and largest number of them, and the options
MERGES: dict[str, tuple[int, int, Callable[[Draw, Shape], Options]]] = {
    "Add": (2, 3, none_of),
    "AdditiveAttention": (2, 3, lambda d, shape: scores(d) if len(shape) == 2 else None),
    "Attention": (
        2,
        3,
        lambda d, shape: {**scores(d), "score_mode": d.one_of("dot", "concat")} if len(shape) == 2 else None,
    ),
    "Average": (2, 3, none_of),
    "Concatenate": (2, 3, lambda d, shape: {"axis": d.one_of(*known_axes(shape))}),
    "Dot": (2, 2, dot),
    "Maximum": (2, 3, none_of),
    "Minimum": (2, 3, none_of),
    "Multiply": (2, 3, none_of),
    "Subtract": (2, 2, none_of),
}


# --- graphs -----------------------------------------------------------------------------------------------------------


class Graph:
    """A graph that grows by random steps.

    Attributes
    ----------
    live : list
        Tensors on which nothing follows yet; in the end all lead to the outputs.
    """

    def __init__(self, d: Draw, inputs: list[Any], depth: int) -> None:
        self.d = d
        self.depth = depth
        self.live = [self._embedded(x) for x in inputs]
        self._used: list[tuple[Any, Shape]] = []
        self.refused: list[str] = []

    def _embedded(self, x: Any) -> Any:
        if str(x.dtype) != "int32":
            return x
        return self.d.layers.Embedding(WORDS, self.d.number(2, 4), mask_zero=self.d.chance(0.7), **self.d.name())(x)

    def grow(self) -> None:
        """One more step; where Keras refuses it, nothing."""
        steps = [self.layer] * 6 + [self.merge] * 3 + [self.share, self.states, self.operation]
        if self.depth:
            steps.append(self.nest)
        try:
            self.d.one_of(*steps)()
        except Exception as error:
            self.refused.append(f"{type(error).__name__}: {error}")

    def take(self, rank: int | None = None) -> Any:
        """A live tensor, which seldom stays for a second branch."""
        tensors = [x for x in self.live if rank in (None, len(x.shape) - 1)]
        if not tensors:
            raise ValueError(f"nothing of rank {rank} is live")
        return self.d.one_of(*tensors)

    def put(self, outputs: Any, *taken: Any) -> None:
        for x in taken:
            if len(self.live) > 1 and not self.d.chance(0.25):
                self.live = [other for other in self.live if other is not x]
        outputs = self.d.keras.tree.flatten(outputs)
        if any(0 in x.shape for x in outputs):
            raise ValueError("nothing is left")
        self.live += outputs

    def layer(self) -> None:
        x = self.take()
        shape = x.shape[1:]
        layer = None
        while layer is None:
            layer = drawn_layer(self.d, self.d.one_of(*LAYERS), shape)
        outputs = layer(x)
        self._used.append((layer, shape))
        self.put(outputs, x)

    def share(self) -> None:
        """A layer that stands in the graph already, once more."""
        layer, shape = self.d.one_of(*self._used)
        x = self.d.one_of(*[x for x in self.live if x.shape[1:] == shape])
        self.put(layer(x), x)

    def partner(self, x: Any) -> Any:
        """A tensor of the same shape."""
        alike = [other for other in self.live if other is not x and other.shape == x.shape]
        if alike and self.d.chance(0.7):
            return self.d.one_of(*alike)
        other = self.d.one_of(x, *[one for one in self.live if one.shape[:-1] == x.shape[:-1]])
        return self.d.layers.Dense(x.shape[-1], activation=self.d.one_of(None, "tanh", "relu"))(other)

    def merge(self) -> None:
        d = self.d
        x = self.take()
        name = d.one_of(*MERGES)
        least, most, drawn = MERGES[name]
        options = drawn(d, x.shape[1:])
        if options is None:
            raise ValueError(f"{name} does not merge shapes {x.shape}")
        others = [self.partner(x) for _ in range(d.number(least, most) - 1)]
        self.put(getattr(d.layers, name)(**options, **d.name())([x, *others]), x, *others)

    def states(self) -> None:
        """The states of a recurrent layer go into a second one, or just on."""
        d = self.d
        x = self.take(2)
        kind, both, units = d.one_of(*RECURRENT), d.chance(0.3), d.number(2, 3)

        def layer(shape: Shape, **more: Any) -> Any:
            # Keras's Bidirectional with states needs whole sequences; unrolled, JAX has no mask beside states
            fixed = {"units": units, "unroll": False, "zero_output_for_mask": False, "go_backwards": False}
            inner = recurrent_layer(d, shape, kind, **fixed, **more)
            return d.layers.Bidirectional(inner) if both else inner

        outputs, *states = layer(x.shape[1:], return_state=True)(x)
        if d.chance(0.7):
            y = d.one_of(x, *[one for one in self.live if len(one.shape) == 3])
            if d.chance(0.4):
                states = [d.layers.Dense(units, activation="tanh")(state) for state in states]
            initial = states if len(states) > 1 or d.chance(0.5) else states[0]
            states = [layer(y.shape[1:])(y, initial_state=initial)]
        self.put([outputs, *states], x)

    def operation(self) -> None:
        """What Keras draws without a layer."""
        d = self.d
        x = self.take()
        drawn = [lambda: x * 2.0 - 1.0, lambda: 1.0 - x, lambda: x + self.partner(x), lambda: d.keras.ops.tanh(x)]
        if len(x.shape) == 3:
            drawn += [lambda: x[:, -1, :], lambda: x[:, 1:], lambda: d.keras.ops.mean(x, axis=1)]
        self.put(d.one_of(*drawn)(), x)

    def nest(self) -> None:
        x = self.take()
        inner = (sequential if self.d.chance(0.5) else functional)(self.d, [x.shape[1:]], self.depth - 1)
        outputs = inner(x)
        self._used.append((inner, x.shape[1:]))
        self.put(outputs, x)

    def vector(self, x: Any) -> Any:
        """A tensor with what is in x in a row."""
        d = self.d
        while len(x.shape) > 2:
            ways = [] if None in x.shape[1:] else [d.layers.Flatten]
            if len(x.shape) == 3:
                ways += [d.layers.GlobalMaxPooling1D, lambda: getattr(d.layers, d.one_of(*RECURRENT))(3)]
            elif len(x.shape) == 4:
                ways += [d.layers.GlobalAveragePooling2D]
            if not ways:
                return d.keras.ops.mean(x, axis=tuple(range(1, len(x.shape) - 1)))
            x = d.one_of(*ways)()(x)
        return x

    def ends(self) -> list[Any]:
        """One or two tensors to which everything leads."""
        d = self.d
        rows = [self.vector(x) for x in self.live]
        row = d.layers.Concatenate()(rows) if len(rows) > 1 else rows[0]
        end = d.layers.Dense(d.number(1, 4), activation=d.one_of(None, "softmax", "tanh"), **d.name())(row)
        return [end, d.one_of(*self.live)] if d.chance(0.4) else [end]


def functional(d: Draw, shapes: list[Shape], depth: int = 1, words: bool = False) -> Any:
    """A graph with an input of each shape."""
    kinds = ["int32" if words and len(shape) == 1 and d.chance(0.7) else "float32" for shape in shapes]
    inputs = [d.keras.Input(shape, dtype=kind) for shape, kind in zip(shapes, kinds, strict=True)]
    graph = Graph(d, inputs, depth)
    for _ in range(d.number(2, 8)):
        graph.grow()
    return d.keras.Model(inputs, graph.ends(), **d.name())


def sequential(d: Draw, shapes: list[Shape], depth: int = 1, words: bool = False) -> Any:
    """A row of layers on the first shape."""
    x = d.keras.Input(shapes[0], dtype="int32" if words and len(shapes[0]) == 1 and d.chance(0.7) else "float32")
    rows = [d.keras.Input(shapes[0], dtype=x.dtype)]
    if str(x.dtype) == "int32":
        rows.append(d.layers.Embedding(WORDS, d.number(2, 4), mask_zero=d.chance(0.7)))
        x = rows[-1](x)
    for _ in range(d.number(1, 6)):
        nested = depth and d.chance(0.1)
        layer = sequential(d, [x.shape[1:]], depth - 1) if nested else drawn_layer(d, d.one_of(*LAYERS), x.shape[1:])
        if layer is None:
            continue
        try:
            y = layer(x)
        except Exception:
            continue  # Keras refuses it here
        if not isinstance(y, (list, tuple)) and 0 not in y.shape:
            rows.append(layer)
            x = y
    return d.keras.Sequential(rows, **d.name())


def shape_of_input(d: Draw) -> Shape:
    length = None if d.chance(0.2) else LENGTH
    return d.one_of((length, d.number(2, 4)), (length, 3), (LENGTH,), (d.number(2, 4),), (LENGTH, 4, d.number(1, 3)))


def random_weights(d: Draw, model: Any) -> list[np.ndarray]:
    """Different everywhere, so small that states and sums stay near 1, and positive where they are variances."""

    def values(weight: Any) -> np.ndarray:
        if "variance" in weight.path:
            return d.rng.uniform(0.5, 2, weight.shape)
        fan_in = np.prod(weight.shape[:-1]) if len(weight.shape) > 1 else 1
        return d.rng.normal(size=weight.shape) / np.sqrt(max(fan_in, 2))

    return [values(weight) for weight in model.weights]


def random_model(keras: Any, *seed: int) -> Any:
    """A model of real Keras with random weights."""
    keras.utils.clear_session(free_memory=False)
    d = Draw(keras, *seed)
    shapes = [shape_of_input(d) for _ in range(d.one_of(1, 1, 2, 3))]
    model = (sequential if len(shapes) == 1 and d.chance(0.5) else functional)(d, shapes, words=True)
    model.set_weights(random_weights(d, model))
    return model


def random_inputs(model: Any, *seed: int) -> list[np.ndarray]:
    """For each input of a model an array, in which some steps, and seldom a whole row, are 0."""
    rng = np.random.default_rng([*seed, 1])
    inputs = []
    for tensor in model.inputs:
        shape = [BATCH, *(LENGTH if size is None else size for size in tensor.shape[1:])]
        words = str(tensor.dtype) == "int32"
        x = rng.integers(1, WORDS, shape, dtype=np.int32) if words else rng.normal(size=shape).astype("float32")
        if words or len(shape) == 3:
            x[rng.random(shape[:2]) < 0.3] = 0
            if rng.random() < 0.2:
                x[0] = 0
        inputs.append(x)
    return inputs
