"""The layers, under Keras's names."""

from fastgru.layers.activation import Activation
from fastgru.layers.dense import Dense
from fastgru.layers.dropout import Dropout
from fastgru.layers.gru import GRU
from fastgru.layers.input import Input, InputLayer
from fastgru.layers.layer import Layer

__all__ = ["GRU", "Activation", "Dense", "Dropout", "Input", "InputLayer", "Layer"]
