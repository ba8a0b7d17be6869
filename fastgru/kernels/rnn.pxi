# LSTM and SimpleRNN over a whole sequence, forward and backward: the layers whose gates are functions of one sum.
#
# B rows of a batch, T time steps, F input features, H units; R rows in a block; N = 4H columns of the LSTM's weights
# with gates in the order i, f, g, o (input, forget, candidate, output), N = H of the SimpleRNN's, in `kernel` W (F, N),
# `recurrent_kernel` U (H, N) and the bias b (N,).
#
#   LSTM  s = x W + h U + b                          SimpleRNN
#         i, f, g, o = r(si), r(sf), a(sg), r(so)         h' = a(x W + h U + b)
#         c' = f c + i g
#         h' = o a(c')
#
# A block of rows lies as the GRU's does (gru.pxi): its steps in time order, rows of a step next to each other. A row is
# [i f g o t] with t = a(c'), 5H numbers, or [h'], H numbers; after the backward pass its first N numbers are the
# gradient of the sums, which is that of both projections.
#
#   xs      (T, R, F)    the inputs in time order
#   gates   (T, R, N+H)  x W, then a row's values, then their gradients; (T, R, H) for a SimpleRNN
#   states  (T+1, R, H)  h before every step, and the last; `cells` likewise c
#
# Where no backward pass follows two states are enough, and inputs are projected in windows of time, so that memory does
# not grow with T. A step is one product, added to the projection, and one pass over its rows.

cdef inline real *rnn_block_gates(const RNN *p, Py_ssize_t first) noexcept nogil:
    """The gates of the block that begins with a row; behind each is what `add_transposed` reads on, and nobody writes."""
    return p.gates + first * p.window * p.row + first // p.seq.block_rows * LANES


# --- forward ----------------------------------------------------------------------------------------


