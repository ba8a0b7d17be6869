"""The layers, under Keras's names."""

from fastgru.layers.activation import Activation
from fastgru.layers.advanced_activations import ELU, LeakyReLU, PReLU, ReLU, Softmax
from fastgru.layers.attention import AdditiveAttention, Attention
from fastgru.layers.bidirectional import Bidirectional
from fastgru.layers.cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from fastgru.layers.convolution import Conv1D, Conv2D
from fastgru.layers.dense import Dense
from fastgru.layers.depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from fastgru.layers.dropout import Dropout
from fastgru.layers.embedding import Embedding
from fastgru.layers.gru import GRU
from fastgru.layers.input import Input, InputLayer
from fastgru.layers.layer import Layer
from fastgru.layers.lstm import LSTM
from fastgru.layers.masking import Masking
from fastgru.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from fastgru.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D
from fastgru.layers.normalization import BatchNormalization, GroupNormalization, LayerNormalization
from fastgru.layers.padding import Cropping1D, Cropping2D, ZeroPadding1D, ZeroPadding2D
from fastgru.layers.passing import ActivityRegularization, Identity
from fastgru.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from fastgru.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from fastgru.layers.rnn import RNN
from fastgru.layers.scaling import Normalization, Rescaling, UnitNormalization
from fastgru.layers.simple_rnn import SimpleRNN
from fastgru.layers.time_distributed import TimeDistributed
from fastgru.layers.upsampling import UpSampling1D, UpSampling2D

# Keras's other names
AvgPool1D, AvgPool2D = AveragePooling1D, AveragePooling2D
Convolution1D, Convolution2D = Conv1D, Conv2D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalMaxPool1D, GlobalMaxPool2D = GlobalMaxPooling1D, GlobalMaxPooling2D
MaxPool1D, MaxPool2D = MaxPooling1D, MaxPooling2D

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Convolution1D",
    "Convolution2D",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "LSTMCell",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "StackedRNNCells",
    "Subtract",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
