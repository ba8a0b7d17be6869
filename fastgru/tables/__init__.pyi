# The one list of this package's names; each is imported when it is first used (fastgru/lazy.py).

from fastgru.tables.samples import Answers as Answers
from fastgru.tables.samples import Comparison as Comparison
from fastgru.tables.samples import Outcome as Outcome
from fastgru.tables.session import TableModel as TableModel
from fastgru.tables.session import Trained as Trained
from fastgru.tables.session import load as load
from fastgru.tables.session import train as train
