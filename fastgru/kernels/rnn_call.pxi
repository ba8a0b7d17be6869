# The LSTM and the SimpleRNN: see rnn.pxi.


def rnn_pack_size(Py_ssize_t F, Py_ssize_t H, Py_ssize_t N) -> int:
    """Numbers of the packed weights, whether for the forward or the backward pass."""
    return kernels.rnn_packed_size(F, H, N)


cdef int rnn_take_weights(RNN *p, ndarray kernel, ndarray recurrent_kernel) except -1:
    """kernel (F, N) and recurrent_kernel (H, N), which says what H and N are: N = 4H or H."""
    check_present(kernel, "kernel")
    check_present(recurrent_kernel, "recurrent_kernel")
    cdef Py_ssize_t H = size_of(recurrent_kernel, 0), N = size_of(recurrent_kernel, 1)
    if N != H:
        N = 4 * H
    p.seq.H, p.sums = H, N
    p.kernel = matrix_of(kernel, "kernel", p.seq.F, N)
    p.recurrent_kernel = matrix_of(recurrent_kernel, "recurrent_kernel", H, N)
    return check_not_empty(recurrent_kernel, "recurrent_kernel")


def rnn_pack(ndarray kernel not None, ndarray recurrent_kernel not None, ndarray packed not None):
    """Pack kernel (F, N) and recurrent_kernel (H, N) for the tiles of `rnn_forward`."""
    cdef RNN p
    memset(&p, 0, sizeof(p))
    p.seq.F = size_of(kernel, 0)
    rnn_take_weights(&p, kernel, recurrent_kernel)
    p.packed = vector_into(packed, "packed", kernels.rnn_packed_size(p.seq.F, p.seq.H, p.sums))
    with nogil:
        kernels.rnn_pack(&p)


cdef int check_cells(bint lstm, bint last, bint others) except -1:
    """ValueError unless an LSTM has where its last cell goes, and a SimpleRNN nothing of a cell."""
    if lstm and not last:
        raise ValueError("Kernels, last_cell: expected an array, since the kernels are an LSTM's, got None.")
    if not lstm and (last or others):
        raise ValueError("Kernels: expected None for all that a cell has, since the kernels are a SimpleRNN's.")
    return 0


def rnn_memory(Py_ssize_t B, Py_ssize_t T, Py_ssize_t F, Py_ssize_t H, Py_ssize_t N, bint training) -> int:
    """Numbers of workspace that `rnn_forward` needs, and with `training` `rnn_backward` after it."""
    cdef RNN p
    cdef real placeholder
    check_positive((B, T, F, H, N))
    memset(&p, 0, sizeof(p))
    p.seq.B, p.seq.T, p.seq.F, p.seq.H, p.sums = B, T, F, H, N
    p.training = training
    return kernels.rnn_plan_workspace(&p, &placeholder)


cdef class RNNCall:
    """An LSTM, whose kernel is (F, 4H), or a SimpleRNN, whose kernel is (F, H), as `GRUCall` is a GRU.

    bias is (N,) or None; c0, last_cell, d_last_cell and dc0 (B, H) are of an LSTM's cell, and None of a SimpleRNN's.
    """
    cdef RNN p
    cdef public ndarray x, mask, kernel, recurrent_kernel, bias, packed, h0, c0, memory, y, last, last_cell
    cdef public ndarray dy, d_last, d_last_cell, dx, dh0, dc0, d_kernel, d_recurrent_kernel, d_bias

    def __cinit__(
        self, *, int activation, int recurrent_activation, bint go_backwards, bint zero_output_for_mask, bint training
    ):
        check_activation(activation, SOFTMAX - 1)
        check_activation(recurrent_activation, SOFTMAX - 1)
        self.p.activation, self.p.recurrent_activation, self.p.training = activation, recurrent_activation, training
        self.p.seq.go_backwards, self.p.seq.zero_output_for_mask = go_backwards, zero_output_for_mask

    cdef int check(self) except -1:
        """Take what both passes read, and cut the work."""
        cdef RNN *p = &self.p
        take_sequences(&p.seq, self.x, self.mask)
        rnn_take_weights(p, self.kernel, self.recurrent_kernel)
        p.bias = vector_of(self.bias, "bias", p.sums)
        p.packed = packed_of(self.packed, kernels.rnn_packed_size(p.seq.F, p.seq.H, p.sums), p.training)
        p.h0, p.c0 = matrix_of(self.h0, "h0", p.seq.B, p.seq.H), matrix_of(self.c0, "c0", p.seq.B, p.seq.H)
        if not p.packed:
            fetch_blas(largest_size(&p.seq, 5 * p.seq.H))
        return check_workspace(self.memory, kernels.rnn_plan_workspace(p, workspace_of(self.memory)))

    cdef int check_forward(self) except -1:
        self.check()
        cdef Py_ssize_t B = self.p.seq.B, H = self.p.seq.H
        check_present(self.last, "last")
        check_cells(self.p.lstm, self.last_cell is not None, self.c0 is not None)
        self.p.last = matrix_into(self.last, "last", B, H)
        self.p.last_cell = matrix_into(self.last_cell, "last_cell", B, H)
        self.p.seq.y = sequences_into(self.y, "y", B, self.p.seq.T, H)
        return 0

    def put_gates(self, ndarray out not None):
        """The same as `GRUCall.put_gates`: i, f, g, o, the cell and the state (6, B, T, H) of an LSTM, the state
        (1, B, T, H) of a SimpleRNN."""
        cdef RNN *p = &self.p
        cdef Py_ssize_t part, H
        cdef real *to
        check_training(p.training)
        self.check()
        to, H = gates_into(out, 6 if p.lstm else 1, &p.seq), p.seq.H
        if p.lstm:
            for part in range(4):
                to = put_steps(&p.seq, p.gates + part * H, p.row, 0, kernels.read_padding, to)
            to = put_steps(&p.seq, p.cells, H, 1, 0, to)
        put_steps(&p.seq, p.states, H, 1, 0, to)

    cdef int check_backward(self) except -1:
        cdef RNN *p = &self.p
        check_training(p.training)
        self.check()
        cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H
        check_cells(p.lstm, p.lstm, self.c0 is not None or self.d_last_cell is not None or self.dc0 is not None)
        p.seq.dy, p.d_last = sequences_of(self.dy, "dy", B, T, H), matrix_of(self.d_last, "d_last", B, H)
        p.d_last_cell = matrix_of(self.d_last_cell, "d_last_cell", B, H)
        p.dx = sequences_into(self.dx, "dx", B, T, F)
        p.dh0, p.dc0 = matrix_into(self.dh0, "dh0", B, H), matrix_into(self.dc0, "dc0", B, H)
        p.d.kernel = matrix_into(self.d_kernel, "d_kernel", F, p.sums)
        p.d.recurrent_kernel = matrix_into(self.d_recurrent_kernel, "d_recurrent_kernel", H, p.sums)
        p.d_bias = vector_into(self.d_bias, "d_bias", p.sums)
        return 0


def rnn_forward(list calls, int threads):
    """Run the forward pass of an `RNNCall`, or of two side by side."""
    cdef RNNCall first = calls[0]
    cdef RNNCall second = calls[1] if len(calls) == 2 else None
    first.check_forward()
    cdef RNN *other = NULL
    if second is not None:
        second.check_forward()
        other = &second.p
    with nogil:
        kernels.rnn_forward(&first.p, other, threads)


def rnn_backward(RNNCall call not None, int threads):
    """Run the backward pass of an `RNNCall` whose forward pass has run."""
    call.check_backward()
    with nogil:
        kernels.rnn_backward(&call.p, threads)
