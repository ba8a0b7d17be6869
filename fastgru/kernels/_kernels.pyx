# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True, auto_pickle=False
"""The compiled kernels for one element type and one instruction set.

Every kernel works on the caller's memory: one GIL release per call, and inside it no allocation and no Python object.
What a call is handed is checked before it: type, order and size of each array. This is translated to C once, and that
is compiled for each element type `real` and each instruction set: see setup.py.
"""

from fastgru.kernels._runtime cimport BARRIER_NUMBERS, TEAM_MEMBERS, barrier_wait, run_tasks, run_team, task_function

cdef extern from "vector_math.h" nogil:
    ctypedef double real "vm_real"  # float or double, as the C compiler is told

include "arrays.pxi"
include "blas.pxi"
include "blocks.pxi"
include "activations.pxi"
include "tiles.pxi"
include "dense.pxi"
include "sequences.pxi"
include "weight_sums.pxi"
include "gru.pxi"
include "rnn.pxi"
include "losses.pxi"
include "optimizers.pxi"
include "adafactor.pxi"
