# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: auto_pickle=False
"""What Python calls, for one element type: arrays are checked, and the kernels run.

Each call releases the GIL once. What it is handed is checked before it: type, order and size of each array. This is
compiled for each element type `real`, and for all instruction sets at once: the kernels are those of the instruction
set that fastgru.kernels has picked.
"""

from importlib import import_module as _import_module

from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastgru.kernels import isa as _isa

include "interface.pxi"

cdef Kernels *kernels


def use(str isa) -> None:
    """Run the kernels of this instruction set from here on."""
    global kernels, read_padding, _compiled
    _compiled = _import_module(f"fastgru.kernels._{'float32' if sizeof(real) == sizeof(float) else 'float64'}_{isa}")
    kernels = <Kernels *>PyCapsule_GetPointer(_compiled.table, TABLE_NAME)
    read_padding = kernels.read_padding


use(_isa)

include "arrays.pxi"
include "blas_call.pxi"
include "activations_call.pxi"
include "dense_call.pxi"
include "gates_call.pxi"
include "gru_call.pxi"
include "rnn_call.pxi"
include "losses_call.pxi"
include "optimizers_call.pxi"
include "adafactor_call.pxi"
include "normalization_call.pxi"
include "xla_call.pxi"
include "stream_plan_call.pxi"
include "stream_slots_call.pxi"
include "stream_call.pxi"
