# Calls of the recurrent kernels by XLA, which JAX compiles its programs with: see xla_ffi.h. No Python runs in them.
#
# Arguments, results and options are in one order for all layers; what a layer does not have, or nobody asks for, is an
# array of no numbers. `memory` is what a `training` pass leaves for the backward pass, which uses it up: there it is an
# argument and the result that takes its place. `packed` is a result that only the pass itself reads.

from cpython.pycapsule cimport PyCapsule_New

cdef extern from "xla_ffi.h" nogil:
    enum:
        XLA_BOOL, XLA_FLOAT32, XLA_FLOAT64
    ctypedef struct xla_error:
        pass
    ctypedef struct xla_buffers:
        int64_t size
    ctypedef struct xla_call:
        xla_buffers arguments
        xla_buffers results
    bint xla_asks_for_version(xla_call *call)
    xla_error *xla_refuse(xla_call *call, const char *message)
    const int64_t *xla_options(const xla_call *call, size_t count)
    int64_t xla_length(const xla_buffers *buffers, int index, int axis)
    void *xla_numbers(const xla_buffers *buffers, int index, int dtype, int64_t count, int *wrong)

cdef int XLA_REAL = XLA_FLOAT32 if sizeof(real) == sizeof(float) else XLA_FLOAT64

cdef enum:
    XLA_X, XLA_MASK, XLA_KERNEL, XLA_RECURRENT_KERNEL, XLA_BIAS, XLA_H0, XLA_C0, XLA_FORWARD_ARGUMENTS
    XLA_MEMORY_READ = 7
    XLA_DY, XLA_D_LAST, XLA_D_LAST_CELL, XLA_BACKWARD_ARGUMENTS

cdef enum:  # results of a forward pass
    XLA_MEMORY, XLA_PACKED, XLA_Y, XLA_LAST, XLA_LAST_CELL, XLA_FORWARD_RESULTS

cdef enum:  # results of a backward pass; the first two are the same
    XLA_DX = 2
    XLA_DH0, XLA_DC0, XLA_D_KERNEL, XLA_D_RECURRENT_KERNEL, XLA_D_BIAS, XLA_BACKWARD_RESULTS

cdef enum:  # options
    XLA_ACTIVATION, XLA_RECURRENT_ACTIVATION, XLA_GO_BACKWARDS, XLA_ZERO_OUTPUT_FOR_MASK, XLA_RESET_AFTER
    XLA_TRAINING, XLA_THREADS, XLA_OPTION_COUNT


cdef struct Arrays:
    xla_buffers *buffers
    int wrong


cdef inline real *xla_reals(Arrays *arrays, int index, int64_t count) noexcept nogil:
    return <real *>xla_numbers(arrays.buffers, index, XLA_REAL, count, &arrays.wrong)


cdef const int64_t *xla_begin(xla_call *call, bint backward) noexcept nogil:
    """The options of a call with as many arrays as it must have, or NULL."""
    cdef const int64_t *options = xla_options(call, XLA_OPTION_COUNT)
    if call.arguments.size != (XLA_BACKWARD_ARGUMENTS if backward else XLA_FORWARD_ARGUMENTS):
        return NULL
    if call.results.size != (XLA_BACKWARD_RESULTS if backward else XLA_FORWARD_RESULTS):
        return NULL
    if not options or min(options[XLA_ACTIVATION], options[XLA_RECURRENT_ACTIVATION]) < 0:
        return NULL
    return options if max(options[XLA_ACTIVATION], options[XLA_RECURRENT_ACTIVATION]) < SOFTMAX else NULL


cdef void xla_sequences(Sequences *seq, Arrays *read, const int64_t *options) noexcept nogil:
    seq.go_backwards = options[XLA_GO_BACKWARDS]
    seq.zero_output_for_mask = options[XLA_ZERO_OUTPUT_FOR_MASK]
    seq.B, seq.T = xla_length(read.buffers, XLA_X, 0), xla_length(read.buffers, XLA_X, 1)
    seq.F, seq.H = xla_length(read.buffers, XLA_X, 2), xla_length(read.buffers, XLA_RECURRENT_KERNEL, 0)
    seq.x = xla_reals(read, XLA_X, seq.B * seq.T * seq.F)
    seq.mask = <const unsigned char *>xla_numbers(read.buffers, XLA_MASK, XLA_BOOL, seq.B * seq.T, &read.wrong)


