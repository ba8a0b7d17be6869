# The one list of this package's names; each is imported when it is first used (fastgru/lazy.py).

from fastgru.pages.bars import bar_chart as bar_chart
from fastgru.pages.colors import color_bar as color_bar
from fastgru.pages.colors import color_map as color_map
from fastgru.pages.confusion import confusion_matrix as confusion_matrix
from fastgru.pages.explanation import Answer as Answer
from fastgru.pages.explanation import Explanation as Explanation
from fastgru.pages.explanation import explanation_page as explanation_page
from fastgru.pages.heat import heat_map as heat_map
from fastgru.pages.languages import LANGUAGES as LANGUAGES
from fastgru.pages.languages import word as word
from fastgru.pages.languages import words as words
from fastgru.pages.lines import line_chart as line_chart
from fastgru.pages.markup import Markup as Markup
from fastgru.pages.markup import Word as Word
from fastgru.pages.markup import element as element
from fastgru.pages.numbers import number as number
from fastgru.pages.skeleton import data_block as data_block
from fastgru.pages.skeleton import page as page
from fastgru.pages.skeleton import resource as resource
from fastgru.pages.sparklines import sparkline as sparkline
from fastgru.pages.tables import table as table
