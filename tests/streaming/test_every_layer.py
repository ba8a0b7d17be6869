"""Every layer of fastgru streams to the bits of the whole sequence, or is refused; none is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from stream_models import answers_so_far, assert_every_split_gives, with_weights

from fastgru import Model, config, layers, threads
from fastgru.layers import (
    GRU,
    Activation,
    Dense,
    GRUCell,
    Input,
    LSTMCell,
    Masking,
    SimpleRNNCell,
    StackedRNNCells,
)
from fastgru.layers.layer import Layer
from fastgru.streaming import Sessions
from fastgru.streaming.streamable import reason_against

ROWS, STEPS, FEATURES = 4, 4, 5
RNG = np.random.default_rng(12)

Build = Callable[[Any], Any]  # from the steps of a sequence (B, T, 5) to an output


def merged(layer: type, **options: Any) -> list[Build]:
    def plain(x: Any) -> Any:
        return layer(**options)([GRU(FEATURES, return_sequences=True)(x), x])

    def behind(x: Any) -> Any:
        h = GRU(6)(x)
        return layer(**options)([Dense(4)(h), Dense(4, "relu")(h)])

    def masked(x: Any) -> Any:
        one = Masking()(x)
        return GRU(3)(layer(**options)([one, GRU(FEATURES, return_sequences=True)(one)]))

    return [plain, behind, masked]


def of(*rows: Any) -> list[Build]:
    """A layer in front of a GRU, behind one and with none; or, of a list, these layers one on another."""
    return [build for row in rows for build in (_in_places(row) if callable(row) else [_in_a_row(row)])]


def _in_places(make: Callable[[], Any]) -> list[Build]:
    def front(x: Any) -> Any:
        return GRU(6)(make()(Masking()(x)))

    def behind(x: Any) -> Any:
        return make()(GRU(6, return_sequences=True)(x))

    return [front, behind, lambda x: Dense(3)(make()(x))]


def _in_a_row(makes: list[Callable[[], Any]]) -> Build:
    def build(x: Any) -> Any:
        for make in makes:
            x = make()(x)
        return x

    return build


RECURRENT: dict[str, Any] = {
    "gates": {"activation": "relu", "recurrent_activation": "hard_sigmoid"},
    "no bias": {"use_bias": False},
    "zeros": {"zero_output_for_mask": True, "return_sequences": True},
    "stateless": {"return_sequences": True, "unroll": True},
}


def recurrent(layer: type, *more: dict[str, Any]) -> list[Build]:
    options = [{}, *more, *({**each} for each in RECURRENT.values())]
    if layer is layers.SimpleRNN:
        options = [{name: one for name, one in each.items() if name != "recurrent_activation"} for each in options]
    return [
        lambda x, each=each, units=units: layer(units, **each)(Masking()(x)) for each in options for units in (7, 33)
    ]


def in_front(make: Callable[[], Any]) -> list[Build]:
    return [lambda x: make()(x), lambda x: GRU(6)(make()(x))]


def words(mask_zero: bool) -> Build:
    def build(x: Any) -> Any:
        return GRU(6, return_sequences=True)(layers.Embedding(9, 7, mask_zero=mask_zero)(x))

    return build


STREAMED: dict[str, list[Build]] = {
    "Activation": of(lambda: Activation("gelu"), lambda: Activation("softmax"), lambda: Activation("log_softmax")),
    "ActivityRegularization": of(lambda: layers.ActivityRegularization(0.1)),
    "Add": merged(layers.Add),
    "AlphaDropout": of(lambda: layers.AlphaDropout(0.3)),
    "Average": merged(layers.Average),
    "BatchNormalization": of(layers.BatchNormalization, lambda: layers.BatchNormalization(scale=False, center=False)),
    "Concatenate": merged(layers.Concatenate),
    "Conv1D": [
        *in_front(lambda: layers.Conv1D(7, 3, padding="causal", dilation_rate=2, activation="tanh")),
        *in_front(lambda: layers.Conv1D(10, 2, padding="causal", groups=5, use_bias=False)),
        *in_front(lambda: layers.Conv1D(4, 1, padding="valid", activation="log_softmax")),
    ],
    "Dense": of(lambda: Dense(17, "gelu"), lambda: Dense(3, "softmax", use_bias=False), lambda: Dense(3, "sparsemax")),
    "Dropout": of(lambda: layers.Dropout(0.5)),
    "ELU": of(layers.ELU, lambda: layers.ELU(0.3)),
    "Embedding": [words(False), words(True)],
    "GRU": recurrent(GRU, {"reset_after": False}, {"reset_after": False, "use_bias": False}),
    "GaussianDropout": of(lambda: layers.GaussianDropout(0.5)),
    "GaussianNoise": of(lambda: layers.GaussianNoise(0.5)),
    "Identity": of(layers.Identity),
    "LSTM": recurrent(layers.LSTM),
    "LayerNormalization": of(layers.LayerNormalization, lambda: layers.LayerNormalization(rms_scaling=True)),
    "LeakyReLU": of(layers.LeakyReLU),
    "Masking": of(layers.Masking),
    "Maximum": merged(layers.Maximum),
    "Minimum": merged(layers.Minimum),
    "Multiply": merged(layers.Multiply),
    "Normalization": in_front(lambda: layers.Normalization(mean=np.arange(5.0), variance=np.arange(1.0, 6.0))),
    "PReLU": of(lambda: layers.PReLU(shared_axes=[1]), lambda: layers.PReLU(shared_axes=[1, 2])),
    "RMSNormalization": of(layers.RMSNormalization),
    "RNN": [
        lambda x: layers.RNN(GRUCell(9), return_sequences=True)(Masking()(x)),
        lambda x: layers.RNN([LSTMCell(4), SimpleRNNCell(5)])(x),
        lambda x: layers.RNN(StackedRNNCells([GRUCell(4), GRUCell(3)]))(x),
    ],
    "ReLU": of(layers.ReLU, lambda: layers.ReLU(6.0, 0.1, 0.2)),
    "Rescaling": of(lambda: layers.Rescaling(0.3, 0.1)),
    "SimpleRNN": recurrent(layers.SimpleRNN),
    "Softmax": [*in_front(layers.Softmax), lambda x: layers.Softmax()(GRU(6)(x))],
    "SpatialDropout1D": of(lambda: layers.SpatialDropout1D(0.5)),
    "SpatialDropout2D": of(
        [lambda: layers.TimeDistributed(layers.Reshape((5, 1))), lambda: layers.SpatialDropout2D(0.5)]
    ),
    "Subtract": merged(layers.Subtract),
    "TimeDistributed": of(
        lambda: layers.TimeDistributed(Dense(7, "tanh")),
        lambda: layers.TimeDistributed(layers.LayerNormalization()),
        [lambda: layers.TimeDistributed(layers.Reshape((5, 1))), lambda: layers.TimeDistributed(layers.Flatten())],
    ),
    "UnitNormalization": of(layers.UnitNormalization),
}  # fmt: skip

REFUSED: dict[str, Callable[[], Any]] = {
    "AdditiveAttention": layers.AdditiveAttention,
    "Attention": layers.Attention,
    "AveragePooling1D": lambda: layers.AveragePooling1D(2),
    "AveragePooling2D": lambda: layers.AveragePooling2D(2),
    "Bidirectional": lambda: layers.Bidirectional(GRU(3)),
    "CategoryEncoding": lambda: layers.CategoryEncoding(3),
    "Conv1DTranspose": lambda: layers.Conv1DTranspose(3, 2),
    "Conv2D": lambda: layers.Conv2D(3, 2),
    "ConvLSTM1D": lambda: layers.ConvLSTM1D(3, 2),
    "Cropping1D": lambda: layers.Cropping1D(1),
    "Cropping2D": lambda: layers.Cropping2D(1),
    "DepthwiseConv1D": lambda: layers.DepthwiseConv1D(3),
    "DepthwiseConv2D": lambda: layers.DepthwiseConv2D(3),
    "Discretization": lambda: layers.Discretization([0.0, 1.0]),
    "Dot": lambda: layers.Dot(1),
    "EinsumDense": lambda: layers.EinsumDense("abc,cd->abd", (None, 3)),
    "Flatten": layers.Flatten,
    "GRUCell": lambda: GRUCell(3),
    "GlobalAveragePooling1D": layers.GlobalAveragePooling1D,
    "GlobalAveragePooling2D": layers.GlobalAveragePooling2D,
    "GlobalMaxPooling1D": layers.GlobalMaxPooling1D,
    "GlobalMaxPooling2D": layers.GlobalMaxPooling2D,
    "GroupNormalization": lambda: layers.GroupNormalization(1),
    "Hashing": lambda: layers.Hashing(3),
    "InputLayer": lambda: layers.InputLayer((3, 5)),
    "IntegerLookup": lambda: layers.IntegerLookup(vocabulary=[1, 2]),
    "LSTMCell": lambda: LSTMCell(3),
    "Lambda": lambda: layers.Lambda(lambda x: x),
    "Layer": layers.Layer,
    "MaxPooling1D": layers.MaxPooling1D,
    "MaxPooling2D": layers.MaxPooling2D,
    "MultiHeadAttention": lambda: layers.MultiHeadAttention(1, 2),
    "Permute": lambda: layers.Permute((2, 1)),
    "RepeatVector": lambda: layers.RepeatVector(3),
    "Reshape": lambda: layers.Reshape((5, -1)),
    "SeparableConv1D": lambda: layers.SeparableConv1D(3, 2),
    "SeparableConv2D": lambda: layers.SeparableConv2D(3, 2),
    "SimpleRNNCell": lambda: SimpleRNNCell(3),
    "SpectralNormalization": lambda: layers.SpectralNormalization(Dense(3)),
    "StackedRNNCells": lambda: StackedRNNCells([GRUCell(3)]),
    "StringLookup": lambda: layers.StringLookup(vocabulary=["a"]),
    "TextVectorization": lambda: layers.TextVectorization(9, vocabulary=["a"]),
    "UpSampling1D": layers.UpSampling1D,
    "UpSampling2D": layers.UpSampling2D,
    "ZeroPadding1D": layers.ZeroPadding1D,
    "ZeroPadding2D": layers.ZeroPadding2D,
}


@pytest.fixture(autouse=True)
def tiles() -> Iterator[None]:
    config.set_products("tiles")
    yield
    config.set_products(None)


def test_none_is_forgotten() -> None:
    offered = [getattr(layers, name) for name in dir(layers)]
    names = {layer.__name__ for layer in offered if isinstance(layer, type) and issubclass(layer, Layer)}
    assert sorted([*STREAMED, *REFUSED]) == sorted(names)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_example_here_is_refused(name: str) -> None:
    assert reason_against(REFUSED[name]()) is not None


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", STREAMED)
def test_step_by_step_is_the_whole_sequence_to_the_bit(name: str, count: int) -> None:
    for build in STREAMED[name]:
        entry = Input((None,) if name == "Embedding" else (None, FEATURES))
        model = with_weights(Model(entry, build(entry)))
        x = RNG.normal(size=(ROWS, STEPS, FEATURES)).astype("float32")
        x[0, 0] = x[1, 2] = x[2, -1] = 0
        if name == "Embedding":
            x = RNG.integers(0, 9, (ROWS, STEPS))
        with threads.limited_to(count):
            assert_every_split_gives(answers_so_far(model, x), model, x, RNG)


# how many of the examples the kernels do not step by themselves: of functions that numpy computes, of groups, of masks
# that count within a layer, and of steps with more than one axis
IN_NUMPY = {"Activation": 3, "Conv1D": 4, "Dense": 3, "ELU": 3, "LayerNormalization": 3, "Maximum": 1,
            "Minimum": 1, "Multiply": 1, "RMSNormalization": 3, "SpatialDropout2D": 1, "TimeDistributed": 1,
            "UnitNormalization": 3}  # fmt: skip


@pytest.mark.parametrize("name", STREAMED)
def test_the_kernels_step_the_others_by_themselves(name: str, route: str) -> None:
    if route == "layers":
        pytest.skip("the other route")
    by_layers = 0
    for build in STREAMED[name]:
        entry = Input((None,) if name == "Embedding" else (None, FEATURES))
        by_layers += Sessions(Model(entry, build(entry)), 1)._passes.stream() is None
    assert by_layers == IN_NUMPY.get(name, 0)
