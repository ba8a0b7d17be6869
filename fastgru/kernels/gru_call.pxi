# What Python calls: arrays become a `GRU`, each checked against the others, and the tasks run.


cdef GRU gru_call(
    ndarray x, ndarray kernel, ndarray recurrent_kernel, ndarray packed, ndarray h0, ndarray mask, int activation,
    int recurrent_activation, bint reset_after, bint go_backwards, bint zero_output_for_mask, bint training, ndarray memory,
):
    """What the forward and the backward pass share."""
    cdef GRU p
    memset(&p, 0, sizeof(p))
    take_sequences(&p.seq, x, mask)
    take_weights(&p, kernel, recurrent_kernel)
    p.h0 = matrix_of(h0, "h0", p.seq.B, p.seq.H)
    p.packed, p.training = packed_of(packed, gru_packed_size(p.seq.F, p.seq.H, reset_after), training), training
    p.reset_after, p.seq.go_backwards, p.seq.zero_output_for_mask = reset_after, go_backwards, zero_output_for_mask
    p.activation, p.recurrent_activation = activation, recurrent_activation
    check_activation(activation, SOFTMAX - 1)
    check_activation(recurrent_activation, SOFTMAX - 1)
    if not p.packed:
        fetch_blas(largest_size(&p.seq, 4 * p.seq.H))
    check_workspace(memory, gru_plan_workspace(&p, vector_into(memory, "memory", size_of(memory, 0))))
    return p


def gru_memory(Py_ssize_t B, Py_ssize_t T, Py_ssize_t F, Py_ssize_t H, bint reset_after, bint packed, bint training) -> int:
    """Numbers of workspace that `gru_forward` wants, with packed weights or without; with `training`, which a backward pass
    needs, `gru_backward` reads the same memory."""
    cdef GRU p
    cdef real placeholder
    check_positive((B, T, F, H))
    memset(&p, 0, sizeof(p))
    p.seq.B, p.seq.T, p.seq.F, p.seq.H, p.training, p.reset_after = B, T, F, H, training, reset_after
    p.packed = &placeholder if packed else NULL
    return gru_plan_workspace(&p, &placeholder)


cdef void sum_biases(GRU *p) noexcept nogil:
    """[bh, bz + cz, br + cr, ch]: z and r need the sum of their two biases only."""
    cdef Py_ssize_t j, H = p.seq.H
    memset(p.bias, 0, 4 * H * sizeof(real))
    if p.biases:
        memcpy(p.bias, p.biases + 2 * H, H * sizeof(real))
        memcpy(p.bias + H, p.biases, 2 * H * sizeof(real))
        if p.reset_after:
            for j in range(3 * H):
                p.bias[H + j] += p.biases[3 * H + j]


cdef class GRUForward:
    """A GRU over x (B, T, F), ready to run.

    bias is (2, 3H) with reset_after, (1, 3H) without, or None; h0 (B, H), mask (B, T) and y (B, T, H) may be None; last
    (B, H) receives the final state. `memory` has `gru_memory` numbers; with `training` it is what `gru_backward` reads. packed
    is what `gru_pack` made of the weights or, with `training`, memory for that: in training they change with every batch. It
    is None to multiply with BLAS.
    """
    cdef GRU p

    def __cinit__(
        self, ndarray x not None, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray bias, ndarray packed,
        ndarray h0, ndarray mask, int activation, int recurrent_activation, bint reset_after, bint go_backwards,
        bint zero_output_for_mask, bint training, ndarray memory not None, ndarray y, ndarray last not None,
    ):
        self.p = gru_call(x, kernel, recurrent_kernel, packed, h0, mask, activation, recurrent_activation, reset_after,
                          go_backwards, zero_output_for_mask, training, memory)
        cdef Py_ssize_t B = self.p.seq.B, H = self.p.seq.H
        self.p.biases = matrix_of(bias, "bias", 2 if reset_after else 1, 3 * H)
        self.p.seq.y, self.p.last = sequences_into(y, "y", B, self.p.seq.T, H), matrix_into(last, "last", B, H)

    cdef Tasks tasks(self, int threads) noexcept nogil:
        """What is left to do when the weights are packed and the biases added up."""
        cdef Tasks rows = Tasks(gru_forward_rows, &self.p, <int>ceil_div(self.p.seq.B, self.p.seq.block_rows))
        if self.p.packed and self.p.training:
            run_packing(pack_forward_task, &self.p, &self.p.seq, 3 * self.p.seq.H, threads)
        if not fused(&self.p):
            sum_biases(&self.p)
        if self.p.small_batch:
            rows.task = gru_forward_small_batch
        return rows


def gru_forward(list calls, int threads):
    """Run a GRU, or two side by side, each given by the arguments of a `GRUForward`."""
    cdef GRUForward first = GRUForward(*calls[0])
    cdef GRUForward second = GRUForward(*calls[1]) if len(calls) == 2 else None
    cdef Tasks[2] both
    with nogil:
        both[0], both[1] = first.tasks(threads), Tasks(NULL, NULL, 0)
        if second is not None:
            both[1] = second.tasks(threads)
        if both[1].count == 0 and shares_units(&first.p):
            gru_forward_team(&first.p, threads)
        else:
            run_both(both, threads)


def gru_backward(
    ndarray x not None, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray packed, ndarray h0,
    ndarray mask, int activation, int recurrent_activation, bint reset_after, bint go_backwards,
    bint zero_output_for_mask, ndarray memory not None, ndarray dy, ndarray d_last, ndarray dx, ndarray dh0,
    ndarray d_kernel, ndarray d_recurrent_kernel, ndarray d_bias, int threads,
):
    """Backward of `gru_forward` with the same arguments and its memory, which is used up.

    packed is memory for the weights as its tiles read them, or None to multiply with BLAS, as in the forward pass. dy
    (B, T, H) and d_last (B, H) are the gradients of the outputs, each may be None; dx and dh0 are written where they are
    not None; d_kernel, d_recurrent_kernel and d_bias are added to where they are not None.
    """
    cdef GRU p = gru_call(x, kernel, recurrent_kernel, packed, h0, mask, activation, recurrent_activation, reset_after,
                          go_backwards, zero_output_for_mask, True, memory)
    cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H
    p.seq.dy, p.d_last = sequences_of(dy, "dy", B, T, H), matrix_of(d_last, "d_last", B, H)
    p.dx, p.dh0 = sequences_into(dx, "dx", B, T, F), matrix_into(dh0, "dh0", B, H)
    p.d.kernel = matrix_into(d_kernel, "d_kernel", F, 3 * H)
    p.d.recurrent_kernel = matrix_into(d_recurrent_kernel, "d_recurrent_kernel", H, 3 * H)
    p.d_bias = matrix_into(d_bias, "d_bias", 2 if reset_after else 1, 3 * H)
    if p.d_bias and reset_after:
        p.d_recurrent_bias = p.d_bias + 3 * p.seq.H
    with nogil:
        if p.packed:
            run_packing(pack_backward_task, &p, &p.seq, 3 * p.seq.H, threads)
        run_tasks(gru_backward_rows, &p, <int>ceil_div(p.seq.B, p.seq.block_rows), threads)
        bias_gradients(&p)
        if p.d.sums:
            sum_row_blocks(&p.d, threads)
        else:
            run_tasks(gru_weight_columns, &p, weight_column_blocks(&p), threads)