cdef inline void add_bias(const real *bias, real *row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    if bias:
        for j in range(n):
            row[j] += bias[j]


cdef void apply_lstm_gates(const RNN *p, const real *c, real *row, real *c_next, real *h_next) noexcept nogil:
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


cdef void rnn_step(
    const RNN *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, bint zero_state, real *gates, const real *h,
    const real *c, real *h_next, real *c_next,
) noexcept nogil:
    """One time step of a block, from x W in `gates`."""
    cdef Py_ssize_t i, H = p.seq.H
    cdef real *row
    if zero_state:
        pass
    elif p.packed:
        multiply_packed(R, p.sums, H, h, H, p.packed + packed_size(p.seq.F, p.sums), True, gates, p.row)
    else:
        multiply(False, False, R, p.sums, H, h, H, p.recurrent_kernel, p.sums, 1, gates, p.row)
    for i in range(R):
        row = gates + i * p.row
        if masked(&p.seq, first + i, step):
            memcpy(h_next + i * H, h + i * H, H * sizeof(real))
            if p.lstm:
                memcpy(c_next + i * H, c + i * H, H * sizeof(real))
        elif p.lstm:
            apply_lstm_gates(p, c + i * H, row, c_next + i * H, h_next + i * H)
        else:
            add_bias(p.bias, row, H)
            activate(p.activation, row, H)
            memcpy(h_next + i * H, row, H * sizeof(real))


cdef void rnn_forward_rows(void *context, int block) noexcept nogil:
    cdef const RNN *p = <RNN *>context
    cdef Py_ssize_t H = p.seq.H, first = block * p.seq.block_rows, R = rows_of_block(&p.seq, first)
    cdef Py_ssize_t step, steps, before, after
    cdef real *xs = p.xs + first * p.window * p.seq.F
    cdef real *gates = rnn_block_gates(p, first)
    cdef real *states = p.states + first * p.state_steps * H
    cdef real *cells = p.cells + first * p.state_steps * H if p.lstm else NULL
    copy_or_clear(states, p.h0 + first * H if p.h0 else NULL, R * H)
    if p.lstm:
        copy_or_clear(cells, p.c0 + first * H if p.c0 else NULL, R * H)
    for step in range(p.seq.T):
        if step % p.window == 0:
            steps = min(p.window, p.seq.T - step)
            gather_inputs(&p.seq, first, R, step, steps, xs)
            if p.packed:
                multiply_packed(steps * R, p.sums, p.seq.F, xs, p.seq.F, p.packed, False, gates, p.row)
            else:
                multiply(False, False, steps * R, p.sums, p.seq.F, xs, p.seq.F, p.kernel, p.sums, 0, gates, p.row)
        before, after = step % p.state_steps * R * H, (step + 1) % p.state_steps * R * H
        rnn_step(p, first, R, step, step == 0 and p.h0 == NULL, gates + step % p.window * R * p.row,
                 states + before, cells + before if cells else NULL, states + after, cells + after if cells else NULL)
        if p.seq.y:
            put_step(&p.seq, first, R, step, states + after)
    memcpy(p.last + first * H, states + p.seq.T % p.state_steps * R * H, R * H * sizeof(real))
    if p.lstm:
        memcpy(p.last_cell + first * H, cells + p.seq.T % p.state_steps * R * H, R * H * sizeof(real))


# --- backward ---------------------------------------------------------------------------------------


cdef void lstm_row_gradients(const RNN *p, const real *c, real *row, real *dh, real *dc) noexcept nogil:
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
        n = min(CHUNK, H - begin)
        i = row + begin
        f, g, o, t = i + H, i + 2 * H, i + 3 * H, i + 4 * H
        for j in range(n):
            do[j] = dh[begin + j] * t[j]
            d[j] = dh[begin + j] * o[j]
        activation_backward(p.activation, d, t, n)
        for j in range(n):
            d[j] = dc[begin + j] + t[j]
            di[j] = d[j] * g[j]
            df[j] = d[j] * c[begin + j]
            dg[j] = d[j] * i[j]
            dc[begin + j] = d[j] * f[j]
        activation_backward(p.recurrent_activation, di, i, n)
        activation_backward(p.recurrent_activation, df, f, n)
        activation_backward(p.activation, dg, g, n)
        activation_backward(p.recurrent_activation, do, o, n)
        begin += n


cdef void rnn_backward_step(const RNN *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *c,
                            real *dh, real *dc) noexcept nogil:
    """One time step of a block backwards: rows become their gradients, dh and dc those of the states before it."""
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
        return  # the gradients of the states before are not asked for
    # dh += ds U'
    if p.packed:
        multiply_packed(R, H, p.sums, gates, p.row, p.packed, True, dh, H)
    else:
        multiply(False, True, R, H, p.sums, gates, p.row, p.recurrent_kernel, p.sums, 1, dh, H)


cdef inline void rnn_add_product(
    const RNN *p, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, const real *d, real *c
) noexcept nogil:
    """C (m, n) += A' D for A (k, m) and D (k, n), columns of the sums' gradients; C is columns of a weight's."""
    if p.packed:
        add_transposed(m, n, k, a, m, d, p.row, c, p.sums)
    else:
        multiply(True, False, m, n, k, a, m, d, p.row, 1, c, p.sums)


cdef void rnn_add_weights(
    const RNN *p, bint recurrent, Py_ssize_t begin, Py_ssize_t n, Py_ssize_t first, Py_ssize_t R, Py_ssize_t start,
    Py_ssize_t steps, const WeightGradients *total,
) noexcept nogil:
    """What some steps of a block add to n columns of one of the weights' gradients."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    cdef Py_ssize_t skip = R if recurrent and start == 0 and not p.h0 else 0  # rows whose state is zero
    cdef Py_ssize_t T = p.seq.T, row = start * R + skip, rows = steps * R - skip
    cdef const real *d = rnn_block_gates(p, first) + row * p.row + begin
    if recurrent:
        rnn_add_product(p, H, n, rows, p.states + (first * (T + 1) + row) * H, d, total.recurrent_kernel + begin)
    else:
        rnn_add_product(p, F, n, rows, p.xs + (first * T + row) * F, d, total.kernel + begin)


cdef void rnn_weight_columns(void *context, int block) noexcept nogil:
    """Gradients of BLOCK_COLUMNS columns of all blocks, those of the recurrent kernel first."""
    cdef const RNN *p = <RNN *>context
    cdef Py_ssize_t first = 0, columns = ceil_div(p.sums, BLOCK_COLUMNS), begin
    cdef bint recurrent = p.d.recurrent_kernel != NULL and block < columns
    begin = (block if recurrent or not p.d.recurrent_kernel else block - columns) * BLOCK_COLUMNS
    while first < p.seq.B:
        rnn_add_weights(p, recurrent, begin, min(BLOCK_COLUMNS, p.sums - begin), first, rows_of_block(&p.seq, first),
                        0, p.seq.T, &p.d)
        first += p.seq.block_rows


cdef void rnn_backward_rows(void *context, int block) noexcept nogil:
    cdef const RNN *p = <RNN *>context
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, N = p.sums, first = block * p.seq.block_rows, R = rows_of_block(&p.seq, first)
    cdef Py_ssize_t s
    cdef real *gates
    cdef real *dh = p.d_states + first * H
    cdef real *dc = p.d_cells + first * H if p.lstm else NULL
    cdef real *sums = p.bias_sums + block * N
    cdef WeightGradients total = gradients_of_block(&p.d, block)
    cdef Py_ssize_t summed = p.seq.T  # the steps from here on have their products in the weights' gradients
    cdef real *dx
    cdef const real *cells = p.cells + first * (p.seq.T + 1) * H if p.lstm else NULL
    copy_or_clear(dh, p.d_last + first * H if p.d_last else NULL, R * H)
    if p.lstm:
        copy_or_clear(dc, p.d_last_cell + first * H if p.d_last_cell else NULL, R * H)
    memset(sums, 0, N * sizeof(real))
    for s in range(p.seq.T - 1, -1, -1):
        gates = rnn_block_gates(p, first) + s * R * p.row
        add_output_gradients(&p.seq, first, R, s, dh)
        rnn_backward_step(p, first, R, s, gates, cells + s * R * H if cells else NULL, dh, dc)
        add_column_sums(R, N, gates, p.row, sums)
        if p.dx:
            # dx = ds W', into rows that stand T F apart
            dx = p.dx + (first * p.seq.T + time_index(&p.seq, s)) * F
            if p.packed:
                multiply_packed(R, F, N, gates, p.row, p.packed + packed_size(N, H), False, dx, p.seq.T * F)
            else:
                multiply(False, True, R, F, N, gates, p.row, p.kernel, N, 0, dx, p.seq.T * F)
        if p.d.sums and ((summed - s) * R >= SUMMED_ROWS or s == 0):
            if p.d.recurrent_kernel:
                rnn_add_weights(p, True, 0, N, first, R, s, summed - s, &total)
            if p.d.kernel:
                rnn_add_weights(p, False, 0, N, first, R, s, summed - s, &total)
            summed = s
    if p.dh0:
        memcpy(p.dh0 + first * H, dh, R * H * sizeof(real))
    if p.dc0:
        memcpy(p.dc0 + first * H, dc, R * H * sizeof(real))


# --- packed weights ---------------------------------------------------------------------------------


cdef void rnn_pack_forward(const RNN *p, int part, int parts) noexcept nogil:
    """A part of the weights for the tiles of the forward pass, into `packed`."""
    cdef Py_ssize_t F = p.seq.F, N = p.sums
    cdef real *out = <real *>p.packed
    pack(part, parts, F, N, p.kernel, N, 0, out)
    pack(part, parts, p.seq.H, N, p.recurrent_kernel, N, 0, out + packed_size(F, N))


cdef void rnn_pack_forward_task(void *context, int part) noexcept nogil:
    rnn_pack_forward(<RNN *>context, part, PACK_TASKS)


cdef void rnn_pack_backward_task(void *context, int part) noexcept nogil:
    """A part of the transposed weights, those of the inputs where they are asked for."""
    cdef const RNN *p = <RNN *>context
    cdef Py_ssize_t H = p.seq.H, N = p.sums
    cdef real *out = <real *>p.packed
    pack_transposed(part, PACK_TASKS, N, H, p.recurrent_kernel, N, 0, out)
    if p.dx:
        pack_transposed(part, PACK_TASKS, N, p.seq.F, p.kernel, N, 0, out + packed_size(N, H))


cdef Py_ssize_t rnn_packed_size(Py_ssize_t F, Py_ssize_t H, Py_ssize_t N) noexcept nogil:
    return max(packed_size(F, N) + packed_size(H, N), packed_size(N, H) + packed_size(N, F))


# --- calls ------------------------------------------------------------------------------------------


cdef void rnn_pack(RNN *p) noexcept nogil:
    rnn_pack_forward(p, 0, 1)


# --- passes ----------------------------------------------------------------------------------------


cdef Py_ssize_t rnn_plan_workspace(RNN *p, real *memory) noexcept nogil:
    """How the work is cut, and where the parts of the workspace begin; returns how many numbers they take."""
    cdef Py_ssize_t B = p.seq.B, T = p.seq.T, H = p.seq.H, numbers = 0, steps, states, blocks
    p.seq.block_rows = rows_per_block(B, weights_numbers(&p.seq, p.sums) * T)
    blocks = ceil_div(B, p.seq.block_rows)
    p.lstm = p.sums != H
    p.row = p.sums + H if p.lstm else H
    steps = WINDOW_NUMBERS // (p.seq.block_rows * p.row)
    p.window = T if p.training or steps > T else max(steps, 1)
    p.state_steps = T + 1 if p.training else 2
    states = pad_to_vectors(B * p.state_steps * H)
    p.states = memory
    numbers += states
    if p.lstm:
        p.cells = memory + numbers
        numbers += states
    p.xs = memory + numbers
    numbers += pad_to_vectors(B * p.window * p.seq.F)
    if p.training:
        p.d_states = memory + numbers
        numbers += pad_to_vectors(B * H)
        p.d_cells = memory + numbers
        numbers += pad_to_vectors(B * H)
        p.bias_sums = memory + numbers
        numbers += pad_to_vectors(blocks * p.sums)
        numbers += plan_sums(&p.d, &p.seq, p.sums, memory + numbers)
    p.gates = memory + numbers
    return numbers + B * p.window * p.row + blocks * LANES


cdef Tasks rnn_forward_tasks(RNN *p, int threads) noexcept nogil:
    """What is left of a forward pass when the weights are packed."""
    if p.packed and p.training:
        run_packing(rnn_pack_forward_task, p, &p.seq, p.sums, threads)
    elif p.packed and threads == 1:
        join_blocks(&p.seq)
    return Tasks(rnn_forward_rows, p, <int>ceil_div(p.seq.B, p.seq.block_rows))


cdef void rnn_forward(RNN *first, RNN *second, int threads) noexcept nogil:
    """The forward pass of one, or of two side by side where `second` is not NULL."""
    cdef Tasks[2] both
    both[0], both[1] = rnn_forward_tasks(first, threads), Tasks(NULL, NULL, 0)
    if second:
        both[1] = rnn_forward_tasks(second, threads)
    run_both(both, threads)


cdef void rnn_backward(RNN *p, int threads) noexcept nogil:
    cdef Py_ssize_t weights = (p.d.kernel != NULL) + (p.d.recurrent_kernel != NULL)
    cdef Py_ssize_t blocks = ceil_div(p.seq.B, p.seq.block_rows)
    if p.packed:
        run_packing(rnn_pack_backward_task, p, &p.seq, p.sums, threads)
    run_tasks(rnn_backward_rows, p, <int>blocks, threads)
    if p.d_bias:  # in the order of the blocks, whichever was done first
        add_column_sums(blocks, p.sums, p.bias_sums, p.sums, p.d_bias)
    if p.d.sums:
        sum_row_blocks(&p.d, threads)
    else:
        run_tasks(rnn_weight_columns, p, <int>(weights * ceil_div(p.sums, BLOCK_COLUMNS)), threads)
