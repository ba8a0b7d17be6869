# The names of the package and where they live: for type checkers, and for fastgru/lazy.py, which reads it.

from fastgru.data.py_dataset import PyDataset as PyDataset
from fastgru.data.py_dataset import Sequence as Sequence
from fastgru.utils.files import get_file as get_file
from fastgru.utils.numerical import normalize as normalize
from fastgru.utils.numerical import to_categorical as to_categorical
from fastgru.utils.plotting import model_to_dot as model_to_dot
from fastgru.utils.plotting import plot_model as plot_model
from fastgru.utils.progbar import Progbar as Progbar
from fastgru.utils.sequences import pad_sequences as pad_sequences
from fastgru.utils.session import clear_session as clear_session
from fastgru.utils.session import set_random_seed as set_random_seed
from fastgru.utils.splitting import split_dataset as split_dataset
from fastgru.utils.text_dataset import text_dataset_from_directory as text_dataset_from_directory
from fastgru.utils.timeseries import timeseries_dataset_from_array as timeseries_dataset_from_array
