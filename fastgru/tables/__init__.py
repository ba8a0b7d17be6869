"""From a file of data to a trained model: columns, times, windows, scaling, baselines, a report.

`train` does in Python what ``fastgru train FILE`` does, `load` opens what either saved.
"""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
