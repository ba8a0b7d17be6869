# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.losses.crossentropy import BinaryCrossentropy as BinaryCrossentropy
from fastgru.losses.crossentropy import CategoricalCrossentropy as CategoricalCrossentropy
from fastgru.losses.crossentropy import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from fastgru.losses.crossentropy import binary_crossentropy as binary_crossentropy
from fastgru.losses.crossentropy import categorical_crossentropy as categorical_crossentropy
from fastgru.losses.crossentropy import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from fastgru.losses.functions import binary_focal_crossentropy as binary_focal_crossentropy
from fastgru.losses.functions import categorical_focal_crossentropy as categorical_focal_crossentropy
from fastgru.losses.functions import categorical_hinge as categorical_hinge
from fastgru.losses.functions import cosine_similarity as cosine_similarity
from fastgru.losses.functions import hinge as hinge
from fastgru.losses.functions import huber as huber
from fastgru.losses.functions import kl_divergence as kl_divergence
from fastgru.losses.functions import log_cosh as log_cosh
from fastgru.losses.functions import mean_absolute_percentage_error as mean_absolute_percentage_error
from fastgru.losses.functions import mean_squared_logarithmic_error as mean_squared_logarithmic_error
from fastgru.losses.functions import poisson as poisson
from fastgru.losses.functions import squared_hinge as squared_hinge
from fastgru.losses.identifiers import deserialize as deserialize
from fastgru.losses.identifiers import get as get
from fastgru.losses.identifiers import kind_of_classes as kind_of_classes
from fastgru.losses.identifiers import resolve as resolve
from fastgru.losses.identifiers import serialize as serialize
from fastgru.losses.loss import Loss as Loss
from fastgru.losses.loss import same_rank as same_rank
from fastgru.losses.regression import MeanAbsoluteError as MeanAbsoluteError
from fastgru.losses.regression import MeanSquaredError as MeanSquaredError
from fastgru.losses.regression import mean_absolute_error as mean_absolute_error
from fastgru.losses.regression import mean_squared_error as mean_squared_error

__all__: list[str]
