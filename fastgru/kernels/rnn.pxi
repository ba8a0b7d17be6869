# LSTM and SimpleRNN over a whole sequence, forward and backward: the layers whose gates are functions of one sum.
#
# B rows of a batch, T time steps, F input features, H units; R rows in a shard; N = 4H columns of the LSTM's weights with
# gates in the order i, f, g, o (input, forget, candidate, output), N = H of the SimpleRNN's, in `kernel` W (F, N),
# `recurrent_kernel` U (H, N) and the bias b (N,).
#
#   LSTM  s = x W + h U + b                          SimpleRNN
#         i, f, g, o = r(si), r(sf), a(sg), r(so)         h' = a(x W + h U + b)
#         c' = f c + i g
#         h' = o a(c')
#
# A shard lies as the GRU's does (gru.pxi): its steps in time order, rows of a step together. A row of a step is
# [i f g o t] with t = a(c'), 5H numbers, or [h'], H numbers; after the backward pass its first N numbers are the
# gradient of the sums, which is that of both projections.
#
#   xs      (T, R, F)    the inputs in time order
#   gates   (T, R, N+H)  x W, then a row's values, then their gradients; (T, R, H) for a SimpleRNN
#   states  (T+1, R, H)  h before every step, and the last; `cells` likewise c
#
# Without a backward pass to come nothing is kept: two states are enough, and inputs are projected in blocks of time, so
# that memory does not grow with T. A step is one product, added to the projection, and one pass over its rows.

cdef struct RNN:
    Sequences seq
    Py_ssize_t sums                # N
    Py_ssize_t row                 # numbers of a row
    Py_ssize_t kept                # states in memory at once: T + 1 where they are kept
    Py_ssize_t block               # steps whose inputs and gates are in memory at once: T where they are kept
    bint lstm
    int activation, recurrent_activation
    const real *kernel             # (F, N)
    const real *recurrent_kernel   # (H, N)
    const real *bias               # (N,) or NULL
    const real *packed             # the weights for tiles, or NULL
    const real *h0                 # (B, H) or NULL for zeros; c0 too
    const real *c0
    real *xs
    real *gates
    real *states
    real *cells                    # NULL for a SimpleRNN, as all that follows from c
    real *d_states                 # (B, H): dh while the backward pass goes on; d_cells is dc
    real *d_cells
    real *bias_sums                # (shards, N): sums of the rows of gradients
    real *last                     # (B, H)
    real *last_cell
    const real *d_last             # (B, H) or NULL
    const real *d_last_cell
    real *dx                       # (B, T, F) or NULL
    real *dh0                      # (B, H) or NULL
    real *dc0
    WeightGradients d              # of kernel and recurrent_kernel; they and the next are added to, or NULL
    real *d_bias                   # (N,)


# --- forward ----------------------------------------------------------------------------------------


