# The one list of this package's names; each is imported when it is first used (fastgru/lazy.py).

from fastgru.torch.acceleration import Acceleration as Acceleration
from fastgru.torch.acceleration import accelerate as accelerate
from fastgru.torch.conversion import from_torch as from_torch
from fastgru.torch.modules import GRU as GRU
from fastgru.torch.modules import LSTM as LSTM
