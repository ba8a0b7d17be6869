# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: auto_pickle=False
"""The compiled kernels for one element type and one instruction set.

Every kernel works on the caller's memory, without the GIL: no allocation and no Python object. They are handed what
_calls.pyx has checked, and trust it. This is translated to C once, and that is compiled for each element type `real`
and each instruction set: see setup.py.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.string cimport memcpy, memmove, memset

from fastgru.kernels._runtime cimport BARRIER_NUMBERS, TEAM_MEMBERS, barrier_wait, run_tasks, run_team

include "interface.pxi"

cdef Kernels kernels

include "blas.pxi"
include "blocks.pxi"
include "activations.pxi"
include "input_activations.pxi"
include "tiles.pxi"
include "dense.pxi"
include "sequences.pxi"
include "weight_sums.pxi"
include "gru.pxi"
include "rnn.pxi"
include "losses.pxi"
include "optimizers.pxi"
include "adafactor.pxi"
include "normalization.pxi"
include "stream.pxi"

kernels = Kernels(
    LANES, NULL, activate_rows, multiply_derivative_rows, activate_input, input_derivative,
    dense_packed_size, dense_pack, dense_forward, dense_backward,
    gru_packed_size, gru_plan_workspace, gru_pack, gru_forward, gru_backward,
    rnn_packed_size, rnn_plan_workspace, rnn_pack, rnn_forward, rnn_backward,
    binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy, &RULES[0], update, adafactor,
    normalize_rows,
    stream_prepare, stream_memory, stream_cut, stream,
)
table = PyCapsule_New(&kernels, TABLE_NAME, NULL)