cdef inline void add_bias(const real *bias, real *row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    if bias:
        for j in range(n):
            row[j] += bias[j]


cdef void close_lstm_row(RNN *p, const real *c, real *row, real *c_next, real *h_next) noexcept nogil:
    """From the sums x W + h U of a row to its values and the next c and h."""
    cdef Py_ssize_t j, H = p.seq.H
    cdef const real *i = row
    cdef const real *f = row + H
    cdef const real *g = row + 2 * H
    cdef const real *o = row + 3 * H
    cdef real *t = row + 4 * H
    add_bias(p.bias, row, 4 * H)
    activate(p.recurrent_activation, row, 2 * H)
    activate(p.activation, row + 2 * H, H)
    activate(p.recurrent_activation, row + 3 * H, H)
    for j in range(H):
        t[j] = f[j] * c[j] + i[j] * g[j]
    memcpy(c_next, t, H * sizeof(real))
    activate(p.activation, t, H)
    for j in range(H):
        h_next[j] = o[j] * t[j]


cdef void rnn_step(RNN *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, bint at_rest, real *gates, const real *h,
                   const real *c, real *h_next, real *c_next) noexcept nogil:
    """One time step of a shard, from x W in `gates`."""
    cdef Py_ssize_t i, H = p.seq.H
    cdef real *row
    if at_rest:
        pass
    elif p.packed:
        multiply_packed(R, p.sums, H, h, H, p.packed + packed_numbers(p.seq.F, p.sums), True, gates, p.row)
    else:
        multiply(False, False, R, p.sums, H, h, H, p.recurrent_kernel, p.sums, 1, gates, p.row)
    for i in range(R):
        row = gates + i * p.row
        if masked(&p.seq, first + i, step):
            memcpy(h_next + i * H, h + i * H, H * sizeof(real))
            if p.lstm:
                memcpy(c_next + i * H, c + i * H, H * sizeof(real))
        elif p.lstm:
            close_lstm_row(p, c + i * H, row, c_next + i * H, h_next + i * H)
        else:
            add_bias(p.bias, row, H)
            activate(p.activation, row, H)
            memcpy(h_next + i * H, row, H * sizeof(real))


cdef void rnn_forward_shard(void *context, int shard) noexcept nogil:
    cdef RNN *p = <RNN *>context
    cdef Py_ssize_t H = p.seq.H, first = shard * p.seq.rows, R = rows_from(&p.seq, first), step, steps, now, next
    cdef real *xs = p.xs + first * p.block * p.seq.F
    cdef real *gates = p.gates + first * p.block * p.row
    cdef real *states = p.states + first * p.kept * H
    cdef real *cells = p.cells + first * p.kept * H if p.lstm else NULL
    copy_or_clear(states, p.h0 + first * H if p.h0 else NULL, R * H)
    if p.lstm:
        copy_or_clear(cells, p.c0 + first * H if p.c0 else NULL, R * H)
    for step in range(p.seq.T):
        if step % p.block == 0:
            steps = smaller(p.block, p.seq.T - step)
            gather_inputs(&p.seq, first, R, step, steps, xs)
            if p.packed:
                multiply_packed(steps * R, p.sums, p.seq.F, xs, p.seq.F, p.packed, False, gates, p.row)
            else:
                multiply(False, False, steps * R, p.sums, p.seq.F, xs, p.seq.F, p.kernel, p.sums, 0, gates, p.row)
        now, next = step % p.kept * R * H, (step + 1) % p.kept * R * H
        rnn_step(p, first, R, step, step == 0 and p.h0 == NULL, gates + step % p.block * R * p.row,
                 states + now, cells + now if cells else NULL, states + next, cells + next if cells else NULL)
        if p.seq.y:
            put_step(&p.seq, first, R, step, states + next)
    memcpy(p.last + first * H, states + p.seq.T % p.kept * R * H, R * H * sizeof(real))
    if p.lstm:
        memcpy(p.last_cell + first * H, cells + p.seq.T % p.kept * R * H, R * H * sizeof(real))


# --- backward ---------------------------------------------------------------------------------------


cdef void lstm_row_gradients(RNN *p, const real *c, real *row, real *dh, real *dc) noexcept nogil:
    """The gradients of a row's sums, which take the place of its values; dc becomes that of the step before:

    do = dh t r',   dc += dh o a',   di = dc g r',   df = dc c r',   dg = dc i a',   dc <- dc f
    """
    cdef real[CHUNK] di, df, dg, do, d
    cdef Py_ssize_t H = p.seq.H, begin = 0, j, n
    cdef real *i
    cdef real *f
    cdef real *g
    cdef real *o
    cdef real *t
    while begin < H:
        n = smaller(CHUNK, H - begin)
        i = row + begin
        f, g, o, t = i + H, i + 2 * H, i + 3 * H, i + 4 * H
        for j in range(n):
            do[j] = dh[begin + j] * t[j]
            d[j] = dh[begin + j] * o[j]
        pull_back(p.activation, d, t, n)
        for j in range(n):
            d[j] = dc[begin + j] + t[j]
            di[j] = d[j] * g[j]
            df[j] = d[j] * c[begin + j]
            dg[j] = d[j] * i[j]
            dc[begin + j] = d[j] * f[j]
        pull_back(p.recurrent_activation, di, i, n)
        pull_back(p.recurrent_activation, df, f, n)
        pull_back(p.activation, dg, g, n)
        pull_back(p.recurrent_activation, do, o, n)
        begin += n


cdef void rnn_backward_step(RNN *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *c,
                            real *dh, real *dc) noexcept nogil:
    """One time step of a shard backwards: rows become their gradients, dh and dc those of the states before the step."""
    cdef Py_ssize_t i, H = p.seq.H
    cdef real *row
    for i in range(R):
        row = gates + i * p.row
        if masked(&p.seq, first + i, step):  # dh and dc stay as they are
            memset(row, 0, p.sums * sizeof(real))
            continue
        if p.lstm:
            lstm_row_gradients(p, c + i * H, row, dh + i * H, dc + i * H)
        else:
            multiply_derivative(p.activation, row, dh + i * H, H)
            memcpy(row, dh + i * H, H * sizeof(real))
        memset(dh + i * H, 0, H * sizeof(real))
    if step == 0 and not p.dh0:
        return  # nobody asks for the gradients of the states before
    # dh += ds U'
    if p.packed:
        multiply_packed(R, H, p.sums, gates, p.row, p.packed, True, dh, H)
    else:
        multiply(False, True, R, H, p.sums, gates, p.row, p.recurrent_kernel, p.sums, 1, dh, H)


cdef inline void rnn_add_product(
    RNN *p, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, const real *d, real *c
) noexcept nogil:
    """C (m, n) += A' D for A (k, m) and D (k, n), columns of the sums' gradients; C is columns of a weight's."""
    if p.packed:
        add_transposed(m, n, k, a, m, d, p.row, c, p.sums)
    else:
        multiply(True, False, m, n, k, a, m, d, p.row, 1, c, p.sums)


cdef void rnn_add_weights(
    RNN *p, bint recurrent, Py_ssize_t begin, Py_ssize_t n, Py_ssize_t first, Py_ssize_t R, Py_ssize_t start,
    Py_ssize_t steps, const WeightGradients *total,
) noexcept nogil:
    """What some steps of a shard add to n columns of one of the weights' gradients."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    cdef Py_ssize_t skip = R if recurrent and start == 0 and not p.h0 else 0  # rows whose state is zero
    cdef Py_ssize_t row = first * p.seq.T + start * R + skip, rows = steps * R - skip
    cdef const real *d = p.gates + row * p.row + begin
    if recurrent:
        rnn_add_product(p, H, n, rows, p.states + (row + first) * H, d, total.recurrent_kernel + begin)
    else:
        rnn_add_product(p, F, n, rows, p.xs + row * F, d, total.kernel + begin)


cdef void rnn_weights_shard(void *context, int shard) noexcept nogil:
    """Gradients of SHARD_COLUMNS columns of all shards, those of the recurrent kernel first."""
    cdef RNN *p = <RNN *>context
    cdef Py_ssize_t first = 0, columns = pieces(p.sums, SHARD_COLUMNS), begin
    cdef bint recurrent = p.d.recurrent_kernel != NULL and shard < columns
    begin = (shard if recurrent or not p.d.recurrent_kernel else shard - columns) * SHARD_COLUMNS
    while first < p.seq.B:
        rnn_add_weights(p, recurrent, begin, smaller(SHARD_COLUMNS, p.sums - begin), first, rows_from(&p.seq, first),
                        0, p.seq.T, &p.d)
        first += p.seq.rows


cdef void rnn_backward_shard(void *context, int shard) noexcept nogil:
    cdef RNN *p = <RNN *>context
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, N = p.sums, first = shard * p.seq.rows, R = rows_from(&p.seq, first), s
    cdef real *gates
    cdef real *dh = p.d_states + first * H
    cdef real *dc = p.d_cells + first * H if p.lstm else NULL
    cdef real *sums = p.bias_sums + shard * N
    cdef WeightGradients own = gradients_of_shard(&p.d, shard)
    cdef Py_ssize_t begun = p.seq.T  # the steps from here on have their products in the weights' gradients
    cdef real *dx
    cdef const real *cells = p.cells + first * (p.seq.T + 1) * H if p.lstm else NULL
    copy_or_clear(dh, p.d_last + first * H if p.d_last else NULL, R * H)
    if p.lstm:
        copy_or_clear(dc, p.d_last_cell + first * H if p.d_last_cell else NULL, R * H)
    memset(sums, 0, N * sizeof(real))
    for s in range(p.seq.T - 1, -1, -1):
        gates = p.gates + (first * p.seq.T + s * R) * p.row
        add_output_gradients(&p.seq, first, R, s, dh)
        rnn_backward_step(p, first, R, s, gates, cells + s * R * H if cells else NULL, dh, dc)
        add_column_sums(R, N, gates, p.row, sums)
        if p.dx:
            # dx = ds W', into rows that stand T F apart
            dx = p.dx + (first * p.seq.T + time_index(&p.seq, s)) * F
            if p.packed:
                multiply_packed(R, F, N, gates, p.row, p.packed + packed_numbers(N, H), False, dx, p.seq.T * F)
            else:
                multiply(False, True, R, F, N, gates, p.row, p.kernel, N, 0, dx, p.seq.T * F)
        if p.d.sums and ((begun - s) * R >= SUMMED_ROWS or s == 0):
            if p.d.recurrent_kernel:
                rnn_add_weights(p, True, 0, N, first, R, s, begun - s, &own)
            if p.d.kernel:
                rnn_add_weights(p, False, 0, N, first, R, s, begun - s, &own)
            begun = s
    if p.dh0:
        memcpy(p.dh0 + first * H, dh, R * H * sizeof(real))
    if p.dc0:
        memcpy(p.dc0 + first * H, dc, R * H * sizeof(real))


# --- packed weights ---------------------------------------------------------------------------------


cdef void rnn_pack_forward(RNN *p, int part, int parts) noexcept nogil:
    """A part of the weights for the tiles of the forward pass, into `packed`."""
    cdef Py_ssize_t F = p.seq.F, N = p.sums
    cdef real *out = <real *>p.packed
    pack(part, parts, F, N, p.kernel, N, 0, out)
    pack(part, parts, p.seq.H, N, p.recurrent_kernel, N, 0, out + packed_numbers(F, N))


cdef void rnn_pack_forward_task(void *context, int part) noexcept nogil:
    rnn_pack_forward(<RNN *>context, part, PACK_TASKS)


cdef void rnn_pack_backward_task(void *context, int part) noexcept nogil:
    """A part of the transposed weights, those of the inputs where they are wanted."""
    cdef RNN *p = <RNN *>context
    cdef Py_ssize_t H = p.seq.H, N = p.sums
    cdef real *out = <real *>p.packed
    pack_transposed(part, PACK_TASKS, N, H, p.recurrent_kernel, N, 0, out)
    if p.dx:
        pack_transposed(part, PACK_TASKS, N, p.seq.F, p.kernel, N, 0, out + packed_numbers(N, H))


cdef Py_ssize_t rnn_packed_numbers(Py_ssize_t F, Py_ssize_t H, Py_ssize_t N) noexcept nogil:
    return larger(packed_numbers(F, N) + packed_numbers(H, N), packed_numbers(N, H) + packed_numbers(N, F))


def rnn_pack_size(Py_ssize_t F, Py_ssize_t H, Py_ssize_t N) -> int:
    """Numbers of the packed weights, whether for the forward or the backward pass."""
    return rnn_packed_numbers(F, H, N)


cdef int rnn_take_weights(RNN *p, ndarray kernel, ndarray recurrent_kernel) except -1:
    """kernel (F, N) and recurrent_kernel (H, N), which says what H and N are: N = 4H or H."""
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
    p.packed = vector_into(packed, "packed", rnn_packed_numbers(p.seq.F, p.seq.H, p.sums))
    with nogil:
        rnn_pack_forward(&p, 0, 1)


# --- calls ------------------------------------------------------------------------------------------


cdef Py_ssize_t rnn_lay_out(RNN *p, bint keep, real *memory) noexcept nogil:
    """Sizes, and where the pieces of the workspace lie, from B, T, F, H and N; returns how many numbers they take."""
    cdef Py_ssize_t numbers = 0, fitting, states
    p.seq.rows = shard_rows(p.seq.B, weights_numbers(&p.seq, p.sums) * p.seq.T)
    p.lstm = p.sums != p.seq.H
    p.row = p.sums + p.seq.H if p.lstm else p.seq.H
    fitting = BLOCK_NUMBERS // (p.seq.rows * p.row)
    p.block = p.seq.T if keep or fitting > p.seq.T else fitting if fitting > 0 else 1
    p.kept = p.seq.T + 1 if keep else 2
    states = whole_vectors(p.seq.B * p.kept * p.seq.H)
    p.states = memory
    numbers += states
    if p.lstm:
        p.cells = memory + numbers
        numbers += states
    p.xs = memory + numbers
    numbers += whole_vectors(p.seq.B * p.block * p.seq.F)
    if keep:
        p.d_states = memory + numbers
        numbers += whole_vectors(p.seq.B * p.seq.H)
        p.d_cells = memory + numbers
        numbers += whole_vectors(p.seq.B * p.seq.H)
        p.bias_sums = memory + numbers
        numbers += whole_vectors(pieces(p.seq.B, p.seq.rows) * p.sums)
        numbers += lay_out_sums(&p.d, &p.seq, p.sums, memory + numbers)
    p.gates = memory + numbers
    return numbers + p.seq.B * p.block * p.row + LANES  # behind a row of gates, add_transposed reads on


cdef int check_cells(bint lstm, bint last, bint others) except -1:
    """ValueError unless an LSTM has where its last cell goes, and a SimpleRNN nothing of a cell."""
    if lstm and not last:
        raise ValueError("Kernels, last_cell: expected an array, since the kernels are an LSTM's, got None.")
    if not lstm and (last or others):
        raise ValueError("Kernels: expected None for all that a cell has, since the kernels are a SimpleRNN's.")
    return 0


cdef RNN rnn_call(
    ndarray x, ndarray kernel, ndarray recurrent_kernel, ndarray packed, ndarray h0, ndarray c0, ndarray mask,
    int activation, int recurrent_activation, bint go_backwards, bint zero_output_for_mask, bint keep, ndarray memory,
):
    """What the forward and the backward pass share."""
    cdef RNN p
    memset(&p, 0, sizeof(p))
    take_sequences(&p.seq, x, mask)
    rnn_take_weights(&p, kernel, recurrent_kernel)
    p.h0, p.c0 = matrix_of(h0, "h0", p.seq.B, p.seq.H), matrix_of(c0, "c0", p.seq.B, p.seq.H)
    p.packed = packed_of(packed, rnn_packed_numbers(p.seq.F, p.seq.H, p.sums), keep)
    p.seq.go_backwards, p.seq.zero_output_for_mask = go_backwards, zero_output_for_mask
    p.activation, p.recurrent_activation = activation, recurrent_activation
    if not p.packed:
        fetch_blas(largest_size(&p.seq, 5 * p.seq.H))
    check_workspace(memory, rnn_lay_out(&p, keep, vector_into(memory, "memory", size_of(memory, 0))))
    return p


def rnn_memory(Py_ssize_t B, Py_ssize_t T, Py_ssize_t F, Py_ssize_t H, Py_ssize_t N, bint keep) -> int:
    """Numbers of workspace that `rnn_forward` wants; with `keep`, which a backward pass needs, `rnn_backward` reads the
    same memory."""
    cdef RNN p
    cdef real anything
    check_positive((B, T, F, H, N))
    memset(&p, 0, sizeof(p))
    p.seq.B, p.seq.T, p.seq.F, p.seq.H, p.sums = B, T, F, H, N
    return rnn_lay_out(&p, keep, &anything)


cdef class RNNForward:
    """An LSTM, whose kernel is (F, 4H), or a SimpleRNN, whose kernel is (F, H), over x (B, T, F), ready to run.

    bias (N,), h0 and c0 (B, H), mask (B, T) and y (B, T, H) may be None; last and last_cell (B, H) receive the final
    state. c0 and last_cell are the LSTM's, which a SimpleRNN has None for. `memory` has `rnn_memory` numbers; with `keep`
    it is what `rnn_backward` reads. packed is what `rnn_pack` made of the weights or, with `keep`, memory for that: in
    training they change with every batch. It is None to multiply with BLAS.
    """
    cdef RNN p
    cdef bint stale  # the packed weights

    def __cinit__(
        self, ndarray x not None, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray bias, ndarray packed,
        ndarray h0, ndarray c0, ndarray mask, int activation, int recurrent_activation, bint go_backwards,
        bint zero_output_for_mask, bint keep, ndarray memory not None, ndarray y, ndarray last not None, ndarray last_cell,
    ):
        self.p = rnn_call(x, kernel, recurrent_kernel, packed, h0, c0, mask, activation, recurrent_activation,
                          go_backwards, zero_output_for_mask, keep, memory)
        self.stale = keep and packed is not None
        cdef Py_ssize_t B = self.p.seq.B, H = self.p.seq.H
        self.p.bias, self.p.seq.y = vector_of(bias, "bias", self.p.sums), sequences_into(y, "y", B, self.p.seq.T, H)
        self.p.last, self.p.last_cell = matrix_into(last, "last", B, H), matrix_into(last_cell, "last_cell", B, H)
        check_cells(self.p.lstm, last_cell is not None, c0 is not None)

    cdef Tasks ready(self, int threads) noexcept nogil:
        """What is left to do when the weights are packed."""
        if self.stale:
            run_packing(rnn_pack_forward_task, &self.p, &self.p.seq, self.p.sums, threads)
        return Tasks(rnn_forward_shard, &self.p, <int>pieces(self.p.seq.B, self.p.seq.rows))


def rnn_forward(list calls, int threads):
    """Run an LSTM or a SimpleRNN, or two side by side, each given by the arguments of an `RNNForward`."""
    cdef RNNForward first = RNNForward(*calls[0])
    cdef RNNForward second = RNNForward(*calls[1]) if len(calls) == 2 else None
    cdef Tasks[2] tasks
    with nogil:
        tasks[0], tasks[1] = first.ready(threads), Tasks(NULL, NULL, 0)
        if second is not None:
            tasks[1] = second.ready(threads)
        run_both(tasks, threads)


def rnn_backward(
    ndarray x not None, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray packed, ndarray h0, ndarray c0,
    ndarray mask, int activation, int recurrent_activation, bint go_backwards, bint zero_output_for_mask,
    ndarray memory not None, ndarray dy, ndarray d_last, ndarray d_last_cell, ndarray dx, ndarray dh0, ndarray dc0,
    ndarray d_kernel, ndarray d_recurrent_kernel, ndarray d_bias, int threads,
):
    """Backward of `rnn_forward` with the same arguments and its memory, which is used up.

    packed is memory for the weights as its tiles read them, or None to multiply with BLAS, as in the forward pass. dy
    (B, T, H), d_last and d_last_cell (B, H) are the gradients of the outputs, each may be None; dx, dh0 and dc0 are
    written where they are not None; d_kernel, d_recurrent_kernel and d_bias are added to where they are not None.
    """
    cdef RNN p = rnn_call(x, kernel, recurrent_kernel, packed, h0, c0, mask, activation, recurrent_activation,
                          go_backwards, zero_output_for_mask, True, memory)
    cdef Py_ssize_t weights
    cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H
    p.seq.dy, p.d_last = sequences_of(dy, "dy", B, T, H), matrix_of(d_last, "d_last", B, H)
    p.d_last_cell = matrix_of(d_last_cell, "d_last_cell", B, H)
    check_cells(p.lstm, p.lstm, c0 is not None or d_last_cell is not None or dc0 is not None)
    p.dx, p.dh0, p.dc0 = sequences_into(dx, "dx", B, T, F), matrix_into(dh0, "dh0", B, H), matrix_into(dc0, "dc0", B, H)
    p.d.kernel = matrix_into(d_kernel, "d_kernel", F, p.sums)
    p.d.recurrent_kernel = matrix_into(d_recurrent_kernel, "d_recurrent_kernel", H, p.sums)
    p.d_bias = vector_into(d_bias, "d_bias", p.sums)
    weights = (p.d.kernel != NULL) + (p.d.recurrent_kernel != NULL)
    with nogil:
        if p.packed:
            run_packing(rnn_pack_backward_task, &p, &p.seq, p.sums, threads)
        run_tasks(rnn_backward_shard, &p, <int>pieces(p.seq.B, p.seq.rows), threads)
        if p.d_bias:  # in the order of the shards, whichever was done first
            add_column_sums(pieces(p.seq.B, p.seq.rows), p.sums, p.bias_sums, p.sums, p.d_bias)
        if p.d.sums:
            sum_shards(&p.d, threads)
        else:
            run_tasks(rnn_weights_shard, &p, <int>(weights * pieces(p.sums, SHARD_COLUMNS)), threads)