cdef real *xla_zeros(Arrays *written, int index, Py_ssize_t count) noexcept nogil:
    """Where gradients are added up, from 0 on."""
    cdef real *numbers = xla_reals(written, index, count)
    if numbers and not written.wrong:
        memset(numbers, 0, count * sizeof(real))
    return numbers


cdef bint xla_gru(GRU *p, Arrays *read, Arrays *written, const int64_t *options) noexcept nogil:
    """Take what both passes read; False where an array is not of its size."""
    memset(p, 0, sizeof(p[0]))
    xla_sequences(&p.seq, read, options)
    p.activation, p.recurrent_activation = <int>options[XLA_ACTIVATION], <int>options[XLA_RECURRENT_ACTIVATION]
    p.reset_after, p.training = options[XLA_RESET_AFTER], options[XLA_TRAINING]
    cdef Py_ssize_t B = p.seq.B, F = p.seq.F, H = p.seq.H
    p.kernel = xla_reals(read, XLA_KERNEL, F * 3 * H)
    p.recurrent_kernel = xla_reals(read, XLA_RECURRENT_KERNEL, H * 3 * H)
    p.biases = xla_reals(read, XLA_BIAS, (2 if p.reset_after else 1) * 3 * H)
    p.h0 = xla_reals(read, XLA_H0, B * H)
    xla_reals(read, XLA_C0, 0)
    cdef real *packed = xla_reals(written, XLA_PACKED, kernels.gru_packed_size(F, H, p.reset_after))
    p.packed = packed
    if read.wrong or written.wrong or not (p.seq.x and p.kernel and p.recurrent_kernel and packed):
        return False
    cdef real placeholder
    cdef real *memory = xla_reals(written, XLA_MEMORY, kernels.gru_plan_workspace(p, &placeholder))
    if written.wrong or not memory:
        return False
    kernels.gru_plan_workspace(p, memory)
    return True


cdef xla_error *xla_gru_forward(xla_call *call) noexcept nogil:
    cdef Arrays read = Arrays(&call.arguments, 0), written = Arrays(&call.results, 0)
    cdef GRU p
    if xla_asks_for_version(call):
        return NULL
    cdef const int64_t *options = xla_begin(call, False)
    if not options or not xla_gru(&p, &read, &written, options):
        return xla_refuse(call, "fastgru's GRU, forward: an array is not of its size, or not of its type.")
    p.seq.y = xla_reals(&written, XLA_Y, p.seq.B * p.seq.T * p.seq.H)
    p.last = xla_reals(&written, XLA_LAST, p.seq.B * p.seq.H)
    if written.wrong or not p.last:
        return xla_refuse(call, "fastgru's GRU, forward: y or the last state is not of its size.")
    if not p.training:
        kernels.gru_pack(&p)
    kernels.gru_forward(&p, NULL, <int>options[XLA_THREADS])
    return NULL


cdef xla_error *xla_gru_backward(xla_call *call) noexcept nogil:
    cdef Arrays read = Arrays(&call.arguments, 0), written = Arrays(&call.results, 0)
    cdef GRU p
    if xla_asks_for_version(call):
        return NULL
    cdef const int64_t *options = xla_begin(call, True)
    if not options or not xla_gru(&p, &read, &written, options):
        return xla_refuse(call, "fastgru's GRU, backward: an array is not of its size, or not of its type.")
    cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H, biases = (2 if p.reset_after else 1) * 3 * H
    p.seq.dy, p.d_last = xla_reals(&read, XLA_DY, B * T * H), xla_reals(&read, XLA_D_LAST, B * H)
    p.dx, p.dh0 = xla_reals(&written, XLA_DX, B * T * F), xla_reals(&written, XLA_DH0, B * H)
    p.d.kernel = xla_zeros(&written, XLA_D_KERNEL, F * 3 * H)
    p.d.recurrent_kernel = xla_zeros(&written, XLA_D_RECURRENT_KERNEL, H * 3 * H)
    p.d_bias = xla_zeros(&written, XLA_D_BIAS, biases)
    p.d_recurrent_bias = p.d_bias + 3 * H if p.d_bias and p.reset_after else NULL
    if read.wrong or written.wrong or not p.training:
        return xla_refuse(call, "fastgru's GRU, backward: a gradient is not of its size.")
    kernels.gru_backward(&p, <int>options[XLA_THREADS])
    return NULL


