# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.losses.crossentropy import BinaryCrossentropy as BinaryCrossentropy
from fastgru.losses.crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
from fastgru.losses.crossentropy import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from fastgru.losses.crossentropy import binary_crossentropy as binary_crossentropy
from fastgru.losses.crossentropy import categorical_crossentropy as categorical_crossentropy
from fastgru.losses.crossentropy import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from fastgru.losses.lookup import get as get
from fastgru.losses.lookup import kind_of_classes as kind_of_classes
from fastgru.losses.lookup import resolve as resolve
from fastgru.losses.loss import Loss as Loss
from fastgru.losses.loss import same_rank as same_rank
from fastgru.losses.regression import MeanAbsoluteError as MeanAbsoluteError
from fastgru.losses.regression import MeanSquaredError as MeanSquaredError
from fastgru.losses.regression import mean_absolute_error as mean_absolute_error
from fastgru.losses.regression import mean_squared_error as mean_squared_error
