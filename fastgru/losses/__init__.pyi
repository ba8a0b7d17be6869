# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.losses.by_class_number import CTC as CTC
from fastgru.losses.by_class_number import CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy
from fastgru.losses.by_class_number import Circle as Circle
from fastgru.losses.by_class_number import (
    categorical_generalized_cross_entropy as categorical_generalized_cross_entropy,
)
from fastgru.losses.by_class_number import circle as circle
from fastgru.losses.by_class_number import ctc as ctc
from fastgru.losses.crossentropy import BinaryCrossentropy as BinaryCrossentropy
from fastgru.losses.crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
from fastgru.losses.crossentropy import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from fastgru.losses.crossentropy import binary_crossentropy as binary_crossentropy
from fastgru.losses.crossentropy import categorical_crossentropy as categorical_crossentropy
from fastgru.losses.crossentropy import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from fastgru.losses.distributions import KLDivergence as KLDivergence
from fastgru.losses.distributions import Poisson as Poisson
from fastgru.losses.distributions import kl_divergence as kl_divergence
from fastgru.losses.distributions import poisson as poisson
from fastgru.losses.errors import CosineSimilarity as CosineSimilarity
from fastgru.losses.errors import Huber as Huber
from fastgru.losses.errors import LogCosh as LogCosh
from fastgru.losses.errors import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from fastgru.losses.errors import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from fastgru.losses.errors import cosine_similarity as cosine_similarity
from fastgru.losses.errors import huber as huber
from fastgru.losses.errors import log_cosh as log_cosh
from fastgru.losses.errors import mean_absolute_percentage_error as mean_absolute_percentage_error
from fastgru.losses.errors import mean_squared_logarithmic_error as mean_squared_logarithmic_error
from fastgru.losses.focal import BinaryFocalCrossentropy as BinaryFocalCrossentropy
from fastgru.losses.focal import CategoricalFocalCrossentropy as CategoricalFocalCrossentropy
from fastgru.losses.focal import binary_focal_crossentropy as binary_focal_crossentropy
from fastgru.losses.focal import categorical_focal_crossentropy as categorical_focal_crossentropy
from fastgru.losses.identifiers import deserialize as deserialize
from fastgru.losses.identifiers import get as get
from fastgru.losses.identifiers import kind_of_classes as kind_of_classes
from fastgru.losses.identifiers import resolve as resolve
from fastgru.losses.identifiers import serialize as serialize
from fastgru.losses.loss import Loss as Loss
from fastgru.losses.loss import same_rank as same_rank
from fastgru.losses.margins import CategoricalHinge as CategoricalHinge
from fastgru.losses.margins import Hinge as Hinge
from fastgru.losses.margins import SquaredHinge as SquaredHinge
from fastgru.losses.margins import categorical_hinge as categorical_hinge
from fastgru.losses.margins import hinge as hinge
from fastgru.losses.margins import squared_hinge as squared_hinge
from fastgru.losses.overlap import Dice as Dice
from fastgru.losses.overlap import Tversky as Tversky
from fastgru.losses.overlap import dice as dice
from fastgru.losses.overlap import tversky as tversky
from fastgru.losses.regression import MeanAbsoluteError as MeanAbsoluteError
from fastgru.losses.regression import MeanSquaredError as MeanSquaredError
from fastgru.losses.regression import mean_absolute_error as mean_absolute_error
from fastgru.losses.regression import mean_squared_error as mean_squared_error

__all__: list[str]
