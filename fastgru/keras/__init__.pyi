# Where each public name lives, and the only list of them: see fastgru/lazy.py.
from fastgru.keras.acceleration import accelerate as accelerate
from fastgru.keras.conversion import from_keras as from_keras
