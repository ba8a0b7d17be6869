"""The compiled kernels for one element type and one instruction set.

Every kernel works on the caller's memory: one GIL release per call, and inside it no allocation and no Python object.
What a call is handed is checked before it: type, order and size of each array.
"""

from fastgru.kernels._runtime cimport BARRIER_NUMBERS, TEAM_MEMBERS, barrier_wait, run_tasks, run_team, task_function

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