cdef bint xla_rnn(RNN *p, Arrays *read, Arrays *written, const int64_t *options) noexcept nogil:
    memset(p, 0, sizeof(p[0]))
    xla_sequences(&p.seq, read, options)
    p.activation, p.recurrent_activation = <int>options[XLA_ACTIVATION], <int>options[XLA_RECURRENT_ACTIVATION]
    p.training = options[XLA_TRAINING]
    cdef Py_ssize_t B = p.seq.B, F = p.seq.F, H = p.seq.H, N = xla_length(read.buffers, XLA_RECURRENT_KERNEL, 1)
    if N != H:
        N = 4 * H
    p.sums = N
    p.kernel = xla_reals(read, XLA_KERNEL, F * N)
    p.recurrent_kernel = xla_reals(read, XLA_RECURRENT_KERNEL, H * N)
    p.bias = xla_reals(read, XLA_BIAS, N)
    p.h0, p.c0 = xla_reals(read, XLA_H0, B * H), xla_reals(read, XLA_C0, B * H)
    cdef real *packed = xla_reals(written, XLA_PACKED, kernels.rnn_packed_size(F, H, N))
    p.packed = packed
    if read.wrong or written.wrong or not (p.seq.x and p.kernel and p.recurrent_kernel and packed):
        return False
    cdef real placeholder
    cdef real *memory = xla_reals(written, XLA_MEMORY, kernels.rnn_plan_workspace(p, &placeholder))
    if written.wrong or not memory:
        return False
    kernels.rnn_plan_workspace(p, memory)
    return p.lstm or not p.c0


cdef xla_error *xla_rnn_forward(xla_call *call) noexcept nogil:
    cdef Arrays read = Arrays(&call.arguments, 0), written = Arrays(&call.results, 0)
    cdef RNN p
    if xla_asks_for_version(call):
        return NULL
    cdef const int64_t *options = xla_begin(call, False)
    if not options or not xla_rnn(&p, &read, &written, options):
        return xla_refuse(call, "fastgru's LSTM, forward: an array is not of its size, or not of its type.")
    p.seq.y = xla_reals(&written, XLA_Y, p.seq.B * p.seq.T * p.seq.H)
    p.last = xla_reals(&written, XLA_LAST, p.seq.B * p.seq.H)
    p.last_cell = xla_reals(&written, XLA_LAST_CELL, p.seq.B * p.seq.H)
    if written.wrong or not p.last or (p.last_cell != NULL) != p.lstm:
        return xla_refuse(call, "fastgru's LSTM, forward: y or a last state is not of its size.")
    if not p.training:
        kernels.rnn_pack(&p)
    kernels.rnn_forward(&p, NULL, <int>options[XLA_THREADS])
    return NULL


cdef xla_error *xla_rnn_backward(xla_call *call) noexcept nogil:
    cdef Arrays read = Arrays(&call.arguments, 0), written = Arrays(&call.results, 0)
    cdef RNN p
    if xla_asks_for_version(call):
        return NULL
    cdef const int64_t *options = xla_begin(call, True)
    if not options or not xla_rnn(&p, &read, &written, options):
        return xla_refuse(call, "fastgru's LSTM, backward: an array is not of its size, or not of its type.")
    cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H
    p.seq.dy, p.d_last = xla_reals(&read, XLA_DY, B * T * H), xla_reals(&read, XLA_D_LAST, B * H)
    p.d_last_cell = xla_reals(&read, XLA_D_LAST_CELL, B * H)
    p.dx, p.dh0 = xla_reals(&written, XLA_DX, B * T * F), xla_reals(&written, XLA_DH0, B * H)
    p.dc0 = xla_reals(&written, XLA_DC0, B * H)
    p.d.kernel = xla_zeros(&written, XLA_D_KERNEL, F * p.sums)
    p.d.recurrent_kernel = xla_zeros(&written, XLA_D_RECURRENT_KERNEL, H * p.sums)
    p.d_bias = xla_zeros(&written, XLA_D_BIAS, p.sums)
    if read.wrong or written.wrong or not p.training or (not p.lstm and (p.d_last_cell or p.dc0)):
        return xla_refuse(call, "fastgru's LSTM, backward: a gradient is not of its size.")
    kernels.rnn_backward(&p, <int>options[XLA_THREADS])
    return NULL


xla_handlers = {
    "gru_forward": PyCapsule_New(<void *>xla_gru_forward, NULL, NULL),
    "gru_backward": PyCapsule_New(<void *>xla_gru_backward, NULL, NULL),
    "rnn_forward": PyCapsule_New(<void *>xla_rnn_forward, NULL, NULL),
    "rnn_backward": PyCapsule_New(<void *>xla_rnn_backward, NULL, NULL),
}
