"""Layers that carry a state over a sequence, their cells, and what runs them."""

from fastgru.layers.rnn.bidirectional import Bidirectional
from fastgru.layers.rnn.cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from fastgru.layers.rnn.gru import GRU
from fastgru.layers.rnn.lstm import LSTM
from fastgru.layers.rnn.rnn import RNN
from fastgru.layers.rnn.simple_rnn import SimpleRNN
from fastgru.layers.rnn.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
    "TimeDistributed",
]


def __dir__() -> list[str]:
    return __all__
