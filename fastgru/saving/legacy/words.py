"""What older versions of Keras called the same things, and what they meant by what they left out."""

from __future__ import annotations

from typing import Any

from fastgru.saving.stored import KERAS_3, Config, Version

MODELS = ("Sequential", "Functional", "Model")
PRUNING = "PruneLowMagnitude"

# --- names ------------------------------------------------------------------------------------------------------------

CLASSES = {
    "Model": "Functional",
    "Container": "Functional",
    "CuDNNGRU": "GRU",
    "CuDNNLSTM": "LSTM",
    **{
        f"{kind}{name}{number}": name for kind in ("", "Unified") for name in ("GRU", "LSTM") for number in ("V1", "V2")
    },
    "UnifiedGRU": "GRU",
    "UnifiedLSTM": "LSTM",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "TimeDistributedDense": "Dense",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "ThresholdedReLU": "ReLU",
}
RECURRENT = ("GRU", "LSTM", "SimpleRNN")
# what a recurrent layer takes besides its sequence stands beside it in old graphs
TAKES_STATES = (*RECURRENT, "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D")

RENAMED = {
    "batch_input_shape": "batch_shape",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "bias": "use_bias",
    "border_mode": "padding",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "U_constraint": "recurrent_constraint",
    "b_constraint": "bias_constraint",
    "dim_ordering": "data_format",
    "custom_name": "name",
}
_UNITS = {"output_dim": "units"}
_RATE = {"p": "rate"}
_POOLING = {"pool_length": "pool_size", "stride": "strides"}
RENAMED_IN: dict[str, dict[str, str]] = {
    **dict.fromkeys((*RECURRENT, "GRUCell", "LSTMCell", "SimpleRNNCell", "Dense"), _UNITS),
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "AlphaDropout"), _RATE),
    **dict.fromkeys(("MaxPooling1D", "AveragePooling1D"), _POOLING),
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "GaussianNoise": {"sigma": "stddev"},
    "Conv1D": {
        "nb_filter": "filters",
        "filter_length": "kernel_size",
        "subsample_length": "strides",
        "atrous_rate": "dilation_rate",
    },
    "Conv2D": {"nb_filter": "filters", "subsample": "strides", "atrous_rate": "dilation_rate"},
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "PReLU": {"init": "alpha_initializer"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ReLU": {"theta": "threshold"},
    "UpSampling1D": {"length": "size"},
    "InputLayer": {"input_dtype": "dtype"},
}
# what has no meaning for the numbers of a loaded model
IGNORED = {
    "implementation", "consume_less", "enable_caching_device", "weights", "input_dtype", "input_length",
    "forget_bias_init", "input_spec", "num_constants", "cache_enabled", "experimental_autocast", "autocast",
}  # fmt: skip
IGNORED_IN = {
    "BatchNormalization": {
        "renorm", "renorm_clipping", "renorm_momentum", "fused", "virtual_batch_size", "adjustment", "mode",
        "experimental_sync",
    },
    "Embedding": {"dropout", "sparse", "input_length"},
    "SpatialDropout1D": {"noise_shape", "data_format"},
    "SpatialDropout2D": {"noise_shape"},
    **{
        name: {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"}  # those of a convolution
        for name in ("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D")
    },
    "InputLayer": {"sparse", "ragged", "type_spec", "trainable", "input_tensor"},
}  # fmt: skip

# --- what was left out ------------------------------------------------------------------------------------------------

HARD_SIGMOID = {"recurrent_activation": "hard_sigmoid"}
BEFORE = {"reset_after": False}
# (up to this version, exclusively; class; what an absent key means)
DEFAULTS: tuple[tuple[Version, str, Config], ...] = (
    ((2, 3), "GRU", HARD_SIGMOID),
    ((2, 3), "GRUCell", HARD_SIGMOID),
    ((2, 3), "LSTM", HARD_SIGMOID),
    ((2, 3), "LSTMCell", HARD_SIGMOID),
    (KERAS_3, "GRU", BEFORE),
    (KERAS_3, "GRUCell", BEFORE),
    (KERAS_3, "LeakyReLU", {"negative_slope": 0.3}),
)
CUDNN: dict[str, Config] = {
    "CuDNNGRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},
    "CuDNNLSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
}
MERGED_BY = {
    "sum": "Add",
    "mul": "Multiply",
    "concat": "Concatenate",
    "ave": "Average",
    "max": "Maximum",
    "dot": "Dot",
    "cos": "Dot",
}


def version_of_words(spec: Any) -> Version:
    """The version in whose words a config is written, where nothing else tells: what is right for the numbers."""
    text = str(spec)
    if "'module'" in text or "'__keras_tensor__'" in text:
        return KERAS_3
    first = ("'inner_activation'", "'nb_filter'", "'W_regularizer'", "'inner_init'", "'b_constraint'")
    return (1, 0) if any(word in text for word in first) else (2, 0)
