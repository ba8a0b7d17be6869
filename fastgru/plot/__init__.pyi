# The one list of this package's names; each is imported when it is first used (fastgru/lazy.py).

from fastgru.plot.answer_lines import answers as answers
from fastgru.plot.confusion import confusion_matrix as confusion_matrix
from fastgru.plot.curves import history as history
from fastgru.plot.forecasts import forecast as forecast
from fastgru.plot.gate_maps import gate as gate
from fastgru.plot.gate_maps import gates as gates
from fastgru.plot.unit_lines import unit as unit
