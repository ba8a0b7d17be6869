# The one list of this package's names; each is imported when it is first used (fastgru/lazy.py).

from fastgru.sklearn.classifier import GRUClassifier as GRUClassifier
from fastgru.sklearn.regressor import GRURegressor as GRURegressor
